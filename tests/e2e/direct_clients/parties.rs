//! Who calls APIs without a BFF: an app on somebody's device, a service, and the APIs that they call.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use e2e::browser::Browser;
use e2e::signer::Signer;
use e2e::stack::Stack;
use e2e::upstream::Upstream;
use resource_server::time::Clock as _;
use serde_json::{Value, json};
use url::Url;

/// What the notes service calls itself.
pub(super) const NOTES: &str = "https://notes.example";
/// What somebody else's API calls itself.
pub(super) const FILES: &str = "https://files.example";
/// Everything an app may ask for.
pub(super) const ALL: &str = "openid offline_access notes:read notes:write";

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A token endpoint's answer.
pub(super) type Tokens = Result<Value, String>;

/// The clients of these stories, beside the BFF.
pub(super) fn clients(service: &Signer) -> String {
    format!(
        r#"
[[client]]
id = "app"
name = "Notes for the phone"
kind = "public"
redirect_uris = ["http://127.0.0.1/callback"]
grants = ["authorization_code", "refresh_token"]
scopes = ["openid", "offline_access", "notes:read", "notes:write"]
audience = "{NOTES}"
resources = ["{FILES}"]

[[client]]
id = "reader"
kind = "public"
redirect_uris = ["http://127.0.0.1/callback"]
grants = ["authorization_code", "refresh_token"]
scopes = ["openid", "offline_access", "notes:read"]
audience = "{NOTES}"

[[client]]
id = "nightly"
secret_env = "CLIENT_SECRET"
grants = ["client_credentials"]
scopes = ["notes:read", "notes:write"]
audience = "{NOTES}"
resources = ["{FILES}"]

[[client]]
id = "report"
token_endpoint_auth_method = "private_key_jwt"
jwks = '{jwks}'
grants = ["client_credentials"]
scopes = ["notes:read"]
audience = "{NOTES}"
"#,
        jwks = service.key_set(),
    )
}

/// Posts a form to the provider, and gives its answer or what the error is called.
pub(super) async fn post(
    stack: &Stack,
    path: &str,
    form: &[(&str, &str)],
    secret: Option<(&str, &str)>,
) -> Tokens {
    let mut request = http()
        .post(format!("{}{path}", stack.provider().url()))
        .form(form);
    if let Some((id, secret)) = secret {
        request = request.basic_auth(id, Some(secret));
    }
    let answer = request.send().await.unwrap();
    let is_success = answer.status().is_success();
    let body = answer.bytes().await.unwrap();
    let body: Value = if body.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&body).unwrap()
    };
    match is_success {
        true => Ok(body),
        false => Err(body["error"].as_str().unwrap().to_owned()),
    }
}

/// A member of an answer that is a text.
#[track_caller]
pub(super) fn text(tokens: &Value, member: &str) -> String {
    tokens[member]
        .as_str()
        .unwrap_or_else(|| panic!("no {member}: {tokens}"))
        .to_owned()
}

/// What is in a JWT, unverified.
pub(super) fn claims_of(token: &str) -> Value {
    let payload = token.split('.').nth(1).expect("a JWT");
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// A program on somebody's device: it has no secret, and listens on a port of its own choosing for its code.
pub(super) struct App<'s> {
    stack: &'s Stack,
    client_id: &'static str,
    /// Where its user signs in: the browser of the device.
    browser: Browser,
    port: TcpListener,
}

impl<'s> App<'s> {
    /// The app with this client id, on a device whose browser this is.
    pub(super) fn new(stack: &'s Stack, client_id: &'static str, browser: &Browser) -> Self {
        Self {
            stack,
            client_id,
            browser: browser.clone(),
            port: TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap(),
        }
    }

    /// An app on a device of its own, in which this user has just signed in.
    pub(super) async fn signed_in_as(stack: &'s Stack, name: &str) -> (Self, Value) {
        let app = Self::new(stack, "app", &stack.browser());
        let tokens = app.sign_in(name, ALL, &[]).await.unwrap();
        (app, tokens)
    }

    fn redirect_uri(&self) -> String {
        format!(
            "http://127.0.0.1:{}/callback",
            self.port.local_addr().unwrap().port()
        )
    }

    /// Opens the browser, lets the user sign in and say yes, and redeems the code: the tokens.
    pub(super) async fn sign_in(&self, name: &str, scope: &str, resources: &[&str]) -> Tokens {
        let code = self.code(name, scope, resources).await;
        self.redeem(&code, VERIFIER, &[]).await
    }

    /// The first half of it: the code.
    pub(super) async fn code(&self, name: &str, scope: &str, resources: &[&str]) -> String {
        let provider = format!(
            "{}{}",
            self.stack.provider().url(),
            self.stack.endpoints().authorize
        );
        let redirect_uri = self.redirect_uri();
        let challenge = BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, VERIFIER.as_bytes()));
        let state = format!("state-of-port-{}", self.port.local_addr().unwrap().port());
        let mut address = Url::parse(&provider).unwrap();
        address
            .query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", self.client_id)
            .append_pair("redirect_uri", &redirect_uri)
            .append_pair("scope", scope)
            .append_pair("state", &state)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256")
            .extend_pairs(resources.iter().map(|resource| ("resource", *resource)));
        let user = self.stack.user(name);
        let who = (user.name.as_str(), user.password.as_str());
        let errand = self.browser.run_errand(address.as_str(), who, &redirect_uri);
        let arrived = errand.await.unwrap_or_else(|page| panic!("{}", page.summary()));
        let said = |name: &str| {
            let mut pairs = arrived.query_pairs();
            pairs
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.into_owned())
        };
        assert_eq!(said("state"), Some(state));
        // RFC 9207: the answer says whose it is.
        assert_eq!(said("iss").as_deref(), Some(self.stack.provider().url()));
        said("code").unwrap_or_else(|| panic!("no code: {arrived}"))
    }

    /// The second half.
    pub(super) async fn redeem(&self, code: &str, verifier: &str, further: &[(&str, &str)]) -> Tokens {
        let redirect_uri = self.redirect_uri();
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &redirect_uri),
            ("code_verifier", verifier),
        ];
        self.ask(&[&form, further].concat()).await
    }

    /// Renews its tokens.
    pub(super) async fn refresh(&self, refresh_token: &str, further: &[(&str, &str)]) -> Tokens {
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
        self.ask(&[&form, further].concat()).await
    }

    /// Signs out: gives its refresh token back (RFC 7009).
    pub(super) async fn sign_out(&self, refresh_token: &str) {
        let form = [("token", refresh_token), ("client_id", self.client_id)];
        let answer = post(self.stack, self.stack.endpoints().revoke, &form, None).await;
        answer.expect("a revocation is answered with 200");
    }

    async fn ask(&self, form: &[(&str, &str)]) -> Tokens {
        let form = [form, &[("client_id", self.client_id)]].concat();
        post(self.stack, self.stack.endpoints().token, &form, None).await
    }
}

/// RFC 7636 Appendix B; the harness looks for it in the log, so one for all does.
pub(super) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// The token of a service that proves itself with a secret.
pub(super) async fn token_by_secret(stack: &Stack, further: &[(&str, &str)]) -> Tokens {
    let form = [&[("grant_type", "client_credentials")], further].concat();
    let secret = ("nightly", stack.client_secret());
    post(stack, stack.endpoints().token, &form, Some(secret)).await
}

/// The token of a service that proves itself with a signature (RFC 7523).
pub(super) async fn token_by_signature(stack: &Stack, assertion: &str) -> Tokens {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", ASSERTION_TYPE),
        ("client_assertion", assertion),
    ];
    post(stack, stack.endpoints().token, &form, None).await
}

/// What such a service signs: who it is, for whom this is, and a name that is used once.
pub(super) fn assertion(stack: &Stack, signer: &Signer) -> String {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let now = stack.clock().now().as_secs();
    let jti = format!("assertion-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let claims = json!({
        "iss": "report", "sub": "report", "aud": stack.provider().url(),
        "jti": jti, "iat": now, "exp": now + 60,
    });
    signer.sign(&signer.header("JWT"), &claims)
}

/// What an API answered.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) status: u16,
    pub(super) challenge: String,
    pub(super) body: Value,
}

impl Said {
    /// The texts of the notes in it.
    #[track_caller]
    pub(super) fn notes(&self) -> Vec<String> {
        assert_eq!(self.status, 200, "{self:?}");
        let notes = self.body.as_array().expect("a list of notes").iter();
        notes.map(|note| text(note, "text")).collect()
    }
}

/// Reads notes, as a program does that holds a token.
pub(super) async fn read(api: &Upstream, token: &str) -> Said {
    said(http().get(format!("{}/notes", api.url())).bearer_auth(token)).await
}

/// Writes a note.
pub(super) async fn write(api: &Upstream, token: &str, note: &str) -> Said {
    let request = http().post(format!("{}/notes", api.url()));
    said(request.bearer_auth(token).json(&json!({ "text": note }))).await
}

async fn said(request: reqwest::RequestBuilder) -> Said {
    let answer = request.send().await.unwrap();
    let challenge = answer.headers().get("www-authenticate");
    Said {
        status: answer.status().as_u16(),
        challenge: challenge.map_or(String::new(), |value| value.to_str().unwrap().to_owned()),
        body: answer.json().await.unwrap(),
    }
}

/// Somebody else's API: the notes service once more, under its own name, with a recorder before it.
pub(super) struct ThirdParty {
    recorder: Arc<Upstream>,
    service: resource_server::Running,
}

impl ThirdParty {
    /// Starts it behind a recorder that the BFF's routes may know already.
    pub(super) async fn start(stack: &Stack, recorder: Arc<Upstream>) -> Self {
        let issuer = stack.provider().url();
        let file = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\nworkers = 1\n[token]\nissuer = \"{issuer}\"\naudience = \"{FILES}\"\n"
        );
        let config =
            resource_server::Config::parse(&file, &|_| None).unwrap_or_else(|faults| panic!("{faults}"));
        let listeners = resource_server::Listeners {
            public: TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap(),
            management: None,
        };
        let clock = Arc::new(stack.clock().clone());
        let service = resource_server::start(config, listeners, clock).await.unwrap();
        recorder.lead_to(Some(service.address()));
        Self { recorder, service }
    }

    /// What everybody reaches it by.
    pub(super) fn api(&self) -> &Upstream {
        &self.recorder
    }

    /// Stops it.
    pub(super) async fn stop(self) {
        self.service.stop().await;
    }
}
