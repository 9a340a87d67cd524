//! Clients of the database, beside those of the configuration file.

use std::time::Duration;

use auth_server::operator::{Administration, ClientError, MadeSecret};
use futures_util::future::join_all;
use secrecy::ExposeSecret as _;

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

#[expect(clippy::disallowed_methods, reason = "a test may look")]
fn text(made: &MadeSecret) -> String {
    made.secret.expose_secret().to_owned()
}

pub(crate) async fn add(server: &Server, administration: &Administration, settings: &str) -> String {
    let added = administration
        .add_client(&server.operator_config(), settings)
        .await;
    text(&added.unwrap().1.unwrap())
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
    let administration = here.administration().await;
    assert_eq!(worker(&here, SECRET).await, 401);
    let secret = add(&here, &administration, WORKER).await;
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
    let administration = server.administration().await;
    let config = server.operator_config();
    let first = add(&server, &administration, WORKER).await;
    let minute = Some(Duration::from_secs(60));
    let made = administration
        .add_client_secret(&config, "worker", None, minute)
        .await
        .unwrap();
    let second = text(&made);
    server.advance(1);
    assert_eq!(worker(&server, &first).await, 200);
    assert_eq!(worker(&server, &second).await, 200);
    server.advance(58);
    assert_eq!(worker(&server, &first).await, 200);
    server.advance(1);
    assert_eq!(worker(&server, &first).await, 401);
    assert_eq!(worker(&server, &second).await, 200);

    let record = administration.client(&config, "worker").await.unwrap();
    assert_eq!(record.secrets.len(), 2);
    let unknown = administration.remove_client_secret(&config, "worker", "x").await;
    assert!(matches!(unknown, Err(ClientError::NoSuchSecret)));
    administration
        .remove_client_secret(&config, "worker", &made.id)
        .await
        .unwrap();
    server.advance(1);
    assert_eq!(worker(&server, &second).await, 401);
}

#[tokio::test]
async fn disabling_a_client_ends_its_grants_at_once_and_enabling_revives_none() {
    let server = Server::start().await;
    let administration = server.administration().await;
    let config = server.operator_config();
    let secret = add(&server, &administration, PORTAL).await;
    server.advance(1);
    let tokens = portal_tokens(&server, &secret).await;
    let bff = server.tokens().await;
    let on_its_way = portal_code(&server).await.code();
    assert_eq!(server.user_info(&tokens.access_token).await.status, 200);

    assert_eq!(administration.disable_client(&config, "portal").await.unwrap(), 1);
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
    assert_eq!(administration.disable_client(&config, "portal").await.unwrap(), 0);

    administration.enable_client(&config, "portal").await.unwrap();
    server.advance(1);
    let refused = server.token(portal, &refresh_form(&tokens.refresh_token)).await;
    refused.assert_oauth_error(400, "invalid_grant");
    assert_eq!(server.user_info(&tokens.access_token).await.status, 401);
    let refused = server.token(portal, &exchange_form(&late)).await;
    refused.assert_oauth_error(400, "invalid_grant");
    let fresh = portal_tokens(&server, &secret).await;
    administration.enable_client(&config, "portal").await.unwrap();
    let kept = server.token(portal, &refresh_form(&fresh.refresh_token)).await;
    assert_eq!(kept.status, 200, "enabling who is enabled ends nothing");
    assert_eq!(server.refresh(&bff.refresh_token).await.status, 200);
}

#[tokio::test]
async fn removing_a_client_ends_all_of_it() {
    let server = Server::start().await;
    let administration = server.administration().await;
    let config = server.operator_config();
    let secret = add(&server, &administration, PORTAL).await;
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
    assert_eq!(administration.remove_client(&config, "portal").await.unwrap(), 1);
    let consents = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM consent");
    assert_eq!(consents.fetch_one(&database).await.unwrap(), 0);
    let again = administration.remove_client(&config, "portal").await;
    assert!(matches!(again, Err(ClientError::NoSuchClient(_))));
    // Another client of that id has nothing of the former one.
    let other = add(&server, &administration, PORTAL).await;
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
    let administration = here.administration().await;
    let config = here.operator_config();
    let secret = add(&here, &administration, PORTAL).await;
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
    let (answers, ended) = futures_util::future::join(
        join_all(exchanges),
        administration.disable_client(&config, "portal"),
    )
    .await;
    ended.unwrap();
    here.advance(1);
    administration.enable_client(&config, "portal").await.unwrap();
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
    let administration = server.administration().await;
    let config = server.operator_config();
    let added = |settings: &'static str| administration.add_client(&config, settings);
    let in_file = added("id = \"bff\"\nredirect_uris = [\"https://a.example/\"]").await;
    assert!(matches!(in_file, Err(ClientError::InFile(id)) if id == "bff"));
    let faults = added("id = \"x\"\ncolour = \"red\"\nsecret_env = \"S\"\ngrants = [\"password\"]")
        .await
        .unwrap_err()
        .to_string();
    for fault in [
        "colour: is not a known key",
        "secret_env: must not be set",
        "grants[0] = \"password\"",
    ] {
        assert!(faults.contains(fault), "{faults}");
    }
    add(&server, &administration, WORKER).await;
    assert!(matches!(added(WORKER).await, Err(ClientError::Taken(_))));
    let public = "id = \"phone\"\nkind = \"public\"\nredirect_uris = [\"com.example.phone:/cb\"]";
    let (client, secret) = added(public).await.unwrap();
    assert!(client.is_public() && secret.is_none());
    let no = administration
        .add_client_secret(&config, "phone", None, None)
        .await;
    assert!(matches!(no, Err(ClientError::NeedsNoSecret(_))));
    let no = administration.disable_client(&config, "bff").await;
    assert!(matches!(no, Err(ClientError::InFile(_))));
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
    assert!(format!("{refused:#}").contains("\"bff\" is in the configuration file and in the database"));
}

#[tokio::test]
async fn a_client_whose_api_is_described_no_more_is_left_out_and_not_widened() {
    let server = Server::start_below("", SCANS).await;
    let administration = server.administration().await;
    let secret = add(&server, &administration, SCANNER).await;
    administration.close().await;
    server.advance(1);
    let scanner = Credentials::Basic("scanner", &secret);
    let token = server.token(scanner, &OWN).await.json();
    assert_eq!(token["scope"], "scan");

    let server = server.restarted_with(SCANS, "").await;
    let refused = server.token(scanner, &OWN).await;
    refused.assert_oauth_error(401, "invalid_client");
    let administration = server.administration().await;
    let config = server.operator_config();
    let record = administration.client(&config, "scanner").await.unwrap();
    let said = "audience = \"https://scans.example\": must be the identifier of a [[resource]] or the issuer";
    let faults = record.client.unwrap_err().to_string();
    assert!(faults.contains(said), "{faults}");
    let other = SCANNER.replace("scanner", "other");
    let refused = administration.add_client(&config, &other).await.unwrap_err();
    assert!(refused.to_string().contains(said), "{refused}");
    let own = other.replace("https://scans.example", &server.issuer);
    administration.add_client(&config, &own).await.unwrap();
    administration.close().await;

    let described = format!("{SCANS}\n[server]");
    let server = server.restarted_with("[server]", &described).await;
    let token = server.token(scanner, &OWN).await.json();
    assert_eq!(token["scope"], "scan");
}
