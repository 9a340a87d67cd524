//! An OpenID provider that is not ours: npm `oidc-provider` in a Node process.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use resource_server::time::UnixTime;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Mutex;

use crate::leash::assert_installed;
use crate::wait::within_patience;

/// What the provider has to know.
#[derive(Debug)]
pub struct Setup<'s> {
    /// The address that browsers and clients know it by.
    pub issuer: &'s str,
    /// The one client.
    pub client_id: &'s str,
    /// Its secret, for HTTP Basic.
    pub client_secret: &'s str,
    /// Where codes may go.
    pub redirect_uri: &'s str,
    /// Where browsers may go after signing out.
    pub post_logout_redirect_uri: &'s str,
    /// Where it says that somebody has signed out.
    pub backchannel_logout_uri: &'s str,
    /// `aud` of its access tokens.
    pub audience: &'s str,
    /// How long access tokens live.
    pub access_token_lifetime: Duration,
    /// Users: name, password, e-mail.
    pub users: &'s [(&'s str, &'s str, &'s str)],
    /// What time it is.
    pub now: UnixTime,
}

/// The running provider; it ends when this is dropped, because its standard input ends.
#[derive(Debug)]
pub struct ForeignProvider {
    port: u16,
    control: Mutex<Control>,
    process: Child,
}

#[derive(Debug)]
struct Control {
    commands: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl ForeignProvider {
    /// Starts the provider.
    ///
    /// # Panics
    /// When Node or the package is missing, or the provider does not start.
    pub async fn start(setup: &Setup<'_>) -> Self {
        let folder = folder();
        assert_installed("node");
        assert!(
            folder.join("node_modules/oidc-provider").is_dir(),
            "npm oidc-provider is not installed: run `make test`, or `npm ci` in {}",
            folder.display()
        );
        let mut process = Command::new("node")
            .arg(folder.join("server.mjs"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("node starts");
        let mut control = Control {
            commands: process.stdin.take().expect("stdin is piped"),
            answers: BufReader::new(process.stdout.take().expect("stdout is piped")).lines(),
        };
        let ready = control.ask(&wire(setup)).await;
        let port = ready["port"].as_u64().and_then(|port| u16::try_from(port).ok());
        Self {
            port: port.expect("the provider says which port it listens on"),
            control: Mutex::new(control),
            process,
        }
    }

    /// The port on loopback where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process.
    ///
    /// # Panics
    /// When it has ended.
    pub fn pid(&self) -> u32 {
        self.process.id().expect("the provider runs")
    }

    /// Tells it what time it is.
    pub async fn set_time(&self, now: UnixTime) {
        self.control.lock().await.ask(&json!({ "now": now })).await;
    }
}

impl Control {
    async fn ask(&mut self, command: &Value) -> Value {
        let line = format!("{command}\n");
        self.commands
            .write_all(line.as_bytes())
            .await
            .expect("the provider reads its standard input");
        let answer = within_patience("the foreign provider answers", self.answers.next_line()).await;
        let answer = answer.expect("the provider's output is text");
        let answer =
            answer.expect("the foreign provider ended: run `node tests/foreign-provider/server.mjs`");
        serde_json::from_str(&answer).expect("the provider answers in JSON")
    }
}

fn wire(setup: &Setup<'_>) -> Value {
    let users = setup.users.iter().map(|(name, password, email)| {
        let user = json!({ "password": password, "email": email });
        ((*name).to_owned(), user)
    });
    json!({
        "issuer": setup.issuer,
        "client_id": setup.client_id,
        "client_secret": setup.client_secret,
        "client_auth": "client_secret_basic",
        "redirect_uris": [setup.redirect_uri],
        "post_logout_redirect_uris": [setup.post_logout_redirect_uri],
        "backchannel_logout_uri": setup.backchannel_logout_uri,
        "audience": setup.audience,
        "access_token_lifetime": setup.access_token_lifetime.as_secs(),
        "users": users.collect::<serde_json::Map<_, _>>(),
        "now": setup.now,
    })
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("foreign-provider")
}
