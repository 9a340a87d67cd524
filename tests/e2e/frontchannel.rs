//! The provider shows us in a frame to sign somebody out, where no cookie of ours is sent.

use e2e::browser::{Answer, Browser};
use e2e::on_every_store;
use e2e::stack::{Deployment, Stack};
use url::form_urlencoded;

use crate::backchannel::newest_identity;

fn address(iss: &str, sid: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("iss", iss).append_pair("sid", sid);
    format!("/bff/frontchannel?{}", query.finish())
}

/// What a page of the provider does that shows us in a frame: nobody's cookie comes along.
async fn framed(stack: &Stack, address: &str, destination: &str) -> Answer {
    let frame = stack.browser().fetch(address).by_page(stack.provider().url());
    frame
        .without("x-csrf")
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-dest", destination)
        .await
}

async fn assert_lives(browser: &Browser, what: &str) {
    assert_eq!(browser.fetch("/bff/user").await.status, 200, "{what}");
}

/// (78)
async fn a_frame_of_the_provider_ends_the_session_it_names(deployment: Deployment) {
    let stack = deployment.start().await;
    let phone = stack.browser_logged_in_as("alice").await;
    let laptop = stack.browser_logged_in_as("alice").await;
    let (_, sid) = newest_identity(&stack);
    let issuer = stack.provider().url().to_owned();

    for (what, wrong) in [
        ("another issuer", address("https://evil.example", &sid)),
        ("the issuer with a slash", address(&format!("{issuer}/"), &sid)),
        ("another session", address(&issuer, "another")),
        ("an empty session", address(&issuer, "")),
    ] {
        framed(&stack, &wrong, "iframe").await.assert_status(200);
        assert_lives(&laptop, what).await;
    }
    for incomplete in [
        "/bff/frontchannel",
        "/bff/frontchannel?iss=x",
        &format!("/bff/frontchannel?sid={sid}"),
    ] {
        let refused = framed(&stack, incomplete, "iframe").await;
        refused.assert_problem(400, "invalid-parameter");
    }
    for destination in ["image", "script", "document", "empty"] {
        let refused = framed(&stack, &address(&issuer, &sid), destination).await;
        refused.assert_problem(403, "cross-site");
    }
    assert_lives(&laptop, "no frame").await;

    let answer = framed(&stack, &address(&issuer, &sid), "iframe").await;

    answer.assert_status(200);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let policy = answer.header("content-security-policy").expect("a policy");
    assert!(policy.contains(&format!("frame-ancestors {issuer}")), "{policy}");
    assert_eq!(answer.header("x-frame-options"), None);
    laptop
        .fetch("/bff/user")
        .await
        .assert_problem(401, "session-required");
    assert_lives(&phone, "another session of the same user").await;
}

on_every_store!(a_frame_of_the_provider_ends_the_session_it_names);
