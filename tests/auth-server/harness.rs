//! A server, browsers and clients for tests.

mod answer;
mod apis;
mod assertion;
mod browser;
mod clock;
mod database;
mod old_keys;
mod operator;
mod process;
#[path = "../../auth-server/tests/support/receiver.rs"]
mod receiver;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use resource_server::jwks::KeySet;
use resource_server::time::Clock as _;
use resource_server::verifier::Verifier;
use serde_json::Value;
use sqlx::AnyPool;
use tempfile::TempDir;
use url::Url;

pub(crate) use answer::{Answer, Tokens, peek};
pub(crate) use apis::{DESK, MAIL_API, NOTES_API};
pub(crate) use assertion::{ClientKey, KeyHost, encoded, header};
pub(crate) use browser::{Authorization, Browser, app_authorization, authorization, stranger_authorization};
pub(crate) use database::Database;
pub(crate) use old_keys::{OldKeys, signing_input};
pub(crate) use operator::faults_of;
pub(crate) use receiver::{Receiver, Reserved};

use clock::StoryClock;
use process::{Process, fresh_folder};

/// What clients know the server by: a proxy that ends TLS would stand there.
pub(crate) const ISSUER: &str = "https://op.example";
pub(crate) const PASSWORD: &str = "correct horse battery";
pub(crate) const SECRET: &str = "a secret: with % and +";
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub(crate) const CALLBACK: &str = "https://bff.example/callback";
pub(crate) const EVERYTHING: &str = "openid profile email offline_access notes:read notes:write";

/// A running server with the users alice and bob.
pub(crate) struct Server {
    process: Process,
    pub(crate) issuer: String,
    /// Where it listens: at the issuer's path, but not at its address.
    base: Url,
    pub(crate) management_url: String,
    pub(crate) clock: StoryClock,
    http: reqwest::Client,
    toml: String,
    storage: String,
    folder: Arc<TempDir>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_below("", "").await
    }

    /// Starts with a path in the issuer and with more configuration before the clients.
    pub(crate) async fn start_below(path: &str, settings: &str) -> Self {
        Self::start_in(fresh_folder(), path, settings).await
    }

    /// Starts in a folder that may hold a key file already.
    pub(crate) async fn start_in(folder: TempDir, path: &str, settings: &str) -> Self {
        let folder = Arc::new(folder);
        let clock = StoryClock::in_folder(folder.path());
        let issuer = format!("{ISSUER}{path}");
        let storage = crate::DATABASE.fresh(folder.path()).await;
        let toml = configuration(&issuer, folder.path(), &storage, settings);
        process::configure(folder.path(), &toml);
        Self::run(issuer, clock, toml, storage, folder).await
    }

    async fn run(
        issuer: String,
        clock: StoryClock,
        toml: String,
        storage: String,
        folder: Arc<TempDir>,
    ) -> Self {
        let process = Process::start(folder.path(), &clock).await;
        let process = process.unwrap_or_else(|said| panic!("it does not start: {said}"));
        let path = &issuer[ISSUER.len()..];
        let base = Url::parse(&format!("http://{}{path}", process.address)).unwrap();
        let management_url = format!("http://{}", process.management_address);
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(Duration::from_secs(30))
            .build()
            .unwrap();
        Self {
            process,
            issuer,
            base,
            management_url,
            clock,
            http,
            toml,
            storage,
            folder,
        }
    }

    /// Another server, in a process of its own, on the same database, keys and clock, and for the same issuer.
    pub(crate) async fn beside(&self) -> Self {
        let (clock, folder) = (self.clock.clone(), Arc::clone(&self.folder));
        let (toml, storage) = (self.toml.clone(), self.storage.clone());
        Self::run(self.issuer.clone(), clock, toml, storage, folder).await
    }

    /// What comes of starting another server beside this one, which is stopped again.
    ///
    /// # Errors
    /// What it complains of.
    pub(crate) async fn start_again(&self) -> Result<(), String> {
        Process::start(self.folder.path(), &self.clock)
            .await?
            .stop()
            .await;
        Ok(())
    }

    /// A file of the server's.
    pub(crate) fn file(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// Stops the server and starts it again on what it has left, at another port.
    pub(crate) async fn restarted(self) -> Self {
        self.process.stop().await;
        Self::run(self.issuer, self.clock, self.toml, self.storage, self.folder).await
    }

    /// The same, after its configuration was changed.
    pub(crate) async fn restarted_with(mut self, before: &str, after: &str) -> Self {
        assert!(self.toml.contains(before));
        self.toml = self.toml.replace(before, after);
        process::configure(self.folder.path(), &self.toml);
        self.restarted().await
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base.as_str().trim_end_matches('/'))
    }

    /// What clients know it by.
    pub(crate) fn public_url(&self, path: &str) -> String {
        format!("{}{path}", self.issuer)
    }

    /// Something outside the issuer's path.
    pub(crate) fn url_at_root(&self, path: &str) -> Url {
        self.base.join(path).unwrap()
    }

    /// The database that the server works on, opened beside it.
    pub(crate) async fn open_database(&self) -> AnyPool {
        sqlx::any::install_default_drivers();
        let (_, place) = self.storage.split_once(" = ").unwrap();
        let place = place.trim_matches('"');
        let url = match crate::DATABASE {
            Database::Sqlite => format!("sqlite:{place}"),
            Database::Postgres => place.to_owned(),
        };
        AnyPool::connect(&url).await.unwrap()
    }

    /// All that the database holds, as whoever steals it has it.
    pub(crate) async fn dump(&self) -> Vec<u8> {
        let database = self.open_database().await;
        crate::DATABASE.dump(&database, &self.file("db.sqlite3")).await
    }

    pub(crate) async fn stop(self) {
        self.process.stop().await;
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

fn configuration(issuer: &str, folder: &Path, storage: &str, settings: &str) -> String {
    let keys = folder.join("keys.json");
    let keys = keys.display();
    format!(
        r#"
issuer = "{issuer}"
{settings}
[log]
format = "json"
[management]
listen = "127.0.0.1:0"
[server]
listen = "127.0.0.1:0"
workers = 2
trusted_proxies = ["127.0.0.1"]
[storage]
{storage}
[keys]
path = "{keys}"

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
