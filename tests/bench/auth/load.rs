//! Who asks: connections that are kept, and answers that are read to their end.

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use serde::Deserialize;
use url::form_urlencoded;

use crate::contender::{CLIENT_ID, CLIENT_SECRET, Contender};

/// The client of a token endpoint.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    endpoint: String,
    credentials: HeaderValue,
}

/// What a token endpoint answers.
#[derive(Debug, Deserialize)]
pub(crate) struct Tokens {
    pub(crate) access_token: String,
    pub(crate) refresh_token: Option<String>,
    pub(crate) id_token: Option<String>,
}

impl Client {
    pub(crate) fn new(contender: &Contender) -> Self {
        use base64::Engine as _;
        let pair = format!("{CLIENT_ID}:{CLIENT_SECRET}");
        let pair = base64::engine::general_purpose::STANDARD.encode(pair);
        Self {
            http: reqwest::Client::builder().no_proxy().build().expect("a client"),
            endpoint: contender.token_endpoint.clone(),
            credentials: HeaderValue::try_from(format!("Basic {pair}")).expect("a header"),
        }
    }

    /// Asks for tokens; anything but tokens ends the bench.
    pub(crate) async fn ask(&self, form: &[(&str, &str)]) -> Tokens {
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(form);
        let answer = self
            .http
            .post(&self.endpoint)
            .header(AUTHORIZATION, &self.credentials)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(body.finish())
            .send()
            .await
            .expect("the server answers");
        let status = answer.status();
        let text = answer.text().await.expect("a whole answer");
        assert!(status.is_success(), "{status}: {text}");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }
}
