use crate::harness::{Folder, GOOD, PASSWORD, Process, QUERY, SignedIn, WITH_CLIENT, told};

/// Whether a browser is still signed in.
async fn is_signed_in(server: &Process, browser: &SignedIn) -> bool {
    let path = format!("/authorize?{QUERY}&prompt=none");
    let answer = server.get(&path, Some(&browser.cookie)).await;
    answer.headers()["location"].to_str().unwrap().contains("code=")
}

#[tokio::test]
async fn sessions_are_listed_and_ended_beside_a_running_server() {
    let folder = Folder::with_user(WITH_CLIENT, "alice");
    let added = folder.run(&["user", "add", "bob"], &format!("{PASSWORD}\n"));
    assert_eq!(added.status.code(), Some(0));
    let server = Process::start(&folder);
    let (first, first_tokens) = server.tokens("alice").await;
    let (second, second_tokens) = server.tokens("alice").await;
    let bob = server.sign_in("bob").await;

    let table = folder.done(&["session", "list", "--all"]);
    assert_eq!(table.lines().count(), 4, "{table}");
    let of_alice = folder.objects(&["session", "list", "--user", "ALICE"]);
    let subject = folder.subject("alice");
    assert_eq!(
        of_alice,
        folder.objects(&["session", "list", "--user-id", &subject])
    );
    assert_eq!(of_alice.len(), 2);
    for session in &of_alice {
        assert_eq!(
            (&session["user"], &session["sub"]),
            (&"alice".into(), &subject.as_str().into())
        );
        assert_eq!(session["clients"], serde_json::json!(["bff"]));
        assert!(session["browser_until"].is_string() && session["grants_until"].is_string());
    }
    let of_bob = folder.objects(&["session", "list", "--user", "bob"]);
    assert_eq!(
        of_bob[0]["clients"],
        serde_json::json!([]),
        "the code is not exchanged yet"
    );
    assert!(of_bob[0]["grants_until"].is_null());

    let sid = sid_of(&first_tokens.id);
    assert_eq!(
        folder.done(&["session", "end", "--sid", &sid]),
        "1 session ended\n"
    );
    assert_eq!(server.refresh(&first_tokens.refresh).await.status(), 400);
    assert_eq!(server.user_info(&first_tokens.access).await, 401);
    assert!(!is_signed_in(&server, &first).await && is_signed_in(&server, &second).await);
    let again = folder.run(&["session", "end", "--sid", &sid], "");
    assert_eq!(again.status.code(), Some(1));
    assert_eq!(told(&again), "auth-server: there is no such session\n");

    assert_eq!(
        folder.objects(&["session", "end", "--user", "alice"])[0]["ended"],
        1
    );
    assert_eq!(server.refresh(&second_tokens.refresh).await.status(), 400);
    assert!(!is_signed_in(&server, &second).await && is_signed_in(&server, &bob).await);

    let unasked = folder.run(&["session", "end", "--all"], "y\n");
    assert_eq!(
        unasked.status.code(),
        Some(1),
        "where nobody can be asked it takes --yes"
    );
    assert!(told(&unasked).contains("say --yes"), "{}", told(&unasked));
    assert_eq!(
        folder.done(&["session", "end", "--all", "--yes"]),
        "1 session ended\n"
    );
    assert_eq!(
        server.exchange(&bob.code).await.status(),
        400,
        "its code is void, too"
    );
    assert!(!is_signed_in(&server, &bob).await);
    assert_eq!(folder.objects(&["session", "list", "--all"]).len(), 0);
    server.terminate();
}

/// The `sid` in an ID token.
fn sid_of(id_token: &str) -> String {
    use base64::Engine as _;
    let claims = id_token.split('.').nth(1).unwrap();
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(claims)
        .unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    claims["sid"].as_str().unwrap().to_owned()
}

#[test]
fn which_sessions_is_always_said_and_in_one_way() {
    let folder = Folder::with_user(GOOD, "alice");
    for command in ["list", "end"] {
        for which in [&[][..], &["--all", "--user", "alice"], &["--user", ""]] {
            let output = folder.run(&[&["session", command], which].concat(), "");
            assert_eq!(output.status.code(), Some(2), "{which:?}");
        }
        let output = folder.run(&["session", command, "--user", "nobody"], "");
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(told(&output), "auth-server: there is no such user\n");
    }
    assert_eq!(
        folder.done(&["session", "end", "--user", "alice"]),
        "0 sessions ended\n"
    );
}
