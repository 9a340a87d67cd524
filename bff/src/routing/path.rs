//! The one reading of a request path.
//!
//! Attacks on proxies live on paths that two servers read differently. So a path is brought into one form before a
//! route is matched, that form is what the upstream gets, and a path that could still be read in two ways is refused.

use percent_encoding::percent_decode_str;

/// A path in its one form: it begins with a single `/`; unreserved characters are not encoded, other encodings are in
/// upper case; and there is no dot segment, empty segment, backslash, encoded separator or control character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NormalPath(String);

/// A path that has more than one reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ambiguous;

impl NormalPath {
    /// Brings the path of a request target into its one form.
    ///
    /// # Errors
    /// When it has more than one reading: dot segments (also as `%2e`, also with `;` parameters, which some servers cut
    /// off first), empty segments, `\`, `#`, encoded slashes, backslashes, percent signs that hide an encoding,
    /// control characters, bytes that are not UTF-8 (an overlong `%c0%ae` is a dot to some), or anything outside of ASCII.
    pub fn parse(raw: &str) -> Result<Self, Ambiguous> {
        if !raw.starts_with('/') || !raw.bytes().all(is_plain) {
            return Err(Ambiguous);
        }
        if is_normal(raw) {
            return Ok(Self(raw.to_owned()));
        }
        Self::taken_apart(raw)
    }

    /// Of a plain path.
    fn taken_apart(raw: &str) -> Result<Self, Ambiguous> {
        let path = normal_encoding(raw)?;
        if percent_decode_str(&path).decode_utf8().is_err() {
            return Err(Ambiguous);
        }
        let mut segments = path[1..].split('/').peekable();
        while let Some(segment) = segments.next() {
            let is_last = segments.peek().is_none();
            if (segment.is_empty() && !is_last) || is_dots(segment) || hides_an_encoding(segment) {
                return Err(Ambiguous);
            }
        }
        Ok(Self(path))
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What follows a route's prefix, if this path is at or below it. `/api` covers `/api` and `/api/x`, not `/apix`.
    #[must_use]
    pub fn below(&self, prefix: &str) -> Option<&str> {
        let rest = self.0.strip_prefix(prefix.trim_end_matches('/'))?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    }
}

const fn is_plain(byte: u8) -> bool {
    matches!(byte, 0x21..=0x7e) && !matches!(byte, b'\\' | b'#' | b'?')
}

/// Whether a plain path is in its form already, seen without taking it apart: nothing is encoded, no segment is empty, and none
/// begins with what could make it a dot segment. Most are so; what is not may be all the same.
fn is_normal(plain: &str) -> bool {
    let bytes = plain.as_bytes();
    !bytes.contains(&b'%')
        && bytes
            .windows(2)
            .all(|pair| pair[0] != b'/' || !matches!(pair[1], b'/' | b'.' | b';'))
}

/// Decodes what need not be encoded, writes other encodings in upper case, refuses those that hide a separator or a
/// control character (RFC 3986 §6.2.2).
fn normal_encoding(raw: &str) -> Result<String, Ambiguous> {
    let mut path = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(index) = rest.find('%') {
        path.push_str(&rest[..index]);
        let digits = rest.get(index + 1..index + 3).ok_or(Ambiguous)?;
        let byte = u8::from_str_radix(digits, 16)
            .ok()
            .filter(|_| !digits.starts_with('+'))
            .ok_or(Ambiguous)?;
        match byte {
            b'/' | b'\\' | 0x00..=0x1f | 0x7f => return Err(Ambiguous),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                path.push(char::from(byte));
            }
            _ => {
                path.push('%');
                path.push_str(&digits.to_ascii_uppercase());
            }
        }
        rest = &rest[index + 3..];
    }
    path.push_str(rest);
    Ok(path)
}

fn is_dots(segment: &str) -> bool {
    let segment = segment.replace("%3B", ";");
    let before_parameters = segment.split(';').next().unwrap_or_default();
    matches!(before_parameters, "." | "..") || (before_parameters.is_empty() && segment.starts_with(';'))
}

/// How often an encoding may be encoded again. Every round reads the whole segment, so there has to be an end.
const ENCODINGS: usize = 3;

/// Whether decoding once gives a text that, decoded again, would be a separator, a dot or a control character; or would
/// have to be decoded again and again to tell.
fn hides_an_encoding(segment: &str) -> bool {
    if !segment.contains("%25") {
        return false;
    }
    let mut current = segment.to_owned();
    for _ in 0..ENCODINGS {
        let decoded = percent_decode_str(&current).decode_utf8_lossy().into_owned();
        if decoded == current {
            return false;
        }
        if decoded.chars().any(|c| matches!(c, '/' | '\\') || c.is_control()) || is_dots(&decoded) {
            return true;
        }
        current = decoded;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_paths_pass_in_one_form() {
        for (raw, normal) in [
            ("/", "/"),
            ("/api/notes/", "/api/notes/"),
            ("/api/%6eotes", "/api/notes"),
            ("/a%20b/%c3%a4", "/a%20b/%C3%A4"),
            ("/a;v=1/b", "/a;v=1/b"),
            ("/%7Euser/..a/...", "/~user/..a/..."),
            ("/100%25", "/100%25"),
            ("/a:b@c!$&'()*+,=", "/a:b@c!$&'()*+,="),
        ] {
            assert_eq!(NormalPath::parse(raw).unwrap().as_str(), normal);
        }
    }

    /// Checklists 34 and 35.
    #[test]
    fn paths_with_two_readings_are_refused() {
        for raw in [
            "",
            "api",
            "*",
            "//evil.example/x",
            "/api//x",
            "/api/../admin",
            "/api/..",
            "/api/./x",
            "/api/%2e%2e/admin",
            "/api/.%2E/admin",
            "/api/%2e/x",
            "/api/..;/admin",
            "/api/..%3b/admin",
            "/api/..;a=b/admin",
            "/api/.;/x",
            "/api/;/x",
            "/api/..%2fadmin",
            "/api%2fx",
            "/api%5cx",
            "/api\\x",
            "/api/x#y",
            "/api/%00",
            "/api/%0d%0aX:y",
            "/api/%7f",
            "/api/%c0%ae%c0%ae/x",
            "/api/%ff",
            "/api/%252e%252e/admin",
            "/api/%25252e%25252e/",
            "/api/x%252fy",
            "/api/x%2525252520y",
            "/api/%",
            "/api/%2",
            "/api/%zz",
            "/api/%+1",
            "/api/ä",
            "/api/ x",
            "/api/\u{1}",
        ] {
            assert_eq!(NormalPath::parse(raw), Err(Ambiguous), "{raw:?}");
        }
    }

    #[test]
    fn what_looks_normal_is_just_what_it_comes_apart_to() {
        let alphabet = ['/', '.', ';', 'a'];
        let mut paths = vec!["/".to_owned()];
        let mut longest = paths.clone();
        for _ in 0..6 {
            let longer = longest
                .iter()
                .flat_map(|path| alphabet.map(|c| format!("{path}{c}")));
            longest = longer.collect();
            paths.extend_from_slice(&longest);
        }
        let normal: Vec<_> = paths.iter().filter(|path| is_normal(path)).collect();
        assert!(normal.iter().any(|path| *path == "/a.;/a"), "{}", normal.len());
        for path in normal {
            assert_eq!(
                NormalPath::taken_apart(path).as_ref().map(NormalPath::as_str),
                Ok(path.as_str())
            );
        }
    }

    /// Without an end, this costs a second of a core.
    #[test]
    fn an_encoding_of_an_encoding_of_an_encoding_costs_no_more_than_its_length() {
        let raw = format!("/%{}", "25".repeat(30_000));
        assert_eq!(NormalPath::parse(&raw), Err(Ambiguous));
        assert!(NormalPath::parse("/100%2525").is_ok());
    }

    #[test]
    fn a_prefix_covers_itself_and_what_is_below() {
        let below = |path: &str| NormalPath::parse(path).unwrap().below("/api").map(str::to_owned);
        assert_eq!(below("/api"), Some(String::new()));
        assert_eq!(below("/api/x"), Some("/x".to_owned()));
        assert_eq!(below("/apix"), None);
        assert_eq!(NormalPath::parse("/x").unwrap().below("/"), Some("/x"));
    }
}
