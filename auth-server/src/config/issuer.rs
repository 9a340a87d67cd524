use std::fmt;

use url::Url;

use crate::client::redirect_uri::is_loopback;

/// The URL that names this server. It may have a path; endpoints are then below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    text: String,
    path: String,
    is_https: bool,
}

impl Issuer {
    /// Reads an issuer and keeps its spelling: tokens and metadata repeat it byte for byte.
    ///
    /// # Errors
    /// Says which rule it breaks.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let url = Url::parse(text).map_err(|_| "must be an absolute URL")?;
        let is_https = match url.scheme() {
            "https" => true,
            "http" if is_loopback(&url) => false,
            _ => return Err("must be https, or http on 127.0.0.1, [::1] or localhost"),
        };
        if text.contains(['?', '#']) {
            return Err("must have neither a query nor a fragment");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("must not carry a user name or a password");
        }
        if text.ends_with('/') {
            return Err("must not end with a slash");
        }
        let path = url.path().trim_end_matches('/').to_owned();
        // Braces would be patterns in the table of paths.
        if url.as_str().trim_end_matches('/') != text || path.contains(['{', '}']) {
            return Err("must be written in its normal form");
        }
        Ok(Self {
            text: text.to_owned(),
            path,
            is_https,
        })
    }

    /// The issuer as tokens name it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The path below which the endpoints are; empty, or with a leading slash.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether browsers reach it by TLS.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.is_https
    }

    /// The full address of an endpoint, given with its leading slash.
    #[must_use]
    pub fn endpoint(&self, path: &str) -> String {
        format!("{}{path}", self.text)
    }

    /// The path of an endpoint on this server, given with its leading slash.
    #[must_use]
    pub fn endpoint_path(&self, path: &str) -> String {
        format!("{}{path}", self.path)
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
