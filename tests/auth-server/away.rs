//! A database server that is away, and comes back.

use std::time::Duration;

use sqlx::{AnyPool, AssertSqlSafe};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

use crate::back_channel::{settings, until};
use crate::harness::{BFF, Browser, PASSWORD, Receiver, Server, authorization};
use crate::registry::{WORKER, add, worker};

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

/// What stands between a server and its database, and may forget about connections, as a firewall does.
struct Line {
    forgotten: watch::Sender<()>,
}

impl Line {
    /// Starts a server again behind one.
    async fn before(server: Server) -> (Server, Self) {
        const SOCKET: &str = ".s.PGSQL.5432";

        let url = server
            .open_database()
            .await
            .connect_options()
            .database_url
            .clone();
        let (_, host) = url.query_pairs().find(|(name, _)| name == "host").unwrap();
        let far = format!("{host}/{SOCKET}");
        let listener = UnixListener::bind(server.file(SOCKET)).unwrap();
        let (forgotten, watched) = watch::channel(());
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut far = UnixStream::connect(&far).await.unwrap();
                let mut forgotten = watched.clone();
                forgotten.mark_unchanged();
                tokio::spawn(async move {
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        // Both ends are left open, and hear nothing any more.
                        _ = forgotten.changed() => std::future::pending().await,
                    }
                });
            }
        });
        let here = server.file("").display().to_string();
        let before = format!("host={host}\"");
        // More than two: the driver asks a connection that comes back how it is, without a deadline, so a place may be lost.
        let after = format!("host={}\"\nconnections = 6", here.trim_end_matches('/'));
        (server.restarted_with(&before, &after).await, Self { forgotten })
    }

    fn forget(&self) {
        self.forgotten.send(()).unwrap();
    }
}

async fn kids(server: &Server) -> Vec<String> {
    let document = server.get("/jwks").await.json();
    let keys = document["keys"].as_array().unwrap().iter();
    keys.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn connections_that_fall_silent_keep_no_node_from_what_changes() {
    let mut receiver = Receiver::start();
    let server = Server::start_below("", &settings(&receiver.uri, None)).await;
    let database = server.open_database().await;
    let (server, line) = Line::before(server).await;
    let secret = add(&server, WORKER).await;
    server.advance(1);
    assert_eq!(worker(&server, &secret).await, 200);
    let kid = kids(&server).await.remove(0);

    // The one that tells clients of sign-outs is sure to wait for an answer.
    let mut holding = database.begin().await.unwrap();
    sqlx::query("LOCK TABLE logout_outbox IN ACCESS EXCLUSIVE MODE")
        .execute(&mut *holding)
        .await
        .unwrap();
    let waiting = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    until(&database, waiting, 1).await;
    line.forget();
    holding.rollback().await.unwrap();
    server.end_client(&["disable", "worker"]).await;
    server.operator(&["key", "withdraw", "--", &kid]).await;
    sqlx::query("INSERT INTO logout_outbox VALUES ('s', 'told', 'u', 0, 0, 0)")
        .execute(&database)
        .await
        .unwrap();
    let noticed = async {
        while worker(&server, &secret).await == 200 || kids(&server).await.contains(&kid) {
            server.advance(1);
        }
    };
    let noticed = tokio::time::timeout(Duration::from_secs(60), noticed).await;
    noticed.expect("the client is refused, and the key is gone");
    receiver.next().await;
}
