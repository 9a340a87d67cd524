//! `private_key_jwt`, and that a client has one way of authentication.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{BFF, ClientKey, Credentials, KeyHost, SECRET, Server, encoded, header};

const SIGNER: &str = r#"
[[client]]
id = "signer"
token_endpoint_auth_method = "private_key_jwt"
grants = ["client_credentials"]
scopes = ["notes:read"]
audience = "https://notes.example"
"#;

const ONE_WAY: &str = r#"
[[client]]
id = "basic"
token_endpoint_auth_method = "client_secret_basic"
secret_env = "SECRET"
grants = ["client_credentials"]
scopes = ["notes:read"]

[[client]]
id = "post"
token_endpoint_auth_method = "client_secret_post"
secret_env = "SECRET"
grants = ["client_credentials"]
scopes = ["notes:read"]
"#;

const OWN: [(&str, &str); 1] = [("grant_type", "client_credentials")];

async fn with_key(key: &ClientKey) -> Server {
    Server::start_below("", &format!("{SIGNER}jwks = '{}'", key.set("k1"))).await
}

fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

#[tokio::test]
async fn an_assertion_proves_a_client_at_every_endpoint() {
    let key = ClientKey::es256();
    let server = with_key(&key).await;
    let fresh = || key.sign(&header("ES256"), &server.claims_of("signer"));
    let answer = server.own_token(&fresh()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    let token = [("token", token.as_str())];
    let told = server.call_with_assertion("/introspect", &fresh(), &token).await;
    assert_eq!(told.json()["active"], true);
    let unknown = [("token", "unknown"), ("client_id", "signer")];
    let revoked = server.call_with_assertion("/revoke", &fresh(), &unknown).await;
    assert_eq!(revoked.status, 200);
    for path in ["/token", "/introspect", "/revoke", "/par"] {
        let foreign = ClientKey::es256().sign(&header("ES256"), &server.claims_of("signer"));
        server
            .call_with_assertion(path, &foreign, &token)
            .await
            .assert_oauth_error(401, "invalid_client");
    }
}

#[tokio::test]
async fn every_algorithm_that_is_registered_is_taken_and_no_other() {
    let rsa = ClientKey::rsa();
    for (key, algs) in [
        (&ClientKey::es256(), &["ES256"][..]),
        (&ClientKey::ed25519(), &["EdDSA"]),
        (&rsa, &["RS256", "PS256"]),
    ] {
        let server = with_key(key).await;
        for alg in algs {
            let assertion = key.sign(&header(alg), &server.claims_of("signer"));
            assert_eq!(server.own_token(&assertion).await.status, 200, "{alg}");
        }
    }
    let registered = format!(
        "{SIGNER}token_endpoint_auth_signing_alg = \"PS256\"\njwks = '{}'",
        rsa.set("k1")
    );
    let server = Server::start_below("", &registered).await;
    let signed = |alg| rsa.sign(&header(alg), &server.claims_of("signer"));
    assert_eq!(server.own_token(&signed("PS256")).await.status, 200);
    server
        .own_token(&signed("RS256"))
        .await
        .assert_oauth_error(401, "invalid_client");
}

#[tokio::test]
async fn x_6_the_audience_is_the_issuer_alone_and_a_text() {
    let key = ClientKey::es256();
    let server = with_key(&key).await;
    let issuer = server.issuer.as_str();
    for audience in [
        json!(format!("{issuer}/token")),
        json!(format!("{issuer}/par")),
        json!(format!("{issuer}/introspect")),
        json!(format!("{issuer}/")),
        json!([issuer]),
        json!([issuer, format!("{issuer}/token")]),
        json!([issuer, "https://other.example"]),
        json!("https://other.example"),
    ] {
        let claims = with(server.claims_of("signer"), "aud", audience.clone());
        let answer = server.own_token(&key.sign(&header("ES256"), &claims)).await;
        answer.assert_oauth_error(401, "invalid_client");
    }
}

#[tokio::test]
async fn x_6_an_assertion_counts_once_on_every_node_and_after_a_restart() {
    let key = ClientKey::es256();
    let server = with_key(&key).await;
    let beside = server.beside().await;
    let claims = server.claims_of("signer");
    let assertion = key.sign(&header("ES256"), &claims);
    assert_eq!(server.own_token(&assertion).await.status, 200);
    // The same `jti` in another signature and with another end is the same.
    let again = with(claims.clone(), "exp", json!(claims["exp"].as_i64().unwrap() + 30));
    let again = key.sign(&header("ES256"), &again);
    for assertion in [&assertion, &again] {
        for server in [&server, &beside] {
            server
                .own_token(assertion)
                .await
                .assert_oauth_error(401, "invalid_client");
        }
    }
    let server = server.restarted().await;
    server
        .own_token(&assertion)
        .await
        .assert_oauth_error(401, "invalid_client");
    // A refused request is no use of it.
    let unused = key.sign(&header("ES256"), &server.claims_of("signer"));
    let two_ways = [OWN[0], ("client_secret", SECRET)];
    let refused = server.call_with_assertion("/token", &unused, &two_ways).await;
    refused.assert_oauth_error(400, "invalid_request");
    assert_eq!(server.own_token(&unused).await.status, 200);
}

#[tokio::test]
async fn x_6_fifty_replays_over_two_servers_count_once() {
    let key = ClientKey::es256();
    let here = with_key(&key).await;
    let there = here.beside().await;
    let assertion = key.sign(&header("ES256"), &here.claims_of("signer"));
    let answers = join_all((0..50).map(|n| [&here, &there][n % 2].own_token(&assertion))).await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    assert_eq!(won.len(), 1);
    for answer in lost {
        answer.assert_oauth_error(401, "invalid_client");
    }
}

#[tokio::test]
async fn x_6_an_assertion_lives_five_minutes_at_most() {
    let key = ClientKey::es256();
    let server = with_key(&key).await;
    let now = server.claims_of("signer")["iat"].as_i64().unwrap();
    for (exp, status) in [
        (json!(now + 301), 401),
        (json!(now + 86_400), 401),
        (json!(now + 300), 200),
        (json!(now - 9), 200),
        (json!(now - 10), 401),
        (json!("soon"), 401),
    ] {
        let claims = with(server.claims_of("signer"), "exp", exp.clone());
        let answer = server.own_token(&key.sign(&header("ES256"), &claims)).await;
        assert_eq!(answer.status, status, "{exp}");
    }
    for missing in ["exp", "jti", "iss", "sub", "aud"] {
        let mut claims = server.claims_of("signer");
        claims.as_object_mut().unwrap().remove(missing);
        let answer = server.own_token(&key.sign(&header("ES256"), &claims)).await;
        assert_eq!(answer.status, 401, "{missing}");
    }
}

#[tokio::test]
async fn x_6_neither_none_nor_a_shared_secret_signs() {
    let key = ClientKey::es256();
    let server = with_key(&key).await;
    let claims = server.claims_of("signer");
    for alg in ["none", "None", "HS256"] {
        let signed = format!(
            "{}.{}",
            encoded(header(alg).to_string().as_bytes()),
            encoded(claims.to_string().as_bytes())
        );
        // The public key as the secret of an HMAC: what a confused verifier would take.
        let secret = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, key.set("k1").as_bytes());
        let signature = encoded(aws_lc_rs::hmac::sign(&secret, signed.as_bytes()).as_ref());
        for assertion in [format!("{signed}."), format!("{signed}.{signature}")] {
            server
                .own_token(&assertion)
                .await
                .assert_oauth_error(401, "invalid_client");
        }
    }
}

#[tokio::test]
async fn a_client_speaks_for_itself_alone() {
    let key = ClientKey::es256();
    let server = with_key(&key).await;
    for client in ["bff", "service", "app", "nobody"] {
        let claims = server.claims_of(client);
        let answer = server.own_token(&key.sign(&header("ES256"), &claims)).await;
        answer.assert_oauth_error(401, "invalid_client");
    }
    let claims = with(server.claims_of("signer"), "iss", json!("service"));
    let assertion = key.sign(&header("ES256"), &claims);
    server
        .own_token(&assertion)
        .await
        .assert_oauth_error(401, "invalid_client");
    let assertion = key.sign(&header("ES256"), &server.claims_of("signer"));
    let form = [OWN[0], ("client_id", "service")];
    let answer = server.call_with_assertion("/token", &assertion, &form).await;
    answer.assert_oauth_error(401, "invalid_client");
}

#[tokio::test]
async fn each_client_has_one_way_and_every_other_is_the_same_refusal() {
    let key = ClientKey::es256();
    let settings = format!("{ONE_WAY}{SIGNER}jwks = '{}'", key.set("k1"));
    let server = Server::start_below("", &settings).await;
    for right in [
        Credentials::Basic("basic", SECRET),
        Credentials::Post("post", SECRET),
    ] {
        assert_eq!(server.token(right, &OWN).await.status, 200);
    }
    let wrong = server.token(Credentials::Basic("basic", "wrong"), &OWN).await;
    for other in [
        Credentials::Post("basic", SECRET),
        Credentials::Basic("post", SECRET),
        Credentials::Basic("signer", SECRET),
        Credentials::Post("signer", SECRET),
        Credentials::Public("signer"),
        Credentials::Basic("nobody", SECRET),
    ] {
        let refused = server.token(other, &OWN).await;
        refused.assert_oauth_error(401, "invalid_client");
        assert_eq!(refused.body, wrong.body);
        assert_eq!(
            refused.header("www-authenticate"),
            wrong.header("www-authenticate")
        );
    }
    let assertion = key.sign(&header("ES256"), &server.claims_of("basic"));
    let refused = server.own_token(&assertion).await;
    refused.assert_oauth_error(401, "invalid_client");
    assert_eq!(refused.body, wrong.body);

    let assertion = key.sign(&header("ES256"), &server.claims_of("signer"));
    let form = [
        OWN[0],
        (
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ),
        ("client_assertion", assertion.as_str()),
    ];
    let two = server.token(BFF, &form).await;
    two.assert_oauth_error(400, "invalid_request");
}

#[tokio::test]
async fn published_keys_are_fetched_and_rotate() {
    let (first, second) = (ClientKey::es256(), ClientKey::es256());
    let host = KeyHost::publishing(first.set("k1")).await;
    let settings = format!("{SIGNER}jwks_uri = \"{}\"", host.address);
    let allowed = format!("outbound.allowed_networks = [\"127.0.0.0/8\"]\n{settings}");
    let server = Server::start_below("", &allowed).await;
    let with_first = |server: &Server| first.sign(&header("ES256"), &server.claims_of("signer"));
    assert_eq!(server.own_token(&with_first(&server)).await.status, 200);
    assert_eq!(server.own_token(&with_first(&server)).await.status, 200);
    assert_eq!(host.visits(), 1, "fetched keys are kept");

    host.publish(second.set("k2"));
    let with_second = |server: &Server| {
        let header = json!({ "alg": "ES256", "kid": "k2" });
        second.sign(&header, &server.claims_of("signer"))
    };
    assert_eq!(server.own_token(&with_second(&server)).await.status, 200);
    assert_eq!(host.visits(), 2);
    // Invented names of keys make no stream of fetches.
    for n in 0..20 {
        let header = json!({ "alg": "ES256", "kid": format!("x{n}") });
        let assertion = second.sign(&header, &server.claims_of("signer"));
        server
            .own_token(&assertion)
            .await
            .assert_oauth_error(401, "invalid_client");
    }
    assert_eq!(host.visits(), 2);
    server.advance(11);
    for n in 0..20 {
        let header = json!({ "alg": "ES256", "kid": format!("y{n}") });
        let assertion = second.sign(&header, &server.claims_of("signer"));
        server
            .own_token(&assertion)
            .await
            .assert_oauth_error(401, "invalid_client");
    }
    assert_eq!(host.visits(), 4, "two in a cooldown at most");

    let server = Server::start_below("", &settings).await;
    let refused = server.own_token(&with_second(&server)).await;
    refused.assert_oauth_error(401, "invalid_client");
    assert_eq!(
        host.visits(),
        4,
        "our own network is not called unless it is allowed"
    );
}

#[tokio::test]
async fn an_assertion_that_cannot_be_noted_proves_nothing() {
    let key = ClientKey::es256();
    let server = with_key(&key).await;
    let database = server.open_database().await;
    sqlx::query("ALTER TABLE used_assertion RENAME TO gone")
        .execute(&database)
        .await
        .unwrap();
    let assertion = key.sign(&header("ES256"), &server.claims_of("signer"));
    let answer = server.own_token(&assertion).await;
    answer.assert_oauth_error(503, "temporarily_unavailable");
}

#[tokio::test]
async fn the_metadata_names_ways_and_algorithms() {
    let server = Server::start().await;
    let metadata = server.get("/.well-known/openid-configuration").await.json();
    for endpoint in ["token", "revocation", "introspection"] {
        let methods = metadata[format!("{endpoint}_endpoint_auth_methods_supported")]
            .as_array()
            .unwrap();
        assert!(methods.contains(&json!("private_key_jwt")));
        assert!(!methods.contains(&json!("client_secret_jwt")));
        assert_eq!(
            metadata[format!("{endpoint}_endpoint_auth_signing_alg_values_supported")],
            json!(["ES256", "EdDSA", "RS256", "PS256"])
        );
    }
}
