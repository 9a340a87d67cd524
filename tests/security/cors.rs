//! Pages of other origins (29).

use e2e::browser::{Browser, Fetch};
use e2e::on_one_store;
use e2e::raw::RawUpstream;
use e2e::stack::Deployment;
use http::Method;
use serde_json::json;

/// Of the same site as the app, so that the cookie comes along.
const SHOP: &str = "http://localhost:4200";
const ALLOWED: &str = "[cors]\nallowed_origins = [\"http://localhost:4200\"]\n";

fn preflight(browser: &Browser, address: &str, page: &str) -> Fetch {
    browser
        .fetch(address)
        .method(Method::OPTIONS)
        .by_page(page)
        .without("x-csrf")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type,x-csrf")
}

async fn c29_a_foreign_origin_gets_no_permission(deployment: Deployment) {
    let stack = deployment.with_sections(ALLOWED).start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    for page in [
        "https://evil.example/",
        "http://localhost:4201/",
        "https://localhost:4200/",
    ] {
        for address in ["/api/notes", "/bff/user", "/bff/logout", "/nowhere", "/"] {
            let asked = preflight(&browser, address, page).await;
            let called = browser.fetch(address).by_page(page).await;
            for answer in [asked, called] {
                let grants = answer
                    .headers
                    .keys()
                    .any(|name| name.as_str().starts_with("access-control-"));
                assert!(!grants, "{}", answer.summary());
                // A cache must not keep this answer for the origin that is allowed.
                assert!(answer.headers.get_all("vary").iter().any(|vary| vary == "Origin"));
            }
        }
    }
    assert!(
        stack.upstream().received().is_empty(),
        "{:?}",
        stack.upstream().received()
    );
}

async fn c29_an_allowed_origin_is_named_exactly_and_calls_with_the_header(deployment: Deployment) {
    let stack = deployment.with_sections(ALLOWED).start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    for address in ["/api/notes", "/bff/user"] {
        let asked = preflight(&browser, address, SHOP).await;
        asked.assert_status(204);
        assert_eq!(asked.header("access-control-allow-origin"), Some(SHOP));
        assert_eq!(asked.header("access-control-allow-credentials"), Some("true"));
        assert_eq!(asked.header("access-control-allow-methods"), Some("POST"));
        assert_eq!(
            asked.header("access-control-allow-headers"),
            Some("content-type,x-csrf")
        );
        assert_eq!(asked.header("vary"), Some("Origin"));
    }
    assert!(stack.upstream().received().is_empty(), "a preflight went through");

    let note = browser
        .fetch("/api/notes")
        .post_json(&json!({ "text": "x" }))
        .by_page(SHOP)
        .await;
    note.assert_status(201);
    assert_eq!(note.header("access-control-allow-origin"), Some(SHOP));
    assert_eq!(note.header("access-control-allow-credentials"), Some("true"));
    browser.fetch("/bff/user").by_page(SHOP).await.assert_status(200);
    // The page can read why it was refused; without the header it has proven nothing.
    let bare = browser.fetch("/api/notes").by_page(SHOP).without("x-csrf").await;
    bare.assert_problem(403, "csrf-required");
    assert_eq!(bare.header("access-control-allow-origin"), Some(SHOP));
    let logout = browser.fetch("/bff/logout").method(Method::POST).by_page(SHOP);
    logout.await.assert_status(200);
}

async fn c29_what_an_upstream_grants_does_not_stand_beside_our_word(deployment: Deployment) {
    let generous = RawUpstream::that_says(
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nAccess-Control-Allow-Origin: *\r\n\
          Access-Control-Allow-Credentials: false\r\nAccess-Control-Expose-Headers: etag\r\n\r\nok",
    )
    .await;
    let stack = deployment
        .with_sections(&generous.route("/generous"))
        .with_sections(ALLOWED)
        .start()
        .await;

    let answer = stack.browser().fetch("/generous").by_page(SHOP).await;

    answer.assert_status(200);
    let origins: Vec<_> = answer
        .headers
        .get_all("access-control-allow-origin")
        .iter()
        .collect();
    assert_eq!(origins, [SHOP]);
    let credentials: Vec<_> = answer
        .headers
        .get_all("access-control-allow-credentials")
        .iter()
        .collect();
    assert_eq!(credentials, ["true"]);
    assert_eq!(answer.header("access-control-expose-headers"), Some("etag"));
}

on_one_store!(
    c29_a_foreign_origin_gets_no_permission,
    c29_an_allowed_origin_is_named_exactly_and_calls_with_the_header,
    c29_what_an_upstream_grants_does_not_stand_beside_our_word,
);
