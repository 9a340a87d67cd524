//! Which other origins' pages may call us with the session: those that are listed, exactly, and nobody else.
//!
//! For a page on `https://app.example.com` with its BFF on `https://api.example.com`. The cookie is `SameSite=Strict`, so
//! a page of another *site* gets none of it whatever is listed.

pub mod middleware;

use std::time::Duration;

use http::{HeaderName, Method};
use url::{Origin, Url};

/// For how long a browser may remember that it may call; Chromium's most.
pub const PREFLIGHT_LIFETIME: Duration = Duration::from_secs(7200);

/// The listed origins.
#[derive(Debug, Clone, Default)]
pub struct AllowedOrigins(Vec<String>);

impl AllowedOrigins {
    /// A list of origins, each as [`parse`](Self::parse) returns it.
    #[must_use]
    pub fn new(origins: Vec<String>) -> Self {
        Self(origins)
    }

    /// Reads an origin, in the very form in which browsers write it.
    ///
    /// # Errors
    /// The rule, when it is not one.
    pub fn parse(text: &str) -> Result<String, &'static str> {
        let rule =
            "must be an origin such as https://app.example.com, without a path; * and patterns are not taken";
        let url = Url::parse(text).map_err(|_| rule)?;
        match url.origin() {
            origin @ Origin::Tuple(..)
                if matches!(url.scheme(), "https" | "http")
                    && origin.ascii_serialization() == text
                    && !text.contains('*') =>
            {
                Ok(text.to_owned())
            }
            _ => Err(rule),
        }
    }

    /// Whether none is listed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether pages of this origin may call us.
    #[must_use]
    pub fn contains(&self, origin: &str) -> bool {
        self.0.iter().any(|listed| listed == origin)
    }
}

/// Whether a method may be granted to a page: any but those that browsers never send (Fetch §4.4).
#[must_use]
pub fn grants_method(method: &str) -> bool {
    method
        .parse::<Method>()
        .is_ok_and(|method| !matches!(method, Method::CONNECT | Method::TRACE))
}

/// Whether these names, as `Access-Control-Request-Headers` lists them, are names.
#[must_use]
pub fn grants_headers(names: &str) -> bool {
    names
        .split(',')
        .all(|name| HeaderName::try_from(name.trim()).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_written_as_browsers_write_it() {
        for good in [
            "https://app.example.com",
            "https://app.example.com:8443",
            "http://localhost:5173",
        ] {
            assert!(AllowedOrigins::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "*",
            "null",
            "https://*.example.com",
            "https://app.example.com/",
            "https://app.example.com:443",
            "https://App.example.com",
            "app.example.com",
            "file:///x",
            "https://u@app.example.com",
        ] {
            assert!(AllowedOrigins::parse(bad).is_err(), "{bad}");
        }
    }

    /// Checklist 29.
    #[test]
    fn origins_are_compared_whole() {
        let allowed = AllowedOrigins::new(vec!["https://app.example.com".to_owned()]);
        assert!(allowed.contains("https://app.example.com"));
        for foreign in [
            "null",
            "",
            "http://app.example.com",
            "https://app.example.com.evil.example",
            "https://evil-app.example.com",
            "https://app.example.com:444",
            "https://app.example.com/",
        ] {
            assert!(!allowed.contains(foreign), "{foreign}");
        }
    }

    #[test]
    fn only_names_are_granted() {
        assert!(grants_method("PATCH") && grants_method("PURGE"));
        assert!(
            !grants_method("TRACE")
                && !grants_method("CONNECT")
                && !grants_method("A B")
                && !grants_method("")
        );
        assert!(grants_headers("x-csrf, content-type"));
        assert!(!grants_headers("x-csrf,") && !grants_headers("x\r\ny"));
    }
}
