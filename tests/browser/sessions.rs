//! A person with two browsers.

use std::time::Duration;

use e2e::chromium::{AT_ONCE, Chromium};
use e2e::story;

use crate::{Demo, assert_scripts_find_nothing, assert_the_wire_carried_no_token};

/// The page looks every five seconds how things stand.
const NEXT_LOOK: Duration = Duration::from_secs(30);

#[test]
fn a_person_ends_the_session_of_another_browser_and_signs_out_everywhere() {
    story::run(async {
        let demo = Demo::start().await;
        let laptop = Chromium::start().await;
        let phone = Chromium::start().await;
        phone.window().set_window_rect(0, 0, 400, 860).await.unwrap();
        sign_in(&laptop, &demo).await;
        sign_in(&phone, &demo).await;

        both_are_shown(&laptop, "sessions-1-laptop").await;
        both_are_shown(&phone, "sessions-2-phone").await;
        laptop.visible("#sessions button").await.click().await.unwrap();

        is_signed_out(&phone, "you have ended it from another browser").await;
        phone.screenshot("sessions-3-ended").await;
        laptop
            .text("#sessions", NEXT_LOOK, |list| {
                list.matches("Signed in").count() == 1
            })
            .await;
        assert_eq!(
            laptop.evaluate("document.activeElement.id").await,
            "sessions-title"
        );
        laptop.visible("#sign-out").await;

        sign_in(&phone, &demo).await;
        laptop
            .visible("#sign-out-everywhere")
            .await
            .click()
            .await
            .unwrap();
        laptop.visible("button.primary").await.click().await.unwrap();
        laptop.visible("#sign-in").await;
        is_signed_out(&phone, "you have signed out everywhere").await;

        for browser in [laptop, phone] {
            assert_scripts_find_nothing(&browser).await;
            assert_the_wire_carried_no_token(&browser, &demo);
            browser.quit().await;
        }
    });
}

/// Signs in; the provider may know the person still.
async fn sign_in(browser: &Chromium, demo: &Demo) {
    browser.window().goto(&demo.app).await.unwrap();
    browser.visible("#sign-in").await.click().await.unwrap();
    browser.visible("input[type=password], #sign-out").await;
    if browser
        .evaluate("document.querySelector('input[type=password]') !== null")
        .await
        == true
    {
        browser
            .visible("input[type=text]")
            .await
            .send_keys(&demo.user)
            .await
            .unwrap();
        let password = browser.visible("input[type=password]").await;
        password.send_keys(&demo.password).await.unwrap();
        browser
            .visible("button[type=submit]")
            .await
            .click()
            .await
            .unwrap();
    }
    browser.visible("#sign-out").await;
}

async fn both_are_shown(browser: &Chromium, picture: &str) {
    let list = browser
        .text("#sessions", NEXT_LOOK, |list| {
            list.matches("Signed in").count() == 2
        })
        .await;
    assert_eq!(list.matches("Chrome on Linux").count(), 2, "{list}");
    assert_eq!(list.matches("this one").count(), 1, "{list}");
    let buttons = "[...document.querySelectorAll('#sessions button')].map((button) => button.ariaLabel)";
    let labels = browser.evaluate(buttons).await;
    let labels = labels.as_array().expect("the buttons");
    assert_eq!(labels.len(), 1, "{labels:?}");
    assert!(
        labels[0]
            .as_str()
            .unwrap()
            .starts_with("End the session in Chrome on Linux, signed in ")
    );
    let is_too_wide = "document.documentElement.scrollWidth > window.innerWidth";
    assert_eq!(
        browser.evaluate(is_too_wide).await,
        false,
        "the page scrolls sideways"
    );
    browser
        .evaluate("document.getElementById('sessions-card').scrollIntoView({ block: 'center' })")
        .await;
    browser.screenshot(picture).await;
}

async fn is_signed_out(browser: &Chromium, why: &str) {
    let told = browser
        .text("#message", NEXT_LOOK, |told| told.contains("Your session ended"))
        .await;
    assert!(told.contains(why), "{told}");
    browser
        .text("#sign-in", AT_ONCE, |label| label == "Sign in")
        .await;
}
