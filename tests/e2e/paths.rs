//! Paths that mean one thing to the BFF and another to the upstream (34, 35, 42).

use e2e::browser::Browser;
use e2e::on_one_store;
use e2e::raw::{self, RawAnswer};
use e2e::stack::{Deployment, SESSION_COOKIE, Stack};

/// Asks for a target exactly as written, with a valid session.
async fn ask(stack: &Stack, browser: &Browser, target: &str, host: &str) -> RawAnswer {
    let cookie = format!(
        "Cookie: {SESSION_COOKIE}={}",
        browser.session_cookie().expect("signed in")
    );
    let bytes = raw::request("GET", target, host, &[&cookie, "X-CSRF: 1"]);
    raw::send(stack.bff_address(), &bytes).await
}

/// Ways to write a path that servers have read in more than one way.
const SPELLINGS: &[&str] = &[
    "/api/../bff/user",
    "/api/..",
    "/api/../../etc/passwd",
    "/api/./../secret",
    "/api/%2e%2e/secret",
    "/api/.%2e/secret",
    "/api/%2E%2E%2Fsecret",
    "/api/..%2fsecret",
    "/api/..%2f..%2fsecret",
    "/api/..%5csecret",
    "/api/..\\secret",
    "/api/%252e%252e/secret",
    "/api/%252e%252e%252fsecret",
    "/api/notes%2f..%2f..%2fsecret",
    "/api//evil.example/x",
    "//evil.example/api/notes",
    "/api/;/secret",
    "/api/..;/secret",
    "/api;x/notes",
    "/api/notes;jsessionid=1",
    "/api/%00/notes",
    "/api/notes%00.html",
    "/api/%0d%0aX-Injected:%201",
    "/api/@evil.example/",
    "/apix/notes",
    "/API/notes",
    "/ap%69/notes",
    "/%61pi/notes",
    "/api%2fnotes",
    "/api%5cnotes",
    "/api/no%74es",
    "/api/%C0%AE%C0%AE/x",
    "/api/%ff",
    "/api/%zz",
    "/api/%",
];

/// Whatever the spelling, the upstream sees a path of the route or nothing at all.
async fn no_spelling_leads_out_of_a_route(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let host = browser.app().authority().to_owned();
    for target in SPELLINGS {
        let before = stack.upstream().received().len();
        let answer = ask(&stack, &browser, target, &host).await;

        let status = answer.status.unwrap_or(400);
        assert!(status < 500, "{target}: {}", answer.text);
        let received = stack.upstream().received().split_off(before);
        received
            .iter()
            .for_each(|received| assert_stays_in_the_route(target, &received.target));
        // What left the route is no API call: refused, or the app's own page.
        if received.is_empty() && status < 400 {
            let own = answer.text.contains("The app") || target.contains("bff/user");
            assert!(own, "{target}: {}", answer.text);
        }
    }
}

fn assert_stays_in_the_route(target: &str, received: &str) {
    let path = received.split('?').next().unwrap_or_default();
    let decoded = path
        .to_ascii_lowercase()
        .replace("%2e", ".")
        .replace("%2f", "/")
        .replace("%5c", "/");
    let climbs = decoded
        .split(['/', '\\'])
        .any(|segment| segment.split(';').next() == Some(".."));
    assert!(!climbs, "{target} reached the upstream as {received}");
    assert!(
        path.starts_with('/') && !path.starts_with("//"),
        "{target} → {received}"
    );
    assert!(
        !path.contains('\\') && !decoded.contains("%00"),
        "{target} → {received}"
    );
    assert!(!decoded.contains("%25"), "{target} was encoded twice: {received}");
    assert!(
        !decoded.contains("secret"),
        "{target} reached the upstream as {received}"
    );
}

async fn only_the_configured_upstream_is_asked(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let own = browser.app().authority().to_owned();
    for (target, host) in [
        // The absolute form names another host than `Host`, or the other way round.
        ("http://evil.example/api/lab/x".to_owned(), own.clone()),
        (format!("http://{own}/api/lab/x"), "evil.example".to_owned()),
        ("/api/lab/x".to_owned(), "evil.example".to_owned()),
        (format!("http://{own}@evil.example/api/lab/x"), own.clone()),
        ("https://evil.example:443/api/lab/x".to_owned(), own.clone()),
    ] {
        let before = stack.upstream().received().len();
        let answer = ask(&stack, &browser, &target, &host).await;

        assert!(answer.status.unwrap_or(400) < 500, "{target}: {}", answer.text);
        for received in stack.upstream().received().split_off(before) {
            assert_eq!(received.target, "/lab/x");
            for (name, value) in &received.headers {
                let value = String::from_utf8_lossy(value.as_bytes());
                assert!(
                    !value.contains("evil.example"),
                    "the upstream was told {name}: {value}"
                );
            }
        }
        assert!(!answer.text.contains("evil.example"), "{target}: {}", answer.text);
    }
}

/// GHSA-7x63 and its kin: a header or a fragment does not choose the route.
async fn a_protected_path_stays_protected(deployment: Deployment) {
    let stack = deployment.start().await;
    let stranger = stack.browser();
    let host = stranger.app().authority().to_owned();
    for header in [
        "X-Forwarded-Uri: /open/lab/x",
        "X-Original-URL: /open/lab/x",
        "X-Rewrite-URL: /open/lab/x",
        "User-Agent: kube-probe/1.0",
        "X-HTTP-Method-Override: GET",
    ] {
        let bytes = raw::request("GET", "/api/lab/x", &host, &[header, "X-CSRF: 1"]);
        let answer = raw::send(stack.bff_address(), &bytes).await;
        assert_eq!(answer.status, Some(401), "{header}: {}", answer.text);
    }
    for target in [
        "/api/lab/x#/open/lab/x",
        "/api/lab/x%23/open/lab/x",
        "/api/lab/x?/open/lab/x",
        "/open/../api/lab/x",
    ] {
        let answer = raw::send(
            stack.bff_address(),
            &raw::request("GET", target, &host, &["X-CSRF: 1"]),
        )
        .await;
        assert!(
            (400..500).contains(&answer.status.unwrap_or(400)),
            "{target}: {}",
            answer.text
        );
    }

    assert!(
        stack.upstream().received().is_empty(),
        "{:?}",
        stack.upstream().received()
    );
}

/// (40)
async fn requests_with_two_ends_are_refused(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let cookie = format!(
        "{SESSION_COOKIE}={}",
        browser.session_cookie().expect("signed in")
    );
    let head = format!(
        "POST /api/lab/sink HTTP/1.1\r\nHost: {}\r\nCookie: {cookie}\r\nX-CSRF: 1\r\nConnection: close\r\n",
        browser.app().authority()
    );
    for (what, rest) in [
        (
            "two lengths",
            "Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
        ),
        (
            "a length and chunks",
            "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /api/lab/smuggled HTTP/1.1\r\n\r\n",
        ),
        (
            "an unknown coding",
            "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        ),
        ("a length that is none", "Content-Length: +4\r\n\r\nabcd"),
        (
            "a folded header",
            "X-Folded: a\r\n b\r\nContent-Length: 0\r\n\r\n",
        ),
        ("space before the colon", "Content-Length : 4\r\n\r\nabcd"),
        (
            "a chunk size that is none",
            "Transfer-Encoding: chunked\r\n\r\n-1\r\nabcd\r\n0\r\n\r\n",
        ),
    ] {
        let answer = raw::send(stack.bff_address(), format!("{head}{rest}").as_bytes()).await;

        assert_ne!(answer.status, Some(200), "{what}: {}", answer.text);
        assert!(
            answer.status.is_none_or(|status| status < 500 || status == 502),
            "{what}: {}",
            answer.text
        );
        let targets: Vec<_> = stack
            .upstream()
            .received()
            .into_iter()
            .map(|received| received.target)
            .collect();
        assert!(
            !targets.iter().any(|target| target.contains("smuggled")),
            "{what}: {targets:?}"
        );
    }
}

on_one_store!(
    no_spelling_leads_out_of_a_route,
    only_the_configured_upstream_is_asked,
    a_protected_path_stays_protected,
    requests_with_two_ends_are_refused,
);
