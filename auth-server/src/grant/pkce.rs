//! Proof Key for Code Exchange (RFC 7636), `S256` only.

use std::fmt;

use crate::secret::{Digest, base64url, parse_base64url};

/// The challenge of an authorization request: the SHA-256 of a secret that only its sender knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CodeChallenge(String);

impl CodeChallenge {
    /// Reads `code_challenge`: 43 characters of canonical base64url.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        parse_base64url::<32>(text).map(|_| Self(text.to_owned()))
    }

    /// The text, as sent.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The secret itself, sent with the code.
pub(crate) struct CodeVerifier(String);

impl CodeVerifier {
    /// Reads `code_verifier`: 43 to 128 unreserved characters (RFC 7636 §4.1).
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        ((43..=128).contains(&text.len()) && text.bytes().all(is_unreserved)).then(|| Self(text.to_owned()))
    }

    /// The challenge that belongs to it.
    pub(crate) fn challenge(&self) -> CodeChallenge {
        CodeChallenge(base64url(Digest::of(self.0.as_bytes()).as_bytes()))
    }
}

impl fmt::Debug for CodeVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeVerifier(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_7636_appendix_b() {
        let verifier = CodeVerifier::parse("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk").unwrap();
        let challenge = CodeChallenge::parse("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM").unwrap();
        assert_eq!(verifier.challenge(), challenge);
    }

    #[test]
    fn verifiers_of_a_wrong_length_or_alphabet_are_refused() {
        for (text, is_one) in [
            ("a".repeat(42), false),
            ("a".repeat(43), true),
            ("~".repeat(128), true),
            ("a".repeat(129), false),
            (format!("{}+", "a".repeat(43)), false),
            (format!("{}ä", "a".repeat(43)), false),
        ] {
            assert_eq!(CodeVerifier::parse(&text).is_some(), is_one, "{text}");
        }
    }
}
