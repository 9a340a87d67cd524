//! Users change their passwords.

use std::cell::Cell;

use futures_util::future::join_all;

use crate::harness::{Answer, BFF, Browser, PASSWORD, Server, Tokens, authorization, exchange_form, peek};

const NEW: &str = "mumpitz gaukelei tran";

async fn signed_in<'s>(server: &'s Server) -> (Browser<'s>, Tokens) {
    let mut browser = Browser::new(server);
    let code = browser.sign_in("alice", &authorization()).await.code();
    let tokens = server.exchange(&code).await.tokens();
    (browser, tokens)
}

async fn form(browser: &mut Browser<'_>) -> Answer {
    let page = browser.get("/account/password").await;
    page.assert_page(200, "Change your password");
    page
}

async fn change(browser: &mut Browser<'_>, page: &Answer, current: &str, new: &str) -> Answer {
    let fields = [("current", current), ("new", new), ("repeated", new)];
    browser.press(page, &fields).await
}

/// Whether this opens the account, in a browser of its own.
async fn opens(server: &Server, password: &str) -> bool {
    let mut browser = Browser::new(server);
    let page = browser.authorize(&authorization()).await;
    let fields = [
        ("username", "alice"),
        ("password", password),
        ("action", "sign-in"),
    ];
    browser.submit(&page, &fields).await.status == 303
}

#[tokio::test]
async fn a_new_password_ends_all_sessions_and_their_grants_and_begins_one_in_this_browser() {
    let server = Server::start().await;
    let (mut browser, tokens) = signed_in(&server).await;
    let (mut elsewhere, others) = signed_in(&server).await;
    let page = form(&mut browser).await;
    let answer = change(&mut browser, &page, PASSWORD, NEW).await;
    let location = answer.location();
    let path = location.as_str().strip_prefix(&server.issuer).unwrap();
    let told = browser.get(path).await;
    told.assert_page(
        200,
        "Your password has been changed. All other sessions have been ended.",
    );

    for ended in [&tokens, &others] {
        let refreshed = server.refresh(&ended.refresh_token).await;
        refreshed.assert_oauth_error(400, "invalid_grant");
        assert_eq!(server.user_info(&ended.access_token).await.status, 401);
    }
    let silent = authorization().with("prompt", "none");
    let answer = elsewhere.authorize(&silent).await;
    answer.assert_returned_error(&server, "login_required");
    // The application comes back without a question.
    let code = browser.authorize(&silent).await.code();
    let again = server.exchange(&code).await.tokens();
    let sid = |tokens: &Tokens| peek(&tokens.id_token).1["sid"].clone();
    assert_ne!(sid(&again), sid(&tokens));
    assert_eq!(server.refresh(&again.refresh_token).await.status, 200);
    assert!(opens(&server, NEW).await);
    assert!(!opens(&server, PASSWORD).await);
}

#[tokio::test]
async fn a_new_password_ends_whatever_a_copied_cookie_was_good_for() {
    let server = Server::start().await;
    let (mut browser, _) = signed_in(&server).await;
    let mut thief = Browser::new(&server);
    thief.cookies.clone_from(&browser.cookies);
    let silent = authorization().with("prompt", "none");
    let code = thief.authorize(&silent).await.code();
    let stolen = server.exchange(&code).await.tokens();
    let on_its_way = thief.authorize(&silent).await.code();

    let page = form(&mut browser).await;
    change(&mut browser, &page, PASSWORD, NEW).await.location();
    let refreshed = server.refresh(&stolen.refresh_token).await;
    refreshed.assert_oauth_error(400, "invalid_grant");
    let redeemed = server.token(BFF, &exchange_form(&on_its_way)).await;
    redeemed.assert_oauth_error(400, "invalid_grant");
    let answer = thief.authorize(&silent).await;
    answer.assert_returned_error(&server, "login_required");
    browser.authorize(&silent).await.code();
}

#[tokio::test]
async fn nothing_that_a_copied_cookie_opens_during_the_change_outlives_it() {
    let server = Server::start().await;
    let silent = authorization().with("prompt", "none");
    for round in 0..5 {
        let (mut browser, _) = signed_in_with(&server, &current(round)).await;
        let page = form(&mut browser).await;
        let mut thief = Browser::new(&server);
        thief.cookies.clone_from(&browser.cookies);
        let is_over = Cell::new(false);
        let polling = async {
            let mut taken = Vec::new();
            loop {
                let is_last = is_over.get();
                if let Some(code) = thief.authorize(&silent).await.returned("code") {
                    let answer = server.token(BFF, &exchange_form(&code)).await;
                    taken.extend((answer.status == 200).then(|| answer.tokens()));
                }
                if is_last {
                    return taken;
                }
            }
        };
        let (old, new) = (current(round), current(round + 1));
        let changing = async {
            let changed = change(&mut browser, &page, &old, &new).await;
            is_over.set(true);
            changed
        };
        let (taken, changed) = futures_util::future::join(polling, changing).await;
        changed.location();
        assert!(!taken.is_empty(), "before the change it opens what it opened");
        for tokens in taken {
            let refreshed = server.refresh(&tokens.refresh_token).await;
            refreshed.assert_oauth_error(400, "invalid_grant");
        }
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_new_password_is_said_and_nothing_is_changed() {
    let server = Server::start().await;
    let (mut browser, _) = signed_in(&server).await;
    let page = form(&mut browser).await;
    for (current, new, repeated, said) in [
        ("wrong password", NEW, NEW, "The current password is not right."),
        ("", NEW, NEW, "The current password is not right."),
        (
            PASSWORD,
            NEW,
            "something else",
            "The two new passwords are not the same.",
        ),
        (
            PASSWORD,
            "",
            "",
            "The new password must have at least 8 characters",
        ),
        (PASSWORD, PASSWORD, PASSWORD, "is the same as the current one"),
        (
            PASSWORD,
            "x7#kPq2",
            "x7#kPq2",
            "The new password must have at least 8 characters",
        ),
        (
            PASSWORD,
            "password1",
            "password1",
            "The new password is too easy to guess.",
        ),
        (
            PASSWORD,
            "alice@example.com",
            "alice@example.com",
            "names and addresses of its user",
        ),
    ] {
        let fields = [("current", current), ("new", new), ("repeated", repeated)];
        let answer = browser.press(&page, &fields).await;
        answer.assert_page(422, said);
        assert!(answer.body.contains("<title>Error: "));
        assert_eq!(answer.body.matches(" aria-invalid=\"true\"").count(), 1);
        assert!(!answer.body.contains("x7#kPq2"));
    }
    let korean = server
        .request(reqwest::Method::POST, "/account/password")
        .header("accept-language", "ko")
        .form(&[
            ("form_token", page.hidden_field("form_token").as_str()),
            ("current", PASSWORD),
            ("new", "password1"),
            ("repeated", "password1"),
        ]);
    let answer = browser.send(korean).await;
    answer.assert_page(422, "새 비밀번호가 추측하기 너무 쉽습니다.");
    assert!(opens(&server, PASSWORD).await);
}

#[tokio::test]
async fn x_9_parallel_guesses_at_the_current_password_do_not_pass_the_limit_of_the_sign_in() {
    let server = Server::start().await;
    let (mut browser, _) = signed_in(&server).await;
    let page = form(&mut browser).await;
    let guesses = join_all((0..30).map(|_| {
        let mut tab = Browser::new(&server);
        tab.cookies.clone_from(&browser.cookies);
        let page = &page;
        async move { change(&mut tab, page, "wrong password", NEW).await }
    }))
    .await;
    let bodies: std::collections::HashSet<_> = guesses
        .iter()
        .map(|answer| {
            assert_eq!(answer.status, 422);
            answer.body.split("<form").next().unwrap().to_owned()
        })
        .collect();
    assert_eq!(bodies.len(), 1, "the limit is not told");
    let database = server.open_database().await;
    let counts: Vec<i64> = sqlx::query_scalar("SELECT failures FROM sign_in_attempt")
        .fetch_all(&database)
        .await
        .unwrap();
    assert_eq!(counts, [10, 10, 10], "of thirty, ten were looked at");

    let right = change(&mut browser, &page, PASSWORD, NEW).await;
    right.assert_page(422, "The current password is not right.");
    assert!(!opens(&server, PASSWORD).await, "it is one lock for both pages");
    server.advance(15 * 60);
    change(&mut browser, &page, PASSWORD, NEW).await.location();
    assert!(opens(&server, NEW).await);
}

#[tokio::test]
async fn of_many_changes_at_once_one_happens() {
    let server = Server::start().await;
    let (browser, _) = signed_in(&server).await;
    let mut tabs: Vec<_> = (0..6)
        .map(|_| {
            let mut tab = Browser::new(&server);
            tab.cookies.clone_from(&browser.cookies);
            tab
        })
        .collect();
    let page = form(&mut tabs[0]).await;
    let new: Vec<_> = (0..6).map(|n| format!("{NEW} {n}")).collect();
    let changes = tabs
        .iter_mut()
        .zip(&new)
        .map(|(tab, new)| change(tab, &page, PASSWORD, new));
    let answers = join_all(changes).await;
    let happened: Vec<_> = answers
        .iter()
        .zip(&new)
        .filter_map(|(answer, new)| (answer.status == 303).then_some(new))
        .collect();
    assert_eq!(happened.len(), 1);
    assert!(opens(&server, happened[0]).await);
}

#[tokio::test]
async fn a_sign_in_with_the_old_password_does_not_outlive_the_change() {
    let server = Server::start().await;
    for round in 0..5 {
        let (mut browser, _) = signed_in_with(&server, &current(round)).await;
        let page = form(&mut browser).await;
        let mut intruder = Browser::new(&server);
        let sign_in = intruder.authorize(&authorization()).await;
        let (old, new) = (current(round), current(round + 1));
        let fields = [
            ("username", "alice"),
            ("password", old.as_str()),
            ("action", "sign-in"),
        ];
        let (_, changed) = futures_util::future::join(
            intruder.submit(&sign_in, &fields),
            change(&mut browser, &page, &old, &new),
        )
        .await;
        changed.location();
        let answer = intruder.authorize(&authorization().with("prompt", "none")).await;
        answer.assert_returned_error(&server, "login_required");
    }
}

fn current(round: usize) -> String {
    if round == 0 {
        PASSWORD.to_owned()
    } else {
        format!("{NEW} {round}")
    }
}

async fn signed_in_with<'s>(server: &'s Server, password: &str) -> (Browser<'s>, String) {
    let mut browser = Browser::new(server);
    let page = browser.authorize(&authorization()).await;
    let fields = [
        ("username", "alice"),
        ("password", password),
        ("action", "sign-in"),
    ];
    let code = browser.submit(&page, &fields).await.code();
    (browser, code)
}

#[tokio::test]
async fn x_12_the_form_is_of_one_session_one_browser_and_half_an_hour() {
    let server = Server::start().await;
    let (mut browser, _) = signed_in(&server).await;
    let page = form(&mut browser).await;
    let (mut other, _) = signed_in(&server).await;
    change(&mut other, &page, PASSWORD, NEW)
        .await
        .assert_page(403, "no longer valid");
    let mut anonymous = Browser::new(&server);
    change(&mut anonymous, &page, PASSWORD, NEW)
        .await
        .assert_page(200, "Sign in");
    server.advance(30 * 60);
    let answer = change(&mut browser, &page, PASSWORD, NEW).await;
    answer.assert_page(403, "no longer valid");
    assert!(opens(&server, PASSWORD).await);
    change(&mut browser, &answer, PASSWORD, NEW).await.location();
}
