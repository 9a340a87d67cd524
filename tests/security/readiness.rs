//! Whether a node should be sent requests, and whether it runs (89).

use std::time::Duration;

use e2e::on_every_store;
use e2e::on_redis;
use e2e::stack::Deployment;
use e2e::wait::eventually;

async fn c89_a_node_is_ready_while_it_can_serve(deployment: Deployment) {
    let stack = deployment.start().await;
    assert_eq!(stack.bff_tells_operators("/health/live").await.0, 200);
    assert_eq!(stack.readiness().await, 200);

    // Sessions that live do not need the provider.
    let browser = stack.browser_logged_in_as("alice").await;
    browser.fetch("/api/notes").await.assert_status(200);
    stack.stop_provider().await;
    assert_eq!(stack.readiness().await, 200);
    browser.fetch("/api/notes").await.assert_status(200);
    // A node that never learned who the provider is cannot sign anybody in.
    stack.restart_bff().await;
    assert_eq!(stack.readiness().await, 503);
    assert_eq!(stack.bff_tells_operators("/health/live").await.0, 200);

    stack.start_provider().await;
    stack.advance(Duration::from_secs(60)).await;
    assert_eq!(stack.readiness().await, 200);
}

async fn c89_a_node_without_its_store_is_live_but_not_ready(deployment: Deployment) {
    let stack = deployment.start().await;
    assert_eq!(stack.readiness().await, 200);

    let metrics = stack.metrics().await;
    assert!(metrics.contains("bff_changes_heard "), "{metrics}");

    stack.redis().stop().await;
    assert_eq!(stack.readiness().await, 503);
    assert_eq!(stack.bff_tells_operators("/health/live").await.0, 200);

    stack.redis().start_again().await;
    eventually("the node is ready again", async || {
        (stack.readiness().await == 200).then_some(())
    })
    .await;
}

on_every_store!(c89_a_node_is_ready_while_it_can_serve);
on_redis!(c89_a_node_without_its_store_is_live_but_not_ready);
