use serde_json::Value;

use crate::harness::{Folder, Process, WITH_CLIENT, told, trail};

fn kids(keys: &[Value], phase: &str) -> Vec<String> {
    let found = keys.iter().filter(|key| key["phase"] == phase);
    found.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn keys_are_listed_and_withdrawn_beside_a_running_server() {
    let folder = Folder::with_user(WITH_CLIENT, "alice");
    let server = Process::start(&folder);
    let (_, tokens) = server.tokens("alice").await;
    let before = folder.objects(&["key", "list"]);
    let (active, announced) = (kids(&before, "active"), kids(&before, "announced"));
    assert_eq!((active.len(), announced.len()), (1, 1));
    let table = folder.done(&["key", "list"]);
    assert_eq!(table.lines().count(), 3, "{table}");

    let young = folder.run(&["key", "rotate"], "");
    assert_eq!(young.status.code(), Some(1));
    assert!(
        told(&young).contains("may not sign before 20"),
        "{}",
        told(&young)
    );

    let withdrawn = folder.run(&["key", "withdraw", &active[0], "--json"], "");
    assert_eq!(withdrawn.status.code(), Some(0), "{}", told(&withdrawn));
    let events = trail(&String::from_utf8_lossy(&withdrawn.stderr));
    assert!(
        events
            .iter()
            .any(|event| event["message"] == "signing key changed"
                && event["key.id"] == active[0].as_str()
                && event["key.phase"] == "withdrawn"),
        "{events:?}"
    );
    let after = folder.objects(&["key", "list"]);
    assert_eq!(kids(&after, "withdrawn"), active);
    assert_eq!(kids(&after, "active"), announced);
    assert_eq!(kids(&after, "announced").len(), 1);

    // The server sees it with the first request of its next second: few requests later.
    let mut published = active[0].clone();
    while published.contains(&active[0]) {
        published = server.get("/jwks", None).await.text().await.unwrap();
    }
    assert_eq!(server.user_info(&tokens.access).await, 401);
    assert_eq!(server.refresh(&tokens.refresh).await.status(), 200);
    let log = server.terminate();
    assert!(log.contains("other signing keys are in force"), "{log}");
}

#[test]
fn what_cannot_be_withdrawn_is_told() {
    let folder = Folder::with_user(WITH_CLIENT, "alice");
    assert_eq!(
        folder.objects(&["key", "list"]).len(),
        0,
        "no server has made any"
    );
    let unknown = folder.run(&["key", "withdraw", "nobody"], "");
    assert_eq!(unknown.status.code(), Some(1));
    assert!(told(&unknown).contains("key file"), "{}", told(&unknown));
    Process::start(&folder).terminate();
    let unknown = folder.run(&["key", "withdraw", "nobody"], "");
    assert_eq!(told(&unknown), "auth-server: there is no signing key nobody\n");
    let unused = folder.run(&["key", "rotate", "--algorithm", "RS256"], "");
    assert!(told(&unused).contains("no key signs RS256"), "{}", told(&unused));
    for arguments in [
        &["key", "withdraw"][..],
        &["key", "withdraw", "--all", "nobody"],
        &["key", "rotate", "--algorithm", "HS256"],
    ] {
        assert_eq!(folder.run(arguments, "").status.code(), Some(2), "{arguments:?}");
    }
    let unasked = folder.run(&["key", "withdraw", "--all"], "");
    assert_eq!(unasked.status.code(), Some(1));
    assert_eq!(folder.objects(&["key", "withdraw", "--all", "--yes"]).len(), 4);
}
