//! Headers that every answer of our own gets (not those of upstreams, which know better what they serve).

/// A problem document or JSON loads nothing and may be framed by nobody; pages say what they need themselves.
const STRICTEST_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// What answers of ours say unless they say something else themselves; `https` is whether browsers reach us by https, so
/// that they may be told to insist on it.
pub fn defaults(https: bool) -> impl Iterator<Item = (&'static str, &'static str)> {
    let always = [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "same-origin"),
        ("content-security-policy", STRICTEST_POLICY),
    ];
    always
        .into_iter()
        .chain(https.then_some(("strict-transport-security", "max-age=31536000")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_site_on_https_asks_browsers_to_insist_on_it() {
        assert!(defaults(true).any(|(name, _)| name == "strict-transport-security"));
        assert!(!defaults(false).any(|(name, _)| name == "strict-transport-security"));
    }
}
