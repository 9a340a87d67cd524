//! `fetch()` from a page of the app, or from a page of somebody else.

use std::future::{Future, IntoFuture};
use std::pin::Pin;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method};
use serde_json::Value;
use tokio::task::JoinHandle;
use url::Url;

use super::answer::Answer;
use super::site::{Initiator, Relation, is_same_site, origin_header};
use super::{Browser, Purpose};

/// A request that a script is about to make; `.await` sends it.
#[must_use = "a fetch is sent by awaiting it"]
#[derive(Debug)]
pub struct Fetch {
    browser: Browser,
    method: Method,
    url: Url,
    page: Url,
    headers: HeaderMap,
    removed: Vec<HeaderName>,
    body: Option<reqwest::Body>,
}

impl Fetch {
    pub(super) fn new(browser: Browser, url: Url) -> Self {
        let page = browser.app().clone();
        Self {
            browser,
            method: Method::GET,
            url,
            page,
            headers: HeaderMap::new(),
            removed: Vec::new(),
            body: None,
        }
        .header("x-csrf", "1")
    }

    /// Uses another method than `GET`.
    pub fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// Posts this.
    pub fn post_json(self, json: &Value) -> Self {
        self.method(Method::POST)
            .header("content-type", "application/json")
            .body(json.to_string())
    }

    /// Sends a body, whole or streaming.
    pub fn body(mut self, body: impl Into<reqwest::Body>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Sets a header, also one that a browser sets by itself.
    ///
    /// # Panics
    /// When it is not a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().expect("a header name");
        self.removed.retain(|removed| *removed != name);
        self.headers.insert(
            name,
            HeaderValue::from_bytes(value.as_bytes()).expect("a header value"),
        );
        self
    }

    /// Leaves a header out, also one that a browser sets by itself.
    ///
    /// # Panics
    /// When it is not a header name.
    pub fn without(mut self, name: &str) -> Self {
        let name: HeaderName = name.parse().expect("a header name");
        self.headers.remove(&name);
        self.removed.push(name);
        self
    }

    /// Lets a page of another address make the request, with `credentials: "include"`.
    pub fn by_page(mut self, page: &str) -> Self {
        self.page = Url::parse(page).expect("a page's address");
        self
    }

    /// Sends it and reads the answer whole. Redirects are not followed: the app's scripts never need that.
    pub async fn send(self) -> Answer {
        let browser = self.browser.clone();
        let url = self.url.clone();
        let purpose = if self.method == Method::HEAD {
            Purpose::HeadersOnly
        } else {
            Purpose::Fetch
        };
        let response = self.start().await;
        let answer = browser.read(response, vec![url]).await;
        browser.inspect(&answer, purpose);
        answer
    }

    /// Sends it in a task of its own.
    pub fn spawn(self) -> JoinHandle<Answer> {
        tokio::spawn(self.send())
    }

    /// Sends it and reads the body piece by piece.
    pub async fn open(self) -> Stream {
        let browser = self.browser.clone();
        let url = self.url.clone();
        let response = self.start().await;
        let head = Answer {
            url: url.clone(),
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: Bytes::new(),
            hops: vec![url],
        };
        browser.inspect(&head, Purpose::HeadersOnly);
        Stream { head, response }
    }

    async fn start(self) -> reqwest::Response {
        let chain = [self.url.clone()];
        let initiator = Initiator::Page(self.page.clone());
        let mut headers = HeaderMap::new();
        let mut set = |name: &'static str, value: &str| {
            headers.insert(name, HeaderValue::from_str(value).expect("a header value"));
        };
        set("accept", "*/*");
        set("sec-fetch-mode", "cors");
        set("sec-fetch-dest", "empty");
        set("sec-fetch-site", Relation::of(&initiator, &chain).header());
        let is_safe = matches!(self.method, Method::GET | Method::HEAD);
        if !is_safe || self.page.origin() != self.url.origin() {
            set("origin", &origin_header(&self.page.origin()));
        }
        if self.body.is_some() && !self.headers.contains_key(CONTENT_TYPE) {
            set("content-type", "application/octet-stream");
        }
        for (name, value) in &self.headers {
            headers.insert(name, value.clone());
        }
        for name in &self.removed {
            headers.remove(name);
        }
        let context = self
            .browser
            .cookie_context(is_same_site(&initiator, &chain), false, is_safe);
        self.browser
            .send(self.method, &self.url, headers, self.body, context)
            .await
    }
}

impl IntoFuture for Fetch {
    type Output = Answer;
    type IntoFuture = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

/// An answer whose body is still coming.
#[derive(Debug)]
pub struct Stream {
    /// Status and headers.
    pub head: Answer,
    response: reqwest::Response,
}

impl Stream {
    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// When the connection ends before the body does.
    pub async fn next(&mut self) -> reqwest::Result<Option<Bytes>> {
        self.response.chunk().await
    }
}
