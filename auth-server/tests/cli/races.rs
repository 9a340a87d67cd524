//! Fifty requests at once at two processes of one database, and a backup of it, on SQLite and on PostgreSQL.

use std::sync::Arc;

use futures_util::future::{join, join_all};
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

use crate::harness::{Folder, Process, QUERY, Tokens, WITH_CLIENT, between, told};

#[allow(dead_code, reason = "other tests use more of it")]
#[expect(clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]
#[path = "../support/postgres.rs"]
mod postgres;

const MANY: usize = 50;

/// Logs little, since nobody reads on once the server serves.
fn configuration() -> String {
    WITH_CLIENT.replace("info,auth_server=trace", "auth_server::app=info")
}

/// So many codes of one session, since a password for each would take long.
async fn codes(process: &Process, number: usize) -> Vec<String> {
    let cookie = process.sign_in("alice").await.cookie;
    let mut codes = Vec::with_capacity(number);
    for _ in 0..number {
        let answer = process.get(&format!("/authorize?{QUERY}"), Some(&cookie)).await;
        let location = answer.headers()["location"].to_str().unwrap();
        codes.push(between(location, "code=", "&").to_owned());
    }
    codes
}

async fn all_tokens(process: &Process, number: usize) -> Vec<Tokens> {
    let codes = codes(process, number).await;
    let exchanged = codes
        .iter()
        .map(async |code| Tokens::of(&process.exchange(code).await.text().await.unwrap()));
    join_all(exchanged).await
}

/// The successor, if there is one.
async fn refresh(process: &Process, token: &str) -> Option<Tokens> {
    let answer = process.refresh(token).await;
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    assert!(
        status == 200 || (status == 400 && text.contains("invalid_grant")),
        "{text}"
    );
    (status == 200).then(|| Tokens::of(&text))
}

async fn one_rotation_and_one_redemption(nodes: &[Process; 2]) {
    let tokens = all_tokens(&nodes[0], 1).await.remove(0);
    let successors = join_all((0..MANY).map(|n| refresh(&nodes[n % 2], &tokens.refresh))).await;
    let first = successors[0].as_ref().unwrap();
    for successor in &successors {
        assert_eq!(
            successor.as_ref().unwrap().refresh,
            first.refresh,
            "nothing forks"
        );
    }

    let code = codes(&nodes[1], 1).await.remove(0);
    let answers = join_all((0..MANY).map(|n| nodes[n % 2].exchange(&code))).await;
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status().as_u16()).collect();
    assert_eq!(
        statuses.iter().filter(|status| **status == 200).count(),
        1,
        "{statuses:?}"
    );
    assert_eq!(
        statuses.iter().filter(|status| **status == 400).count(),
        MANY - 1,
        "{statuses:?}"
    );
}

async fn no_refresh_survives_its_revocation(nodes: &[Process; 2]) {
    let tokens = all_tokens(&nodes[0], MANY).await;
    let races = tokens.iter().enumerate().map(async |(n, tokens)| {
        let (here, there) = (&nodes[n % 2], &nodes[(n + 1) % 2]);
        let form = [("token", tokens.refresh.as_str())];
        join(refresh(here, &tokens.refresh), there.call("/revoke", &form)).await
    });
    for (survivor, revoked) in join_all(races).await {
        assert_eq!(revoked.status(), 200);
        if let Some(survivor) = survivor {
            assert!(refresh(&nodes[0], &survivor.refresh).await.is_none());
            assert_eq!(nodes[1].user_info(&survivor.access).await, 401);
        }
    }
}

/// A third process ends it: an operator's.
async fn no_refresh_survives_the_end_of_its_session(nodes: &[Process; 2], folder: &Arc<Folder>) {
    let tokens = all_tokens(&nodes[0], MANY).await;
    let refreshes = tokens
        .iter()
        .enumerate()
        .map(|(n, tokens)| refresh(&nodes[n % 2], &tokens.refresh));
    let operator = Arc::clone(folder);
    let end = tokio::task::spawn_blocking(move || operator.run(&["session", "end", "--all", "--yes"], ""));
    let (refreshed, ended) = join(join_all(refreshes), end).await;
    let ended = ended.unwrap();
    assert_eq!(ended.status.code(), Some(0), "{}", told(&ended));
    for (before, after) in tokens.iter().zip(refreshed) {
        let last = after.as_ref().unwrap_or(before);
        assert!(refresh(&nodes[0], &last.refresh).await.is_none());
        assert_eq!(nodes[1].user_info(&last.access).await, 401);
    }
}

async fn races(folder: Folder) {
    let folder = Arc::new(folder);
    let nodes = [Process::start(&folder), Process::start(&folder)];
    one_rotation_and_one_redemption(&nodes).await;
    no_refresh_survives_its_revocation(&nodes).await;
    no_refresh_survives_the_end_of_its_session(&nodes, &folder).await;
    for node in nodes {
        node.terminate();
    }
}

#[tokio::test]
async fn x_2_two_processes_at_one_file_agree() {
    races(Folder::with_user(&configuration(), "alice")).await;
}

#[tokio::test]
async fn x_2_two_processes_at_one_postgresql_database_agree() {
    let url = postgres::fresh_database().await;
    let folder = Folder::on_postgres(&configuration(), &url);
    folder.add_user("alice");
    races(folder).await;
}

/// A backup is older than what clients hold: their newer tokens are taken for reused ones, and their users sign in again.
async fn restored(before: &Folder, after: &Folder, back_up_and_restore: impl AsyncFnOnce()) {
    std::fs::copy(before.file("keys"), after.file("keys")).unwrap();
    let running = Process::start(before);
    let [kept, rotated] = <[Tokens; 2]>::try_from(all_tokens(&running, 2).await)
        .ok()
        .unwrap();
    back_up_and_restore().await;
    let newer = refresh(&running, &rotated.refresh).await.unwrap();
    running.terminate();

    let running = Process::start(after);
    assert_eq!(running.user_info(&kept.access).await, 200);
    assert!(refresh(&running, &kept.refresh).await.is_some());
    assert!(
        refresh(&running, &newer.refresh).await.is_none(),
        "the backup has not seen it"
    );
    assert!(
        refresh(&running, &rotated.refresh).await.is_none(),
        "taken for stolen"
    );
    // What the documentation advises.
    after.done(&["session", "end", "--all", "--yes"]);
    assert_eq!(running.user_info(&kept.access).await, 401);
    assert!(
        refresh(&running, &all_tokens(&running, 1).await[0].refresh)
            .await
            .is_some()
    );
    running.terminate();
}

#[tokio::test]
async fn a_backup_of_the_file_can_be_restored() {
    let before = Folder::with_user(&configuration(), "alice");
    Process::start(&before).terminate();
    let after = Folder::new(&configuration());
    restored(&before, &after, async || {
        let options = SqliteConnectOptions::new().filename(before.file("db"));
        let mut beside = options.connect().await.unwrap();
        sqlx::query("VACUUM INTO $1")
            .bind(after.file("db").to_str().unwrap())
            .execute(&mut beside)
            .await
            .unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_backup_of_the_postgresql_database_can_be_restored() {
    let (from, to) = (postgres::fresh_database().await, postgres::fresh_database().await);
    let before = Folder::on_postgres(&configuration(), &from);
    before.add_user("alice");
    Process::start(&before).terminate();
    let after = Folder::on_postgres(&configuration(), &to);
    restored(&before, &after, async || {
        let file = after.file("backup");
        let file = file.to_str().unwrap();
        postgres::run("pg_dump", &["--format=custom", "--file", file, &from]).await;
        postgres::run("pg_restore", &["--no-owner", "--dbname", &to, file]).await;
    })
    .await;
}
