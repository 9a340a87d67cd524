//! What a stack's parties whispered to each other, so that it can be looked for where it must not be.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex};

/// What a secret is; decides where it may be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Goes to upstreams, never to the browser.
    AccessToken,
    /// Goes to the provider, never to the browser.
    RefreshToken,
    /// Stays at the BFF.
    IdToken,
    /// The browser carries it from the provider to the BFF, once.
    Code,
    /// The browser carries it both ways.
    State,
    /// PKCE: known to the BFF until the code is exchanged.
    CodeVerifier,
    /// Known to the BFF and the provider.
    ClientSecret,
    /// Known to the BFF and its operators.
    AdminToken,
    /// The user's; only the provider's form receives it.
    Password,
    /// The user's; not for logs.
    Email,
    /// The value of a cookie of the BFF or of the provider.
    Cookie,
}

impl Kind {
    /// Whether no answer of the BFF may show it, in whatever place.
    fn is_kept_from_browsers(self) -> bool {
        match self {
            Self::AccessToken
            | Self::RefreshToken
            | Self::IdToken
            | Self::Code
            | Self::CodeVerifier
            | Self::ClientSecret
            | Self::AdminToken
            | Self::Password => true,
            // State is part of the redirect to the provider, the e-mail is a claim of the user's own, and cookies
            // are what `Set-Cookie` is for.
            Self::State | Self::Email | Self::Cookie => false,
        }
    }

    /// Whether no upstream may get it. The access token is what they do get, and claims are between app and API.
    fn is_kept_from_upstreams(self) -> bool {
        !matches!(self, Self::AccessToken | Self::State | Self::Email)
    }
}

/// The secrets one stack has seen so far; copies share the collection.
#[derive(Clone, Default)]
pub struct Secrets(Arc<Mutex<HashSet<(Kind, String)>>>);

impl Secrets {
    /// Below this length a text is found by chance.
    const SHORTEST: usize = 10;

    /// Remembers a secret; short texts are no secrets.
    pub fn learn(&self, kind: Kind, value: &str) {
        if value.len() >= Self::SHORTEST {
            self.0.lock().unwrap().insert((kind, value.to_owned()));
        }
    }

    /// The values of one kind.
    pub fn of_kind(&self, kind: Kind) -> Vec<String> {
        let known = self.0.lock().unwrap();
        known
            .iter()
            .filter(|(of, _)| *of == kind)
            .map(|(_, value)| value.clone())
            .collect()
    }

    /// The first thing in this text that no browser may see.
    pub fn seen_by_browser(&self, text: &str) -> Option<Finding> {
        self.shown_to_browser("", text)
    }

    /// As [`seen_by_browser`](Self::seen_by_browser), for an answer to a browser that came with this address: a code
    /// that stands there is no news to it.
    pub fn shown_to_browser(&self, address: &str, text: &str) -> Option<Finding> {
        let is_news = |kind: Kind, value: &str| kind != Kind::Code || !address.contains(value);
        self.find(text, |kind, value| {
            kind.is_kept_from_browsers() && is_news(kind, value)
        })
        .or_else(|| jwt_in(text))
    }

    /// The first thing in this request that no upstream may get.
    pub fn seen_by_upstream(&self, request: &str) -> Option<Finding> {
        self.find(request, |kind, _| kind.is_kept_from_upstreams())
    }

    /// The first thing in this log that no log may hold.
    pub fn seen_in_log(&self, log: &str) -> Option<Finding> {
        self.find(log, |_, _| true).or_else(|| jwt_in(log))
    }

    fn find(&self, text: &str, of: impl Fn(Kind, &str) -> bool) -> Option<Finding> {
        let known = self.0.lock().unwrap();
        let mut secrets = known.iter().filter(|(kind, value)| of(*kind, value));
        secrets.find_map(|(kind, value)| {
            // Most headers are shorter than most tokens, and preparing a search costs more than this.
            if value.len() > text.len() {
                return None;
            }
            let at = text.find(value.as_str())?;
            Some(Finding::new(&format!("{kind:?}"), text, at))
        })
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.0.lock().unwrap().len())
    }
}

/// A secret in a place where it must not be.
#[derive(Debug)]
pub struct Finding {
    what: String,
    around: String,
}

impl Finding {
    fn new(what: &str, text: &str, at: usize) -> Self {
        let line_start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[at..].find('\n').map_or(text.len(), |newline| at + newline);
        Self {
            what: what.to_owned(),
            around: text[line_start..line_end].chars().take(600).collect(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in: {}", self.what, self.around)
    }
}

/// Finds anything of the shape of a JWT: three base64url parts, of which the first is a JSON object.
fn jwt_in(text: &str) -> Option<Finding> {
    let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    text.match_indices("eyJ").find_map(|(at, _)| {
        let token: &str = &text[at..];
        let end = token
            .bytes()
            .position(|byte| !is_base64url(byte) && byte != b'.')
            .unwrap_or(token.len());
        let mut parts = token[..end].split('.');
        let long_enough = |part: Option<&str>| part.is_some_and(|part| part.len() >= 8);
        (long_enough(parts.next()) && long_enough(parts.next()) && long_enough(parts.next()))
            .then(|| Finding::new("something like a JWT", text, at))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jwt_is_found_in_the_middle_of_a_text() {
        let secrets = Secrets::default();

        let leak = "token=eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl&x=1";

        assert!(secrets.seen_by_browser(leak).is_some());
        assert!(secrets.seen_in_log(leak).is_some());
        assert!(
            secrets
                .seen_by_browser("eyJhbGciOiJFUzI1NiJ9 alone, or a.b.c")
                .is_none()
        );
    }

    #[test]
    fn an_opaque_token_is_found_once_it_is_known() {
        let secrets = Secrets::default();
        assert!(secrets.seen_by_browser("rt_0123456789abcdef").is_none());

        secrets.learn(Kind::RefreshToken, "rt_0123456789abcdef");

        assert!(secrets.seen_by_browser("<p>rt_0123456789abcdef</p>").is_some());
    }

    #[test]
    fn state_may_be_shown_to_the_browser_but_not_to_the_log() {
        let secrets = Secrets::default();
        secrets.learn(Kind::State, "state-0123456789");

        assert!(
            secrets
                .seen_by_browser("https://op.example/?state=state-0123456789")
                .is_none()
        );
        assert!(
            secrets
                .seen_in_log("GET /callback?state=state-0123456789")
                .is_some()
        );
    }
}
