//! What is asked.

use crate::upstream::{SINK, SMALL};

const KIB: usize = 1024;

/// One kind of request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) path: &'static str,
    /// How many bytes are sent up.
    pub(crate) body: Option<usize>,
    pub(crate) answer: Answer,
    /// Whether it is asked over many connections too.
    pub(crate) with_many: bool,
    /// Whether a quick run asks it.
    pub(crate) in_quick: bool,
}

/// What has to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// 204.
    Nothing,
    /// [`SMALL`].
    Small,
    /// That many bytes.
    Bytes(usize),
    /// How long the request was that the upstream read.
    LengthOfRequest,
}

impl Answer {
    /// The fewest bytes that the body of a right answer has.
    pub(crate) fn least_bytes(self) -> u64 {
        let bytes = match self {
            Self::Nothing => 0,
            Self::Small => SMALL.len(),
            Self::Bytes(bytes) => bytes,
            Self::LengthOfRequest => 1,
        };
        u64::try_from(bytes).expect("sizes are small")
    }
}

pub(crate) const SMALL_GET: Case = get("get-small", "/api/small", Answer::Small)
    .with_many()
    .in_quick();

pub(crate) const ALL: [Case; 8] = [
    get("get-empty", "/api/empty", Answer::Nothing),
    SMALL_GET,
    get("get-1k", "/api/1k", Answer::Bytes(KIB)).with_many(),
    get("get-64k", "/api/64k", Answer::Bytes(64 * KIB)).in_quick(),
    get("get-1m", "/api/1m", Answer::Bytes(KIB * KIB)).in_quick(),
    post("post-1k", KIB),
    post("post-64k", 64 * KIB),
    post("post-1m", KIB * KIB).in_quick(),
];

/// Answers from nothing to 4 MB.
pub(crate) const BY_SIZE: [Case; 7] = [
    get("get-empty", "/api/empty", Answer::Nothing),
    get("get-1k", "/api/1k", Answer::Bytes(KIB)),
    get("get-16k", "/api/16k", Answer::Bytes(16 * KIB)),
    get("get-64k", "/api/64k", Answer::Bytes(64 * KIB)),
    get("get-256k", "/api/256k", Answer::Bytes(256 * KIB)),
    get("get-1m", "/api/1m", Answer::Bytes(KIB * KIB)),
    get("get-4m", "/api/4m", Answer::Bytes(4 * KIB * KIB)),
];

/// 2 GB down, which are not looked at.
pub(crate) const HUGE_GET: Case = get("get-2g", "/api/2g", Answer::Bytes(HUGE));
/// 2 GB up.
pub(crate) const HUGE_POST: Case = post("post-2g", HUGE);
/// 2 GB.
pub(crate) const HUGE: usize = 2 * KIB * KIB * KIB;

const fn get(name: &'static str, path: &'static str, answer: Answer) -> Case {
    Case {
        name,
        path,
        body: None,
        answer,
        with_many: false,
        in_quick: false,
    }
}

const fn post(name: &'static str, body: usize) -> Case {
    Case {
        body: Some(body),
        ..get(name, SINK, Answer::LengthOfRequest)
    }
}

impl Case {
    /// How many requests the upstream counts for one.
    pub(crate) fn counted_as(&self) -> f64 {
        if self.answer == Answer::LengthOfRequest {
            2.0
        } else {
            1.0
        }
    }

    const fn with_many(mut self) -> Self {
        self.with_many = true;
        self
    }

    const fn in_quick(mut self) -> Self {
        self.in_quick = true;
        self
    }
}
