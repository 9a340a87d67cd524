//! What it costs to ask a list about a token.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use resource_server::claims::Claims;
use resource_server::key_cache::KeyCache;
use resource_server::status_list::StatusLists;
use resource_server::time::{Clock as _, SystemClock};
use resource_server::verifier::Verifier;
use serde_json::json;

use super::lists::{GRANTS, Issuer, Random, with_one_ended_in};

/// Different tokens that are asked about, spread over the list.
const TOKENS: usize = 4096;
/// Checks of one thread.
const CHECKS: usize = 20_000_000;

pub(crate) async fn measure() {
    println!("## A check: one token, a list of {GRANTS} grants\n");
    println!("| threads | meanwhile | ns a check | longest, of checks by the hundred, in µs |");
    println!("|---:|---|---:|---:|");
    let issuer = Issuer::start().await;
    issuer.publish(with_one_ended_in(100));
    let (lists, keys) = issuer.follow();
    let tokens = Arc::new(tokens(&issuer, &keys).await);
    for token in tokens.iter() {
        let _ = lists.check(token).await;
    }
    for threads in [1, 2] {
        report(threads, "nothing", run(threads, &lists, &tokens).await);
    }
    let is_over = Arc::new(AtomicBool::new(false));
    let renewing = {
        let is_over = is_over.clone();
        tokio::spawn(async move {
            let variants = [with_one_ended_in(100), with_one_ended_in(50)];
            for number in 0.. {
                if is_over.load(Ordering::Relaxed) {
                    return;
                }
                issuer.publish(variants[number % 2].clone());
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        })
    };
    let before = lists.figures().renewed;
    let outcome = run(1, &lists, &tokens).await;
    is_over.store(true, Ordering::Relaxed);
    renewing.await.expect("it ends by itself");
    let renewed = lists.figures().renewed - before;
    report(1, &format!("{renewed} renewals of the list"), outcome);
    println!();
}

fn report(threads: usize, meanwhile: &str, (each, longest): (f64, Duration)) {
    println!(
        "| {threads} | {meanwhile} | {each:.0} | {:.1} |",
        longest.as_secs_f64() * 1e6
    );
}

/// Nanoseconds a check took on average, and the longest time that a hundred of them took.
async fn run(threads: usize, lists: &StatusLists, tokens: &Arc<Vec<Claims>>) -> (f64, Duration) {
    let runs = (0..threads).map(|_| {
        let (lists, tokens) = (lists.clone(), tokens.clone());
        tokio::task::spawn_blocking(move || checks(&lists, &tokens))
    });
    let mut slowest = (0.0, Duration::ZERO);
    for run in futures_util::future::join_all(runs).await {
        let (each, longest) = run.expect("nobody fails");
        slowest = (f64::max(slowest.0, each), slowest.1.max(longest));
    }
    slowest
}

fn checks(lists: &StatusLists, tokens: &[Claims]) -> (f64, Duration) {
    let mut longest = Duration::ZERO;
    let begun = Instant::now();
    let mut before = begun;
    for number in 0..CHECKS {
        let token = &tokens[number % TOKENS];
        let verdict = lists.check(token).now_or_never();
        assert!(black_box(verdict).is_some(), "a check waits for nothing");
        if number % 100 == 99 {
            let now = Instant::now();
            longest = longest.max(now - before);
            before = now;
        }
    }
    (begun.elapsed().as_secs_f64() * 1e9 / CHECKS as f64, longest)
}

/// Verified tokens of grants from all over the list.
async fn tokens(issuer: &Issuer, keys: &KeyCache) -> Vec<Claims> {
    let verifier = Verifier::access_token(issuer.http.url(), "https://notes.example")
        .build()
        .expect("a verifier");
    let mut random = Random(42);
    let mut tokens = Vec::with_capacity(TOKENS);
    let now = SystemClock.now().as_secs();
    for number in 0..TOKENS {
        let index = random.next() % GRANTS as u64;
        let claims = json!({
            "iss": issuer.http.url(), "aud": "https://notes.example", "sub": format!("user-{number}"),
            "client_id": "app", "jti": format!("token-{number}"), "scope": "notes:read notes:write",
            "iat": now - 10, "exp": now + 3600,
            "status": {"status_list": {"idx": index, "uri": issuer.uri()}},
        });
        let token = issuer.key.access_token(&claims);
        tokens.push(keys.verify(&verifier, &token).await.expect("a good token"));
    }
    tokens
}
