//! The whole service over real HTTP.

mod access;
mod issuers;
mod notes;
mod outages;
mod stage;
mod status_lists;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use self::stage::Stage;

#[tokio::test]
async fn an_unknown_path_is_a_problem() {
    let stage = Stage::start().await;
    for path in [
        "/",
        "/notes/",
        "/note",
        "/health/live",
        "/notes/a/b",
        "/%00",
        "/notes%2f",
    ] {
        stage.get(path, None).await.assert_problem(404, "not-found");
    }
    stage.stop().await;
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let stage = Stage::start().await;
    for (method, path, allowed) in [
        ("DELETE", "/notes", "GET, HEAD, POST"),
        ("PUT", "/notes", "GET, HEAD, POST"),
        ("OPTIONS", "/notes", "GET, HEAD, POST"),
        ("POST", "/notes/AAAAAAAAAAAAAAAAAAAAAA", "GET, HEAD"),
        ("DELETE", "/notes/AAAAAAAAAAAAAAAAAAAAAA", "GET, HEAD"),
        ("POST", "/.well-known/oauth-protected-resource", "GET, HEAD"),
    ] {
        let request = stage.http.request(method.parse().unwrap(), stage.url(path));
        let answer = stage.answer_to(request).await;
        answer.assert_problem(405, "method-not-allowed");
        assert_eq!(answer.header("allow"), Some(allowed), "{method} {path}");
    }
    stage.stop().await;
}

#[tokio::test]
async fn health_is_told_on_the_management_listener_only() {
    let stage = Stage::start().await;
    let live = stage.management("/health/live").await;
    assert_eq!((live.status, live.json()), (200, json!({"status": "up"})));
    let ready = stage.management("/health/ready").await;
    assert_eq!((ready.status, ready.json()), (200, json!({"status": "up"})));
    let request = stage.http.post(stage.management_url("/health/live"));
    stage
        .answer_to(request)
        .await
        .assert_problem(405, "method-not-allowed");
    stage.management("/notes").await.assert_problem(404, "not-found");
    stage
        .get("/health/ready", None)
        .await
        .assert_problem(404, "not-found");
    stage.stop().await;
}

// RFC 9728 §3
#[tokio::test]
async fn the_api_tells_whose_tokens_it_takes() {
    let stage = Stage::start().await;
    let metadata = stage.get("/.well-known/oauth-protected-resource", None).await;
    assert_eq!(metadata.status, 200);
    assert_eq!(metadata.header("content-type"), Some("application/json"));
    assert_eq!(
        metadata.json(),
        json!({
            "resource": "https://notes.example",
            "authorization_servers": [stage.issuer.url()],
            "bearer_methods_supported": ["header"],
            "scopes_supported": ["notes:read", "notes:write"],
        })
    );
    stage.stop().await;
}

#[tokio::test]
async fn a_service_that_was_stopped_is_gone() {
    let stage = Stage::start().await;
    let url = stage.url("/notes");
    let http = stage.http.clone();
    stage.stop().await;
    assert!(http.get(url).send().await.unwrap_err().is_connect());
}

#[tokio::test]
async fn a_request_in_flight_comes_to_its_end_when_the_service_stops() {
    let stage = Stage::start().await;
    let body = "{\"text\":\"last words\"}";
    let head = format!(
        "POST /notes HTTP/1.1\r\nHost: notes\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        stage.token("alice", "notes:write"),
        body.len()
    );
    let mut connection = TcpStream::connect(stage.address()).await.unwrap();
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut interim = [0; 25];
    connection.read_exact(&mut interim).await.unwrap();
    assert_eq!(
        &interim, b"HTTP/1.1 100 Continue\r\n\r\n",
        "the request has been taken on"
    );

    let address = stage.address();
    let stopping = tokio::spawn(stage.stop());
    // Whether stopping has begun shows in connections being refused.
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!stopping.is_finished());
    connection.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201 Created\r\n"), "{answer}");
    stopping.await.unwrap();
}

#[tokio::test]
async fn several_services_live_in_one_process() {
    let (one, other) = (Stage::start().await, Stage::start().await);
    let alice = one.token("alice", "notes:read notes:write");
    assert_eq!(
        one.post("/notes", Some(&alice), &json!({"text": "x"}))
            .await
            .status,
        201
    );
    other
        .get("/notes", Some(&alice))
        .await
        .assert_problem(401, "invalid-token");
    one.stop().await;
    assert_eq!(
        other
            .get("/notes", Some(&other.token("alice", "notes:read")))
            .await
            .json(),
        json!([])
    );
    other.stop().await;
}
