use reqwest::Method;

use crate::harness::{APP, BFF, Credentials, PASSWORD, SECRET, SERVICE, Server, basic};

const CC: [(&str, &str); 1] = [("grant_type", "client_credentials")];

#[tokio::test]
async fn token_6_a_bad_secret_is_a_challenge() {
    let server = Server::start().await;
    for client in [
        Credentials::Basic("service", "wrong"),
        Credentials::Post("service", "wrong"),
        Credentials::Public("service"),
    ] {
        let answer = server.token(client, &CC).await;
        answer.assert_oauth_error(401, "invalid_client");
        assert!(answer.header("www-authenticate").starts_with("Basic "));
    }
}

#[tokio::test]
async fn token_7_unknown_clients_and_bad_secrets_get_one_answer() {
    let server = Server::start().await;
    let mut bodies = std::collections::HashSet::new();
    for client in [
        Credentials::Basic("service", "wrong"),
        Credentials::Basic("nobody", SECRET),
        Credentials::Basic("app", ""),
        Credentials::Post("service", "wrong"),
        Credentials::Post("nobody", SECRET),
        Credentials::Public("service"),
        Credentials::Public("nobody"),
        Credentials::None,
    ] {
        let answer = server.token(client, &CC).await;
        answer.assert_oauth_error(401, "invalid_client");
        assert!(answer.header("www-authenticate").starts_with("Basic "));
        bodies.insert(answer.body);
    }
    assert_eq!(bodies.len(), 1);
}

#[tokio::test]
async fn token_8_other_grants_are_refused() {
    let server = Server::start().await;
    for grant in ["implicit", "urn:ietf:params:oauth:grant-type:jwt-bearer", "x"] {
        let form = [("grant_type", grant)];
        server
            .token(BFF, &form)
            .await
            .assert_oauth_error(400, "unsupported_grant_type");
    }
    server
        .token(BFF, &[])
        .await
        .assert_oauth_error(400, "invalid_request");
    server
        .token(BFF, &[("grant_type", "")])
        .await
        .assert_oauth_error(400, "invalid_request");
}

#[tokio::test]
async fn token_10_answers_are_json_and_never_stored() {
    let server = Server::start().await;
    let answer = server.token(SERVICE, &CC).await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"));
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.json()["token_type"], "Bearer");
    // Errors are checked by `assert_oauth_error`.
}

#[tokio::test]
async fn token_11_other_methods_issue_nothing() {
    let server = Server::start().await;
    for method in [
        Method::GET,
        Method::HEAD,
        Method::PUT,
        Method::DELETE,
        Method::OPTIONS,
    ] {
        for path in ["/token", "/revoke"] {
            let request = server
                .request(method.clone(), path)
                .header("authorization", basic("service", SECRET));
            let answer = server.send(request).await;
            assert_eq!((answer.status, answer.header("allow")), (405, "POST"), "{method}");
        }
    }
}

#[tokio::test]
async fn token_12_nothing_is_taken_from_the_query() {
    let server = Server::start().await;
    let secret: String = url::form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
    let query = format!("/token?client_id=service&client_secret={secret}&grant_type=client_credentials");
    server
        .send(server.request(Method::POST, &query).form(&CC))
        .await
        .assert_oauth_error(400, "invalid_request");
    let request = server.request(Method::POST, "/token?grant_type=client_credentials");
    let request = request
        .header("authorization", basic("service", SECRET))
        .form(&[("x", "y")]);
    server
        .send(request)
        .await
        .assert_oauth_error(400, "invalid_request");
}

#[tokio::test]
async fn token_13_two_ways_of_authentication_at_once_are_refused() {
    let server = Server::start().await;
    let both = [
        ("grant_type", "client_credentials"),
        ("client_id", "service"),
        ("client_secret", SECRET),
    ];
    server
        .token(SERVICE, &both)
        .await
        .assert_oauth_error(400, "invalid_request");
    let other = [("grant_type", "client_credentials"), ("client_id", "bff")];
    server
        .token(SERVICE, &other)
        .await
        .assert_oauth_error(400, "invalid_request");
    let same = [("grant_type", "client_credentials"), ("client_id", "service")];
    assert_eq!(server.token(SERVICE, &same).await.status, 200);
    let request = server.request(Method::POST, "/token").form(&CC);
    let request = request
        .header("authorization", basic("service", SECRET))
        .header("authorization", "Bearer x");
    server
        .send(request)
        .await
        .assert_oauth_error(400, "invalid_request");
}

#[tokio::test]
async fn token_14_repeated_parameters_are_refused() {
    let server = Server::start().await;
    let form = [
        ("grant_type", "client_credentials"),
        ("scope", "notes:read"),
        ("scope", "notes:write"),
    ];
    server
        .token(SERVICE, &form)
        .await
        .assert_oauth_error(400, "invalid_request");
}

#[tokio::test]
async fn token_9_there_is_no_password_grant() {
    let server = Server::start().await;
    let form = [
        ("grant_type", "password"),
        ("username", "alice"),
        ("password", PASSWORD),
    ];
    for client in [BFF, APP] {
        server
            .token(client, &form)
            .await
            .assert_oauth_error(400, "unsupported_grant_type");
    }
}

#[tokio::test]
async fn token_15_the_body_is_a_form() {
    let server = Server::start().await;
    let request = || {
        server
            .request(Method::POST, "/token")
            .header("authorization", basic("service", SECRET))
    };
    let json = request().json(&serde_json::json!({ "grant_type": "client_credentials" }));
    server.send(json).await.assert_oauth_error(400, "invalid_request");
    server
        .send(request().body("grant_type=client_credentials"))
        .await
        .assert_oauth_error(400, "invalid_request");
}

#[tokio::test]
async fn token_16_the_media_type_may_have_a_charset() {
    let server = Server::start().await;
    let with_charset = server
        .request(Method::POST, "/token")
        .header("authorization", basic("service", SECRET))
        .header("content-type", "application/x-www-form-urlencoded; charset=UTF-8")
        .body("grant_type=client_credentials");
    assert_eq!(server.send(with_charset).await.status, 200);
}

#[tokio::test]
async fn token_17_basic_parts_are_form_urlencoded() {
    let server = Server::start().await;
    // The id of this client has a colon, a space and a per cent sign; so has the secret.
    assert_eq!(server.token(crate::harness::OTHER, &CC).await.status, 200);
    assert_eq!(
        server
            .token(Credentials::Post("other: 100%", SECRET), &CC)
            .await
            .status,
        200
    );
    for broken in [
        "Basic",
        "Basic ",
        "Basic !!!!",
        "Basic Og==",
        "Basic /////w==",
        "Negotiate abc",
    ] {
        let request = server
            .request(Method::POST, "/token")
            .header("authorization", broken)
            .form(&CC);
        server
            .send(request)
            .await
            .assert_oauth_error(401, "invalid_client");
    }
}

#[tokio::test]
async fn token_18_no_other_origin_is_let_in() {
    let server = Server::start().await;
    for path in ["/token", "/revoke", "/userinfo", "/authorize"] {
        for method in [Method::POST, Method::OPTIONS] {
            let request = server
                .request(method, path)
                .header("origin", "https://evil.example")
                .header("access-control-request-method", "POST")
                .form(&CC);
            assert_eq!(
                server.send(request).await.header("access-control-allow-origin"),
                "",
                "{path}"
            );
        }
    }
}

#[tokio::test]
async fn token_19_a_body_of_a_mebibyte_is_refused() {
    let server = Server::start().await;
    let large = "a".repeat(1024 * 1024);
    let form = [("grant_type", "client_credentials"), ("x", large.as_str())];
    server
        .token(SERVICE, &form)
        .await
        .assert_oauth_error(413, "invalid_request");
    server
        .call("/revoke", SERVICE, &[("token", &large)])
        .await
        .assert_oauth_error(413, "invalid_request");
    assert_eq!(server.token(SERVICE, &CC).await.status, 200);
}

#[tokio::test]
async fn a_body_full_of_names_is_refused_before_anything_is_looked_at() {
    let server = Server::start().await;
    let mut body: String = (0..9000).map(|n| format!("p{n}=x&")).collect();
    body.truncate(64 * 1024);
    let request = server
        .request(Method::POST, "/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body);
    let answer = server.send(request).await;
    answer.assert_oauth_error(400, "invalid_request");
    assert!(
        answer.body.contains("more than 100 parameters"),
        "{}",
        answer.body
    );
}
