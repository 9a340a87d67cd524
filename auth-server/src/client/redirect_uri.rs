//! Redirect URIs: what may be registered and what matches (RFC 6749 §3.1.2, RFC 8252 §7, RFC 9700 §2.1).

use url::{Host, Url};

/// A registered redirect URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedirectUri {
    text: String,
    loopback: Option<Loopback>,
}

/// The parts of a loopback URI around its port, which a native application chooses only when it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Loopback {
    before_port: String,
    after_port: String,
}

/// Why a text cannot be registered as a redirect URI.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRedirectUri {
    /// Not an absolute URI.
    #[error("must be an absolute URI")]
    NotAbsolute,
    /// RFC 6749 §3.1.2.
    #[error("must not have a fragment")]
    Fragment,
    /// `https://user@host/`.
    #[error("must not carry a user name or a password")]
    UserInfo,
    /// `http` to another machine.
    #[error("must be https: http is for 127.0.0.1, [::1] and localhost only")]
    PlainHttp,
    /// `javascript:` and the like, or a confidential client with a private-use scheme.
    #[error("must be https, http on loopback or, for public clients, a private-use scheme with a dot in it")]
    Scheme,
    /// Written other than it would be sent.
    #[error("must not contain spaces, control characters or a backslash")]
    Characters,
}

impl std::fmt::Display for RedirectUri {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl RedirectUri {
    /// Takes up a URI from the configuration.
    ///
    /// # Errors
    /// Says which rule it breaks.
    pub fn parse(text: &str, is_public_client: bool) -> Result<Self, InvalidRedirectUri> {
        if text
            .bytes()
            .any(|byte| byte <= b' ' || byte == b'\\' || byte >= 0x7f)
        {
            return Err(InvalidRedirectUri::Characters);
        }
        let url = Url::parse(text).map_err(|_| InvalidRedirectUri::NotAbsolute)?;
        if text.contains('#') {
            return Err(InvalidRedirectUri::Fragment);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidRedirectUri::UserInfo);
        }
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&url) => {}
            "http" => return Err(InvalidRedirectUri::PlainHttp),
            // RFC 8252 §7.1: a reversed domain name, so that it belongs to somebody.
            scheme if is_public_client && scheme.contains('.') => {}
            _ => return Err(InvalidRedirectUri::Scheme),
        }
        let loopback = if is_public_client {
            Loopback::of(text)
        } else {
            None
        };
        Ok(Self {
            text: text.to_owned(),
            loopback,
        })
    }

    /// Whether a request may name this URI: byte for byte the same, but for the port of a public client's loopback
    /// address (RFC 8252 §7.3).
    #[must_use]
    pub fn matches(&self, presented: &str) -> bool {
        self.text == presented
            || self
                .loopback
                .as_ref()
                .is_some_and(|loopback| loopback.matches(presented))
    }
}

impl Loopback {
    /// `localhost` is left out on purpose: it may resolve to somebody else (RFC 8252 §8.3).
    fn of(text: &str) -> Option<Self> {
        let (before_port, rest) = ["http://127.0.0.1", "http://[::1]"]
            .into_iter()
            .find_map(|prefix| Some((prefix, text.strip_prefix(prefix)?)))?;
        let after_port = match rest.strip_prefix(':') {
            None => rest,
            Some(port_and_more) => port_and_more.trim_start_matches(|c: char| c.is_ascii_digit()),
        };
        Some(Self {
            before_port: before_port.to_owned(),
            after_port: after_port.to_owned(),
        })
    }

    fn matches(&self, presented: &str) -> bool {
        let middle = presented
            .strip_prefix(self.before_port.as_str())
            .and_then(|rest| rest.strip_suffix(self.after_port.as_str()));
        match middle {
            None => false,
            Some("") => true,
            Some(port) => port
                .strip_prefix(':')
                .is_some_and(|port| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok()),
        }
    }
}

/// Whether plain http to this host never leaves the machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// The URI with parameters added to the query it may already have (RFC 6749 §4.1.2).
pub(crate) fn with_parameters(uri: &str, parameters: &[(&str, &str)]) -> String {
    let separator = if uri.contains('?') { '&' } else { '?' };
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(parameters)
        .finish();
    format!("{uri}{separator}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public(text: &str) -> RedirectUri {
        RedirectUri::parse(text, true).unwrap()
    }

    #[test]
    fn only_the_very_same_uri_matches() {
        let uri = RedirectUri::parse("https://app.example/cb", false).unwrap();
        assert!(uri.matches("https://app.example/cb"));
        for other in [
            "https://app.example/cb/",
            "https://app.example/cb?x=1",
            "https://app.example/CB",
            "https://APP.example/cb",
            "https://app.example:443/cb",
            "https://app.example/a/../cb",
            "https://app.example/cb#f",
            "https://app.example.evil/cb",
            "http://app.example/cb",
            "https://app.example/cb%00",
            "",
        ] {
            assert!(!uri.matches(other), "{other}");
        }
    }

    #[test]
    fn a_public_client_chooses_its_loopback_port() {
        let uri = public("http://127.0.0.1/cb");
        for port in ["", ":1", ":51004", ":65535"] {
            assert!(uri.matches(&format!("http://127.0.0.1{port}/cb")), "{port}");
        }
        for other in [
            "http://127.0.0.1:65536/cb",
            "http://127.0.0.1:/cb",
            "http://127.0.0.1:+80/cb",
            "http://127.0.0.1:80/cb/x",
            "http://127.0.0.1:80@evil/cb",
            "http://127.0.0.1.evil/cb",
            "http://localhost:80/cb",
            "https://127.0.0.1:80/cb",
        ] {
            assert!(!uri.matches(other), "{other}");
        }
        assert!(public("http://[::1]:9/cb").matches("http://[::1]:51004/cb"));
    }

    #[test]
    fn localhost_and_confidential_clients_have_a_fixed_port() {
        assert!(!public("http://localhost:8080/cb").matches("http://localhost:8081/cb"));
        let confidential = RedirectUri::parse("http://127.0.0.1:8080/cb", false).unwrap();
        assert!(!confidential.matches("http://127.0.0.1:8081/cb"));
    }

    #[test]
    fn what_cannot_be_registered() {
        let refused = |text, public| RedirectUri::parse(text, public).unwrap_err();
        assert_eq!(refused("/cb", false), InvalidRedirectUri::NotAbsolute);
        assert_eq!(
            refused("https://a.example/cb#x", false),
            InvalidRedirectUri::Fragment
        );
        assert_eq!(
            refused("https://u@a.example/cb", false),
            InvalidRedirectUri::UserInfo
        );
        assert_eq!(
            refused("http://a.example/cb", false),
            InvalidRedirectUri::PlainHttp
        );
        assert_eq!(refused("javascript:alert(1)", true), InvalidRedirectUri::Scheme);
        assert_eq!(refused("com.example.app:/cb", false), InvalidRedirectUri::Scheme);
        assert_eq!(
            refused("https://a.example/c b", false),
            InvalidRedirectUri::Characters
        );
        assert!(public("com.example.app:/cb").matches("com.example.app:/cb"));
    }

    #[test]
    fn parameters_join_the_query_that_is_there() {
        assert_eq!(
            with_parameters("https://a/cb", &[("state", "a b")]),
            "https://a/cb?state=a+b"
        );
        assert_eq!(
            with_parameters("https://a/cb?x=1", &[("code", "c")]),
            "https://a/cb?x=1&code=c"
        );
    }
}
