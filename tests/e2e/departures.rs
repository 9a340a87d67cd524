//! Browsers that go away at the worst moment, and browsers with several tabs: nothing that was begun is left alive.

use e2e::on_every_store;
use e2e::stack::{Deployment, SESSION_COOKIE, Stack};
use e2e::wait::eventually;
use http::Method;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// Sends a request and hangs up without reading a byte of the answer.
async fn hang_up_after(stack: &Stack, request: &str) {
    let mut connection = TcpStream::connect(stack.bff_address()).await.unwrap();
    connection.write_all(request.as_bytes()).await.unwrap();
    drop(connection);
}

async fn assert_in_the_end_refused(stack: &Stack, refresh_token: &str) {
    eventually("the refresh token is refused", || async {
        let (status, answer) = stack.present_refresh_token(refresh_token).await;
        (status == 400 && answer["error"] == "invalid_grant").then_some(())
    })
    .await;
}

/// A tab that closes while it signs out: the session ends and its refresh token is revoked all the same.
async fn a_tab_that_closes_while_signing_out_leaves_nothing_alive(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let ticket = browser.session_cookie().unwrap();
    let refresh_token = stack.newest_refresh_token();

    hang_up_after(
        &stack,
        &format!(
            "POST /bff/logout HTTP/1.1\r\nHost: localhost\r\nX-CSRF: 1\r\nContent-Length: 0\r\n\
             Cookie: {SESSION_COOKIE}={ticket}\r\n\r\n"
        ),
    )
    .await;

    // Either nothing has happened, and this ends the session; or it has ended, and then its refresh token with it.
    browser
        .fetch("/bff/logout")
        .method(Method::POST)
        .await
        .assert_status(200);
    browser
        .fetch("/bff/user")
        .await
        .assert_problem(401, "session-required");
    assert_in_the_end_refused(&stack, &refresh_token).await;
}

/// A browser that leaves during its callback: the code is spent, so the session that nobody took is ended and revoked.
async fn a_browser_that_leaves_during_its_callback_leaves_no_session(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser();
    let user = stack.user("alice");
    let page = browser.visit("/bff/login").await;
    let form = page.sign_in_form().unwrap().fill_in(&user.name, &user.password);
    let callback = browser.submit_until_callback(&page, &form, &[]).await;
    let cookies: Vec<_> = browser
        .cookies()
        .iter()
        .map(|cookie| format!("{}={}", cookie.name, cookie.value))
        .collect();
    let exchange = stack.provider().hold_answer(stack.endpoints().token);

    let mut connection = TcpStream::connect(stack.bff_address()).await.unwrap();
    let request = format!(
        "GET {}?{} HTTP/1.1\r\nHost: localhost\r\nCookie: {}\r\n\r\n",
        callback.path(),
        callback.query().unwrap(),
        cookies.join("; ")
    );
    connection.write_all(request.as_bytes()).await.unwrap();
    exchange.reached().await;
    drop(connection);
    exchange.open();

    // What the provider had granted by then is taken back.
    let revoked = eventually("the granted refresh token is revoked", || async {
        let revocations = stack.provider().exchanges_at(stack.endpoints().revoke);
        revocations.iter().find_map(|exchange| {
            (exchange.status == Some(200)).then(|| exchange.form("token").map(str::to_owned))?
        })
    })
    .await;
    assert_in_the_end_refused(&stack, &revoked).await;
}

/// Two tabs begun signed out and both finished: the second login ends the session of the first, which this browser
/// could not reach any more.
async fn the_last_of_two_tabs_ends_the_session_of_the_first(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser();
    let user = stack.user("alice");
    let first = browser.visit("/bff/login").await;
    let second = browser.visit("/bff/login").await;
    let form = |page: &e2e::browser::Answer| page.sign_in_form().unwrap().fill_in(&user.name, &user.password);
    browser.submit(&first, &form(&first), &[]).await;
    let ticket = browser.session_cookie().unwrap();
    let refresh_token = stack.newest_refresh_token();

    browser.submit(&second, &form(&second), &[]).await;

    assert_ne!(browser.session_cookie().unwrap(), ticket);
    let thief = stack.browser();
    thief.plant(SESSION_COOKIE, &ticket);
    thief
        .fetch("/bff/user")
        .await
        .assert_problem(401, "session-required");
    assert_in_the_end_refused(&stack, &refresh_token).await;
    browser.fetch("/bff/user").await.assert_status(200);
}

/// A cookie of somebody else that is not text must not hide ours.
async fn a_strange_cookie_of_somebody_else_hides_nothing(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let ticket = browser.session_cookie().unwrap();
    let mut request =
        "GET /bff/user HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-CSRF: 1\r\nCookie: n="
            .as_bytes()
            .to_vec();
    request.extend_from_slice(b"\xff\xfe\xe4; ");
    request.extend_from_slice(format!("{SESSION_COOKIE}={ticket}\r\n\r\n").as_bytes());

    let answer = e2e::raw::send(stack.bff_address(), &request).await;

    assert_eq!(answer.status, Some(200), "{}", answer.text);
    let gone = browser.fetch("/bff/logout").method(Method::POST).await;
    gone.assert_status(200);
}

on_every_store!(
    a_tab_that_closes_while_signing_out_leaves_nothing_alive,
    a_browser_that_leaves_during_its_callback_leaves_no_session,
    the_last_of_two_tabs_ends_the_session_of_the_first,
    a_strange_cookie_of_somebody_else_hides_nothing,
);
