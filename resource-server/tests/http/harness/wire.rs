use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Parts of what was sent that are too short to be told from chance.
const SECRET_CHARACTERS: usize = 8;

/// Sends a request byte for byte, on a connection of its own, and reads the answer to its end.
pub(crate) async fn get(address: SocketAddr, path: &str, headers: &[Vec<u8>]) -> Answer {
    let mut request = format!("GET {path} HTTP/1.1\r\nHost: notes\r\nConnection: close\r\n").into_bytes();
    for header in headers {
        request.extend_from_slice(header);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(&request).await.unwrap();
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).await.unwrap();
    let answer = Answer::parse(&String::from_utf8(answer).unwrap());
    answer.assert_rules(path, headers);
    answer
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Answer {
    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let (status, headers) = head.split_once("\r\n").unwrap();
        let headers = headers.split("\r\n").map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_ascii_lowercase(), value.to_owned())
        });
        Self {
            status: status.split(' ').nth(1).unwrap().parse().unwrap(),
            headers: headers.collect(),
            body: body.to_owned(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(header, _)| header == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} is there twice: {self:?}");
        value
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// What holds for each answer, whatever it is: nothing of the credentials, nothing to be kept by caches, and a problem
    /// document and a challenge where they belong.
    fn assert_rules(&self, path: &str, sent: &[Vec<u8>]) {
        assert_eq!(self.header("cache-control"), Some("no-store"), "{self:?}");
        assert_eq!(self.header("x-content-type-options"), Some("nosniff"), "{self:?}");
        let shown = format!("{self:?}");
        let sent = sent
            .iter()
            .map(|header| String::from_utf8_lossy(header).into_owned());
        for credentials in sent.chain([path.to_owned()]) {
            for secret in credentials.split(['.', ' ', '=', '?', ':', '/']) {
                assert!(
                    secret.len() <= SECRET_CHARACTERS || secret == "Authorization" || !shown.contains(secret),
                    "{shown} shows {secret:?}"
                );
            }
        }
        if self.status >= 400 {
            assert_eq!(self.header("content-type"), Some("application/problem+json"));
            let problem = self.json();
            assert_eq!(problem["status"], self.status, "{problem}");
            let code = problem["code"].as_str().unwrap();
            assert_eq!(problem["type"], format!("https://cloakroom.dev/problems/{code}"));
            assert!(problem["title"].is_string(), "{problem}");
            assert_eq!(problem.as_object().unwrap().len(), 4, "{problem}");
        }
        let challenge = self.header("www-authenticate");
        assert_eq!(
            challenge.is_some(),
            matches!(self.status, 400 | 401 | 403),
            "{self:?}"
        );
        if let Some(challenge) = challenge {
            assert!(
                challenge.starts_with("Bearer realm=\"https://notes.example\""),
                "{challenge}"
            );
        }
        assert_eq!(
            self.header("retry-after").is_some(),
            self.status == 503,
            "{self:?}"
        );
    }

    pub(crate) fn assert_welcome(&self) {
        assert_eq!((self.status, self.body.as_str()), (200, "[]"), "{self:?}");
    }

    /// A refusal of this kind, whose challenge has this `error` attribute, or none.
    pub(crate) fn assert_refusal(&self, status: u16, code: &str, error: Option<&str>) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.json()["code"], code, "{self:?}");
        let challenge = self.header("www-authenticate").unwrap();
        let told = challenge.split(", ").find_map(|part| part.strip_prefix("error="));
        assert_eq!(
            told,
            error.map(|error| format!("\"{error}\"")).as_deref(),
            "{challenge}"
        );
    }

    pub(crate) fn assert_invalid_token(&self) {
        self.assert_refusal(401, "invalid-token", Some("invalid_token"));
    }

    pub(crate) fn assert_lacks_scope(&self, scope: &str) {
        self.assert_refusal(403, "insufficient-scope", Some("insufficient_scope"));
        let challenge = self.header("www-authenticate").unwrap();
        assert!(challenge.contains(&format!("scope=\"{scope}\"")), "{challenge}");
    }

    /// The token cannot be judged now, and it is told when to come again.
    pub(crate) fn assert_unavailable(&self) {
        assert_eq!(self.status, 503, "{self:?}");
        assert_eq!(self.json()["code"], "keys-unavailable");
        assert_eq!(self.header("retry-after"), Some("1"));
    }
}
