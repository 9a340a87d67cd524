//! Two servers on one database, one after the other or side by side.

use std::collections::HashSet;

use futures_util::future::{join, join_all};

use crate::harness::{Answer, BFF, Browser, PASSWORD, Server, authorization};

/// Codes of one session, since a password for each would take long.
async fn codes(server: &Server, number: usize) -> Vec<String> {
    let mut browser = Browser::new(server);
    browser.sign_in("alice", &authorization()).await;
    let mut codes = Vec::new();
    for _ in 0..number {
        codes.push(browser.authorize(&authorization()).await.code());
    }
    codes
}

async fn count(server: &Server, query: &'static str) -> Vec<i64> {
    let database = server.open_database().await;
    sqlx::query_scalar(query).fetch_all(&database).await.unwrap()
}

#[tokio::test]
async fn x_1_a_rotated_token_is_reuse_after_a_restart_too() {
    let server = Server::start().await;
    let first = server.tokens().await;
    let second = server.refresh(&first.refresh_token).await.tokens();
    let third = server.refresh(&second.refresh_token).await.tokens();

    let server = server.restarted().await;
    server
        .refresh(&first.refresh_token)
        .await
        .assert_oauth_error(400, "invalid_grant");
    for token in [&second, &third] {
        server
            .refresh(&token.refresh_token)
            .await
            .assert_oauth_error(400, "invalid_grant");
    }
    assert_eq!(server.user_info(&third.access_token).await.status, 401);
}

#[tokio::test]
async fn a_restart_costs_nobody_anything() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    let code = browser.sign_in("alice", &authorization()).await.code();
    let cookies = browser.cookies.clone();
    let first = server.exchange(&code).await.tokens();
    let lost = server.refresh(&first.refresh_token).await.tokens();

    let server = server.restarted().await;
    // Within the grace the answer that was lost is given again, by a server that never gave it.
    let again = server.refresh(&first.refresh_token).await.tokens();
    assert_eq!(again.refresh_token, lost.refresh_token);
    assert_eq!(server.user_info(&first.access_token).await.status, 200);
    assert_eq!(server.refresh(&again.refresh_token).await.status, 200);
    let mut browser = Browser::new(&server);
    browser.cookies = cookies;
    browser
        .authorize(&authorization().with("prompt", "none"))
        .await
        .code();
    server
        .exchange(&code)
        .await
        .assert_oauth_error(400, "invalid_grant");
}

#[tokio::test]
async fn x_2_fifty_refreshes_over_two_servers_rotate_once() {
    let here = Server::start().await;
    let there = here.beside().await;
    let first = here.tokens().await;
    let refreshes = (0..50).map(|n| {
        let server = [&here, &there][n % 2];
        server.refresh(&first.refresh_token)
    });
    let answers = join_all(refreshes).await;
    let successors: HashSet<_> = answers
        .iter()
        .map(|answer| answer.tokens().refresh_token)
        .collect();
    assert_eq!(successors.len(), 1, "nothing forks");
    assert_eq!(count(&here, "SELECT generation FROM family").await, [2]);
    let successor = successors.into_iter().next().unwrap();
    assert_eq!(there.refresh(&successor).await.status, 200);
}

#[tokio::test]
async fn x_2_fifty_reuses_over_two_servers_all_fail() {
    let here = Server::start().await;
    let there = here.beside().await;
    let first = here.tokens().await;
    let second = here.refresh(&first.refresh_token).await.tokens();
    there.refresh(&second.refresh_token).await.tokens();
    let answers = join_all((0..50).map(|n| [&here, &there][n % 2].refresh(&first.refresh_token))).await;
    for answer in answers {
        answer.assert_oauth_error(400, "invalid_grant");
    }
    assert_eq!(count(&here, "SELECT generation FROM family").await, [3]);
}

#[tokio::test]
async fn x_2_fifty_redemptions_over_two_servers_succeed_once() {
    let here = Server::start().await;
    let there = here.beside().await;
    let code = codes(&here, 1).await.remove(0);
    let answers = join_all((0..50).map(|n| [&here, &there][n % 2].exchange(&code))).await;
    let (won, lost): (Vec<Answer>, Vec<Answer>) =
        answers.into_iter().partition(|answer| answer.status == 200);
    assert_eq!(won.len(), 1);
    for answer in &lost {
        answer.assert_oauth_error(400, "invalid_grant");
    }
    // The replays ended what the one success had brought (TOKEN-1).
    for server in [&here, &there] {
        server
            .refresh(&won[0].tokens().refresh_token)
            .await
            .assert_oauth_error(400, "invalid_grant");
    }
    assert_eq!(
        count(&here, "SELECT count(*) FROM family").await,
        [1],
        "one family was made"
    );
}

#[tokio::test]
async fn x_2_fifty_revocations_that_race_with_refreshes_at_another_server_win() {
    let here = Server::start().await;
    let there = here.beside().await;
    let codes = codes(&here, 50).await;
    let pairs = join_all(codes.iter().map(|code| async {
        let token = here.exchange(code).await.tokens().refresh_token;
        let form = [("token", token.as_str())];
        join(there.refresh(&token), here.call("/revoke", BFF, &form)).await
    }))
    .await;
    for (refreshed, revoked) in pairs {
        assert_eq!(revoked.status, 200);
        if refreshed.status == 200 {
            let survivor = refreshed.tokens();
            there
                .refresh(&survivor.refresh_token)
                .await
                .assert_oauth_error(400, "invalid_grant");
            assert_eq!(there.user_info(&survivor.access_token).await.status, 401);
        } else {
            refreshed.assert_oauth_error(400, "invalid_grant");
        }
    }
}

async fn guess(server: &Server, name: &str, password: &str) -> Answer {
    let mut browser = Browser::new(server);
    let page = browser.authorize(&authorization()).await;
    browser
        .submit(&page, &[("username", name), ("password", password)])
        .await
}

#[tokio::test]
async fn x_9_fifty_guesses_over_two_servers_in_any_spelling_do_not_pass_the_limit() {
    const SPELLINGS: [&str; 5] = ["alice", "ALICE", "  Alice", "aLiCe\t", "alicE\u{a0}"];

    let here = Server::start().await;
    let there = here.beside().await;
    let guesses = (0..50).map(|n| guess([&here, &there][n % 2], SPELLINGS[n % 5], "wrong password"));
    let answers = join_all(guesses).await;
    assert!(answers.iter().all(|answer| answer.status == 422));
    assert_eq!(
        count(&here, "SELECT failures FROM sign_in_attempt").await,
        [10, 10, 10],
        "ten were looked at, and all spellings share the counters"
    );
    // The answer to the right password is that to a wrong one, here, there, and however the name is spelt.
    let told = |answer: &Answer| answer.body.split("<form").next().unwrap().to_owned();
    for (server, name) in [(&here, "alice"), (&there, "Alice"), (&there, " ALICE ")] {
        let locked = guess(server, name, PASSWORD).await;
        assert_eq!(locked.status, 422);
        assert_eq!(told(&locked), told(&answers[0]));
    }
}
