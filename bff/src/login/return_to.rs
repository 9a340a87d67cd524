use std::fmt;

/// A path of this site where a login comes out. Holding one means that a browser cannot be led astray by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnTo(String);

/// Why a text is no [`ReturnTo`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotALocalPath;

impl ReturnTo {
    /// The longest path with its query and fragment; it has to fit into a cookie with the rest of the transaction.
    pub const LENGTH_LIMIT: usize = 1_024;

    /// The start page.
    #[must_use]
    pub fn root() -> Self {
        Self("/".to_owned())
    }

    /// Reads a path-absolute URL reference (RFC 3986 §4.2) of printable ASCII.
    ///
    /// Refused is whatever a browser might read as another site (`//host`, `/\host`, and what becomes that once
    /// tabs and line ends are dropped), and whatever somebody behind us might: encoded control characters and
    /// backslashes in the path. Paths of the BFF itself are refused too: `/bff/login` as a destination is a loop.
    ///
    /// # Errors
    /// When the text is anything else.
    pub fn parse(text: &str, base_path: &str) -> Result<Self, NotALocalPath> {
        let printable = text
            .bytes()
            .all(|byte| (0x21..=0x7e).contains(&byte) && byte != b'\\');
        if !printable || text.len() > Self::LENGTH_LIMIT || !text.starts_with('/') {
            return Err(NotALocalPath);
        }
        let path = text.split(['?', '#']).next().unwrap_or_default();
        let lower = path.to_ascii_lowercase();
        if path.contains("//")
            || lower.contains("%5c")
            || lower.contains("%2f")
            || has_encoded_control(&lower)
        {
            return Err(NotALocalPath);
        }
        if has_dot_segment(&lower) || path == base_path || path.starts_with(&format!("{base_path}/")) {
            return Err(NotALocalPath);
        }
        Ok(Self(text.to_owned()))
    }

    /// The path, query and fragment.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ReturnTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn has_encoded_control(lower: &str) -> bool {
    lower.contains("%0") || lower.contains("%1") || lower.contains("%7f")
}

fn has_dot_segment(lower: &str) -> bool {
    lower
        .split('/')
        .any(|segment| matches!(segment.replace("%2e", ".").as_str(), "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ReturnTo, NotALocalPath> {
        ReturnTo::parse(text, "/bff")
    }

    #[test]
    fn local_paths_with_query_and_fragment_are_kept_as_they_are() {
        for path in [
            "/",
            "/notes/7?tab=a%20b&u=https://x.example//y#part",
            "/a.b/..c",
            "/bffx",
            "/?x=%0a",
        ] {
            assert_eq!(parse(path).unwrap().as_str(), path);
        }
    }

    /// Checklist 8.
    #[test]
    fn whatever_might_lead_off_the_site_is_refused() {
        for path in [
            "",
            "notes",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "https://evil.example",
            "HTTPS://evil.example",
            "https:evil.example",
            "javascript:alert(1)",
            "/%09/evil.example",
            "/\t/evil.example",
            "\t//evil.example",
            "/\n/evil.example",
            "/a\r\nX: y",
            "///evil.example",
            "/a//evil.example",
            "/.//evil.example",
            "/%2e%2e//evil.example",
            "/%2f/evil.example",
            "/%5cevil.example",
            "/%5Cevil.example",
            "//user@evil.example",
            "/a b",
            "/ä",
            "/\u{2028}x",
            "/\u{0}",
            "@evil.example",
            " /a",
            "?x",
            "#x",
        ] {
            assert_eq!(parse(path), Err(NotALocalPath), "{path:?}");
        }
        assert_eq!(parse(&format!("/{}", "a".repeat(1_024))), Err(NotALocalPath));
    }

    #[test]
    fn paths_of_the_bff_itself_would_be_loops() {
        for path in [
            "/bff",
            "/bff/login",
            "/bff/logout?sid=x",
            "/x/../bff/login",
            "/%2E%2e/bff/login",
        ] {
            assert_eq!(parse(path), Err(NotALocalPath), "{path}");
        }
    }
}
