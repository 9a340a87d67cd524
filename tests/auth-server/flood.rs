//! Many sign-ins at once: what they cost, and whom.

use std::collections::BTreeMap;

use futures_util::future::{join, join_all};
use reqwest::Method;

use crate::harness::{APP, Answer, Browser, PASSWORD, Server, app_authorization, authorization};
use crate::par::{by_name, pushed};

/// A form that a browser was shown, to be sent any number of times from anywhere.
struct Form {
    cookies: String,
    token: String,
    request: String,
}

impl Form {
    async fn shown_by(server: &Server) -> Self {
        let mut browser = Browser::new(server);
        let page = browser.authorize(&authorization()).await;
        let token = page.body.split_once("name=\"form_token\" value=\"").unwrap().1;
        let cookies = browser.cookies.iter();
        Self {
            cookies: cookies
                .map(|(name, value)| format!("{name}={value}"))
                .collect::<Vec<_>>()
                .join("; "),
            token: token.split('"').next().unwrap().to_owned(),
            request: authorization().query(),
        }
    }

    async fn send(&self, server: &Server, name: &str, password: &str, address: &str) -> Answer {
        let form = [
            ("request", self.request.as_str()),
            ("form_token", &self.token),
            ("username", name),
            ("password", password),
        ];
        let request = server
            .request(Method::POST, "/sign-in")
            .header("cookie", &self.cookies)
            .header("x-forwarded-for", address)
            .form(&form);
        server.send(request).await
    }
}

#[tokio::test]
async fn a_throttled_sign_in_needs_nobody_to_write() {
    let server = Server::start().await;
    let form = Form::shown_by(&server).await;
    for _ in 0..10 {
        form.send(&server, "alice", "wrong password", "192.0.2.1").await;
    }
    let database = server.open_database().await;
    let writing = database.begin_with("BEGIN IMMEDIATE").await.unwrap();
    for password in ["wrong password", PASSWORD] {
        form.send(&server, "alice", password, "192.0.2.1")
            .await
            .assert_page(422, "That did not work");
    }
    writing.rollback().await.unwrap();
    form.send(&server, "alice", PASSWORD, "192.0.2.2").await.code();
}

#[tokio::test]
async fn refreshes_go_on_during_a_flood_of_sign_ins() {
    let server = Server::start_below("", "[passwords]\ncores = 1\nqueue = 2").await;
    let mut token = server.tokens().await.refresh_token;
    let form = Form::shown_by(&server).await;
    let flood = join_all((0..180).map(|n| {
        let form = &form;
        let server = &server;
        async move {
            // Every other one from an address of its own, the rest from one, which takes a hundred.
            let address = format!("10.0.{}.1", if n % 2 == 0 { n } else { 255 });
            form.send(server, &format!("user{n}"), "wrong password", &address)
                .await
        }
    }));
    let refreshes = async {
        for _ in 0..50 {
            token = server.refresh(&token).await.tokens().refresh_token;
        }
    };
    let (answers, ()) = join(flood, refreshes).await;

    let mut statuses = BTreeMap::new();
    for answer in &answers {
        *statuses.entry(answer.status).or_insert(0_i64) += 1;
    }
    let [(422, looked_at), (503, turned_away)] = statuses.into_iter().collect::<Vec<_>>()[..] else {
        panic!("each was looked at or turned away")
    };
    assert!(looked_at >= 3, "those that had a place");
    assert_eq!(looked_at + turned_away, 180);
    let database = server.open_database().await;
    let counted: i64 = sqlx::query_scalar("SELECT sum(failures) FROM sign_in_attempt")
        .fetch_one(&database)
        .await
        .unwrap();
    assert_eq!(counted, 3 * looked_at, "who was turned away left no trace");
    // When it is over, everybody is served again.
    form.send(&server, "alice", PASSWORD, "192.0.2.1").await.code();
    form.send(&server, "bob", PASSWORD, "10.0.255.1").await.code();
}

#[tokio::test]
async fn x_18_pages_that_were_opened_and_left_lock_no_client() {
    let server = Server::start().await;
    let of_app = app_authorization("http://127.0.0.1:51004/callback");
    for _ in 0..60 {
        let name = pushed(&server, APP, &of_app).await;
        let answer = server.get(&by_name("app", &name).path()).await;
        answer.assert_page(200, "Sign in");
    }
    let name = pushed(&server, APP, &of_app).await;
    let mut browser = Browser::new(&server);
    browser.sign_in("alice", &by_name("app", &name)).await.code();
}
