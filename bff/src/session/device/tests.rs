use super::*;

/// What browsers of 2026 send.
const WINDOWS_CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36";
const WINDOWS_EDGE: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36 Edg/156.0.0.0";
const WINDOWS_OPERA: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36 OPR/120.0.0.0";
const WINDOWS_FIREFOX: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:150.0) Gecko/20100101 Firefox/150.0";
const MAC_SAFARI: &str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15";
const LINUX_CHROME: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36";
const LINUX_FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0";
const CHROMEOS_CHROME: &str = "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36";
const ANDROID_CHROME: &str = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Mobile Safari/537.36";
const ANDROID_FIREFOX: &str = "Mozilla/5.0 (Android 15; Mobile; rv:150.0) Gecko/150.0 Firefox/150.0";
const ANDROID_EDGE: &str = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Mobile Safari/537.36 EdgA/156.0.0.0";
const ANDROID_SAMSUNG: &str = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/29.0 Chrome/136.0.0.0 Mobile Safari/537.36";
const IPHONE_SAFARI: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1";
const IPHONE_CHROME: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/156.0.0.0 Mobile/15E148 Safari/604.1";
const IPHONE_FIREFOX: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) FxiOS/150.0 Mobile/15E148 Safari/605.1.15";
const IPAD_SAFARI: &str = "Mozilla/5.0 (iPad; CPU OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Mobile/15E148 Safari/604.1";

const CHROME_HINTS: &str = "\"Chromium\";v=\"156\", \"Google Chrome\";v=\"156\", \"Not?A_Brand\";v=\"8\"";
const BRAVE_HINTS: &str = "\"Chromium\";v=\"156\", \"Brave\";v=\"156\", \"Not?A_Brand\";v=\"8\"";

fn read(headers: &[(&str, &'static str)]) -> Device {
    Device::read(|name| {
        headers
            .iter()
            .find(|(held, _)| *held == name)
            .map(|(_, value)| *value)
    })
}

fn named(browser: &str, platform: &str) -> Device {
    Device {
        browser: Some(browser.to_owned()),
        platform: Some(platform.to_owned()),
    }
}

#[test]
fn the_browsers_that_people_use_are_known() {
    for (agent, browser, platform) in [
        (WINDOWS_CHROME, "Chrome", "Windows"),
        (WINDOWS_EDGE, "Edge", "Windows"),
        (WINDOWS_OPERA, "Opera", "Windows"),
        (WINDOWS_FIREFOX, "Firefox", "Windows"),
        (MAC_SAFARI, "Safari", "macOS"),
        (LINUX_CHROME, "Chrome", "Linux"),
        (LINUX_FIREFOX, "Firefox", "Linux"),
        (CHROMEOS_CHROME, "Chrome", "ChromeOS"),
        (ANDROID_CHROME, "Chrome", "Android"),
        (ANDROID_FIREFOX, "Firefox", "Android"),
        (ANDROID_EDGE, "Edge", "Android"),
        (ANDROID_SAMSUNG, "Samsung Internet", "Android"),
        (IPHONE_SAFARI, "Safari", "iOS"),
        (IPHONE_CHROME, "Chrome", "iOS"),
        (IPHONE_FIREFOX, "Firefox", "iOS"),
        (IPAD_SAFARI, "Safari", "iOS"),
    ] {
        assert_eq!(Device::of_agent(agent), named(browser, platform), "{agent}");
    }
}

#[test]
fn hints_name_a_browser_that_hides_behind_chrome() {
    let headers = [
        ("user-agent", LINUX_CHROME),
        ("sec-ch-ua", BRAVE_HINTS),
        ("sec-ch-ua-platform", "\"Linux\""),
    ];
    assert_eq!(read(&headers), named("Brave", "Linux"));
    let chrome = [("user-agent", LINUX_CHROME), ("sec-ch-ua", CHROME_HINTS)];
    assert_eq!(read(&chrome), named("Chrome", "Linux"));
    // A hint that contradicts the User-Agent would contradict every later request without hints.
    let odd = [
        ("user-agent", WINDOWS_EDGE),
        ("sec-ch-ua", BRAVE_HINTS),
        ("sec-ch-ua-platform", "\"Android\""),
    ];
    assert_eq!(read(&odd), named("Edge", "Windows"));
}

#[test]
fn nothing_that_a_client_sends_is_kept() {
    let long: &'static str = Box::leak(format!("Mozilla/5.0 {}", "é(".repeat(100_000)).into_boxed_str());
    for foreign in [
        "",
        "-",
        "<script>alert(1)</script>",
        "curl/8.14.1",
        "Googlebot/2.1 (+http://www.google.com/bot.html)",
        "\u{202e}Firefox\u{0}",
        long,
    ] {
        let headers = [
            ("user-agent", foreign),
            ("sec-ch-ua", foreign),
            ("sec-ch-ua-platform", foreign),
        ];
        assert_eq!(read(&headers), Device::default(), "{foreign:.40}");
    }
}

/// Each pair is one browser on one device.
#[test]
fn the_same_device_never_contradicts_itself() {
    let desktop_of_android = LINUX_CHROME;
    let desktop_of_iphone_chrome = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/156 Version/11.1.1 Safari/605.1.15";
    for (then, now) in [
        (WINDOWS_CHROME, WINDOWS_CHROME),
        // An update, a reduced User-Agent.
        (
            LINUX_CHROME,
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/157.0.6998.35 Safari/537.36",
        ),
        (
            ANDROID_CHROME,
            "Mozilla/5.0 (Linux; Android 15; Pixel 9 Pro) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.6998.35 Mobile Safari/537.36",
        ),
        // "Desktop site".
        (ANDROID_CHROME, desktop_of_android),
        (ANDROID_FIREFOX, LINUX_FIREFOX),
        (IPAD_SAFARI, MAC_SAFARI),
        (IPHONE_CHROME, desktop_of_iphone_chrome),
        (IPHONE_CHROME, MAC_SAFARI),
        (IPHONE_FIREFOX, MAC_SAFARI),
    ] {
        let (then, now) = (Device::of_agent(then), Device::of_agent(now));
        assert!(!then.contradicts(&now), "{then:?} {now:?}");
        assert!(!now.contradicts(&then), "{now:?} {then:?}");
    }
}

/// Hints come with secure requests only, and not with every one of them.
#[test]
fn a_login_with_hints_is_followed_by_requests_without() {
    for (agent, brands, platform) in [
        (LINUX_CHROME, BRAVE_HINTS, "\"Linux\""),
        (ANDROID_CHROME, CHROME_HINTS, "\"Android\""),
        // The hint that Chrome on Android sends with "Desktop site".
        (LINUX_CHROME, CHROME_HINTS, "\"Android\""),
        (WINDOWS_EDGE, CHROME_HINTS, "\"Windows\""),
        (CHROMEOS_CHROME, CHROME_HINTS, "\"Chrome OS\""),
    ] {
        let login = read(&[
            ("user-agent", agent),
            ("sec-ch-ua", brands),
            ("sec-ch-ua-platform", platform),
        ]);
        assert!(!login.contradicts(&Device::of_agent(agent)), "{login:?}");
    }
}

#[test]
fn another_platform_or_browser_contradicts() {
    for (then, now) in [
        (WINDOWS_CHROME, LINUX_CHROME),
        (WINDOWS_CHROME, WINDOWS_FIREFOX),
        (WINDOWS_CHROME, WINDOWS_EDGE),
        (ANDROID_CHROME, IPHONE_CHROME),
        (MAC_SAFARI, WINDOWS_CHROME),
        (LINUX_CHROME, CHROMEOS_CHROME),
        (WINDOWS_CHROME, "curl/8.14.1"),
        (IPHONE_SAFARI, ""),
    ] {
        let (then, now) = (Device::of_agent(then), Device::of_agent(now));
        assert!(then.contradicts(&now), "{then:?} {now:?}");
    }
}

#[test]
fn what_was_unknown_at_login_is_not_compared() {
    let unknown = Device::default();
    assert!(!unknown.contradicts(&Device::of_agent(WINDOWS_CHROME)));
    assert!(!unknown.contradicts(&unknown));
}
