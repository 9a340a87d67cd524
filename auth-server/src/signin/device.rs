//! Which browser and which system a `User-Agent` names: enough for its user to recognise it, too little to tell two people
//! apart.

/// By the first of these that occurs: browsers name those that they want to be taken for, too.
const BROWSERS: [(&str, &str); 10] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Whale/", "Whale"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Version/", "Safari"),
    ("curl/", "curl"),
];
const SYSTEMS: [(&str, &str); 8] = [
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
    ("FreeBSD", "FreeBSD"),
];

/// The names of both, as far as they are known.
pub(crate) fn describe(user_agent: &str) -> Option<String> {
    let first = |names: &[(&str, &'static str)]| {
        let named = names.iter().find(|(mark, _)| user_agent.contains(mark));
        named.map(|(_, name)| *name)
    };
    let known: Vec<_> = [first(&BROWSERS), first(&SYSTEMS)]
        .into_iter()
        .flatten()
        .collect();
    (!known.is_empty()).then(|| known.join(" · "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_recognised_whatever_they_pretend_to_be() {
        let webkit = "AppleWebKit/537.36 (KHTML, like Gecko)";
        for (user_agent, device) in [
            (
                format!("Mozilla/5.0 (X11; Linux x86_64) {webkit} Chrome/140.0.0.0 Safari/537.36"),
                "Chrome · Linux",
            ),
            (
                format!(
                    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) {webkit} Chrome/140.0 Safari/537.36 Edg/140.0"
                ),
                "Edge · Windows",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile Safari/604.1"
                    .to_owned(),
                "Safari · iPhone",
            ),
            (
                format!(
                    "Mozilla/5.0 (Linux; Android 15; SM-S921N) {webkit} SamsungBrowser/28.0 Chrome/130.0 Mobile"
                ),
                "Samsung Internet · Android",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:144.0) Gecko/20100101 Firefox/144.0"
                    .to_owned(),
                "Firefox · macOS",
            ),
        ] {
            assert_eq!(describe(&user_agent).as_deref(), Some(device), "{user_agent}");
        }
        assert_eq!(describe("<script>"), None);
        assert_eq!(describe(""), None);
    }
}
