//! A person, a real browser, and the demo as `cargo run` starts it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a story reports what is wrong by failing the test"
)]

mod account;
mod dev_server;
mod sessions;
mod streams;

use std::time::Duration;

use e2e::chromium::{AT_ONCE, Chromium};
use e2e::leash::Leashed;
use e2e::program;
use e2e::secrets::Secrets;
use e2e::stack::SESSION_COOKIE;
use e2e::story;
use e2e::wait::within_patience;
use e2e::wire::Passed;
use tempfile::TempDir;

/// The demo's access tokens live for 60 seconds and are renewed before they expire, at one of the calls that the page
/// makes every 15 seconds; the rest is for a busy machine.
const A_TOKENS_LIFE: Duration = Duration::from_secs(120);

#[test]
fn a_person_signs_in_writes_a_note_stays_signed_in_and_signs_out() {
    story::run(async {
        let demo = Demo::start().await;
        let browser = Chromium::start().await;

        open(&browser, &demo).await;
        sign_in(&browser, &demo).await;
        write_a_note(&browser).await;
        stay_until_the_token_is_renewed(&browser).await;
        assert_scripts_find_nothing(&browser).await;
        sign_out(&browser, &demo).await;
        assert_the_wire_carried_no_token(&browser, &demo);

        browser.quit().await;
    });
}

async fn open(browser: &Chromium, demo: &Demo) {
    browser.window().goto(&demo.app).await.expect("the page opens");
    browser.visible("#sign-in").await;
    assert!(
        !browser
            .window()
            .find(thirtyfour::By::Css("#sign-out"))
            .await
            .unwrap()
            .is_displayed()
            .await
            .unwrap()
    );
    assert_scripts_find_nothing(browser).await;
    browser.screenshot("1-signed-out").await;
}

async fn sign_in(browser: &Chromium, demo: &Demo) {
    browser.visible("#sign-in").await.click().await.unwrap();
    browser.visible("input[type=password]").await;
    browser.screenshot("2-sign-in").await;
    let form = async |user: &str, password: &str| {
        let name = browser.visible("input[type=text]").await;
        name.clear().await.unwrap();
        name.send_keys(user).await.unwrap();
        browser
            .visible("input[type=password]")
            .await
            .send_keys(password)
            .await
            .unwrap();
        browser
            .visible("button[type=submit]")
            .await
            .click()
            .await
            .unwrap();
    };

    form(&demo.user, "a wrong guess").await;
    browser.visible("[role=alert]").await;
    browser.screenshot("3-wrong-password").await;
    form(&demo.user, &demo.password).await;

    browser.visible("#sign-out").await;
    let who = browser
        .text("#who", AT_ONCE, |who| {
            who.contains('@') || who.to_lowercase().contains("name")
        })
        .await;
    assert!(!who.trim().is_empty());
    let address = browser.window().current_url().await.unwrap();
    assert_eq!(
        address.as_str(),
        format!("{}/", demo.app),
        "code and state are gone from the address bar"
    );
    assert_scripts_find_nothing(browser).await;
}

async fn write_a_note(browser: &Chromium) {
    let text = "Rent a coat <b>& hang it</b> up";
    browser.visible("#note-text").await.send_keys(text).await.unwrap();
    browser.visible("#note-add").await.click().await.unwrap();
    browser
        .text("#notes", AT_ONCE, |notes| notes.contains(text))
        .await;
    browser
        .text("#server-trail", AT_ONCE, |trail| {
            trail.contains("POST") && trail.contains("201")
        })
        .await;
    browser.screenshot("4-signed-in").await;
}

/// Nobody does anything; the page calls its API as a busy app would.
async fn stay_until_the_token_is_renewed(browser: &Chromium) {
    let seconds = |digits: &str| -> Option<u64> {
        let (minutes, seconds) = digits.trim().split_once(':')?;
        Some(minutes.parse::<u64>().ok()? * 60 + seconds.parse::<u64>().ok()?)
    };
    let before = browser
        .text("#token-countdown", AT_ONCE, |digits| seconds(digits).is_some())
        .await;
    assert!(seconds(&before).unwrap() <= 60, "{before}");

    let trail = browser
        .text("#server-trail", A_TOKENS_LIFE, |trail| {
            trail.contains("refreshed")
        })
        .await;
    browser
        .text("#token-countdown", AT_ONCE, |digits| {
            seconds(digits).is_some_and(|left| left > 40)
        })
        .await;

    assert!(trail.contains("JWT"), "{trail}");
    assert_eq!(
        browser.text("#message", AT_ONCE, |_| true).await,
        "",
        "the person noticed something"
    );
    browser
        .text("#session-countdown", AT_ONCE, |digits| digits.contains(':'))
        .await;
    browser.screenshot("5-refreshed").await;
}

async fn assert_scripts_find_nothing(browser: &Chromium) {
    assert_eq!(browser.evaluate("document.cookie").await, "");
    assert_eq!(browser.evaluate("localStorage.length").await, 0);
    assert_eq!(browser.evaluate("sessionStorage.length").await, 0);
    assert_eq!(browser.evaluate("window.name").await, "");
    assert_eq!(
        browser
            .evaluate("typeof navigator.serviceWorker?.controller?.state")
            .await,
        "undefined"
    );
    let page = browser.window().source().await.unwrap();
    if let Some(finding) = Secrets::default().seen_by_browser(&page) {
        panic!("the page holds a {finding}");
    }
}

async fn sign_out(browser: &Chromium, demo: &Demo) {
    let ticket = ticket_of(browser).expect("the ticket is sent");
    let from = browser.wire().passed().len();
    browser.visible("#sign-out").await.click().await.unwrap();
    // The provider asks whether it is to forget the user as well.
    let logout = browser
        .wire()
        .next(from, |passed| passed.url.path() == "/bff/logout");
    let logout = within_patience("the BFF signs out", logout).await;
    assert!((300..400).contains(&logout.status), "{logout:?}");
    browser.visible("button.primary").await.click().await.unwrap();

    browser.visible("#sign-in").await;
    assert_eq!(
        browser.window().current_url().await.unwrap().as_str(),
        format!("{}/", demo.app)
    );
    assert_scripts_find_nothing(browser).await;
    browser.screenshot("6-signed-out").await;
    // A copy of the ticket opens nothing any more, and the browser has none.
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let copy = client
        .get(format!("{}/bff/user", demo.app))
        .header("X-CSRF", "1")
        .header("Cookie", &ticket);
    assert_eq!(copy.send().await.unwrap().status(), 401);
    browser.window().back().await.unwrap();
    browser.window().goto(&demo.app).await.unwrap();
    browser.visible("#sign-in").await;
    let last = browser
        .wire()
        .passed()
        .into_iter()
        .rfind(|passed| passed.url.path() == "/bff/user")
        .unwrap();
    assert_eq!(last.status, 401);
    assert!(
        !cookie_header(&last).contains(SESSION_COOKIE),
        "the browser still sends its ticket"
    );
}

/// Looks at every byte the browser got and sent.
fn assert_the_wire_carried_no_token(browser: &Chromium, demo: &Demo) {
    let passed = browser.wire().passed();
    let to_app: Vec<_> = passed.iter().filter(|passed| is_to(passed, &demo.app)).collect();
    assert!(
        to_app.iter().any(|passed| passed.url.path() == "/api/notes"),
        "the proxy saw nothing"
    );
    for passed in &passed {
        let headers = format!("{:?} {:?}", passed.headers, passed.request);
        for text in [
            &*String::from_utf8_lossy(&passed.body),
            &headers,
            &passed.url.to_string(),
        ] {
            if let Some(finding) = Secrets::default().seen_by_browser(text) {
                panic!("{} carried a {finding}", passed.url);
            }
        }
        assert!(!passed.request.contains_key("authorization"), "{passed:?}");
        assert!(passed.status < 500, "{} answered {}", passed.url, passed.status);
    }
    for passed in to_app {
        let body = String::from_utf8_lossy(&passed.body);
        for member in ["\"access_token\"", "\"refresh_token\"", "\"id_token\""] {
            assert!(!body.contains(member), "{} answered with {member}", passed.url);
        }
        for cookie in passed.headers.get_all("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            assert!(
                cookie.starts_with("__Host-") && cookie.contains("HttpOnly") && cookie.contains("Secure"),
                "{cookie}"
            );
        }
    }
}

fn is_to(passed: &Passed, origin: &str) -> bool {
    passed.url.to_string().starts_with(&format!("{origin}/"))
}

fn cookie_header(passed: &Passed) -> &str {
    passed
        .request
        .get("cookie")
        .and_then(|cookies| cookies.to_str().ok())
        .unwrap_or_default()
}

fn ticket_of(browser: &Chromium) -> Option<String> {
    let passed = browser.wire().passed();
    let with_ticket = passed
        .iter()
        .rev()
        .map(cookie_header)
        .find(|cookies| cookies.contains(SESSION_COOKIE))?;
    let ticket = with_ticket
        .split("; ")
        .find(|cookie| cookie.starts_with(SESSION_COOKIE))?;
    Some(ticket.to_owned())
}

/// The demo, as a program of its own.
struct Demo {
    app: String,
    user: String,
    password: String,
    _process: Leashed,
    _data: TempDir,
}

impl Demo {
    async fn start() -> Self {
        let build = || program::built_for("run", "demo");
        let program = tokio::task::spawn_blocking(build).await.unwrap();
        let data = TempDir::new().unwrap();
        let mut arguments = [
            "--port",
            "0",
            "--auth-port",
            "0",
            "--api-port",
            "0",
            "--no-color",
            "--data",
        ]
        .to_vec();
        let folder = data.path().join("demo-data");
        arguments.push(folder.to_str().unwrap());
        let started = Leashed::start(program.to_str().unwrap(), &arguments, |line| {
            line.contains("Ctrl-C")
        });
        let (process, printed) = within_patience("the demo starts", started).await.unwrap();
        let said = |label: &str| {
            let line = printed.lines().find_map(|line| line.trim().strip_prefix(label));
            line.unwrap_or_else(|| panic!("the demo does not say its {label}: {printed}"))
                .trim()
                .to_owned()
        };
        Self {
            app: said("Open"),
            user: said("User"),
            password: said("Password"),
            _process: process,
            _data: data,
        }
    }
}
