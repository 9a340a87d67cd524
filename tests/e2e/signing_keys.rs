//! The provider's signing keys change under load: nobody is signed out, and no verifier refuses anybody.

use std::collections::HashSet;
use std::time::Duration;

use auth_server::operator::Phase;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use e2e::browser::Browser;
use e2e::jose::{Expected, Jose};
use e2e::on_one_store;
use e2e::relay::Instead;
use e2e::stack::{Deployment, Stack};
use resource_server::time::Clock as _;
use serde_json::Value;

/// The load moves on by this much time.
const STEP: Duration = Duration::from_secs(20);
/// How long our verifiers take a key set for fresh, and caches on the way keep it.
const KEY_SET_AGE: Duration = Duration::from_secs(300);
/// As long as access tokens may live: the keys change while they are good.
const LIFETIME: Duration = Duration::from_secs(3600);

/// Four people, each with several calls at a time, while time goes on; each call has to succeed.
async fn call_for_a_step(stack: &Stack, browsers: &[Browser]) {
    let calls: Vec<_> = browsers
        .iter()
        .flat_map(|browser| (0..3).map(|_| browser.fetch("/api/notes").spawn()))
        .collect();
    stack.advance(STEP).await;
    for call in calls {
        call.await.unwrap().assert_status(200);
    }
}

async fn browsers(stack: &Stack) -> Vec<Browser> {
    let mut browsers = Vec::new();
    for name in ["alice", "bob", "alice", "bob"] {
        browsers.push(stack.browser_logged_in_as(name).await);
    }
    browsers
}

/// The access token that the notes service saw last.
fn bearer(stack: &Stack) -> String {
    let header = stack.upstream().last().header("authorization").remove(0);
    header.strip_prefix("Bearer ").unwrap().to_owned()
}

fn kid_of(token: &str) -> String {
    let header = token.split('.').next().unwrap();
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

async fn jose_of(stack: &Stack) -> Jose {
    Jose::start(&format!("{}{}", stack.provider().url(), stack.endpoints().jwks)).await
}

async fn verdict_of_jose(stack: &Stack, jose: &mut Jose, token: &str) -> Result<(), String> {
    let expected = Expected {
        issuer: stack.provider().url(),
        audience: "https://notes.example",
        token_type: "at+jwt",
        now: stack.clock().now(),
    };
    jose.verify(token, expected).await
}

async fn user_info(stack: &Stack, token: &str) -> u16 {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let address = format!("{}/userinfo", stack.provider().url());
    let answer = client.get(address).bearer_auth(token).send().await;
    answer.unwrap().status().as_u16()
}

/// A key signs for an hour here; tokens of ten minutes are used across each change.
async fn scheduled_rotations_sign_nobody_out(deployment: Deployment) {
    let deployment = deployment
        .with_access_tokens_for(Duration::from_secs(600))
        .with_signing_keys("keys.rotate_every = \"1h\"\nkeys.verifier_cache = \"10m\"");
    let stack = deployment.start().await;
    let browsers = browsers(&stack).await;
    let mut jose = jose_of(&stack).await;

    let mut signed_by = HashSet::new();
    for _ in 0..(150 * 60 / STEP.as_secs()) {
        call_for_a_step(&stack, &browsers).await;
        let token = bearer(&stack);
        let verdict = verdict_of_jose(&stack, &mut jose, &token).await;
        // The clock may have passed the end of the token that was used when the step began.
        assert!(
            verdict.is_ok() || verdict == Err("ERR_JWT_EXPIRED".to_owned()),
            "{verdict:?}"
        );
        signed_by.insert(kid_of(&token));
    }
    assert!(signed_by.len() >= 3, "{} keys have signed", signed_by.len());
    for browser in &browsers {
        browser.fetch("/bff/user").await.assert_status(200);
    }
}

/// The key that signs may be known to others: it goes at once, while its tokens are good for most of an hour.
async fn a_withdrawn_key_signs_nobody_out(deployment: Deployment) {
    let stack = deployment.with_access_tokens_for(LIFETIME).start().await;
    let browsers = browsers(&stack).await;
    let mut jose = jose_of(&stack).await;
    call_for_a_step(&stack, &browsers).await;
    let before = bearer(&stack);
    assert_eq!(verdict_of_jose(&stack, &mut jose, &before).await, Ok(()));
    assert_eq!(user_info(&stack, &before).await, 200);
    let (active, next) = (
        stack.signing_keys(Phase::Active).await,
        stack.signing_keys(Phase::Announced).await,
    );
    assert_eq!(kid_of(&before), active[0]);
    assert_eq!(stack.provider().grants("refresh_token"), 0);

    stack.withdraw_signing_key(&active[0]).await;
    stack.advance(Duration::from_secs(1)).await;
    assert_eq!(user_info(&stack, &before).await, 401, "at the server at once");
    // What signs now has been announced: nobody has to fetch anything to believe it.
    let jwks = stack.endpoints().jwks;
    stack.provider().instead(jwks, Instead::Cut);
    let late = stack.browser_logged_in_as("bob").await;
    late.fetch("/api/notes").await.assert_status(200);
    assert_eq!(kid_of(&bearer(&stack)), next[0]);
    stack.provider().heal();

    // The notes service learns of it within the age of a key set, refuses what is out, and the BFF renews it.
    for _ in 0..=(KEY_SET_AGE.as_secs() / STEP.as_secs() + 2) {
        call_for_a_step(&stack, &browsers).await;
    }
    let after = bearer(&stack);
    assert_eq!(kid_of(&after), next[0]);
    assert!(stack.provider().grants("refresh_token") >= browsers.len());
    assert_eq!(verdict_of_jose(&stack, &mut jose, &after).await, Ok(()));
    for browser in &browsers {
        browser.fetch("/bff/user").await.assert_status(200);
    }

    // jose keeps its key set for ten minutes.
    stack.advance(Duration::from_secs(600)).await;
    assert_eq!(
        verdict_of_jose(&stack, &mut jose, &before).await,
        Err("ERR_JWKS_NO_MATCHING_KEY".to_owned())
    );
    // Another one, right after: the one that signs now was announced a quarter of an hour ago.
    stack.withdraw_signing_key(&next[0]).await;
    for _ in 0..=(KEY_SET_AGE.as_secs() / STEP.as_secs() + 2) {
        call_for_a_step(&stack, &browsers).await;
    }
    assert_ne!(kid_of(&bearer(&stack)), next[0]);
}

on_one_store!(
    scheduled_rotations_sign_nobody_out,
    a_withdrawn_key_signs_nobody_out,
);
