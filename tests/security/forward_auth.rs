//! What gateways are told: a real nginx as documented, with an application behind it that knows nothing of sessions.

use std::time::Duration;

use e2e::browser::Browser;
use e2e::gateway::Gateway;
use e2e::raw::{self, RawAnswer};
use e2e::stack::{Deployment, GATEWAY_SECRET, SESSION_COOKIE, Stack};
use e2e::{on_every_store, on_one_store};

const WITH_SECRET: &str = "gateway_secret_env = \"GATEWAY_SECRET\"";
const WITH_TOKEN: &str = "gateway_secret_env = \"GATEWAY_SECRET\"\naccess_token = true";

/// A BFF and an application behind nginx.
struct Scene {
    stack: Stack,
    gateway: Gateway,
}

impl Scene {
    async fn of(deployment: Deployment) -> Self {
        let stack = deployment.start().await;
        let gateway = Gateway::start(&stack).await;
        Self { stack, gateway }
    }

    async fn ask(&self, method: &str, target: &str, headers: &[&str]) -> RawAnswer {
        let host = format!("localhost:{}", self.stack.bff_address().port());
        let request = raw::request(method, target, &host, headers);
        raw::send(self.gateway.address(), &request).await
    }

    /// Asks for what must not reach the application.
    async fn refused(&self, status: u16, method: &str, target: &str, headers: &[&str]) {
        let before = self.stack.upstream().received().len();
        let answer = self.ask(method, target, headers).await;
        let what = format!("{method} {target} {headers:?}: {}", answer.text);
        assert_eq!(answer.status, Some(status), "{what}");
        assert_eq!(self.stack.upstream().received().len(), before, "{what}");
    }
}

fn cookie_of(browser: &Browser) -> String {
    let value = browser.session_cookie().expect("a session");
    format!("Cookie: {SESSION_COOKIE}={value}")
}

async fn subject_of(browser: &Browser) -> String {
    let user = browser.fetch("/bff/user?slide=false").await.json();
    let claims = user.as_array().unwrap();
    let sub = claims.iter().find(|claim| claim["type"] == "sub").unwrap();
    sub["value"].as_str().unwrap().to_owned()
}

async fn an_application_learns_who_it_is_and_nothing_else(deployment: Deployment) {
    let scene = Scene::of(deployment.with_forward_auth(WITH_TOKEN)).await;
    let browser = scene.stack.browser_logged_in_as("alice").await;
    let cookie = format!("{}; theme=dark", cookie_of(&browser));
    let answer = scene
        .ask(
            "GET",
            "/reports/lab/echo?x=1",
            &[
                &cookie,
                "X-CSRF: 1",
                "X-Auth-Request-User: admin",
                "X-Auth-Request-Email: admin@example.com",
                "X_Auth_Request_User: admin",
                "Authorization: Bearer mine",
            ],
        )
        .await;
    // The application behind it answers what it likes; that it was asked counts.
    assert!(answer.status.is_some(), "{}", answer.text);
    let received = scene.stack.upstream().last();
    assert_eq!(received.target, "/reports/lab/echo?x=1");
    assert_eq!(
        received.header("x-auth-request-user"),
        [subject_of(&browser).await]
    );
    assert_eq!(received.header("x-auth-request-preferred-username"), ["alice"]);
    // The provider has not verified it, and what the client says of it is not believed.
    assert!(received.header("x-auth-request-email").is_empty());
    assert!(received.header("x_auth_request_user").is_empty());
    assert!(received.header("x-gateway-secret").is_empty());
    let authorization = received.header("authorization");
    assert!(
        matches!(&authorization[..], [one] if one.starts_with("Bearer ey")),
        "one access token, and not the client's"
    );
    let cookies = received.header("cookie").join("; ");
    assert!(
        cookies.contains("theme=dark"),
        "the application's own cookies pass"
    );
    assert!(
        !cookies.contains(SESSION_COOKIE),
        "the session cookie is the BFF's alone"
    );
}

/// GHSA-7x63, GHSA-5hvv and GHSA-pxq7 of another project: headers, user agents and fragments that opened what is closed.
async fn c42_nothing_that_a_client_writes_makes_a_path_public(deployment: Deployment) {
    let scene = Scene::of(deployment.with_forward_auth(WITH_SECRET)).await;
    for header in [
        "X-Forwarded-Uri: /reports/health",
        "X-Original-URI: /reports/health",
        "X-Original-URL: /reports/health",
        "X-Rewrite-URL: /reports/health",
        "X-Forwarded-Method: OPTIONS",
        "X-Forwarded-Host: public.example",
        "Forwarded: for=127.0.0.1;host=public.example",
        "X-Auth-Request-User: admin",
        "X-Auth-Request-Redirect: /reports/health",
        "User-Agent: GoogleHC/1.0",
        "User-Agent: kube-probe/1.30",
        "User-Agent:",
        "Authorization: Bearer x",
        "Cookie: __Host-Http-session=x",
    ] {
        scene.refused(401, "GET", "/reports/secret", &[header]).await;
    }
    for target in [
        "/reports/secret#/../health",
        "/reports/secret%23/reports/health",
        "/reports/secret?/reports/health",
        "/reports/health/../secret",
        "/reports/health/%2e%2e/secret",
        "//reports/secret",
        "/reports//secret",
        "/REPORTS/../reports/secret",
    ] {
        scene.refused(401, "GET", target, &[]).await;
    }
    for target in [
        "/reports/health",
        "/reports/health#/../secret",
        "/x/../reports/health",
    ] {
        scene.ask("GET", target, &[]).await;
        assert_eq!(
            scene.stack.upstream().last().target,
            "/reports/health",
            "{target}"
        );
    }
    // The question itself is not for browsers.
    scene.refused(404, "GET", "/oauth2/auth", &[]).await;
    let direct = scene.stack.browser_logged_in_as("alice").await;
    direct
        .fetch("/oauth2/auth")
        .await
        .assert_problem(404, "route-not-found");
    let guessed = direct.fetch("/oauth2/auth").header("x-gateway-secret", "guessed");
    guessed.await.assert_problem(404, "route-not-found");
}

async fn another_site_s_page_gets_nothing_through_a_gateway(deployment: Deployment) {
    let scene = Scene::of(deployment.with_forward_auth(WITH_SECRET)).await;
    let browser = scene.stack.browser_logged_in_as("alice").await;
    let cookie = cookie_of(&browser);
    let own = format!("Origin: {}", browser.app().origin().ascii_serialization());
    let websocket = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    for (method, headers) in [
        (
            "GET",
            &["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"][..],
        ),
        ("GET", &["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"]),
        ("GET", &["Sec-Fetch-Site: same-site", "X-CSRF: 1"]),
        ("POST", &["Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate"]),
        ("POST", &["Origin: https://evil.example", "X-CSRF: 1"]),
        ("POST", &["Origin: null", "X-CSRF: 1"]),
        ("DELETE", &[]),
        ("GET", &[]),
        (
            "POST",
            &[
                "X-Forwarded-Method: GET",
                "Sec-Fetch-Site: none",
                "Sec-Fetch-Mode: navigate",
            ],
        ),
        ("GET", &[websocket, "Upgrade: websocket", "Connection: Upgrade"]),
        ("GET", &[websocket, "Origin: https://evil.example", "X-CSRF: 1"]),
    ] {
        let all: Vec<&str> = std::iter::once(cookie.as_str())
            .chain(headers.iter().copied())
            .collect();
        scene.refused(403, method, "/reports/x", &all).await;
    }
    for (method, headers) in [
        ("GET", &["Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate"][..]),
        ("GET", &["Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: no-cors"]),
        ("POST", &["Sec-Fetch-Site: same-origin", &own]),
        ("DELETE", &["X-CSRF: 1"]),
        ("GET", &[websocket, &own]),
    ] {
        let all: Vec<&str> = std::iter::once(cookie.as_str())
            .chain(headers.iter().copied())
            .collect();
        let before = scene.stack.upstream().received().len();
        let answer = scene.ask(method, "/reports/x", &all).await;
        let after = scene.stack.upstream().received().len();
        assert_eq!(after, before + 1, "{method} {headers:?}: {}", answer.text);
    }
}

async fn a_person_is_sent_to_sign_in_and_a_script_is_told(deployment: Deployment) {
    let scene = Scene::of(deployment.with_forward_auth(WITH_SECRET)).await;
    let page = scene
        .ask("GET", "/reports/a?b=c", &["Sec-Fetch-Mode: navigate"])
        .await;
    assert_eq!(page.status, Some(302), "{}", page.text);
    let sign_in = "/bff/login?returnUrl=/reports/a?b=c\r\n";
    assert!(page.text.contains(sign_in), "{}", page.text);
    // From another site's link too: the cookie stays at home then, and the person is none the wiser.
    let link = ["Sec-Fetch-Mode: navigate", "Sec-Fetch-Site: cross-site"];
    assert_eq!(scene.ask("GET", "/reports/a", &link).await.status, Some(302));
    scene
        .refused(401, "GET", "/reports/a", &["Sec-Fetch-Mode: cors"])
        .await;
    let broken = ["Sec-Fetch-Mode: navigate"];
    let broken = scene.ask("GET", "/reports/a%0d%0aX-Evil:%201", &broken).await;
    assert!(!broken.text.contains("\r\nX-Evil"), "{}", broken.text);
}

async fn what_a_gateway_asks_counts_as_use_and_ends_with_the_session(deployment: Deployment) {
    let deployment = deployment
        .with_timeouts("10m", "8h")
        .with_forward_auth(WITH_SECRET);
    let scene = Scene::of(deployment).await;
    let browser = scene.stack.browser_logged_in_as("alice").await;
    let cookie = cookie_of(&browser);
    let headers = [cookie.as_str(), "X-CSRF: 1"];
    for round in 1..=3 {
        scene.stack.advance(Duration::from_secs(8 * 60)).await;
        scene.ask("GET", "/reports/x", &headers).await;
        assert_eq!(
            scene.stack.upstream().received().len(),
            round,
            "after {round} times 8 minutes"
        );
    }
    browser.fetch("/bff/logout").method(http::Method::POST).await;
    scene.refused(401, "GET", "/reports/x", &headers).await;
}

async fn an_envoy_asks_with_the_client_s_method_behind_our_path(deployment: Deployment) {
    let lines = "original_method = \"request\"\ngateway_secret_env = \"GATEWAY_SECRET\"";
    let stack = deployment.with_forward_auth(lines).start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let (cookie, secret) = (cookie_of(&browser), format!("X-Gateway-Secret: {GATEWAY_SECRET}"));
    let ask = async |method: &str, target: &str, headers: &[&str]| {
        let known = [cookie.as_str(), secret.as_str()];
        let all: Vec<&str> = known.into_iter().chain(headers.iter().copied()).collect();
        let request = raw::request(method, target, "localhost", &all);
        raw::send(stack.bff_address(), &request).await
    };
    let typed = ["Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate"];
    let yes = ask("GET", "/oauth2/auth/reports/x?y=1", &typed).await;
    assert_eq!(yes.status, Some(200), "{}", yes.text);
    let name = format!("x-auth-request-user: {}\r\n", subject_of(&browser).await);
    assert!(yes.text.contains(&name), "{}", yes.text);
    assert!(!yes.text.contains("authorization"), "nobody asked for a token");
    let posted = ask("POST", "/oauth2/auth/reports/x", &typed).await;
    assert_eq!(posted.status, Some(403), "{}", posted.text);
    let disguised = ["X-Forwarded-Method: GET", typed[0], typed[1]];
    let disguised = ask("POST", "/oauth2/auth/x", &disguised).await;
    assert_eq!(disguised.status, Some(403), "{}", disguised.text);
}

on_every_store!(what_a_gateway_asks_counts_as_use_and_ends_with_the_session);
on_one_store!(
    an_application_learns_who_it_is_and_nothing_else,
    c42_nothing_that_a_client_writes_makes_a_path_public,
    another_site_s_page_gets_nothing_through_a_gateway,
    a_person_is_sent_to_sign_in_and_a_script_is_told,
    an_envoy_asks_with_the_client_s_method_behind_our_path,
);
