//! What a browser tells of itself, so that a person recognises it in the list of sessions and a session that turns up
//! elsewhere is noticed.
//!
//! Every text here is one of this file's own: what a client sends is looked up and never kept, so that whoever shows a
//! device shows no foreign text.

use serde::{Deserialize, Serialize};
use woothee::parser::Parser;

/// How much of a header is looked at; browsers send a quarter of it.
const LONGEST: usize = 512;

/// A device as its headers described it at login. Nothing here is proof of anything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// The browser's family, such as `Firefox`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub browser: Option<String>,
    /// The operating system's family, such as `Android`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
}

const CHROME: &str = "Chrome";
const IOS: &str = "iOS";

/// Browsers that call themselves Chrome in `User-Agent` and by their own name in `Sec-CH-UA` only.
const HIDDEN_BEHIND_CHROME: [&str; 3] = ["Brave", "Vivaldi", "DuckDuckGo"];

impl Device {
    /// Reads the headers of a login: `User-Agent`, made more exact by the client hints that browsers send to secure sites
    /// without being asked. `Sec-CH-UA-Mobile` tells nothing beyond the platform.
    ///
    /// Hints never contradict the `User-Agent` here, because later requests may come without them.
    pub fn read<'h>(header: impl Fn(&str) -> Option<&'h str>) -> Self {
        let mut device = Self::of_agent(header("user-agent").unwrap_or_default());
        if device.browser.as_deref() == Some(CHROME) {
            let brands = bounded(header("sec-ch-ua").unwrap_or_default());
            let hidden = HIDDEN_BEHIND_CHROME
                .into_iter()
                .find(|name| brands.contains(name));
            device.browser = Some(hidden.unwrap_or(CHROME).to_owned());
        }
        let hinted = header("sec-ch-ua-platform").and_then(platform_of_hint);
        if device.platform.is_none() || kin_of_platform(device.platform.as_deref()) == kin_of_platform(hinted)
        {
            device.platform = hinted.map(str::to_owned).or(device.platform);
        }
        device
    }

    /// What a `User-Agent` alone says.
    #[must_use]
    pub fn of_agent(user_agent: &str) -> Self {
        let read = Parser::new().parse(bounded(user_agent));
        let (browser, platform) = read.map_or((None, None), |read| {
            (browser_named(read.name), platform_named(read.os))
        });
        Self {
            browser: browser.map(str::to_owned),
            platform: platform.map(str::to_owned),
        }
    }

    /// Whether a request from `now` cannot come from the device that this session began on.
    ///
    /// Versions do not count: browsers update themselves. Nor does what the same browser calls itself after a person has
    /// asked for the desktop version of a page: Android says Linux then, iOS says macOS, and the browsers of iOS call
    /// themselves Safari. What was unknown at login is not compared; a browser that was known stays known.
    #[must_use]
    pub fn contradicts(&self, now: &Self) -> bool {
        let differs = |then: Option<&str>, now: Option<&str>| then.is_some() && then != now;
        let (platform, platform_now) = (self.platform.as_deref(), now.platform.as_deref());
        if differs(kin_of_platform(platform), kin_of_platform(platform_now)) {
            return true;
        }
        let is_ios = platform == Some(IOS) || platform_now == Some(IOS);
        !is_ios
            && differs(
                kin_of_browser(self.browser.as_deref()),
                kin_of_browser(now.browser.as_deref()),
            )
    }
}

fn bounded(text: &str) -> &str {
    let end = (0..=LONGEST.min(text.len()))
        .rev()
        .find(|&end| text.is_char_boundary(end));
    &text[..end.unwrap_or(0)]
}

/// Our name of a browser that the library knows; crawlers and libraries are none.
fn browser_named(name: &str) -> Option<&'static str> {
    match name {
        "Chrome" => Some(CHROME),
        "Edge" => Some("Edge"),
        "Firefox" => Some("Firefox"),
        "Internet Explorer" => Some("Internet Explorer"),
        "Opera" => Some("Opera"),
        "Safari" => Some("Safari"),
        "SamsungBrowser" => Some("Samsung Internet"),
        "Vivaldi" => Some("Vivaldi"),
        "Webview" => Some("an app"),
        "Yandex Browser" => Some("Yandex Browser"),
        _ => None,
    }
}

fn platform_named(os: &str) -> Option<&'static str> {
    match os {
        "Android" => Some("Android"),
        "BSD" => Some("BSD"),
        "ChromeOS" => Some("ChromeOS"),
        "Linux" => Some("Linux"),
        "Mac OSX" => Some("macOS"),
        "iOS" | "iPad" | "iPhone" | "iPod" => Some(IOS),
        windows if windows.starts_with("Windows ") && windows != "Windows Phone OS" => Some("Windows"),
        _ => None,
    }
}

/// `Sec-CH-UA-Platform` is a quoted string (RFC 9651 §3.3.3).
fn platform_of_hint(hint: &str) -> Option<&'static str> {
    match hint.trim() {
        "\"Android\"" => Some("Android"),
        "\"Chrome OS\"" | "\"Chromium OS\"" => Some("ChromeOS"),
        "\"Linux\"" => Some("Linux"),
        "\"Windows\"" => Some("Windows"),
        "\"iOS\"" => Some(IOS),
        "\"macOS\"" => Some("macOS"),
        _ => None,
    }
}

/// A platform, or the one that it pretends to be for the desktop version of a page.
fn kin_of_platform(platform: Option<&str>) -> Option<&str> {
    match platform {
        Some("Android") => Some("Linux"),
        Some(IOS) => Some("macOS"),
        other => other,
    }
}

/// A browser, or the one that it is without client hints.
fn kin_of_browser(browser: Option<&str>) -> Option<&str> {
    browser.map(|name| {
        if HIDDEN_BEHIND_CHROME.contains(&name) {
            CHROME
        } else {
            name
        }
    })
}

#[cfg(test)]
mod tests;
