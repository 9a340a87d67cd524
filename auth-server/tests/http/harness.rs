//! A server, browsers and clients for tests.

mod answer;
mod apis;
mod assertion;
mod browser;
mod database;
mod old_keys;
mod receiver;
mod start_again;

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use auth_server::config::{OperatorConfig, StorageConfig};
use auth_server::operator::Administration;
use auth_server::user::NewUser;
use auth_server::{Config, Listeners, Running};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use resource_server::jwks::KeySet;
use resource_server::time::{Clock, ManualClock, UnixTime};
use resource_server::verifier::Verifier;
use secrecy::SecretString;
use serde_json::Value;
use sqlx::AnyPool;

pub(crate) use answer::{Answer, Tokens, peek};
pub(crate) use apis::{DESK, MAIL_API, NOTES_API};
pub(crate) use assertion::{ClientKey, KeyHost, encoded, header};
pub(crate) use browser::{Authorization, Browser, app_authorization, authorization, stranger_authorization};
pub(crate) use database::Database;
pub(crate) use old_keys::{OldKeys, signing_input};
pub(crate) use receiver::{Receiver, Reserved};

pub(crate) const PASSWORD: &str = "correct horse battery";
pub(crate) const SECRET: &str = "a secret: with % and +";
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub(crate) const CALLBACK: &str = "https://bff.example/callback";
pub(crate) const EVERYTHING: &str = "openid profile email offline_access notes:read notes:write";

/// A running server with the users alice and bob.
pub(crate) struct Server {
    running: Running,
    pub(crate) issuer: String,
    /// Where it listens: at the issuer's path, but perhaps at another port.
    base: String,
    pub(crate) management_url: String,
    pub(crate) clock: ManualClock,
    http: reqwest::Client,
    toml: String,
    folder: Arc<tempfile::TempDir>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_below("", "").await
    }

    /// Starts with a path in the issuer and with more configuration before the clients.
    pub(crate) async fn start_below(path: &str, settings: &str) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), path, settings).await
    }

    /// Starts in a folder that may hold a key file already.
    pub(crate) async fn start_in(folder: tempfile::TempDir, path: &str, settings: &str) -> Self {
        let folder = Arc::new(folder);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let issuer = format!("http://{}{path}", listener.local_addr().unwrap());
        let clock = ManualClock::new(UnixTime::from_secs(1_800_000_000));
        let storage = crate::DATABASE.fresh(folder.path().to_str().unwrap()).await;
        let toml = configuration(&issuer, folder.path().to_str().unwrap(), &storage, settings);
        let config = Config::parse(&toml, &|_| Some(SECRET.to_owned())).unwrap();
        for name in ["alice", "bob"] {
            let user = NewUser {
                name: name.to_owned(),
                password: SecretString::from(PASSWORD),
                email: Some(format!("{name}@example.com")),
                full_name: Some(format!("{name} <b>Example</b>")),
            };
            auth_server::user::add(&config, &clock, user).await.unwrap();
        }
        Self::run(issuer, listener, clock, toml, folder).await
    }

    async fn run(
        issuer: String,
        listener: TcpListener,
        clock: ManualClock,
        toml: String,
        folder: Arc<tempfile::TempDir>,
    ) -> Self {
        let config = Config::parse(&toml, &|_| Some(SECRET.to_owned())).unwrap();
        let mut base = url::Url::parse(&issuer).unwrap();
        base.set_port(Some(listener.local_addr().unwrap().port()))
            .unwrap();
        let base = base.as_str().trim_end_matches('/').to_owned();
        let management = TcpListener::bind("127.0.0.1:0").unwrap();
        let management_url = format!("http://{}", management.local_addr().unwrap());
        let listeners = Listeners {
            public: listener,
            management: Some(management),
        };
        let running = auth_server::start(config, listeners, Arc::new(clock.clone()))
            .await
            .unwrap();
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(Duration::from_secs(30))
            .build()
            .unwrap();
        Self {
            running,
            issuer,
            base,
            management_url,
            clock,
            http,
            toml,
            folder,
        }
    }

    /// Another server, at another port, on the same database, keys and clock, and for the same issuer.
    pub(crate) async fn beside(&self) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (clock, folder) = (self.clock.clone(), Arc::clone(&self.folder));
        Self::run(self.issuer.clone(), listener, clock, self.toml.clone(), folder).await
    }

    /// A file of the server's.
    pub(crate) fn file(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// Stops the server and starts it again on what it has left, at another port.
    pub(crate) async fn restarted(self) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        self.running.stop().await;
        Self::run(self.issuer, listener, self.clock, self.toml, self.folder).await
    }

    /// The same, after its configuration was changed.
    pub(crate) async fn restarted_with(mut self, before: &str, after: &str) -> Self {
        assert!(self.toml.contains(before));
        self.toml = self.toml.replace(before, after);
        self.restarted().await
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// The database that the server works on, opened beside it.
    pub(crate) async fn open_database(&self) -> AnyPool {
        sqlx::any::install_default_drivers();
        let config = OperatorConfig::parse(&self.toml, &|_| None).unwrap();
        let storage = config.storage();
        let url = match storage {
            StorageConfig::Sqlite { path, .. } => format!("sqlite:{}", path.display()),
            StorageConfig::Postgres(_) => storage.to_string(),
        };
        AnyPool::connect(&url).await.unwrap()
    }

    /// All that the database holds, as whoever steals it has it.
    pub(crate) async fn dump(&self) -> Vec<u8> {
        let database = self.open_database().await;
        crate::DATABASE.dump(&database, &self.file("db.sqlite3")).await
    }

    /// The configuration as operators' commands read it.
    pub(crate) fn operator_config(&self) -> OperatorConfig {
        OperatorConfig::parse(&self.toml, &|_| None).unwrap()
    }

    /// The database as operators' commands open it.
    pub(crate) async fn administration(&self) -> Administration {
        let config = OperatorConfig::parse(&self.toml, &|_| None).unwrap();
        Administration::open(&config, Arc::new(self.clock.clone()))
            .await
            .unwrap()
    }

    pub(crate) async fn stop(self) {
        self.running.stop().await;
    }

    /// Sends a request as it stands, without cookies.
    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        Answer::of(request.send().await.unwrap()).await
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, self.url(path))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    /// Calls an OAuth endpoint as a client.
    pub(crate) async fn call(&self, path: &str, client: Credentials<'_>, form: &[(&str, &str)]) -> Answer {
        let mut form = form.to_vec();
        let mut request = self.request(Method::POST, path);
        match client {
            Credentials::Basic(id, secret) => request = request.header("authorization", basic(id, secret)),
            Credentials::Post(id, secret) => form.extend([("client_id", id), ("client_secret", secret)]),
            Credentials::Public(id) => form.push(("client_id", id)),
            Credentials::None => {}
        }
        self.send(request.form(&form)).await
    }

    pub(crate) async fn token(&self, client: Credentials<'_>, form: &[(&str, &str)]) -> Answer {
        self.call("/token", client, form).await
    }

    /// Exchanges a code with all that belongs to it.
    pub(crate) async fn exchange(&self, code: &str) -> Answer {
        self.token(BFF, &exchange_form(code)).await
    }

    pub(crate) async fn refresh(&self, refresh_token: &str) -> Answer {
        self.token(
            BFF,
            &[("grant_type", "refresh_token"), ("refresh_token", refresh_token)],
        )
        .await
    }

    /// The tokens of a fresh sign-in of alice at the BFF.
    pub(crate) async fn tokens(&self) -> Tokens {
        let mut browser = Browser::new(self);
        let code = browser.sign_in("alice", &authorization()).await.code();
        self.exchange(&code).await.tokens()
    }

    /// The tokens of a fresh sign-in of alice at the app on her device.
    pub(crate) async fn tokens_of_app(&self) -> Tokens {
        let uri = "com.example.app:/callback";
        let code = Browser::new(self)
            .sign_in("alice", &app_authorization(uri))
            .await
            .code();
        let mut form = exchange_form(&code);
        form[2] = ("redirect_uri", uri);
        self.token(APP, &form).await.tokens()
    }

    pub(crate) async fn user_info(&self, access_token: &str) -> Answer {
        self.send(self.request(Method::GET, "/userinfo").bearer_auth(access_token))
            .await
    }

    /// Verifies an access token as the notes API would.
    pub(crate) async fn verified_access_token(&self, token: &str) -> Value {
        let verifier = Verifier::access_token(&self.issuer, "https://notes.example");
        self.verified(&verifier.build().unwrap(), token).await
    }

    pub(crate) async fn verified_id_token(&self, token: &str) -> Value {
        self.verified_id_token_of("bff", token).await
    }

    pub(crate) async fn verified_id_token_of(&self, client: &str, token: &str) -> Value {
        let verifier = Verifier::id_token(&self.issuer, client);
        self.verified(&verifier.build().unwrap(), token).await
    }

    pub(crate) async fn verified_logout_token(&self, client_id: &str, token: &str) -> Value {
        let verifier = Verifier::logout_token(&self.issuer, client_id);
        self.verified(&verifier.build().unwrap(), token).await
    }

    pub(crate) async fn verified(&self, verifier: &Verifier, token: &str) -> Value {
        let keys = KeySet::parse(self.get("/jwks").await.body.as_bytes()).unwrap();
        let claims = verifier.verify(token, &keys, self.clock.now()).unwrap();
        Value::Object(claims.all().clone())
    }
}

fn configuration(issuer: &str, folder: &str, storage: &str, settings: &str) -> String {
    format!(
        r#"
issuer = "{issuer}"
{settings}
[server]
workers = 2
trusted_proxies = ["127.0.0.1"]
[storage]
{storage}
[keys]
path = "{folder}/keys.json"

[[client]]
id = "bff"
name = "Notes & <Co>"
secret_env = "SECRET"
redirect_uris = ["{CALLBACK}", "https://bff.example/other"]
post_logout_redirect_uris = ["https://bff.example/"]
grants = ["authorization_code", "refresh_token"]
scopes = ["openid", "profile", "email", "offline_access", "notes:read", "notes:write"]
audience = "https://notes.example"

[[client]]
id = "other: 100%"
secret_env = "SECRET"
redirect_uris = ["{CALLBACK}"]
grants = ["authorization_code", "refresh_token", "client_credentials"]
scopes = ["openid", "offline_access"]

[[client]]
id = "app"
kind = "public"
redirect_uris = ["http://127.0.0.1/callback", "com.example.app:/callback"]
grants = ["authorization_code", "refresh_token"]
scopes = ["openid", "offline_access", "notes:read"]
audience = "https://notes.example"

[[client]]
id = "stranger"
name = "Stranger & <Sons>"
secret_env = "SECRET"
consent = "required"
redirect_uris = ["https://stranger.example/cb"]
grants = ["authorization_code", "refresh_token"]
scopes = ["openid", "profile", "email", "offline_access", "notes:read", "notes:write"]
audience = "https://notes.example"

[[client]]
id = "gadget"
kind = "public"
consent = "required"
redirect_uris = ["com.example.gadget:/callback"]
scopes = ["openid", "notes:read"]
audience = "https://notes.example"

[[scope]]
name = "notes:read"
text = "read your <notes>"
text_ko = "메모 읽기"

[[client]]
id = "service"
secret_env = "SECRET"
grants = ["client_credentials"]
scopes = ["notes:read", "notes:write"]
audience = "https://notes.example"
"#
    )
}

/// How a client says who it is.
#[derive(Clone, Copy)]
pub(crate) enum Credentials<'c> {
    Basic(&'c str, &'c str),
    Post(&'c str, &'c str),
    Public(&'c str),
    None,
}

pub(crate) const BFF: Credentials<'static> = Credentials::Basic("bff", SECRET);
pub(crate) const OTHER: Credentials<'static> = Credentials::Basic("other: 100%", SECRET);
pub(crate) const APP: Credentials<'static> = Credentials::Public("app");
pub(crate) const STRANGER: Credentials<'static> = Credentials::Basic("stranger", SECRET);
pub(crate) const SERVICE: Credentials<'static> = Credentials::Basic("service", SECRET);

/// RFC 6749 §2.3.1: each part is form-urlencoded.
pub(crate) fn basic(id: &str, secret: &str) -> String {
    let encode = |part: &str| url::form_urlencoded::byte_serialize(part.as_bytes()).collect::<String>();
    format!(
        "Basic {}",
        STANDARD.encode(format!("{}:{}", encode(id), encode(secret)))
    )
}

pub(crate) fn exchange_form(code: &str) -> [(&'static str, &str); 4] {
    [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ]
}
