//! Our BFF, as the program it is.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::{Contender, Session, Store};
use crate::cores::{Place, start_server};
use crate::sign_in::{CLIENT_ID, CLIENT_SECRET, Provider, SCOPES, app, sign_in};
use crate::upstream::{PREFIX, Upstream};

pub(crate) const REDIS: &str = "bff-redis";
pub(crate) const EMBEDDED: &str = "bff-embedded";

/// How a BFF is set up; whatever is not said here is as shipped, the log included.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) name: &'static str,
    pub(crate) workers: u32,
    pub(crate) place: Place,
    /// Further lines of `bff.toml`.
    pub(crate) lines: String,
}

impl Setup {
    /// One worker on the contender's core, with the store that the name says.
    pub(crate) fn named(name: &'static str) -> Self {
        Self {
            name,
            workers: 1,
            place: Place::OwnCore,
            lines: String::new(),
        }
    }
}

/// The release build, or what `BFF_BINARY` names.
pub(crate) fn program() -> PathBuf {
    let path = std::env::var_os("BFF_BINARY").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/bff"),
        PathBuf::from,
    );
    path.canonicalize().unwrap_or_else(|error| {
        panic!(
            "{}: {error}; build it with `cargo build --release -p bff`, or name one in BFF_BINARY",
            path.display()
        )
    })
}

pub(crate) async fn start(upstream: &Upstream, setup: Setup) -> Contender {
    let store = match setup.name {
        EMBEDDED => None,
        _ => Some(Store::start().await),
    };
    let program = program().display().to_string();
    let configure = async |port: u16| {
        let folder = TempDir::new().expect("a temporary folder");
        let provider = Provider::start(&app(port), "/bff/callback").await;
        let text = configuration(
            port,
            provider.issuer(),
            upstream,
            folder.path(),
            store.as_ref(),
            &setup,
        );
        let file = folder.path().join("bff.toml");
        fs::write(&file, text).expect("a file");
        let keys = Command::new(&program)
            .args(["keys", "generate"])
            .arg(folder.path().join("keys"))
            .output()
            .expect("the BFF runs");
        assert!(keys.status.success(), "{keys:?}");
        let arguments = vec!["--config".to_owned(), file.display().to_string()];
        (arguments, (folder, provider))
    };
    // Its log goes to a file, as nginx's does. By a pipe to this process a line for each request would be read on the core of load
    // and upstream, and whenever that falls behind, the BFF waits.
    let to_file = r#": >"$3.log"
        ( (tail -n +1 -F --pid=$$ "$3.log" 2>/dev/null | sed '/the BFF listens/q') & )
        exec "$@" >"$3.log" 2>&1"#;
    let is_ready = |line: &str| line.contains("the BFF listens");
    let command = ["sh", "-c", to_file, "sh", &program];
    let (port, process, (folder, provider)) = start_server(setup.place, &command, is_ready, configure).await;
    Contender {
        name: setup.name,
        port,
        process,
        session: Some(Session {
            cookie: sign_in(&app(port), "/bff/login?returnUrl=/api/small").await,
            _provider: provider,
        }),
        store,
        _folder: folder,
    }
}

/// The text of `bff.toml`; secrets are written beside it, and the key ring is the file `keys` there.
pub(crate) fn configuration(
    port: u16,
    issuer: &str,
    upstream: &Upstream,
    folder: &Path,
    store: Option<&Store>,
    setup: &Setup,
) -> String {
    let secret_file = |name: &str, value: &str| {
        let path = folder.join(name);
        fs::write(&path, value).expect("a file");
        readable_for_us_only(&path);
        path.display().to_string()
    };
    let client_secret = secret_file("client-secret", CLIENT_SECRET);
    let scopes: Vec<_> = SCOPES.split(' ').collect();
    let mut text = format!(
        "[server]\nlisten = \"127.0.0.1:{port}\"\npublic_url = \"{}\"\nworkers = {}\n\
         [provider]\nissuer = \"{issuer}\"\nclient_id = \"{CLIENT_ID}\"\nclient_secret_file = \"{client_secret}\"\n\
         scopes = {scopes:?}\n[session]\nkey_ring_file = \"{}/keys\"\n",
        app(port),
        setup.workers,
        folder.display(),
    );
    let _ = match store {
        Some(store) => {
            let url = secret_file("redis-url", &store.redis.url());
            write!(
                text,
                "[store]\nkind = \"redis\"\n[store.redis]\nurl_file = \"{url}\"\n"
            )
        }
        None => write!(
            text,
            "[store]\nkind = \"embedded\"\n[store.embedded]\npath = \"{}/sessions.redb\"\n",
            folder.display()
        ),
    };
    let _ = write!(
        text,
        "[[route]]\nprefix = \"{PREFIX}\"\nupstream = \"http://{}\"\naccess = \"session\"\n{}",
        upstream.authority(),
        setup.lines
    );
    text
}

pub(crate) fn readable_for_us_only(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("our own file");
}
