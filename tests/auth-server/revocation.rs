use crate::harness::{APP, BFF, Credentials, OTHER, Server};

#[tokio::test]
async fn rev_1_an_unknown_token_is_no_error() {
    let server = Server::start().await;
    for token in [
        "unknown",
        "a.b.c",
        "AAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    ] {
        let answer = server.call("/revoke", BFF, &[("token", token)]).await;
        assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"));
    }
}

#[tokio::test]
async fn rev_2_the_client_has_to_say_who_it_is() {
    let server = Server::start().await;
    let tokens = server.tokens().await;
    for client in [
        Credentials::None,
        Credentials::Public("bff"),
        Credentials::Basic("bff", "wrong"),
    ] {
        let answer = server
            .call("/revoke", client, &[("token", &tokens.refresh_token)])
            .await;
        answer.assert_oauth_error(401, "invalid_client");
    }
    assert_eq!(server.refresh(&tokens.refresh_token).await.status, 200);
}

#[tokio::test]
async fn rev_3_another_client_revokes_nothing() {
    let server = Server::start().await;
    let tokens = server.tokens().await;
    for client in [OTHER, APP] {
        assert_eq!(
            server
                .call("/revoke", client, &[("token", &tokens.refresh_token)])
                .await
                .status,
            200
        );
    }
    assert_eq!(server.refresh(&tokens.refresh_token).await.status, 200);
}

#[tokio::test]
async fn rev_4_a_wrong_hint_does_not_matter() {
    let server = Server::start().await;
    for hint in ["access_token", "nonsense", ""] {
        let tokens = server.tokens().await;
        let form = [
            ("token", tokens.refresh_token.as_str()),
            ("token_type_hint", hint),
        ];
        assert_eq!(server.call("/revoke", BFF, &form).await.status, 200);
        server
            .refresh(&tokens.refresh_token)
            .await
            .assert_oauth_error(400, "invalid_grant");
    }
}

#[tokio::test]
async fn rev_5_the_token_has_to_be_there() {
    let server = Server::start().await;
    for form in [&[][..], &[("token", "")]] {
        server
            .call("/revoke", BFF, form)
            .await
            .assert_oauth_error(400, "invalid_request");
    }
}

#[tokio::test]
async fn rev_6_an_access_token_cannot_be_revoked_and_nobody_claims_so() {
    let server = Server::start().await;
    let tokens = server.tokens().await;
    let form = [("token", tokens.access_token.as_str())];
    server
        .call("/revoke", BFF, &form)
        .await
        .assert_oauth_error(400, "unsupported_token_type");
    assert_eq!(
        server.call("/revoke", OTHER, &form).await.status,
        200,
        "to others it is unknown"
    );
    assert_eq!(server.user_info(&tokens.access_token).await.status, 200);
}
