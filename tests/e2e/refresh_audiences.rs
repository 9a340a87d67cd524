//! Access tokens for one audience each, and tokens of the BFF itself.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use e2e::browser::Browser;
use e2e::on_every_store;
use e2e::on_redis;
use e2e::relay::Instead;
use e2e::stack::{Deployment, Stack};
use serde_json::Value;

const NOTES_ROUTE: (&str, &str) = (
    "/notes",
    "access = \"session\"\naudience = \"https://notes.example\"",
);
const FILES_ROUTE: (&str, &str) = (
    "/files",
    "access = \"session\"\naudience = \"https://files.example\"\nscopes = [\"notes:read\"]",
);
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// The claims of the access token that came with the last request for this path.
fn claims_at(stack: &Stack, target: &str) -> Value {
    let received = stack.upstream().received();
    let last = received.iter().rev().find(|received| received.target == target);
    let bearer = last.expect("a request").header("authorization").remove(0);
    let payload = bearer.split('.').nth(1).expect("a JWT").to_owned();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

async fn fetch_all(stack: &Stack, notes: &Browser, files: &Browser) {
    let calls = [
        notes.fetch("/notes/lab/a").spawn(),
        files.fetch("/files/lab/b").spawn(),
        notes.fetch("/api/lab/c").spawn(),
    ];
    for call in calls {
        call.await.unwrap().assert_status(200);
    }
    assert_eq!(claims_at(stack, "/lab/a")["aud"], "https://notes.example");
    assert_eq!(claims_at(stack, "/lab/b")["aud"], "https://files.example");
    assert_eq!(claims_at(stack, "/lab/b")["scope"], "notes:read");
    // A route that has stood there since before there were audiences gets nobody else's token.
    assert_eq!(claims_at(stack, "/lab/c")["aud"], "https://notes.example");
}

/// (57) The provider revokes everything when a refresh token is used twice: that all is well after three rounds shows that
/// there is one line of them.
async fn two_audiences_refreshed_at_once_get_a_token_each(deployment: Deployment) {
    let deployment = with_two_audiences(deployment).and_foreign_provider();
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    three_rounds(&stack, &browser, &browser).await;
}

/// The same by our own auth server.
async fn two_audiences_of_our_own_server_get_a_token_each(deployment: Deployment) {
    let stack = with_two_audiences(deployment).start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    three_rounds(&stack, &browser, &browser).await;
}

/// The same when the two are wanted on different nodes.
async fn two_audiences_refreshed_on_two_nodes_get_a_token_each(deployment: Deployment) {
    let deployment = with_two_audiences(deployment).and_foreign_provider();
    let stack = deployment.start().await;
    let second = stack.start_second_node().await;
    let browser = stack.browser_logged_in_as("alice").await;
    three_rounds(&stack, &browser, &browser.at(second)).await;
}

fn with_two_audiences(deployment: Deployment) -> Deployment {
    deployment
        .with_route(NOTES_ROUTE.0, NOTES_ROUTE.1)
        .with_route(FILES_ROUTE.0, FILES_ROUTE.1)
}

async fn three_rounds(stack: &Stack, notes: &Browser, files: &Browser) {
    for round in 1..=3 {
        fetch_all(stack, notes, files).await;
        // Each node has what the other one brought home.
        fetch_all(stack, files, notes).await;
        assert_eq!(stack.provider().grants("refresh_token"), 2 * round);
        stack.let_access_tokens_expire().await;
    }
}

async fn an_exchanged_token_is_for_its_route_alone(deployment: Deployment) {
    exchanges_for_one_route(deployment.and_foreign_provider()).await;
}

/// The same by our own auth server.
async fn an_exchanged_token_of_our_own_server_is_for_its_route_alone(deployment: Deployment) {
    exchanges_for_one_route(deployment).await;
}

async fn exchanges_for_one_route(deployment: Deployment) {
    let deployment = deployment.with_audiences_by("exchange");
    let stack = deployment.with_route(FILES_ROUTE.0, FILES_ROUTE.1).start().await;
    let browser = stack.browser_logged_in_as("alice").await;

    for round in 1..=2 {
        for _ in 0..2 {
            browser.fetch("/files/lab/b").await.assert_status(200);
            assert_eq!(claims_at(&stack, "/lab/b")["aud"], "https://files.example");
        }
        browser.fetch("/api/lab/a").await.assert_status(200);
        // Our own server's token of the login opens userinfo as well.
        let of_login = claims_at(&stack, "/lab/a")["aud"].clone();
        let first = of_login.as_array().map_or(&of_login, |several| &several[0]);
        assert_eq!(first, "https://notes.example");
        assert_eq!(stack.provider().grants(EXCHANGE), round);
        assert_eq!(stack.provider().grants("refresh_token"), round - 1);
        stack.let_access_tokens_expire().await;
    }
}

async fn an_exchange_that_fails_concerns_its_route_alone(deployment: Deployment) {
    let deployment = deployment.with_audiences_by("exchange");
    let stack = deployment.with_route(FILES_ROUTE.0, FILES_ROUTE.1).start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let refusal = Instead::Status(400, r#"{"error":"invalid_grant"}"#);
    stack.provider().instead(stack.endpoints().token, refusal);

    for _ in 0..5 {
        browser
            .fetch("/files/lab/b")
            .await
            .assert_unavailable("provider-unavailable");
    }

    assert_eq!(stack.provider().grants(EXCHANGE), 1, "the failure is remembered");
    browser.fetch("/api/lab/a").await.assert_status(200);
    browser.fetch("/bff/user").await.assert_status(200);
}

/// The client's own token: no session is needed, none is told of, and one token serves all.
async fn a_service_route_calls_in_the_name_of_the_client(deployment: Deployment) {
    let rules = "access = \"service\"\nscopes = [\"notes:read\"]";
    let stack = deployment.with_route("/service", rules).start().await;
    let gate = stack.provider().hold(stack.endpoints().token);
    let anybody = stack.browser();

    let calls: Vec<_> = (0..10).map(|_| anybody.fetch("/service/lab/a").spawn()).collect();
    gate.reached().await;
    gate.open();
    for call in calls {
        call.await.unwrap().assert_status(200);
    }
    let alice = stack.browser_logged_in_as("alice").await;
    alice.fetch("/service/lab/a").await.assert_status(200);

    assert_eq!(stack.provider().grants("client_credentials"), 1);
    let claims = claims_at(&stack, "/lab/a");
    assert_eq!(
        (&claims["sub"], &claims["scope"]),
        (&"web".into(), &"notes:read".into())
    );
    assert!(stack.upstream().last().header("cookie").is_empty());

    stack.let_access_tokens_expire().await;
    anybody.fetch("/service/lab/a").await.assert_status(200);
    assert_eq!(stack.provider().grants("client_credentials"), 2);
}

async fn a_service_route_without_a_token_says_when_to_come_again(deployment: Deployment) {
    let stack = deployment
        .with_route("/service", "access = \"service\"")
        .start()
        .await;
    stack
        .provider()
        .instead(stack.endpoints().token, Instead::ComeAgainAfter(60));

    for _ in 0..3 {
        let unavailable = stack.browser().fetch("/service/lab/a").await;
        unavailable.assert_unavailable("provider-unavailable");
        let seconds: u64 = unavailable.header("retry-after").unwrap().parse().unwrap();
        assert!((30..=60).contains(&seconds), "{seconds}");
    }
    assert_eq!(stack.provider().grants("client_credentials"), 1);
    assert!(stack.upstream().received().is_empty());

    // A node that has just begun knows of no failure.
    stack.provider().heal();
    stack.restart_bff().await;
    stack.browser().fetch("/service/lab/a").await.assert_status(200);
}

on_every_store!(
    two_audiences_refreshed_at_once_get_a_token_each,
    two_audiences_of_our_own_server_get_a_token_each,
    an_exchanged_token_is_for_its_route_alone,
    an_exchanged_token_of_our_own_server_is_for_its_route_alone,
    an_exchange_that_fails_concerns_its_route_alone,
    a_service_route_calls_in_the_name_of_the_client,
    a_service_route_without_a_token_says_when_to_come_again,
);
on_redis!(two_audiences_refreshed_on_two_nodes_get_a_token_each);
