//! One request to the provider and its answer, as both were seen on the way.

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use http::HeaderMap;
use http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION};
use serde_json::Value;
use url::Url;
use url::form_urlencoded;

use crate::secrets::{Kind, Secrets};

/// A request that reached the relay, and the provider's answer once there is one.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// The method, in capitals.
    pub method: String,
    /// The path as it was sent.
    pub path: String,
    /// The query's pairs, decoded.
    pub query: Vec<(String, String)>,
    /// The form's pairs, decoded.
    pub form: Vec<(String, String)>,
    /// The request's headers.
    pub headers: HeaderMap,
    /// The provider's status; `None` while it has not answered.
    pub status: Option<u16>,
    /// Where the provider's answer leads.
    pub location: Option<Url>,
    /// The provider's answer, if it is JSON.
    pub json: Option<Value>,
}

impl Exchange {
    pub(super) fn begun(head: &http::request::Parts, body: &[u8]) -> Self {
        let is_form = is(&head.headers, "application/x-www-form-urlencoded");
        Self {
            method: head.method.to_string(),
            path: head.uri.path().to_owned(),
            query: pairs(head.uri.query().unwrap_or_default().as_bytes()),
            form: if is_form { pairs(body) } else { Vec::new() },
            headers: head.headers.clone(),
            status: None,
            location: None,
            json: None,
        }
    }

    pub(super) fn complete(&mut self, head: &http::response::Parts, body: &[u8]) {
        self.status = Some(head.status.as_u16());
        let location = head
            .headers
            .get(LOCATION)
            .and_then(|location| location.to_str().ok());
        self.location = location.and_then(|location| Url::parse(location).ok());
        self.json = serde_json::from_slice(body).ok();
    }

    /// A field of the request's form.
    pub fn form(&self, name: &str) -> Option<&str> {
        value_of(&self.form, name)
    }

    /// A parameter of the request's query.
    pub fn query(&self, name: &str) -> Option<&str> {
        value_of(&self.query, name)
    }

    /// A text member of the provider's JSON.
    pub fn answered(&self, member: &str) -> Option<&str> {
        self.json.as_ref()?.get(member)?.as_str()
    }

    /// The client's id and secret, however it authenticated.
    pub fn client_credentials(&self) -> Option<(String, String)> {
        let basic = self
            .headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok()?.strip_prefix("Basic "));
        let Some(basic) = basic else {
            return Some((
                self.form("client_id")?.to_owned(),
                self.form("client_secret")?.to_owned(),
            ));
        };
        let decoded = String::from_utf8(BASE64_STANDARD.decode(basic).ok()?).ok()?;
        let (id, secret) = decoded.split_once(':')?;
        // RFC 6749 §2.3.1: both are form-encoded before they are joined.
        Some((form_decoded(id), form_decoded(secret)))
    }

    pub(super) fn teach_request(&self, secrets: &Secrets) {
        for (name, value) in self.query.iter().chain(&self.form) {
            if let Some(kind) = kind_of(name) {
                learn(secrets, kind, value);
            }
        }
        if let Some((_, secret)) = self.client_credentials() {
            secrets.learn(Kind::ClientSecret, &secret);
        }
    }

    pub(super) fn teach_answer(&self, secrets: &Secrets) {
        for member in ["access_token", "refresh_token", "id_token"] {
            if let (Some(kind), Some(value)) = (kind_of(member), self.answered(member)) {
                learn(secrets, kind, value);
            }
        }
        for (name, value) in self.location.iter().flat_map(Url::query_pairs) {
            if let Some(kind) = kind_of(&name) {
                learn(secrets, kind, &value);
            }
        }
    }
}

fn kind_of(parameter: &str) -> Option<Kind> {
    Some(match parameter {
        "access_token" => Kind::AccessToken,
        "refresh_token" => Kind::RefreshToken,
        "id_token" | "id_token_hint" => Kind::IdToken,
        "code" => Kind::Code,
        "state" => Kind::State,
        "code_verifier" => Kind::CodeVerifier,
        "client_secret" => Kind::ClientSecret,
        "password" => Kind::Password,
        _ => return None,
    })
}

fn learn(secrets: &Secrets, kind: Kind, value: &str) {
    secrets.learn(kind, value);
    // Half a token is a secret too: whoever has its claims needs only the signature.
    let mut parts = value.split('.');
    if let (Some(head), Some(_), Some(signature)) = (parts.next(), parts.next(), parts.next())
        && BASE64_URL_SAFE_NO_PAD.decode(head).is_ok()
    {
        secrets.learn(kind, signature);
    }
}

fn pairs(encoded: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(encoded).into_owned().collect()
}

fn form_decoded(text: &str) -> String {
    let pair = pairs(format!("x={text}").as_bytes());
    pair.into_iter()
        .next()
        .map(|(_, value)| value)
        .unwrap_or_default()
}

fn value_of<'p>(pairs: &'p [(String, String)], name: &str) -> Option<&'p str> {
    pairs
        .iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.as_str())
}

fn is(headers: &HeaderMap, media_type: &str) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.is_some_and(|value| value.starts_with(media_type))
}
