//! Sign-outs that are told by another process than the one in which they happened.

use crate::harness::{Folder, Process, SECRET, WITH_CLIENT, trail};
use crate::metrics;
use crate::receiver::{Receiver, Reserved};

/// The client, told here.
fn configuration(uri: &str) -> String {
    let told = WITH_CLIENT.replace(
        "[[client]]",
        "[management]\nlisten = \"127.0.0.1:0\"\n[outbound]\nallowed_networks = [\"127.0.0.1/32\"]\n[[client]]",
    );
    format!("{told}\nbackchannel_logout_uri = \"{uri}\"")
}

fn claim(token: &str, name: &str) -> String {
    use base64::Engine as _;
    let claims = token.split('.').nth(1).unwrap();
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(claims)
        .unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    claims[name].as_str().unwrap().to_owned()
}

/// What is counted follows the answer.
async fn until_counted(server: &Process, line: &str) {
    let counted = async { while !metrics::counted(server).await.contains(line) {} };
    let counted = tokio::time::timeout(std::time::Duration::from_secs(30), counted);
    assert!(counted.await.is_ok(), "{line}");
}

#[tokio::test]
async fn a_sign_out_survives_the_death_of_its_server() {
    let mut receiver = Receiver::start();
    let folder = Folder::with_user(&configuration(&receiver.uri), "alice");
    let server = Process::start(&folder);
    let (browser, tokens) = server.tokens("alice").await;
    let logout = format!("/end_session?id_token_hint={}", tokens.id);
    let answer = server.get(&logout, Some(&browser.cookie)).await;
    assert_eq!(answer.status(), 200);
    // `kill -9`, most likely before the server has looked at what it is to tell.
    drop(server);

    let server = Process::start(&folder);
    assert_eq!(
        claim(receiver.next().await.token(), "sid"),
        claim(&tokens.id, "sid")
    );
    let events = trail(&server.terminate());
    // Which process heard the answer is a matter of chance.
    for event in events
        .iter()
        .filter(|event| event["message"] == "client told of sign-out")
    {
        assert_eq!(
            (&event["client.id"], &event["sid"]),
            (&"bff".into(), &claim(&tokens.id, "sid").into())
        );
    }
}

#[tokio::test]
async fn what_an_operator_ends_while_no_server_runs_is_told_by_the_next_one() {
    let reserved = Reserved::new();
    let folder = Folder::with_user(&configuration(&reserved.uri()), "alice");
    let server = Process::start(&folder);
    let (_, tokens) = server.tokens("alice").await;
    server.terminate();
    assert_eq!(
        folder.done(&["session", "end", "--user", "alice"]),
        "1 session ended\n"
    );

    let mut receiver = reserved.serve();
    let server = Process::start(&folder);
    let arrival = receiver.next().await;
    assert_eq!(claim(arrival.token(), "sid"), claim(&tokens.id, "sid"));
    for counted in [
        "auth_server_logout_attempts_total{outcome=\"taken\"} 1",
        "auth_server_logout_notifications_waiting ",
        "auth_server_audit_events_total{event=\"client told of sign-out\",reason=\"\"} 1",
    ] {
        until_counted(&server, counted).await;
    }
    // Stopping waits for the answer and for what is written of it.
    let log = server.terminate();
    let told: Vec<_> = trail(&log)
        .into_iter()
        .filter(|event| event["message"] == "client told of sign-out")
        .collect();
    assert_eq!(told.len(), 1, "{log}");
    assert_eq!(told[0]["user.id"], folder.subject("alice").as_str());
    assert!(!log.contains(arrival.token()) && !log.contains(SECRET));
    assert_eq!(receiver.left(), 0);
}
