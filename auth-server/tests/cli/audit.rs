//! What the log says, and what it never says.

use serde_json::Value;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

use crate::harness::{Folder, PASSWORD, Process, SECRET, Tokens, WITH_CLIENT, told, trail};

/// The one event of that name.
fn only<'e>(events: &'e [Value], message: &str) -> &'e Value {
    let found: Vec<_> = events
        .iter()
        .filter(|event| event["message"] == message)
        .collect();
    assert_eq!(found.len(), 1, "{message}: {events:#?}");
    found[0]
}

/// Signs in and uses everything twice, since refusals are logged with the most words; gives every secret that passed.
async fn use_everything(server: &Process) -> Vec<String> {
    server.attempt("alice", "wrong password").await;
    server.attempt("my password in the wrong field", "alice").await;
    let (browser, tokens) = server.tokens("alice").await;
    let refreshed = server.refresh(&tokens.refresh).await.text().await.unwrap();
    let refreshed = Tokens::of(&refreshed);
    let logout = format!("/end_session?id_token_hint={}", refreshed.id);
    for _ in 0..2 {
        server.call("/revoke", &[("token", &refreshed.refresh)]).await;
        server.user_info(&tokens.access).await;
        server.exchange(&browser.code).await;
        server.refresh(&tokens.refresh).await;
        server.get(&logout, Some(&browser.cookie)).await;
    }
    let session = browser.cookie.split_once('=').unwrap().1.to_owned();
    vec![
        browser.code,
        session,
        browser.mark,
        browser.form_token,
        tokens.access,
        tokens.refresh,
        tokens.id,
        refreshed.access,
        refreshed.refresh,
        refreshed.id,
    ]
}

#[tokio::test]
async fn the_log_holds_no_secret_and_sigterm_ends_it_well() {
    let folder = Folder::with_user(WITH_CLIENT, "alice");
    let server = Process::start(&folder);
    let mut secrets = use_everything(&server).await;
    let others = [
        PASSWORD,
        "wrong password",
        "wrong field",
        SECRET,
        "alice",
        "st4te",
        "n0nce",
    ];
    secrets.extend(others.map(str::to_owned));

    let log = server.terminate();
    assert!(log.contains("\"path\":\"/token\""), "{log}");
    for secret in &secrets {
        assert!(!log.contains(secret), "{secret} is in the log: {log}");
    }
}

#[tokio::test]
async fn the_trail_tells_of_each_sign_in_and_of_what_came_from_it() {
    let folder = Folder::with_user(WITH_CLIENT, "alice");
    let subject = folder.subject("alice");
    let server = Process::start(&folder);
    use_everything(&server).await;
    let events = trail(&server.terminate());

    let signed_in = only(&events, "signed in");
    let sid = signed_in["sid"].as_str().unwrap();
    assert_eq!(signed_in["client.network"], "127.0.0.0/24");
    for message in ["signed in", "code redeemed", "refreshed"] {
        let event = only(&events, message);
        assert_eq!(event["user.id"], subject.as_str(), "{event}");
        assert_eq!(
            (&event["sid"], &event["client.id"]),
            (&sid.into(), &"bff".into()),
            "{event}"
        );
    }
    let failed: Vec<_> = events
        .iter()
        .filter(|event| event["message"] == "sign-in failed")
        .collect();
    assert_eq!(failed.len(), 2);
    assert_eq!(
        (&failed[0]["reason"], &failed[0]["user.id"]),
        (&"wrong_password".into(), &subject.as_str().into())
    );
    assert_eq!(
        (&failed[1]["reason"], &failed[1]["user.id"]),
        (&"unknown_user".into(), &Value::Null)
    );
    for event in events
        .iter()
        .filter(|event| event["message"] == "revoked" || event["message"] == "signed out")
    {
        assert_eq!(event["sid"], sid, "{event}");
    }
    for message in ["revoked", "signed out"] {
        assert!(
            events.iter().any(|event| event["message"] == message),
            "{message}: {events:#?}"
        );
    }
}

#[tokio::test]
async fn the_trail_tells_of_what_is_used_twice() {
    let folder = Folder::with_user(WITH_CLIENT, "alice");
    let subject = folder.subject("alice");
    let server = Process::start(&folder);
    let (browser, _) = server.tokens("alice").await;
    server.exchange(&browser.code).await;
    let (_, tokens) = server.tokens("alice").await;
    let next = Tokens::of(&server.refresh(&tokens.refresh).await.text().await.unwrap());
    server.refresh(&next.refresh).await;
    assert_eq!(server.refresh(&tokens.refresh).await.status(), 400);

    let events = trail(&server.terminate());
    for message in ["code replayed", "refresh token reused"] {
        let event = only(&events, message);
        assert_eq!(
            (&event["user.id"], &event["client.id"]),
            (&subject.as_str().into(), &"bff".into())
        );
        assert!(event["sid"].is_string(), "{event}");
    }
}

#[tokio::test]
async fn the_trail_tells_of_sessions_that_end_without_an_answered_question() {
    let folder = Folder::with_user(WITH_CLIENT, "alice");
    let added = folder.run(&["user", "add", "bob"], &format!("{PASSWORD}\n"));
    assert_eq!(added.status.code(), Some(0));
    let subject = folder.subject("alice");
    let server = Process::start(&folder);
    let (browser, _) = server.tokens("alice").await;
    let attempt = server.attempt_within(&browser.cookie, "bob", PASSWORD).await;
    assert_eq!(attempt.answer.status(), 303);
    // A session that is over but for what its client holds.
    let (_, left) = server.tokens("alice").await;
    let options = SqliteConnectOptions::new().filename(folder.file("db"));
    let database = SqlitePool::connect_with(options).await.unwrap();
    sqlx::query("DELETE FROM sign_in_session WHERE user_id = ?")
        .bind(&subject)
        .execute(&database)
        .await
        .unwrap();
    let logout = format!("/end_session?id_token_hint={}", left.id);
    for _ in 0..2 {
        let answer = server.get(&logout, None).await;
        assert_eq!(answer.status(), 200);
    }
    assert_eq!(server.refresh(&left.refresh).await.status(), 400);

    let events = trail(&server.terminate());
    let named = |message: &str| -> Vec<_> {
        let events = events.iter().filter(|event| event["message"] == message);
        events.map(|event| (&event["user.id"], &event["sid"])).collect()
    };
    let (began, ended) = (named("signed in"), named("signed out"));
    assert_eq!(began.len(), 3);
    assert_eq!(ended, [began[0], (&Value::Null, began[2].1)], "{events:#?}");
}

#[tokio::test]
async fn the_trail_tells_of_a_revocation_only_if_something_ended() {
    let folder = Folder::with_user(WITH_CLIENT, "alice");
    let server = Process::start(&folder);
    let (_, tokens) = server.tokens("alice").await;
    for _ in 0..2 {
        let answer = server.call("/revoke", &[("token", &tokens.refresh)]).await;
        assert_eq!(answer.status(), 200);
    }
    only(&trail(&server.terminate()), "revoked");
}

#[tokio::test]
async fn the_trail_tells_of_guesses_that_are_not_looked_at() {
    // The filter asks for nothing but the server's greeting, and keeps the trail all the same.
    let configuration = WITH_CLIENT.replace("info,auth_server=trace", "off,auth_server::app=info");
    let folder = Folder::with_user(&configuration, "alice");
    let server = Process::start(&folder);
    for _ in 0..11 {
        server.attempt("alice", "wrong password").await;
    }
    let events = trail(&server.terminate());
    let throttled = only(&events, "sign-in throttled");
    assert_eq!(
        (&throttled["client.id"], &throttled["client.network"]),
        (&"bff".into(), &"127.0.0.0/24".into())
    );
}

#[tokio::test]
async fn what_operators_do_is_told_on_standard_error() {
    let folder = Folder::with_user(WITH_CLIENT, "alice");
    let subject = folder.subject("alice");
    let server = Process::start(&folder);
    let run = |arguments: &[&str], input: &str| {
        let output = folder.run(arguments, input);
        assert_eq!(output.status.code(), Some(0), "{}", told(&output));
        assert!(!told(&output).contains("dishwasher"));
        trail(&String::from_utf8(output.stderr).unwrap())
    };
    server.sign_in("alice").await;
    let events = run(&["session", "end", "--user", "alice"], "");
    assert_eq!(
        only(&events, "session ended by operator")["user.id"],
        subject.as_str()
    );
    server.sign_in("alice").await;
    let events = run(&["user", "password", "alice"], "purple monkey dishwasher\n");
    assert_eq!(only(&events, "password changed")["user.id"], subject.as_str());
    only(&events, "session ended by operator");
    for (command, message) in [("disable", "user disabled"), ("enable", "user enabled")] {
        let events = run(&["user", command, "alice"], "");
        assert_eq!(events.len(), 1, "{events:#?}");
        assert_eq!(only(&events, message)["user.id"], subject.as_str());
    }
    let events = run(&["user", "add", "bob"], "purple monkey dishwasher\n");
    let bob = folder.subject("bob");
    assert_eq!(only(&events, "user added")["user.id"], bob.as_str());
    let log = server.terminate();
    assert!(!log.contains("dishwasher"));
}
