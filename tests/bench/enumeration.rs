//! Whether the auth server's answers take longer for somebody who exists: sign-ins of users, and clients with secrets.
//!
//! `cargo bench --workspace --bench enumeration [-- SAMPLES]`. Two kinds take turns in a random order, all wrong in the end;
//! what is printed are medians and how likely such a difference is by chance alone (Mann–Whitney, two-sided). It is a
//! measurement and no test: on a busy machine it says little, and one p below 0.05 in twenty runs says nothing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench prints its tables, and what fails ends it"
)]

use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use auth_server::user::NewUser;
use auth_server::{Config, Listeners};
use e2e::measure::{mann_whitney, median};
use reqwest::{Client, StatusCode};
use resource_server::time::{ManualClock, UnixTime};
use scraper::{Html, Selector};

const SAMPLES: usize = 200;
/// Before anything is counted: connections, pages of the database, the allocator.
const WARM_UP: usize = 20;
const SECRET: &str = "a-client-secret-for-the-bench-only";
const CALLBACK: &str = "https://app.example/callback";
/// Of one length, so that no byte more tells them apart.
const KNOWN: [&str; 4] = ["alice", "bella", "clara", "diana"];
const UNKNOWN: [&str; 4] = ["edgar", "frank", "gavin", "henry"];

fn main() {
    // cargo adds `--bench`.
    let samples = std::env::args().find_map(|argument| argument.parse().ok());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.unwrap().block_on(measure(samples.unwrap_or(SAMPLES)));
}

async fn measure(samples: usize) {
    let server = Server::start().await;
    println!("| wrong passwords and secrets, {samples} each | exists, ms | does not, ms | p |");
    println!("|---|---:|---:|---:|");
    let passwords = server.alternate(samples, Ask::Password).await;
    passwords.print("a user signs in");
    let secrets = server.alternate(samples, Ask::Secret).await;
    secrets.print("a client wants a token");
    server.running.stop().await;
}

#[derive(Clone, Copy)]
enum Ask {
    Password,
    Secret,
}

/// How long the answers took, in milliseconds.
#[derive(Default)]
struct Times {
    known: Vec<f64>,
    unknown: Vec<f64>,
}

impl Times {
    fn print(&self, what: &str) {
        let [known, unknown] = [&self.known, &self.unknown].map(|times| median(times.iter().copied()));
        let p = mann_whitney(&self.known, &self.unknown);
        println!("| {what} | {known:.3} | {unknown:.3} | {p:.2} |");
    }
}

struct Server {
    running: auth_server::Running,
    issuer: String,
    clock: ManualClock,
    client: Client,
    _folder: tempfile::TempDir,
}

impl Server {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let public = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let issuer = format!("http://{}", public.local_addr().unwrap());
        let config = Config::parse(&configuration(&issuer, &folder), &|_| Some(SECRET.to_owned()));
        let config = config.unwrap_or_else(|faults| panic!("{faults}"));
        let clock = ManualClock::new(UnixTime::from_secs(1_800_000_000));
        for name in KNOWN {
            let user = NewUser {
                name: name.to_owned(),
                password: "a password for the bench alone".into(),
                email: None,
                full_name: None,
            };
            auth_server::user::add(&config, &clock, user).await.unwrap();
        }
        let listeners = Listeners {
            public,
            management: None,
        };
        let running = auth_server::start(config, listeners, Arc::new(clock.clone())).await;
        Self {
            running: running.unwrap(),
            issuer,
            clock,
            client: Client::builder().no_proxy().build().unwrap(),
            _folder: folder,
        }
    }

    async fn alternate(&self, samples: usize, ask: Ask) -> Times {
        let mut times = Times::default();
        for sample in 0..WARM_UP + samples {
            let mut kinds = [(&KNOWN, true), (&UNKNOWN, false)];
            // A kind that always came second would find warm what the first one left.
            if rand_bit() {
                kinds.reverse();
            }
            for (names, exists) in kinds {
                let name = names[sample % names.len()];
                let took = match ask {
                    Ask::Password => self.wrong_password(name).await,
                    Ask::Secret => self.wrong_secret(if exists { "known" } else { "other" }).await,
                };
                if sample >= WARM_UP {
                    let of_kind = if exists {
                        &mut times.known
                    } else {
                        &mut times.unknown
                    };
                    of_kind.push(took.as_secs_f64() * 1e3);
                }
            }
            // Nobody is throttled, or half of the attempts would not be judged.
            self.clock.advance(Duration::from_secs(2 * 3600));
        }
        times
    }

    async fn wrong_password(&self, name: &str) -> Duration {
        let query = format!(
            "client_id=known&redirect_uri={CALLBACK}&response_type=code&scope=openid&state=s\
             &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256"
        );
        let page = self.client.get(format!("{}/authorize?{query}", self.issuer));
        let page = page.send().await.unwrap();
        let cookies: Vec<_> = page
            .headers()
            .get_all("set-cookie")
            .iter()
            .filter_map(|cookie| cookie.to_str().unwrap().split(';').next())
            .map(str::to_owned)
            .collect();
        let mut form = hidden_fields(&page.text().await.unwrap());
        for (field, value) in [
            ("username", name),
            ("password", "a wrong password"),
            ("action", "sign-in"),
        ] {
            form.push((field.to_owned(), value.to_owned()));
        }
        let request = self
            .client
            .post(format!("{}/sign-in", self.issuer))
            .header("cookie", cookies.join("; "))
            .header("sec-fetch-site", "same-origin")
            .form(&form);
        timed(request, StatusCode::UNPROCESSABLE_ENTITY).await
    }

    async fn wrong_secret(&self, id: &str) -> Duration {
        let request = self
            .client
            .post(format!("{}/token", self.issuer))
            .basic_auth(id, Some("a wrong secret of that length, or so"))
            .form(&[("grant_type", "client_credentials")]);
        timed(request, StatusCode::UNAUTHORIZED).await
    }
}

/// From the sending of a request until its answer is read; another answer than this one is no measurement.
async fn timed(request: reqwest::RequestBuilder, expected: StatusCode) -> Duration {
    let began = Instant::now();
    let answer = request.send().await.unwrap();
    let status = answer.status();
    let body = answer.bytes().await.unwrap();
    let took = began.elapsed();
    assert_eq!(status, expected, "{}", String::from_utf8_lossy(&body));
    took
}

fn hidden_fields(page: &str) -> Vec<(String, String)> {
    let hidden = Selector::parse("input[type=hidden]").unwrap();
    let page = Html::parse_document(page);
    let inputs = page.select(&hidden).map(|input| input.value());
    inputs
        .map(|input| {
            let value = |name| input.attr(name).unwrap_or_default().to_owned();
            (value("name"), value("value"))
        })
        .collect()
}

fn rand_bit() -> bool {
    let mut byte = [0];
    aws_lc_rs::rand::fill(&mut byte).unwrap();
    byte[0] & 1 == 1
}

fn configuration(issuer: &str, folder: &tempfile::TempDir) -> String {
    let folder = folder.path().display();
    format!(
        r#"
issuer = "{issuer}"
server.workers = 1
storage.path = "{folder}/db.sqlite3"
keys.path = "{folder}/keys.json"
[[client]]
id = "known"
secret_env = "SECRET"
redirect_uris = ["{CALLBACK}"]
grants = ["authorization_code", "client_credentials"]
"#
    )
}
