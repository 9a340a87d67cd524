//! The account page: what is signed in, and what has access.

use crate::harness::{
    Answer, BFF, Browser, PASSWORD, STRANGER, Server, Tokens, authorization, exchange_form, peek,
    stranger_authorization,
};

const TYPED: [(&str, &str); 2] = [("username", "alice"), ("password", PASSWORD)];
const OFFLINE: &str = "openid offline_access notes:read";

/// A browser in which this user has just signed in, and what the client got.
async fn signed_in<'s>(server: &'s Server, name: &str) -> (Browser<'s>, Tokens) {
    let mut browser = Browser::new(server);
    let code = browser.sign_in(name, &authorization()).await.code();
    let tokens = server.exchange(&code).await.tokens();
    (browser, tokens)
}

/// Allows the stranger's client to act for who is signed in.
async fn allow_stranger(server: &Server, browser: &mut Browser<'_>) -> Tokens {
    let page = browser.authorize(&stranger_authorization(OFFLINE)).await;
    let code = browser.submit(&page, &[("action", "continue")]).await.code();
    let mut form = exchange_form(&code);
    form[2] = ("redirect_uri", "https://stranger.example/cb");
    server.token(STRANGER, &form).await.tokens()
}

async fn stranger_refreshes(server: &Server, tokens: &Tokens) -> Answer {
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", tokens.refresh_token.as_str()),
    ];
    server.token(STRANGER, &form).await
}

fn sid(tokens: &Tokens) -> String {
    peek(&tokens.id_token).1["sid"].as_str().unwrap().to_owned()
}

async fn account(browser: &mut Browser<'_>) -> Answer {
    let page = browser.get("/account").await;
    page.assert_page(200, "Your account");
    page
}

/// Sends a form of the account page as its button would.
async fn press(browser: &mut Browser<'_>, page: &Answer, action: &str, target: &str) -> Answer {
    browser
        .press(page, &[("action", action), ("target", target)])
        .await
}

/// Follows the redirect to the page that says what was done.
async fn done(browser: &mut Browser<'_>, server: &Server, answer: &Answer, said: &str) {
    let location = answer.location();
    let path = location.as_str().strip_prefix(&server.issuer).unwrap().to_owned();
    let page = browser.get(&path).await;
    page.assert_page(200, said);
    assert!(page.body.contains("role=\"status\""));
    // Nobody else is told so, and it is not said for ever.
    let mut other = Browser::new(server);
    other.sign_in("alice", &authorization()).await.code();
    assert!(!other.get(&path).await.body.contains(said));
    let forged = path.replace("proof=", "proof=A");
    assert!(!browser.get(&forged).await.body.contains(said));
    server.advance(60);
    assert!(!browser.get(&path).await.body.contains(said));
}

async fn assert_dead(server: &Server, tokens: &Tokens) {
    server
        .refresh(&tokens.refresh_token)
        .await
        .assert_oauth_error(400, "invalid_grant");
    assert_eq!(server.user_info(&tokens.access_token).await.status, 401);
}

#[tokio::test]
async fn whoever_is_not_signed_in_signs_in_for_the_page() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    let page = browser.get("/account").await;
    page.assert_page(200, "to see and change your account");
    let wrong = browser
        .submit(&page, &[("username", "alice"), ("password", "wrong password")])
        .await;
    wrong.assert_page(422, "That did not work");
    let answer = browser.submit(&wrong, &TYPED).await;
    assert_eq!(answer.location().as_str(), server.issuer.clone() + "/account");
    let page = account(&mut browser).await;
    for said in [
        "<strong>alice</strong>",
        "alice@example.com",
        "alice &#60;b&#62;Example&#60;/b&#62;",
        "2027-01-15 08:00 UTC",
        "This browser",
        "You are not signed in anywhere else.",
        "No application has access",
    ] {
        assert!(page.body.contains(said), "{said}: {}", page.body);
    }
    assert!(
        page.header("content-security-policy")
            .contains("form-action 'self';")
    );
    // The sign-in is one like others.
    browser
        .authorize(&authorization().with("prompt", "none"))
        .await
        .code();
}

#[tokio::test]
async fn a_sign_in_form_of_the_page_works_in_its_browser_only() {
    let server = Server::start().await;
    let page = Browser::new(&server).get("/account").await;
    let mut other = Browser::new(&server);
    let answer = other.submit(&page, &TYPED).await;
    answer.assert_page(403, "This page is no longer valid");
    assert_eq!(other.session_cookie(), None);
    other.submit(&answer, &TYPED).await.location();
}

#[tokio::test]
async fn sessions_are_listed_with_what_uses_them_and_one_of_them_ends() {
    let server = Server::start().await;
    let (mut laptop, tokens) = signed_in(&server, "alice").await;
    server.advance(60);
    let (mut phone, phones) = signed_in(&server, "alice").await;
    let (_, bobs) = signed_in(&server, "bob").await;
    let page = account(&mut laptop).await;
    assert_eq!(
        page.body.matches("Used by Notes &#38; &#60;Co&#62;").count(),
        2,
        "{}",
        page.body
    );
    assert!(page.body.contains("2027-01-15 08:01 UTC"));
    assert!(page.body.contains(&sid(&phones)) && !page.body.contains(&sid(&tokens)));
    assert!(!page.body.contains(&sid(&bobs)));

    let answer = press(&mut laptop, &page, "end", &sid(&phones)).await;
    done(&mut laptop, &server, &answer, "The session has been ended.").await;
    assert_dead(&server, &phones).await;
    let silent = authorization().with("prompt", "none");
    phone
        .authorize(&silent)
        .await
        .assert_returned_error(&server, "login_required");
    assert_eq!(server.refresh(&tokens.refresh_token).await.status, 200);

    // Neither this session nor that of another user ends so.
    for target in [sid(&bobs), sid(&tokens), "nonsense".to_owned()] {
        press(&mut laptop, &page, "end", &target).await.location();
    }
    assert_eq!(server.refresh(&bobs.refresh_token).await.status, 200);
    laptop.authorize(&silent).await.code();
}

#[tokio::test]
async fn all_other_sessions_end_at_once() {
    let server = Server::start().await;
    let (mut here, tokens) = signed_in(&server, "alice").await;
    let (mut there, theirs) = signed_in(&server, "alice").await;
    let on_its_way = there.authorize(&authorization()).await.code();
    let (_, bobs) = signed_in(&server, "bob").await;
    let page = account(&mut here).await;
    let answer = press(&mut here, &page, "end-others", "").await;
    assert_dead(&server, &theirs).await;
    server
        .token(BFF, &exchange_form(&on_its_way))
        .await
        .assert_oauth_error(400, "invalid_grant");
    assert_eq!(server.refresh(&tokens.refresh_token).await.status, 200);
    assert_eq!(server.refresh(&bobs.refresh_token).await.status, 200);
    done(&mut here, &server, &answer, "All other sessions have been ended.").await;
}

#[tokio::test]
async fn access_that_is_taken_back_ends_what_the_client_holds_everywhere_and_is_asked_for_again() {
    let server = Server::start().await;
    let (mut browser, ours) = signed_in(&server, "alice").await;
    let strangers = allow_stranger(&server, &mut browser).await;
    let (mut phone, _) = signed_in(&server, "alice").await;
    let on_its_way = phone.authorize(&stranger_authorization(OFFLINE)).await.code();
    let (mut bob, _) = signed_in(&server, "bob").await;
    let bobs = allow_stranger(&server, &mut bob).await;

    let page = account(&mut browser).await;
    assert!(
        page.body
            .contains("<strong>Stranger &#38; &#60;Sons&#62;</strong>")
    );
    assert!(page.body.contains("keep this access while you are away"));
    let answer = press(&mut browser, &page, "take-back", "stranger").await;
    stranger_refreshes(&server, &strangers)
        .await
        .assert_oauth_error(400, "invalid_grant");
    assert_eq!(server.user_info(&strangers.access_token).await.status, 401);
    let mut form = exchange_form(&on_its_way);
    form[2] = ("redirect_uri", "https://stranger.example/cb");
    server
        .token(STRANGER, &form)
        .await
        .assert_oauth_error(400, "invalid_grant");
    let silent = stranger_authorization(OFFLINE).with("prompt", "none");
    for browser in [&mut browser, &mut phone] {
        let answer = browser.authorize(&silent).await;
        answer.assert_returned_error(&server, "consent_required");
    }
    assert_eq!(stranger_refreshes(&server, &bobs).await.status, 200);
    assert_eq!(server.refresh(&ours.refresh_token).await.status, 200);
    done(&mut browser, &server, &answer, "access has been removed").await;
    assert!(!account(&mut browser).await.body.contains("Stranger"));
}

#[tokio::test]
async fn taking_back_and_asking_at_the_same_time_leaves_nothing_behind() {
    let server = Server::start().await;
    let (mut browser, _) = signed_in(&server, "alice").await;
    for _ in 0..10 {
        allow_stranger(&server, &mut browser).await;
        let page = account(&mut browser).await;
        let mut tabs: Vec<_> = (0..8)
            .map(|_| {
                let mut tab = Browser::new(&server);
                tab.cookies.clone_from(&browser.cookies);
                tab
            })
            .collect();
        let request = stranger_authorization(OFFLINE);
        let asking = futures_util::future::join_all(tabs.iter_mut().map(|tab| tab.authorize(&request)));
        let (answers, taken_back) =
            futures_util::future::join(asking, press(&mut browser, &page, "take-back", "stranger")).await;
        taken_back.location();
        for answer in answers.iter().filter(|answer| answer.status == 303) {
            let code = answer.code();
            let mut form = exchange_form(&code);
            form[2] = ("redirect_uri", "https://stranger.example/cb");
            let exchanged = server.token(STRANGER, &form).await;
            exchanged.assert_oauth_error(400, "invalid_grant");
        }
    }
}

#[tokio::test]
async fn changes_want_a_password_that_was_typed_a_short_while_ago() {
    let server = Server::start().await;
    let (mut browser, tokens) = signed_in(&server, "alice").await;
    let (_, others) = signed_in(&server, "alice").await;
    server.advance(15 * 60);
    let page = account(&mut browser).await;
    let question = press(&mut browser, &page, "end", &sid(&others)).await;
    question.assert_page(200, "Confirm that it is you");
    assert_eq!(server.refresh(&others.refresh_token).await.status, 200);
    let back = browser.submit(&question, &[("action", "cancel")]).await;
    assert!(back.location().as_str().ends_with("/account"));

    let wrong = browser.submit(&question, &[("password", "wrong password")]).await;
    wrong.assert_page(422, "The password is not right.");
    // The name is that of who is signed in, whatever is sent.
    let as_bob = [("username", "bob"), ("password", "wrong password")];
    browser
        .submit(&wrong, &as_bob)
        .await
        .assert_page(422, "<strong>alice</strong>");
    let cookie = browser.session_cookie();
    let answer = browser.submit(&wrong, &[("password", PASSWORD)]).await;
    assert_ne!(browser.session_cookie(), cookie, "a new key");
    assert_dead(&server, &others).await;
    done(&mut browser, &server, &answer, "The session has been ended.").await;
    // It goes on as the same session, and changes need nothing more for a while.
    let code = browser
        .authorize(&authorization().with("prompt", "none"))
        .await
        .code();
    assert_eq!(sid(&server.exchange(&code).await.tokens()), sid(&tokens));
    let page = account(&mut browser).await;
    press(&mut browser, &page, "end-others", "").await.location();
}

#[tokio::test]
async fn login_1_the_page_does_not_tell_who_has_an_account() {
    let server = Server::start().await;
    let mut bodies = Vec::new();
    for (name, password) in [
        ("alice", "wrong password"),
        ("nobody", PASSWORD),
        ("n\u{f6}body", PASSWORD),
    ] {
        let mut browser = Browser::new(&server);
        let page = browser.get("/account").await;
        let answer = browser
            .submit(&page, &[("username", name), ("password", password)])
            .await;
        answer.assert_page(422, "That did not work");
        assert_eq!(browser.session_cookie(), None);
        let token = answer.hidden_field("form_token");
        bodies.push(answer.body.replace(&token, "").replace(name, ""));
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1);
}

#[tokio::test]
async fn x_9_guesses_at_who_confirms_a_change_count_as_those_at_the_sign_in() {
    let server = Server::start().await;
    let (mut browser, _) = signed_in(&server, "alice").await;
    server.advance(15 * 60);
    let page = account(&mut browser).await;
    let question = press(&mut browser, &page, "end-others", "").await;
    let guesses = futures_util::future::join_all((0..20).map(|_| {
        let mut tab = Browser::new(&server);
        tab.cookies.clone_from(&browser.cookies);
        let question = &question;
        async move { tab.submit(question, &[("password", "wrong password")]).await }
    }))
    .await;
    assert!(guesses.iter().all(|answer| answer.status == 422));
    let right = browser.submit(&question, &[("password", PASSWORD)]).await;
    right.assert_page(422, "The password is not right.");
    let mut elsewhere = Browser::new(&server);
    let page = elsewhere.authorize(&authorization()).await;
    assert_eq!(
        elsewhere.submit(&page, &TYPED).await.status,
        422,
        "one lock for all pages"
    );
    server.advance(15 * 60);
    browser
        .submit(&question, &[("password", PASSWORD)])
        .await
        .location();
}

#[tokio::test]
async fn x_12_a_change_is_made_by_whom_the_page_was_shown_to() {
    let server = Server::start().await;
    let (mut browser, _) = signed_in(&server, "alice").await;
    let (_, others) = signed_in(&server, "alice").await;
    let page = account(&mut browser).await;

    // Of another browser of the same user, and of another user in the same browser.
    let (mut stranger, _) = signed_in(&server, "alice").await;
    press(&mut stranger, &page, "end", &sid(&others)).await.location();
    let mut bob = Browser::new(&server);
    bob.cookies.clone_from(&browser.cookies);
    bob.cookies.remove("__Host-Http-signin");
    bob.sign_in("bob", &authorization()).await.code();
    press(&mut bob, &page, "end-others", "").await.location();
    // Without a token, and from another site.
    let form = [("action", "end"), ("target", &*sid(&others))];
    let request = server.request(reqwest::Method::POST, "/account").form(&form);
    browser.send(request).await.location();
    let token = page.hidden_field("form_token");
    let form = [("action", "end-others"), ("form_token", token.as_str())];
    let request = server.request(reqwest::Method::POST, "/account").form(&form);
    let from_elsewhere = request.header("sec-fetch-site", "same-site");
    browser.send(from_elsewhere).await.location();
    server.advance(30 * 60);
    press(&mut browser, &page, "end", &sid(&others)).await.location();
    assert_eq!(server.refresh(&others.refresh_token).await.status, 200);

    let links = browser.get("/account?action=end-others").await;
    links.assert_page(200, "Your account");
    assert_eq!(
        server
            .request(reqwest::Method::DELETE, "/account")
            .send()
            .await
            .unwrap()
            .status(),
        405
    );
}

#[tokio::test]
async fn the_page_names_browsers_but_keeps_no_addresses() {
    let server = Server::start().await;
    let (mut browser, _) = signed_in(&server, "alice").await;
    let mut phone = Browser::new(&server);
    let page = phone.authorize(&authorization()).await;
    let request = server
        .request(reqwest::Method::POST, "/sign-in")
        .header(
            "user-agent",
            "Mozilla/5.0 (Android 15; Mobile; rv:144.0) Gecko/144.0 Firefox/144.0",
        )
        .header("x-forwarded-for", "203.0.113.77")
        .form(&[
            ("request", &*page.hidden_field("request")),
            ("form_token", &*page.hidden_field("form_token")),
            ("username", "alice"),
            ("password", PASSWORD),
        ]);
    phone.send(request).await.code();
    let page = account(&mut browser).await;
    assert!(
        page.body.contains("<strong>Firefox · Android</strong>"),
        "{}",
        page.body
    );
    let stored = server.dump().await;
    assert!(!String::from_utf8_lossy(&stored).contains("203.0.113"));
    // Whoever was signed in before the server noted them is listed as well.
    let database = server.open_database().await;
    sqlx::query("UPDATE sign_in_session SET state = replace(state, 'device', 'former')")
        .execute(&database)
        .await
        .unwrap();
    let page = account(&mut browser).await;
    assert_eq!(
        page.body.matches("<strong>A browser</strong>").count(),
        2,
        "{}",
        page.body
    );
}
