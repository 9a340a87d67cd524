//! Whoever administers the sessions of a BFF from outside: a program with the admin token.

use std::net::SocketAddr;

use http::{HeaderMap, Method};
use serde_json::Value;

/// An operator's tool at one management address.
#[derive(Debug)]
pub struct Operator {
    address: SocketAddr,
    token: String,
    client: reqwest::Client,
}

/// What an operator was answered.
#[derive(Debug)]
pub struct Told {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; null if it is not JSON.
    pub body: Value,
}

impl Operator {
    pub(crate) fn new(address: SocketAddr, token: &str) -> Self {
        let client = reqwest::Client::builder().no_proxy().build();
        Self {
            address,
            token: token.to_owned(),
            client: client.expect("an HTTP client"),
        }
    }

    /// Where this operator asks.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The header that proves who asks.
    pub fn authorization(&self) -> String {
        format!("Bearer {}", self.token)
    }

    /// A request to the sessions with these parameters.
    pub async fn ask(&self, method: Method, query: &[(&str, &str)]) -> Told {
        self.ask_as(method, query, &[&self.authorization()]).await
    }

    /// As [`ask`](Self::ask), with these `Authorization` headers.
    ///
    /// # Panics
    /// When the address does not answer.
    pub async fn ask_as(&self, method: Method, query: &[(&str, &str)], authorization: &[&str]) -> Told {
        let mut address = url::Url::parse(&format!("http://{}/admin/sessions", self.address)).unwrap();
        if !query.is_empty() {
            address.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self.client.request(method, address);
        for value in authorization {
            request = request.header("authorization", *value);
        }
        let answer = request.send().await.expect("the management address answers");
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let body = answer.text().await.expect("an answer has text");
        Told {
            status,
            headers,
            body: serde_json::from_str(&body).unwrap_or_default(),
        }
    }

    /// Every page of a list.
    ///
    /// # Panics
    /// When a page is not given.
    pub async fn list(&self, name: &str, value: &str) -> Vec<Value> {
        let (mut sessions, mut after) = (Vec::new(), None::<String>);
        loop {
            let mut query = vec![(name, value)];
            query.extend(after.as_deref().map(|after| ("after", after)));
            let page = self.ask(Method::GET, &query).await;
            page.assert_status(200);
            sessions.extend(page.body["sessions"].as_array().expect("a list").clone());
            after = page.body["next"].as_str().map(str::to_owned);
            if after.is_none() {
                return sessions;
            }
        }
    }

    /// Ends sessions, and says how many.
    ///
    /// # Panics
    /// When that is not what is answered.
    pub async fn end(&self, name: &str, value: &str) -> u64 {
        let told = self.ask(Method::DELETE, &[(name, value)]).await;
        told.assert_status(200);
        told.body["ended"].as_u64().expect("a number")
    }
}

impl Told {
    /// What is told of sessions is never kept by a cache.
    #[track_caller]
    pub fn assert_status(&self, status: u16) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.headers["cache-control"], "no-store", "{self:?}");
    }

    /// A refusal is a problem document.
    #[track_caller]
    pub fn assert_problem(&self, status: u16, code: &str) {
        self.assert_status(status);
        assert_eq!(
            self.headers["content-type"], "application/problem+json",
            "{self:?}"
        );
        assert_eq!(self.body["code"], code, "{self:?}");
        assert_eq!(
            self.headers.contains_key("retry-after"),
            status == 503,
            "{self:?}"
        );
    }
}
