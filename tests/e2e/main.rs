//! The stories: what people and their browsers do, and what happens behind the counter.
//!
//! Numbers in parentheses are those of the checks that standards and other people's faults ask for.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a story reports what is wrong by failing the test"
)]

mod administration;
mod answers;
mod backchannel;
mod backchannel_of_ours;
mod cookies;
mod csrf;
mod departures;
mod direct_clients;
mod embedded_store;
mod frontchannel;
mod key_ring;
mod lifetimes;
mod login;
mod login_attacks;
mod logout;
mod old_redis;
mod operations;
mod outages;
mod paths;
mod proxy;
mod redis_outages;
mod refresh;
mod refresh_audiences;
mod refresh_cluster;
mod refresh_failures;
mod refresh_refused;
mod revoked_grants;
mod session_rules;
mod sessions;
mod signing_keys;
mod store_contract;

use std::collections::HashMap;

use e2e::browser::{Answer, Browser};
use e2e::stack::Stack;
use e2e::wait::eventually;
use serde_json::Value;

/// The name of the browser's session, by what `/bff/user` tells.
async fn handle_of(browser: &Browser) -> String {
    let user = claims(&browser.fetch("/bff/user?slide=false").await);
    let logout = user["bff:logout_url"].as_str().expect("a logout address");
    let (_, handle) = logout.split_once("sid=").expect("a sid");
    handle.to_owned()
}

/// Whether the log says this about a session. Stories share the log.
fn is_logged_of(stack: &Stack, handle: &str, what: &str) -> bool {
    times_logged_of(stack, handle, what) > 0
}

fn times_logged_of(stack: &Stack, handle: &str, what: &str) -> usize {
    let log = stack.log();
    let lines = log.lines();
    lines
        .filter(|line| line.contains(handle) && line.contains(what))
        .count()
}

/// Waits until the store's outage is felt: a node may serve what it has in memory for as long as it may trust it.
async fn until_the_store_is_missed(browser: &Browser) {
    eventually("the outage is felt", async || {
        let answer = browser.fetch("/api/notes").await;
        match answer.status {
            200 => None,
            _ => Some(answer),
        }
    })
    .await
    .assert_unavailable("store-unavailable");
}

/// The claims of a `/bff/user` answer.
#[track_caller]
fn claims(user: &Answer) -> HashMap<String, Value> {
    user.assert_status(200);
    let claims = user.json();
    let claims = claims.as_array().expect("a list of claims").clone();
    claims
        .into_iter()
        .map(|claim| (claim["type"].as_str().unwrap().to_owned(), claim["value"].clone()))
        .collect()
}
