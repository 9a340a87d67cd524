//! A real browser: headless Chromium, driven by chromedriver.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use thirtyfour::common::capabilities::chromium::ChromiumLikeCapabilities as _;
use thirtyfour::{By, DesiredCapabilities, WebDriver, WebElement};

use crate::leash::{Leashed, assert_installed};
use crate::wait::{eventually_within, within_patience};
use crate::wire::Wire;

/// How long a page may take for what the user sees at once. A machine whose cores are all compiling takes a minute.
pub const AT_ONCE: Duration = Duration::from_secs(60);

/// A browser with a window, a profile of its own, and a proxy that writes down what it gets.
#[derive(Debug)]
pub struct Chromium {
    driver: WebDriver,
    /// Where the driver takes commands of the browser's own protocol for this window.
    commands: String,
    wire: Wire,
    _chromedriver: Leashed,
    _profile: TempDir,
}

impl Chromium {
    /// Starts it.
    ///
    /// # Panics
    /// When Chromium or its driver is missing or does not start.
    pub async fn start() -> Self {
        Self::start_with(arguments).await
    }

    /// Starts one that nobody listens in to: WebSockets do not pass the wire.
    ///
    /// # Panics
    /// When Chromium or its driver is missing or does not start.
    pub async fn start_without_wire() -> Self {
        Self::start_with(|profile, wire| {
            let mut arguments = arguments(profile, wire);
            arguments.retain(|argument| !argument.starts_with("--proxy-"));
            arguments
        })
        .await
    }

    async fn start_with(arguments: impl Fn(&Path, &Wire) -> Vec<String>) -> Self {
        assert_installed("chromium");
        let wire = Wire::start().await;
        let profile = TempDir::new().expect("a temporary folder");
        let (chromedriver, printed) = start_driver().await;
        let port: String = printed
            .lines()
            .last()
            .unwrap_or_default()
            .chars()
            .filter(char::is_ascii_digit)
            .collect();

        let mut capabilities = DesiredCapabilities::chrome();
        for argument in arguments(profile.path(), &wire) {
            capabilities.add_arg(&argument).expect("an argument");
        }
        let address = format!("http://127.0.0.1:{port}");
        let session = WebDriver::new(&address, capabilities);
        let driver = within_patience("Chromium is ready", session)
            .await
            .expect("Chromium starts");
        let session_id = driver.session_id();
        Self {
            commands: format!("{address}/session/{session_id}/goog/cdp/execute"),
            driver,
            wire,
            _chromedriver: chromedriver,
            _profile: profile,
        }
    }

    /// The window.
    pub fn window(&self) -> &WebDriver {
        &self.driver
    }

    /// What the browser sent and got.
    pub fn wire(&self) -> &Wire {
        &self.wire
    }

    /// Waits for an element that the user can see.
    ///
    /// # Panics
    /// When it does not appear.
    pub async fn visible(&self, css: &str) -> WebElement {
        eventually_within(AT_ONCE, &format!("{css} is visible"), || async {
            let element = self.driver.find(By::Css(css)).await.ok()?;
            element.is_displayed().await.ok()?.then_some(element)
        })
        .await
    }

    /// Waits for an element whose text is as it should be.
    ///
    /// # Panics
    /// When it does not become so.
    pub async fn text(&self, css: &str, within: Duration, is_it: impl Fn(&str) -> bool) -> String {
        eventually_within(within, &format!("{css} says what it should"), || async {
            let element = self.driver.find(By::Css(css)).await.ok()?;
            let text = element.text().await.ok()?;
            is_it(&text).then_some(text)
        })
        .await
    }

    /// What an expression gives in the page.
    ///
    /// # Panics
    /// When it throws.
    pub async fn evaluate(&self, expression: &str) -> serde_json::Value {
        let script = format!("return ({expression});");
        let result = self
            .driver
            .execute(script, Vec::new())
            .await
            .expect("the script runs");
        result.json().clone()
    }

    /// Gives a command of the DevTools protocol, as for pretending to be a phone.
    ///
    /// # Panics
    /// When the browser does not take it.
    pub async fn command(&self, name: &str, parameters: serde_json::Value) {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let command = serde_json::json!({ "cmd": name, "params": parameters });
        let request = client.post(&self.commands).json(&command).send();
        let answer = within_patience("the browser takes a command", request).await;
        let status = answer.expect("an answer").status();
        assert!(status.is_success(), "{name} is not taken: {status}");
    }

    /// Keeps a picture of the window in `tests/screenshots`.
    ///
    /// # Panics
    /// When it cannot be taken or written.
    pub async fn screenshot(&self, name: &str) {
        let folder = screenshots();
        fs::create_dir_all(&folder).expect("a folder for screenshots");
        let file = folder.join(format!("{name}.png"));
        self.driver.screenshot(&file).await.expect("a screenshot");
    }

    /// Closes the window, with a goodbye to the driver.
    pub async fn quit(self) {
        // The processes are killed in any case.
        let _ = self.driver.quit().await;
    }
}

/// The driver, and what it printed up to the line that names its port.
async fn start_driver() -> (Leashed, String) {
    loop {
        let started = Leashed::start("chromedriver", &["--port=0"], |line| {
            line.contains("started successfully")
        });
        match within_patience("chromedriver is ready", started).await {
            Ok(started) => return started,
            // It lets the kernel choose a port of IPv6 and wants the same one of IPv4, which another process may have.
            Err(printed) if printed.contains("Address already in use") => {}
            Err(printed) => panic!("chromedriver did not start:\n{printed}"),
        }
    }
}

fn arguments(profile: &Path, wire: &Wire) -> Vec<String> {
    let mut arguments: Vec<_> = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--window-size=1280,1600",
        // Loopback would bypass the proxy otherwise.
        "--proxy-bypass-list=<-loopback>",
    ]
    .map(str::to_owned)
    .to_vec();
    arguments.push(format!("--proxy-server={}", wire.proxy()));
    arguments.push(format!("--user-data-dir={}", profile.display()));
    arguments
}

fn screenshots() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("screenshots")
}
