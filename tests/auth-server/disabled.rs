use crate::harness::{Browser, PASSWORD, Server, app_authorization, authorization};

/// Disables alice beside the running server.
pub(crate) async fn disable_alice(server: &Server) {
    server.operator(&["user", "disable", "alice"]).await;
}

#[tokio::test]
async fn x_9_a_disabled_user_looks_like_a_wrong_password() {
    let server = Server::start().await;
    disable_alice(&server).await;
    let mut bodies = Vec::new();
    for (name, password) in [
        ("alice", PASSWORD),
        ("alice", "wrong password"),
        ("nobody", PASSWORD),
    ] {
        let mut browser = Browser::new(&server);
        let page = browser.authorize(&authorization()).await;
        let fields = [("username", name), ("password", password), ("action", "sign-in")];
        let answer = browser.submit(&page, &fields).await;
        answer.assert_page(422, "That did not work");
        assert_eq!(browser.session_cookie(), None);
        let (head, tail) = answer.body.split_once("<form").unwrap();
        bodies.push(head.to_owned() + tail.split_once("<label for=\"password\"").unwrap().1);
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1);
    Browser::new(&server)
        .sign_in("bob", &authorization())
        .await
        .code();
}

#[tokio::test]
async fn x_9_right_passwords_of_a_disabled_user_count_as_guesses() {
    let server = Server::start().await;
    disable_alice(&server).await;
    for _ in 0..3 {
        let mut browser = Browser::new(&server);
        let page = browser.authorize(&authorization()).await;
        let fields = [("username", "alice"), ("password", PASSWORD)];
        browser.submit(&page, &fields).await;
    }
    let database = server.open_database().await;
    let counts: Vec<i64> = sqlx::query_scalar("SELECT failures FROM sign_in_attempt")
        .fetch_all(&database)
        .await
        .unwrap();
    assert_eq!(counts, [3, 3, 3]);
}

#[tokio::test]
async fn x_9_a_disabled_user_cannot_refresh_redeem_or_be_told_of() {
    let server = Server::start().await;
    let tokens = server.tokens().await;
    let mut browser = Browser::new(&server);
    let code = browser.sign_in("alice", &authorization()).await.code();
    disable_alice(&server).await;

    server
        .refresh(&tokens.refresh_token)
        .await
        .assert_oauth_error(400, "invalid_grant");
    server
        .exchange(&code)
        .await
        .assert_oauth_error(400, "invalid_grant");
    server
        .user_info(&tokens.access_token)
        .await
        .assert_oauth_error(401, "invalid_token");
    browser
        .authorize(&authorization().with("prompt", "none"))
        .await
        .assert_returned_error(&server, "login_required");
}

#[tokio::test]
async fn x_9_a_question_that_is_answered_after_disabling_gives_no_code() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    let request = app_authorization("com.example.app:/callback");
    browser.sign_in("alice", &request).await.code();
    let question = browser.authorize(&request).await;
    question.assert_page(200, "alice");
    disable_alice(&server).await;
    let answer = browser.submit(&question, &[("action", "continue")]).await;
    answer.assert_page(200, "Sign in");
}
