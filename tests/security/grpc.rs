//! gRPC through the BFF, by a client and a server that are not ours.

use e2e::browser::Browser;
use e2e::grpc::{self, GrpcServer};
use e2e::on_one_store;
use e2e::peer::Closed;
use e2e::secrets::Kind;
use e2e::stack::{Deployment, SESSION_COOKIE, Stack};
use serde_json::{Value, json};

/// A gRPC server behind a route of gRPC's kind, which names a service. It needs a session.
async fn lead_to_server(stack: &Stack) -> GrpcServer {
    let server = GrpcServer::start().await;
    let url = server.url();
    stack
        .reload_bff(|text| {
            format!("{text}[[route]]\nprefix = \"/lab.Echo\"\nupstream = \"{url}\"\nprotocol = \"h2\"\n")
        })
        .await;
    server
}

async fn call(stack: &Stack, metadata: &Value, calls: &[(&str, &str)]) -> Vec<Value> {
    let authority = stack.browser().app().authority().to_owned();
    grpc::call(&stack.bff_address().to_string(), &authority, metadata, calls).await
}

fn signed_in(browser: &Browser) -> Value {
    let ticket = browser.session_cookie().expect("signed in");
    json!({ "cookie": format!("{SESSION_COOKIE}={ticket}"), "x-csrf": "1" })
}

async fn c46_grpc_passes_in_both_directions_with_its_trailers(deployment: Deployment) {
    let stack = deployment.start().await;
    let server = lead_to_server(&stack).await;
    let browser = stack.browser_logged_in_as("alice").await;

    let outcomes = call(
        &stack,
        &signed_in(&browser),
        &[
            ("Say", "hello"),
            ("Count", "5"),
            ("Talk", "a b c"),
            ("Refuse", "please"),
        ],
    )
    .await;

    let messages: Vec<_> = outcomes
        .iter()
        .map(|outcome| outcome["messages"].clone())
        .collect();
    assert_eq!(
        messages,
        [
            json!(["you said hello"]),
            json!(["1", "2", "3", "4", "5"]),
            json!(["echo a", "echo b", "echo c"]),
            json!([]),
        ],
        "{outcomes:?}"
    );
    for outcome in &outcomes[..3] {
        assert_eq!(outcome["code"], 0, "{outcome}");
        assert_eq!(
            outcome["trailers"]["x-trailer"],
            json!(["after the last message"]),
            "{outcome}"
        );
    }
    // An outcome without messages comes in the headers.
    assert_eq!(outcomes[3]["code"], 9, "{outcomes:?}");
    assert_eq!(outcomes[3]["details"], "not today", "{outcomes:?}");
    let tokens = stack.secrets().of_kind(Kind::AccessToken);
    let heard = server.next_call().await;
    assert_eq!(heard["path"], "/lab.Echo/Say");
    let authorization = heard["metadata"]["authorization"][0].as_str().expect("a token");
    let token = authorization.strip_prefix("Bearer ").expect("a bearer token");
    assert!(tokens.iter().any(|known| known.as_str() == token));
    assert!(heard["metadata"]["cookie"].is_null(), "the ticket crossed");
    assert!(heard["metadata"]["x-csrf"].is_null());
}

async fn c46_grpc_without_a_session_is_unauthenticated(deployment: Deployment) {
    let stack = deployment.start().await;
    let server = lead_to_server(&stack).await;
    let browser = stack.browser_logged_in_as("alice").await;

    let nobody = call(
        &stack,
        &json!({ "x-csrf": "1" }),
        &[("Say", "hello"), ("Talk", "a b")],
    )
    .await;
    let mut without_proof = signed_in(&browser);
    without_proof.as_object_mut().unwrap().remove("x-csrf");
    let forged = call(&stack, &without_proof, &[("Say", "hello")]).await;
    let fine = call(&stack, &signed_in(&browser), &[("Say", "the first")]).await;

    for outcome in &nobody {
        assert_eq!(outcome["code"], 16, "{outcome}");
    }
    assert_eq!(forged[0]["code"], 7, "{forged:?}");
    assert_eq!(fine[0]["messages"], json!(["you said the first"]), "{fine:?}");
    // What was refused never reached it: this is the first call that it tells of, and the only one.
    let heard = server.next_call().await;
    assert!(heard["metadata"]["authorization"][0].is_string(), "{heard}");
}

async fn c46_grpc_is_told_of_an_upstream_that_is_gone(deployment: Deployment) {
    let stack = deployment.start().await;
    let gone = Closed::new();
    let url = format!("http://{}", gone.address());
    stack
        .reload_bff(|text| {
            format!("{text}[[route]]\nprefix = \"/lab.Echo\"\nupstream = \"{url}\"\nprotocol = \"h2\"\n")
        })
        .await;
    let browser = stack.browser_logged_in_as("alice").await;

    let outcomes = call(&stack, &signed_in(&browser), &[("Say", "hello")]).await;

    assert_eq!(outcomes[0]["code"], 14, "{outcomes:?}");
    let log = stack.log();
    let is_told = |line: &str| {
        ["a request failed", "/lab.Echo", "upstream-unavailable"]
            .iter()
            .all(|word| line.contains(word))
    };
    assert!(log.lines().any(is_told), "operators are told all the same");
}

on_one_store!(
    c46_grpc_is_told_of_an_upstream_that_is_gone,
    c46_grpc_passes_in_both_directions_with_its_trailers,
    c46_grpc_without_a_session_is_unauthenticated,
);
