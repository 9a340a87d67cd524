//! Rotating the keys that seal sessions (checklist 70).

use bff::session::key_ring::{KeyName, KeyRing};
use e2e::on_every_store;
use e2e::stack::{Deployment, Stack};
use http::Method;

/// A sealing key's line under another name.
fn new_key(name: &str) -> String {
    let ring = KeyRing::generate(&KeyName::parse(name).unwrap());
    let line = ring.lines().find(|line| line.starts_with(&format!("{name} ")));
    line.unwrap().to_owned() + "\n"
}

/// The value of a counter so far; stacks that run beside this one may add to it.
async fn counted(stack: &Stack, name: &str) -> u64 {
    let metrics = stack.metrics().await;
    let line = metrics.lines().find_map(|line| line.strip_prefix(name));
    line.map_or(0, |value| value.trim().parse().unwrap())
}

async fn sessions_survive_a_rotation_without_restart(deployment: Deployment) {
    let stack = deployment.start().await;
    let before = stack.browser_logged_in_as("alice").await;

    let rotated = format!("{}{}", new_key("k2"), stack.key_ring());
    stack.reload_key_ring(&rotated).await;

    before.fetch("/api/notes").await.assert_status(200);
    let after = stack.browser_logged_in_as("bob").await;
    after.fetch("/api/notes").await.assert_status(200);
    // What is renewed is sealed under the new key, so the old one can go once every token was renewed.
    stack.let_access_tokens_expire().await;
    before.fetch("/api/notes").await.assert_status(200);
    let without_old = stack.key_ring().replace("\nk1 ", "\n# k1 ");
    stack.reload_key_ring(&without_old).await;
    after.fetch("/api/notes").await.assert_status(200);
}

async fn what_a_missing_key_sealed_is_left_alone_and_counted(deployment: Deployment) {
    const UNKNOWN: &str = "bff_records_unopenable_total{cause=\"unknown_key\"}";
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let ring = stack.key_ring();
    let so_far = counted(&stack, UNKNOWN).await;

    let without_old = format!("{}{}", new_key("k2"), ring.replace("\nk1 ", "\n# k1 "));
    stack.reload_key_ring(&without_old).await;
    // The next touch, or any other node, reads the record: it is there, and no reason to sign anybody out.
    stack.restart_bff().await;
    browser
        .fetch("/api/notes")
        .await
        .assert_problem(503, "store-unavailable");
    assert!(counted(&stack, UNKNOWN).await > so_far);

    stack.reload_key_ring(&format!("{}{ring}", new_key("k3"))).await;
    browser.fetch("/api/notes").await.assert_status(200);
}

async fn a_session_that_cannot_be_opened_keeps_nobody_from_signing_out_or_in(deployment: Deployment) {
    let stack = deployment.start().await;
    let leaving = stack.browser_logged_in_as("alice").await;
    let returning = stack.browser_logged_in_as("bob").await;
    let without_old = format!(
        "{}{}",
        new_key("k2"),
        stack.key_ring().replace("\nk1 ", "\n# k1 ")
    );
    stack.reload_key_ring(&without_old).await;
    stack.restart_bff().await;
    for browser in [&leaving, &returning] {
        let answer = browser.fetch("/bff/user").await;
        answer.assert_problem(503, "store-unavailable");
    }

    let signed_out = leaving.fetch("/bff/logout").method(Method::POST).await;
    signed_out.assert_status(200);
    assert_eq!(leaving.session_cookie(), None);
    leaving
        .fetch("/bff/user")
        .await
        .assert_problem(401, "session-required");

    // The provider knows who it is.
    returning.visit("/bff/login").await.assert_status(200);
    returning.fetch("/api/notes").await.assert_status(200);
}

async fn a_faulty_ring_changes_nothing(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let ring = stack.key_ring();

    let another = KeyRing::generate(&KeyName::parse("k1").unwrap()).to_string();
    for faulty in ["", "k1 short\n", &another] {
        stack.reload_key_ring(faulty).await;
        browser.fetch("/api/notes").await.assert_status(200);
        stack.browser_logged_in_as("bob").await;
    }

    assert!(stack.log().contains("the key ring was not reloaded"));
    stack.reload_key_ring(&ring).await;
    stack.restart_bff().await;
    browser.fetch("/api/notes").await.assert_status(200);
}

on_every_store!(
    sessions_survive_a_rotation_without_restart,
    what_a_missing_key_sealed_is_left_alone_and_counted,
    a_session_that_cannot_be_opened_keeps_nobody_from_signing_out_or_in,
    a_faulty_ring_changes_nothing,
);
