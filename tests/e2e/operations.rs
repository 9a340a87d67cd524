//! What operators see: health that says what is wrong, and a BFF that does not trust a provider who is somebody else.

use std::time::Duration;

use e2e::on_every_store;
use e2e::on_one_store;
use e2e::on_redis;
use e2e::relay::Instead;
use e2e::stack::{Deployment, Stack};
use e2e::wait::eventually;

const DISCOVERY: &str = "/.well-known/openid-configuration";

async fn readiness(stack: &Stack) -> u16 {
    stack.bff_tells_operators("/health/ready").await.0
}

/// (89)
async fn a_node_is_ready_while_it_can_serve(deployment: Deployment) {
    let stack = deployment.start().await;
    assert_eq!(stack.bff_tells_operators("/health/live").await.0, 200);
    assert_eq!(readiness(&stack).await, 200);

    // Sessions that live do not need the provider.
    stack.stop_provider().await;
    assert_eq!(readiness(&stack).await, 200);
    // A node that never learned who the provider is cannot sign anybody in.
    stack.restart_bff().await;
    assert_eq!(readiness(&stack).await, 503);
    assert_eq!(stack.bff_tells_operators("/health/live").await.0, 200);

    stack.start_provider().await;
    stack.advance(Duration::from_secs(60)).await;
    assert_eq!(readiness(&stack).await, 200);
}

/// (89)
async fn a_node_without_its_store_is_live_but_not_ready(deployment: Deployment) {
    let stack = deployment.start().await;
    assert_eq!(readiness(&stack).await, 200);

    stack.redis().stop().await;
    assert_eq!(readiness(&stack).await, 503);
    assert_eq!(stack.bff_tells_operators("/health/live").await.0, 200);

    stack.redis().start_again().await;
    eventually("the node is ready again", async || {
        (readiness(&stack).await == 200).then_some(())
    })
    .await;
}

/// What operators see is not for browsers.
async fn health_is_not_shown_at_the_public_address(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser();

    for path in ["/health/live", "/health/ready", "/metrics"] {
        let answer = browser.fetch(path).await;
        assert!(
            !answer.text().contains("ready") && !answer.text().contains("live"),
            "{}",
            answer.summary()
        );
        assert_ne!(answer.status, 200, "{}", answer.summary());
    }
}

/// (9)
async fn a_provider_that_says_it_is_somebody_else_is_refused(deployment: Deployment) {
    let stack = deployment.start().await;
    let impostor = r#"{"issuer":"https://evil.example","authorization_endpoint":"https://evil.example/authorize",
        "token_endpoint":"https://evil.example/token","jwks_uri":"https://evil.example/jwks"}"#;
    stack
        .provider()
        .instead(DISCOVERY, Instead::Status(200, impostor));
    stack.restart_bff().await;
    let browser = stack.browser();

    let refused = browser.visit("/bff/login").await;

    refused.assert_status(503);
    assert!(!refused.text().contains("evil.example"), "{}", refused.summary());
    assert_eq!(readiness(&stack).await, 503);
    assert!(browser.cookies().is_empty());
}

on_every_store!(a_node_is_ready_while_it_can_serve);
on_redis!(a_node_without_its_store_is_live_but_not_ready);
on_one_store!(
    health_is_not_shown_at_the_public_address,
    a_provider_that_says_it_is_somebody_else_is_refused,
);
