use crate::harness::{BFF, Browser, Server, authorization};

/// Breaks the database in the way that queries notice: their tables are gone.
async fn break_tables(server: &Server, tables: &[&'static str]) {
    let database = server.open_database().await;
    for table in tables {
        let statement = format!("ALTER TABLE \"{table}\" RENAME TO \"{table}_gone\"");
        sqlx::query(sqlx::AssertSqlSafe(statement))
            .execute(&database)
            .await
            .unwrap();
    }
    database.close().await;
}

async fn mend_tables(server: &Server, tables: &[&'static str]) {
    let database = server.open_database().await;
    for table in tables {
        let statement = format!("ALTER TABLE \"{table}_gone\" RENAME TO \"{table}\"");
        sqlx::query(sqlx::AssertSqlSafe(statement))
            .execute(&database)
            .await
            .unwrap();
    }
    database.close().await;
}

#[tokio::test]
async fn x_8_a_revocation_that_fails_says_so() {
    let server = Server::start().await;
    let tokens = server.tokens().await;
    break_tables(&server, &["family"]).await;
    let form = [("token", tokens.refresh_token.as_str())];
    let answer = server.call("/revoke", BFF, &form).await;
    answer.assert_oauth_error(503, "temporarily_unavailable");
    assert_eq!(answer.header("retry-after"), "5");
    server
        .refresh(&tokens.refresh_token)
        .await
        .assert_oauth_error(503, "temporarily_unavailable");
    assert_eq!(server.user_info(&tokens.access_token).await.status, 503);

    mend_tables(&server, &["family"]).await;
    assert_eq!(server.refresh(&tokens.refresh_token).await.status, 200);
}

#[tokio::test]
async fn an_outage_signs_nobody_out() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    browser.sign_in("alice", &authorization()).await;
    let cookie = browser.session_cookie();
    break_tables(&server, &["sign_in_session"]).await;
    let answer = browser.authorize(&authorization()).await;
    answer.assert_page(503, "Please try again in a moment");
    assert_eq!(browser.session_cookie(), cookie);

    mend_tables(&server, &["sign_in_session"]).await;
    browser
        .authorize(&authorization().with("prompt", "none"))
        .await
        .code();
}

#[tokio::test]
async fn a_sign_in_during_an_outage_is_a_page_that_says_so() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    let page = browser.authorize(&authorization()).await;
    let fields = [("username", "alice"), ("password", crate::harness::PASSWORD)];
    for table in ["sign_in_attempt", "user", "authorization_code", "sign_in_session"] {
        break_tables(&server, &[table]).await;
        browser
            .submit(&page, &fields)
            .await
            .assert_page(503, "Please try again in a moment");
        assert_eq!(browser.session_cookie(), None, "{table}");
        mend_tables(&server, &[table]).await;
    }
    browser.submit(&page, &fields).await.code();
}

#[tokio::test]
async fn attempts_during_an_outage_do_not_count() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    let page = browser.authorize(&authorization()).await;
    let fields = [("username", "alice"), ("password", crate::harness::PASSWORD)];
    break_tables(&server, &["user"]).await;
    for _ in 0..11 {
        assert_eq!(browser.submit(&page, &fields).await.status, 503);
    }
    mend_tables(&server, &["user"]).await;
    browser.submit(&page, &fields).await.code();
}

#[tokio::test]
async fn a_stopped_server_lets_go_of_its_port_and_file() {
    let server = Server::start().await;
    let address = server.url("/");
    server.stop().await;
    assert!(reqwest::get(address).await.is_err());
}

#[tokio::test]
async fn health_is_told_at_the_management_address_only() {
    let server = Server::start().await;
    for path in ["/health/live", "/health/ready"] {
        let answer = reqwest::get(format!("{}{path}", server.management_url))
            .await
            .unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(server.get(path).await.status, 404, "{path}");
    }
}
