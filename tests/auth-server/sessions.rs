//! What becomes of the session that a browser had when somebody signs in there.

use std::cell::Cell;

use futures_util::future::join;

use crate::harness::{
    Answer, Authorization, BFF, Browser, Database, PASSWORD, Server, Tokens, authorization, exchange_form,
    peek,
};

const AS_ALICE: [(&str, &str); 3] = [
    ("username", "alice"),
    ("password", PASSWORD),
    ("action", "sign-in"),
];

fn silent() -> Authorization {
    authorization().with("prompt", "none")
}

fn anew() -> Authorization {
    authorization().with("prompt", "login")
}

/// A browser in which this user has just signed in, and what the client got.
async fn signed_in<'s>(server: &'s Server, name: &str) -> (Browser<'s>, Tokens) {
    let mut browser = Browser::new(server);
    let code = browser.sign_in(name, &authorization()).await.code();
    let tokens = server.exchange(&code).await.tokens();
    (browser, tokens)
}

/// Another tab, or whoever else has the cookies that the browser has now.
fn same_cookies<'s>(server: &'s Server, browser: &Browser<'_>) -> Browser<'s> {
    let mut tab = Browser::new(server);
    tab.cookies.clone_from(&browser.cookies);
    tab
}

fn claim(tokens: &Tokens, name: &str) -> String {
    peek(&tokens.id_token).1[name].as_str().unwrap().to_owned()
}

fn sign_out(tokens: &Tokens) -> String {
    format!("/end_session?id_token_hint={}", tokens.id_token)
}

async fn assert_dead(server: &Server, tokens: &Tokens) {
    server
        .refresh(&tokens.refresh_token)
        .await
        .assert_oauth_error(400, "invalid_grant");
    assert_eq!(server.user_info(&tokens.access_token).await.status, 401);
}

async fn assert_lives(server: &Server, tokens: &Tokens) {
    assert_eq!(server.user_info(&tokens.access_token).await.status, 200);
    assert_eq!(server.refresh(&tokens.refresh_token).await.status, 200);
}

#[tokio::test]
async fn another_user_ends_the_session_before_and_all_that_came_from_it() {
    let server = Server::start().await;
    let (mut browser, alices) = signed_in(&server, "alice").await;
    let in_flight = browser.authorize(&silent()).await.code();
    let mut former = same_cookies(&server, &browser);
    let (mut elsewhere, others) = signed_in(&server, "alice").await;

    let code = browser.sign_in("bob", &anew()).await.code();
    let bobs = server.exchange(&code).await.tokens();
    assert_ne!(claim(&alices, "sub"), claim(&bobs, "sub"));
    assert_ne!(claim(&alices, "sid"), claim(&bobs, "sid"));

    assert_dead(&server, &alices).await;
    server
        .token(BFF, &exchange_form(&in_flight))
        .await
        .assert_oauth_error(400, "invalid_grant");
    former
        .authorize(&silent())
        .await
        .assert_returned_error(&server, "login_required");
    assert_lives(&server, &bobs).await;
    assert_lives(&server, &others).await;
    elsewhere.authorize(&silent()).await.code();
}

#[tokio::test]
async fn x_13_a_live_session_that_an_attacker_planted_is_worth_nothing_after_the_sign_in() {
    let server = Server::start().await;
    let (mut attacker, bobs) = signed_in(&server, "bob").await;
    let mut victim = same_cookies(&server, &attacker);
    let code = victim.sign_in("alice", &anew()).await.code();
    let alices = server.exchange(&code).await.tokens();
    assert_ne!(victim.session_cookie(), attacker.session_cookie());
    assert_ne!(claim(&alices, "sid"), claim(&bobs, "sid"));

    attacker
        .authorize(&silent())
        .await
        .assert_returned_error(&server, "login_required");
    assert_dead(&server, &bobs).await;
    attacker
        .get(&sign_out(&bobs))
        .await
        .assert_page(200, "You are signed out");
    let code = victim.authorize(&silent()).await.code();
    let again = server.exchange(&code).await.tokens();
    assert_eq!(claim(&again, "sub"), claim(&alices, "sub"));
    assert_eq!(claim(&again, "sid"), claim(&alices, "sid"));
    assert_lives(&server, &alices).await;
}

#[tokio::test]
async fn typing_the_password_again_is_the_same_session_with_all_that_came_from_it() {
    let server = Server::start().await;
    let (mut browser, first) = signed_in(&server, "alice").await;
    server.advance(60);
    let code = browser.sign_in("alice", &anew()).await.code();
    let second = server.exchange(&code).await.tokens();
    assert_eq!(claim(&second, "sid"), claim(&first, "sid"));
    assert_lives(&server, &first).await;
    browser
        .get(&sign_out(&second))
        .await
        .assert_page(200, "You are signed out");
    assert_dead(&server, &first).await;
    assert_dead(&server, &second).await;
}

#[tokio::test]
async fn a_silent_request_during_a_renewal_finds_its_session() {
    let server = Server::start().await;
    let (mut browser, tokens) = signed_in(&server, "alice").await;
    let page = browser.authorize(&anew()).await;
    let mut tab = same_cookies(&server, &browser);
    let is_renewed = Cell::new(false);
    let renew = async {
        browser.submit(&page, &AS_ALICE).await.code();
        is_renewed.set(true);
    };
    let ask = async {
        loop {
            // Once more afterwards: sent before the new cookie arrived.
            let is_last = is_renewed.get();
            let code = tab.authorize(&silent()).await.code();
            let found = server.exchange(&code).await.tokens();
            assert_eq!(claim(&found, "sid"), claim(&tokens, "sid"));
            if is_last {
                break;
            }
        }
    };
    join(renew, ask).await;

    server.advance(9);
    tab.authorize(&silent()).await.code();
    server.advance(1);
    tab.authorize(&silent())
        .await
        .assert_returned_error(&server, "login_required");
    browser.authorize(&silent()).await.code();
}

#[tokio::test]
async fn a_sign_out_after_a_renewal_ends_the_former_cookie_too() {
    let server = Server::start().await;
    let (mut browser, tokens) = signed_in(&server, "alice").await;
    let mut tab = same_cookies(&server, &browser);
    browser.sign_in("alice", &anew()).await.code();
    browser
        .get(&sign_out(&tokens))
        .await
        .assert_page(200, "You are signed out");
    for browser in [&mut browser, &mut tab] {
        browser
            .authorize(&silent())
            .await
            .assert_returned_error(&server, "login_required");
    }
}

#[tokio::test]
async fn a_sid_that_was_ended_does_not_come_back() {
    let server = Server::start().await;
    for _ in 0..5 {
        let (mut browser, tokens) = signed_in(&server, "alice").await;
        let page = browser.authorize(&anew()).await;
        let mut tab = same_cookies(&server, &browser);
        // The password takes longer to check than a sign-out takes altogether.
        let (typed, ()) = join(browser.submit(&page, &AS_ALICE), async {
            server.get("/jwks").await;
            tab.get(&sign_out(&tokens))
                .await
                .assert_page(200, "You are signed out");
        })
        .await;
        let ended = claim(&tokens, "sid");
        assert_not_of(&server, &ended, &typed).await;
        assert_not_of(&server, &ended, &browser.authorize(&silent()).await).await;
        assert_dead(&server, &tokens).await;
    }
}

/// Whichever came first: what the client gets is of another session, or nothing.
async fn assert_not_of(server: &Server, ended: &str, answer: &Answer) {
    let Some(code) = answer.returned("code") else {
        return answer.assert_returned_error(server, "login_required");
    };
    let exchanged = server.exchange(&code).await;
    if exchanged.status == 200 {
        assert_ne!(claim(&exchanged.tokens(), "sid"), ended);
    } else {
        exchanged.assert_oauth_error(400, "invalid_grant");
    }
}

#[tokio::test]
async fn a_sign_in_that_cannot_be_stored_leaves_the_session_before() {
    let server = Server::start().await;
    let (mut browser, tokens) = signed_in(&server, "alice").await;
    let cookie = browser.session_cookie();
    let database = server.open_database().await;
    let full = match crate::DATABASE {
        Database::Sqlite => {
            "CREATE TRIGGER full BEFORE INSERT ON sign_in_session BEGIN SELECT RAISE(ABORT, 'full'); END"
        }
        Database::Postgres => "ALTER TABLE sign_in_session ADD CONSTRAINT full_up CHECK (false) NOT VALID",
    };
    sqlx::query(full).execute(&database).await.unwrap();
    for name in ["alice", "bob"] {
        let answer = browser.sign_in(name, &anew()).await;
        answer.assert_page(503, "Please try again in a moment");
        assert_eq!(browser.session_cookie(), cookie);
    }
    browser.authorize(&silent()).await.code();
    assert_lives(&server, &tokens).await;
    let codes: i64 = sqlx::query_scalar("SELECT count(*) FROM authorization_code WHERE used_at IS NULL")
        .fetch_one(&database)
        .await
        .unwrap();
    assert_eq!(codes, 1, "of the silent request");
}

const EVERYWHERE: [(&str, &str); 1] = [("action", "sign-out-everywhere")];

#[tokio::test]
async fn signing_out_everywhere_wants_a_password_that_was_typed_a_short_while_ago() {
    let server = Server::start().await;
    let (mut laptop, on_laptop) = signed_in(&server, "alice").await;
    let (mut phone, on_phone) = signed_in(&server, "alice").await;
    server.advance(15 * 60);
    let page = laptop.get("/end_session").await;
    let question = laptop.submit(&page, &EVERYWHERE).await;
    question.assert_page(200, "Confirm that it is you");
    let wrong = laptop.submit(&question, &[("password", "wrong password")]).await;
    wrong.assert_page(422, "The password is not right.");
    for browser in [&mut laptop, &mut phone] {
        browser.authorize(&silent()).await.code();
    }

    let gone = laptop.submit(&wrong, &[("password", PASSWORD)]).await;
    gone.assert_page(200, "You are signed out");
    assert_eq!(laptop.session_cookie(), None);
    for tokens in [&on_laptop, &on_phone] {
        assert_dead(&server, tokens).await;
    }
    let asked = phone.authorize(&silent()).await;
    asked.assert_returned_error(&server, "login_required");
}

#[tokio::test]
async fn x_12_the_question_whether_to_sign_out_is_of_one_session() {
    let server = Server::start().await;
    let (mut browser, _) = signed_in(&server, "alice").await;
    let page = browser.get("/end_session").await;
    // Somebody else signs in there, by which that session ends.
    browser.sign_in("bob", &anew()).await.code();
    let (_, elsewhere) = signed_in(&server, "bob").await;
    for action in ["sign-out-everywhere", "sign-out"] {
        let again = browser.submit(&page, &[("action", action)]).await;
        again.assert_page(200, "Sign out?");
    }
    browser.authorize(&silent()).await.code();
    assert_lives(&server, &elsewhere).await;
    let page = browser.get("/end_session").await;
    let gone = browser.submit(&page, &EVERYWHERE).await;
    gone.assert_page(200, "You are signed out");
    assert_dead(&server, &elsewhere).await;
}
