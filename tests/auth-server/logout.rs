use futures_util::future::{join, join_all, join3};
use reqwest::Method;

use crate::harness::{Answer, BFF, Browser, OTHER, Server, Tokens, authorization, exchange_form};

const RETURN: &str = "https://bff.example/";

fn end_session(parameters: &[(&str, &str)]) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(parameters)
        .finish();
    format!("/end_session?{query}")
}

async fn signed_in(server: &Server) -> (Browser<'_>, Tokens) {
    let mut browser = Browser::new(server);
    let code = browser.sign_in("alice", &authorization()).await.code();
    let tokens = server.exchange(&code).await.tokens();
    (browser, tokens)
}

async fn is_signed_in(browser: &mut Browser<'_>) -> bool {
    let answer = browser.authorize(&authorization().with("prompt", "none")).await;
    answer.returned("code").is_some()
}

async fn ask(browser: &mut Browser<'_>) -> Answer {
    let parameters = [
        ("client_id", "bff"),
        ("post_logout_redirect_uri", RETURN),
        ("state", "a&b"),
    ];
    let page = browser.get(&end_session(&parameters)).await;
    page.assert_page(200, "Sign out?");
    page
}

#[tokio::test]
async fn logout_1_a_hint_of_this_session_ends_it_and_leads_back() {
    let server = Server::start().await;
    let (mut browser, tokens) = signed_in(&server).await;
    server.advance(3600); // The ID token has expired long since.
    let parameters = [
        ("id_token_hint", tokens.id_token.as_str()),
        ("post_logout_redirect_uri", RETURN),
        ("state", "a&b"),
    ];
    let answer = browser.get(&end_session(&parameters)).await;
    assert_eq!(answer.location().as_str(), "https://bff.example/?state=a%26b");
    assert_eq!(browser.session_cookie(), None);
    assert!(!is_signed_in(&mut browser).await);
}

#[tokio::test]
async fn logout_2_other_addresses_are_never_redirected_to() {
    let server = Server::start().await;
    let (mut browser, tokens) = signed_in(&server).await;
    let hint = ("id_token_hint", tokens.id_token.as_str());
    for uri in [
        "https://evil.example/",
        "https://bff.example/x",
        "https://bff.example",
        "javascript:alert(1)",
    ] {
        let address = ("post_logout_redirect_uri", uri);
        let answer = browser.get(&end_session(&[hint, address])).await;
        answer.assert_page(400, "cannot be followed");
        for who in [("client_id", "bff"), ("x", "y")] {
            let answer = browser.get(&end_session(&[who, address])).await;
            answer.assert_page(200, "Sign out?");
            assert!(!answer.header("content-security-policy").contains("evil"));
        }
    }
    assert!(is_signed_in(&mut browser).await);
}

#[tokio::test]
async fn logout_3_an_address_that_nobody_vouches_for_does_not_keep_anybody_signed_in() {
    let server = Server::start().await;
    let registered_for_nobody = end_session(&[("post_logout_redirect_uri", RETURN), ("state", "s")]);
    let unregistered = end_session(&[
        ("client_id", "bff"),
        ("post_logout_redirect_uri", "https://x.example/"),
    ]);
    for path in [registered_for_nobody, unregistered] {
        let (mut browser, tokens) = signed_in(&server).await;
        let page = browser.get(&path).await;
        page.assert_page(200, "Sign out?");
        let gone = browser.submit(&page, &[("action", "sign-out")]).await;
        gone.assert_page(200, "You are signed out");
        assert!(!is_signed_in(&mut browser).await);
        server
            .refresh(&tokens.refresh_token)
            .await
            .assert_oauth_error(400, "invalid_grant");
        browser.get(&path).await.assert_page(200, "You are signed out");
    }
}

#[tokio::test]
async fn logout_3_without_a_hint_the_person_is_asked() {
    let server = Server::start().await;
    let (mut browser, _) = signed_in(&server).await;
    browser.get("/end_session").await.assert_page(200, "Sign out?");
    let page = ask(&mut browser).await;
    assert!(is_signed_in(&mut browser).await);

    let stay = browser.submit(&page, &[("action", "stay")]).await;
    stay.assert_page(200, "You are still signed in");
    assert!(is_signed_in(&mut browser).await);

    let page = ask(&mut browser).await;
    let gone = browser.submit(&page, &[("action", "sign-out")]).await;
    assert_eq!(gone.location().as_str(), "https://bff.example/?state=a%26b");
    assert!(!is_signed_in(&mut browser).await);
}

#[tokio::test]
async fn logout_3_an_answer_that_is_not_from_our_page_counts_for_nothing() {
    let server = Server::start().await;
    let (mut browser, _) = signed_in(&server).await;
    let page = ask(&mut browser).await;
    let forged = server
        .request(Method::POST, "/sign-out")
        .form(&[("request", "client_id=bff"), ("action", "sign-out")]);
    browser.send(forged).await.assert_page(200, "Sign out?");
    browser.cookies.remove("__Host-Http-form");
    browser
        .submit(&page, &[("action", "sign-out")])
        .await
        .assert_page(200, "Sign out?");
    assert!(is_signed_in(&mut browser).await);
}

#[tokio::test]
async fn logout_4_a_hint_that_is_not_genuine_leads_nowhere() {
    let server = Server::start().await;
    let (mut browser, tokens) = signed_in(&server).await;
    let (unsigned, _) = tokens.id_token.rsplit_once('.').unwrap();
    for hint in [
        &format!("{unsigned}.AAAA"),
        &format!("{unsigned}."),
        &tokens.access_token,
        "x",
    ] {
        let parameters = [("id_token_hint", hint), ("post_logout_redirect_uri", RETURN)];
        browser
            .get(&end_session(&parameters))
            .await
            .assert_page(400, "cannot be followed");
    }
    let parameters = [("id_token_hint", tokens.id_token.as_str()), ("client_id", "app")];
    browser
        .get(&end_session(&parameters))
        .await
        .assert_page(400, "another application");
    assert!(is_signed_in(&mut browser).await);
}

#[tokio::test]
async fn logout_5_refresh_tokens_and_codes_of_the_session_end_with_it() {
    let server = Server::start().await;
    let (mut browser, tokens) = signed_in(&server).await;
    let in_flight = browser.authorize(&authorization()).await.code();
    let elsewhere = server.tokens().await;
    let page = ask(&mut browser).await;
    browser.submit(&page, &[("action", "sign-out")]).await.location();

    server
        .refresh(&tokens.refresh_token)
        .await
        .assert_oauth_error(400, "invalid_grant");
    server
        .token(BFF, &exchange_form(&in_flight))
        .await
        .assert_oauth_error(400, "invalid_grant");
    assert_eq!(server.user_info(&tokens.access_token).await.status, 401);
    assert_eq!(
        server.refresh(&elsewhere.refresh_token).await.status,
        200,
        "another browser's stays"
    );
}

#[tokio::test]
async fn a_hint_of_another_session_needs_the_question() {
    let server = Server::start().await;
    let (mut browser, _) = signed_in(&server).await;
    let other = server.tokens().await;
    let page = browser
        .get(&end_session(&[("id_token_hint", other.id_token.as_str())]))
        .await;
    page.assert_page(200, "Sign out?");
}

#[tokio::test]
async fn a_hint_from_a_browser_where_nobody_is_signed_in_ends_no_session_elsewhere() {
    let server = Server::start().await;
    let (mut browser, tokens) = signed_in(&server).await;
    let in_flight = browser.authorize(&authorization()).await.code();
    let parameters = [
        ("id_token_hint", tokens.id_token.as_str()),
        ("post_logout_redirect_uri", RETURN),
    ];
    // A link, and an image on another site: `SameSite=Lax` cookies stay behind there.
    for site in ["none", "cross-site"] {
        let request = server.request(Method::GET, &end_session(&parameters));
        let answer = server.send(request.header("sec-fetch-site", site)).await;
        assert_eq!(answer.location().as_str(), RETURN);
    }
    let posted = server.request(Method::POST, "/end_session").form(&parameters);
    assert_eq!(server.send(posted).await.location().as_str(), RETURN);

    assert!(is_signed_in(&mut browser).await);
    assert_eq!(server.user_info(&tokens.access_token).await.status, 200);
    assert_eq!(server.refresh(&tokens.refresh_token).await.status, 200);
    server.exchange(&in_flight).await.tokens();
}

#[tokio::test]
async fn parameters_that_come_twice_are_followed_by_nobody() {
    let server = Server::start().await;
    let (mut browser, tokens) = signed_in(&server).await;
    let hint = ("id_token_hint", tokens.id_token.as_str());
    let (good, evil) = (
        ("post_logout_redirect_uri", RETURN),
        ("post_logout_redirect_uri", "https://evil.example/"),
    );
    let polluted = [
        vec![hint, hint],
        vec![hint, ("id_token_hint", "")],
        vec![("id_token_hint", "x"), hint, good],
        vec![hint, good, evil],
        vec![hint, evil, good],
        vec![hint, good, ("client_id", "bff"), ("client_id", "app")],
        vec![hint, good, ("state", "a"), ("state", "b")],
        vec![hint, good, ("x", "a"), ("x", "a")],
    ];
    for parameters in &polluted {
        let answer = browser.get(&end_session(parameters)).await;
        answer.assert_page(400, "more than once");
        let posted = server.request(Method::POST, "/end_session").form(parameters);
        browser.send(posted).await.assert_page(400, "more than once");
    }
    let page = ask(&mut browser).await;
    for fields in [
        [("action", "stay"), ("action", "sign-out")],
        [("action", "sign-out"), ("request", "client_id=app")],
        [("action", "sign-out"), ("form_token", "x")],
        [("x", "y"), ("z", "")],
    ] {
        browser.submit(&page, &fields).await.assert_page(200, "Sign out?");
    }
    assert!(is_signed_in(&mut browser).await);

    // What a form says does not mix with the query.
    let path = end_session(&[evil, ("state", "evil"), ("client_id", "app")]);
    let posted = server.request(Method::POST, &path).form(&[hint, good]);
    assert_eq!(browser.send(posted).await.location().as_str(), RETURN);
}

#[tokio::test]
async fn after_a_logout_no_token_of_its_session_works_however_it_met_a_refresh() {
    let server = Server::start().await;
    let mut pairs = Vec::new();
    for index in 0..50 {
        let (browser, tokens) = signed_in(&server).await;
        pairs.push(log_out_during_a_refresh(&server, browser, tokens, index % 2 == 0));
    }
    join_all(pairs).await;
}

async fn log_out_during_a_refresh(
    server: &Server,
    mut browser: Browser<'_>,
    tokens: Tokens,
    refresh_first: bool,
) {
    let sign_out = end_session(&[("id_token_hint", tokens.id_token.as_str())]);
    let refresh = server.refresh(&tokens.refresh_token);
    let (refreshed, gone) = if refresh_first {
        join(refresh, browser.get(&sign_out)).await
    } else {
        let (gone, refreshed) = join(browser.get(&sign_out), refresh).await;
        (refreshed, gone)
    };
    gone.assert_page(200, "You are signed out");
    let mut dead = vec![tokens];
    if refreshed.status == 200 {
        dead.push(refreshed.tokens());
    } else {
        refreshed.assert_oauth_error(400, "invalid_grant");
    }
    for tokens in dead {
        let again = server.refresh(&tokens.refresh_token).await;
        again.assert_oauth_error(400, "invalid_grant");
        assert_eq!(server.user_info(&tokens.access_token).await.status, 401);
    }
    assert!(!is_signed_in(&mut browser).await);
}

#[tokio::test]
async fn without_a_session_there_is_nothing_to_ask() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    browser
        .get("/end_session")
        .await
        .assert_page(200, "You are signed out");
    let parameters = [("client_id", "bff"), ("post_logout_redirect_uri", RETURN)];
    assert_eq!(
        browser.get(&end_session(&parameters)).await.location().as_str(),
        RETURN
    );
}

#[tokio::test]
async fn a_logout_may_be_posted() {
    let server = Server::start().await;
    let (mut browser, tokens) = signed_in(&server).await;
    let form = [
        ("id_token_hint", tokens.id_token.as_str()),
        ("post_logout_redirect_uri", RETURN),
    ];
    // A form on the client's site: the browser keeps its `SameSite=Lax` cookies back.
    let posted = server
        .request(Method::POST, "/end_session")
        .header("sec-fetch-site", "cross-site")
        .form(&form);
    let navigation = server.send(posted).await.location();
    assert_eq!(navigation.as_str(), server.public_url(&end_session(&form)));
    assert!(is_signed_in(&mut browser).await);

    let path = format!("{}?{}", navigation.path(), navigation.query().unwrap());
    assert_eq!(browser.get(&path).await.location().as_str(), RETURN);
    assert!(!is_signed_in(&mut browser).await);
}

#[tokio::test]
async fn a_logout_posted_with_the_cookie_is_followed_at_once() {
    let server = Server::start().await;
    let (mut browser, tokens) = signed_in(&server).await;
    let form = [
        ("id_token_hint", tokens.id_token.as_str()),
        ("post_logout_redirect_uri", RETURN),
    ];
    let posted = server.request(Method::POST, "/end_session").form(&form);
    assert_eq!(browser.send(posted).await.location().as_str(), RETURN);
    assert!(!is_signed_in(&mut browser).await);
}

#[tokio::test]
async fn a_posted_logout_that_cannot_be_followed_is_not_repeated() {
    let server = Server::start().await;
    let posted = server
        .request(Method::POST, "/end_session")
        .header("sec-fetch-site", "cross-site")
        .form(&[("client_id", "nobody")]);
    server.send(posted).await.assert_page(400, "cannot be followed");
}

#[tokio::test]
async fn a_hint_ends_the_refresh_tokens_that_outlived_their_session() {
    let server = Server::start().await;
    let (mut browser, tokens) = signed_in(&server).await;
    let elsewhere = server.tokens().await;
    let request = authorization().with("client_id", "other: 100%");
    let code = browser
        .authorize(&request.with("scope", "openid offline_access"))
        .await
        .code();
    let others = server.token(OTHER, &exchange_form(&code)).await.tokens();
    server.advance(25 * 3600);
    assert!(!is_signed_in(&mut browser).await);
    let tokens = server.refresh(&tokens.refresh_token).await.tokens();

    let parameters = [
        ("id_token_hint", tokens.id_token.as_str()),
        ("post_logout_redirect_uri", RETURN),
    ];
    let answer = browser.get(&end_session(&parameters)).await;
    assert_eq!(answer.location().as_str(), RETURN);
    server
        .refresh(&tokens.refresh_token)
        .await
        .assert_oauth_error(400, "invalid_grant");
    assert_eq!(server.user_info(&tokens.access_token).await.status, 401);
    assert_eq!(server.refresh(&elsewhere.refresh_token).await.status, 200);
    let refresh = [
        ("grant_type", "refresh_token"),
        ("refresh_token", others.refresh_token.as_str()),
    ];
    assert_eq!(
        server.token(OTHER, &refresh).await.status,
        200,
        "another client's stays"
    );
}

#[tokio::test]
async fn no_code_issued_during_a_sign_out_survives_it() {
    let server = Server::start().await;
    let silent = authorization().with("prompt", "none");
    for _ in 0..5 {
        let (mut browser, tokens) = signed_in(&server).await;
        let cookies = browser.cookies.clone();
        let authorize = |_| {
            let mut tab = Browser::new(&server);
            tab.cookies.clone_from(&cookies);
            let silent = &silent;
            async move { tab.authorize(silent).await }
        };
        let sign_out = end_session(&[("id_token_hint", tokens.id_token.as_str())]);
        let (answers, _, more) = join3(
            join_all((0..20).map(authorize)),
            async {
                browser
                    .get(&sign_out)
                    .await
                    .assert_page(200, "You are signed out");
            },
            join_all((0..40).map(authorize)),
        )
        .await;
        for answer in answers.iter().chain(&more) {
            match answer.returned("code") {
                Some(code) => server
                    .exchange(&code)
                    .await
                    .assert_oauth_error(400, "invalid_grant"),
                None => answer.assert_returned_error(&server, "login_required"),
            }
        }
    }
}
