//! Whose request it is, when proxies stand between (41, 47).

use e2e::on_one_store;
use e2e::stack::{Deployment, Stack};

use crate::call;

async fn told(stack: &Stack, lines: &[&str]) -> Vec<String> {
    let browser = stack.browser_logged_in_as("alice").await;
    let answer = call(stack, &browser, "/api/lab/x", lines).await;
    assert_eq!(answer.status, Some(200), "{}", answer.text);
    let received = stack.upstream().last();
    assert!(received.header("forwarded").is_empty() && received.header("x-real-ip").is_empty());
    received.header("x-forwarded-for")
}

async fn c41_nobody_is_believed_by_default(deployment: Deployment) {
    let stack = deployment.start().await;
    let lies = [
        "X-Forwarded-For: 192.0.2.7",
        "X_Forwarded_For: 192.0.2.7",
        "Forwarded: for=192.0.2.7",
    ];
    assert_eq!(told(&stack, &lies).await, ["127.0.0.1"]);
}

async fn c47_a_trusted_proxy_is_believed_about_its_peer_and_no_further(deployment: Deployment) {
    let trusting = deployment.with_server_rules("trusted_proxies = [\"127.0.0.0/8\", \"10.0.0.0/8\"]");
    let stack = trusting.start().await;
    assert_eq!(told(&stack, &["X-Forwarded-For: 192.0.2.7"]).await, ["192.0.2.7"]);
    let chain = ["X-Forwarded-For: 6.6.6.6, 192.0.2.7", "X-Forwarded-For: 10.1.1.1"];
    assert_eq!(told(&stack, &chain).await, ["192.0.2.7"]);
    // The client wrote the one header, the proxy appended to the other.
    let both = ["Forwarded: for=6.6.6.6", "X-Forwarded-For: 2001:db8::7"];
    assert_eq!(told(&stack, &both).await, ["2001:db8::7"]);
    assert_eq!(
        told(&stack, &["X-Forwarded-For: 6.6.6.6, unknown"]).await,
        ["127.0.0.1"]
    );
}

async fn c47_the_header_of_rfc_7239_is_read_where_it_is_chosen(deployment: Deployment) {
    let rules = "trusted_proxies = [\"127.0.0.1\"]\nclient_address_header = \"forwarded\"";
    let stack = deployment.with_server_rules(rules).start().await;
    let both = [
        "X-Forwarded-For: 6.6.6.6",
        "Forwarded: for=6.6.6.6, for=\"[2001:db8::7]:1\";proto=http;host=evil.example",
    ];
    assert_eq!(told(&stack, &both).await, ["2001:db8::7"]);
    let received = stack.upstream().last();
    assert_eq!(received.header("x-forwarded-host").len(), 1);
    assert!(
        !received.header("x-forwarded-host")[0].contains("evil"),
        "{:?}",
        received.headers
    );
}

on_one_store!(
    c41_nobody_is_believed_by_default,
    c47_a_trusted_proxy_is_believed_about_its_peer_and_no_further,
    c47_the_header_of_rfc_7239_is_read_where_it_is_chosen,
);
