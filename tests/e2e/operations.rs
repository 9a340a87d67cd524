//! What operators see: health that says what is wrong, and a BFF that does not trust a provider who is somebody else.

use e2e::on_every_store;
use e2e::on_one_store;
use e2e::raw;
use e2e::relay::Instead;
use e2e::stack::Deployment;

const DISCOVERY: &str = "/.well-known/openid-configuration";

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
    assert!(browser.cookies().is_empty());
    // Who asks why the node is not ready finds it in the log, however often was asked.
    for _ in 0..3 {
        assert_eq!(stack.readiness().await, 503);
    }
    let log = stack.log();
    let told = |words: &str| {
        let lines = log.lines();
        let lines = lines.filter(|line| line.contains(" WARN ") && line.contains(stack.provider().url()));
        lines.filter(|line| line.contains(words)).count()
    };
    assert_eq!(told("this node is not ready"), 1);
    assert_eq!(told("the provider's metadata cannot be had"), 1);
    stack.provider().heal();
    assert_eq!(stack.readiness().await, 200);
    assert!(stack.log().contains("this node is ready again"));
}

/// A line says what failed, where, and for whom; and counts can be looked up.
async fn what_fails_and_what_is_served_can_be_found(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let handle = crate::handle_of(&browser).await;
    browser.fetch("/api/notes").await.assert_status(200);
    browser.fetch("/bff/logout?sid=wrong").await;
    browser.fetch("/bff/login?returnUrl=//x").await;
    assert_eq!(stack.bff_tells_operators("/health/ready").await.0, 200);

    let log = stack.log();
    let line = |words: &[&str]| {
        let mut lines = log.lines();
        let found = lines.any(|line| line.contains(&handle) && words.iter().all(|word| line.contains(word)));
        assert!(found, "{words:?}");
    };
    line(&[
        "bff::access",
        "INFO",
        "method=\"GET\"",
        "route=\"/api\"",
        "status=200",
        "duration_ms=",
    ]);
    line(&["method=\"GET\"", "route=\"/bff/logout\"", "code=\"wrong-sid\""]);
    assert!(!log.contains("returnUrl=//x") && !log.contains("sid=wrong"));
    let metrics = stack.metrics().await;
    for name in [
        "bff_problems_total{code=\"wrong-sid\"} ",
        "bff_upstream_duration_seconds_count{route=\"/api\",status_class=\"2xx\"} ",
    ] {
        assert!(metrics.contains(name), "{name} is missing in\n{metrics}");
    }
}

/// An app that asks quietly whether somebody is signed in gets an answer, and nothing has failed.
async fn nobody_signed_in_is_no_login_that_failed(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser();

    browser.visit("/bff/login?prompt=none").await;

    let metrics = stack.metrics().await;
    let name = "bff_logins_total{outcome=\"nobody_signed_in\"} ";
    assert!(metrics.contains(name), "{metrics}");
    let log = stack.log();
    let mut audited = log.lines().filter(|line| line.contains("login failed"));
    assert!(!audited.any(|line| line.contains("nobody_signed_in")));
}

/// Whoever likes may send these; they are counted, and the log at its default level keeps still.
async fn anonymous_noise_is_counted_and_not_told(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser();
    let garbage = raw::request("POST", "/bff/backchannel", "localhost", &["Content-Length: 0"]);
    assert_eq!(raw::send(stack.bff_address(), &garbage).await.status, Some(400));
    browser
        .fetch("/bff/frontchannel?iss=https://evil.example&sid=x")
        .header("sec-fetch-dest", "iframe")
        .await;
    browser.visit("/bff/logout/callback?state=made-up").await;

    let log = stack.log();
    for words in [
        "a back-channel logout was refused",
        "a front-channel logout named another issuer",
        "came back from a logout that their browser did not begin",
    ] {
        let lines: Vec<_> = log.lines().filter(|line| line.contains(words)).collect();
        assert!(!lines.is_empty(), "{words}");
        assert!(lines.iter().all(|line| line.contains("DEBUG")), "{lines:#?}");
    }
    let metrics = stack.metrics().await;
    for channel in ["back", "front", "return"] {
        let name = format!("bff_logout_calls_total{{channel=\"{channel}\",outcome=\"refused\"}} ");
        assert!(metrics.contains(&name), "{name} is missing in\n{metrics}");
    }
}

/// What became of a session can be looked up by its key, and is counted.
async fn a_session_leaves_a_trail_that_names_nobody(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    stack.let_access_tokens_expire().await;
    browser.fetch("/api/notes").await.assert_status(200);
    let user = crate::claims(&browser.fetch("/bff/user").await);
    let logout = user["bff:logout_url"].as_str().unwrap().to_owned();
    let (_, key) = logout.split_once("sid=").unwrap();
    browser.visit(&logout).await;

    let log = stack.log();
    let audited: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("bff::audit") && line.contains(key))
        .collect();
    for (line, words) in audited.iter().zip([
        &["session started", "user="][..],
        &["tokens refreshed", "expires_in="],
        &["session ended", "reason=\"logout\""],
    ]) {
        assert!(words.iter().all(|words| line.contains(words)), "{line}");
    }
    assert_eq!(audited.len(), 3, "{audited:#?}");
    let metrics = stack.metrics().await;
    for name in [
        "bff_sessions_started_total ",
        "bff_sessions_ended_total{reason=\"logout\"} ",
        "bff_store_duration_seconds_count{operation=\"create\",outcome=\"ok\"} ",
    ] {
        assert!(metrics.contains(name), "{name} is missing in\n{metrics}");
    }
    // Users are not named and what is secret is not shown, not even as a label.
    let alice = stack.user("alice");
    for person in [&alice.name, &alice.email] {
        assert!(!metrics.contains(person.as_str()), "{metrics}");
    }
    assert!(stack.secrets().seen_in_log(&metrics).is_none(), "{metrics}");
}

on_every_store!(a_session_leaves_a_trail_that_names_nobody);
on_one_store!(
    what_fails_and_what_is_served_can_be_found,
    anonymous_noise_is_counted_and_not_told,
    nobody_signed_in_is_no_login_that_failed,
    health_is_not_shown_at_the_public_address,
    a_provider_that_says_it_is_somebody_else_is_refused,
);
