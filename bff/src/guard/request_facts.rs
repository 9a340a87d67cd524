//! What the browser itself says about a request: Fetch Metadata (`Sec-Fetch-*`), `Origin`, `Accept`, `X-CSRF`.

/// Where a request was made, as `Sec-Fetch-Site` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchSite {
    /// A page of this very origin.
    SameOrigin,
    /// A page of a sister origin.
    SameSite,
    /// A page of another site.
    CrossSite,
    /// No page: typed, from a bookmark.
    None,
    /// A word that this program does not know; treated as another site.
    Unknown,
}

/// How a request was made, as `Sec-Fetch-Mode` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchMode {
    /// The browser goes to a page.
    Navigate,
    /// Anything else: `fetch`, an image, a WebSocket.
    Other,
}

/// The facts of a request by which the guard and the endpoints judge it.
#[derive(Debug, Clone, Copy)]
pub struct RequestFacts<'r> {
    /// Whether the method is safe (RFC 9110 §9.2.1).
    pub is_safe: bool,
    /// `Sec-Fetch-Site`, from clients that send it.
    pub site: Option<FetchSite>,
    /// `Sec-Fetch-Mode`, from clients that send it.
    pub mode: Option<FetchMode>,
    /// `Origin`.
    pub origin: Option<&'r str>,
    /// `X-CSRF`.
    pub csrf: Option<&'r str>,
    /// Whether `Accept` lists HTML.
    pub accepts_html: bool,
}

impl<'r> RequestFacts<'r> {
    /// Reads the facts out of the lines of a head, in one pass: names in lower case, and values.
    pub fn read(is_safe: bool, lines: impl Iterator<Item = (&'r str, &'r [u8])>) -> Self {
        let [mut site, mut mode, mut origin, mut csrf, mut accept] = [None; 5];
        for (name, value) in lines {
            let fact = match name {
                "sec-fetch-site" => &mut site,
                "sec-fetch-mode" => &mut mode,
                "origin" => &mut origin,
                "x-csrf" => &mut csrf,
                "accept" => &mut accept,
                _ => continue,
            };
            // A repeated or unreadable one reads as a word that nobody knows.
            *fact = Some(match (*fact, std::str::from_utf8(value)) {
                (Some(_), _) => "repeated",
                (None, Ok(text)) if text.bytes().all(is_visible) => text,
                (None, _) => "unreadable",
            });
        }
        Self {
            is_safe,
            site: site.map(FetchSite::parse),
            mode: mode.map(FetchMode::parse),
            origin,
            csrf,
            accepts_html: accept.is_some_and(|accept| accept.contains("text/html")),
        }
    }

    /// Whether a person looks at the answer: the browser navigates, or a client without Fetch Metadata asks for HTML.
    #[must_use]
    pub fn wants_html(&self) -> bool {
        self.accepts_html && self.mode.is_none_or(|mode| mode == FetchMode::Navigate)
    }

    /// Whether the browser says that it navigates.
    #[must_use]
    pub fn navigates(&self) -> bool {
        self.mode == Some(FetchMode::Navigate)
    }
}

/// What may stand in a header that is text.
const fn is_visible(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~')
}

impl FetchSite {
    fn parse(text: &str) -> Self {
        match text {
            "same-origin" => Self::SameOrigin,
            "same-site" => Self::SameSite,
            "cross-site" => Self::CrossSite,
            "none" => Self::None,
            _ => Self::Unknown,
        }
    }
}

impl FetchMode {
    fn parse(text: &str) -> Self {
        if text == "navigate" {
            Self::Navigate
        } else {
            Self::Other
        }
    }
}
