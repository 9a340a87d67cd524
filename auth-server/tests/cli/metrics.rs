//! What a server that runs counts.

use crate::harness::{Folder, Process, WITH_CLIENT};

/// The trail is left out of the log, and counted all the same.
fn configuration() -> String {
    WITH_CLIENT
        .replace(
            "info,auth_server=trace",
            "auth_server::app=info,auth_server::audit=off",
        )
        .replace("[log]", "[management]\nlisten = \"127.0.0.1:0\"\n[log]")
}

fn management_address(process: &Process) -> String {
    let mut lines = process.first_lines().lines();
    let line = lines.find(|line| line.contains("serving health checks")).unwrap();
    let entry: serde_json::Value = serde_json::from_str(line).unwrap();
    entry["fields"]["address"].as_str().unwrap().to_owned()
}

pub(crate) async fn counted(process: &Process) -> String {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let address = format!("http://{}/metrics", management_address(process));
    let answer = client.get(address).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(
        answer.headers()["content-type"],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    answer.text().await.unwrap()
}

#[tokio::test]
async fn sign_ins_grants_errors_and_requests_are_counted_and_nobody_is_named() {
    let folder = Folder::with_user(&configuration(), "alice");
    let subject = folder.subject("alice");
    let process = Process::start(&folder);

    let _ = process.attempt("alice", "a wrong password").await;
    let (_, tokens) = process.tokens("alice").await;
    assert_eq!(process.refresh(&tokens.refresh).await.status(), 200);
    assert_eq!(process.refresh("no such token").await.status(), 400);
    assert_eq!(process.get("/nowhere", None).await.status(), 404);

    let text = counted(&process).await;
    for line in [
        "auth_server_audit_events_total{event=\"sign-in failed\",reason=\"wrong_password\"} 1",
        "auth_server_audit_events_total{event=\"signed in\",reason=\"\"} 1",
        "auth_server_audit_events_total{event=\"code redeemed\",reason=\"\"} 1",
        "auth_server_audit_events_total{event=\"refreshed\",reason=\"\"} 1",
        "auth_server_token_errors_total{error=\"invalid_grant\"} 1",
        "auth_server_password_check_duration_seconds_count 2",
        "auth_server_request_duration_seconds_count{endpoint=\"/token\",status_class=\"2xx\"} 2",
        "auth_server_request_duration_seconds_count{endpoint=\"/token\",status_class=\"4xx\"} 1",
        "auth_server_request_duration_seconds_count{endpoint=\"none\",status_class=\"4xx\"} 1",
    ] {
        assert!(text.lines().any(|counted| counted == line), "{line}\n{text}");
    }
    for private in ["alice", subject.as_str(), "nowhere", "127.0.0"] {
        assert!(!text.contains(private), "{private}\n{text}");
    }
    process.terminate();
}
