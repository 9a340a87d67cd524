//! Tokens that every API has to refuse, and some that it has to take: one list for ours and for other people's.
//!
//! The good ones come from our auth server. The others are signed with a key of the tests' own that stands in the same key
//! set, so that one rule alone is in their way.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use resource_server::time::{Clock as _, SystemClock};
use serde_json::{Map, Value, json};

use crate::relay::Instead;
use crate::signer::Signer;
use crate::stack::{Deployment, Stack};

/// `aud` of the API.
pub const AUDIENCE: &str = "https://notes.example";

/// A service that may only read.
const CLIENTS: &str = r#"
[[client]]
id = "reader"
secret_env = "CLIENT_SECRET"
grants = ["client_credentials"]
scopes = ["notes:read"]
audience = "https://notes.example"
"#;

/// A token, and what an API makes of a request with it.
#[derive(Debug, Clone)]
pub struct Case {
    /// What it is.
    pub name: &'static str,
    /// What is sent.
    pub token: String,
    /// The status of `GET /notes`; every success is 200 here.
    pub read: u16,
    /// The same of `POST /notes`.
    pub write: u16,
}

/// An auth server whose key set has a key of the tests' own, and the tokens.
#[derive(Debug)]
pub struct Misfits {
    /// The auth server and our own notes service.
    pub stack: Stack,
    /// The key of the tests' own.
    pub signer: Signer,
    of_server: Vec<Case>,
}

impl Misfits {
    /// Starts the auth server, signs somebody in, and makes the tokens.
    ///
    /// # Panics
    /// When something does not start.
    pub async fn gather() -> Self {
        let deployment = Deployment::with_embedded_store().with_clients(CLIENTS);
        let stack = deployment.start().await;
        let signer = Signer::generate();
        let _browser = stack.browser_logged_in_as("alice").await;
        let reader = service_token(&stack).await;
        let keys = keys_of(&stack).await;
        let set = signer.key_set_beside(&keys);
        stack
            .provider()
            .instead(stack.endpoints().jwks, Instead::Status(200, set));

        let exchanges = stack.provider().exchanges();
        let of_login = |member: &str| {
            let tokens = exchanges.iter().find_map(|exchange| exchange.answered(member));
            tokens.expect("a login brings tokens").to_owned()
        };
        let of_server = vec![
            taken("the access token of a login", of_login("access_token")),
            Case {
                write: 403,
                ..taken("the access token of a service that may only read", reader)
            },
            refused("the ID token of that login", of_login("id_token")),
        ];
        Self {
            stack,
            signer,
            of_server,
        }
    }

    /// The list, as of now: some are good for seconds.
    pub fn cases(&self) -> Vec<Case> {
        let mut cases = self.of_server.clone();
        cases.extend(forged(&self.signer, self.issuer()));
        cases
    }

    /// The claims of a good token of this issuer.
    pub fn claims(&self) -> Value {
        claims(self.issuer())
    }

    /// A good token.
    pub fn good(&self) -> String {
        self.signer.sign(&self.signer.header("at+jwt"), &self.claims())
    }

    /// Sends tokens of this type and of so many keys that nobody knows: how often the API fetched the key set for them, and which statuses
    /// it answered.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn flood(&self, api: &str, typ: &str, names: usize) -> (usize, Vec<u16>) {
        let keys = self.stack.endpoints().jwks;
        let fetches = || self.stack.provider().exchanges_at(keys).len();
        let before = fetches();
        let mut statuses = Vec::new();
        for number in 0..names {
            let header = changed(&self.signer.header(typ), "kid", json!(format!("nobody-{number}")));
            let token = self.signer.sign(&header, &self.claims());
            let request = client().get(format!("{api}/notes")).bearer_auth(token);
            let status = request.send().await.expect("the API answers").status().as_u16();
            if !statuses.contains(&status) {
                statuses.push(status);
            }
        }
        (fetches() - before, statuses)
    }

    /// Answers every request for the keys with an error from now on.
    pub fn lose_the_keys(&self) {
        let keys = self.stack.endpoints().jwks;
        self.stack.provider().instead(keys, Instead::Status(500, "{}"));
    }

    /// An API that never had the keys says so, and when to come again: its caller cannot help it.
    ///
    /// # Panics
    /// When it says anything else.
    pub async fn assert_unavailable(&self, api: &str) {
        let request = client().get(format!("{api}/notes")).bearer_auth(self.good());
        let answer = request.send().await.expect("the API answers");
        assert_eq!(answer.status(), 503);
        assert!(answer.headers().contains_key("retry-after"), "{answer:?}");
    }

    /// The issuer.
    pub fn issuer(&self) -> &str {
        self.stack.provider().url()
    }

    /// The names of those that the API at this address takes for good (200 or 403) and ought to refuse, or the other way
    /// round.
    ///
    /// # Panics
    /// When it does not answer, or refuses a token without the challenge of RFC 6750 §3.
    pub async fn misjudged_by(&self, api: &str) -> Vec<&'static str> {
        let mut misjudged = Vec::new();
        for case in &self.cases() {
            if judge(api, &case.token).await != (case.read, case.write) {
                misjudged.push(case.name);
            }
        }
        misjudged
    }
}

/// What the API at this address answers to reading and writing with a token.
///
/// # Panics
/// When it does not answer, or refuses without the challenge of RFC 6750 §3.
pub async fn judge(api: &str, token: &str) -> (u16, u16) {
    let client = client();
    let address = format!("{api}/notes");
    let read = client.get(&address).bearer_auth(token);
    let write = client
        .post(&address)
        .bearer_auth(token)
        .json(&json!({ "text": "a note" }));
    (status_of(read).await, status_of(write).await)
}

/// An HTTP client that obeys no variables of the environment.
///
/// # Panics
/// Never: nothing about it is unusual.
pub fn client() -> reqwest::Client {
    let client = reqwest::Client::builder().no_proxy().build();
    client.expect("an HTTP client")
}

async fn status_of(request: reqwest::RequestBuilder) -> u16 {
    let answer = request.send().await.expect("the API answers");
    let challenge = answer.headers().get("www-authenticate");
    let challenge = challenge.map_or("", |value| value.to_str().expect("a challenge is text"));
    match answer.status().as_u16() {
        200..=299 => 200,
        401 => {
            assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
            401
        }
        403 => {
            assert!(challenge.contains("error=\"insufficient_scope\""), "{challenge}");
            403
        }
        other => other,
    }
}

async fn service_token(stack: &Stack) -> String {
    let request = client()
        .post(format!("{}{}", stack.provider().url(), stack.endpoints().token))
        .basic_auth("reader", Some(stack.client_secret()))
        .form(&[("grant_type", "client_credentials")]);
    let tokens: Value = request.send().await.unwrap().json().await.unwrap();
    tokens["access_token"]
        .as_str()
        .expect("an access token")
        .to_owned()
}

async fn keys_of(stack: &Stack) -> Vec<Value> {
    let address = format!("{}{}", stack.provider().url(), stack.endpoints().jwks);
    let set: Value = client().get(address).send().await.unwrap().json().await.unwrap();
    set["keys"].as_array().expect("keys").clone()
}

const fn taken(name: &'static str, token: String) -> Case {
    Case {
        name,
        token,
        read: 200,
        write: 200,
    }
}

const fn refused(name: &'static str, token: String) -> Case {
    Case {
        name,
        token,
        read: 401,
        write: 401,
    }
}

fn claims(issuer: &str) -> Value {
    let now = SystemClock.now().as_secs();
    json!({
        "iss": issuer, "aud": AUDIENCE, "sub": "somebody", "client_id": "app", "jti": "a-name-of-its-own",
        "iat": now, "exp": now + 300, "scope": "notes:read notes:write",
    })
}

/// One rule broken in each, but for the first.
fn forged(signer: &Signer, issuer: &str) -> Vec<Case> {
    let now = SystemClock.now().as_secs();
    let good = signer.header("at+jwt");
    let with = |name: &str, value: Value| signer.sign(&good, &changed(&claims(issuer), name, value));
    let headed = |name: &str, value: Value| signer.sign(&changed(&good, name, value), &claims(issuer));
    let without = |name: &str| with(name, Value::Null);
    let mut cases = vec![taken(
        "a good one of the tests' own key",
        signer.sign(&good, &claims(issuer)),
    )];
    let bad = [
        ("expired fifty seconds ago", with("exp", json!(now - 50))),
        ("without an end", without("exp")),
        ("good in fifty seconds", with("nbf", json!(now + 50))),
        ("of another issuer", with("iss", json!("https://login.example"))),
        (
            "of the issuer with a slash",
            with("iss", json!(format!("{issuer}/"))),
        ),
        ("of no issuer", without("iss")),
        ("for another API", with("aud", json!("https://files.example"))),
        ("for no API", without("aud")),
        (
            "for an API whose name begins alike",
            with("aud", json!(format!("{AUDIENCE}.evil"))),
        ),
        ("of nobody", without("sub")),
        ("without a client", without("client_id")),
        ("typed as an ID token", headed("typ", json!("JWT"))),
        ("typed as a logout token", headed("typ", json!("logout+jwt"))),
        ("without a type", headed("typ", Value::Null)),
        (
            "with a critical extension",
            changed_crit(signer, &good, &claims(issuer)),
        ),
        ("of an unknown key", headed("kid", json!("nobody-knows-me"))),
        (
            "of another's signature",
            Signer::generate().sign(&good, &claims(issuer)),
        ),
        ("with a key of its own", with_own_key(signer, issuer)),
        ("signed with nothing", unsigned(&good, issuer)),
        (
            "signed with the public key as a secret",
            by_public_key(signer, &good, issuer),
        ),
        (
            "of an algorithm that does not fit the key",
            headed("alg", json!("RS256")),
        ),
        (
            "with other claims than were signed",
            tampered(&signer.sign(&good, &claims(issuer))),
        ),
    ];
    cases.extend(bad.map(|(name, token)| refused(name, token)));
    cases
}

/// The same object with this member set, or without it.
fn changed(object: &Value, name: &str, value: Value) -> Value {
    let mut members: Map<String, Value> = object.as_object().expect("an object").clone();
    match value {
        Value::Null => drop(members.remove(name)),
        value => drop(members.insert(name.to_owned(), value)),
    }
    Value::Object(members)
}

/// RFC 7515 §4.1.11.
fn changed_crit(signer: &Signer, header: &Value, claims: &Value) -> String {
    let header = changed(header, "crit", json!(["of-mine"]));
    signer.sign(&changed(&header, "of-mine", json!(true)), claims)
}

/// RFC 7515 §4.1.3: a token that brings the key that it wants to be judged by.
fn with_own_key(known: &Signer, issuer: &str) -> String {
    let stranger = Signer::generate();
    let set: Value = serde_json::from_str(stranger.key_set()).expect("a key set");
    let header = changed(&known.header("at+jwt"), "jwk", set["keys"][0].clone());
    stranger.sign(&header, &claims(issuer))
}

fn part(json: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(json.to_string())
}

/// RFC 7519 §6.
fn unsigned(header: &Value, issuer: &str) -> String {
    let header = changed(header, "alg", json!("none"));
    format!("{}.{}.", part(&header), part(&claims(issuer)))
}

/// RFC 8725 §2.1: what everybody knows is no secret, in the form in which libraries are given it.
fn by_public_key(signer: &Signer, header: &Value, issuer: &str) -> String {
    let header = changed(header, "alg", json!("HS256"));
    let signed = format!("{}.{}", part(&header), part(&claims(issuer)));
    let key = hmac::Key::new(hmac::HMAC_SHA256, pem_of(signer).as_bytes());
    let signature = hmac::sign(&key, signed.as_bytes());
    format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}

/// RFC 5480 §2: the public key as a `SubjectPublicKeyInfo` of P-256.
fn pem_of(signer: &Signer) -> String {
    const PREFIX: &[u8] = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00\x04";
    let set: Value = serde_json::from_str(signer.key_set()).expect("a key set");
    let coordinate = |name: &str| {
        let text = set["keys"][0][name].as_str().expect("a coordinate");
        BASE64_URL_SAFE_NO_PAD.decode(text).expect("base64url")
    };
    let der = [PREFIX, &coordinate("x"), &coordinate("y")].concat();
    format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        BASE64_STANDARD.encode(der)
    )
}

fn tampered(token: &str) -> String {
    let parts: Vec<&str> = token.split('.').collect();
    let payload = BASE64_URL_SAFE_NO_PAD.decode(parts[1]).expect("base64url");
    let payload: Value = serde_json::from_slice(&payload).expect("claims");
    let other = changed(&payload, "sub", json!("somebody-else"));
    format!("{}.{}.{}", parts[0], part(&other), parts[2])
}
