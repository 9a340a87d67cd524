//! The provider says that somebody has signed out, and nobody else can.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use e2e::browser::Browser;
use e2e::on_every_store;
use e2e::on_one_store;
use e2e::on_redis;
use e2e::relay::Instead;
use e2e::signer::Signer;
use e2e::stack::{Deployment, Stack};
use e2e::wait::eventually;
use resource_server::time::Clock as _;
use serde_json::{Value, json};

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
const FORM: &str = "application/x-www-form-urlencoded";

/// `sub` and `sid` of the sign-in that was completed last.
pub(crate) fn newest_identity(stack: &Stack) -> (String, String) {
    let exchanges = stack.provider().exchanges();
    let id_token = exchanges
        .iter()
        .rev()
        .find_map(|exchange| exchange.answered("id_token"))
        .expect("somebody signed in");
    let payload = id_token.split('.').nth(1).expect("a JWT has claims");
    let claims: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    let text = |name: &str| claims[name].as_str().expect("a text").to_owned();
    (text("sub"), text("sid"))
}

/// A stack whose provider signs with our key from now on.
async fn with_our_key(stack: &Stack) -> Signer {
    let signer = Signer::generate();
    stack
        .provider()
        .instead(stack.endpoints().jwks, Instead::Status(200, signer.key_set()));
    // A key that is not known yet is asked for once in ten seconds.
    stack.advance(Duration::from_secs(15)).await;
    signer
}

/// A stack whose provider signs with its own key and with ours.
async fn with_our_key_beside_theirs(stack: &Stack) -> Signer {
    let signer = Signer::generate();
    let jwks = format!("{}{}", stack.provider().url(), stack.endpoints().jwks);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let theirs: Value = client.get(jwks).send().await.unwrap().json().await.unwrap();
    let both = signer.key_set_beside(theirs["keys"].as_array().unwrap());
    stack
        .provider()
        .instead(stack.endpoints().jwks, Instead::Status(200, both));
    stack.advance(Duration::from_secs(15)).await;
    signer
}

fn claims(stack: &Stack, jti: &str, who: &Value) -> Value {
    let now = stack.clock().now().as_secs();
    let mut claims = json!({
        "iss": stack.provider().url(), "aud": "web", "iat": now, "exp": now + 120, "jti": jti, "events": {EVENT: {}},
    });
    let members = claims.as_object_mut().unwrap();
    members.extend(who.as_object().unwrap().clone());
    claims
}

async fn post(stack: &Stack, content_type: &str, body: String) -> (u16, Value) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client
        .post(format!("http://{}/bff/backchannel", stack.bff_address()))
        .header("content-type", content_type)
        .body(body.clone());
    let answer = request.send().await.expect("the BFF answers");
    let status = answer.status().as_u16();
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert!(!answer.headers().contains_key("set-cookie"));
    assert_eq!(answer.headers().contains_key("retry-after"), status == 503);
    let text = answer.text().await.unwrap();
    assert!(!text.contains("eyJ"), "the answer quotes a token: {text}");
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

async fn send(stack: &Stack, token: &str) -> u16 {
    let (status, answer) = post(stack, FORM, format!("logout_token={token}")).await;
    match status {
        200 => assert_eq!(answer, Value::Null),
        400 => assert_eq!(answer["error"], "invalid_request"),
        503 => assert_eq!(answer["error"], "temporarily_unavailable"),
        other => panic!("{other}: {answer}"),
    }
    status
}

async fn assert_lives(browser: &Browser) {
    browser.fetch("/bff/user").await.assert_status(200);
}

async fn assert_over(browser: &Browser) {
    browser
        .fetch("/bff/user")
        .await
        .assert_problem(401, "session-required");
}

/// (72, 74, 75, 76) npm `oidc-provider` is the sender.
async fn signing_out_at_the_provider_ends_the_session_here(deployment: Deployment) {
    let stack = deployment.and_foreign_provider().start().await;
    let (laptop, phone) = (
        stack.browser_logged_in_as("alice").await,
        stack.browser_logged_in_as("alice").await,
    );
    let end_session = format!("{}{}", stack.provider().url(), stack.endpoints().end_session);

    let question = laptop.visit(&end_session).await;
    let form = question
        .forms()
        .into_iter()
        .next()
        .expect("the provider asks first");
    laptop.submit(&question, &form, &["sign out", "yes"]).await;

    assert_over(&laptop).await;
    assert_lives(&phone).await;
}

/// (72, 76)
async fn a_logout_ends_whom_it_names_and_nobody_else(deployment: Deployment) {
    let stack = deployment.start().await;
    let laptop = stack.browser_logged_in_as("alice").await;
    let (alice, laptop_sid) = newest_identity(&stack);
    let phone = stack.browser_logged_in_as("alice").await;
    let (_, phone_sid) = newest_identity(&stack);
    let bobs = stack.browser_logged_in_as("bob").await;
    let (_, bobs_sid) = newest_identity(&stack);
    let signer = with_our_key(&stack).await;
    let log_out = async |jti: &str, who: Value| {
        let token = signer.sign(&signer.header("logout+jwt"), &claims(&stack, jti, &who));
        assert_eq!(send(&stack, &token).await, 200, "{who}");
    };

    // Nobody: an unknown session, and a session that is not that user's.
    log_out("j1", json!({"sid": "unknown"})).await;
    log_out("j2", json!({"sub": alice, "sid": bobs_sid})).await;
    for browser in [&laptop, &phone, &bobs] {
        assert_lives(browser).await;
    }
    log_out("j3", json!({"sid": laptop_sid})).await;
    assert_over(&laptop).await;
    assert_lives(&phone).await;
    log_out("j4", json!({"sub": alice, "sid": phone_sid})).await;
    assert_over(&phone).await;
    assert_lives(&bobs).await;
}

async fn a_logout_of_a_user_ends_all_their_sessions(deployment: Deployment) {
    let stack = deployment.start().await;
    let bobs = stack.browser_logged_in_as("bob").await;
    let alices = [
        stack.browser_logged_in_as("alice").await,
        stack.browser_logged_in_as("alice").await,
    ];
    let (alice, _) = newest_identity(&stack);
    let signer = with_our_key(&stack).await;

    // Typed as providers did it before the type had a name.
    let token = signer.sign(
        &signer.header("JWT"),
        &claims(&stack, "j1", &json!({"sub": alice})),
    );
    assert_eq!(send(&stack, &token).await, 200);

    for browser in &alices {
        assert_over(browser).await;
    }
    assert_lives(&bobs).await;
}

/// The provider signs a user out while their login is on its way here: the ID token is issued, the session not yet stored.
async fn a_login_on_its_way_does_not_outlive_its_logout(deployment: Deployment) {
    let stack = deployment.start().await;
    let signer = with_our_key_beside_theirs(&stack).await;
    for (jti, names) in [("j1", &["sid"][..]), ("j2", &["sub"]), ("j3", &["sub", "sid"])] {
        let browser = stack.browser();
        let user = stack.user("alice");
        let page = browser.visit("/bff/login").await;
        let form = page.sign_in_form().unwrap().fill_in(&user.name, &user.password);
        let callback = browser.submit_until_callback(&page, &form, &[]).await;
        let gate = stack.provider().hold_answer(stack.endpoints().token);
        let arriving = browser.clone();
        let arrived = tokio::spawn(async move { arriving.visit(callback.as_str()).await });
        gate.reached().await;

        let (sub, sid) = newest_identity(&stack);
        let mut who = json!({"sub": sub, "sid": sid});
        who.as_object_mut()
            .unwrap()
            .retain(|name, _| names.contains(&name.as_str()));
        let token = signer.sign(&signer.header("logout+jwt"), &claims(&stack, jti, &who));
        assert_eq!(send(&stack, &token).await, 200);
        let refresh_token = stack.newest_refresh_token();
        gate.open();

        arrived.await.unwrap().assert_status(400);
        assert_eq!(browser.session_cookie(), None, "{names:?}");
        let revocations = stack.provider().exchanges_at(stack.endpoints().revoke);
        let is_revoked = revocations
            .iter()
            .any(|exchange| exchange.form("token") == Some(&refresh_token));
        assert!(is_revoked, "{names:?}");
        stack.advance(Duration::from_secs(1)).await;
    }
    // The next login is none that was on its way.
    let browser = stack.browser_logged_in_as("alice").await;
    assert_lives(&browser).await;
}

/// Claims that a logout token cannot have: what is wrong, the claim, its value if it has one.
fn wrong_claims(stack: &Stack, sid: &str) -> Vec<(&'static str, &'static str, Option<Value>)> {
    let now = stack.clock().now().as_secs();
    let nearly = format!("{}/", stack.provider().url());
    let other_event = json!({"http://schemas.openid.net/event/other": {}});
    vec![
        ("another issuer", "iss", Some(json!("https://evil.example"))),
        ("the issuer with a slash", "iss", Some(json!(nearly))),
        ("another audience", "aud", Some(json!("another-client"))),
        ("no audience", "aud", None),
        ("no event", "events", None),
        ("another event", "events", Some(other_event)),
        ("an event that is a text", "events", Some(json!(EVENT))),
        ("a nonce", "nonce", Some(json!("n"))),
        ("an access token's digest", "at_hash", Some(json!("h"))),
        ("a session that is a list", "sid", Some(json!([sid]))),
        ("a user that is a number", "sub", Some(json!(7))),
        ("no iat", "iat", None),
        ("no jti", "jti", None),
        ("an empty jti", "jti", Some(json!(""))),
        ("no exp", "exp", None),
        ("exp in the past", "exp", Some(json!(now - 60))),
        ("iat of last hour", "iat", Some(json!(now - 3_600))),
        ("iat of tomorrow", "iat", Some(json!(now + 86_400))),
    ]
}

/// Tokens with good claims that nobody may believe.
fn forged(signer: &Signer, good: &Value) -> Vec<(&'static str, String)> {
    let stranger = Signer::generate();
    let header = signer.header("logout+jwt");
    let with_algorithm = |name: &str| {
        let mut header = header.clone();
        header["alg"] = json!(name);
        header
    };
    let unsigned = |header: &Value| {
        let token = signer.sign(header, good);
        format!("{}.", token.rsplit_once('.').unwrap().0)
    };
    let of_stranger = stranger.sign(&stranger.header("logout+jwt"), good);
    let symmetric = signer.sign(&with_algorithm("HS256"), good);
    let of_another_type = signer.sign(&signer.header("at+jwt"), good);
    vec![
        ("another key under the right name", stranger.sign(&header, good)),
        ("an unknown key", of_stranger),
        ("alg none", unsigned(&with_algorithm("none"))),
        ("alg none, signed", signer.sign(&with_algorithm("none"), good)),
        ("a symmetric algorithm", symmetric),
        ("no signature", unsigned(&header)),
        ("an access token's type", of_another_type),
        ("no token", "garbage".to_owned()),
        ("nothing", String::new()),
    ]
}

/// (73, 75)
async fn no_forgery_ends_a_session(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let (sub, sid) = newest_identity(&stack);
    let signer = with_our_key(&stack).await;
    let header = signer.header("logout+jwt");
    let good = claims(&stack, "j1", &json!({"sub": sub, "sid": sid}));
    let mut forgeries = forged(&signer, &good);
    for (what, name, value) in wrong_claims(&stack, &sid) {
        let mut claims = good.clone();
        match value {
            Some(value) => claims[name] = value,
            None => drop(claims.as_object_mut().unwrap().remove(name)),
        }
        forgeries.push((what, signer.sign(&header, &claims)));
    }
    let nobody = claims(&stack, "j1", &json!({}));
    forgeries.push(("neither user nor session", signer.sign(&header, &nobody)));

    for (what, token) in forgeries {
        // An unknown key is asked for at once, and then not for ten seconds: in between nobody could say that there is none.
        if what == "an unknown key" {
            assert_eq!(send(&stack, &token).await, 400, "{what}");
            assert_eq!(send(&stack, &token).await, 503, "{what}");
            stack.advance(Duration::from_secs(15)).await;
        }
        assert_eq!(send(&stack, &token).await, 400, "{what}");
        assert_lives(&browser).await;
    }
    // The same token without a fault works: what was refused was refused for its fault.
    assert_eq!(send(&stack, &signer.sign(&header, &good)).await, 200);
    assert_over(&browser).await;
}

async fn what_is_not_the_form_of_the_specification_is_refused(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let (sub, _) = newest_identity(&stack);
    let signer = with_our_key(&stack).await;
    let token = signer.sign(
        &signer.header("logout+jwt"),
        &claims(&stack, "j1", &json!({"sub": sub})),
    );

    for (content_type, body) in [
        ("application/json", format!("logout_token={token}")),
        ("text/plain", format!("logout_token={token}")),
        (FORM, String::new()),
        (FORM, format!("token={token}")),
        (FORM, format!("logout_token={token}&logout_token={token}")),
        (
            FORM,
            format!("logout_token={token}&padding={}", "x".repeat(100_000)),
        ),
    ] {
        let (status, answer) = post(&stack, content_type, body).await;
        assert_eq!(
            (status, &answer["error"]),
            (400, &json!("invalid_request")),
            "{content_type}"
        );
    }
    browser
        .fetch(&format!("/bff/backchannel?logout_token={token}"))
        .await
        .assert_problem(405, "method-not-allowed");
    assert_lives(&browser).await;
}

/// (74) "Used" is kept in the store, so that another node, or this one after a restart, knows it too.
async fn a_token_that_has_done_its_work_ends_no_later_session(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let (sub, _) = newest_identity(&stack);
    let signer = with_our_key(&stack).await;
    let token = signer.sign(
        &signer.header("logout+jwt"),
        &claims(&stack, "j1", &json!({"sub": sub})),
    );
    assert_eq!(send(&stack, &token).await, 200);
    assert_over(&browser).await;

    stack.provider().heal();
    stack.restart_bff().await;
    // Within the second of a logout nobody can tell a new login from one that was on its way.
    stack.advance(Duration::from_secs(1)).await;
    let again = stack.browser_logged_in_as("alice").await;
    stack
        .provider()
        .instead(stack.endpoints().jwks, Instead::Status(200, signer.key_set()));
    stack.advance(Duration::from_secs(15)).await;

    assert_eq!(send(&stack, &token).await, 200, "its work is done");
    assert_lives(&again).await;
}

/// Never 200 while a session lives: the provider tries again with the same token.
async fn a_store_that_is_down_is_no_logout_and_the_same_token_works_later(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let (_, sid) = newest_identity(&stack);
    let signer = with_our_key(&stack).await;
    let token = signer.sign(
        &signer.header("logout+jwt"),
        &claims(&stack, "j1", &json!({"sid": sid})),
    );

    stack.redis().stop().await;
    assert_eq!(send(&stack, &token).await, 503);
    stack.redis().start_again().await;
    eventually("the session is found again", async || {
        (browser.fetch("/bff/user").await.status == 200).then_some(())
    })
    .await;

    assert_eq!(send(&stack, &token).await, 200);
    assert_over(&browser).await;
}

async fn a_token_that_cannot_be_judged_is_not_refused(deployment: Deployment) {
    let stack = deployment.start().await;
    let browser = stack.browser_logged_in_as("alice").await;
    let (_, sid) = newest_identity(&stack);
    let signer = Signer::generate();
    let token = signer.sign(
        &signer.header("logout+jwt"),
        &claims(&stack, "j1", &json!({"sid": sid})),
    );
    let jwks = stack.endpoints().jwks;

    stack.provider().instead(jwks, Instead::Cut);
    stack.restart_bff().await;
    assert_eq!(send(&stack, &token).await, 503);
    assert_lives(&browser).await;

    stack
        .provider()
        .instead(jwks, Instead::Status(200, signer.key_set()));
    stack.advance(Duration::from_secs(5)).await;
    assert_eq!(send(&stack, &token).await, 200);
    assert_over(&browser).await;
}

on_every_store!(
    signing_out_at_the_provider_ends_the_session_here,
    a_logout_ends_whom_it_names_and_nobody_else,
    a_logout_of_a_user_ends_all_their_sessions,
    a_token_that_has_done_its_work_ends_no_later_session,
    a_login_on_its_way_does_not_outlive_its_logout,
);
on_one_store!(
    no_forgery_ends_a_session,
    what_is_not_the_form_of_the_specification_is_refused,
    a_token_that_cannot_be_judged_is_not_refused,
);
on_redis!(a_store_that_is_down_is_no_logout_and_the_same_token_works_later);
