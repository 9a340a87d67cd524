use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::header::HeaderMap;
use serde_json::Value;
use url::Url;

use super::Server;

/// An answer, read whole.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// What a client gets.
pub(crate) struct Tokens {
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
    pub(crate) id_token: String,
}

impl Answer {
    /// Reads a response and checks what has to hold for every one.
    pub(super) async fn of(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let answer = Self {
            status,
            headers,
            body: response.text().await.unwrap(),
        };
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert!(
            answer
                .header("content-security-policy")
                .contains("frame-ancestors 'none'")
        );
        assert!(
            ![301, 302, 307, 308].contains(&status),
            "AUTHZ-16: only 303 turns a POST into a GET"
        );
        for cookie in answer.headers.get_all("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            assert!(cookie.starts_with("__Host-Http-"), "{cookie}");
            for attribute in ["HttpOnly", "Secure", "SameSite=Lax", "Path=/"] {
                assert!(cookie.contains(attribute), "{attribute} is missing: {cookie}");
            }
            assert!(!cookie.contains("Domain"), "{cookie}");
            assert_eq!(answer.header("cache-control"), "no-store");
        }
        if answer.header("content-type").starts_with("text/html") {
            assert_eq!(answer.header("cache-control"), "no-store");
            assert_eq!(answer.header("x-frame-options"), "DENY");
            assert!(!answer.body.contains("<script"), "pages work without scripts");
        }
        answer
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.body))
    }

    /// Where a 303 leads.
    pub(crate) fn location(&self) -> Url {
        assert_eq!(self.status, 303, "{}", self.body);
        Url::parse(self.header("location")).unwrap()
    }

    pub(crate) fn returned(&self, name: &str) -> Option<String> {
        let location = self.location();
        let mut values = location.query_pairs().filter(|(found, _)| found == name);
        let value = values.next().map(|(_, value)| value.into_owned());
        assert!(values.next().is_none(), "{name} comes once");
        value
    }

    pub(crate) fn code(&self) -> String {
        self.returned("code")
            .unwrap_or_else(|| panic!("no code: {}", self.location()))
    }

    /// An error that was sent to the client, with what goes with it.
    pub(crate) fn assert_returned_error(&self, server: &Server, error: &str) {
        assert_eq!(self.returned("error").as_deref(), Some(error));
        assert_eq!(self.returned("state").as_deref(), Some("st&te ü"));
        assert_eq!(self.returned("iss").as_deref(), Some(server.issuer.as_str()));
        assert_eq!(self.returned("code"), None);
    }

    /// An error page that sends nobody anywhere.
    pub(crate) fn assert_page(&self, status: u16, title: &str) {
        assert_eq!(self.status, status, "{}", self.body);
        assert!(self.header("content-type").starts_with("text/html"));
        assert!(self.body.contains(title), "{}", self.body);
        assert_eq!(self.header("location"), "");
    }

    /// An error in OAuth's JSON.
    pub(crate) fn assert_oauth_error(&self, status: u16, error: &str) {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.json()["error"], error, "{}", self.body);
        assert_eq!(self.header("content-type"), "application/json");
        assert_eq!(self.header("cache-control"), "no-store");
    }

    pub(crate) fn tokens(&self) -> Tokens {
        assert_eq!(self.status, 200, "{}", self.body);
        let json = self.json();
        let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
        Tokens {
            access_token: text("access_token"),
            refresh_token: text("refresh_token"),
            id_token: text("id_token"),
        }
    }

    pub(super) fn hidden_fields(&self) -> Vec<(String, String)> {
        let inputs = self.body.split("<input type=\"hidden\" ").skip(1);
        inputs
            .map(|input| (attribute(input, "name"), attribute(input, "value")))
            .collect()
    }

    /// The first hidden field of that name.
    pub(crate) fn hidden_field(&self, name: &str) -> String {
        let mut fields = self.hidden_fields().into_iter();
        let field = fields.find(|(found, _)| found == name);
        field.expect("the hidden field").1
    }

    pub(super) fn form_action(&self) -> String {
        attribute(self.body.split("<form ").nth(1).expect("a form"), "action")
    }
}

/// The value of an attribute, with the references that the templates write resolved.
fn attribute(tag: &str, name: &str) -> String {
    let after = tag.split_once(&format!("{name}=\"")).expect("the attribute").1;
    let value = after.split_once('"').unwrap().0;
    value
        .replace("&#38;", "&")
        .replace("&#34;", "\"")
        .replace("&#39;", "'")
        .replace("&#60;", "<")
        .replace("&#62;", ">")
}

/// The parts of a JWT, unverified.
pub(crate) fn peek(token: &str) -> (Value, Value) {
    let part = |index| {
        let text = token.split('.').nth(index).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
    };
    (part(0), part(1))
}
