//! What crosses between browser and upstream, and what does not (37 to 39, 41 to 43).

use e2e::on_one_store;
use e2e::raw::RawUpstream;
use e2e::secrets::Kind;
use e2e::stack::{Deployment, SESSION_COOKIE};
use http::Method;

use crate::call;

async fn c37_the_upstream_gets_our_token_and_no_cookie_of_ours(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let forged = [
        "Authorization: Bearer forged",
        "authorization: Basic eDp5",
        "AUTHORIZATION_: x",
        "Cookie: theme=dark",
    ];

    let answer = call(&stack, &browser, "/api/lab/x", &forged).await;

    assert_eq!(answer.status, Some(200), "{}", answer.text);
    let received = stack.upstream().last();
    let authorization = received.header("authorization");
    let tokens = stack.secrets().of_kind(Kind::AccessToken);
    assert_eq!(authorization.len(), 1);
    assert!(
        tokens
            .iter()
            .any(|token| authorization[0] == format!("Bearer {token}"))
    );
    assert_eq!(received.header("cookie"), ["theme=dark"]);
}

/// What `Connection` names belongs to the connection; it cannot take away what we say.
async fn c39_hop_by_hop_headers_never_cross(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let lines = [
        "Connection: close, Authorization, X-Forwarded-For, Via, Host, X-Private",
        "Keep-Alive: timeout=9",
        "Proxy-Authorization: Basic eDp5",
        "Proxy-Authenticate: Basic",
        "Proxy-Connection: keep-alive",
        "TE: gzip",
        "Trailer: X-Late",
        "X-Private: 1",
        "Transfer_Encoding: chunked",
        "Content_Length: 5",
        "X-Kept: 1",
    ];

    let answer = call(&stack, &browser, "/api/lab/hostile-headers", &lines).await;

    assert_eq!(answer.status, Some(200), "{}", answer.text);
    let received = stack.upstream().last();
    for name in [
        "connection",
        "keep-alive",
        "proxy-authorization",
        "proxy-authenticate",
        "proxy-connection",
        "te",
        "trailer",
        "x-private",
        "transfer_encoding",
        "content_length",
    ] {
        assert!(
            received.header(name).is_empty(),
            "{name} crossed: {:?}",
            received.headers
        );
    }
    for name in ["authorization", "x-forwarded-for", "via", "host", "x-kept"] {
        assert_eq!(received.header(name).len(), 1, "{name}: {:?}", received.headers);
    }
    let head = answer.text.to_ascii_lowercase();
    assert!(
        !head.contains("x-hop") && !head.contains("keep-alive: timeout=99"),
        "{head}"
    );
}

const SPOOFED: [&str; 42] = [
    "X-Forwarded",
    "X-Original-Host",
    "X-Original-Forwarded-For",
    "X-Host",
    "X-Scheme",
    "Proxy",
    "Proxy-Client-IP",
    "Front-End-Https",
    "X-Goog-Authenticated-User-Email",
    "X-MS-Client-Principal",
    "X-WebAuth-User",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Forwarded-Port",
    "X-Forwarded-Prefix",
    "X-Forwarded-Server",
    "X-Forwarded-Method",
    "X-Forwarded-Uri",
    "X-Forwarded-User",
    "X-Forwarded-Email",
    "X-Forwarded-Groups",
    "X-Forwarded-Access-Token",
    "X-Forwarded-Client-Cert",
    "Forwarded",
    "X-Real-IP",
    "True-Client-IP",
    "X-Client-IP",
    "X-Cluster-Client-IP",
    "CF-Connecting-IP",
    "X-Original-URL",
    "X-Original-URI",
    "X-Original-Method",
    "X-Rewrite-URL",
    "X-HTTP-Method-Override",
    "X-Auth-Request-User",
    "X-Auth-Request-Email",
    "X-Auth-Request-Access-Token",
    "X-Remote-User",
    "Remote-User",
    "SSL-Client-Verify",
    "Client-Cert",
];

async fn c41_what_only_we_may_say_is_replaced_in_every_spelling(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let spellings: [fn(&str) -> String; 3] = [
        str::to_owned,
        |name| name.replace('-', "_"),
        |name| name.replacen('-', "_", 1).to_uppercase(),
    ];
    for spelling in spellings {
        let lines: Vec<_> = SPOOFED
            .iter()
            .map(|name| format!("{}: spoofed", spelling(name)))
            .collect();
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();

        let answer = call(&stack, &browser, "/api/lab/x", &lines).await;

        assert_eq!(answer.status, Some(200), "{}", answer.text);
        for (name, value) in &stack.upstream().last().headers {
            assert!(!value.as_bytes().starts_with(b"spoofed"), "{name} crossed");
        }
    }
}

/// GHSA-7x63, GHSA-5hvv, GHSA-pxq7.
async fn c42_no_header_and_no_fragment_opens_a_protected_path(deployment: Deployment) {
    let stack = deployment.start().await;
    let stranger = stack.browser();
    for (name, value) in [
        ("x-forwarded-uri", "/open/lab/x"),
        ("x_forwarded_uri", "/open/lab/x"),
        ("x-original-uri", "/open/lab/x"),
        ("x-original-url", "/open/lab/x"),
        ("x-rewrite-url", "/open/lab/x"),
        ("x-forwarded-method", "OPTIONS"),
        ("x-http-method-override", "OPTIONS"),
        ("x-forwarded-prefix", "/open"),
        ("user-agent", "kube-probe/1.31"),
        ("user-agent", "GoogleHC/1.0"),
    ] {
        let call = stranger.fetch("/api/lab/x").header(name, value);
        call.await.assert_problem(401, "session-required");
    }
    for target in [
        "/api/lab/x#/open",
        "/api/lab/x%23/open/lab/x",
        "/open/..%2fapi/lab/x",
        "/open%2f../api/lab/x",
    ] {
        let bytes = e2e::raw::request("GET", target, stranger.app().authority(), &["X-CSRF: 1"]);
        let answer = e2e::raw::send(stack.bff_address(), &bytes).await;
        assert!(
            matches!(answer.status, Some(400 | 401 | 404)),
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

async fn c43_an_upstream_speaks_for_itself_only(deployment: Deployment) {
    let hostile = RawUpstream::that_says(
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\
          Set-Cookie: __Host-Http-session=planted; Secure; HttpOnly; Path=/\r\n\
          Set-Cookie: =__Host-Http-session=planted; Path=/\r\n\
          Set-Cookie:  __HOST-HTTP-SESSION =planted; Path=/api\r\n\
          Set-Cookie: __Host-Http-login-x=planted; Path=/\r\n\
          Set-Cookie: __Host-Http-logout=planted\r\n\
          Alt-Svc: h3=\"evil.example:443\"\r\nClear-Site-Data: \"cookies\"\r\n\
          Strict-Transport-Security: max-age=0\r\nProxy-Authenticate: Basic\r\nTrailer: X-Late\r\n\r\nok",
    )
    .await;
    let stack = deployment.with_sections(&hostile.route("/hostile")).start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let ticket = browser.session_cookie();

    let answer = browser.fetch("/hostile").await;

    answer.assert_status(200);
    for name in [
        "set-cookie",
        "alt-svc",
        "clear-site-data",
        "strict-transport-security",
        "proxy-authenticate",
    ] {
        assert!(answer.header(name).is_none(), "{name}: {}", answer.summary());
    }
    assert_eq!(browser.session_cookie(), ticket);
    browser.fetch("/bff/user").await.assert_status(200);
}

/// An upstream's answer that means two things is nobody's answer.
async fn c39_an_answer_that_could_be_split_is_refused(deployment: Deployment) {
    const ANSWERS: [(&str, &[u8]); 5] = [
        (
            "/folded",
            b"HTTP/1.1 200 OK\r\nX-A: 1\r\n Set-Cookie: x=y\r\nContent-Length: 0\r\n\r\n",
        ),
        (
            "/lengths",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 50\r\n\r\nok",
        ),
        (
            "/null",
            b"HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 0\r\n\r\n",
        ),
        (
            "/return",
            b"HTTP/1.1 200 OK\r\nX-A: a\rSet-Cookie: x=y\r\nContent-Length: 0\r\n\r\n",
        ),
        ("/space", b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok"),
    ];
    let mut upstreams = Vec::new();
    let mut sections = String::new();
    for (prefix, answer) in ANSWERS {
        let upstream = RawUpstream::that_says(answer).await;
        sections.push_str(&upstream.route(prefix));
        upstreams.push(upstream);
    }
    let stack = deployment.with_sections(&sections).start().await;
    let browser = stack.browser();
    for (prefix, _) in ANSWERS {
        browser
            .fetch(prefix)
            .await
            .assert_problem(502, "upstream-unavailable");
    }
}

async fn c39_a_request_cannot_be_split_by_what_it_says(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    for target in [
        "/api/lab/x%0d%0aX-Injected:%201",
        "/api/lab/x?a=%0d%0aX-Injected:%201",
        "/api/lab/x%0aX-Injected:1",
    ] {
        let answer = call(&stack, &browser, target, &[]).await;
        assert!(
            matches!(answer.status, Some(200 | 400)),
            "{target}: {}",
            answer.text
        );
        assert!(
            !answer.text.to_ascii_lowercase().contains("\nx-injected"),
            "{}",
            answer.text
        );
    }
    let login = "/bff/login?returnUrl=/x%0d%0aSet-Cookie:%20a=b";
    let answer = call(&stack, &browser, login, &["Sec-Fetch-Mode: navigate"]).await;
    assert_eq!(answer.status, Some(400), "{}", answer.text);
    for received in stack.upstream().received() {
        assert!(received.header("x-injected").is_empty(), "{:?}", received.headers);
    }
}

async fn c34_a_request_that_comes_back_is_not_sent_on_again(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    call(&stack, &browser, "/api/lab/x", &["Via: 1.0 cdn.example"]).await;
    let received = stack.upstream().last();
    let via = received.header("via").join(", ");
    assert_eq!(
        via,
        format!("1.0 cdn.example, 1.1 cloakroom-{}", browser.app().authority())
    );

    // The upstream's address was our own: the request arrives again as it was sent.
    let before = stack.upstream().received().len();
    for target in ["/api/lab/x", "/open/lab/x"] {
        let answer = call(&stack, &browser, target, &[&format!("Via: {via}, 1.1 balancer")]).await;
        assert_eq!(answer.status, Some(508), "{}", answer.text);
        assert!(answer.text.contains("loop-detected"), "{}", answer.text);
    }
    assert_eq!(stack.upstream().received().len(), before);
}

async fn c36_a_method_that_a_route_does_not_take_goes_no_further(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    for method in [Method::POST, Method::DELETE, Method::OPTIONS] {
        let answer = browser.fetch("/read/lab/x").method(method).await;
        answer.assert_problem(405, "method-not-allowed");
        assert_eq!(answer.header("allow"), Some("GET, HEAD"));
    }
    for method in [Method::TRACE, Method::CONNECT] {
        let bytes = e2e::raw::request(
            method.as_str(),
            "/open/lab/x",
            browser.app().authority(),
            &[&format!("X-Cookie: {SESSION_COOKIE}")],
        );
        let answer = e2e::raw::send(stack.bff_address(), &bytes).await;
        assert!(
            matches!(answer.status, Some(400 | 404 | 405)),
            "{method}: {}",
            answer.text
        );
    }
    assert!(
        stack.upstream().received().is_empty(),
        "{:?}",
        stack.upstream().received()
    );
}

/// A route whose upstream is the BFF itself: the second time is the last.
async fn c34_a_route_that_leads_back_ends_at_once(deployment: Deployment) {
    let route = "[[route]]\nprefix = \"/loop\"\nupstream = \"{app}\"\naccess = \"anonymous\"\n";
    let stack = deployment.with_sections(route).start().await;

    let answer = stack.browser().fetch("/loop/x").await;

    answer.assert_problem(508, "loop-detected");
    let metrics = stack.metrics().await;
    assert!(
        metrics.contains("bff_problems_total{code=\"loop-detected\"} "),
        "{metrics}"
    );
}

on_one_store!(
    c34_a_route_that_leads_back_ends_at_once,
    c34_a_request_that_comes_back_is_not_sent_on_again,
    c36_a_method_that_a_route_does_not_take_goes_no_further,
    c37_the_upstream_gets_our_token_and_no_cookie_of_ours,
    c39_hop_by_hop_headers_never_cross,
    c39_an_answer_that_could_be_split_is_refused,
    c39_a_request_cannot_be_split_by_what_it_says,
    c41_what_only_we_may_say_is_replaced_in_every_spelling,
    c42_no_header_and_no_fragment_opens_a_protected_path,
    c43_an_upstream_speaks_for_itself_only,
);
