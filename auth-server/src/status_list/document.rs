//! One list as it is signed and sent (draft-ietf-oauth-status-list §4.2, §5.1).

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use resource_server::time::UnixTime;
use serde::Serialize;

use crate::key::signer::{SigningError, TokenType};
use crate::key::{Signer, SigningAlgorithm};
use crate::secret::{Digest, base64url};

/// A list is good for between one and two of these. All nodes sign for the same end, and what has not changed has the same
/// tag on each of them.
const TERM: i64 = 1800;

/// How hard the bits are packed. The best level takes thirty times as long and saves a sixth at most; the quickest makes
/// lists of which little has ended half as large again (`docs/decisions.md`).
const PACKING: Compression = Compression::new(4);

/// What a list is made from.
#[derive(Debug)]
pub(super) struct Draft {
    /// Its own address.
    pub(super) uri: String,
    pub(super) bits: Vec<u8>,
    pub(super) now: UnixTime,
    /// How long who has it need not ask again.
    pub(super) ttl: Duration,
    pub(super) signing: SigningAlgorithm,
}

/// A signed list.
#[derive(Debug, Clone)]
pub(super) struct Document {
    pub(super) text: Arc<str>,
    /// The same for the same bits, key and end, whoever signed: a weak validator, without quotes.
    pub(super) etag: String,
    /// When it is to be signed anew for.
    pub(super) expires: UnixTime,
}

/// The claims of a Status List Token.
#[derive(Serialize)]
struct Claims<'l> {
    sub: &'l str,
    iat: i64,
    exp: i64,
    ttl: u64,
    status_list: StatusList,
}

#[derive(Serialize)]
struct StatusList {
    /// Per grant.
    bits: u8,
    lst: String,
}

/// Until when a list is good that is signed now.
pub(super) fn expiry(now: UnixTime) -> UnixTime {
    UnixTime::from_secs((now.as_secs().div_euclid(TERM) + 2).saturating_mul(TERM))
}

impl Draft {
    /// Compresses and signs it: some milliseconds of work.
    ///
    /// # Errors
    /// When there is no key.
    pub(super) fn sign(self, signer: &Signer, kid: &str) -> Result<Document, SigningError> {
        let lst = compressed(&self.bits);
        let expires = expiry(self.now);
        let claims = Claims {
            sub: &self.uri,
            iat: self.now.as_secs(),
            exp: expires.as_secs(),
            ttl: self.ttl.as_secs(),
            status_list: StatusList { bits: 1, lst },
        };
        let text = signer.sign(TokenType::StatusList, self.signing, &claims)?;
        let content = format!(
            "{kid} {} {} {} {}",
            claims.sub, claims.exp, claims.ttl, claims.status_list.lst
        );
        Ok(Document {
            text: text.into(),
            etag: base64url(&Digest::of(content.as_bytes()).as_bytes()[..16]),
            expires,
        })
    }
}

/// A zlib stream (RFC 1950) as base64url.
fn compressed(bits: &[u8]) -> String {
    let mut encoder = ZlibEncoder::new(Vec::new(), PACKING);
    #[expect(clippy::expect_used, reason = "writing to memory does not fail")]
    let stream = encoder
        .write_all(bits)
        .and_then(|()| encoder.finish())
        .expect("memory takes it");
    base64url(&stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_draft_section_4() {
        // The streams of the draft are those of another library: what they say is the same.
        let decompressed = |lst: &str| {
            use base64::Engine as _;
            use std::io::Read as _;
            let stream = base64::engine::general_purpose::URL_SAFE_NO_PAD
                .decode(lst)
                .unwrap();
            let mut bits = Vec::new();
            flate2::read::ZlibDecoder::new(&*stream)
                .read_to_end(&mut bits)
                .unwrap();
            bits
        };
        assert_eq!(decompressed("eNrbuRgAAhcBXQ"), [0xb9, 0xa3]);
        assert_eq!(decompressed(&compressed(&[0xb9, 0xa3])), [0xb9, 0xa3]);
        let nothing = compressed(&[0; 131_072]);
        assert!(nothing.len() < 250, "{} characters", nothing.len());
        assert_eq!(decompressed(&nothing), [0; 131_072]);
    }

    #[test]
    fn a_list_is_good_for_half_an_hour_at_least_and_an_hour_at_most() {
        for now in [0, 1, 1_799, 1_800, 1_800_000_123] {
            let left = expiry(UnixTime::from_secs(now)).as_secs() - now;
            assert!(left > 1_800 && left <= 3_600, "{left} s");
        }
        assert_eq!(expiry(UnixTime::from_secs(1_799)).as_secs(), 3_600);
        assert_eq!(expiry(UnixTime::from_secs(1_800)).as_secs(), 5_400);
    }
}
