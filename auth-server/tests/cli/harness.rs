//! A folder with a configuration, the program run in it, and a server of it with a client and a browser.

use std::io::{BufRead as _, Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// No faults, no clients.
pub(crate) const GOOD: &str = "issuer = \"http://127.0.0.1:9000\"";

/// A client whose secret is in the variable SECRET, and a log of everything.
pub(crate) const WITH_CLIENT: &str = r#"
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

pub(crate) const PASSWORD: &str = "correct horse battery";
pub(crate) const SECRET: &str = "a client's secret";

pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new(configuration: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let storage = format!("path = \"{}/db\"", folder.path().display());
        Self::with_storage(folder, configuration, &storage)
    }

    /// With a PostgreSQL database.
    pub(crate) fn on_postgres(configuration: &str, url: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::with_storage(folder, configuration, &format!("url = \"{url}\""))
    }

    fn with_storage(folder: tempfile::TempDir, configuration: &str, storage: &str) -> Self {
        let keys = folder.path().join("keys");
        std::fs::write(
            folder.path().join("auth-server.toml"),
            format!(
                "{configuration}\n[storage]\n{storage}\n[keys]\npath = \"{}\"\n",
                keys.display()
            ),
        )
        .unwrap();
        Self(folder)
    }

    /// With a user, added without the client's secret.
    pub(crate) fn with_user(configuration: &str, name: &str) -> Self {
        let folder = Self::new(configuration);
        folder.add_user(name);
        folder
    }

    /// Adds a user, without the client's secret.
    pub(crate) fn add_user(&self, name: &str) {
        let email = format!("{name}@example.com");
        let added = self.run(
            &["user", "add", name, "--email", &email],
            &format!("{PASSWORD}\n"),
        );
        assert_eq!(added.status.code(), Some(0), "{}", told(&added));
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs the program without any secret in its environment.
    pub(crate) fn run(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = Command::new(env!("CARGO_BIN_EXE_auth-server"))
            .current_dir(self.0.path())
            .args(arguments)
            .env_remove("SECRET")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A program that does not read its input may be gone already.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    /// Runs the program with the client's secret in its environment.
    pub(crate) fn run_with_secret(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_auth-server"))
            .current_dir(self.0.path())
            .args(arguments)
            .env("SECRET", SECRET)
            .output()
            .unwrap()
    }

    /// Runs a command that has to succeed; gives its standard output.
    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments, "");
        assert_eq!(output.status.code(), Some(0), "{}", told(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The same with `--json`: an object a line.
    pub(crate) fn objects(&self, arguments: &[&str]) -> Vec<Value> {
        let text = self.done(&[arguments, &["--json"]].concat());
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The subject of a user.
    pub(crate) fn subject(&self, name: &str) -> String {
        let user = self.objects(&["user", "show", name]);
        user[0]["sub"].as_str().unwrap().to_owned()
    }
}

/// Both outputs, since a test seldom minds which.
pub(crate) fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The events of the audit trail among the lines of a log in JSON.
pub(crate) fn trail(log: &str) -> Vec<Value> {
    log.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|event| event["target"] == "auth_server::audit")
        .map(|event| event["fields"].clone())
        .collect()
}

/// A server in a process of its own, with everything that it logs.
pub(crate) struct Process {
    child: std::process::Child,
    /// Reads on, so that a server which logs much is not held up.
    rest: Option<std::thread::JoinHandle<String>>,
    lines: String,
    base: String,
    http: reqwest::Client,
}

impl Process {
    pub(crate) fn start(folder: &Folder) -> Self {
        Self::start_by(Command::new(env!("CARGO_BIN_EXE_auth-server")), folder)
    }

    /// By a command that becomes the program.
    pub(crate) fn start_by(mut command: Command, folder: &Folder) -> Self {
        let mut child = command
            .current_dir(folder.0.path())
            .env("SECRET", SECRET)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = std::io::BufReader::new(child.stdout.take().unwrap());
        let mut lines = String::new();
        let address = loop {
            let mut line = String::new();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "it ended: {lines}");
            lines += &line;
            let entry: Value = serde_json::from_str(&line).unwrap();
            if entry["fields"]["message"] == "serving" {
                break entry["fields"]["address"].as_str().unwrap().to_owned();
            }
        };
        let rest = std::thread::spawn(move || {
            let mut rest = String::new();
            log.read_to_string(&mut rest).unwrap();
            rest
        });
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self {
            child,
            rest: Some(rest),
            lines,
            base: format!("http://{address}"),
            http,
        }
    }

    /// Ends it as a supervisor does, and gives all it has logged.
    pub(crate) fn terminate(mut self) -> String {
        let status = Command::new("kill")
            .arg(self.child.id().to_string())
            .status()
            .unwrap();
        assert!(status.success());
        self.lines += &self.rest.take().unwrap().join().unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0), "{}", self.lines);
        std::mem::take(&mut self.lines)
    }

    /// What it has logged before it served.
    pub(crate) fn first_lines(&self) -> &str {
        &self.lines
    }

    pub(crate) async fn get(&self, path: &str, cookie: Option<&str>) -> reqwest::Response {
        let mut request = self.http.get(format!("{}{path}", self.base));
        if let Some(cookie) = cookie {
            request = request.header("cookie", cookie);
        }
        request.send().await.unwrap()
    }

    /// Calls an OAuth endpoint as the client.
    pub(crate) async fn call(&self, path: &str, form: &[(&str, &str)]) -> reqwest::Response {
        let form = [form, &[("client_id", "bff"), ("client_secret", SECRET)]].concat();
        self.post(path, &form).await
    }

    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)]) -> reqwest::Response {
        let request = self.http.post(format!("{}{path}", self.base)).form(form);
        request.send().await.unwrap()
    }

    pub(crate) async fn exchange(&self, code: &str) -> reqwest::Response {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", "https://bff.example/callback"),
            ("code_verifier", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
        ];
        self.call("/token", &form).await
    }

    pub(crate) async fn refresh(&self, refresh_token: &str) -> reqwest::Response {
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
        self.call("/token", &form).await
    }

    pub(crate) async fn user_info(&self, access_token: &str) -> u16 {
        let request = self.http.get(format!("{}/userinfo", self.base));
        let answer = request.bearer_auth(access_token).send().await.unwrap();
        answer.status().as_u16()
    }

    /// Opens the sign-in page and sends it with a name and a password.
    pub(crate) async fn attempt(&self, name: &str, password: &str) -> Attempt {
        self.attempt_within("", name, password).await
    }

    /// The same in a browser that has the cookie of a session.
    pub(crate) async fn attempt_within(&self, session: &str, name: &str, password: &str) -> Attempt {
        let page = self.get(&format!("/authorize?{QUERY}"), None).await;
        let mark = cookie_of(&page);
        let page = page.text().await.unwrap();
        let form_token = between(&page, "name=\"form_token\" value=\"", "\"").to_owned();
        let form = [
            ("request", QUERY),
            ("form_token", &form_token),
            ("username", name),
            ("password", password),
        ];
        let request = self.http.post(format!("{}/sign-in", self.base));
        let request = request.header("cookie", format!("{mark}; {session}")).form(&form);
        Attempt {
            mark,
            form_token,
            answer: request.send().await.unwrap(),
        }
    }

    /// Signs in.
    pub(crate) async fn sign_in(&self, name: &str) -> SignedIn {
        let attempt = self.attempt(name, PASSWORD).await;
        let location = attempt.answer.headers()["location"].to_str().unwrap();
        SignedIn {
            code: between(location, "code=", "&").to_owned(),
            cookie: cookie_of(&attempt.answer),
            mark: attempt.mark,
            form_token: attempt.form_token,
        }
    }

    /// Signs in and exchanges the code.
    pub(crate) async fn tokens(&self, name: &str) -> (SignedIn, Tokens) {
        let signed_in = self.sign_in(name).await;
        let answer = self.exchange(&signed_in.code).await.text().await.unwrap();
        (signed_in, Tokens::of(&answer))
    }
}

impl Drop for Process {
    /// A test that fails leaves no server behind; one that has ended already is not there to be killed.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A form that was sent, and what came of it.
pub(crate) struct Attempt {
    pub(crate) mark: String,
    pub(crate) form_token: String,
    pub(crate) answer: reqwest::Response,
}

/// A browser after a sign-in.
pub(crate) struct SignedIn {
    pub(crate) code: String,
    pub(crate) cookie: String,
    pub(crate) mark: String,
    pub(crate) form_token: String,
}

pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
    pub(crate) id: String,
}

impl Tokens {
    pub(crate) fn of(answer: &str) -> Self {
        let answer: Value = serde_json::from_str(answer).unwrap();
        let text = |name: &str| answer[name].as_str().unwrap().to_owned();
        Self {
            access: text("access_token"),
            refresh: text("refresh_token"),
            id: text("id_token"),
        }
    }
}

pub(crate) const QUERY: &str = "client_id=bff&redirect_uri=https%3A%2F%2Fbff.example%2Fcallback&response_type=code\
                                &scope=openid+email+offline_access&state=st4te&nonce=n0nce\
                                &code_challenge_method=S256\
                                &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn cookie_of(answer: &reqwest::Response) -> String {
    let cookie = answer.headers()["set-cookie"].to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

pub(crate) fn between<'t>(text: &'t str, before: &str, after: &str) -> &'t str {
    text.split_once(before).unwrap().1.split_once(after).unwrap().0
}
