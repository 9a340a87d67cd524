//! Which requests reach an upstream at all, and what comes of those that do not (34, 35, 45, 46).

use e2e::on_one_store;
use e2e::raw;
use e2e::stack::Deployment;

use crate::{call, cookie_line};

async fn c34_only_the_configured_upstream_is_ever_asked(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let own = browser.app().authority().to_owned();
    let cookie = cookie_line(&browser);
    for (target, host) in [
        ("http://evil.example/api/lab/x".to_owned(), own.as_str()),
        (format!("http://{own}@evil.example/api/lab/x"), own.as_str()),
        ("//evil.example/api/lab/x".to_owned(), own.as_str()),
        ("/api/lab/x".to_owned(), "evil.example"),
        ("/api/lab/x".to_owned(), "evil.example:80@localhost"),
        ("/api@evil.example/lab/x".to_owned(), own.as_str()),
        ("/api/@evil.example/lab/x".to_owned(), own.as_str()),
    ] {
        let before = stack.upstream().received().len();
        let bytes = raw::request("GET", &target, host, &[&cookie, "X-CSRF: 1"]);
        let answer = raw::send(stack.bff_address(), &bytes).await;

        assert!(
            answer.status.is_none_or(|status| status < 500),
            "{target}: {}",
            answer.text
        );
        for received in stack.upstream().received().split_off(before) {
            assert!(
                received.target.starts_with("/lab/x") || received.target.starts_with("/@evil"),
                "{received:?}"
            );
            assert!(
                !received.header("host")[0].contains("evil"),
                "{target}: {received:?}"
            );
            assert!(
                !received.header("x-forwarded-host")[0].contains("evil"),
                "{target}: {received:?}"
            );
        }
    }
}

async fn c35_no_path_leads_out_of_its_route(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    for target in [
        "/api/..%2fsecret",
        "/api/%2e%2e/secret",
        "/api/%252e%252e/secret",
        "/api/..;/secret",
        "/api/..%5csecret",
        "/api/x/..%2f..%2fsecret",
        "/open/..%2fapi/lab/secret",
        "/open/%2e%2e%2fapi%2flab%2fsecret",
    ] {
        let answer = call(&stack, &browser, target, &[]).await;
        assert!(
            matches!(answer.status, Some(200 | 400 | 404)),
            "{target}: {}",
            answer.text
        );
    }
    for received in stack.upstream().received() {
        assert!(
            !received.target.contains("secret") && !received.target.contains(".."),
            "{received:?}"
        );
    }
}

async fn c45_what_an_upstream_refuses_passes_through(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    stack.upstream().refuse_all();

    let answer = browser.fetch("/api/lab/x").await;

    answer.assert_status(401);
    assert!(answer.location().is_none(), "{}", answer.summary());
    assert!(
        answer
            .header("www-authenticate")
            .is_some_and(|challenge| challenge.contains("invalid_token"))
    );
    browser.fetch("/bff/user").await.assert_status(200);
}

async fn c46_a_stranger_is_told_to_sign_in_as_they_asked(deployment: Deployment) {
    let stack = deployment.start().await;
    let stranger = stack.browser();
    let called = stranger.fetch("/page/lab/x").await;
    called.assert_problem(401, "session-required");
    assert!(
        called.header("set-cookie").is_none() && called.location().is_none(),
        "{}",
        called.summary()
    );
    let page = stranger.visit("/page/lab/x").await;
    assert!(
        page.hops.iter().any(|hop| hop.path() == "/bff/login"),
        "{}",
        page.summary()
    );
    assert!(page.sign_in_form().is_some(), "{}", page.summary());
    assert!(
        stack.upstream().received().is_empty(),
        "{:?}",
        stack.upstream().received()
    );
}

on_one_store!(
    c34_only_the_configured_upstream_is_ever_asked,
    c35_no_path_leads_out_of_its_route,
    c45_what_an_upstream_refuses_passes_through,
    c46_a_stranger_is_told_to_sign_in_as_they_asked,
);
