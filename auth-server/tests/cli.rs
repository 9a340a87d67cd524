//! The program from outside: exit codes, what it says, and users added by it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{BufRead as _, Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(configuration: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display();
        let storage = format!("[storage]\npath = \"{path}/db\"\n[keys]\npath = \"{path}/keys\"\n");
        std::fs::write(
            folder.path().join("auth-server.toml"),
            format!("{configuration}\n{storage}"),
        )
        .unwrap();
        Self(folder)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, arguments: &[&str], input: &str) -> Output {
        self.run_with(arguments, input, &[])
    }

    fn run_with_secret(&self, arguments: &[&str], input: &str) -> Output {
        self.run_with(arguments, input, &[("SECRET", "a client's secret")])
    }

    fn run_with(&self, arguments: &[&str], input: &str, variables: &[(&str, &str)]) -> Output {
        let mut child = Command::new(env!("CARGO_BIN_EXE_auth-server"))
            .current_dir(self.0.path())
            .args(arguments)
            .env_remove("SECRET")
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A program that does not read its input may be gone already.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

const GOOD: &str = "issuer = \"http://127.0.0.1:9000\"";

#[test]
fn a_good_configuration_is_said_to_be_one() {
    let folder = Folder::new(GOOD);
    let output = folder.run(&["--check-config"], "");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(told(&output), "configuration is valid\n");
    let output = folder.run(&["serve", "--check-config"], "");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(told(&output), "configuration is valid\n");
    assert!(!folder.file("keys").exists(), "checking makes nothing");
}

#[test]
fn a_bad_configuration_exits_with_78_and_all_faults() {
    let folder = Folder::new("issuer = \"http://op.example\"\ncolour = 1");
    for arguments in [&["--check-config"][..], &["serve"], &[]] {
        let output = folder.run(arguments, "");
        assert_eq!(output.status.code(), Some(78));
        assert!(told(&output).contains("2 faults"), "{}", told(&output));
        assert!(told(&output).contains("issuer") && told(&output).contains("colour"));
    }
    let output = folder.run(&["--config", "missing.toml"], "");
    assert_eq!(output.status.code(), Some(78));
    assert!(told(&output).contains("missing.toml"));
}

#[test]
fn a_user_is_added_with_a_password_from_standard_input_once() {
    let folder = Folder::new(GOOD);
    let add = [
        "user",
        "add",
        "Alice",
        "--email",
        "a@example.com",
        "--name",
        "Alice A",
    ];
    let output = folder.run(&add, "correct horse\nignored\n");
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert!(told(&output).starts_with("added alice with the subject "));
    let database = folder.file("db");
    assert!(
        told(&output).ends_with(&format!(" to {}\n", database.display())),
        "{}",
        told(&output)
    );
    assert!(!told(&output).contains("horse"));

    let output = folder.run(&["user", "add", "ALICE"], "another pass phrase\n");
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).contains("a user named \"alice\" exists already"));
}

#[test]
fn unfit_names_passwords_and_addresses_are_refused() {
    let folder = Folder::new(GOOD);
    for (arguments, password, told_part) in [
        (&["user", "add", "bob"][..], "short\n", "at least 8 characters"),
        (&["user", "add", "bob"], "", "at least 8 characters"),
        (
            &["user", "add", "bob-the-builder"],
            "Bob-The-Builder\n",
            "must not be the user name",
        ),
        (
            &["user", "add", "bob smith"],
            "correct horse\n",
            "the user name must be",
        ),
        (
            &["user", "add", "bob", "--email", "nowhere"],
            "correct horse\n",
            "the e-mail address",
        ),
    ] {
        let output = folder.run(arguments, password);
        assert_eq!(output.status.code(), Some(1));
        assert!(told(&output).contains(told_part), "{}", told(&output));
    }
    let output = folder.run(&["user", "add", "bob", "--password", "correct horse"], "");
    assert_eq!(output.status.code(), Some(2), "a password is no argument");
}

#[cfg(unix)]
#[test]
fn it_refuses_to_start_with_keys_that_others_can_read() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = Folder::new(&format!("{GOOD}\n[server]\nlisten = \"127.0.0.1:0\""));
    std::fs::write(folder.file("keys"), "{}").unwrap();
    std::fs::set_permissions(folder.file("keys"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let output = folder.run(&[], "");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        told(&output).contains("may be read by others (mode 644)"),
        "{}",
        told(&output)
    );
}

/// A server in a process of its own, with everything that it logs.
struct Process {
    child: std::process::Child,
    log: std::io::BufReader<std::process::ChildStdout>,
    lines: String,
    address: String,
}

impl Process {
    fn start(folder: &Folder) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_auth-server"))
            .current_dir(folder.0.path())
            .env("SECRET", "a client's secret")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = std::io::BufReader::new(child.stdout.take().unwrap());
        let mut lines = String::new();
        let address = loop {
            let mut line = String::new();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "it ended: {lines}");
            lines += &line;
            let entry: serde_json::Value = serde_json::from_str(&line).unwrap();
            if entry["fields"]["message"] == "serving" {
                break entry["fields"]["address"].as_str().unwrap().to_owned();
            }
        };
        Self {
            child,
            log,
            lines,
            address,
        }
    }

    /// Ends it as a supervisor does, and gives all it has logged.
    fn terminate(mut self) -> String {
        let status = Command::new("kill")
            .arg(self.child.id().to_string())
            .status()
            .unwrap();
        assert!(status.success());
        self.log.read_to_string(&mut self.lines).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0), "{}", self.lines);
        self.lines
    }
}

fn between<'t>(text: &'t str, before: &str, after: &str) -> &'t str {
    text.split_once(before).unwrap().1.split_once(after).unwrap().0
}

const LOGGED_CLIENT: &str = r#"
issuer = "http://127.0.0.1:9000"
[server]
listen = "127.0.0.1:0"
[log]
format = "json"
filter = "info,auth_server=trace"
[[client]]
id = "bff"
secret_env = "SECRET"
redirect_uris = ["https://bff.example/callback"]
grants = ["authorization_code", "refresh_token"]
scopes = ["openid", "email", "offline_access"]"#;

const QUERY: &str = "client_id=bff&redirect_uri=https%3A%2F%2Fbff.example%2Fcallback&response_type=code\
                     &scope=openid+email+offline_access&state=st4te&nonce=n0nce&code_challenge_method=S256\
                     &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// Signs in, first with a wrong password; gives every secret that passed, the code last.
async fn sign_in(http: &reqwest::Client, base: &str) -> Vec<String> {
    let page = http
        .get(format!("{base}/authorize?{QUERY}"))
        .send()
        .await
        .unwrap();
    let cookie = page.headers()["set-cookie"]
        .to_str()
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let page = page.text().await.unwrap();
    let token = between(&page, "name=\"form_token\" value=\"", "\"").to_owned();
    let submit = |password: &'static str| {
        let form = [
            ("request", QUERY),
            ("form_token", &token),
            ("username", "alice"),
            ("password", password),
        ];
        http.post(format!("{base}/sign-in"))
            .header("cookie", &cookie)
            .form(&form)
            .send()
    };
    submit("wrong password").await.unwrap();
    let signed_in = submit("correct horse").await.unwrap();
    let session = between(signed_in.headers()["set-cookie"].to_str().unwrap(), "=", ";").to_owned();
    let code = between(signed_in.headers()["location"].to_str().unwrap(), "code=", "&").to_owned();
    vec![cookie, token, session, code]
}

/// Exchanges the code, then uses everything twice, since refusals are logged with the most words; gives the tokens.
async fn use_everything(http: &reqwest::Client, base: &str, code: &str) -> Vec<String> {
    let call = |path: &str, form: &[(&str, &str)]| {
        let form = [
            form,
            &[("client_id", "bff"), ("client_secret", "a client's secret")],
        ]
        .concat();
        http.post(format!("{base}{path}")).form(&form).send()
    };
    let exchange = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", "https://bff.example/callback"),
        ("code_verifier", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
    ];
    let tokens = call("/token", &exchange).await.unwrap().text().await.unwrap();
    let tokens: serde_json::Value = serde_json::from_str(&tokens).unwrap();
    let tokens =
        ["access_token", "refresh_token", "id_token"].map(|name| tokens[name].as_str().unwrap().to_owned());
    for _ in 0..2 {
        call("/token", &exchange).await.unwrap();
        call(
            "/token",
            &[("grant_type", "refresh_token"), ("refresh_token", &tokens[1])],
        )
        .await
        .unwrap();
        call("/revoke", &[("token", &tokens[1])]).await.unwrap();
        http.get(format!("{base}/userinfo"))
            .bearer_auth(&tokens[0])
            .send()
            .await
            .unwrap();
    }
    tokens.to_vec()
}

#[cfg(unix)]
#[tokio::test]
async fn the_log_holds_no_secret_and_sigterm_ends_it_well() {
    let folder = Folder::new(LOGGED_CLIENT);
    let add = ["user", "add", "alice", "--email", "alice@example.com"];
    let added = folder.run(&add, "correct horse\n");
    assert_eq!(
        added.status.code(),
        Some(78),
        "without the client's secret the configuration is not valid"
    );
    let added = folder.run_with_secret(&add, "correct horse\n");
    assert_eq!(added.status.code(), Some(0), "{}", told(&added));

    let process = Process::start(&folder);
    let base = format!("http://{}", process.address);
    let http = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let mut secrets = sign_in(&http, &base).await;
    secrets.extend(use_everything(&http, &base, &secrets[3]).await);
    let others = [
        "correct horse",
        "wrong password",
        "a client's secret",
        "alice",
        "st4te",
        "n0nce",
    ];
    secrets.extend(others.map(str::to_owned));

    let log = process.terminate();
    assert!(
        log.contains("\"path\":\"/token\"") && log.contains("a code came a second time"),
        "{log}"
    );
    for outcome in ["refused", "welcome"] {
        let judged: Vec<_> = log
            .lines()
            .filter(|line| line.contains(&format!("\"outcome\":\"{outcome}\"")))
            .collect();
        assert_eq!(judged.len(), 1, "{outcome}: {log}");
        assert!(judged[0].contains("\"client.id\":\"bff\""));
        assert!(judged[0].contains("\"client.network\":\"127.0.0.0/24\""));
    }
    for secret in &secrets {
        assert!(!log.contains(secret), "{secret} is in the log: {log}");
    }
}
