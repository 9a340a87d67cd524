use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::test_support::{AUDIENCE, FakeIssuer, NOW, TestKey, good_claims};
use crate::time::ManualClock;
use crate::{Config, Listeners, Running, start};

/// A service that is up, its issuer, and a client.
pub(super) struct Stage {
    pub(super) issuer: FakeIssuer,
    pub(super) key: TestKey,
    pub(super) clock: ManualClock,
    pub(super) http: reqwest::Client,
    running: Running,
    management: String,
}

impl Stage {
    pub(super) async fn start() -> Self {
        let key = TestKey::es256("k1");
        let issuer = FakeIssuer::publishing(&[&key]).await;
        Self::start_with(issuer, key, None).await
    }

    /// With notes in this file, if there is one.
    pub(super) async fn start_with(issuer: FakeIssuer, key: TestKey, notes: Option<&Path>) -> Self {
        let notes = notes.map(|path| format!("[notes]\npath = {:?}\n", path.display().to_string()));
        Self::start_configured(issuer, key, &notes.unwrap_or_default()).await
    }

    /// With this besides what is needed in the configuration.
    pub(super) async fn start_configured(issuer: FakeIssuer, key: TestKey, more: &str) -> Self {
        let config = format!(
            "[server]\nworkers = 2\n[token]\nissuer = {:?}\naudience = {AUDIENCE:?}\n{more}",
            issuer.url(),
        );
        Self::start_as(&config, issuer, key).await
    }

    /// With this configuration.
    pub(super) async fn start_as(config: &str, issuer: FakeIssuer, key: TestKey) -> Self {
        let config = Config::parse(config, &|_| None).unwrap();
        let management = TcpListener::bind("127.0.0.1:0").unwrap();
        let management_url = format!("http://{}", management.local_addr().unwrap());
        let listeners = Listeners {
            public: TcpListener::bind("127.0.0.1:0").unwrap(),
            management: Some(management),
        };
        let clock = ManualClock::new(NOW);
        let running = start(config, listeners, Arc::new(clock.clone())).await.unwrap();
        Self {
            issuer,
            key,
            clock,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            running,
            management: management_url,
        }
    }

    /// Stops the service; the issuer and its key remain.
    pub(super) async fn stop(self) -> (FakeIssuer, TestKey) {
        self.running.stop().await;
        (self.issuer, self.key)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.running.address()
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.running.address())
    }

    /// The claims of a good token of this issuer.
    pub(super) fn claims(&self) -> Value {
        let mut claims = good_claims();
        claims["iss"] = json!(self.issuer.url());
        claims
    }

    /// A good token.
    pub(super) fn token(&self, subject: &str, scope: &str) -> String {
        let mut claims = self.claims();
        claims["sub"] = json!(subject);
        claims["scope"] = json!(scope);
        self.key.access_token(&claims)
    }

    pub(super) async fn get(&self, path: &str, token: Option<&str>) -> Answer {
        let request = self.http.get(self.url(path));
        self.answer_to(authorized(request, token)).await
    }

    pub(super) async fn post(&self, path: &str, token: Option<&str>, body: &Value) -> Answer {
        let request = self.http.post(self.url(path)).json(body);
        self.answer_to(authorized(request, token)).await
    }

    /// A `GET` with these `Authorization` headers.
    pub(super) async fn get_with(&self, path: &str, authorizations: &[&str]) -> Answer {
        let request = self.http.get(self.url(path));
        let request = authorizations
            .iter()
            .fold(request, |request, &value| request.header("Authorization", value));
        self.answer_to(request).await
    }

    pub(super) async fn management(&self, path: &str) -> Answer {
        self.answer_to(self.http.get(self.management_url(path))).await
    }

    pub(super) fn management_url(&self, path: &str) -> String {
        format!("{}{path}", self.management)
    }

    /// Sends a request and checks of the answer what is true of every answer.
    pub(super) async fn answer_to(&self, request: reqwest::RequestBuilder) -> Answer {
        let request = request.build().unwrap();
        let sent = request.headers().get_all("authorization").iter();
        let sent: Vec<String> = sent
            .filter_map(|value| value.to_str().ok())
            .map(str::to_owned)
            .collect();
        let response = self.http.execute(request).await.unwrap();
        let answer = Answer {
            status: response.status().as_u16(),
            headers: response
                .headers()
                .iter()
                .map(|(name, value)| (name.as_str().to_owned(), value.to_str().unwrap().to_owned()))
                .collect(),
            body: response.text().await.unwrap(),
        };
        answer.assert_general_rules(&sent);
        answer
    }
}

fn authorized(request: reqwest::RequestBuilder, token: Option<&str>) -> reqwest::RequestBuilder {
    match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    }
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    headers: HashMap<String, String>,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// A problem document of this kind.
    pub(super) fn assert_problem(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.json()["code"], code, "{self:?}");
    }

    fn assert_general_rules(&self, authorizations: &[String]) {
        assert_eq!(self.header("x-content-type-options"), Some("nosniff"), "{self:?}");
        assert_eq!(self.header("cache-control"), Some("no-store"), "{self:?}");
        let expected = [
            "content-type",
            "content-length",
            "date",
            "www-authenticate",
            "allow",
            "location",
        ];
        let expected = expected.iter().chain(&[
            "x-content-type-options",
            "cache-control",
            "retry-after",
            "connection",
        ]);
        for name in self.headers.keys() {
            assert!(
                expected.clone().any(|expected| expected == name),
                "{name} was not to be expected"
            );
        }
        for secret in authorizations
            .iter()
            .flat_map(|value| value.split(['.', ' ']))
            .filter(|part| part.len() > 8)
        {
            let shown = format!("{self:?}");
            assert!(
                !shown.contains(secret),
                "{shown} shows a part of the request's credentials"
            );
        }
        if self.status >= 400 {
            assert_eq!(
                self.header("content-type"),
                Some("application/problem+json"),
                "{self:?}"
            );
            let problem = self.json();
            let code = problem["code"].as_str().unwrap();
            assert_eq!(problem["type"], format!("https://cloakroom.dev/problems/{code}"));
            assert_eq!(problem["status"], self.status);
            assert!(problem["title"].as_str().unwrap().ends_with('.'));
            // One tells more.
            let members = if code == "not-ready" { 5 } else { 4 };
            assert_eq!(problem.as_object().unwrap().len(), members, "{problem}");
        }
        let challenged = self.header("www-authenticate").is_some();
        // RFC 9110 §15.5.2: a 401 has a challenge; what was let in or could not be judged has none.
        assert!(challenged || self.status != 401, "{self:?}");
        assert!(!challenged || (400..=403).contains(&self.status), "{self:?}");
    }
}
