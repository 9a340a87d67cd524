//! Our auth server says that somebody has signed out, and our BFF ends the session.

use auth_server::operator::{WhichSessions, WhichUser};
use e2e::browser::Browser;
use e2e::on_every_store;
use e2e::stack::{Deployment, Stack};
use e2e::wait::eventually;

use crate::backchannel::newest_identity;

async fn assert_lives(browser: &Browser) {
    browser.fetch("/bff/user").await.assert_status(200);
}

/// The browser that signed out does not wait for the BFF to hear of it.
async fn until_over(browser: &Browser) {
    eventually("the BFF has heard of it", async || {
        (browser.fetch("/bff/user").await.status == 401).then_some(())
    })
    .await;
}

/// Signs out at the auth server, which the BFF has no part in.
async fn sign_out(stack: &Stack, browser: &Browser) {
    let end_session = format!("{}{}", stack.provider().url(), stack.endpoints().end_session);
    let question = browser.visit(&end_session).await;
    let form = question.forms().into_iter().next().expect("it asks first");
    browser.submit(&question, &form, &["sign out"]).await;
}

async fn signing_out_at_the_auth_server_ends_the_session_here(deployment: Deployment) {
    let stack = deployment.and_back_channel().start().await;
    let (laptop, phone) = (
        stack.browser_logged_in_as("alice").await,
        stack.browser_logged_in_as("alice").await,
    );
    sign_out(&stack, &laptop).await;
    until_over(&laptop).await;
    assert_lives(&phone).await;

    // Within the second of a logout nobody can tell a new login from one that was on its way.
    stack.advance(std::time::Duration::from_secs(1)).await;
    let user = stack.user("alice");
    laptop.log_in(&user.name, &user.password).await;
    assert_lives(&laptop).await;
}

async fn an_operator_of_the_auth_server_ends_the_session_here(deployment: Deployment) {
    let stack = deployment.and_back_channel().start().await;
    let laptop = stack.browser_logged_in_as("alice").await;
    let (_, sid) = newest_identity(&stack);
    let phone = stack.browser_logged_in_as("alice").await;
    let bobs = stack.browser_logged_in_as("bob").await;
    let administration = stack.administration().await;

    let ended = administration.end_sessions(WhichSessions::Sid(&sid)).await;
    assert_eq!(ended.unwrap(), 1);
    until_over(&laptop).await;
    assert_lives(&phone).await;

    let alice = administration.user(WhichUser::Name("alice")).await.unwrap();
    administration.disable_user(&alice.user.id).await.unwrap();
    until_over(&phone).await;
    assert_lives(&bobs).await;
    administration.close().await;
}

async fn a_bff_that_was_down_hears_of_the_logout_when_it_is_back(deployment: Deployment) {
    let stack = deployment.and_back_channel().start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    stack.stop_bff().await;
    sign_out(&stack, &browser).await;
    stack.stop_provider().await;

    stack.start_provider().await;
    stack.start_bff().await;
    // Longer than an attempt is waited for that ended with the provider.
    stack.advance(std::time::Duration::from_secs(60)).await;
    until_over(&browser).await;
}

on_every_store!(
    signing_out_at_the_auth_server_ends_the_session_here,
    an_operator_of_the_auth_server_ends_the_session_here,
    a_bff_that_was_down_hears_of_the_logout_when_it_is_back,
);
