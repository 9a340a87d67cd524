//! A database server that is away, and comes back.

use sqlx::{AnyPool, AssertSqlSafe};

use crate::harness::{BFF, Browser, PASSWORD, Server, authorization};

/// Who lets nobody in any more, or lets them in again.
struct Porter {
    beside: AnyPool,
    database: String,
}

impl Porter {
    async fn of(server: &Server) -> Self {
        let database = server.open_database().await;
        let mut url = database.connect_options().database_url.clone();
        let name = url.path().trim_start_matches('/').to_owned();
        url.set_path("postgres");
        Self {
            beside: AnyPool::connect(url.as_str()).await.unwrap(),
            database: name,
        }
    }

    /// Ends the connections that there are, too.
    async fn let_in(&self, allowed: bool) {
        let name = &self.database;
        for statement in [
            format!("ALTER DATABASE {name} ALLOW_CONNECTIONS {allowed}"),
            format!("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{name}'"),
        ] {
            let statement = sqlx::raw_sql(AssertSqlSafe(statement));
            statement.execute(&self.beside).await.unwrap();
        }
    }
}

async fn ready(server: &Server) -> u16 {
    let url = format!("{}/health/ready", server.management_url);
    reqwest::get(url).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_database_that_goes_away_and_comes_back_signs_nobody_out() {
    let server = Server::start().await;
    let tokens = server.tokens().await;
    let mut browser = Browser::new(&server);
    let page = browser.authorize(&authorization()).await;
    let fields = [("username", "alice"), ("password", PASSWORD)];
    assert_eq!(ready(&server).await, 200);

    let porter = Porter::of(&server).await;
    porter.let_in(false).await;
    let refused = server.refresh(&tokens.refresh_token).await;
    refused.assert_oauth_error(503, "temporarily_unavailable");
    let form = [("token", tokens.refresh_token.as_str())];
    let revoked = server.call("/revoke", BFF, &form).await;
    revoked.assert_oauth_error(503, "temporarily_unavailable");
    let answer = browser.submit(&page, &fields).await;
    answer.assert_page(503, "Please try again in a moment");
    assert_eq!(ready(&server).await, 503);

    porter.let_in(true).await;
    server.refresh(&tokens.refresh_token).await.tokens();
    browser.submit(&page, &fields).await.code();
    assert_eq!(ready(&server).await, 200);
}
