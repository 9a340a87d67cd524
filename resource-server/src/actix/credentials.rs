/// What the `Authorization` headers of a request hold.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Credentials<'h> {
    /// Nothing for us: no header, or one of another scheme.
    None,
    /// More than one header, or one that is no text.
    Malformed,
    /// A bearer token, which may be empty or nonsense; what it is worth is not known.
    Bearer(&'h str),
}

/// Reads the values of all `Authorization` headers of a request.
///
/// This is the only place where tokens are looked for: one in a query stays in logs and histories, and OAuth 2.1 §5.1
/// has dropped that way.
pub(super) fn read<'h>(mut headers: impl Iterator<Item = &'h [u8]>) -> Credentials<'h> {
    let Some(header) = headers.next() else {
        return Credentials::None;
    };
    if headers.next().is_some() {
        // RFC 6750 §3.1: more than one way of authentication.
        return Credentials::Malformed;
    }
    let Ok(header) = str::from_utf8(header) else {
        return Credentials::Malformed;
    };
    let (scheme, token) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
    if !scheme.eq_ignore_ascii_case("Bearer") {
        return Credentials::None;
    }
    // RFC 9110 §11.4: one or more spaces separate the scheme from the token. One that breaks the syntax of RFC 6750 §2.1
    // is a malformed token (§3.1, `invalid_token`): base64url refuses whatever that syntax does.
    Credentials::Bearer(token.trim_start_matches(' '))
}

#[cfg(test)]
mod tests {
    use super::{Credentials, read};

    fn one(header: &str) -> Credentials<'_> {
        read([header.as_bytes()].into_iter())
    }

    // RS-6
    #[test]
    fn the_scheme_is_case_insensitive() {
        for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
            assert_eq!(
                read([format!("{scheme} a.b.c").as_bytes()].into_iter()),
                Credentials::Bearer("a.b.c")
            );
        }
    }

    // RS-7.0 to RS-7.2
    #[test]
    fn a_bearer_scheme_without_a_token_has_an_empty_one() {
        for header in ["Bearer", "Bearer ", "Bearer  ", "bearer\t"] {
            assert_eq!(one(header), Credentials::Bearer(""), "{header:?}");
        }
    }

    #[test]
    fn what_cannot_be_a_token_is_left_to_the_verifier() {
        for token in ["a b", "a,b", "\"a\"", "a.b.c, Basic eDp5", "ä", "="] {
            assert_eq!(one(&format!("Bearer {token}")), Credentials::Bearer(token));
        }
        assert_eq!(read([&b"Bearer \xff"[..]].into_iter()), Credentials::Malformed);
    }

    // RS-7.4, RS-7.5
    #[test]
    fn another_scheme_holds_nothing_for_us() {
        for header in ["Basic YTpi", "Token a.b.c", "DPoP a.b.c", "BearerX a.b.c", ""] {
            assert_eq!(one(header), Credentials::None, "{header:?}");
        }
        assert_eq!(read(std::iter::empty()), Credentials::None);
    }

    #[test]
    fn two_headers_are_malformed_even_if_they_agree() {
        let header = &b"Bearer a.b.c"[..];
        assert_eq!(read([header, header].into_iter()), Credentials::Malformed);
        assert_eq!(
            read([&b"Basic YTpi"[..], header].into_iter()),
            Credentials::Malformed
        );
    }
}
