use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use zeroize::ZeroizeOnDrop;

use crate::random;

/// The secret by which a browser proves which session is its own: 256 random bits.
///
/// It is found in two places: the session cookie and this type. Stores are handed [`SessionId::record_key`] instead.
#[derive(Clone, ZeroizeOnDrop)]
pub struct SessionId([u8; 32]);

impl SessionId {
    /// A new secret from the operating system's generator.
    #[must_use]
    pub fn generate() -> Self {
        Self(random::bytes())
    }

    /// Reads a cookie's value; anything but canonical base64url of 32 bytes is no session.
    #[must_use]
    pub fn parse(cookie_value: &str) -> Option<Self> {
        let bytes = BASE64URL.decode(cookie_value).ok()?;
        bytes.try_into().ok().map(Self)
    }

    /// The text that goes into the cookie and nowhere else.
    #[must_use]
    pub fn to_cookie_value(&self) -> String {
        BASE64URL.encode(self.0)
    }

    /// A digest, so that a dump of the store holds nothing a browser could present.
    #[must_use]
    pub fn record_key(&self) -> RecordKey {
        RecordKey(Base64Text::of(digest(&SHA256, &self.0).as_ref()))
    }

    /// Whether this is the same secret; how long that takes does not depend on either.
    pub(in crate::session) fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }

    /// The secret itself, as input of the vault's key derivation.
    pub(in crate::session) fn as_key_material(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(redacted)")
    }
}

/// So many characters of base64url, in place: every request copies some, and none of them shall cost an allocation.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Base64Text<const N: usize>([u8; N]);

impl<const N: usize> Base64Text<N> {
    /// Of bytes that take `N` characters.
    fn of(bytes: &[u8]) -> Self {
        let mut text = [b'A'; N];
        let written = BASE64URL.encode_slice(bytes, &mut text);
        debug_assert_eq!(written, Ok(N));
        Self(text)
    }

    fn as_str(&self) -> &str {
        // base64url is ASCII.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl<const N: usize> fmt::Debug for Base64Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// The digest of a [`SessionId`], under which a store keeps the ticket record.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RecordKey(Base64Text<43>);

impl RecordKey {
    /// The digest as base64url text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// A random handle that names a session: in the store, in logs, in `/bff/logout?sid=`. It opens nothing.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SessionKey(Base64Text<22>);

impl SessionKey {
    const BYTES: usize = 16;

    /// A new random handle.
    #[must_use]
    pub fn generate() -> Self {
        Self(Base64Text::of(&random::bytes::<{ Self::BYTES }>()))
    }

    /// Reads a handle that came from outside; anything but canonical base64url of 16 bytes is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = BASE64URL.decode(text).ok()?;
        (bytes.len() == Self::BYTES).then(|| Self(Base64Text::of(&bytes)))
    }

    /// The handle as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl TryFrom<String> for SessionKey {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("is not a session key")
    }
}

impl From<SessionKey> for String {
    fn from(key: SessionKey) -> Self {
        key.as_str().to_owned()
    }
}

impl fmt::Display for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionKey({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_value_names_the_same_record_again() {
        let id = SessionId::generate();
        let read = SessionId::parse(&id.to_cookie_value()).unwrap();
        assert_eq!(read.record_key(), id.record_key());
    }

    #[test]
    fn what_is_not_32_canonical_bytes_is_no_session() {
        let value = SessionId::generate().to_cookie_value();
        for forged in [
            String::new(),
            format!("{value}="),
            format!("{value}AAAA"),
            value[..42].to_owned(),
            value.replace(|_: char| true, "!"),
            "x".repeat(100_000),
        ] {
            assert!(SessionId::parse(&forged).is_none(), "{forged:.60}");
        }
    }

    #[test]
    fn the_secret_shows_neither_in_debug_output_nor_in_its_digest() {
        let id = SessionId::generate();
        assert_eq!(format!("{id:?}"), "SessionId(redacted)");
        assert_ne!(id.record_key().as_str(), id.to_cookie_value());
    }

    #[test]
    fn ten_thousand_ids_differ_and_use_every_bit() {
        let ids: Vec<SessionId> = (0..10_000).map(|_| SessionId::generate()).collect();
        let distinct: std::collections::HashSet<_> = ids.iter().map(SessionId::record_key).collect();
        assert_eq!(distinct.len(), ids.len());
        for bit in 0..256 {
            let ones = ids
                .iter()
                .filter(|id| id.0[bit / 8] >> (bit % 8) & 1 == 1)
                .count();
            // Ten standard deviations of a fair coin thrown 10,000 times.
            assert!((4_500..=5_500).contains(&ones), "bit {bit} was set {ones} times");
        }
    }
}
