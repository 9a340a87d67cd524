//! The checks that standards and other people's faults ask for, one test each; its name begins with the number of the check.
//!
//! Raw sockets where a client library would hide the fault; what the upstream wrote down proves what it did and did not get.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a check reports what is wrong by failing the test"
)]

mod addresses;
mod bodies;
mod connections;
mod cors;
mod csrf;
mod floods;
mod forward_auth;
mod gateways;
mod grpc;
mod headers;
mod kept_lines;
mod lifecycle;
mod limits;
mod pages;
mod readiness;
mod reload;
mod routes;
mod secrets;
mod smuggling;
mod spa;
mod streams;
mod tls;
mod trailers;
mod upstreams;
mod upstreams_tls;
mod websockets;

use e2e::browser::Browser;
use e2e::raw::{self, RawAnswer};
use e2e::stack::{SESSION_COOKIE, Stack};
use e2e::wait::eventually;

/// Waits until the store's outage is felt: a node may serve what it has in memory for as long as it may trust it.
async fn until_the_store_is_missed(browser: &Browser) {
    eventually("the outage is felt", async || {
        let answer = browser.fetch("/api/notes").await;
        (answer.status == 503).then_some(())
    })
    .await;
}

/// The `Cookie` header of a browser that is signed in.
fn cookie_line(browser: &Browser) -> String {
    let ticket = browser.session_cookie().expect("signed in");
    format!("Cookie: {SESSION_COOKIE}={ticket}")
}

/// Calls a route with the session of a browser, with these header lines besides.
async fn call(stack: &Stack, browser: &Browser, target: &str, lines: &[&str]) -> RawAnswer {
    let cookie = cookie_line(browser);
    let lines: Vec<&str> = [cookie.as_str(), "X-CSRF: 1"]
        .iter()
        .chain(lines)
        .copied()
        .collect();
    let bytes = raw::request("GET", target, browser.app().authority(), &lines);
    raw::send(stack.bff_address(), &bytes).await
}
