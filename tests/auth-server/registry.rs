//! Clients of the database, beside those of the configuration file.

use futures_util::future::join_all;

use crate::harness::{
    Answer, Authorization, Browser, Credentials, SECRET, Server, Tokens, authorization, exchange_form,
};

pub(crate) const WORKER: &str = r#"
id = "worker"
grants = ["client_credentials"]
scopes = ["notes:read"]
"#;

const SCANS: &str = r#"
[[resource]]
identifier = "https://scans.example"
scopes = ["scan"]
user_info = false
"#;

const SCANNER: &str = r#"
id = "scanner"
grants = ["client_credentials"]
scopes = ["scan", "notes:read"]
audience = "https://scans.example"
"#;

const PORTAL: &str = r#"
id = "portal"
redirect_uris = ["https://bff.example/callback"]
grants = ["authorization_code", "refresh_token"]
scopes = ["openid", "offline_access"]
"#;

const OWN: [(&str, &str); 1] = [("grant_type", "client_credentials")];

/// Adds a client that needs a secret.
pub(crate) async fn add(server: &Server, settings: &str) -> String {
    server.add_client(settings).await.expect("a secret")
}

pub(crate) async fn worker(server: &Server, secret: &str) -> u16 {
    let answer = server.token(Credentials::Basic("worker", secret), &OWN).await;
    if answer.status != 200 {
        answer.assert_oauth_error(401, "invalid_client");
    }
    answer.status
}

fn portal_request() -> Authorization {
    authorization()
        .with("client_id", "portal")
        .with("scope", "openid offline_access")
}

async fn portal_code(server: &Server) -> Answer {
    Browser::new(server).sign_in("alice", &portal_request()).await
}

async fn portal_tokens(server: &Server, secret: &str) -> Tokens {
    let code = portal_code(server).await.code();
    let portal = Credentials::Basic("portal", secret);
    server.token(portal, &exchange_form(&code)).await.tokens()
}

fn refresh_form(token: &str) -> [(&str, &str); 2] {
    [("grant_type", "refresh_token"), ("refresh_token", token)]
}

#[tokio::test]
async fn a_client_that_is_added_is_known_to_every_node_within_a_second() {
    let here = Server::start().await;
    let there = here.beside().await;
    assert_eq!(worker(&here, SECRET).await, 401);
    let secret = add(&here, WORKER).await;
    assert_eq!(secret.len(), 43, "256 bits");
    here.advance(1);
    for server in [&here, &there] {
        assert_eq!(worker(server, &secret).await, 200);
        assert_eq!(worker(server, "wrong").await, 401);
    }
    let dump = here.dump().await;
    assert!(!dump.windows(43).any(|bytes| bytes == secret.as_bytes()));
    let again = here.restarted().await;
    assert_eq!(worker(&again, &secret).await, 200);
}

#[tokio::test]
async fn secrets_overlap_and_are_taken_away() {
    let server = Server::start().await;
    let first = add(&server, WORKER).await;
    let words = ["client", "secret", "add", "worker", "--others-end-in", "60s"];
    let made = server.operator(&words).await.remove(0);
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    let (id, second) = (text("id"), text("secret"));
    server.advance(1);
    assert_eq!(worker(&server, &first).await, 200);
    assert_eq!(worker(&server, &second).await, 200);
    server.advance(58);
    assert_eq!(worker(&server, &first).await, 200);
    server.advance(1);
    assert_eq!(worker(&server, &first).await, 401);
    assert_eq!(worker(&server, &second).await, 200);

    let record = server.operator(&["client", "show", "worker"]).await;
    assert_eq!(record[0]["secrets"].as_array().unwrap().len(), 2);
    let remove = ["client", "secret", "remove", "--", "worker"];
    let unknown = server.operator_refused(&[&remove[..], &["x"]].concat(), "").await;
    assert!(unknown.contains("no such secret"), "{unknown}");
    server.operator(&[&remove[..], &[&id]].concat()).await;
    server.advance(1);
    assert_eq!(worker(&server, &second).await, 401);
}

#[tokio::test]
async fn disabling_a_client_ends_its_grants_at_once_and_enabling_revives_none() {
    let server = Server::start().await;
    let secret = add(&server, PORTAL).await;
    server.advance(1);
    let tokens = portal_tokens(&server, &secret).await;
    let bff = server.tokens().await;
    let on_its_way = portal_code(&server).await.code();
    assert_eq!(server.user_info(&tokens.access_token).await.status, 200);

    assert_eq!(server.end_client(&["disable", "portal"]).await, 1);
    let portal = Credentials::Basic("portal", &secret);
    // No node has looked yet: what ended is ended all the same.
    let refused = server.token(portal, &refresh_form(&tokens.refresh_token)).await;
    refused.assert_oauth_error(400, "invalid_grant");
    let refused = server.token(portal, &exchange_form(&on_its_way)).await;
    refused.assert_oauth_error(400, "invalid_grant");
    assert_eq!(server.user_info(&tokens.access_token).await.status, 401);
    // A code of the second in which nobody has looked: it is worth nothing.
    let late = portal_code(&server).await.code();
    let refused = server.token(portal, &exchange_form(&late)).await;
    refused.assert_oauth_error(400, "invalid_grant");
    server.advance(1);
    let refused = server.token(portal, &exchange_form(&late)).await;
    refused.assert_oauth_error(401, "invalid_client");
    let unknown = Browser::new(&server).authorize(&portal_request()).await;
    unknown.assert_page(400, "not known here");
    assert_eq!(server.end_client(&["disable", "portal"]).await, 0);

    server.operator(&["client", "enable", "portal"]).await;
    server.advance(1);
    let refused = server.token(portal, &refresh_form(&tokens.refresh_token)).await;
    refused.assert_oauth_error(400, "invalid_grant");
    assert_eq!(server.user_info(&tokens.access_token).await.status, 401);
    let refused = server.token(portal, &exchange_form(&late)).await;
    refused.assert_oauth_error(400, "invalid_grant");
    let fresh = portal_tokens(&server, &secret).await;
    server.operator(&["client", "enable", "portal"]).await;
    let kept = server.token(portal, &refresh_form(&fresh.refresh_token)).await;
    assert_eq!(kept.status, 200, "enabling who is enabled ends nothing");
    assert_eq!(server.refresh(&bff.refresh_token).await.status, 200);
}

#[tokio::test]
async fn removing_a_client_ends_all_of_it() {
    let server = Server::start().await;
    let secret = add(&server, PORTAL).await;
    server.advance(1);
    let tokens = portal_tokens(&server, &secret).await;
    let database = server.open_database().await;
    sqlx::query(
        "INSERT INTO consent (user_id, client_id, resources, scope, allowed_at)
            SELECT id, 'portal', '', 'openid', 0 FROM \"user\"",
    )
    .execute(&database)
    .await
    .unwrap();
    let remove = ["remove", "portal", "--yes"];
    assert_eq!(server.end_client(&remove).await, 1);
    let consents = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM consent");
    assert_eq!(consents.fetch_one(&database).await.unwrap(), 0);
    let again = server
        .operator_refused(&[&["client"], &remove[..]].concat(), "")
        .await;
    assert!(again.contains("there is no client"), "{again}");
    // Another client of that id has nothing of the former one.
    let other = add(&server, PORTAL).await;
    server.advance(1);
    let with = |secret| Credentials::Basic("portal", secret);
    let form = refresh_form(&tokens.refresh_token);
    server
        .token(with(secret.as_str()), &form)
        .await
        .assert_oauth_error(401, "invalid_client");
    server
        .token(with(other.as_str()), &form)
        .await
        .assert_oauth_error(400, "invalid_grant");
}

#[tokio::test]
async fn fifty_refreshes_over_two_servers_while_a_client_is_disabled_leave_no_grant() {
    let here = Server::start().await;
    let there = here.beside().await;
    let secret = add(&here, PORTAL).await;
    here.advance(1);
    let mut codes = Vec::new();
    let mut browser = Browser::new(&here);
    let request = portal_request();
    browser.sign_in("alice", &request).await;
    for _ in 0..50 {
        codes.push(browser.authorize(&request).await.code());
    }
    let portal = Credentials::Basic("portal", &secret);
    let exchanges = codes.iter().enumerate().map(|(n, code)| {
        let server = [&here, &there][n % 2];
        async move { server.token(portal, &exchange_form(code)).await }
    });
    let disabled = here.end_client(&["disable", "portal"]);
    let (answers, _) = futures_util::future::join(join_all(exchanges), disabled).await;
    here.advance(1);
    here.operator(&["client", "enable", "portal"]).await;
    here.advance(1);
    for answer in answers.iter().filter(|answer| answer.status == 200) {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", &answer.tokens().refresh_token),
        ];
        let refused = there.token(portal, &form).await;
        refused.assert_oauth_error(400, "invalid_grant");
    }
}

#[tokio::test]
async fn what_is_added_obeys_the_rules_of_the_file_and_has_an_id_of_its_own() {
    let server = Server::start().await;
    let refused = async |settings: &str| server.operator_refused(&["client", "add", "-"], settings).await;
    let in_file = refused("id = \"bff\"\nredirect_uris = [\"https://a.example/\"]").await;
    assert!(
        in_file.contains("\"bff\" is in the configuration file"),
        "{in_file}"
    );
    let faults = refused("id = \"x\"\ncolour = \"red\"\nsecret_env = \"S\"\ngrants = [\"password\"]").await;
    for fault in [
        "colour: is not a known key",
        "secret_env: must not be set",
        "grants[0] = \"password\"",
    ] {
        assert!(faults.contains(fault), "{faults}");
    }
    add(&server, WORKER).await;
    let taken = refused(WORKER).await;
    assert!(taken.contains("a client \"worker\" already"), "{taken}");
    let public = "id = \"phone\"\nkind = \"public\"\nredirect_uris = [\"com.example.phone:/cb\"]";
    assert_eq!(server.add_client(public).await, None);
    let words = ["client", "secret", "add", "phone"];
    let no = server.operator_refused(&words, "").await;
    assert!(no.contains("\"phone\" has no secrets"), "{no}");
    let no = server.operator_refused(&["client", "disable", "bff"], "").await;
    assert!(no.contains("\"bff\" is in the configuration file"), "{no}");
}

#[tokio::test]
async fn a_client_in_both_places_keeps_the_server_from_starting() {
    let server = Server::start().await;
    let database = server.open_database().await;
    sqlx::query("INSERT INTO client (id, settings, created_at) VALUES ('bff', 'id = \"bff\"', 0)")
        .execute(&database)
        .await
        .unwrap();
    let refused = server.start_again().await.unwrap_err();
    assert!(refused.contains("\"bff\" is in the configuration file and in the database"));
}

#[tokio::test]
async fn a_client_whose_api_is_described_no_more_is_left_out_and_not_widened() {
    let server = Server::start_below("", SCANS).await;
    let secret = add(&server, SCANNER).await;
    server.advance(1);
    let scanner = Credentials::Basic("scanner", &secret);
    let token = server.token(scanner, &OWN).await.json();
    assert_eq!(token["scope"], "scan");

    let server = server.restarted_with(SCANS, "").await;
    let refused = server.token(scanner, &OWN).await;
    refused.assert_oauth_error(401, "invalid_client");
    let record = server.operator(&["client", "show", "scanner"]).await;
    let said = "audience = \"https://scans.example\": must be the identifier of a [[resource]] or the issuer";
    let faults = record[0]["faults"].as_str().unwrap();
    assert!(faults.contains(said), "{faults}");
    let other = SCANNER.replace("scanner", "other");
    let refused = server.operator_refused(&["client", "add", "-"], &other).await;
    assert!(refused.contains(said), "{refused}");
    let own = other.replace("https://scans.example", &server.issuer);
    server.add_client(&own).await;

    let described = format!("{SCANS}\n[server]");
    let server = server.restarted_with("[server]", &described).await;
    let token = server.token(scanner, &OWN).await.json();
    assert_eq!(token["scope"], "scan");
}
