use reqwest::Method;

use crate::harness::Server;

#[tokio::test]
async fn disc_1_to_6_the_metadata_names_what_is_there() {
    let server = Server::start().await;
    let answer = server.get("/.well-known/openid-configuration").await;
    let metadata = answer.json();

    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert_eq!(metadata["issuer"], server.issuer.as_str());
    assert_eq!(
        server.get("/.well-known/oauth-authorization-server").await.json(),
        metadata
    );
    for required in [
        "authorization_endpoint",
        "token_endpoint",
        "jwks_uri",
        "response_types_supported",
        "subject_types_supported",
        "id_token_signing_alg_values_supported",
    ] {
        assert!(!metadata[required].is_null(), "{required}");
    }
    assert_eq!(metadata["response_types_supported"], serde_json::json!(["code"]));
    assert_eq!(
        metadata["code_challenge_methods_supported"],
        serde_json::json!(["S256"])
    );
    assert_eq!(
        metadata["grant_types_supported"],
        serde_json::json!([
            "authorization_code",
            "refresh_token",
            "client_credentials",
            "urn:ietf:params:oauth:grant-type:token-exchange"
        ])
    );
    assert_eq!(metadata["authorization_response_iss_parameter_supported"], true);
    for supported in [
        "backchannel_logout_supported",
        "backchannel_logout_session_supported",
    ] {
        assert_eq!(metadata[supported], true);
    }
    assert_eq!(
        metadata["id_token_signing_alg_values_supported"],
        serde_json::json!(["ES256", "EdDSA", "RS256"]),
        "Discovery §3 wants RS256 among them"
    );
}

#[tokio::test]
async fn the_metadata_names_the_apis() {
    let server = Server::start_with_apis().await;
    let metadata = server.get("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(
        metadata["protected_resources"],
        serde_json::json!([
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
async fn every_endpoint_of_the_metadata_answers() {
    let server = Server::start().await;
    let metadata = server.get("/.well-known/openid-configuration").await.json();
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
async fn jwks_1_to_3_the_keys_are_public_named_and_cacheable() {
    let server = Server::start().await;
    let answer = server.get("/jwks").await;
    assert_eq!(answer.header("content-type"), "application/jwk-set+json");
    assert!(answer.header("cache-control").contains("max-age="));
    for key in answer.json()["keys"].as_array().unwrap() {
        for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert!(key.get(private).is_none(), "{private}");
        }
        assert!(key["kid"].as_str().is_some_and(|kid| kid.len() == 43));
        assert_eq!(
            (key["use"].as_str(), key["alg"].as_str()),
            (Some("sig"), Some("ES256"))
        );
    }
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
    assert_eq!(metadata["token_endpoint"], server.url("/token"));

    let origin = server.issuer.strip_suffix("/tenant").unwrap();
    let url = format!("{origin}/.well-known/oauth-authorization-server/tenant");
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
