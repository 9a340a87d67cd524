//! What the API does for those who are let in.

use serde_json::{Value, json};

use super::stage::{Answer, Stage};
use crate::notes::{MAX_NOTES_PER_OWNER, MAX_TEXT_CHARS};
use crate::test_support::{FakeIssuer, TestKey};

const ALL: &str = "openid notes:read notes:write";

fn id_of(answer: &Answer) -> String {
    answer.json()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_note_is_kept_and_found_again() {
    let stage = Stage::start().await;
    let alice = stage.token("alice", ALL);
    let text = "Milk & \u{1f96f}\n\"<b>\" \0";

    let created = stage.post("/notes", Some(&alice), &json!({"text": text})).await;
    assert_eq!(created.status, 201);
    let note = created.json();
    assert_eq!(
        note,
        json!({"id": id_of(&created), "text": text, "created_at": "2023-11-14T22:13:20Z"})
    );

    // Relative to the address that was posted to.
    let address = url::Url::parse(&stage.url("/notes"))
        .unwrap()
        .join(created.header("location").unwrap())
        .unwrap();
    assert_eq!(address.path(), format!("/notes/{}", id_of(&created)));
    let found = stage.get(address.path(), Some(&alice)).await;
    assert_eq!((found.status, found.json()), (200, note.clone()));
    assert_eq!(stage.get("/notes", Some(&alice)).await.json(), json!([note]));
    stage.stop().await;
}

#[tokio::test]
async fn the_newest_note_comes_first() {
    let stage = Stage::start().await;
    let alice = stage.token("alice", ALL);
    for text in ["one", "two", "three"] {
        assert_eq!(
            stage
                .post("/notes", Some(&alice), &json!({"text": text}))
                .await
                .status,
            201
        );
    }
    let listed = stage.get("/notes", Some(&alice)).await.json();
    let texts: Vec<&Value> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|note| &note["text"])
        .collect();
    assert_eq!(texts, ["three", "two", "one"]);
    stage.stop().await;
}

#[tokio::test]
async fn nobody_sees_the_notes_of_another() {
    let stage = Stage::start().await;
    let (alice, bob) = (stage.token("alice", ALL), stage.token("bob", ALL));
    let id = id_of(
        &stage
            .post("/notes", Some(&alice), &json!({"text": "secret"}))
            .await,
    );

    let answer = stage.get(&format!("/notes/{id}"), Some(&bob)).await;
    answer.assert_problem(404, "note-not-found");
    assert_eq!(stage.get("/notes", Some(&bob)).await.json(), json!([]));
    assert_eq!(stage.get(&format!("/notes/{id}"), Some(&alice)).await.status, 200);
    stage.stop().await;
}

#[tokio::test]
async fn what_names_no_note_is_not_found() {
    let stage = Stage::start().await;
    let alice = stage.token("alice", ALL);
    for id in [
        "AAAAAAAAAAAAAAAAAAAAAA",
        "1",
        "..%2f..%2fetc%2fpasswd",
        "%00",
        "%ff",
        "%41AAAAAAAAAAAAAAAAAAAAA",
        &"x".repeat(5_000),
    ] {
        stage
            .get(&format!("/notes/{id}"), Some(&alice))
            .await
            .assert_problem(404, "note-not-found");
    }
    stage.stop().await;
}

#[tokio::test]
async fn a_head_request_is_a_get_without_the_body() {
    let stage = Stage::start().await;
    let alice = stage.token("alice", ALL);
    let answer = stage
        .answer_to(stage.http.head(stage.url("/notes")).bearer_auth(alice))
        .await;
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    stage.stop().await;
}

#[tokio::test]
async fn a_text_has_a_bounded_length() {
    let stage = Stage::start().await;
    let alice = stage.token("alice", ALL);
    let longest = "\u{1f96f}".repeat(MAX_TEXT_CHARS);
    assert_eq!(
        stage
            .post("/notes", Some(&alice), &json!({"text": longest}))
            .await
            .status,
        201
    );
    // The longest text in its longest spelling still fits the bound of the body.
    let spelled = format!("{{\"text\":\"{}\"}}", "\\ud83e\\udd6f".repeat(MAX_TEXT_CHARS));
    let request = stage
        .http
        .post(stage.url("/notes"))
        .header("Content-Type", "application/json")
        .body(spelled);
    assert_eq!(stage.answer_to(request.bearer_auth(&alice)).await.status, 201);

    for text in [String::new(), "x".repeat(MAX_TEXT_CHARS + 1)] {
        let answer = stage.post("/notes", Some(&alice), &json!({"text": text})).await;
        answer.assert_problem(422, "invalid-text");
    }
    assert_eq!(
        stage
            .get("/notes", Some(&alice))
            .await
            .json()
            .as_array()
            .unwrap()
            .len(),
        2
    );
    stage.stop().await;
}

#[tokio::test]
async fn a_body_that_is_not_the_expected_json_is_refused() {
    let stage = Stage::start().await;
    let alice = stage.token("alice", ALL);
    let post = |content_type: &'static str, body: Vec<u8>| {
        let request = stage
            .http
            .post(stage.url("/notes"))
            .header("Content-Type", content_type);
        stage.answer_to(request.bearer_auth(&alice).body(body))
    };
    for body in [
        &b""[..],
        b"{",
        b"null",
        b"[]",
        b"\"x\"",
        b"{}",
        b"{\"text\":7}",
        b"{\"text\":null}",
        b"{\"text\":\"a\",\"text\":\"b\"}",
        b"{\"text\":\"\xff\"}",
        b"{\"text\":\"\\ud83e\"}",
        b"{\"text\":\"x\"} {}",
    ] {
        post("application/json", body.to_vec())
            .await
            .assert_problem(400, "invalid-body");
    }
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonp",
        "",
    ] {
        let answer = post(content_type, b"{\"text\":\"x\"}".to_vec()).await;
        answer.assert_problem(415, "unsupported-media-type");
    }
    let answer = post("Application/JSON; charset=utf-8", b"{\"text\":\"x\"}".to_vec()).await;
    assert_eq!(answer.status, 201);
    stage.stop().await;
}

#[tokio::test]
async fn a_body_has_a_bounded_size() {
    let stage = Stage::start().await;
    let alice = stage.token("alice", ALL);
    let answer = stage
        .post("/notes", Some(&alice), &json!({"text": "x".repeat(200_000)}))
        .await;
    answer.assert_problem(413, "body-too-large");

    // Without a length that could be believed or not.
    let chunks = (0..3).map(|_| Ok::<_, std::io::Error>(vec![b' '; 64 * 1024]));
    let body = reqwest::Body::wrap_stream(futures_util::stream::iter(chunks));
    let request = stage
        .http
        .post(stage.url("/notes"))
        .header("Content-Type", "application/json")
        .body(body);
    stage
        .answer_to(request.bearer_auth(&alice))
        .await
        .assert_problem(413, "body-too-large");
    assert_eq!(stage.get("/notes", Some(&alice)).await.json(), json!([]));
    stage.stop().await;
}

#[tokio::test]
async fn the_number_of_notes_is_bounded() {
    let stage = Stage::start().await;
    let (alice, bob) = (stage.token("alice", ALL), stage.token("bob", ALL));
    for _ in 0..MAX_NOTES_PER_OWNER {
        assert_eq!(
            stage
                .post("/notes", Some(&alice), &json!({"text": "x"}))
                .await
                .status,
            201
        );
    }
    let answer = stage.post("/notes", Some(&alice), &json!({"text": "x"})).await;
    answer.assert_problem(409, "too-many-notes");
    assert_eq!(
        stage
            .post("/notes", Some(&bob), &json!({"text": "x"}))
            .await
            .status,
        201
    );
    stage.stop().await;
}

#[tokio::test]
async fn notes_in_a_file_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.redb");
    let key = TestKey::es256("k1");
    let issuer = FakeIssuer::publishing(&[&key]).await;

    let stage = Stage::start_with(issuer, key, Some(&path)).await;
    let alice = stage.token("alice", ALL);
    let created = stage.post("/notes", Some(&alice), &json!({"text": "kept"})).await;
    assert_eq!(created.status, 201);
    let (issuer, key) = stage.stop().await;

    let stage = Stage::start_with(issuer, key, Some(&path)).await;
    assert_eq!(
        stage.get("/notes", Some(&alice)).await.json(),
        json!([created.json()])
    );
    stage.stop().await;
}
