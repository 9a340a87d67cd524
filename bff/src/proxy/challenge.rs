//! What an upstream's 401 says about the access token (RFC 9110 §11.6.1, RFC 6750 §3).

use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, StatusCode};

/// Whether an answer says that the access token itself is not good (any more), so that another one may be.
#[must_use]
pub(super) fn refuses_token(status: StatusCode, headers: &HeaderMap) -> bool {
    status == StatusCode::UNAUTHORIZED
        && headers
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|value| challenges(value).iter().any(Challenge::is_invalid_token))
}

/// One challenge of a list.
#[derive(Debug, PartialEq, Eq)]
struct Challenge {
    scheme: String,
    parameters: Vec<(String, String)>,
}

impl Challenge {
    /// RFC 6750 §3: no attribute may stand twice; one that does says nothing.
    fn is_invalid_token(&self) -> bool {
        let mut errors = self.parameters.iter().filter(|(name, _)| name == "error");
        self.scheme == "bearer"
            && matches!((errors.next(), errors.next()), (Some((_, error)), None) if error == "invalid_token")
    }
}

/// Reads `WWW-Authenticate`: a list of challenges, each of which has a list of parameters with the same commas between
/// them. What stops being a list ends the reading; the challenges before it count.
fn challenges(value: &str) -> Vec<Challenge> {
    let mut scanner = Scanner(value);
    let mut challenges: Vec<Challenge> = Vec::new();
    loop {
        scanner.skip(|c| matches!(c, ',' | ' ' | '\t'));
        let Some(word) = scanner.token() else {
            return challenges;
        };
        if let Some(argument) = scanner.argument() {
            let Some(current) = challenges.last_mut() else {
                return challenges;
            };
            current.parameters.push((word, argument));
        } else {
            challenges.push(Challenge {
                scheme: word,
                parameters: Vec::new(),
            });
            scanner.skip_token68();
        }
        // A scheme is followed by its first parameter, everything else by a comma.
        let is_separated = scanner.0.is_empty() || scanner.0.starts_with([',', ' ', '\t']);
        if !is_separated {
            return challenges;
        }
    }
}

struct Scanner<'a>(&'a str);

impl Scanner<'_> {
    fn skip(&mut self, skipped: impl Fn(char) -> bool) {
        self.0 = self.0.trim_start_matches(skipped);
    }

    /// RFC 9110 §5.6.2, in lower case: schemes and names of parameters have none.
    fn token(&mut self) -> Option<String> {
        let end = self.0.find(|c: char| !is_token(c)).unwrap_or(self.0.len());
        let (token, rest) = self.0.split_at(end);
        self.0 = rest;
        (!token.is_empty()).then(|| token.to_ascii_lowercase())
    }

    /// `= value` after a name, with white space around the sign.
    fn argument(&mut self) -> Option<String> {
        let rest = self.0.trim_start_matches([' ', '\t']).strip_prefix('=')?;
        let rest = rest.trim_start_matches([' ', '\t']);
        let (value, rest) = match rest.strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let end = rest.find(|c: char| !is_token(c)).unwrap_or(rest.len());
                (rest[..end].to_owned(), &rest[end..])
            }
        };
        if value.is_empty() && !rest.is_empty() && rest.starts_with('=') {
            return None;
        }
        self.0 = rest;
        Some(value)
    }

    /// What `Negotiate` and the like have instead of parameters (RFC 9110 §11.2): it stands alone up to the comma.
    fn skip_token68(&mut self) {
        let rest = self.0.trim_start_matches([' ', '\t']);
        let end = rest.find(',').unwrap_or(rest.len());
        let candidate = rest[..end].trim_end_matches([' ', '\t']);
        let body = candidate.trim_end_matches('=');
        let is_token68 = !body.is_empty()
            && body
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-._~+/".contains(c));
        if is_token68 {
            self.0 = &rest[end..];
        }
    }
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

/// The text of a quoted string, and what follows it.
fn unquote(quoted: &str) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Some((text, &quoted[at + 1..])),
            '\\' => text.push(characters.next()?.1),
            c => text.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refuses(values: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, value.parse().unwrap());
        }
        refuses_token(StatusCode::UNAUTHORIZED, &headers)
    }

    #[test]
    fn an_invalid_token_is_found_wherever_it_stands_in_the_list() {
        for value in [
            r#"Bearer error="invalid_token""#,
            "Bearer error=invalid_token",
            r#"bearer realm="notes, and \"more\"", ERROR = "invalid_token", error_description="expired""#,
            r#"Basic realm="x", Bearer error="invalid_token""#,
            r#"Negotiate abc==, Bearer realm="x", error="invalid_token", Basic realm="y""#,
            r#", , Bearer error="invalid_token","#,
            r#"Bearer scope="", error="invalid_token""#,
        ] {
            assert!(refuses(&[value]), "{value}");
        }
        assert!(refuses(&["Basic realm=x", r#"Bearer error="invalid_token""#]));
    }

    #[test]
    fn nothing_else_is_a_reason_to_renew_a_token() {
        for value in [
            "Bearer",
            r#"Bearer realm="notes""#,
            r#"Bearer error="insufficient_scope""#,
            r#"Bearer error="invalid_request""#,
            r#"Basic error="invalid_token""#,
            r#"DPoP error="invalid_token""#,
            r#"Bearer realm="error=invalid_token""#,
            r#"Bearer error_description="invalid_token""#,
            r#"Bearer error="INVALID_TOKEN""#,
            r#"Bearer realm="x", Basic error="invalid_token""#,
            r#"Bearer error="invalid_request", error="invalid_token""#,
            r#"error="invalid_token""#,
            r#"Bearer error="invalid_token"#,
            "Negotiate Bearer",
            "",
        ] {
            assert!(!refuses(&[value]), "{value}");
        }
        assert!(!refuses(&[]));
    }

    #[test]
    fn another_status_is_no_refusal_of_the_token() {
        let mut headers = HeaderMap::new();
        headers.append(
            WWW_AUTHENTICATE,
            r#"Bearer error="invalid_token""#.parse().unwrap(),
        );
        assert!(!refuses_token(StatusCode::FORBIDDEN, &headers));
    }
}
