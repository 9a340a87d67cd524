//! Access tokens whose grant has ended, in the hands of somebody who calls an API directly.
//!
//! The BFF ends sessions at once and by itself. These tokens have left it, as those of a mobile app do: what refuses them is
//! the resource server, by the status list of our auth server, and without asking anybody for a request.

use std::time::Duration;

use auth_server::operator::{WhichSessions, WhichUser};
use e2e::browser::Browser;
use e2e::on_one_store;
use e2e::stack::{Deployment, Stack};
use http::Method;
use reqwest::header::WWW_AUTHENTICATE;

use crate::backchannel::newest_identity;

/// The age that a list may have at a resource server is over, and the second by which clocks are read.
const LIST_IS_OLD: Duration = Duration::from_secs(6);

/// A signed-in browser, and its access token in other hands.
struct Grant {
    browser: Browser,
    token: String,
}

impl Grant {
    async fn of(stack: &Stack, name: &str) -> Self {
        let browser = stack.browser_logged_in_as(name).await;
        browser.fetch("/api/notes").await.assert_status(200);
        let authorization = stack.upstream().last().header("authorization").remove(0);
        let token = authorization.strip_prefix("Bearer ").expect("a bearer token");
        Self {
            token: token.to_owned(),
            browser,
        }
    }
}

/// Calls the notes service as an app does that has the token.
async fn call(stack: &Stack, token: &str) -> reqwest::Response {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let address = format!("{}/notes", stack.upstream().url());
    client.get(address).bearer_auth(token).send().await.unwrap()
}

async fn assert_goes_on(stack: &Stack, grant: &Grant) {
    assert_eq!(call(stack, &grant.token).await.status(), 200);
}

async fn assert_refused(stack: &Stack, grant: &Grant) {
    for _ in 0..3 {
        let answer = call(stack, &grant.token).await;
        assert_eq!(answer.status(), 401);
        let challenge = answer.headers()[WWW_AUTHENTICATE].to_str().unwrap();
        assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
        assert!(
            challenge.contains("the grant of this token has ended"),
            "{challenge}"
        );
    }
}

/// How often the notes service has asked for a list.
fn looks(stack: &Stack) -> usize {
    let exchanges = stack.provider().exchanges();
    let lists = exchanges
        .iter()
        .filter(|exchange| exchange.path.starts_with("/statuslists/"));
    lists.count()
}

/// Everybody's token, seen and remembered by the notes service.
async fn known_grants(stack: &Stack) -> [Grant; 3] {
    let grants = [
        Grant::of(stack, "alice").await,
        Grant::of(stack, "alice").await,
        Grant::of(stack, "bob").await,
    ];
    for grant in &grants {
        assert_goes_on(stack, grant).await;
        assert_goes_on(stack, grant).await;
    }
    grants
}

async fn a_logout_at_the_bff_ends_the_token(deployment: Deployment) {
    let stack = deployment.start().await;
    let [laptop, phone, bob] = known_grants(&stack).await;
    let logout = laptop.browser.fetch("/bff/logout").method(Method::POST);
    logout.await.assert_status(200);
    stack.advance(LIST_IS_OLD).await;
    assert_refused(&stack, &laptop).await;
    assert_goes_on(&stack, &phone).await;
    assert_goes_on(&stack, &bob).await;
}

async fn signing_out_everywhere_at_the_auth_server_ends_all_tokens(deployment: Deployment) {
    let stack = deployment.start().await;
    let [laptop, phone, bob] = known_grants(&stack).await;
    let end_session = format!("{}{}", stack.provider().url(), stack.endpoints().end_session);
    let question = laptop.browser.visit(&end_session).await;
    let form = question.forms().into_iter().next().expect("it asks first");
    laptop.browser.submit(&question, &form, &["everywhere"]).await;
    stack.advance(LIST_IS_OLD).await;
    assert_refused(&stack, &laptop).await;
    assert_refused(&stack, &phone).await;
    assert_goes_on(&stack, &bob).await;
}

async fn an_operator_ends_tokens(deployment: Deployment) {
    let stack = deployment.start().await;
    let laptop = Grant::of(&stack, "alice").await;
    let (_, sid) = newest_identity(&stack);
    let [tablet, phone, bob] = known_grants(&stack).await;
    let administration = stack.administration().await;
    let ended = administration.end_sessions(WhichSessions::Sid(&sid)).await;
    assert_eq!(ended.unwrap(), 1);
    stack.advance(LIST_IS_OLD).await;
    assert_refused(&stack, &laptop).await;
    assert_goes_on(&stack, &tablet).await;

    let alice = administration.user(WhichUser::Name("alice")).await.unwrap();
    administration.disable_user(&alice.user.id).await.unwrap();
    administration.close().await;
    stack.advance(LIST_IS_OLD).await;
    for grant in [&laptop, &tablet, &phone] {
        assert_refused(&stack, grant).await;
    }
    assert_goes_on(&stack, &bob).await;
}

async fn a_refresh_token_used_by_two_ends_the_token(deployment: Deployment) {
    let stack = deployment.start().await;
    let laptop = Grant::of(&stack, "alice").await;
    let stolen = stack.newest_refresh_token();
    let [phone, _, bob] = known_grants(&stack).await;
    let (status, answer) = stack.present_refresh_token(&stolen).await;
    assert_eq!(status, 200);
    let successor = answer["refresh_token"].as_str().unwrap();
    assert_eq!(stack.present_refresh_token(successor).await.0, 200);
    // Whoever comes with the first one now is the second to have it.
    assert_eq!(stack.present_refresh_token(&stolen).await.0, 400);
    stack.advance(LIST_IS_OLD).await;
    assert_refused(&stack, &laptop).await;
    assert_goes_on(&stack, &phone).await;
    assert_goes_on(&stack, &bob).await;
}

/// An operator ends the grant, and the BFF is not told: it learns of it by its own call.
async fn a_bff_that_is_not_told_ends_the_session_with_its_next_call(deployment: Deployment) {
    let stack = deployment.start().await;
    let laptop = Grant::of(&stack, "alice").await;
    let (_, sid) = newest_identity(&stack);
    let administration = stack.administration().await;
    administration
        .end_sessions(WhichSessions::Sid(&sid))
        .await
        .unwrap();
    administration.close().await;
    // The token is not new any more: the BFF tries a refresh when it is refused.
    stack.advance(Duration::from_secs(15)).await;
    let answer = laptop.browser.fetch("/api/notes").await;
    answer.assert_problem(401, "session-required");
    let refreshes = stack.provider().grants("refresh_token");
    assert_eq!(refreshes, 1);
    for _ in 0..3 {
        let answer = laptop.browser.fetch("/bff/user").await;
        answer.assert_problem(401, "session-required");
    }
    assert_eq!(stack.provider().grants("refresh_token"), refreshes, "asked once");
}

async fn requests_ask_nobody(deployment: Deployment) {
    let stack = deployment.start().await;
    let grants = known_grants(&stack).await;
    let before = looks(&stack);
    assert!((1..=3).contains(&before), "{before}");
    for _ in 0..50 {
        for grant in &grants {
            assert_goes_on(&stack, grant).await;
        }
    }
    // One for each four seconds that have passed on the wall, and not one for each request.
    assert!(looks(&stack) - before <= 10);
}

async fn an_auth_server_that_is_away_is_no_outage_of_the_api(deployment: Deployment) {
    let stack = deployment.start().await;
    let [laptop, phone, bob] = known_grants(&stack).await;
    laptop
        .browser
        .fetch("/bff/logout")
        .method(Method::POST)
        .await
        .assert_status(200);
    stack.advance(LIST_IS_OLD).await;
    assert_refused(&stack, &laptop).await;
    stack.stop_provider().await;
    stack.advance(Duration::from_secs(120)).await;
    assert_goes_on(&stack, &phone).await;
    assert_goes_on(&stack, &bob).await;
    assert_refused(&stack, &laptop).await;
    // Five minutes are what it may take; tokens live for no longer than that either, by default.
    stack.start_provider().await;
    stack.advance(Duration::from_secs(31)).await;
    assert_goes_on(&stack, &phone).await;
    assert_refused(&stack, &laptop).await;
}

on_one_store!(
    a_logout_at_the_bff_ends_the_token,
    signing_out_everywhere_at_the_auth_server_ends_all_tokens,
    an_operator_ends_tokens,
    a_refresh_token_used_by_two_ends_the_token,
    a_bff_that_is_not_told_ends_the_session_with_its_next_call,
    requests_ask_nobody,
    an_auth_server_that_is_away_is_no_outage_of_the_api,
);
