//! What must not pass, and what must: one test for each line of the checklists that standards and other people's faults ask
//! for. Its number begins the name; the upstream's own record says what it did and did not receive.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a story reports what is wrong by failing the test"
)]

mod bodies;
mod connections;
mod csrf;
mod floods;
mod forward_auth;
mod lifecycle;
mod spa;
mod streams;
mod tls;
mod websockets;

use e2e::browser::Browser;
use e2e::wait::eventually;

/// Waits until the store's outage is felt: a node may serve what it has in memory for as long as it may trust it.
async fn until_the_store_is_missed(browser: &Browser) {
    eventually("the outage is felt", async || {
        let answer = browser.fetch("/api/notes").await;
        (answer.status == 503).then_some(())
    })
    .await;
}
