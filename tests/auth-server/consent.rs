//! Clients that users are asked about.

use futures_util::future::join_all;

use crate::harness::{
    Answer, Browser, PASSWORD, STRANGER, Server, Tokens, authorization, exchange_form, peek,
    stranger_authorization,
};

const READ: &str = "openid offline_access notes:read";
const TYPED: [(&str, &str); 3] = [
    ("username", "alice"),
    ("password", PASSWORD),
    ("action", "sign-in"),
];
const ALLOW: [(&str, &str); 1] = [("action", "continue")];
const QUESTION: &str = "Allow Stranger &#38; &#60;Sons&#62;?";

async fn exchanged(server: &Server, answer: &Answer) -> Tokens {
    let code = answer.code();
    let mut form = exchange_form(&code);
    form[2] = ("redirect_uri", "https://stranger.example/cb");
    server.token(STRANGER, &form).await.tokens()
}

/// A browser in which alice has signed in and allowed this.
async fn allowed<'s>(server: &'s Server, scope: &str) -> (Browser<'s>, Tokens) {
    let mut browser = Browser::new(server);
    let page = browser.sign_in("alice", &stranger_authorization(scope)).await;
    page.assert_page(200, QUESTION);
    let answer = browser.submit(&page, &ALLOW).await;
    let tokens = exchanged(server, &answer).await;
    (browser, tokens)
}

#[tokio::test]
async fn a_client_that_is_not_ours_gets_what_the_user_allows_and_the_page_says_what_that_is() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    let page = browser.sign_in("alice", &stranger_authorization(READ)).await;
    page.assert_page(200, QUESTION);
    for said in [
        "<strong>alice</strong>",
        "recognize you when you come back",
        "keep this access while you are away",
        "read your &#60;notes&#62;",
        "<strong>https://notes.example</strong>",
        "you go on to <strong>stranger.example</strong>",
    ] {
        assert!(page.body.contains(said), "{said}: {}", page.body);
    }
    assert!(!page.body.contains("notes:write"));
    let policy = page.header("content-security-policy");
    assert!(
        policy.contains("form-action 'self' https://stranger.example;"),
        "{policy}"
    );
    assert!(policy.contains("frame-ancestors 'none'"));

    let answer = browser.submit(&page, &ALLOW).await;
    assert!(
        answer
            .location()
            .as_str()
            .starts_with("https://stranger.example/cb?")
    );
    let tokens = exchanged(&server, &answer).await;
    let claims = server.verified_access_token(&tokens.access_token).await;
    assert_eq!(claims["scope"], "notes:read offline_access openid");
}

#[tokio::test]
async fn what_was_allowed_is_not_asked_for_again_and_more_is() {
    let server = Server::start().await;
    let (mut browser, _) = allowed(&server, READ).await;
    for scope in [READ, "openid", "notes:read"] {
        browser.authorize(&stranger_authorization(scope)).await.code();
    }
    let silent = |scope| stranger_authorization(scope).with("prompt", "none");
    browser.authorize(&silent(READ)).await.code();
    browser
        .authorize(&silent("openid notes:write"))
        .await
        .assert_returned_error(&server, "consent_required");
    let more = stranger_authorization("openid notes:write");
    let page = browser.authorize(&more).await;
    page.assert_page(200, QUESTION);
    browser.submit(&page, &ALLOW).await.code();
    browser.authorize(&silent("notes:read notes:write")).await.code();

    let always = stranger_authorization(READ).with("prompt", "consent");
    browser.authorize(&always).await.assert_page(200, QUESTION);
    // Another browser of the same user, and another user.
    let mut phone = Browser::new(&server);
    phone.sign_in("alice", &stranger_authorization(READ)).await.code();
    let mut bob = Browser::new(&server);
    let page = bob.sign_in("bob", &stranger_authorization("openid")).await;
    page.assert_page(200, QUESTION);
}

#[tokio::test]
async fn claims_that_are_asked_for_by_name_are_asked_about_too() {
    let server = Server::start().await;
    let (mut browser, _) = allowed(&server, "openid").await;
    let request = stranger_authorization("openid").with("claims", "{\"userinfo\":{\"email\":null}}");
    let silent = request.clone().with("prompt", "none");
    browser
        .authorize(&silent)
        .await
        .assert_returned_error(&server, "consent_required");
    let page = browser.authorize(&request).await;
    page.assert_page(200, "see your e-mail address");
    browser.submit(&page, &ALLOW).await.code();
    browser.authorize(&silent).await.code();
}

#[tokio::test]
async fn what_is_not_allowed_is_told_to_the_client_and_not_remembered() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    let page = browser.sign_in("alice", &stranger_authorization(READ)).await;
    let answer = browser.submit(&page, &[("action", "cancel")]).await;
    answer.assert_returned_error(&server, "access_denied");
    let page = browser.authorize(&stranger_authorization(READ)).await;
    page.assert_page(200, QUESTION);
    let again = browser.submit(&page, &[("action", "nonsense")]).await;
    again.assert_page(200, QUESTION);
    let page = browser.submit(&page, &[("action", "switch")]).await;
    page.assert_page(200, "Sign in");
    // Signing in anew is no answer.
    browser.submit(&page, &TYPED).await.assert_page(200, QUESTION);
}

#[tokio::test]
async fn our_own_client_is_asked_about_when_it_wants_to_be() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    browser.sign_in("alice", &authorization()).await.code();
    let asking = authorization().with("prompt", "consent");
    for _ in 0..2 {
        let page = browser.authorize(&asking).await;
        page.assert_page(200, "Allow Notes &#38; &#60;Co&#62;?");
        browser.submit(&page, &ALLOW).await.code();
    }
    browser.authorize(&authorization()).await.code();
}

#[tokio::test]
async fn x_12_the_question_is_answered_by_whom_it_was_asked_in_that_browser_and_in_time() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    let page = browser.sign_in("alice", &stranger_authorization(READ)).await;

    let mut stranger = Browser::new(&server);
    let answer = stranger.submit(&page, &ALLOW).await;
    answer.assert_page(200, "Sign in");
    stranger.sign_in("alice", &authorization()).await.code();
    stranger.submit(&page, &ALLOW).await.assert_page(200, QUESTION);

    // Bob signs in in the same browser.
    let alices = browser.cookies.clone();
    let mut bob = Browser::new(&server);
    bob.cookies.clone_from(&browser.cookies);
    bob.cookies.remove("__Host-Http-signin");
    bob.sign_in("bob", &authorization()).await.code();
    assert_eq!(bob.cookies["__Host-Http-form"], alices["__Host-Http-form"]);
    bob.submit(&page, &ALLOW).await.assert_page(200, QUESTION);

    let question = Answer {
        status: page.status,
        headers: page.headers.clone(),
        body: page.body.replace("notes%3Aread", "notes%3Awrite"),
    };
    assert_ne!(question.body, page.body);
    browser.submit(&question, &ALLOW).await.assert_page(200, QUESTION);

    server.advance(30 * 60);
    let again = browser.submit(&page, &ALLOW).await;
    again.assert_page(200, QUESTION);
    server.advance(30 * 60 - 1);
    browser.submit(&again, &ALLOW).await.code();
}

#[tokio::test]
async fn the_question_comes_after_the_password_that_the_client_wanted_and_not_before_another() {
    let server = Server::start().await;
    for (name, value) in [("prompt", "login consent"), ("prompt", "login"), ("max_age", "0")] {
        let mut browser = Browser::new(&server);
        let request = stranger_authorization(READ).with(name, value);
        let page = browser.sign_in("bob", &request).await;
        page.assert_page(200, QUESTION);
        server.advance(5);
        let answer = browser.submit(&page, &ALLOW).await;
        exchanged(&server, &answer).await;
        browser.authorize(&request).await.assert_page(200, "Sign in");
        let database = server.open_database().await;
        sqlx::query("DELETE FROM consent")
            .execute(&database)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn an_answer_after_the_sign_out_allows_nothing() {
    let server = Server::start().await;
    let (mut browser, tokens) = allowed(&server, "openid").await;
    let page = browser.authorize(&stranger_authorization(READ)).await;
    page.assert_page(200, QUESTION);
    let cookies = browser.cookies.clone();
    let sign_out = format!("/end_session?id_token_hint={}", tokens.id_token);
    browser
        .get(&sign_out)
        .await
        .assert_page(200, "You are signed out");
    browser.cookies = cookies;
    browser.submit(&page, &ALLOW).await.assert_page(200, "Sign in");
    let again = browser.sign_in("alice", &stranger_authorization(READ)).await;
    again.assert_page(200, QUESTION);
}

#[tokio::test]
async fn a_program_on_a_device_is_asked_about_once_and_confirmed_always() {
    let server = Server::start().await;
    let request = authorization()
        .with("client_id", "gadget")
        .with("redirect_uri", "com.example.gadget:/callback")
        .with("scope", "openid notes:read");
    let mut browser = Browser::new(&server);
    let page = browser.sign_in("alice", &request).await;
    page.assert_page(200, "Allow gadget?");
    assert!(page.body.contains("a program on this device"));
    browser.submit(&page, &ALLOW).await.code();
    let confirm = browser.authorize(&request).await;
    confirm.assert_page(200, "Continue to gadget?");
    browser.submit(&confirm, &ALLOW).await.code();

    // The answer to one question is none to the other.
    let database = server.open_database().await;
    sqlx::query("DELETE FROM consent")
        .execute(&database)
        .await
        .unwrap();
    let answer = browser.submit(&confirm, &ALLOW).await;
    answer.assert_page(200, "Allow gadget?");
    browser.submit(&answer, &ALLOW).await.code();
}

/// What the page did not say is not had by what it led to, in whichever way.
#[tokio::test]
async fn an_api_that_is_registered_later_is_out_of_reach_of_what_was_allowed_before() {
    const REGISTERED: &str = "redirect_uris = [\"https://stranger.example/cb\"]\ngrants = [";
    let exchanging = format!("{REGISTERED}\"urn:ietf:params:oauth:grant-type:token-exchange\", ");
    let server = Server::start_with_apis().await;
    let server = server.restarted_with(REGISTERED, &exchanging).await;
    let (mut browser, asked) = allowed(&server, READ).await;
    let remembered = browser.authorize(&stranger_authorization(READ)).await;
    let remembered = exchanged(&server, &remembered).await;
    let on_its_way = browser.authorize(&stranger_authorization(READ)).await.code();
    let cookies = browser.cookies.clone();
    let files = format!("resources = [\"https://files.example\"]\n{REGISTERED}");
    let server = server.restarted_with(REGISTERED, &files).await;

    let audience = |tokens: &Tokens| peek(&tokens.access_token).1["aud"].clone();
    let mut code = exchange_form(&on_its_way).to_vec();
    code[2] = ("redirect_uri", "https://stranger.example/cb");
    code.push(("resource", "https://files.example"));
    let refused = server.token(STRANGER, &code).await;
    refused.assert_oauth_error(400, "invalid_target");
    for tokens in [&asked, &remembered] {
        let mut refresh = vec![
            ("grant_type", "refresh_token"),
            ("refresh_token", tokens.refresh_token.as_str()),
            ("resource", "https://files.example"),
        ];
        let refused = server.token(STRANGER, &refresh).await;
        refused.assert_oauth_error(400, "invalid_target");
        let exchange = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token", tokens.access_token.as_str()),
            (
                "subject_token_type",
                "urn:ietf:params:oauth:token-type:access_token",
            ),
            ("audience", "https://files.example"),
        ];
        let refused = server.token(STRANGER, &exchange).await;
        refused.assert_oauth_error(400, "invalid_target");
        refresh.pop();
        let kept = server.token(STRANGER, &refresh).await.tokens();
        assert_eq!(audience(&kept), audience(tokens));
    }

    let mut browser = Browser::new(&server);
    browser.cookies = cookies;
    let page = browser.authorize(&stranger_authorization(READ)).await;
    page.assert_page(200, QUESTION);
    assert!(page.body.contains("<strong>https://files.example</strong>"));
    let answer = browser.submit(&page, &ALLOW).await;
    let more = exchanged(&server, &answer).await;
    assert_eq!(audience(&more), audience(&asked), "the default one first");
    let refresh = [
        ("grant_type", "refresh_token"),
        ("refresh_token", more.refresh_token.as_str()),
        ("resource", "https://files.example"),
    ];
    let files = server.token(STRANGER, &refresh).await.tokens();
    assert_eq!(audience(&files), "https://files.example");
}

#[tokio::test]
async fn many_answers_at_once_all_count_and_are_remembered_once() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    let page = browser.sign_in("alice", &stranger_authorization(READ)).await;
    let answers = join_all((0..20).map(|_| {
        let mut tab = Browser::new(&server);
        tab.cookies.clone_from(&browser.cookies);
        let page = &page;
        async move { tab.submit(page, &ALLOW).await }
    }))
    .await;
    for answer in &answers {
        answer.code();
    }
    let database = server.open_database().await;
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM consent")
        .fetch_one(&database)
        .await
        .unwrap();
    assert_eq!(rows, 3, "one for each scope");
}

/// Claims by name are asked about like the scopes that bring them.
#[tokio::test]
async fn claims_that_are_asked_for_by_name_are_asked_about() {
    let server = Server::start().await;
    let (mut browser, _) = allowed(&server, "openid offline_access").await;
    let silent = stranger_authorization("openid offline_access");
    browser.authorize(&silent).await.code();
    let more = silent.with("claims", r#"{"id_token": {"email": null}}"#);
    let page = browser.authorize(&more).await;
    page.assert_page(200, QUESTION);
    assert!(page.body.contains("e-mail"), "{}", page.body);
    let answer = browser.submit(&page, &ALLOW).await;
    let told = peek(&exchanged(&server, &answer).await.id_token).1;
    assert_eq!(told["email"], "alice@example.com");
}

#[tokio::test]
async fn of_two_answers_to_a_pushed_request_one_brings_a_code() {
    let server = Server::start().await;
    let request = stranger_authorization(READ);
    let form: Vec<_> = request
        .form()
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let pushed = server.call("/par", STRANGER, &form).await.json();
    let path = format!(
        "/authorize?client_id=stranger&request_uri={}",
        pushed["request_uri"].as_str().unwrap()
    );
    let mut browser = Browser::new(&server);
    let page = browser.get(&path).await;
    let question = browser.submit(&page, &TYPED).await;
    question.assert_page(200, QUESTION);
    assert!(!question.body.contains("code_challenge"));
    let again = browser.get(&path).await;
    again.assert_page(200, QUESTION);
    let answer = browser.submit(&question, &ALLOW).await;
    exchanged(&server, &answer).await;
    let late = browser.submit(&again, &ALLOW).await;
    late.assert_page(400, "This link is no longer good");
}
