use futures_util::future::{join, join_all};

use crate::harness::{APP, Answer, BFF, Credentials, OTHER, Server, peek};

const DAY: u64 = 24 * 3600;

#[tokio::test]
async fn rt_1_a_refresh_brings_new_tokens() {
    let server = Server::start().await;
    let first = server.tokens().await;
    server.advance(1);
    let second = server.refresh(&first.refresh_token).await.tokens();
    assert_ne!(second.access_token, first.access_token);
    assert_ne!(second.refresh_token, first.refresh_token);
    server.verified_access_token(&second.access_token).await;
    assert_eq!(server.refresh(&second.refresh_token).await.status, 200);
}

#[tokio::test]
async fn rt_2_reuse_after_the_grace_ends_the_family() {
    let server = Server::start().await;
    let first = server.tokens().await;
    let second = server.refresh(&first.refresh_token).await.tokens();
    server.advance(30);
    server
        .refresh(&first.refresh_token)
        .await
        .assert_oauth_error(400, "invalid_grant");
    server
        .refresh(&second.refresh_token)
        .await
        .assert_oauth_error(400, "invalid_grant");
    assert_eq!(server.user_info(&second.access_token).await.status, 401);
}

#[tokio::test]
async fn rt_2b_a_grandparent_is_reuse_even_within_the_grace() {
    let server = Server::start().await;
    let first = server.tokens().await;
    let second = server.refresh(&first.refresh_token).await.tokens();
    let third = server.refresh(&second.refresh_token).await.tokens();
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
}

#[tokio::test]
async fn rt_3_ten_parallel_refreshes_get_one_successor() {
    let server = Server::start().await;
    let first = server.tokens().await;
    let answers = join_all((0..10).map(|_| server.refresh(&first.refresh_token))).await;
    let mut successors: Vec<_> = answers
        .iter()
        .map(|answer| answer.tokens().refresh_token)
        .collect();
    successors.dedup();
    assert_eq!(successors.len(), 1, "nothing forks");

    let database = server.open_database().await;
    let generations: Vec<i64> = sqlx::query_scalar("SELECT generation FROM family")
        .fetch_all(&database)
        .await
        .unwrap();
    assert_eq!(generations, [2], "one family, one step");
    assert_eq!(server.refresh(&successors[0]).await.status, 200);
}

#[tokio::test]
async fn rt_3b_a_lost_answer_is_harmless() {
    let server = Server::start().await;
    let first = server.tokens().await;
    let lost = server.refresh(&first.refresh_token).await.tokens();
    let again = server.refresh(&first.refresh_token).await.tokens();
    assert_eq!(again.refresh_token, lost.refresh_token);
    assert_eq!(server.refresh(&again.refresh_token).await.status, 200);
}

#[tokio::test]
async fn x_3_the_grace_ends_at_its_thirtieth_second() {
    let server = Server::start().await;
    let first = server.tokens().await;
    let second = server.refresh(&first.refresh_token).await.tokens();
    server.advance(29);
    assert_eq!(
        server.refresh(&first.refresh_token).await.tokens().refresh_token,
        second.refresh_token
    );
    server.advance(2);
    server
        .refresh(&first.refresh_token)
        .await
        .assert_oauth_error(400, "invalid_grant");
    server
        .refresh(&second.refresh_token)
        .await
        .assert_oauth_error(400, "invalid_grant");
}

#[tokio::test]
async fn x_4_the_predecessor_is_reuse_once_its_successor_was_used() {
    let server = Server::start().await;
    let first = server.tokens().await;
    let second = server.refresh(&first.refresh_token).await.tokens();
    let third = server.refresh(&second.refresh_token).await.tokens();
    server
        .refresh(&first.refresh_token)
        .await
        .assert_oauth_error(400, "invalid_grant");
    server
        .refresh(&third.refresh_token)
        .await
        .assert_oauth_error(400, "invalid_grant");
}

#[tokio::test]
async fn rt_4_another_client_gets_nothing_and_harms_nobody() {
    let server = Server::start().await;
    let tokens = server.tokens().await;
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", tokens.refresh_token.as_str()),
    ];
    for client in [OTHER, APP] {
        server
            .token(client, &form)
            .await
            .assert_oauth_error(400, "invalid_grant");
    }
    let next = server.refresh(&tokens.refresh_token).await.tokens();
    // Not even an old one in strange hands ends the family.
    server
        .token(OTHER, &form)
        .await
        .assert_oauth_error(400, "invalid_grant");
    assert_eq!(server.refresh(&next.refresh_token).await.status, 200);
}

async fn refresh_scoped(server: &Server, token: &str, scope: &str) -> Answer {
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", token),
        ("scope", scope),
    ];
    server.token(BFF, &form).await
}

#[tokio::test]
async fn rt_5_scope_narrows_for_one_token_and_never_widens() {
    let server = Server::start().await;
    let first = server.tokens().await;
    for wider in ["openid admin", "admin", "notes:read notes:delete"] {
        refresh_scoped(&server, &first.refresh_token, wider)
            .await
            .assert_oauth_error(400, "invalid_scope");
    }
    let narrow = refresh_scoped(&server, &first.refresh_token, "notes:read").await;
    assert_eq!(narrow.json()["scope"], "notes:read");
    assert!(narrow.json().get("id_token").is_none());
    let claims = server.verified_access_token(&narrow.tokens().access_token).await;
    assert_eq!(claims["scope"], "notes:read");
    let whole = server.refresh(&narrow.tokens().refresh_token).await;
    assert_eq!(
        whole.json()["scope"],
        "email notes:read notes:write offline_access openid profile"
    );
}

#[tokio::test]
async fn rt_6_after_revocation_nothing_is_left() {
    let server = Server::start().await;
    let tokens = server.tokens().await;
    assert_eq!(
        server
            .call("/revoke", BFF, &[("token", &tokens.refresh_token)])
            .await
            .status,
        200
    );
    server
        .refresh(&tokens.refresh_token)
        .await
        .assert_oauth_error(400, "invalid_grant");
    assert_eq!(server.user_info(&tokens.access_token).await.status, 401);
}

#[tokio::test]
async fn rt_6b_a_revocation_that_races_with_a_refresh_wins() {
    let server = Server::start().await;
    for _ in 0..10 {
        let tokens = server.tokens().await;
        let form = [("token", tokens.refresh_token.as_str())];
        let (refreshed, revoked) = join(
            server.refresh(&tokens.refresh_token),
            server.call("/revoke", BFF, &form),
        )
        .await;
        assert_eq!(revoked.status, 200);
        if refreshed.status == 200 {
            let survivor = refreshed.tokens().refresh_token;
            server
                .refresh(&survivor)
                .await
                .assert_oauth_error(400, "invalid_grant");
        }
    }
}

#[tokio::test]
async fn rt_7_a_confidential_client_has_to_say_who_it_is() {
    let server = Server::start().await;
    let tokens = server.tokens().await;
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", tokens.refresh_token.as_str()),
    ];
    for client in [
        Credentials::None,
        Credentials::Public("bff"),
        Credentials::Basic("bff", "wrong"),
    ] {
        server
            .token(client, &form)
            .await
            .assert_oauth_error(401, "invalid_client");
    }
    assert_eq!(server.refresh(&tokens.refresh_token).await.status, 200);
}

#[tokio::test]
async fn rt_8_a_refreshed_id_token_tells_of_the_same_sign_in() {
    let server = Server::start().await;
    let first = server.tokens().await;
    server.advance(100);
    let second = server.refresh(&first.refresh_token).await.tokens();
    let (before, after) = (
        peek(&first.id_token).1,
        server.verified_id_token(&second.id_token).await,
    );
    for same in ["iss", "sub", "aud", "auth_time", "sid"] {
        assert_eq!(before[same], after[same], "{same}");
    }
    assert_eq!(
        after["iat"].as_i64().unwrap(),
        before["iat"].as_i64().unwrap() + 100
    );
    assert!(after.get("nonce").is_none());
}

#[tokio::test]
async fn rt_9_public_clients_rotate_too() {
    let server = Server::start().await;
    let first = server.tokens_of_app().await;
    let refresh = |token: String| {
        let server = &server;
        async move {
            server
                .token(APP, &[("grant_type", "refresh_token"), ("refresh_token", &token)])
                .await
        }
    };
    let second = refresh(first.refresh_token.clone()).await.tokens();
    let third = refresh(second.refresh_token).await.tokens();
    refresh(first.refresh_token)
        .await
        .assert_oauth_error(400, "invalid_grant");
    refresh(third.refresh_token)
        .await
        .assert_oauth_error(400, "invalid_grant");
}

#[tokio::test]
async fn rt_10_three_rotations_within_a_second_are_three_generations() {
    let server = Server::start().await;
    let first = server.tokens().await;
    let mut last = server.refresh(&first.refresh_token).await.tokens();
    for _ in 0..2 {
        last = server.refresh(&last.refresh_token).await.tokens();
    }
    server
        .refresh(&first.refresh_token)
        .await
        .assert_oauth_error(400, "invalid_grant");
    server
        .refresh(&last.refresh_token)
        .await
        .assert_oauth_error(400, "invalid_grant");
}

#[tokio::test]
async fn rt_11_malformed_tokens_are_refused_quietly() {
    let server = Server::start().await;
    let good = server.tokens().await.refresh_token;
    let long = "a".repeat(50_000);
    for token in [
        "x",
        ".",
        "..",
        "\u{0}",
        "ä",
        &long,
        &good[..good.len() - 1],
        &format!("{good}A"),
    ] {
        server
            .refresh(token)
            .await
            .assert_oauth_error(400, "invalid_grant");
    }
    server
        .refresh("")
        .await
        .assert_oauth_error(400, "invalid_request");
    server
        .token(BFF, &[("grant_type", "refresh_token")])
        .await
        .assert_oauth_error(400, "invalid_request");
    assert_eq!(server.refresh(&good).await.status, 200);
}

#[tokio::test]
async fn an_unused_family_dies_of_idleness_and_a_used_one_of_age() {
    let server = Server::start().await;
    let unused = server.tokens().await;
    let mut used = server.tokens().await;
    for _ in 0..3 {
        server.advance(29 * DAY);
        used = server.refresh(&used.refresh_token).await.tokens();
    }
    server
        .refresh(&unused.refresh_token)
        .await
        .assert_oauth_error(400, "invalid_grant");
    server.advance(3 * DAY - 1);
    used = server.refresh(&used.refresh_token).await.tokens();
    server.advance(1);
    server
        .refresh(&used.refresh_token)
        .await
        .assert_oauth_error(400, "invalid_grant");
}

#[tokio::test]
async fn what_the_client_may_no_longer_have_is_not_refreshed() {
    let server = Server::start().await;
    let tokens = server.tokens().await;
    let database = server.open_database().await;
    let grant = |scope: &'static str| {
        sqlx::query("UPDATE family SET scope = $1")
            .bind(scope)
            .execute(&database)
    };
    // As if the registration had once allowed `admin`, too.
    grant("admin").await.unwrap();
    server
        .refresh(&tokens.refresh_token)
        .await
        .assert_oauth_error(400, "invalid_grant");
    grant("admin notes:read offline_access").await.unwrap();
    let answer = server.refresh(&tokens.refresh_token).await;
    assert_eq!(answer.json()["scope"], "notes:read offline_access");
    let claims = server.verified_access_token(&answer.tokens().access_token).await;
    assert_eq!(claims["scope"], "notes:read offline_access");
}

#[tokio::test]
async fn the_database_holds_no_token() {
    let server = Server::start().await;
    let first = server.tokens().await;
    let second = server.refresh(&first.refresh_token).await.tokens();
    let dump = server.dump().await;
    for token in [&first.refresh_token, &second.refresh_token, &second.access_token] {
        for part in token.split('.') {
            assert!(!dump.windows(part.len()).any(|window| window == part.as_bytes()));
        }
    }
}
