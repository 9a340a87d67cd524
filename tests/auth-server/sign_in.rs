use futures_util::future::join_all;
use reqwest::Method;

use crate::harness::{Browser, PASSWORD, Server, authorization};

const HOUR: u64 = 3600;

#[tokio::test]
async fn login_1_wrong_password_and_unknown_user_look_the_same() {
    let server = Server::start().await;
    let mut bodies = Vec::new();
    for (name, password) in [
        ("alice", "wrong password"),
        ("nobody", PASSWORD),
        ("n\u{f6}body", PASSWORD),
        ("", ""),
    ] {
        let mut browser = Browser::new(&server);
        let page = browser.authorize(&authorization()).await;
        let fields = [("username", name), ("password", password), ("action", "sign-in")];
        let answer = browser.submit(&page, &fields).await;
        answer.assert_page(422, "That did not work");
        assert_eq!(browser.session_cookie(), None);
        let (head, tail) = answer.body.split_once("<form").unwrap();
        let message = head.to_owned() + tail.split_once("<label for=\"password\"").unwrap().1;
        // The empty name has the focus in another field.
        bodies.push(message.replace(" autofocus", ""));
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1);
}

#[tokio::test]
async fn login_2_the_session_cookie_changes_at_every_sign_in() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    browser
        .cookies
        .insert("__Host-Http-signin".to_owned(), "planted".to_owned());
    browser.sign_in("alice", &authorization()).await;
    let first = browser.session_cookie().unwrap();
    assert_ne!(first, "planted");

    browser
        .sign_in("alice", &authorization().with("prompt", "login"))
        .await;
    assert_ne!(browser.session_cookie().unwrap(), first);

    server.advance(10); // For requests that are on their way with it.
    let mut thief = Browser::new(&server);
    thief.cookies.insert("__Host-Http-signin".to_owned(), first);
    let silent = authorization().with("prompt", "none");
    thief
        .authorize(&silent)
        .await
        .assert_returned_error(&server, "login_required");
    browser.authorize(&silent).await.code();
}

#[tokio::test]
async fn cancel_tells_the_client() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    let page = browser.authorize(&authorization()).await;
    let answer = browser.submit(&page, &[("action", "cancel")]).await;
    answer.assert_returned_error(&server, "access_denied");
}

#[tokio::test]
async fn x_12_a_form_works_in_the_browser_it_was_shown_in_only() {
    let server = Server::start().await;
    let page = Browser::new(&server).authorize(&authorization()).await;
    let fields = [
        ("username", "alice"),
        ("password", PASSWORD),
        ("action", "sign-in"),
    ];

    let mut stranger = Browser::new(&server);
    stranger
        .submit(&page, &fields)
        .await
        .assert_page(403, "This page is no longer valid");
    assert_eq!(stranger.session_cookie(), None);
    stranger.authorize(&authorization()).await;
    let answer = stranger.submit(&page, &fields).await;
    answer.assert_page(403, "This page is no longer valid");
    // The page that comes with the refusal works.
    stranger.submit(&answer, &fields).await.code();
}

#[tokio::test]
async fn a_form_sent_from_another_site_is_refused() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    browser.authorize(&authorization()).await;
    let query = authorization().query();
    let form = [
        ("request", query.as_str()),
        ("username", "alice"),
        ("password", PASSWORD),
    ];
    for site in ["cross-site", "same-site", "none"] {
        let request = server
            .request(Method::POST, "/sign-in")
            .header("sec-fetch-site", site)
            .form(&form);
        browser
            .send(request)
            .await
            .assert_page(403, "This page is no longer valid");
    }
}

#[tokio::test]
async fn the_request_in_the_form_is_judged_anew() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    let page = browser.authorize(&authorization()).await;
    let changed = authorization()
        .with("redirect_uri", "https://evil.example/")
        .query();
    let form = [
        ("request", changed.as_str()),
        ("username", "alice"),
        ("password", PASSWORD),
    ];
    let request = server.request(Method::POST, "/sign-in").form(&form);
    browser
        .send(request)
        .await
        .assert_page(400, "This address is not registered");
    drop(page);
}

#[tokio::test]
async fn the_name_has_one_spelling_and_the_hint_fills_it_in() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    let page = browser
        .authorize(&authorization().with("login_hint", "\"><b>alice"))
        .await;
    assert!(
        page.body.contains("value=\"&#34;&#62;&#60;b&#62;alice\""),
        "escaped: {}",
        page.body
    );
    browser.sign_in(" ALICE ", &authorization()).await.code();
}

#[tokio::test]
async fn a_session_ends_when_it_is_idle_for_too_long() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    let silent = authorization().with("prompt", "none");
    browser.sign_in("alice", &authorization()).await;
    server.advance(8 * HOUR - 1);
    browser.authorize(&silent).await.code();
    server.advance(8 * HOUR - 1);
    browser.authorize(&silent).await.code();
    server.advance(8 * HOUR);
    browser
        .authorize(&silent)
        .await
        .assert_returned_error(&server, "login_required");
}

#[tokio::test]
async fn a_session_ends_at_its_absolute_age_however_much_it_is_used() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    let silent = authorization().with("prompt", "none");
    browser.sign_in("alice", &authorization()).await;
    for _ in 0..23 {
        server.advance(HOUR);
        browser.authorize(&silent).await.code();
    }
    server.advance(HOUR);
    browser
        .authorize(&silent)
        .await
        .assert_returned_error(&server, "login_required");
}

#[tokio::test]
async fn x_9_parallel_guesses_do_not_pass_the_limit() {
    let server = Server::start().await;
    let guess = |password: &'static str| {
        let server = &server;
        async move {
            let mut browser = Browser::new(server);
            let page = browser.authorize(&authorization()).await;
            browser
                .submit(&page, &[("username", "alice"), ("password", password)])
                .await
        }
    };
    let wrong = join_all((0..30).map(|_| guess("wrong password"))).await;
    assert!(wrong.iter().all(|answer| answer.status == 422));
    let bodies: std::collections::HashSet<_> = wrong
        .iter()
        .map(|answer| answer.body.split("<form").next().unwrap().to_owned())
        .collect();
    assert_eq!(bodies.len(), 1, "the limit is not told");
    let database = server.open_database().await;
    let counts: Vec<i64> = sqlx::query_scalar("SELECT failures FROM sign_in_attempt")
        .fetch_all(&database)
        .await
        .unwrap();
    assert_eq!(
        counts,
        [10, 10, 10],
        "of thirty, ten were looked at: for the account from this address, for the account and for the address"
    );

    assert_eq!(
        guess(PASSWORD).await.status,
        422,
        "the right password does not open an account that is locked from here"
    );
    let mut elsewhere = Browser::new(&server);
    let page = elsewhere.authorize(&authorization()).await;
    let query = authorization().query();
    let token = page.body.split_once("name=\"form_token\" value=\"").unwrap().1;
    let form = [
        ("request", query.as_str()),
        ("form_token", token.split('"').next().unwrap()),
        ("username", "alice"),
        ("password", PASSWORD),
    ];
    let request = server
        .request(Method::POST, "/sign-in")
        .header("x-forwarded-for", "192.0.2.1")
        .form(&form);
    elsewhere.send(request).await.code();
    let mut bob = Browser::new(&server);
    bob.sign_in("bob", &authorization()).await.code();
    server.advance(15 * 60);
    guess(PASSWORD).await.code();
}

/// Guesses a password for a name, and says whether it was right.
async fn guess(server: &Server, name: &str, password: &str, address: &str) -> bool {
    let mut browser = Browser::new(server);
    let page = browser.authorize(&authorization()).await;
    let request = server
        .request(Method::POST, "/sign-in")
        .header("x-forwarded-for", address)
        .form(&[
            ("request", page.hidden_field("request").as_str()),
            ("form_token", page.hidden_field("form_token").as_str()),
            ("username", name),
            ("password", password),
        ]);
    let answer = browser.send(request).await;
    assert!([303, 422].contains(&answer.status), "{name:?}: {}", answer.body);
    answer.status == 303
}

async fn failures(server: &Server) -> Vec<i64> {
    let database = server.open_database().await;
    sqlx::query_scalar("SELECT failures FROM sign_in_attempt ORDER BY failures")
        .fetch_all(&database)
        .await
        .unwrap()
}

#[tokio::test]
async fn x_9_spellings_of_one_name_share_their_guesses() {
    let server = Server::start().await;
    let here = "192.0.2.1";
    let spellings = [
        "alice",
        "ALICE",
        "aLiCe",
        " alice",
        "alice ",
        "\talice\r\n",
        "\u{a0}alice",
        "\u{3000}ALICE\u{3000}",
        "\u{2003}Alice",
        "alicE\u{85}",
    ];
    let guesses = spellings.map(|name| guess(&server, name, "wrong password", here));
    assert!(join_all(guesses).await.iter().all(|right| !right));
    assert_eq!(failures(&server).await, [10, 10, 10], "one account, one address");
    for name in spellings {
        assert!(!guess(&server, name, PASSWORD, here).await, "{name:?}");
    }
    assert!(guess(&server, "\u{2003}ALICE", PASSWORD, "198.51.100.1").await);
}

#[tokio::test]
async fn x_9_what_only_looks_like_a_name_is_nobodys_and_opens_no_counters() {
    let server = Server::start().await;
    // Full width, Cyrillic, invisible, combining, mathematical, right to left, and too long.
    let long = "alice".repeat(20);
    let lookalikes = [
        "\u{ff41}\u{ff4c}\u{ff49}\u{ff43}\u{ff45}",
        "\u{430}lice",
        "al\u{200b}ice",
        "\u{feff}alice",
        "alice\u{301}",
        "\u{1d41a}lice",
        "\u{202e}ecila",
        "al\u{131}ce",
        "alice\0",
        &long,
    ];
    for name in lookalikes {
        assert!(!guess(&server, name, PASSWORD, "192.0.2.1").await, "{name:?}");
    }
    assert_eq!(
        failures(&server).await,
        [10, 10, 10],
        "as of one name, which nobody has"
    );
    assert!(
        guess(&server, "alice", PASSWORD, "192.0.2.1").await,
        "it is not locked"
    );
}

#[tokio::test]
async fn a_right_password_resets_the_count() {
    let server = Server::start().await;
    for _ in 0..3 {
        for _ in 0..9 {
            let mut browser = Browser::new(&server);
            let page = browser.authorize(&authorization()).await;
            browser
                .submit(&page, &[("username", "alice"), ("password", "wrong password")])
                .await;
        }
        Browser::new(&server)
            .sign_in("alice", &authorization())
            .await
            .code();
    }
}

#[tokio::test]
async fn garbage_cookies_and_forms_are_anonymous_and_harmless() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    for value in ["", "x", "\"", "%00", &"a".repeat(8000)] {
        browser
            .cookies
            .insert("__Host-Http-signin".to_owned(), value.to_owned());
        browser
            .cookies
            .insert("__Host-Http-form".to_owned(), value.to_owned());
        browser
            .authorize(&authorization())
            .await
            .assert_page(200, "Sign in");
    }
    let request = server
        .request(Method::POST, "/sign-in")
        .body("{}")
        .header("content-type", "application/json");
    server.send(request).await.assert_page(400, "cannot be read");
    for path in ["/sign-in", "/continue", "/sign-out"] {
        let answer = server.get(path).await;
        answer.assert_page(405, "Please start again");
        assert_eq!(answer.header("allow"), "POST");
    }
    server
        .get("/nowhere")
        .await
        .assert_page(404, "There is nothing here");
}
