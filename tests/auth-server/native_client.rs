use crate::harness::{APP, Browser, Server, app_authorization, authorization, exchange_form};

#[tokio::test]
async fn authz_21_a_native_client_chooses_its_loopback_port() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    let uri = "http://127.0.0.1:51004/callback";
    let answer = browser.sign_in("alice", &app_authorization(uri)).await;
    assert!(answer.location().as_str().starts_with(uri));
    let mut form = exchange_form("");
    let code = answer.code();
    form[1] = ("code", &code);
    form[2] = ("redirect_uri", uri);
    assert_eq!(server.token(APP, &form).await.status, 200);

    for uri in [
        "http://localhost:51004/callback",
        "http://127.0.0.1:51004/other",
        "http://127.0.0.2/callback",
    ] {
        server
            .get(&app_authorization(uri).path())
            .await
            .assert_page(400, "not registered");
    }
}

#[tokio::test]
async fn x_20_a_port_is_free_on_loopback_addresses_and_not_on_their_name() {
    let uris = [
        "http://[::1]/callback",
        "http://127.0.0.1/callback",
        "http://localhost:8080/callback",
    ];
    let client = format!("[[client]]\nid = \"desktop\"\nkind = \"public\"\nredirect_uris = {uris:?}");
    let server = Server::start_below("", &client).await;
    let request = |uri: &str| {
        app_authorization(uri)
            .with("client_id", "desktop")
            .with("scope", "openid")
    };
    for uri in [
        "http://[::1]:51004/callback",
        "http://127.0.0.1:51004/callback",
        uris[2],
    ] {
        let page = server.get(&request(uri).path()).await;
        page.assert_page(200, "Sign in");
    }
    // RFC 8252 §8.3: the name may resolve to somebody else.
    let page = server
        .get(&request("http://localhost:51004/callback").path())
        .await;
    page.assert_page(400, "not registered");
}

#[tokio::test]
async fn a_program_on_a_device_gets_no_code_unseen() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    let request = app_authorization("com.example.app:/callback");
    browser.sign_in("alice", &authorization()).await;

    let silent = request.clone().with("prompt", "none");
    browser
        .authorize(&silent)
        .await
        .assert_returned_error(&server, "interaction_required");
    let page = browser.authorize(&request).await;
    page.assert_page(200, "Continue to app?");
    assert!(
        page.header("content-security-policy")
            .contains("form-action 'self' com.example.app:;")
    );

    let mut stranger = Browser::new(&server);
    stranger
        .submit(&page, &[("action", "continue")])
        .await
        .assert_page(200, "Sign in");
    let cookies = browser.cookies.clone();
    browser.cookies.remove("__Host-Http-form");
    browser
        .submit(&page, &[("action", "continue")])
        .await
        .assert_page(200, "Continue to app?");
    browser.cookies = cookies;

    browser
        .submit(&page, &[("action", "cancel")])
        .await
        .assert_returned_error(&server, "access_denied");
    browser
        .submit(&page, &[("action", "switch")])
        .await
        .assert_page(200, "Sign in");
    browser
        .submit(&page, &[("action", "nonsense")])
        .await
        .assert_page(200, "Continue to app?");
    let answer = browser.submit(&page, &[("action", "continue")]).await;
    assert!(
        answer
            .header("location")
            .starts_with("com.example.app:/callback?code=")
    );
}
