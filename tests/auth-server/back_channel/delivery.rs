//! How often, how fast, and what becomes of those who do not answer.

use std::collections::HashSet;

use futures_util::future::{join, join_all};
use resource_server::time::Clock as _;

use super::{
    TOLD, exchange, refresh, request, settings, sid, sign_out, signed_in, start, until, until_all_is_done,
    until_failed,
};
use crate::harness::{Browser, Receiver, Reserved, Server, exchange_form, peek};

/// Puts this many notifications for a client into the outbox.
async fn queue(server: &Server, client_id: &str, number: usize) {
    let database = server.open_database().await;
    let mut transaction = database.begin().await.unwrap();
    for n in 0..number {
        sqlx::query("INSERT INTO logout_outbox VALUES ($1, $2, 'u', $3, 0, $3)")
            .bind(format!("s{n}"))
            .bind(client_id)
            .bind(server.clock.now().as_secs())
            .execute(&mut *transaction)
            .await
            .unwrap();
    }
    transaction.commit().await.unwrap();
}

fn sid_of(token: &str) -> String {
    peek(token).1["sid"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_client_that_is_down_is_told_when_it_is_back() {
    let reserved = Reserved::new();
    let server = Server::start_below("", &settings(&reserved.uri(), None)).await;
    let (mut browser, tokens) = signed_in(&server, "alice").await;
    sign_out(&mut browser, &tokens).await;
    until_failed(&server, 1).await;

    let mut receiver = reserved.serve();
    server.advance(5);
    let arrival = receiver.next().await;
    let claims = server.verified_logout_token("told", arrival.token()).await;
    assert_eq!(
        claims["iat"],
        server.clock.now().as_secs(),
        "signed for this attempt"
    );
    until_all_is_done(&server).await;
    assert_eq!(receiver.left(), 0);
}

#[tokio::test]
async fn errors_and_redirects_are_tried_again_and_nobody_is_followed() {
    let mut receiver = Receiver::start();
    let server = start(&receiver).await;
    receiver.answer_with(&[500, 302, 400, 204]);
    let (mut browser, tokens) = signed_in(&server, "alice").await;
    sign_out(&mut browser, &tokens).await;

    let mut ids = HashSet::new();
    for attempt in 1..=4 {
        let arrival = receiver.next().await;
        assert_eq!(arrival.path, "/backchannel");
        let claims = server.verified_logout_token("told", arrival.token()).await;
        assert_eq!(claims["sid"], sid(&tokens).as_str());
        assert!(
            ids.insert(claims["jti"].to_string()),
            "each attempt has a token of its own"
        );
        if attempt < 4 {
            until_failed(&server, attempt).await;
            server.advance(20);
        }
    }
    until_all_is_done(&server).await;
    assert_eq!(receiver.left(), 0);
}

#[tokio::test]
async fn who_does_not_want_to_know_is_given_up_soon_and_who_does_not_answer_later() {
    let mut receiver = Receiver::start();
    let settings =
        settings(&receiver.uri, None).replace("[outbound]", "[logout]\ngive_up_after = \"1m\"\n[outbound]");
    let server = Server::start_below("", &settings).await;
    receiver.answer_with(&[500, 500, 400]);
    queue(&server, "told", 1).await;
    receiver.next().await;
    until_failed(&server, 1).await;
    server.advance(58);
    receiver.next().await;
    until_all_is_done(&server).await;

    // The fifth no.
    let database = server.open_database().await;
    sqlx::query("INSERT INTO logout_outbox VALUES ('s', 'told', 'u', $1, 4, $1)")
        .bind(server.clock.now().as_secs())
        .execute(&database)
        .await
        .unwrap();
    receiver.next().await;
    until_all_is_done(&server).await;
    assert_eq!(receiver.left(), 0);
}

#[tokio::test]
async fn a_client_that_does_not_answer_holds_up_nobody_else() {
    let (mut slow, mut quick) = (Receiver::start(), Receiver::start());
    slow.hold();
    let server = Server::start_below("", &settings(&slow.uri, Some(&quick.uri))).await;
    queue(&server, "told", 20).await;
    for _ in 0..4 {
        slow.next().await;
    }
    queue(&server, "also", 20).await;
    for _ in 0..20 {
        quick.next().await;
    }
    slow.release();
    for _ in 4..20 {
        slow.next().await;
    }
    until_all_is_done(&server).await;
    for receiver in [&mut slow, &mut quick] {
        assert_eq!(receiver.left(), 0);
        assert!(receiver.most_at_once() <= 4);
    }
}

#[tokio::test]
async fn of_two_servers_one_tells() {
    const NUMBER: usize = 100;

    let mut receiver = Receiver::start();
    let here = start(&receiver).await;
    let there = here.beside().await;
    queue(&here, "told", NUMBER).await;
    let mut told = HashSet::new();
    for _ in 0..NUMBER {
        assert!(told.insert(sid_of(receiver.next().await.token())), "told twice");
    }
    until_all_is_done(&there).await;
    assert_eq!(receiver.left(), 0);
}

#[tokio::test]
async fn what_a_server_died_over_another_one_tells() {
    let mut receiver = Receiver::start();
    let server = start(&receiver).await;
    let database = server.open_database().await;
    let now = server.clock.now().as_secs();
    sqlx::query("INSERT INTO logout_outbox VALUES ('claimed', 'told', 'u', $1, 1, $2)")
        .bind(now)
        .bind(now + 30)
        .execute(&database)
        .await
        .unwrap();
    server.advance(29);
    queue(&server, "told", 1).await;
    assert_eq!(sid_of(receiver.next().await.token()), "s0");
    until(&database, "SELECT count(*) FROM logout_outbox", 1).await;
    assert_eq!(receiver.left(), 0, "it may not have died");

    server.advance(1);
    assert_eq!(sid_of(receiver.next().await.token()), "claimed");
    until_all_is_done(&server).await;
}

#[tokio::test]
async fn the_oldest_go_when_too_many_wait() {
    let receiver = Receiver::start();
    let settings = settings(&receiver.uri, None).replace("[outbound]", "[logout]\nqueue = 3\n[outbound]");
    let server = Server::start_below("", &settings).await;
    let database = server.open_database().await;
    // Not due for long, so that they only wait; the next to start looks at once.
    for n in 0..8 {
        sqlx::query("INSERT INTO logout_outbox VALUES ($1, 'told', 'u', $2, 1, $3)")
            .bind(format!("s{n}"))
            .bind(n)
            .bind(i64::MAX)
            .execute(&database)
            .await
            .unwrap();
    }
    let server = server.restarted().await;
    until(&database, "SELECT count(*) FROM logout_outbox", 3).await;
    let left: Vec<String> = sqlx::query_scalar("SELECT sid FROM logout_outbox ORDER BY sid")
        .fetch_all(&database)
        .await
        .unwrap();
    assert_eq!(left, ["s5", "s6", "s7"]);
    server.stop().await;
}

#[tokio::test]
async fn fifty_refreshes_and_sign_outs_over_two_servers_leave_no_token_and_are_told_once() {
    let mut receiver = Receiver::start();
    let here = start(&receiver).await;
    let there = here.beside().await;
    let (mut browser, first) = signed_in(&here, "alice").await;
    let mut families = Vec::new();
    for _ in 0..50 {
        let code = browser.authorize(&request("told")).await.code();
        families.push(exchange(&here, "told", &code).await);
    }
    let cookies = browser.cookies.clone();
    let sign_out = format!("/end_session?id_token_hint={}", first.id_token);
    let pairs = join_all(families.iter().enumerate().map(|(n, family)| {
        let (one, other) = ([&here, &there][n % 2], [&there, &here][n % 2]);
        let mut tab = Browser::new(other);
        tab.cookies.clone_from(&cookies);
        let sign_out = &sign_out;
        async move {
            join(refresh(one, &family.refresh_token), async {
                tab.get(sign_out).await.status
            })
            .await
        }
    }))
    .await;
    for (refreshed, signed_out) in pairs {
        assert_eq!(signed_out, 200);
        if refreshed.status == 200 {
            let survivor = refreshed.tokens();
            refresh(&there, &survivor.refresh_token)
                .await
                .assert_oauth_error(400, "invalid_grant");
            assert_eq!(here.user_info(&survivor.access_token).await.status, 401);
        } else {
            refreshed.assert_oauth_error(400, "invalid_grant");
        }
    }
    assert_eq!(sid_of(receiver.next().await.token()), sid(&first));
    until_all_is_done(&here).await;
    assert_eq!(receiver.left(), 0);
}

#[tokio::test]
async fn no_code_is_exchanged_for_a_session_whose_end_was_told() {
    let mut receiver = Receiver::start();
    let here = start(&receiver).await;
    let there = here.beside().await;
    let database = here.open_database().await;
    for _ in 0..5 {
        let (mut browser, tokens) = signed_in(&here, "alice").await;
        let mut codes = Vec::new();
        for _ in 0..10 {
            codes.push(browser.authorize(&request("told")).await.code());
        }
        let forms: Vec<_> = codes.iter().map(|code| exchange_form(code)).collect();
        let exchanges = join_all(forms.iter().map(|form| there.token(TOLD, form)));
        let sid = sid(&tokens);
        let which = format!("--sid={sid}");
        let (answers, ended) = join(exchanges, here.end_sessions(&[&which])).await;
        assert_eq!(ended, 1);
        assert_eq!(sid_of(receiver.next().await.token()), sid);
        for answer in answers.iter().filter(|answer| answer.status == 200) {
            refresh(&here, &answer.tokens().refresh_token)
                .await
                .assert_oauth_error(400, "invalid_grant");
        }
        until_all_is_done(&here).await;
        until(&database, "SELECT count(*) FROM session_client", 0).await;
        assert_eq!(receiver.left(), 0);
    }
}
