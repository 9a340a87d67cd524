//! Signing out: here first, then at the provider.

use e2e::browser::{Answer, Browser};
use e2e::on_every_store;
use e2e::on_every_store_and_provider;
use e2e::on_one_store;
use e2e::stack::{Deployment, SESSION_COOKIE, Stack};
use e2e::wait::eventually;
use http::Method;
use url::Url;

use crate::claims;

const LOGOUT_COOKIE: &str = "__Host-Http-logout";

async fn sign_out(browser: &Browser) -> Answer {
    browser.fetch("/bff/logout").method(Method::POST).await
}

/// Presents a ticket that was stolen earlier.
async fn assert_dead(stack: &Stack, ticket: &str) {
    let thief = stack.browser();
    thief.plant(SESSION_COOKIE, ticket);
    thief
        .fetch("/bff/user")
        .await
        .assert_problem(401, "session-required");
    thief
        .fetch("/api/notes")
        .await
        .assert_problem(401, "session-required");
}

async fn assert_revoked(stack: &Stack, refresh_token: &str) {
    let revoke = stack.endpoints().revoke;
    eventually("the refresh token is revoked", || async {
        let revocations = stack.provider().exchanges_at(revoke);
        let told = revocations
            .iter()
            .find(|exchange| exchange.form("token") == Some(refresh_token))?;
        (told.status? == 200).then_some(())
    })
    .await;
    let (status, answer) = stack.present_refresh_token(refresh_token).await;
    assert_eq!((status, &answer["error"]), (400, &"invalid_grant".into()));
}

/// (62, 71, 80, 87)
async fn a_page_signs_the_user_out_for_good(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let ticket = browser.session_cookie().expect("signed in");
    let refresh_token = stack.newest_refresh_token();

    let signed_out = sign_out(&browser).await;

    signed_out.assert_status(200);
    assert_eq!(signed_out.header("clear-site-data"), Some("\"cache\""));
    assert!(
        signed_out
            .header("cache-control")
            .is_some_and(|value| value.contains("no-store"))
    );
    assert_eq!(browser.session_cookie(), None);
    browser
        .fetch("/bff/user")
        .await
        .assert_problem(401, "session-required");
    assert_dead(&stack, &ticket).await;
    assert_revoked(&stack, &refresh_token).await;
    // On to the provider, which asks, and back.
    let onward = signed_out.json()["redirect_to"]
        .as_str()
        .expect("the provider has a logout")
        .to_owned();
    assert_onward(&stack, &browser, &Url::parse(&onward).unwrap());
    sign_out_at_the_provider(&stack, &browser, &onward).await;
    let page = browser.visit("/bff/login").await;
    assert!(
        page.sign_in_form().is_some(),
        "the provider has forgotten the user: {}",
        page.summary()
    );
}

fn assert_onward(stack: &Stack, browser: &Browser, onward: &Url) {
    assert!(onward.as_str().starts_with(stack.provider().url()), "{onward}");
    assert_eq!(onward.path(), stack.endpoints().end_session);
    let parameter = |name: &str| {
        onward
            .query_pairs()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    };
    assert_eq!(
        parameter("post_logout_redirect_uri").as_deref(),
        Some(browser.app().join("bff/logout/callback").unwrap().as_str())
    );
    assert!(
        parameter("state").is_some_and(|state| state.len() >= 43),
        "{onward}"
    );
    assert!(
        parameter("client_id").is_some() && parameter("id_token_hint").is_none(),
        "{onward}"
    );
}

async fn sign_out_at_the_provider(stack: &Stack, browser: &Browser, onward: &str) {
    let question = browser.follow(onward).await;
    assert!(
        question.url.as_str().starts_with(stack.provider().url()),
        "{}",
        question.summary()
    );
    let form = question
        .forms()
        .into_iter()
        .next()
        .expect("the provider asks first");
    let back = browser.submit(&question, &form, &["sign out", "yes"]).await;
    let came_by = |path: &str| back.hops.iter().any(|hop| hop.path() == path);
    assert!(came_by("/bff/logout/callback"), "{:?}", back.hops);
    assert!(
        !browser
            .cookies()
            .iter()
            .any(|cookie| cookie.name == LOGOUT_COOKIE)
    );
    assert_eq!(back.url.path(), "/", "{}", back.summary());
    assert_eq!(back.url.origin(), browser.app().origin(), "{}", back.summary());
}

async fn a_link_signs_the_user_out(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let ticket = browser.session_cookie().expect("signed in");
    let user = claims(&browser.fetch("/bff/user").await);
    let logout_url = user["bff:logout_url"].as_str().expect("a logout address");

    let question = browser.follow(logout_url).await;

    assert!(
        question.url.as_str().starts_with(stack.provider().url()),
        "{}",
        question.summary()
    );
    assert_eq!(browser.session_cookie(), None);
    assert_dead(&stack, &ticket).await;
    // Reloading the page that led here does no harm.
    let again = browser.follow(logout_url).await;
    assert!(again.status < 500, "{}", again.summary());
}

/// (31)
async fn nobody_else_signs_the_user_out(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let ticket = browser.session_cookie();
    let user = claims(&browser.fetch("/bff/user").await);
    let sid = user["bff:logout_url"]
        .as_str()
        .unwrap()
        .split_once("sid=")
        .expect("a sid")
        .1
        .to_owned();
    let still_signed_in = async |what: &str| {
        assert_eq!(browser.session_cookie(), ticket, "{what}");
        browser.fetch("/bff/user").await.assert_status(200);
    };

    browser.follow_from("https://evil.example/", "/bff/logout").await;
    still_signed_in("a link on another site").await;
    browser
        .follow_from("https://evil.example/", "/bff/logout?sid=guessed")
        .await;
    still_signed_in("a link with a guess").await;
    // An image: no navigation, no cookie.
    let image = browser
        .fetch("/bff/logout")
        .by_page("https://evil.example/")
        .without("x-csrf");
    image
        .header("sec-fetch-mode", "no-cors")
        .header("sec-fetch-dest", "image")
        .await;
    still_signed_in("an image on another site").await;

    for wrong in [
        "/bff/logout",
        "/bff/logout?sid=",
        "/bff/logout?sid=wrong",
        &format!("/bff/logout?sid={sid}x"),
    ] {
        let refused = browser.follow(wrong).await;
        refused.assert_status(400);
        assert!(
            !refused.text().contains(&sid),
            "the refusal quotes the right sid: {}",
            refused.summary()
        );
        let headers = format!("{:?}", refused.headers);
        assert!(
            !headers.contains(&sid),
            "the refusal quotes the right sid: {headers}"
        );
        still_signed_in(wrong).await;
    }
    let problem = browser
        .fetch("/bff/logout?sid=wrong")
        .header("sec-fetch-mode", "navigate")
        .await;
    problem.assert_problem(400, "wrong-sid");
}

/// (71)
async fn a_return_that_nobody_began_leads_to_the_front_page_and_changes_nothing(deployment: Deployment) {
    let stack = deployment.start().await;
    let (leaving, staying) = (
        stack.browser_logged_in_as("alice").await,
        stack.browser_logged_in_as("bob").await,
    );
    let onward = sign_out(&leaving).await.json()["redirect_to"]
        .as_str()
        .unwrap()
        .to_owned();
    let state = Url::parse(&onward).unwrap();
    let state = state
        .query_pairs()
        .find(|(name, _)| name == "state")
        .unwrap()
        .1
        .into_owned();
    let waits = |browser: &Browser| {
        browser
            .cookies()
            .iter()
            .any(|cookie| cookie.name == LOGOUT_COOKIE)
    };
    assert!(waits(&leaving));

    for query in [
        String::new(),
        "?state=".to_owned(),
        "?state=wrong".to_owned(),
        format!("?state={state}&state={state}"),
        "?state=wrong&post_logout_redirect_uri=https://evil.example/&returnUrl=//evil.example".to_owned(),
    ] {
        let back = leaving
            .follow_from("https://evil.example/", &format!("/bff/logout/callback{query}"))
            .await;
        assert_eq!(back.url, *leaving.app(), "{}", back.summary());
        assert!(waits(&leaving), "{query}");
    }
    // The right state in another browser, which is signed in.
    let session = staying.session_cookie();
    let back = staying
        .visit(&format!("/bff/logout/callback?state={state}"))
        .await;
    assert_eq!((&back.url, staying.session_cookie()), (staying.app(), session));
    staying.fetch("/bff/user").await.assert_status(200);

    leaving
        .visit(&format!("/bff/logout/callback?state={state}"))
        .await;
    assert!(!waits(&leaving));
}

/// (79)
async fn signing_out_works_while_the_provider_is_down(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let ticket = browser.session_cookie().expect("signed in");
    stack.stop_provider().await;

    sign_out(&browser).await.assert_status(200);

    assert_eq!(browser.session_cookie(), None);
    assert_dead(&stack, &ticket).await;
}

async fn signing_out_without_a_session_is_no_fault(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser();

    sign_out(&browser).await.assert_status(200);
    let landed = browser.visit("/bff/logout").await;

    assert_eq!(landed.url, *browser.app());
    assert!(stack.provider().exchanges_at(stack.endpoints().revoke).is_empty());
}

async fn signing_out_in_one_browser_leaves_the_other(deployment: Deployment) {
    let stack = deployment.start().await;
    let (laptop, phone) = (
        stack.browser_logged_in_as("alice").await,
        stack.browser_logged_in_as("alice").await,
    );

    sign_out(&laptop).await.assert_status(200);

    laptop
        .fetch("/bff/user")
        .await
        .assert_problem(401, "session-required");
    phone.fetch("/api/notes").await.assert_status(200);
    stack.let_access_tokens_expire().await;
    phone.fetch("/api/notes").await.assert_status(200);
}

/// (59) The provider has rotated already; its answer arrives after the logout.
async fn logout_wins_over_a_refresh_whose_answer_is_on_its_way(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let ticket = browser.session_cookie().expect("signed in");
    let first = stack.newest_refresh_token();
    stack.let_access_tokens_expire().await;
    let gate = stack.provider().hold_answer(stack.endpoints().token);
    let call = browser.fetch("/api/notes").spawn();
    gate.reached().await;

    sign_out(&browser).await.assert_status(200);
    gate.open();

    call.await.unwrap().assert_problem(401, "session-required");
    assert_dead(&stack, &ticket).await;
    let brought_home = stack.newest_refresh_token();
    assert_ne!(first, brought_home);
    assert_revoked(&stack, &brought_home).await;
    assert!(
        stack.upstream().received().is_empty(),
        "the new access token was used"
    );
}

/// (59) The refresh is still on its way to the provider.
async fn logout_wins_over_a_refresh_that_has_not_arrived(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let ticket = browser.session_cookie().expect("signed in");
    stack.let_access_tokens_expire().await;
    let gate = stack.provider().hold(stack.endpoints().token);
    let call = browser.fetch("/api/notes").spawn();
    gate.reached().await;

    sign_out(&browser).await.assert_status(200);
    gate.open();

    call.await.unwrap().assert_problem(401, "session-required");
    assert_dead(&stack, &ticket).await;
    assert!(stack.upstream().received().is_empty());
}

on_every_store_and_provider!(
    a_page_signs_the_user_out_for_good,
    a_link_signs_the_user_out,
    logout_wins_over_a_refresh_whose_answer_is_on_its_way,
    logout_wins_over_a_refresh_that_has_not_arrived,
    signing_out_works_while_the_provider_is_down,
);
on_every_store!(nobody_else_signs_the_user_out);
on_one_store!(
    a_return_that_nobody_began_leads_to_the_front_page_and_changes_nothing,
    signing_out_without_a_session_is_no_fault,
    signing_out_in_one_browser_leaves_the_other,
);
