//! The languages of the pages.

use reqwest::Method;

use crate::harness::{Answer, Browser, PASSWORD, Server, authorization, stranger_authorization};

async fn accepting(server: &Server, path: &str, languages: &str) -> Answer {
    let request = server.request(Method::GET, path);
    server.send(request.header("accept-language", languages)).await
}

fn assert_language(answer: &Answer, language: &str) {
    assert!(
        answer.body.contains(&format!("<html lang=\"{language}\">")),
        "{}",
        answer.body
    );
    assert_eq!(answer.header("content-language"), language);
}

#[tokio::test]
async fn the_browser_says_which_language_it_would_rather_have() {
    let server = Server::start().await;
    let path = authorization().path();
    for (languages, language) in [
        ("ko", "ko"),
        ("ko-KR,ko;q=0.9,en-US;q=0.8,en;q=0.7", "ko"),
        ("en-GB, ko;q=0.9", "en"),
        ("en;q=0.2, ko;q=0.9, fr", "ko"),
        ("ko;q=0, en;q=0.1", "en"),
        ("fr, *;q=0.5", "en"),
        ("ko;q=nonsense, ;;, en", "en"),
        ("", "en"),
    ] {
        let page = accepting(&server, &path, languages).await;
        assert_language(&page, language);
    }
    let page = accepting(&server, &path, "ko").await;
    page.assert_page(200, "에서 계속하려면 로그인하세요.");
    assert!(!page.body.contains("Password"));
}

#[tokio::test]
async fn the_client_says_which_language_its_user_reads_and_it_stays_through_faults() {
    let server = Server::start().await;
    let request = stranger_authorization("openid notes:read").with("ui_locales", "fr-CA ko en");
    let mut browser = Browser::new(&server);
    let page = browser.authorize(&request).await;
    assert_language(&page, "ko");
    let page = browser
        .submit(&page, &[("username", "alice"), ("password", "wrong password")])
        .await;
    page.assert_page(422, "사용자 이름과 비밀번호를 확인하세요.");
    assert!(page.body.contains("<title>오류: 로그인</title>"), "{}", page.body);
    let page = browser.sign_in("alice", &request).await;
    assert_language(&page, "ko");
    page.assert_page(200, "앱의 접근을 허용할까요?");
    for said in [
        "다시 방문할 때 본인 식별",
        "메모 읽기",
        "<strong>stranger.example</strong> 사이트로",
    ] {
        assert!(page.body.contains(said), "{said}: {}", page.body);
    }
}

#[tokio::test]
async fn faults_are_told_in_the_readers_language() {
    let server = Server::start().await;
    for (path, status, title) in [
        ("/authorize?client_id=nobody", 400, "등록되지 않은 앱입니다"),
        ("/end_session?state=a&state=b", 400, "같은 매개변수가 두 번"),
        ("/sign-in", 405, "처음부터 다시 시작하세요"),
        ("/nowhere", 404, "페이지를 찾을 수 없습니다"),
        ("/end_session", 200, "로그아웃되었습니다"),
    ] {
        let page = accepting(&server, path, "ko").await;
        page.assert_page(status, title);
        assert_language(&page, "ko");
        let page = accepting(&server, path, "en").await;
        assert_language(&page, "en");
    }
    let asked = server.get("/end_session?ui_locales=ko").await;
    assert_language(&asked, "ko");
}

#[tokio::test]
async fn an_application_links_to_the_account_page_in_its_users_language_and_it_stays() {
    let server = Server::start().await;
    let mut browser = Browser::new(&server);
    let page = browser.get("/account?ui_locales=ko-KR").await;
    page.assert_page(200, "계정을 확인하고 변경하려면");
    let wrong = browser
        .submit(&page, &[("username", "alice"), ("password", "wrong password")])
        .await;
    wrong.assert_page(422, "로그인하지 못했습니다.");
    let answer = browser
        .submit(&wrong, &[("username", "alice"), ("password", PASSWORD)])
        .await;
    assert!(answer.location().as_str().ends_with("/account?ui_locales=ko"));
    Browser::new(&server)
        .sign_in("alice", &authorization())
        .await
        .code();
    let page = browser.get("/account?ui_locales=ko").await;
    page.assert_page(200, "로그인된 곳");
    assert!(page.body.contains("/account/password?ui_locales=ko\""));
    assert!(page.body.contains("/end_session?ui_locales=ko\""));
    let answer = browser.press(&page, &[("action", "end-others")]).await;
    let location = answer.location();
    let path = location.as_str().strip_prefix(&server.issuer).unwrap();
    browser
        .get(path)
        .await
        .assert_page(200, "다른 모든 곳에서 로그아웃했습니다.");
    let other = browser.get("/account?ui_locales=%22%3E%3Cb%3E").await;
    other.assert_page(200, "Your account");
    assert!(other.body.contains("/account/password?ui_locales=en\""));
    let password = accepting(&server, "/account/password", "ko").await;
    password.assert_page(200, "로그인하세요.");
}
