//! A flood of sign-ins beside people who are signed in: how long their refreshes take, and what hashing takes of the machine.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use e2e::cores::{self, Place};
use e2e::measure::median;
use e2e::process;
use futures_util::future::{join, join_all};
use reqwest::header::{COOKIE, SET_COOKIE};
use scraper::{Html, Selector};

use crate::contender::{Contender, USER};
use crate::grants::at;
use crate::load::Client;

/// As many browsers ask to be let in without a pause: each time under another name and from another address, since otherwise
/// the throttle refuses them before a password is looked at.
const INTRUDERS: usize = 32;
/// Each refreshes once in this time.
const PAUSE: Duration = Duration::from_millis(100);
const SIGNED_IN: usize = 16;

/// Half of the rounds have a flood.
pub(crate) async fn measure(length: Duration, rounds: u64) {
    let mut server = Contender::ours_with("ours", Place::AllCores, cores::count(), "").await;
    server.sign_in(SIGNED_IN).await;
    let (mut quiet, mut flooded) = (Vec::new(), Vec::new());
    let mut tried = 0;
    let before = process::resident_bytes(server.pid);
    for _ in 0..rounds {
        quiet.push(refreshes(&server, length).await);
        let ended = AtomicBool::new(false);
        let (took, tries) = join(
            async {
                let took = refreshes(&server, length).await;
                ended.store(true, Ordering::Relaxed);
                took
            },
            flood(&server, &ended),
        )
        .await;
        flooded.push(took);
        tried += tries;
    }
    let after = process::resident_bytes(server.pid);
    println!(
        "\n## Refreshes beside a flood of sign-ins: {SIGNED_IN} people, one refresh every {} ms each\n",
        PAUSE.as_millis()
    );
    println!("| | p50 ms | p99 ms |\n|---|---:|---:|");
    for (name, rounds) in [("nobody signs in", &quiet), ("flood", &flooded)] {
        let figure = |share| median(rounds.iter().map(|took| at(took, share).as_secs_f64() * 1e3));
        println!("| {name} | {:.1} | {:.1} |", figure(0.5), figure(0.99));
    }
    let a_second = f64::from(tried) / (length.as_secs_f64() * rounds as f64);
    println!(
        "\n{a_second:.0} sign-ins a second were judged or turned away; resident memory went from {} to {} MB.",
        before / 1_000_000,
        after / 1_000_000
    );
}

/// How long each took, sorted.
async fn refreshes(server: &Contender, length: Duration) -> Vec<Duration> {
    let client = Client::new(server);
    let begun = Instant::now();
    let asking = server.chains.iter().map(|chain| {
        let client = &client;
        async move {
            let mut took = Vec::new();
            let mut turns = tokio::time::interval(PAUSE);
            while begun.elapsed() < length {
                turns.tick().await;
                let asked = Instant::now();
                chain.refresh(client).await;
                took.push(asked.elapsed());
            }
            took
        }
    });
    let mut took = join_all(asking).await.concat();
    took.sort_unstable();
    took
}

/// How many passwords were sent.
async fn flood(server: &Contender, ended: &AtomicBool) -> u32 {
    let form = SignInForm::of(server).await;
    let tried = AtomicU32::new(0);
    let intruders = (0..INTRUDERS).map(|_| async {
        while !ended.load(Ordering::Relaxed) {
            form.submit(tried.fetch_add(1, Ordering::Relaxed)).await;
        }
    });
    join_all(intruders).await;
    tried.into_inner()
}

/// A sign-in page that one browser has open.
struct SignInForm {
    http: reqwest::Client,
    action: String,
    cookies: String,
    hidden: Vec<(String, String)>,
}

impl SignInForm {
    async fn of(server: &Contender) -> Self {
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a client");
        let request = crate::sign_in::authorization_request(server);
        let page = http.get(request).send().await.expect("a page");
        let cookies: Vec<_> = page
            .headers()
            .get_all(SET_COOKIE)
            .iter()
            .filter_map(|cookie| cookie.to_str().ok()?.split(';').next().map(str::to_owned))
            .collect();
        let document = Html::parse_document(&page.text().await.expect("a page"));
        let hidden = document
            .select(&Selector::parse("input[type=hidden]").expect("a selector"))
            .filter_map(|input| {
                let value = |name| input.attr(name).map(str::to_owned);
                Some((value("name")?, value("value")?))
            })
            .collect();
        Self {
            http,
            action: format!("{}/sign-in", server.issuer),
            cookies: cookies.join("; "),
            hidden,
        }
    }

    async fn submit(&self, number: u32) {
        let name = format!("{USER}-{number}");
        let mut fields: Vec<(&str, &str)> = self
            .hidden
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        fields.extend([
            ("username", name.as_str()),
            ("password", "a wrong password"),
            ("action", "sign-in"),
        ]);
        let answer = self
            .http
            .post(&self.action)
            .header(COOKIE, &self.cookies)
            .header("Origin", self.action.trim_end_matches("/sign-in"))
            .header(
                "X-Forwarded-For",
                Ipv4Addr::from(0x0a00_0000 + number).to_string(),
            )
            .form(&fields)
            .send()
            .await
            .expect("an answer");
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("a whole answer");
        // 422: it was wrong. 503: more wait already than `passwords.queue` allows.
        assert!([422, 503].contains(&status), "{status}: {text}");
    }
}
