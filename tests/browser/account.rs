//! The pages of the auth server, as people see them: every one of them in each language, light and dark, and on a phone.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use auth_server::user::NewUser;
use auth_server::{Config, Listeners, Running};
use e2e::chromium::Chromium;
use e2e::story;
use e2e::wait::{eventually_within, within_patience};
use resource_server::time::{ManualClock, UnixTime};
use serde_json::json;
use tempfile::TempDir;
use thirtyfour::By;

const PASSWORD: &str = "correct horse battery";
const NEW_PASSWORD: &str = "mumpitz gaukelei tran";
const STRANGER: &str = "client_id=photos&redirect_uri=https://photos.example/callback\
                        &scope=openid+profile+email+offline_access+notes:read+notes:write";
const GADGET: &str = "client_id=gadget&redirect_uri=http://127.0.0.1:9/callback&scope=openid";

#[test]
fn a_person_allows_an_application_and_takes_it_back_in_english() {
    story::run(stroll("en"));
}

#[test]
fn a_person_allows_an_application_and_takes_it_back_in_korean() {
    story::run(stroll("ko"));
}

async fn stroll(language: &'static str) {
    let server = Server::start().await;
    let visit = Visit::begin(&server, language).await;
    visit.sign_in_to_a_stranger().await;
    visit.change_the_account().await;
    visit.change_the_password().await;
    visit.sign_out().await;
    visit.lose_the_way().await;
    visit.browser.quit().await;
    server.running.stop().await;
}

/// One person with one browser, whose language is set.
struct Visit<'s> {
    server: &'s Server,
    browser: Chromium,
    language: &'static str,
}

impl<'s> Visit<'s> {
    async fn begin(server: &'s Server, language: &'static str) -> Self {
        let browser = Chromium::start().await;
        let agent = browser.evaluate("navigator.userAgent").await;
        let spoken = json!({ "userAgent": agent, "acceptLanguage": language });
        browser.command("Emulation.setUserAgentOverride", spoken).await;
        Self {
            server,
            browser,
            language,
        }
    }

    async fn open(&self, path: &str) {
        let url = format!("{}{path}", self.server.issuer);
        self.browser.window().goto(&url).await.unwrap();
        self.browser.visible("h1").await;
    }

    async fn authorize(&self, request: &str) {
        let rest = "response_type=code&code_challenge_method=S256\
                    &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        self.open(&format!("/authorize?{request}&{rest}")).await;
    }

    async fn type_into(&self, css: &str, text: &str) {
        let field = self.browser.visible(css).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    async fn press(&self, css: &str) {
        self.browser.visible(css).await.click().await.unwrap();
    }

    /// Where the form leads that this button sends.
    async fn sent_by(&self, css: &str) -> String {
        let from = self.browser.wire().passed().len();
        self.press(css).await;
        let answered = self.browser.wire().next(from, |passed| passed.method == "POST");
        let answered = within_patience("the form is answered", answered).await;
        let location = answered.headers.get("location").expect("the form leads on");
        location.to_str().unwrap().to_owned()
    }

    /// What holds for every page; and its picture, in light and dark, and on a phone.
    async fn look(&self, name: &str) {
        let browser = &self.browser;
        assert_eq!(
            browser.evaluate("document.documentElement.lang").await,
            self.language
        );
        let unlabelled = "[...document.querySelectorAll('input:not([type=hidden], [hidden])')]\
                          .filter((field) => field.labels.length !== 1).length";
        assert_eq!(browser.evaluate(unlabelled).await, 0, "{name}");
        let pictures = [
            ("light", "light", 1000, false),
            ("dark", "dark", 1000, false),
            ("phone", "light", 390, true),
        ];
        for (kind, scheme, width, mobile) in pictures {
            let feature = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
            browser.command("Emulation.setEmulatedMedia", feature).await;
            let size = json!({ "width": width, "height": 844, "deviceScaleFactor": 1, "mobile": mobile });
            browser.command("Emulation.setDeviceMetricsOverride", size).await;
            let too_wide = "document.documentElement.scrollWidth > window.innerWidth";
            assert_eq!(browser.evaluate(too_wide).await, false, "{name} scrolls sideways");
            let faint = browser.evaluate(FAINT).await;
            assert_eq!(faint, json!([]), "{name} is hard to read when {kind}");
            let height = browser.evaluate("document.documentElement.scrollHeight").await;
            let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile });
            browser.command("Emulation.setDeviceMetricsOverride", size).await;
            browser
                .screenshot(&format!("auth-{name}-{}-{kind}", self.language))
                .await;
        }
        browser
            .command("Emulation.clearDeviceMetricsOverride", json!({}))
            .await;
    }

    async fn sign_in_to_a_stranger(&self) {
        self.authorize(STRANGER).await;
        assert_eq!(
            self.browser.evaluate("document.activeElement.id").await,
            "username"
        );
        self.look("sign-in").await;
        self.type_into("#username", "alice").await;
        self.type_into("#password", "wrong password").await;
        self.press("button.primary").await;
        self.browser.visible("#problem").await;
        assert_eq!(
            self.browser.evaluate("document.activeElement.id").await,
            "password"
        );
        self.look("sign-in-refused").await;
        self.type_into("#password", PASSWORD).await;
        self.press("button.primary").await;
        self.browser.visible(".permissions").await;
        self.look("consent").await;
        let denied = self.sent_by("button[value=cancel]").await;
        assert!(
            denied.starts_with("https://photos.example/callback?error=access_denied"),
            "{denied}"
        );

        self.authorize(STRANGER).await;
        self.browser.visible(".permissions").await;
        let allowed = self.sent_by("button[value=continue]").await;
        assert!(
            allowed.starts_with("https://photos.example/callback?code="),
            "{allowed}"
        );
        self.authorize(GADGET).await;
        self.look("continue").await;
    }

    async fn change_the_account(&self) {
        let phone = Chromium::start().await;
        phone
            .window()
            .goto(format!("{}/account", self.server.issuer))
            .await
            .unwrap();
        phone.visible("#username").await.send_keys("alice").await.unwrap();
        phone
            .visible("#password")
            .await
            .send_keys(PASSWORD)
            .await
            .unwrap();
        phone.visible("button.primary").await.click().await.unwrap();
        phone.visible("#sessions").await;

        self.open("/account").await;
        self.look("account").await;
        self.server.clock.advance(Duration::from_secs(20 * 60));
        self.open("/account").await;
        self.press("button[value=take-back]").await;
        self.browser.visible("#password").await;
        self.look("confirm").await;
        self.type_into("#password", "wrong password").await;
        self.press("button.primary").await;
        self.browser.visible("#problem").await;
        self.look("confirm-refused").await;
        self.type_into("#password", PASSWORD).await;
        self.press("button.primary").await;
        self.browser.visible(".done").await;
        self.press("button[value=end-others]").await;
        self.browser.visible("section > p.quiet").await;
        self.look("account-done").await;

        phone.window().refresh().await.unwrap();
        phone.visible("#username").await;
        phone.quit().await;
        self.authorize(STRANGER).await;
        self.browser.visible(".permissions").await;
    }

    async fn change_the_password(&self) {
        self.open("/account/password").await;
        self.look("password").await;
        self.submit_password(PASSWORD, "alice1234", "alice1234").await;
        self.browser.visible("#problem").await;
        assert_eq!(self.browser.evaluate("document.activeElement.id").await, "new");
        self.look("password-too-easy").await;
        self.submit_password("wrong password", NEW_PASSWORD, NEW_PASSWORD)
            .await;
        self.browser.visible("#current[aria-invalid]").await;
        self.look("password-refused").await;
        self.submit_password(PASSWORD, NEW_PASSWORD, NEW_PASSWORD).await;
        self.browser.visible(".done").await;
        self.look("password-changed").await;
    }

    async fn submit_password(&self, current: &str, new: &str, repeated: &str) {
        self.type_into("#current", current).await;
        self.type_into("#new", new).await;
        self.type_into("#repeated", repeated).await;
        self.press("button.primary").await;
    }

    async fn sign_out(&self) {
        self.open("/account").await;
        self.press("header a.button").await;
        self.browser.visible("button[value=sign-out]").await;
        self.look("sign-out").await;
        self.press("button[value=stay]").await;
        self.browser.visible("h1").await;
        self.open("/end_session?client_id=photos").await;
        self.look("sign-out-asked").await;
        self.press("button[value=sign-out]").await;
        let is_over = || async {
            let forms = self.browser.window().find_all(By::Css("form")).await.ok()?;
            forms.is_empty().then_some(())
        };
        eventually_within(Duration::from_secs(20), "the session is over", is_over).await;
        self.look("signed-out").await;
        self.open("/account").await;
        self.look("account-sign-in").await;
    }

    async fn lose_the_way(&self) {
        self.open("/nowhere").await;
        self.look("nothing-here").await;
        self.open("/authorize?client_id=nobody").await;
        self.look("unknown-application").await;
    }
}

/// The texts whose contrast with what is behind them is less than WCAG 2.2 asks for (1.4.3: 4.5).
const FAINT: &str = "(() => {
    const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
    const light = (color) => {
        const [r, g, b] = numbers(color).map((c) => c / 255)
            .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const color = getComputedStyle(at).backgroundColor;
            if (numbers(color)[3] !== 0) return color;
        }
        return 'rgb(255, 255, 255)';
    };
    const texts = [...document.querySelectorAll('body *')]
        .filter((element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()));
    return texts.filter((element) => {
        const [one, other] = [getComputedStyle(element).color, behind(element)].map(light);
        return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05) < 4.5;
    }).map((element) => element.outerHTML.slice(0, 200));
})()";

/// An auth server with alice, whose time stands still.
struct Server {
    running: Running,
    issuer: String,
    clock: ManualClock,
    _folder: TempDir,
}

impl Server {
    async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let issuer = format!("http://localhost:{port}");
        let clock = ManualClock::new(UnixTime::from_secs(1_800_000_000));
        let toml = configuration(&issuer, folder.path().to_str().unwrap());
        let secret = |_: &str| Some("0123456789abcdef".to_owned());
        let config = Config::parse(&toml, &secret).unwrap();
        let alice = NewUser {
            name: "alice".to_owned(),
            password: PASSWORD.into(),
            email: Some("alice@example.com".to_owned()),
            full_name: Some("Alice Example".to_owned()),
        };
        auth_server::user::add(&config, &clock, alice).await.unwrap();
        let listeners = Listeners {
            public: listener,
            management: None,
        };
        let running = auth_server::start(config, listeners, Arc::new(clock.clone())).await;
        Self {
            running: running.unwrap(),
            issuer,
            clock,
            _folder: folder,
        }
    }
}

fn configuration(issuer: &str, folder: &str) -> String {
    format!(
        r#"
issuer = "{issuer}"
server.workers = 1
storage.path = "{folder}/db.sqlite3"
keys.path = "{folder}/keys.json"

[[scope]]
name = "notes:read"
text = "read your notes"
text_ko = "메모 읽기"

[[client]]
id = "photos"
name = "Photo Album"
secret_env = "SECRET"
consent = "required"
redirect_uris = ["https://photos.example/callback"]
grants = ["authorization_code", "refresh_token"]
scopes = ["openid", "profile", "email", "offline_access", "notes:read", "notes:write"]
audience = "https://notes.example"

[[client]]
id = "gadget"
name = "Gadget"
kind = "public"
redirect_uris = ["http://127.0.0.1/callback"]
"#
    )
}
