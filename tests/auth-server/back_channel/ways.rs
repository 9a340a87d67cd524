//! Which ends are told, to whom, and in which words.

use reqwest::Method;
use resource_server::time::Clock as _;

use super::{
    TOLD, client, exchange, refresh, request, settings, sid, sign_out, signed_in, start, until,
    until_all_is_done,
};
use crate::harness::{Browser, Receiver, Server, authorization, faults_of, peek};

#[tokio::test]
async fn bcl_1_a_sign_out_is_told_by_a_well_formed_logout_token() {
    let mut receiver = Receiver::start();
    let server = start(&receiver).await;
    let (mut browser, tokens) = signed_in(&server, "alice").await;
    server.advance(1000);
    sign_out(&mut browser, &tokens).await;

    let arrival = receiver.next().await;
    assert_eq!(arrival.path, "/backchannel");
    let claims = server.verified_logout_token("told", arrival.token()).await;
    let id_token = peek(&tokens.id_token).1;
    for name in ["iss", "aud", "sub", "sid"] {
        assert_eq!(claims[name], id_token[name], "{name}");
    }
    let now = server.clock.now().as_secs();
    assert_eq!(
        (&claims["iat"], &claims["exp"]),
        (&now.into(), &(now + 120).into())
    );
    let event = "http://schemas.openid.net/event/backchannel-logout";
    assert_eq!(claims["events"], serde_json::json!({ event: {} }));
    assert!(claims["jti"].as_str().is_some_and(|jti| jti.len() >= 22));
    let mut members: Vec<_> = claims.as_object().unwrap().keys().map(String::as_str).collect();
    members.sort_unstable();
    assert_eq!(
        members,
        ["aud", "events", "exp", "iat", "iss", "jti", "sid", "sub"]
    );
    assert_eq!(peek(arrival.token()).0["typ"], "logout+jwt");

    until_all_is_done(&server).await;
    assert_eq!(receiver.left(), 0, "once");
}

#[tokio::test]
async fn bcl_1_no_logout_token_passes_for_another_token() {
    let mut receiver = Receiver::start();
    let server = start(&receiver).await;
    let (mut browser, tokens) = signed_in(&server, "alice").await;
    sign_out(&mut browser, &tokens).await;
    let arrival = receiver.next().await;

    assert_eq!(server.user_info(arrival.token()).await.status, 401);
    let hint = format!("/end_session?id_token_hint={}", arrival.token());
    server.get(&hint).await.assert_page(400, "cannot be followed");
    refresh(&server, arrival.token())
        .await
        .assert_oauth_error(400, "invalid_grant");
}

#[tokio::test]
async fn every_client_of_the_session_is_told_and_nobody_else() {
    let (mut told, mut also) = (Receiver::start(), Receiver::start());
    let server = Server::start_below("", &settings(&told.uri, Some(&also.uri))).await;
    let (mut browser, tokens) = signed_in(&server, "alice").await;
    // Twice at one client, and at one that does not want to hear.
    for client_id in ["told", "also"] {
        let code = browser.authorize(&request(client_id)).await.code();
        exchange(&server, client_id, &code).await;
    }
    let code = browser.authorize(&authorization()).await.code();
    server.exchange(&code).await.tokens();
    let (_elsewhere, others) = signed_in(&server, "alice").await;
    sign_out(&mut browser, &tokens).await;

    for (client_id, receiver) in [("told", &mut told), ("also", &mut also)] {
        let arrival = receiver.next().await;
        let claims = server.verified_logout_token(client_id, arrival.token()).await;
        assert_eq!(
            (&claims["aud"], &claims["sid"]),
            (&client_id.into(), &sid(&tokens).into())
        );
    }
    until_all_is_done(&server).await;
    assert_eq!((told.left(), also.left()), (0, 0));
    assert_eq!(refresh(&server, &others.refresh_token).await.status, 200);
}

#[tokio::test]
async fn whoever_ends_a_sign_in_its_clients_are_told() {
    let mut receiver = Receiver::start();
    let server = start(&receiver).await;
    let mut ended = Vec::new();

    // Another user signs in over it.
    let (mut browser, tokens) = signed_in(&server, "alice").await;
    let anew = request("told").with("prompt", "login");
    browser.sign_in("bob", &anew).await.code();
    ended.push(sid(&tokens));

    // An operator ends it.
    let (_browser, tokens) = signed_in(&server, "alice").await;
    let its = sid(&tokens);
    assert_eq!(server.end_sessions(&[&format!("--sid={its}")]).await, 1);
    ended.push(its);

    // The user changes the password in that browser.
    let (mut browser, tokens) = signed_in(&server, "bob").await;
    let page = browser.get("/account/password").await;
    let (old, new) = (crate::harness::PASSWORD, "mumpitz gaukelei tran");
    let fields = [("current", old), ("new", new), ("repeated", new)];
    browser.press(&page, &fields).await.location();
    ended.push(sid(&tokens));

    // An operator changes the password.
    let (_browser, tokens) = signed_in(&server, "alice").await;
    server.reset_password_of_alice(crate::harness::PASSWORD).await;
    ended.push(sid(&tokens));

    // An operator disables the user.
    let (_browser, tokens) = signed_in(&server, "alice").await;
    let told = server.operator(&["user", "disable", "alice"]).await;
    assert_eq!(told[0]["sessions_ended"], 1);
    ended.push(sid(&tokens));

    let mut told = Vec::new();
    for _ in &ended {
        let arrival = receiver.next().await;
        told.push(peek(arrival.token()).1["sid"].as_str().unwrap().to_owned());
    }
    ended.sort();
    told.sort();
    assert_eq!(told, ended);
    until_all_is_done(&server).await;
    assert_eq!(receiver.left(), 0);
}

#[tokio::test]
async fn a_sign_out_everywhere_ends_all_sign_ins_of_the_user_and_is_told() {
    let mut receiver = Receiver::start();
    let server = start(&receiver).await;
    let (mut laptop, on_laptop) = signed_in(&server, "alice").await;
    let (mut phone, on_phone) = signed_in(&server, "alice").await;
    let (_, of_bob) = signed_in(&server, "bob").await;

    let forged = server
        .request(Method::POST, "/sign-out")
        .form(&[("request", ""), ("action", "sign-out-everywhere")]);
    laptop.send(forged).await.assert_page(200, "Sign out?");
    assert_eq!(refresh(&server, &on_phone.refresh_token).await.status, 200);
    let page = laptop.get("/end_session").await;
    let gone = laptop.submit(&page, &[("action", "sign-out-everywhere")]).await;
    gone.assert_page(200, "You are signed out");

    let mut told = [receiver.next().await, receiver.next().await].map(|arrival| {
        let claims = peek(arrival.token()).1;
        claims["sid"].as_str().unwrap().to_owned()
    });
    let mut ended = [sid(&on_laptop), sid(&on_phone)];
    told.sort();
    ended.sort();
    assert_eq!(told, ended);
    for browser in [&mut laptop, &mut phone] {
        let silent = request("told").with("prompt", "none");
        browser
            .authorize(&silent)
            .await
            .assert_returned_error(&server, "login_required");
    }
    refresh(&server, &on_laptop.refresh_token)
        .await
        .assert_oauth_error(400, "invalid_grant");
    assert_eq!(refresh(&server, &of_bob.refresh_token).await.status, 200);
    until_all_is_done(&server).await;
    assert_eq!(receiver.left(), 0);
}

#[tokio::test]
async fn what_ends_no_sign_in_is_not_told() {
    let mut receiver = Receiver::start();
    let server = start(&receiver).await;
    let (mut browser, first) = signed_in(&server, "alice").await;

    // A refresh token is used again, another is revoked, and a code is used again.
    let second = refresh(&server, &first.refresh_token).await.tokens();
    refresh(&server, &second.refresh_token).await.tokens();
    refresh(&server, &first.refresh_token)
        .await
        .assert_oauth_error(400, "invalid_grant");
    let code = browser.authorize(&request("told")).await.code();
    let revoked = exchange(&server, "told", &code).await.refresh_token;
    assert_eq!(
        server.call("/revoke", TOLD, &[("token", &revoked)]).await.status,
        200
    );
    let form = crate::harness::exchange_form(&code);
    server
        .token(TOLD, &form)
        .await
        .assert_oauth_error(400, "invalid_grant");
    // The password is typed again.
    let anew = request("told").with("prompt", "login");
    let code = browser.sign_in("alice", &anew).await.code();
    let tokens = exchange(&server, "told", &code).await;
    assert_eq!(sid(&tokens), sid(&first));

    let database = server.open_database().await;
    until(&database, "SELECT count(*) FROM logout_outbox", 0).await;
    until(&database, "SELECT count(*) FROM session_client", 1).await;
    // The sign-out that follows is the first that it hears of.
    sign_out(&mut browser, &tokens).await;
    receiver.next().await;
    until_all_is_done(&server).await;
    assert_eq!(receiver.left(), 0);
}

#[tokio::test]
async fn a_session_that_ran_out_is_not_told_but_can_still_be_ended() {
    let mut receiver = Receiver::start();
    let server = start(&receiver).await;
    let mut browser = Browser::new(&server);
    let only_id_token = request("told").with("scope", "openid");
    let code = browser.sign_in("alice", &only_id_token).await.code();
    let tokens = exchange(&server, "told", &code).await;
    server.advance(9 * 3600);
    let silent = only_id_token.with("prompt", "none");
    browser
        .authorize(&silent)
        .await
        .assert_returned_error(&server, "login_required");

    // Here nothing is left of it, but who knows how long the client's own session lasts.
    let sub = peek(&tokens.id_token).1["sub"].as_str().unwrap().to_owned();
    let of_user = format!("--user-id={sub}");
    let listed = server.operator(&["session", "list", &of_user]).await;
    assert!(listed.is_empty());
    let database = server.open_database().await;
    until(&database, "SELECT count(*) FROM logout_outbox", 0).await;
    assert_eq!(server.end_sessions(&[&of_user]).await, 1);
    assert_eq!(
        peek(receiver.next().await.token()).1["sid"],
        sid(&tokens).as_str()
    );
}

#[tokio::test]
async fn a_hint_for_a_session_that_is_over_tells_only_its_client() {
    let (mut told, mut also) = (Receiver::start(), Receiver::start());
    let server = Server::start_below("", &settings(&told.uri, Some(&also.uri))).await;
    let (mut browser, tokens) = signed_in(&server, "alice").await;
    let code = browser.authorize(&request("also")).await.code();
    exchange(&server, "also", &code).await;
    let hint = format!("/end_session?id_token_hint={}", tokens.id_token);
    let from_elsewhere = || {
        server
            .request(Method::GET, &hint)
            .header("sec-fetch-site", "none")
    };

    server
        .send(from_elsewhere())
        .await
        .assert_page(200, "You are signed out");
    let database = server.open_database().await;
    until(&database, "SELECT count(*) FROM session_client", 2).await;
    server.advance(25 * 3600);
    server
        .send(from_elsewhere())
        .await
        .assert_page(200, "You are signed out");
    told.next().await;
    until_all_is_done(&server).await;
    until(&database, "SELECT count(*) FROM session_client", 1).await;
    assert_eq!((told.left(), also.left()), (0, 0));
}

#[tokio::test]
async fn a_client_that_is_not_registered_for_it_any_more_is_not_told() {
    let mut receiver = Receiver::start();
    let server = start(&receiver).await;
    let database = server.open_database().await;
    for client_id in ["bff", "nobody", "told"] {
        sqlx::query("INSERT INTO logout_outbox VALUES ('s', $1, 'u', $2, 0, $2)")
            .bind(client_id)
            .bind(server.clock.now().as_secs())
            .execute(&database)
            .await
            .unwrap();
    }
    receiver.next().await;
    // Another node may know better, so they wait.
    until(&database, "SELECT count(*) FROM logout_outbox", 2).await;
    until(
        &database,
        "SELECT count(*) FROM logout_outbox WHERE attempts = 0",
        2,
    )
    .await;
    server.advance(24 * 3600);
    let server = server.restarted().await;
    until_all_is_done(&server).await;
}

#[tokio::test]
async fn a_registered_address_has_to_be_one() {
    let faults = async |client: &str| faults_of(&format!("issuer = \"https://op.example\"\n{client}")).await;
    for good in [
        "https://a.example/bc?x=1",
        "http://127.0.0.1:8080/bc",
        "http://localhost/bc",
    ] {
        assert_eq!(faults(&client("a", good)).await, "", "{good}");
    }
    for bad in [
        "http://a.example/bc",
        "https://a.example/#x",
        "https://u:p@a.example/",
        "/bc",
        "javascript:1",
    ] {
        assert!(
            faults(&client("a", bad))
                .await
                .contains("client[0].backchannel_logout_uri"),
            "{bad}"
        );
    }
    let without_uri = client("a", "https://a.example/").replace("backchannel_logout_uri", "#");
    assert!(
        faults(&without_uri)
            .await
            .contains("backchannel_logout_session_required")
    );
    let without_openid =
        client("a", "https://a.example/").replace("\"openid\", \"offline_access\"", "\"notes\"");
    assert!(faults(&without_openid).await.contains("the scope openid"));
}
