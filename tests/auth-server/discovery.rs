use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::Server;

async fn metadata(server: &Server) -> Value {
    server.get("/.well-known/openid-configuration").await.json()
}

#[tokio::test]
async fn disc_1_the_issuer_is_the_configured_one() {
    let server = Server::start().await;
    assert_eq!(metadata(&server).await["issuer"], server.issuer.as_str());
}

#[tokio::test]
async fn disc_2_the_metadata_of_oauth_are_the_same() {
    let server = Server::start().await;
    let answer = server.get("/.well-known/oauth-authorization-server").await;
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert_eq!(answer.json(), metadata(&server).await);
}

#[tokio::test]
async fn disc_3_what_is_required_is_there() {
    let metadata = metadata(&Server::start().await).await;
    for required in [
        "authorization_endpoint",
        "token_endpoint",
        "jwks_uri",
        "response_types_supported",
        "subject_types_supported",
    ] {
        assert!(!metadata[required].is_null(), "{required}");
    }
    for supported in [
        "backchannel_logout_supported",
        "backchannel_logout_session_supported",
    ] {
        assert_eq!(metadata[supported], true);
    }
    assert_eq!(
        metadata["id_token_signing_alg_values_supported"],
        json!(["ES256", "EdDSA", "RS256"]),
        "Discovery §3 wants RS256 among them"
    );
}

#[tokio::test]
async fn the_metadata_names_the_apis() {
    let server = Server::start_with_apis().await;
    let metadata = server.get("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(
        metadata["protected_resources"],
        json!([
            "https://notes.example",
            "https://mail.example",
            "https://files.example"
        ])
    );
    let without = Server::start().await;
    let metadata = without.get("/.well-known/openid-configuration").await.json();
    assert!(metadata.get("protected_resources").is_none());
}

#[tokio::test]
async fn disc_4_there_is_no_implicit_no_password_grant_and_one_challenge() {
    let metadata = metadata(&Server::start().await).await;
    assert_eq!(metadata["response_types_supported"], json!(["code"]));
    assert_eq!(metadata["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(
        metadata["grant_types_supported"],
        json!([
            "authorization_code",
            "refresh_token",
            "client_credentials",
            "urn:ietf:params:oauth:grant-type:token-exchange"
        ])
    );
}

#[tokio::test]
async fn disc_5_the_issuer_in_answers_is_announced() {
    let metadata = metadata(&Server::start().await).await;
    assert_eq!(metadata["authorization_response_iss_parameter_supported"], true);
}

#[tokio::test]
async fn disc_6_no_list_of_algorithms_has_none() {
    let metadata = metadata(&Server::start().await).await;
    let lists = metadata.as_object().unwrap().iter();
    let lists: Vec<_> = lists
        .filter(|(name, _)| name.ends_with("_alg_values_supported"))
        .collect();
    assert!(!lists.is_empty());
    for (name, algorithms) in lists {
        assert!(!algorithms.as_array().unwrap().contains(&json!("none")), "{name}");
    }
}

#[tokio::test]
async fn every_endpoint_of_the_metadata_answers() {
    let server = Server::start().await;
    let metadata = metadata(&server).await;
    for (name, url) in metadata.as_object().unwrap() {
        if name.ends_with("_endpoint") || name == "jwks_uri" {
            let path = url
                .as_str()
                .unwrap()
                .strip_prefix(server.issuer.as_str())
                .unwrap();
            let status = server.get(path).await.status;
            assert!(status != 404 && status < 500, "{name}: {status}");
        }
    }
}

#[tokio::test]
async fn jwks_1_nothing_private_is_published() {
    for key in keys(&Server::start().await).await {
        for private in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
            assert!(key.get(private).is_none(), "{private}");
        }
    }
}

#[tokio::test]
async fn jwks_2_each_key_has_a_name_an_algorithm_and_a_use() {
    let keys = keys(&Server::start().await).await;
    let mut names = std::collections::HashSet::new();
    for key in &keys {
        let name = key["kid"].as_str().unwrap();
        assert!(name.len() == 43 && names.insert(name), "{name}");
        assert_eq!(
            (key["use"].as_str(), key["alg"].as_str()),
            (Some("sig"), Some("ES256"))
        );
    }
}

#[tokio::test]
async fn jwks_3_caches_may_keep_the_keys() {
    let answer = Server::start().await.get("/jwks").await;
    assert_eq!(answer.header("content-type"), "application/jwk-set+json");
    assert!(answer.header("cache-control").contains("max-age="));
}

async fn keys(server: &Server) -> Vec<Value> {
    let keys = server.get("/jwks").await.json()["keys"]
        .as_array()
        .unwrap()
        .clone();
    assert!(!keys.is_empty());
    keys
}

#[tokio::test]
async fn what_is_published_answers_head_and_nothing_but_reading() {
    let server = Server::start().await;
    for path in [
        "/jwks",
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
    ] {
        let whole = server.get(path).await;
        let head = server.send(server.request(Method::HEAD, path)).await;
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{path}");
        for header in ["etag", "cache-control", "content-type", "content-length"] {
            assert_eq!(head.header(header), whole.header(header), "{path} {header}");
        }
        let known = server
            .request(Method::GET, path)
            .header("if-none-match", whole.header("etag"));
        assert_eq!(server.send(known).await.status, 304, "{path}");
        let posted = server.send(server.request(Method::POST, path)).await;
        assert_eq!(posted.status, 405, "{path}");
    }
}

#[tokio::test]
async fn x_17_an_issuer_with_a_path_has_both_well_known_forms() {
    let server = Server::start_below("/tenant", "").await;
    let metadata = server.get("/.well-known/openid-configuration").await.json();
    assert_eq!(metadata["issuer"], server.issuer.as_str());
    assert_eq!(metadata["token_endpoint"], server.public_url("/token"));

    let url = server.url_at_root("/.well-known/oauth-authorization-server/tenant");
    let other = reqwest::get(url).await.unwrap().text().await.unwrap();
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&other).unwrap(),
        metadata
    );

    let tokens = server.tokens().await;
    assert_eq!(
        server.verified_id_token(&tokens.id_token).await["iss"],
        server.issuer.as_str()
    );
}

#[tokio::test]
async fn x_19_the_host_header_changes_nothing() {
    let server = Server::start().await;
    let path = crate::harness::authorization().with("prompt", "none").path();
    for (name, value) in [("host", "evil.example"), ("x-forwarded-host", "evil.example")] {
        let request = |path: &str| server.request(Method::GET, path).header(name, value);
        let metadata = server.send(request("/.well-known/openid-configuration")).await;
        assert!(!metadata.body.contains("evil"), "{name}");
        let answer = server.send(request(&path)).await;
        assert_eq!(answer.returned("iss").as_deref(), Some(server.issuer.as_str()));
    }
}
