//! Our auth server as it is deployed: a process of its own, and nginx before it, which ends TLS.

use std::fs;
use std::path::{Path, PathBuf};

use auth_server::user::NewUser;
use resource_server::time::{Clock as _, ManualClock, SystemClock};
use tempfile::TempDir;
use url::Url;

use crate::browser::Browser;
use crate::gateway::Nginx;
use crate::leash::Leashed;
use crate::redis::certificates::{AUTHORITY, Authority, CERTIFICATE, KEY};
use crate::secrets::{Kind, Secrets};
use crate::wait::within_patience;

/// The secret of every confidential client; the configuration finds it in the variable `CLIENT_SECRET`.
pub const CLIENT_SECRET: &str = "a-secret-of-clients: with % and +";
/// Somebody with an account.
pub const USER: &str = "alice";
/// Their password.
pub const PASSWORD: &str = "correct horse battery staple";

/// The lines of nginx that `docs/conformance.md` names.
const FRONT: &str = include_str!("../conformance/nginx.conf");

/// A running auth server with one user; it ends when this is dropped.
#[derive(Debug)]
pub struct AuthServer {
    issuer: String,
    secrets: Secrets,
    folder: TempDir,
    _front: Nginx,
    _node: Leashed,
}

impl AuthServer {
    /// Starts `program` (`auth-node`) with the configuration file that `configure` gives for an issuer and a folder.
    ///
    /// # Panics
    /// When it or nginx does not start.
    pub async fn start(program: &str, configure: impl Fn(&str, &Path) -> String) -> Self {
        let (front, (issuer, folder, node)) = Nginx::start(async |_: &Path, port| {
            let issuer = format!("https://localhost:{port}");
            let folder = TempDir::new().expect("a temporary folder");
            Authority::new().equip(folder.path());
            let text = configure(&issuer, folder.path());
            let (node, address) = start_node(program, folder.path(), &text).await;
            let front = front(folder.path(), port, &address);
            (front, (issuer, folder, node))
        })
        .await;
        let secrets = Secrets::default();
        secrets.learn(Kind::ClientSecret, CLIENT_SECRET);
        secrets.learn(Kind::Password, PASSWORD);
        Self {
            issuer,
            secrets,
            folder,
            _front: front,
            _node: node,
        }
    }

    /// Its issuer.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The certificate of who vouches for it, in PEM.
    pub fn authority_file(&self) -> PathBuf {
        self.folder.path().join(AUTHORITY)
    }

    /// A fresh browser that trusts it.
    ///
    /// # Panics
    /// When the certificate cannot be read.
    pub fn browser(&self) -> Browser {
        // What answers of an app of ours may hold is not the question here: nothing is at this address.
        let nowhere = Url::parse("http://localhost:1/").expect("an address");
        let authority = fs::read(self.authority_file()).expect("a certificate");
        let clock = ManualClock::new(SystemClock.now());
        Browser::new(nowhere, Some(authority), clock, self.secrets.clone())
    }

    /// What must not be in its log.
    pub const fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// # Panics
    /// When its log has one of its secrets, or an error.
    pub fn assert_its_log_is_clean(&self) {
        let log = fs::read_to_string(log_file(self.folder.path())).expect("the log is text");
        assert!(log.contains("auth_server"), "it logs nothing: {log}");
        assert!(!log.contains(" ERROR "), "{log}");
        let found = self.secrets.seen_in_log(&log);
        assert!(
            found.is_none(),
            "{}",
            found.map(|found| found.to_string()).unwrap_or_default()
        );
    }
}

/// The lines of a configuration file that are about this machine, to be put first.
///
/// # Panics
/// When the folder's path is no text.
pub fn about_this_machine(issuer: &str, folder: &Path) -> String {
    let folder = folder.to_str().expect("a temporary folder's path is text");
    format!(
        "issuer = \"{issuer}\"\nserver.listen = \"127.0.0.1:0\"\nserver.workers = 2\n\
         server.trusted_proxies = [\"127.0.0.1\"]\nstorage.path = \"{folder}/auth-server.sqlite3\"\n\
         keys.path = \"{folder}/keys.json\"\n"
    )
}

fn log_file(folder: &Path) -> PathBuf {
    folder.join("log")
}

async fn start_node(program: &str, folder: &Path, text: &str) -> (Leashed, String) {
    let environment = |_: &str| Some(CLIENT_SECRET.to_owned());
    let config = auth_server::Config::parse(text, &environment).unwrap_or_else(|faults| panic!("{faults}"));
    let user = NewUser {
        name: USER.to_owned(),
        password: PASSWORD.to_owned().into(),
        email: Some("alice@mail.example".to_owned()),
        full_name: Some("Alice Example".to_owned()),
    };
    let added = auth_server::user::add(&config, &SystemClock, user).await;
    added.expect("the auth server takes a new user");

    let file = folder.join("auth-server.toml");
    fs::write(&file, text).expect("a file in a temporary folder");
    let words = [
        format!("CLIENT_SECRET={CLIENT_SECRET}"),
        program.to_owned(),
        file.display().to_string(),
        log_file(folder).display().to_string(),
    ];
    let started = Leashed::start("env", &words, |line| line.starts_with("listens on "));
    let (node, printed) = within_patience("the auth server starts", started)
        .await
        .unwrap_or_else(|printed| panic!("the auth server did not start:\n{printed}"));
    let address = printed.lines().find_map(|line| line.strip_prefix("listens on "));
    let address = address.expect("it says where it listens").to_owned();
    (node, address)
}

/// The documented lines, for this machine.
fn front(folder: &Path, port: u16, address: &str) -> String {
    let file = |name: &str| folder.join(name).display().to_string();
    FRONT
        .replace("listen 9443", &format!("listen 127.0.0.1:{port}"))
        .replace("op.example", "localhost")
        .replace("/etc/nginx/op.pem", &file(CERTIFICATE))
        .replace("/etc/nginx/op-key.pem", &file(KEY))
        .replace("127.0.0.1:9000", address)
}
