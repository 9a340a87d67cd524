use crate::harness::{Folder, WITH_CLIENT};

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
