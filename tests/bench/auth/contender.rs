//! The servers, each in a process on the contender's core.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use e2e::cores::{self, Place, start_server};
use e2e::foreign::{ForeignProvider, Setup};
use e2e::leash::Leashed;
use e2e::relay::Relay;
use e2e::secrets::Secrets;
use resource_server::time::{Clock as _, SystemClock};
use tempfile::TempDir;

use crate::grants::Chain;
use crate::sign_in;

pub(crate) const CLIENT_ID: &str = "web";
pub(crate) const CLIENT_SECRET: &str = "a-client-secret-for-the-bench-only";
pub(crate) const SCOPES: &str = "openid profile email offline_access notes:read notes:write";
pub(crate) const AUDIENCE: &str = "https://notes.example";
pub(crate) const USER: &str = "alice";
pub(crate) const PASSWORD: &str = "correct horse battery staple";
/// Nobody listens there: codes are read off the redirect.
pub(crate) const CALLBACK: &str = "http://localhost:1/bff/callback";
/// Where both servers have it.
const TOKEN_PATH: &str = "/token";

/// What SQLite promises of a commit that it has acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// It survives a power failure.
    Full,
    /// It survives the end of the process.
    Normal,
}

/// A server that is measured.
#[derive(Debug)]
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) pid: u32,
    /// As browsers know it.
    pub(crate) issuer: String,
    /// Where browsers ask for codes.
    pub(crate) authorization_endpoint: String,
    /// Where it is asked, without anything in between.
    pub(crate) token_endpoint: String,
    pub(crate) chains: Vec<Chain>,
    _process: Process,
}

#[derive(Debug)]
enum Process {
    Ours {
        _process: Leashed,
        _folder: TempDir,
    },
    Foreign {
        _process: ForeignProvider,
        _relay: Relay,
    },
}

impl Contender {
    /// Our auth server, as shipped but for what is said here: one worker, what a commit promises, and no access log, as the
    /// other writes none; the audit trail is written.
    pub(crate) async fn ours(durability: Durability) -> Self {
        let (name, lines) = match durability {
            Durability::Full => ("Cloakroom, full durability", "storage.durability = \"full\"\n"),
            Durability::Normal => (
                "Cloakroom, `synchronous = NORMAL`",
                "storage.durability = \"normal\"\n",
            ),
        };
        Self::ours_with(name, Place::OwnCore, 1, lines).await
    }

    /// The same with so many workers, and further lines of `auth-server.toml`.
    pub(crate) async fn ours_with(name: &'static str, place: Place, workers: usize, lines: &str) -> Self {
        let program = program().display().to_string();
        let configure = async |port: u16| {
            let folder = TempDir::new().expect("a temporary folder");
            let file = folder.path().join("auth-server.toml");
            fs::write(&file, configuration(port, folder.path(), workers, lines)).expect("a file");
            add_user(&program, &file);
            let arguments = vec!["--config".to_owned(), file.display().to_string()];
            (arguments, folder)
        };
        // Its log goes to a file: by a pipe to this process each line would be read on the core of the load.
        let to_file = r#": >"$3.log"
            ( (tail -n +1 -F --pid=$$ "$3.log" 2>/dev/null | sed '/serving/q') & )
            exec "$@" >"$3.log" 2>&1"#;
        let secret = format!("CLIENT_SECRET={CLIENT_SECRET}");
        let command = [
            "env",
            secret.as_str(),
            "sh",
            "-c",
            to_file,
            "sh",
            program.as_str(),
        ];
        let (port, process, folder) =
            start_server(place, &command, |line| line.contains("serving"), configure).await;
        let issuer = issuer(port);
        Self {
            name,
            pid: process.pid(),
            authorization_endpoint: format!("{issuer}/authorize"),
            token_endpoint: format!("{issuer}{TOKEN_PATH}"),
            issuer,
            chains: Vec::new(),
            _process: Process::Ours {
                _process: process,
                _folder: folder,
            },
        }
    }

    /// npm `oidc-provider`, with everything in its memory.
    pub(crate) async fn foreign() -> Self {
        let relay = Relay::start(Secrets::default()).await;
        let process = ForeignProvider::start(&Setup {
            issuer: relay.url(),
            client_id: CLIENT_ID,
            client_secret: CLIENT_SECRET,
            redirect_uri: CALLBACK,
            post_logout_redirect_uri: CALLBACK,
            backchannel_logout_uri: CALLBACK,
            audience: AUDIENCE,
            access_token_lifetime: Duration::from_secs(300),
            users: &[(USER, PASSWORD, "alice@mail.example")],
            now: SystemClock.now(),
        })
        .await;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, process.port()));
        relay.lead_to(Some(address));
        cores::confine(process.pid(), Place::OwnCore);
        Self {
            name: "npm oidc-provider, in memory",
            pid: process.pid(),
            issuer: relay.url().to_owned(),
            authorization_endpoint: format!("{}/auth", relay.url()),
            token_endpoint: format!("http://{address}{TOKEN_PATH}"),
            chains: Vec::new(),
            _process: Process::Foreign {
                _process: process,
                _relay: relay,
            },
        }
    }

    /// Signs the user in and gets so many grants.
    pub(crate) async fn sign_in(&mut self, grants: usize) {
        self.chains = sign_in::grants(self, grants).await;
    }
}

/// The release build, or what `AUTH_SERVER_BINARY` names.
fn program() -> PathBuf {
    let path = std::env::var_os("AUTH_SERVER_BINARY").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/auth-server"),
        PathBuf::from,
    );
    path.canonicalize().unwrap_or_else(|error| {
        panic!(
            "{}: {error}; build it with `make build-release`, or name one in AUTH_SERVER_BINARY",
            path.display()
        )
    })
}

fn issuer(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

fn configuration(port: u16, folder: &Path, workers: usize, lines: &str) -> String {
    let folder = folder.display();
    let scopes: Vec<_> = SCOPES.split(' ').collect();
    let mut text = format!(
        "issuer = \"{}\"\nserver.listen = \"127.0.0.1:{port}\"\nserver.workers = {workers}\n\
         server.trusted_proxies = [\"127.0.0.1\"]\nkeys.path = \"{folder}/keys.json\"\n\
         storage.path = \"{folder}/auth-server.sqlite3\"\nlog.filter = \"info,auth_server::access=off\"\n{lines}",
        issuer(port)
    );
    let _ = write!(
        text,
        "[[client]]\nid = \"{CLIENT_ID}\"\nsecret_env = \"CLIENT_SECRET\"\nredirect_uris = [\"{CALLBACK}\"]\n\
         grants = [\"authorization_code\", \"refresh_token\", \"client_credentials\"]\nscopes = {scopes:?}\n\
         audience = \"{AUDIENCE}\"\n"
    );
    text
}

fn add_user(program: &str, config: &Path) {
    let mut adding = Command::new(program)
        .arg("--config")
        .arg(config)
        .args(["user", "add", USER, "--email", "alice@mail.example"])
        .env("CLIENT_SECRET", CLIENT_SECRET)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the auth server runs");
    let mut stdin = adding.stdin.take().expect("stdin is piped");
    std::io::Write::write_all(&mut stdin, format!("{PASSWORD}\n").as_bytes()).expect("it reads");
    drop(stdin);
    assert!(
        adding.wait().expect("it ends").success(),
        "the user was not added"
    );
}
