//! Two APIs, one of them somebody else's: no token is good at both, however it is asked for.

use std::sync::Arc;

use e2e::on_one_store;
use e2e::stack::{Deployment, Stack};
use e2e::upstream::Upstream;
use serde_json::{Value, json};

use super::parties::{
    ALL, App, FILES, NOTES, Said, ThirdParty, Tokens, VERIFIER, claims_of, post, read, text, token_by_secret,
};
use super::{bearer_at, start};

/// Refused at one of the two, and taken at the other.
#[track_caller]
fn assert_is_for_one(at_notes: &Said, at_files: &Said, aud: &Value) {
    let (taken, refused) = match aud.to_string().contains(NOTES) {
        true => (at_notes, at_files),
        false => (at_files, at_notes),
    };
    assert_eq!(taken.status, 200, "{aud}: {taken:?}");
    assert_eq!(refused.status, 401, "{aud}: {refused:?}");
    assert!(
        refused.challenge.contains("error=\"invalid_token\""),
        "{refused:?}"
    );
}

async fn no_token_is_good_at_two_apis(deployment: Deployment) {
    let stack = start(deployment).await;
    let third_party = ThirdParty::start(&stack, Arc::new(Upstream::start().await)).await;
    let mut tokens = Vec::new();
    let by_default = App::signed_in_as(&stack, "alice").await;
    let app = &by_default.0;
    for (at_authorize, at_token) in [
        (&[][..], Some(FILES)),
        (&[FILES], None),
        (&[NOTES, FILES], None),
        (&[NOTES, FILES], Some(FILES)),
        (&[FILES, NOTES], Some(NOTES)),
    ] {
        let code = app.code("alice", ALL, at_authorize).await;
        let asked: Vec<_> = at_token.iter().map(|resource| ("resource", *resource)).collect();
        let redeemed = app.redeem(&code, VERIFIER, &asked).await.unwrap();
        // Each use of the grant may name another API, and gets a token for that one.
        let refreshed = app
            .refresh(&text(&redeemed, "refresh_token"), &asked)
            .await
            .unwrap();
        tokens.extend([redeemed, refreshed]);
    }
    for asked in [&[][..], &[("resource", FILES)], &[("resource", NOTES)]] {
        tokens.push(token_by_secret(&stack, asked).await.unwrap());
    }
    tokens.push(by_default.1.clone());

    let mut taken_at = [0, 0];
    for tokens in &tokens {
        let token = text(tokens, "access_token");
        let aud = claims_of(&token)["aud"].clone();
        assert!(
            !(aud.to_string().contains(NOTES) && aud.to_string().contains(FILES)),
            "{aud}"
        );
        let (at_notes, at_files) = (
            read(stack.upstream(), &token).await,
            read(third_party.api(), &token).await,
        );
        assert_is_for_one(&at_notes, &at_files, &aud);
        taken_at[usize::from(at_files.status == 200)] += 1;
    }
    assert!(taken_at.iter().all(|times| *times >= 5), "{taken_at:?}");

    both_at_once_are_refused(&stack, app).await;
    third_party.stop().await;
}

/// RFC 8707 §2: a token for several is what nobody gets.
async fn both_at_once_are_refused(stack: &Stack, app: &App<'_>) {
    let both = [("resource", NOTES), ("resource", FILES)];
    let refused = |answer: Tokens| {
        let error = answer.expect_err("no token is for two APIs");
        assert!(
            ["invalid_target", "invalid_request"].contains(&error.as_str()),
            "{error}"
        );
    };
    let code = app.code("alice", ALL, &[NOTES, FILES]).await;
    refused(app.redeem(&code, VERIFIER, &both).await);
    refused(token_by_secret(stack, &both).await);
    refused(token_by_secret(stack, &[("resource", "https://elsewhere.example")]).await);
    // What the sign-in was for binds what the grant can be used for.
    let narrow = app.sign_in("alice", ALL, &[FILES]).await.unwrap();
    refused(
        app.refresh(&text(&narrow, "refresh_token"), &[("resource", NOTES)])
            .await,
    );
}

/// The third party may do what it likes with the tokens that it is called with.
async fn what_a_third_party_gets_opens_nothing_else(deployment: Deployment) {
    call_a_third_party(deployment).await;
}

/// The same when the BFF exchanges its token for one of the route's (RFC 8693).
async fn what_a_third_party_gets_by_exchange_opens_nothing_else(deployment: Deployment) {
    call_a_third_party(deployment.with_audiences_by("exchange")).await;
}

async fn call_a_third_party(deployment: Deployment) {
    let recorder = Arc::new(Upstream::start().await);
    let partner = format!(
        r#"
[[client]]
id = "partner"
secret_env = "CLIENT_SECRET"
grants = ["client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"]
scopes = ["notes:read"]
audience = "{FILES}"
resources = ["{NOTES}"]
"#
    );
    let stack = deployment
        .with_clients(&partner)
        .with_route("/notes", format!("access = \"session\"\naudience = \"{NOTES}\""))
        .with_route(
            "/files",
            format!(
                "access = \"session\"\naudience = \"{FILES}\"\nupstream = \"{}\"",
                recorder.url()
            ),
        )
        .start()
        .await;
    let third_party = ThirdParty::start(&stack, recorder).await;
    let browser = stack.browser_logged_in_as("alice").await;
    for _ in 0..2 {
        for path in ["/notes/notes", "/files/notes", "/notes/notes"] {
            browser.fetch(path).await.assert_status(200);
        }
        stack.let_access_tokens_expire().await;
        browser.fetch("/files/notes").await.assert_status(200);
    }

    // Everything that it was ever sent.
    let received = third_party.api().received();
    let sent: Vec<_> = received
        .iter()
        .flat_map(|request| request.header("authorization"))
        .collect();
    assert!(sent.len() >= 4, "{}", sent.len());
    let newest = bearer_at(third_party.api());
    for header in &sent {
        assert_eq!(claims_of(header)["aud"], FILES);
    }
    let at_notes = read(stack.upstream(), &newest).await;
    let at_files = read(third_party.api(), &newest).await;
    assert_is_for_one(&at_notes, &at_files, &json!(FILES));
    let user_info = format!("{}/userinfo", stack.provider().url());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.get(user_info).bearer_auth(&newest).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 401);

    // RFC 8693: it is a client of the same server, and not one that speaks for that API.
    let exchange = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        (
            "subject_token_type",
            "urn:ietf:params:oauth:token-type:access_token",
        ),
        ("subject_token", newest.as_str()),
        ("resource", NOTES),
    ];
    let secret = ("partner", stack.client_secret());
    let answer = post(&stack, stack.endpoints().token, &exchange, Some(secret)).await;
    assert!(answer.is_err(), "{answer:?}");
    third_party.stop().await;
}

on_one_store!(
    no_token_is_good_at_two_apis,
    what_a_third_party_gets_opens_nothing_else,
    what_a_third_party_gets_by_exchange_opens_nothing_else,
);
