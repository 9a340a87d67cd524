//! Random values, their digests, and the one way in which they are written as text.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;

/// Fresh random bytes of the system's generator.
pub(crate) fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    #[expect(
        clippy::expect_used,
        reason = "without random numbers nothing here is safe: stop"
    )]
    aws_lc_rs::rand::fill(&mut bytes).expect("the system's random generator works");
    bytes
}

/// A fresh random name of 128 bits, for what is identified but not secret (`sub`, `sid`, `jti`).
pub(crate) fn random_handle() -> String {
    base64url(&random_bytes::<16>())
}

/// base64url without padding (RFC 4648 §5, RFC 7515 §2).
pub(crate) fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The same, at the end of a text.
pub(crate) fn push_base64url(text: &mut String, bytes: &[u8]) {
    URL_SAFE_NO_PAD.encode_string(bytes, text);
}

/// Reads canonical, unpadded base64url of exactly `N` bytes.
pub(crate) fn parse_base64url<const N: usize>(text: &str) -> Option<[u8; N]> {
    // Rejected before it is decoded, so that a long text costs nothing.
    if text.len() != (N * 4).div_ceil(3) {
        return None;
    }
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

/// What is stored of a secret: its SHA-256.
#[derive(Clone, Copy)]
pub(crate) struct Digest([u8; 32]);

impl Digest {
    /// The digest of nothing that anybody knows.
    pub(crate) const NONE: Self = Self([0; 32]);

    /// The digest of a secret.
    pub(crate) fn of(secret: &[u8]) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, secret).as_ref());
        Self(bytes)
    }

    /// Takes up a stored digest; anything but 32 bytes is none.
    pub(crate) fn from_stored(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The bytes to store.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Compares in constant time.
    pub(crate) fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64url_of_the_right_length_comes_back() {
        let bytes = random_bytes::<32>();
        assert_eq!(parse_base64url(&base64url(&bytes)), Some(bytes));
    }

    #[test]
    fn padding_a_foreign_alphabet_and_spare_bits_are_refused() {
        assert_eq!(parse_base64url::<16>("AAAAAAAAAAAAAAAAAAAAAA=="), None);
        assert_eq!(parse_base64url::<16>("AAAAAAAAAA+/AAAAAAAAAA"), None);
        assert_eq!(parse_base64url::<16>("AAAAAAAAAAAAAAAAAAAAAB"), None);
        assert_eq!(parse_base64url::<16>("AAAAAAAAAAAAAAAAAAAAAA"), Some([0; 16]));
    }

    #[test]
    fn digests_match_only_the_same_secret() {
        assert!(Digest::of(b"a").matches(&Digest::of(b"a")));
        assert!(!Digest::of(b"a").matches(&Digest::of(b"b")));
    }
}
