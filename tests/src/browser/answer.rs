//! What came back.

use bytes::Bytes;
use http::HeaderMap;
use http::header::LOCATION;
use serde_json::Value;
use url::Url;

use super::html::{Form, text_of};

/// An answer, read whole, after all the redirects the browser followed.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The address that gave it.
    pub url: Url,
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// Every address asked on the way, this one included.
    pub hops: Vec<Url>,
}

impl Answer {
    /// A header, if it is there and text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// What the page says to its reader, without tags.
    pub fn words(&self) -> String {
        text_of(&self.text())
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is something else.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {}", self.summary()))
    }

    /// Where the answer sends the browser.
    pub fn location(&self) -> Option<Url> {
        self.url.join(self.headers.get(LOCATION)?.to_str().ok()?).ok()
    }

    /// The page's form that asks for a password.
    pub fn sign_in_form(&self) -> Option<Form> {
        self.forms().into_iter().find(Form::asks_for_password)
    }

    /// The page's forms.
    pub fn forms(&self) -> Vec<Form> {
        Form::all_of(&self.text(), &self.url)
    }

    /// Whether the body says it is HTML.
    pub fn is_html(&self) -> bool {
        self.header("content-type")
            .is_some_and(|media_type| media_type.starts_with("text/html"))
    }

    /// Whether this is a redirect with somewhere to go.
    pub fn is_redirect(&self) -> bool {
        matches!(self.status, 301 | 302 | 303 | 307 | 308) && self.headers.contains_key(LOCATION)
    }

    /// # Panics
    /// When the status is another.
    #[track_caller]
    pub fn assert_status(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{}", self.summary());
        self
    }

    /// # Panics
    /// When the answer is not this problem of the BFF.
    #[track_caller]
    pub fn assert_problem(&self, status: u16, code: &str) -> &Self {
        self.assert_status(status);
        let problem = self.json();
        assert_eq!(problem["code"], code, "{}", self.summary());
        assert_eq!(
            problem["type"],
            format!("https://cloakroom.dev/problems/{code}"),
            "{}",
            self.summary()
        );
        self
    }

    /// # Panics
    /// When the answer does not say that all is well but not now.
    #[track_caller]
    pub fn assert_unavailable(&self, code: &str) -> &Self {
        self.assert_problem(503, code);
        let retry_after = self
            .header("retry-after")
            .and_then(|seconds| seconds.parse::<u32>().ok());
        assert!(
            retry_after.is_some_and(|seconds| seconds > 0),
            "no Retry-After: {}",
            self.summary()
        );
        assert!(
            !self.headers.contains_key("set-cookie"),
            "an outage is no reason to touch cookies: {}",
            self.summary()
        );
        self
    }

    /// The answer in a few lines, for messages.
    pub fn summary(&self) -> String {
        let body: String = self.text().chars().take(2_000).collect();
        let headers = self
            .headers
            .iter()
            .map(|(name, value)| format!("  {name}: {value:?}\n"))
            .collect::<String>();
        format!("{} answered {}\n{headers}\n{body}", self.url, self.status)
    }
}
