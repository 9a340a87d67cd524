//! APIs that are not ours and take the tokens of our auth server: npm `jose`, and nginx with `njs`. What they are made of is
//! what `docs/resource-servers.md` shows. Spring Security is in `java.rs`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use auth_server::operator::WhichUser;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use e2e::gateway::Nginx;
use e2e::http_server::{HttpServer, answer};
use e2e::leash::{Leashed, assert_installed};
use e2e::misfits::{AUDIENCE, Misfits, client, judge};
use e2e::relay::Instead;
use e2e::story;
use e2e::wait::{eventually, within_patience};
use http::StatusCode;
use serde_json::json;
use tempfile::TempDir;

/// A program of Node that is an API.
struct NodeApi {
    url: String,
    _process: Leashed,
}

impl NodeApi {
    async fn start(script: &str, issuer: &str) -> Self {
        let folder = apis().join("jose");
        assert_installed("node");
        assert!(
            folder.join("../../node_modules/jose").is_dir(),
            "npm jose is not installed: run `make test`, or `npm ci` in tests/interop"
        );
        let words = [
            format!("ISSUER={issuer}"),
            format!("AUDIENCE={AUDIENCE}"),
            "node".to_owned(),
            folder.join(script).display().to_string(),
        ];
        let started = Leashed::start("env", &words, |line| line.starts_with("listens on "));
        let (process, printed) = within_patience("the API starts", started)
            .await
            .unwrap_or_else(|printed| panic!("{script} did not start:\n{printed}"));
        let port = printed.trim().rsplit(' ').next().expect("a port").to_owned();
        Self {
            url: format!("http://127.0.0.1:{port}"),
            _process: process,
        }
    }
}

/// An nginx that judges tokens, before an API that believes it.
struct NginxApi {
    url: String,
    _nginx: Nginx,
    _api: HttpServer,
    _cache: TempDir,
}

impl NginxApi {
    async fn start(issuer: &str) -> Self {
        let api = HttpServer::start(async |request: http::Request<hyper::body::Incoming>| {
            let said = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap());
            let seen = json!({
                "authorization": said("authorization"), "sub": said("x-token-sub"), "scope": said("x-token-scope"),
            });
            Ok(answer(StatusCode::OK, "application/json", seen.to_string()))
        })
        .await;
        let cache = TempDir::new().expect("a temporary folder");
        let folder = apis().join("nginx");
        let documented = fs::read_to_string(folder.join("nginx.conf")).expect("nginx.conf");
        let (nginx, ()) = Nginx::start_with_scripts(async |_: &Path, port| {
            let lines = documented
                .replace(
                    "/etc/nginx/guard.js",
                    &folder.join("guard.js").display().to_string(),
                )
                .replace(
                    "/var/cache/nginx/keys",
                    &cache.path().join("keys").display().to_string(),
                )
                .replace("https://login.example.com", issuer)
                .replace("127.0.0.1:8443", &format!("127.0.0.1:{port}"))
                .replace("127.0.0.1:3000", &api.address().to_string());
            (lines, ())
        })
        .await;
        Self {
            url: format!("http://{}", nginx.address()),
            _nginx: nginx,
            _api: api,
            _cache: cache,
        }
    }
}

fn apis() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("interop/apis")
}

/// What every API has to do beside judging tokens.
async fn keeps_the_rules(misfits: &Misfits, api: &str) {
    assert_eq!(misfits.misjudged_by(api).await, [""; 0]);
    for value in [None, Some("Basic eDp5"), Some("Bearer")] {
        let mut request = client().get(format!("{api}/notes"));
        if let Some(value) = value {
            request = request.header("authorization", value);
        }
        let refusal = request.send().await.unwrap();
        assert!(
            [400, 401].contains(&refusal.status().as_u16()),
            "{value:?}: {refusal:?}"
        );
        assert!(
            refusal.headers()["www-authenticate"]
                .to_str()
                .unwrap()
                .starts_with("Bearer realm=")
        );
    }
    // RFC 6750 §2.3, dropped by OAuth 2.1: addresses are written down everywhere.
    let in_query = client().get(format!("{api}/notes?access_token={}", misfits.good()));
    assert_eq!(in_query.send().await.unwrap().status(), 401);

    let (fetches, statuses) = misfits.flood(api, "at+jwt", 300).await;
    assert!(fetches <= 2, "{fetches} fetches");
    assert_eq!(statuses, [401]);
}

#[test]
fn ours_keeps_the_rules() {
    story::run(async {
        let misfits = Misfits::gather().await;
        let address = misfits.stack.notes_address().await;
        keeps_the_rules(&misfits, &format!("http://{address}")).await;
    });
}

#[test]
fn jose_keeps_the_rules() {
    story::run(async {
        let misfits = Misfits::gather().await;
        let api = NodeApi::start("api.mjs", misfits.issuer()).await;
        keeps_the_rules(&misfits, &api.url).await;

        misfits.lose_the_keys();
        let api = NodeApi::start("api.mjs", misfits.issuer()).await;
        misfits.assert_unavailable(&api.url).await;
    });
}

/// What the page says of its defaults.
#[test]
fn jose_takes_what_it_is_not_told_to_refuse() {
    story::run(async {
        let misfits = Misfits::gather().await;
        let api = NodeApi::start("defaults.mjs", misfits.issuer()).await;
        let taken = misfits.misjudged_by(&api.url).await;
        let of_no_concern = [
            "the ID token of that login",
            "without an end",
            "of another issuer",
            "of the issuer with a slash",
            "of no issuer",
            "for another API",
            "for no API",
            "for an API whose name begins alike",
            "of nobody",
            "without a client",
            "typed as an ID token",
            "typed as a logout token",
            "without a type",
        ];
        assert_eq!(taken, of_no_concern);
    });
}

#[test]
fn nginx_keeps_the_rules() {
    story::run(async {
        let misfits = Misfits::gather().await;
        let api = NginxApi::start(misfits.issuer()).await;
        keeps_the_rules(&misfits, &api.url).await;

        // What a client says of itself does not reach the API.
        let request = client()
            .get(format!("{}/notes", api.url))
            .bearer_auth(misfits.good());
        let request = request
            .header("x-token-sub", "root")
            .header("x-token-scope", "all");
        let seen: serde_json::Value = request.send().await.unwrap().json().await.unwrap();
        let told = json!({ "authorization": null, "sub": "somebody", "scope": "notes:read notes:write" });
        assert_eq!(seen, told);

        misfits.lose_the_keys();
        let api = NginxApi::start(misfits.issuer()).await;
        misfits.assert_unavailable(&api.url).await;
    });
}

/// A list with these bits, as `draft-ietf-oauth-status-list` has it.
fn status_list(misfits: &Misfits, uri: &str, bits: &[u8]) -> &'static str {
    let mut claims = misfits.claims();
    let lst = BASE64_URL_SAFE_NO_PAD.encode(zlib_stored(bits));
    claims["sub"] = json!(uri);
    claims["ttl"] = json!(5);
    claims["status_list"] = json!({ "bits": 1, "lst": lst });
    let token = misfits
        .signer
        .sign(&misfits.signer.header("statuslist+jwt"), &claims);
    token.leak()
}

/// RFC 1950 and RFC 1951 §3.2.4 without any compression.
fn zlib_stored(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).expect("a short list");
    let (mut low, mut high) = (1_u32, 0_u32);
    for byte in bytes {
        low = (low + u32::from(*byte)) % 65_521;
        high = (high + low) % 65_521;
    }
    let checksum = (high << 16) | low;
    [
        &[0x78, 0x01, 0x01][..],
        &length.to_le_bytes(),
        &(!length).to_le_bytes(),
        bytes,
        &checksum.to_be_bytes(),
    ]
    .concat()
}

#[test]
fn jose_refuses_who_has_signed_out() {
    story::run(async {
        let misfits = Misfits::gather().await;
        let issuer = misfits.issuer();
        let uri = format!("{issuer}/statuslists/1");
        // The tenth of sixteen grants has ended.
        let list = status_list(&misfits, &uri, &[0, 0b0000_0010]);
        misfits
            .stack
            .provider()
            .instead("/statuslists/1", Instead::Status(200, list));
        let wrong = status_list(&misfits, &format!("{issuer}/statuslists/1"), &[0, 0]);
        misfits
            .stack
            .provider()
            .instead("/statuslists/2", Instead::Status(200, wrong));
        let api = NodeApi::start("api.mjs", issuer).await;

        let verdict = async |idx: u64, uri: &str| {
            let mut claims = misfits.claims();
            claims["status"] = json!({ "status_list": { "idx": idx, "uri": uri } });
            let token = misfits.signer.sign(&misfits.signer.header("at+jwt"), &claims);
            judge(&api.url, &token).await.0
        };
        assert_eq!(verdict(8, &uri).await, 200);
        assert_eq!(verdict(9, &uri).await, 401);
        // Numbers of 32 bits would be negative, or begin again.
        for beyond in [16, 1 << 31, 1 << 32, (1 << 53) - 1] {
            assert_eq!(verdict(beyond, &uri).await, 401, "beyond the list: {beyond}");
        }
        let asked = misfits.stack.provider().exchanges_at("/statuslists/1");
        assert_eq!(asked.len(), 1, "it is kept");
        assert_eq!(asked[0].headers["accept"], "application/statuslist+jwt");
        // Not the list that was asked for, none at all, and a stranger's.
        assert_eq!(verdict(8, &format!("{issuer}/statuslists/2")).await, 503);
        assert_eq!(verdict(8, &format!("{issuer}/statuslists/3")).await, 503);
        assert_eq!(verdict(8, "http://127.0.0.1:1/statuslists/1").await, 503);
    });
}

/// The same with the list that our auth server publishes.
#[test]
fn jose_refuses_whose_account_was_disabled() {
    story::run(async {
        let misfits = Misfits::gather().await;
        let api = NodeApi::start("api.mjs", misfits.issuer()).await;
        let token = misfits.cases()[0].token.clone();
        assert_eq!(judge(&api.url, &token).await.0, 200);

        let administration = misfits.stack.administration().await;
        let alice = administration.user(WhichUser::Name("alice")).await.unwrap();
        administration.disable_user(&alice.user.id).await.unwrap();
        administration.close().await;
        // A node looks at what others ended once a second.
        misfits.stack.advance(Duration::from_secs(2)).await;
        eventually("the list is fetched anew", async || {
            (judge(&api.url, &token).await.0 == 401).then_some(())
        })
        .await;
    });
}

/// What readers copy is what runs here.
#[test]
fn the_page_shows_what_is_tested() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/resource-servers.md");
    let page = fs::read_to_string(docs).unwrap();
    for file in [
        "jose/api.mjs",
        "jose/status.mjs",
        "nginx/nginx.conf",
        "nginx/guard.js",
        "spring/src/main/java/notes/Security.java",
        "spring/src/main/java/notes/Tokens.java",
    ] {
        let text = fs::read_to_string(apis().join(file)).unwrap();
        assert!(
            page.contains(&text),
            "docs/resource-servers.md has not the text of {file}"
        );
    }
    assert!(page.contains(include_str!("../../resource-server/examples/minimal.rs")));
}
