//! How soon the token of somebody who has logged out is refused: auth server, BFF and notes service as they are.

use std::time::{Duration, Instant};

use e2e::browser::Browser;
use e2e::stack::{Deployment, Stack};
use futures_util::future::join_all;
use http::Method;

/// How often the API is asked with a token that is about to be refused.
const EVERY: Duration = Duration::from_millis(10);
/// More than it may take.
const BOUND: Duration = Duration::from_secs(10);
/// The time over which logouts are spread, so that they meet the looks at all their phases.
const SPREAD: Duration = Duration::from_secs(20);

/// A signed-in browser and its access token in other hands.
struct Grant {
    browser: Browser,
    token: String,
}

pub(crate) async fn measure(logouts: usize) {
    let stack = Deployment::with_embedded_store()
        .with_access_tokens_for(Duration::from_secs(3600))
        .start()
        .await;
    // The servers of a stack have a clock that is moved by hand: here it goes as clocks do.
    let clock = stack.clock().clone();
    let ticking = tokio::spawn(async move {
        let mut second = tokio::time::interval(Duration::from_secs(1));
        second.tick().await;
        loop {
            second.tick().await;
            clock.advance(Duration::from_secs(1));
        }
    });
    let mut grants = Vec::with_capacity(logouts);
    for _ in 0..logouts {
        grants.push(sign_in(&stack).await);
    }
    let pause = SPREAD / u32::try_from(logouts).expect("a number");
    let each = grants.into_iter().zip(0..).map(|(grant, number)| {
        let stack = &stack;
        async move {
            tokio::time::sleep(pause * number).await;
            until_refused(stack, grant).await
        }
    });
    let mut each: Vec<_> = join_all(each).await;
    ticking.abort();
    each.sort();
    let at = |share: f64| each[((each.len() - 1) as f64 * share).round() as usize].as_secs_f64();
    println!("## From the logout's answer to the first refusal\n");
    println!("| logouts | p50 s | p90 s | p99 s | max s |\n|---:|---:|---:|---:|---:|");
    println!(
        "| {logouts} | {:.2} | {:.2} | {:.2} | {:.2} |",
        at(0.5),
        at(0.9),
        at(0.99),
        at(1.0)
    );
}

async fn sign_in(stack: &Stack) -> Grant {
    let browser = stack.browser_logged_in_as("alice").await;
    browser.fetch("/api/notes").await.assert_status(200);
    let authorization = stack.upstream().last().header("authorization").remove(0);
    let token = authorization.strip_prefix("Bearer ").expect("a bearer token");
    Grant {
        browser,
        token: token.to_owned(),
    }
}

async fn until_refused(stack: &Stack, grant: Grant) -> Duration {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let address = format!("{}/notes", stack.upstream().url());
    let ask = async || {
        let answer = client.get(&address).bearer_auth(&grant.token).send().await;
        answer.expect("the API answers").status().as_u16()
    };
    assert_eq!(ask().await, 200);
    let logout = grant.browser.fetch("/bff/logout").method(Method::POST);
    logout.await.assert_status(200);
    let begun = Instant::now();
    while ask().await == 200 {
        assert!(begun.elapsed() < BOUND, "the token is still good");
        tokio::time::sleep(EVERY).await;
    }
    assert_eq!(ask().await, 401);
    begun.elapsed()
}
