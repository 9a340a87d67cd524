use serde_json::{Value, json};

use crate::harness::{Folder, Process, WITH_CLIENT, told, trail};

#[test]
fn clients_are_listed_without_their_secrets() {
    let app = "[[client]]\nid = \"app\"\nkind = \"public\"\nname = \"Notes \\u001b[2J\"\n\
               redirect_uris = [\"com.example.app:/cb\"]";
    let folder = Folder::new(&format!("{WITH_CLIENT}\n{app}"));
    let table = folder.done(&["client", "list"]);
    let lines: Vec<_> = table.lines().collect();
    assert_eq!(lines.len(), 3, "{table}");
    assert!(lines[0].starts_with("ID "));
    assert!(lines[1].starts_with("app ") && lines[1].contains(" public "));
    assert!(lines[2].contains(" confidential ") && lines[2].contains("https://bff.example/callback"));
    assert!(!table.contains('\u{1b}'), "nothing moves the cursor");

    let clients = folder.objects(&["client", "list"]);
    assert_eq!(clients[1]["id"], "bff");
    assert_eq!(clients[1]["grants"][1], "refresh_token");
    assert_eq!(clients[1]["audience"], "http://127.0.0.1:9000");
    assert_eq!(clients[1]["resources"], serde_json::json!([]));
    let keys: Vec<_> = clients[1]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert!(!keys.iter().any(|key| key.contains("secret")), "{keys:?}");
    assert!(!folder.file("db").exists(), "no database is needed");
}

const PORTAL: &str = "id = \"portal\"\nname = \"Portal\"\nredirect_uris = [\"https://portal.example/cb\"]\n";

/// Adds a client of the database from standard input.
fn added(folder: &Folder) -> Value {
    let output = folder.run(&["client", "add", "-", "--json"], PORTAL);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let secret = serde_json::from_slice::<Value>(&output.stdout).unwrap();
    let events = trail(&String::from_utf8_lossy(&output.stderr));
    assert_eq!(events[0]["message"], "client added");
    let text = secret["client_secret"]["secret"].as_str().unwrap();
    assert!(!String::from_utf8_lossy(&output.stderr).contains(text));
    secret
}

#[test]
fn a_client_is_added_shown_given_secrets_and_removed() {
    let folder = Folder::new(WITH_CLIENT);
    let first = added(&folder);
    assert_eq!(first["client_secret"]["secret"].as_str().unwrap().len(), 43);
    let listed = folder.objects(&["client", "list"]);
    assert_eq!(
        (&listed[0]["id"], &listed[0]["in"]),
        (&json!("bff"), &json!("file"))
    );
    assert_eq!(
        (&listed[1]["id"], &listed[1]["in"]),
        (&json!("portal"), &json!("database"))
    );
    let made = folder.objects(&["client", "secret", "add", "portal", "--others-end-in", "7d"]);
    let shown = &folder.objects(&["client", "show", "portal"])[0];
    let secrets = shown["secrets"].as_array().unwrap();
    assert_eq!(secrets.len(), 2);
    for secret in secrets {
        let is_first = secret["id"] == first["client_secret"]["id"];
        let ends_at = secret["ends_at"].as_str().unwrap();
        assert_eq!(ends_at.starts_with("20"), is_first, "{ends_at}");
    }
    assert!(!shown.to_string().contains(made[0]["secret"].as_str().unwrap()));

    let first_id = first["client_secret"]["id"].as_str().unwrap();
    folder.done(&["client", "secret", "remove", "portal", first_id]);
    assert_eq!(
        folder.objects(&["client", "disable", "portal"])[0]["grants_ended"],
        0
    );
    let table = folder.done(&["client", "list"]);
    assert!(
        table
            .lines()
            .any(|line| line.starts_with("portal ") && line.contains(" disabled ")),
        "{table}"
    );
    folder.done(&["client", "enable", "portal"]);
    let unasked = folder.run(&["client", "remove", "portal"], "");
    assert_eq!(unasked.status.code(), Some(1), "{}", told(&unasked));
    folder.done(&["client", "remove", "portal", "--yes"]);
    let gone = folder.run(&["client", "show", "portal"], "");
    assert!(told(&gone).contains("there is no client \"portal\""));
    assert_eq!(folder.objects(&["client", "list"]).len(), 1);
}

#[test]
fn what_cannot_be_a_client_is_told_with_all_of_its_faults() {
    let folder = Folder::new(WITH_CLIENT);
    let faulty = "id = \"x\"\ngrants = [\"password\"]\ncolour = \"red\"\n";
    let output = folder.run(&["client", "add", "-"], faulty);
    assert_eq!(output.status.code(), Some(1));
    for fault in ["grants[0] = \"password\"", "colour: is not a known key"] {
        assert!(told(&output).contains(fault), "{}", told(&output));
    }
    let in_file = PORTAL.replace("\"portal\"", "\"bff\"");
    let output = folder.run(&["client", "add", "-"], &in_file);
    assert!(told(&output).contains("is in the configuration file"));
    added(&folder);
    let twice = folder.run(&["client", "add", "-"], PORTAL);
    assert!(told(&twice).contains("there is a client \"portal\" already"));
    for arguments in [
        &["client", "disable", "bff"][..],
        &["client", "secret", "add", "bff"],
    ] {
        let output = folder.run(arguments, "");
        assert_eq!(output.status.code(), Some(1));
        assert!(told(&output).contains("change it there"), "{}", told(&output));
    }
}

#[tokio::test]
async fn a_running_server_learns_of_clients_and_starts_with_none_twice() {
    let folder = Folder::new(WITH_CLIENT);
    let server = Process::start(&folder);
    let secret = added(&folder);
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", "portal"),
        (
            "client_secret",
            secret["client_secret"]["secret"].as_str().unwrap(),
        ),
    ];
    // It may act a second later: by then it is refused for something else.
    while server.post("/token", &form).await.status() == 401 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let log = server.terminate();
    assert!(log.contains("the clients were read anew"), "{log}");

    let both = Folder::new(&format!(
        "{WITH_CLIENT}\n[[client]]\n{PORTAL}secret_env = \"SECRET\""
    ));
    std::fs::copy(folder.file("db"), both.file("db")).unwrap();
    let output = both.run_with_secret(&["serve"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).contains("in the configuration file and in the database"));
}
