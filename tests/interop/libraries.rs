//! Libraries of npm: a story of `openid_client.mjs` or `oauth4webapi.mjs` each.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use e2e::auth::{AuthServer, CLIENT_SECRET, PASSWORD, USER};
use e2e::browser::Browser;
use e2e::leash::assert_installed;
use e2e::secrets::Kind;
use e2e::wait::within_patience;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{ChildStdin, Command};

const CLIENTS: &str = r#"
[[resource]]
identifier = "https://notes.example"
scopes = ["notes:read", "notes:write"]
introspected_by = ["notes-api"]
exchanged_by = ["notes-api"]
[[resource]]
identifier = "https://files.example"
scopes = ["files:read"]
[[resource]]
identifier = "https://search.example"
scopes = ["notes:read"]

[[client]]
id = "web"
secret_env = "CLIENT_SECRET"
redirect_uris = ["https://app.example/callback"]
post_logout_redirect_uris = ["https://app.example/signed-out"]
grants = ["authorization_code", "refresh_token"]
scopes = ["openid", "profile", "email", "offline_access", "notes:read", "notes:write", "files:read"]
audience = "https://notes.example"
resources = ["https://files.example"]

[[client]]
id = "app"
kind = "public"
redirect_uris = ["http://127.0.0.1/callback"]
grants = ["authorization_code", "refresh_token"]
scopes = ["openid", "offline_access", "notes:read"]
audience = "https://notes.example"

[[client]]
id = "service"
secret_env = "CLIENT_SECRET"
grants = ["client_credentials"]
scopes = ["notes:read", "files:read"]
audience = "https://notes.example"
resources = ["https://files.example"]

[[client]]
id = "signed"
token_endpoint_auth_method = "private_key_jwt"
jwks = '{jwks}'
redirect_uris = ["https://app.example/callback"]
grants = ["authorization_code", "refresh_token", "client_credentials"]
scopes = ["openid", "offline_access", "notes:read"]
audience = "https://notes.example"

[[client]]
id = "pushing"
secret_env = "CLIENT_SECRET"
redirect_uris = ["https://app.example/callback"]
scopes = ["openid"]
require_pushed_authorization_requests = true

[[client]]
id = "rs256"
secret_env = "CLIENT_SECRET"
redirect_uris = ["https://app.example/callback"]
scopes = ["openid"]
id_token_signed_response_alg = "RS256"
access_token_signing_alg = "RS256"

[[client]]
id = "eddsa"
secret_env = "CLIENT_SECRET"
redirect_uris = ["https://app.example/callback"]
scopes = ["openid"]
id_token_signed_response_alg = "EdDSA"
access_token_signing_alg = "EdDSA"

[[client]]
id = "notes-api"
secret_env = "CLIENT_SECRET"
grants = ["urn:ietf:params:oauth:grant-type:token-exchange"]
scopes = ["notes:read"]
audience = "https://search.example"
"#;

macro_rules! stories {
    ($library:ident: $($story:ident),+ $(,)?) => {
        mod $library {
            $(#[test]
            fn $story() {
                e2e::story::run(super::tell(stringify!($library), stringify!($story)));
            })+
        }
    };
}

stories! { openid_client:
    signs_in_refreshes_and_signs_out,
    twenty_parallel_refreshes_stay_signed_in,
    another_nonce_state_issuer_or_verifier_is_refused,
    a_session_signs_in_without_a_page_and_a_code_works_once,
    introspection_follows_revocation,
    a_service_gets_tokens_for_the_resource_it_names,
    a_login_for_two_resources_gets_a_token_for_each,
    a_pushed_request_signs_in,
    a_client_signs_with_a_key_of_its_own,
    each_algorithm_is_verified_by_jose,
    an_api_exchanges_its_callers_token_for_one_of_its_own,
}

stories! { oauth4webapi:
    an_app_signs_in_refreshes_and_is_believed_by_an_api,
    both_forms_of_the_metadata_are_one,
    a_code_that_comes_twice_ends_what_the_first_brought,
    challenges_are_read_as_they_are_meant,
}

/// A story that nobody tells proves nothing.
#[test]
fn every_story_is_told() {
    let told = include_str!("libraries.rs");
    for library in ["openid_client", "oauth4webapi"] {
        let text = std::fs::read_to_string(folder().join(format!("{library}.mjs"))).unwrap();
        let stories = text
            .lines()
            .filter_map(|line| line.strip_prefix("export async function "));
        for story in stories.filter_map(|line| line.split('(').next()) {
            assert!(
                told.contains(&format!("    {story},\n")),
                "{story} of {library} is not told"
            );
        }
    }
}

async fn tell(library: &str, story: &str) {
    assert_installed("node");
    let folder = folder();
    assert!(
        folder.join("node_modules/openid-client").is_dir(),
        "npm openid-client is not installed: run `make test`, or `npm ci` in {}",
        folder.display()
    );
    let key = rcgen::KeyPair::generate().expect("a key of ES256");
    let server = super::auth_server(&CLIENTS.replace("{jwks}", &jwks(&key).to_string())).await;
    let mut process = Command::new("node")
        .arg(folder.join("run.mjs"))
        .env("NODE_EXTRA_CA_CERTS", server.authority_file())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("node starts");
    let mut to_story = process.stdin.take().expect("stdin is piped");
    let setup = json!({
        "client": library,
        "story": story,
        "issuer": server.issuer(),
        "secret": CLIENT_SECRET,
        "key": key.serialize_pem(),
    });
    answer(&mut to_story, &setup).await;
    let mut said = BufReader::new(process.stdout.take().expect("stdout is piped")).lines();
    let browser = server.browser();
    let mut is_told = false;
    while let Some(line) = within_patience("the story goes on", said.next_line())
        .await
        .unwrap()
    {
        let words: Value = serde_json::from_str(&line).expect("the story speaks JSON");
        is_told |= words["told"] == true;
        hear(&server, &browser, &words, &mut to_story).await;
    }
    let mut complaint = String::new();
    let mut stderr = process.stderr.take().expect("stderr is piped");
    stderr.read_to_string(&mut complaint).await.unwrap();
    assert!(is_told, "{library}, {story}:\n{complaint}");
    server.assert_its_log_is_clean();
}

/// The public half, as the client registers it.
fn jwks(key: &rcgen::KeyPair) -> Value {
    // SEC 1 §2.3.3: one byte that says "uncompressed", and both coordinates.
    let (x, y) = key.public_key_raw()[1..].split_at(32);
    let [x, y] = [x, y].map(|coordinate| URL_SAFE_NO_PAD.encode(coordinate));
    json!({ "keys": [{ "kty": "EC", "crv": "P-256", "kid": "own", "alg": "ES256", "use": "sig", "x": x, "y": y }] })
}

/// Does what the story asks of a person, or remembers what it asks to be kept.
async fn hear(server: &AuthServer, browser: &Browser, words: &Value, to_story: &mut ChildStdin) {
    if let Some(secret) = words["secret"].as_str() {
        server.secrets().learn(Kind::AccessToken, secret);
    }
    if let (Some(address), Some(target)) = (words["visit"].as_str(), words["target"].as_str()) {
        let errand = browser.run_errand(address, (USER, PASSWORD), target);
        let arrived = errand
            .await
            .unwrap_or_else(|page| panic!("{target} was not reached: {}", page.summary()));
        answer(to_story, &json!({ "arrived": arrived })).await;
    }
}

async fn answer(to_story: &mut ChildStdin, words: &Value) {
    let line = format!("{words}\n");
    to_story
        .write_all(line.as_bytes())
        .await
        .expect("the story listens");
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("interop")
}
