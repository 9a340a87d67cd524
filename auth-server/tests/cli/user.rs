use crate::harness::{Folder, GOOD, PASSWORD, Process, WITH_CLIENT, told};

#[test]
fn a_user_is_added_with_a_password_from_standard_input_once() {
    let folder = Folder::new(GOOD);
    let add = [
        "user",
        "add",
        "Alice",
        "--email",
        "a@example.com",
        "--name",
        "Alice A",
    ];
    let output = folder.run(&add, "correct horse battery\nignored\n");
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let shown = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(shown.starts_with("added alice with the subject "));
    let database = folder.file("db");
    assert!(
        shown.ends_with(&format!(" to {}\n", database.display())),
        "{shown}"
    );
    assert!(!told(&output).contains("horse"));

    let output = folder.run(&["user", "add", "ALICE"], "another pass phrase\n");
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).contains("a user named \"alice\" exists already"));
}

#[test]
fn unfit_names_passwords_and_addresses_are_refused() {
    let folder = Folder::new(GOOD);
    let rosa = ["user", "add", "rosa", "--name", "Rosamund Thistlewood"];
    for (arguments, password, told_part) in [
        (&["user", "add", "bob"][..], "short\n", "at least 8 characters"),
        (&["user", "add", "bob"], "", "at least 8 characters"),
        (
            &["user", "add", "bob-the-builder"],
            "Bob-The-Builder\n",
            "must not be the user name",
        ),
        (
            &["user", "add", "bob smith"],
            "correct horse battery\n",
            "the user name must be",
        ),
        (
            &["user", "add", "bob", "--email", "nowhere"],
            "correct horse battery\n",
            "the e-mail address",
        ),
        (
            &["user", "add", "bob"],
            "password\n",
            "the password is too easy to guess. This is a top-10 common password.",
        ),
        (
            &rosa,
            "Thistlewood1\n",
            "It is made of names and addresses of its user.",
        ),
    ] {
        let output = folder.run(arguments, password);
        assert_eq!(output.status.code(), Some(1));
        assert!(told(&output).contains(told_part), "{}", told(&output));
        assert_eq!(told(&output).matches(told_part).count(), 1, "once is enough");
        assert!(!told(&output).contains("Thistlewood1"));
    }
    let output = folder.run(&["user", "add", "bob", "--password", "correct horse battery"], "");
    assert_eq!(output.status.code(), Some(2), "a password is no argument");
}

#[test]
fn users_are_listed_and_shown() {
    let folder = Folder::with_user(GOOD, "bob");
    for name in ["alice", "carol"] {
        let added = folder.run(&["user", "add", name, "--json"], &format!("{PASSWORD}\n"));
        let added: serde_json::Value = serde_json::from_slice(&added.stdout).unwrap();
        assert_eq!(
            (&added["name"], &added["email"]),
            (&name.into(), &serde_json::Value::Null)
        );
    }
    let table = folder.done(&["user", "list"]);
    let names: Vec<_> = table
        .lines()
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    assert_eq!(names, ["NAME", "alice", "bob", "carol"]);

    let users = folder.objects(&["user", "list"]);
    assert_eq!(users.len(), 3);
    assert_eq!(users[1]["email"], "bob@example.com");
    assert!(!table.contains("argon2") && !users[1].to_string().contains("argon2"));

    let subject = users[1]["sub"].as_str().unwrap();
    for which in [&["BOB"][..], &["--id", subject]] {
        let shown = folder.done(&[&["user", "show"], which].concat());
        assert!(shown.contains(&format!("subject    {subject}")), "{shown}");
        assert!(shown.contains("disabled   -"), "{shown}");
    }
}

#[test]
fn who_is_not_there_is_not_changed() {
    let nowhere = Folder::new(GOOD);
    let output = nowhere.run(&["user", "list"], "");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        told(&output).contains("there is no database at"),
        "{}",
        told(&output)
    );
    assert!(!nowhere.file("db").exists(), "looking makes nothing");

    let folder = Folder::with_user(GOOD, "alice");
    for command in ["show", "disable", "enable", "password"] {
        for which in [&["nobody"][..], &["--id", "nobody"]] {
            let output = folder.run(&[&["user", command], which].concat(), "correct horse staple\n");
            assert_eq!(output.status.code(), Some(1));
            assert_eq!(told(&output), "auth-server: there is no such user\n");
        }
        let both = folder.run(&["user", command, "alice", "--id", "x"], "");
        assert_eq!(both.status.code(), Some(2), "one user is said, in one way");
    }
}

#[tokio::test]
async fn x_9_a_user_who_is_disabled_beside_a_running_server_is_out_at_once() {
    let folder = Folder::with_user(WITH_CLIENT, "alice");
    let server = Process::start(&folder);
    let (_, tokens) = server.tokens("alice").await;
    let unused = server.sign_in("alice").await;

    let told = folder.done(&["user", "disable", "alice"]);
    assert_eq!(told, "disabled alice; 2 sessions ended\n");
    assert_eq!(server.refresh(&tokens.refresh).await.status(), 400);
    assert_eq!(server.exchange(&unused.code).await.status(), 400);
    assert_eq!(server.user_info(&tokens.access).await, 401);
    assert_eq!(server.attempt("alice", PASSWORD).await.answer.status(), 422);
    let disabled = &folder.objects(&["user", "show", "alice"])[0]["disabled_at"];
    assert!(disabled.as_str().unwrap().ends_with('Z'));
    let again = folder.objects(&["user", "disable", "alice"]);
    assert_eq!(again[0]["sessions_ended"], 0);
    assert_eq!(&again[0]["disabled_at"], disabled, "the first instant stays");

    assert_eq!(folder.done(&["user", "enable", "alice"]), "enabled alice\n");
    assert_eq!(
        server.refresh(&tokens.refresh).await.status(),
        400,
        "what ended stays so"
    );
    let (_, tokens) = server.tokens("alice").await;
    assert_eq!(server.user_info(&tokens.access).await, 200);
    server.terminate();
}

#[tokio::test]
async fn a_new_password_ends_what_the_old_one_began_unless_it_shall_stay() {
    let folder = Folder::with_user(WITH_CLIENT, "alice");
    let server = Process::start(&folder);
    let (_, tokens) = server.tokens("alice").await;

    let output = folder.run(&["user", "password", "alice"], "alice2026\n");
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).contains("too easy to guess"), "{}", told(&output));
    assert_eq!(server.user_info(&tokens.access).await, 200, "nothing has changed");

    let kept = folder.run(
        &["user", "password", "alice", "--keep-sessions"],
        "purple monkey dishwasher\n",
    );
    assert_eq!(kept.status.code(), Some(0), "{}", told(&kept));
    assert!(told(&kept).contains("changed the password of alice; 0 sessions ended"));
    assert_eq!(server.user_info(&tokens.access).await, 200);
    assert_eq!(server.attempt("alice", PASSWORD).await.answer.status(), 422);
    assert_eq!(
        server
            .attempt("alice", "purple monkey dishwasher")
            .await
            .answer
            .status(),
        303
    );

    let changed = folder.run(&["user", "password", "alice"], &format!("{PASSWORD}\n"));
    assert!(told(&changed).contains("2 sessions ended"), "{}", told(&changed));
    assert!(!told(&changed).contains("horse"));
    assert_eq!(server.refresh(&tokens.refresh).await.status(), 400);
    assert_eq!(server.user_info(&tokens.access).await, 401);
    server.tokens("alice").await;
    server.terminate();
}
