use std::collections::BTreeMap;

use reqwest::Method;
use url::Url;

use super::{Answer, CALLBACK, CHALLENGE, EVERYTHING, PASSWORD, Server};

const SESSION_COOKIE: &str = "__Host-Http-signin";

/// An authorization request under construction.
#[derive(Clone)]
pub(crate) struct Authorization(Vec<(String, String)>);

/// A good request of the BFF.
pub(crate) fn authorization() -> Authorization {
    Authorization(Vec::new())
        .with("client_id", "bff")
        .with("redirect_uri", CALLBACK)
        .with("response_type", "code")
        .with("scope", EVERYTHING)
        .with("state", "st&te ü")
        .with("nonce", "n-0S6_WzA2Mj")
        .with("code_challenge", CHALLENGE)
        .with("code_challenge_method", "S256")
}

/// A good request of the mobile app.
pub(crate) fn app_authorization(redirect_uri: &str) -> Authorization {
    authorization()
        .with("client_id", "app")
        .with("redirect_uri", redirect_uri)
        .with("scope", "openid offline_access notes:read")
}

/// A good request of the client that users are asked about.
pub(crate) fn stranger_authorization(scope: &str) -> Authorization {
    authorization()
        .with("client_id", "stranger")
        .with("redirect_uri", "https://stranger.example/cb")
        .with("scope", scope)
}

impl Authorization {
    pub(crate) fn with(self, name: &str, value: &str) -> Self {
        self.without(name).also(name, value)
    }

    pub(crate) fn also(mut self, name: &str, value: &str) -> Self {
        self.0.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.0.retain(|(found, _)| found != name);
        self
    }

    pub(crate) fn query(&self) -> String {
        url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&self.0)
            .finish()
    }

    pub(crate) fn path(&self) -> String {
        format!("/authorize?{}", self.query())
    }

    pub(crate) fn form(&self) -> &[(String, String)] {
        &self.0
    }
}

/// A browser: it keeps cookies, follows nothing by itself, and fills in forms.
pub(crate) struct Browser<'s> {
    server: &'s Server,
    pub(crate) cookies: BTreeMap<String, String>,
}

impl<'s> Browser<'s> {
    pub(crate) fn new(server: &'s Server) -> Self {
        Self {
            server,
            cookies: BTreeMap::new(),
        }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send(self.server.request(Method::GET, path)).await
    }

    pub(crate) async fn send(&mut self, request: reqwest::RequestBuilder) -> Answer {
        let cookies: Vec<_> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let request = if cookies.is_empty() {
            request
        } else {
            request.header("cookie", cookies.join("; "))
        };
        let answer = self.server.send(request).await;
        for cookie in answer.headers.get_all("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            let (name, rest) = cookie.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            if cookie.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    pub(crate) async fn authorize(&mut self, request: &Authorization) -> Answer {
        self.get(&request.path()).await
    }

    /// Submits the form of a page with its hidden fields and these.
    pub(crate) async fn submit(&mut self, page: &Answer, fields: &[(&str, &str)]) -> Answer {
        let mut form = page.hidden_fields();
        form.extend(
            fields
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        self.post(page, &form).await
    }

    async fn post(&mut self, page: &Answer, form: &[(String, String)]) -> Answer {
        let action = Url::parse(&self.server.issuer)
            .unwrap()
            .join(&page.form_action())
            .unwrap();
        let path = action
            .as_str()
            .strip_prefix(self.server.issuer.as_str())
            .unwrap()
            .to_owned();
        let request = self
            .server
            .request(Method::POST, &path)
            .header("sec-fetch-site", "same-origin");
        self.send(request.form(form)).await
    }

    /// Submits these fields as a form of a page that has several, all of them to one place with one token.
    pub(crate) async fn press(&mut self, page: &Answer, fields: &[(&str, &str)]) -> Answer {
        let mut form = vec![("form_token".to_owned(), page.hidden_field("form_token"))];
        form.extend(
            fields
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        self.post(page, &form).await
    }

    /// Opens the request, types name and password, and comes back with the answer for the client.
    pub(crate) async fn sign_in(&mut self, name: &str, request: &Authorization) -> Answer {
        let page = self.authorize(request).await;
        assert_eq!(page.status, 200, "{}", page.body);
        self.submit(
            &page,
            &[("username", name), ("password", PASSWORD), ("action", "sign-in")],
        )
        .await
    }

    pub(crate) fn session_cookie(&self) -> Option<String> {
        self.cookies.get(SESSION_COOKIE).cloned()
    }
}
