//! Several processes at one database, and what happens when it takes nothing.

use std::collections::HashSet;
use std::process::Command;
use std::thread;

use futures_util::future::join_all;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};

use crate::harness::{Folder, Process, WITH_CLIENT};

/// Logs little, since nobody reads on once the server serves.
fn configuration() -> String {
    WITH_CLIENT
        .replace("info,auth_server=trace", "auth_server::app=info")
        .replace("[log]", "[management]\nlisten = \"127.0.0.1:0\"\n[log]")
}

type Answer = (u16, serde_json::Value);

async fn read(answer: reqwest::Response) -> Answer {
    let status = answer.status().as_u16();
    (
        status,
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap(),
    )
}

async fn exchange(process: &Process, code: &str) -> Answer {
    read(process.exchange(code).await).await
}

async fn refresh(process: &Process, token: &str) -> Answer {
    read(process.refresh(token).await).await
}

async fn code_of(process: &Process) -> String {
    process.sign_in("alice").await.code
}

#[test]
fn processes_that_start_together_on_a_new_database_all_serve() {
    for _ in 0..5 {
        let folder = Folder::new(&configuration());
        let servers: Vec<Process> = thread::scope(|scope| {
            let servers: Vec<_> = (0..3).map(|_| scope.spawn(|| Process::start(&folder))).collect();
            let adding = scope.spawn(|| folder.add_user("alice"));
            adding.join().unwrap();
            servers.into_iter().map(|server| server.join().unwrap()).collect()
        });
        for server in servers {
            server.terminate();
        }
    }
}

#[tokio::test]
async fn x_2_two_processes_rotate_a_token_once_and_redeem_a_code_once() {
    let folder = Folder::with_user(&configuration(), "alice");
    let nodes = [Process::start(&folder), Process::start(&folder)];

    let code = code_of(&nodes[0]).await;
    let (status, tokens) = exchange(&nodes[1], &code).await;
    assert_eq!(status, 200, "{tokens}");
    let token = tokens["refresh_token"].as_str().unwrap();
    let answers = join_all((0..50).map(|n| refresh(&nodes[n % 2], token))).await;
    let successors: HashSet<_> = answers
        .iter()
        .map(|(_, answer)| answer["refresh_token"].as_str().map(str::to_owned))
        .collect();
    assert!(answers.iter().all(|(status, _)| *status == 200), "{answers:?}");
    assert_eq!(successors.len(), 1);

    let code = code_of(&nodes[1]).await;
    let answers = join_all((0..50).map(|n| exchange(&nodes[n % 2], &code))).await;
    let won = answers.iter().filter(|(status, _)| *status == 200).count();
    let lost = answers
        .iter()
        .filter(|(status, answer)| *status == 400 && answer["error"] == "invalid_grant")
        .count();
    assert_eq!((won, lost), (1, 49), "{answers:?}");
    for node in nodes {
        node.terminate();
    }
}

/// A server that may write no file longer than one MiB or two, by how the shell counts: a disk that is full for it, and
/// for nobody else.
fn start_confined(folder: &Folder) -> Process {
    let mut command = Command::new("sh");
    command.args([
        "-c",
        "trap '' XFSZ && ulimit -f 2048 && exec \"$0\"",
        env!("CARGO_BIN_EXE_auth-server"),
    ]);
    Process::start_by(command, folder)
}

async fn ready(process: &Process) -> u16 {
    let line = process
        .first_lines()
        .lines()
        .find(|line| line.contains("serving health checks"));
    let entry: serde_json::Value = serde_json::from_str(line.unwrap()).unwrap();
    let address = entry["fields"]["address"].as_str().unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.get(format!("http://{address}/health/ready")).send().await;
    answer.unwrap().status().as_u16()
}

async fn execute(connection: &mut SqliteConnection, statement: &'static str) {
    sqlx::query(statement).execute(connection).await.unwrap();
}

async fn version(connection: &mut SqliteConnection) -> i64 {
    let version = sqlx::query_scalar("PRAGMA data_version");
    version.fetch_one(connection).await.unwrap()
}

#[tokio::test]
async fn who_can_write_nothing_is_not_ready_and_is_again_when_it_can() {
    let folder = Folder::with_user(&configuration(), "alice");
    let process = start_confined(&folder);
    let code = code_of(&process).await;
    let (_, tokens) = exchange(&process, &code).await;
    let token = tokens["refresh_token"].as_str().unwrap();

    let database = SqliteConnectOptions::new().filename(folder.file("db"));
    let mut beside = database.connect().await.unwrap();
    assert_eq!(ready(&process).await, 200);
    let proved = version(&mut beside).await;
    for _ in 0..5 {
        assert_eq!(ready(&process).await, 200);
    }
    assert_eq!(version(&mut beside).await, proved, "a probe is no write");

    // The log of the database grows beyond what the server may write.
    execute(&mut beside, "PRAGMA wal_autocheckpoint = 0").await;
    execute(&mut beside, "CREATE TABLE filler (bytes BLOB)").await;
    execute(&mut beside, "INSERT INTO filler VALUES (zeroblob(3000000))").await;
    let (status, answer) = refresh(&process, token).await;
    assert_eq!(
        (status, &answer["error"]),
        (503, &"temporarily_unavailable".into())
    );
    for _ in 0..2 {
        assert_eq!(ready(&process).await, 503);
    }

    execute(&mut beside, "PRAGMA wal_checkpoint(TRUNCATE)").await;
    assert_eq!(ready(&process).await, 200);
    let (status, answer) = refresh(&process, token).await;
    assert_eq!(status, 200, "{answer}");
    beside.close().await.unwrap();
    process.terminate();
}
