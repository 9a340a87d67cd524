//! The server's keys for what rests in a store or in a browser's login cookie.
//!
//! The file has one key a line, `NAME KEY`, the key being 32 random bytes in base64url. The name `cookie` is that of
//! the key that signs session cookies; every other line is a sealing key. The first sealing key is the active one; the
//! ones below it still open what they sealed. `bff keys generate FILE` writes such a file.
//!
//! The cookie key keeps forged cookies away from the store. It protects no secret (the cookie's value is 256 random
//! bits that only its digest's record makes valid), so it stays when sealing keys are rotated: changing it signs
//! everybody out.

use std::collections::HashSet;
use std::fmt;

use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::random;

const COOKIE_KEY_NAME: &str = "cookie";
const NAME_LENGTH_LIMIT: usize = 32;

/// The name of a sealing key, which stands in front of everything that the key sealed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyName(String);

impl KeyName {
    /// Reads a name: 1 to 32 letters, digits, `-`, `_`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=NAME_LENGTH_LIMIT).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        fits.then(|| Self(text.to_owned()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Clone, ZeroizeOnDrop)]
struct KeyBytes([u8; 32]);

/// Why a key ring file cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyRingError {
    /// A line that is not a name and a key.
    #[error("line {0} is not \"NAME KEY\" with 32 bytes in base64url")]
    Line(usize),
    /// A name that stands twice.
    #[error("line {0} names a key that stands above already")]
    Twice(usize),
    /// No `cookie` line.
    #[error("has no line \"cookie KEY\"")]
    NoCookieKey,
    /// No sealing key.
    #[error("has no sealing key besides the cookie key")]
    NoSealingKey,
}

/// The parsed key ring. The first sealing key is the active one.
#[derive(Clone)]
pub struct KeyRing {
    cookie: KeyBytes,
    sealing: Vec<(KeyName, KeyBytes)>,
}

impl KeyRing {
    /// Reads the text of a key ring file.
    ///
    /// # Errors
    /// The first line that is wrong, or what is missing.
    pub fn parse(text: &str) -> Result<Self, KeyRingError> {
        let mut cookie = None;
        let mut sealing = Vec::new();
        let mut names = HashSet::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let number = index + 1;
            let (name, key) = parse_line(line).ok_or(KeyRingError::Line(number))?;
            if !names.insert(name.clone()) {
                return Err(KeyRingError::Twice(number));
            }
            if name.as_str() == COOKIE_KEY_NAME {
                cookie = Some(key);
            } else {
                sealing.push((name, key));
            }
        }
        if sealing.is_empty() {
            return Err(KeyRingError::NoSealingKey);
        }
        let cookie = cookie.ok_or(KeyRingError::NoCookieKey)?;
        Ok(Self { cookie, sealing })
    }

    /// The text of a new key ring with a cookie key and one sealing key of the given name.
    #[must_use]
    pub fn generate(sealing_key: &KeyName) -> Zeroizing<String> {
        let [mut cookie, mut sealing] = [random::text(), random::text()];
        let text = Zeroizing::new(format!(
            "# Keys of the BFF: keep this file secret, owner-only. See docs/operations.md before changing it.\n\
             {COOKIE_KEY_NAME} {cookie}\n\
             # The first sealing key is the active one; the others still open what they sealed.\n\
             {sealing_key} {sealing}\n"
        ));
        cookie.zeroize();
        sealing.zeroize();
        text
    }

    /// The active sealing key's name and its bytes as a salt for a derivation.
    pub(crate) fn active(&self) -> (&KeyName, Salt) {
        let (name, key) = &self.sealing[0];
        (name, Salt::new(HKDF_SHA256, &key.0))
    }

    /// The sealing key of this name, if the ring has it.
    pub(crate) fn find(&self, name: &KeyName) -> Option<Salt> {
        let (_, key) = self.sealing.iter().find(|(held, _)| held == name)?;
        Some(Salt::new(HKDF_SHA256, &key.0))
    }

    /// The 32 bytes that name indexes; they come of the cookie key, so that they outlast the sealing keys.
    pub(in crate::session) fn index_key(&self) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        let prk = Salt::new(HKDF_SHA256, &[]).extract(&self.cookie.0);
        expand(&prk, &[b"bff session index v1"], key.as_mut_slice());
        key
    }

    /// The 64 bytes that actix-session signs cookies with.
    #[must_use]
    pub fn cookie_signing_key(&self) -> Zeroizing<[u8; 64]> {
        let mut key = Zeroizing::new([0; 64]);
        let prk = Salt::new(HKDF_SHA256, &[]).extract(&self.cookie.0);
        expand(&prk, &[b"bff session cookie signature v1"], key.as_mut_slice());
        key
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.sealing.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("KeyRing")
            .field("sealing", &names)
            .finish_non_exhaustive()
    }
}

fn parse_line(line: &str) -> Option<(KeyName, KeyBytes)> {
    let (name, key) = line.split_once(char::is_whitespace)?;
    let bytes = Zeroizing::new(BASE64URL.decode(key.trim()).ok()?);
    let key = KeyBytes(bytes.as_slice().try_into().ok()?);
    Some((KeyName::parse(name)?, key))
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// HKDF-Expand (RFC 5869 §2.3) to the length of `out`.
pub(crate) fn expand(prk: &Prk, info: &[&[u8]], out: &mut [u8]) {
    #[expect(
        clippy::expect_used,
        reason = "every caller asks for 64 bytes at most; HKDF-SHA256 gives 8,160"
    )]
    prk.expand(info, Length(out.len()))
        .and_then(|okm| okm.fill(out))
        .expect("a short output");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> KeyName {
        KeyName::parse(text).unwrap()
    }

    #[test]
    fn a_generated_ring_can_be_read() {
        let ring = KeyRing::parse(&KeyRing::generate(&name("k1"))).unwrap();
        assert_eq!(ring.active().0.as_str(), "k1");
    }

    #[test]
    fn the_first_sealing_key_is_active_and_older_ones_are_found() {
        let text = format!(
            "k2 {}\ncookie {}\nk1 {}\n",
            random::text(),
            random::text(),
            random::text()
        );
        let ring = KeyRing::parse(&text).unwrap();
        assert_eq!(ring.active().0.as_str(), "k2");
        assert!(ring.find(&name("k1")).is_some());
        assert!(ring.find(&name("k0")).is_none());
    }

    #[test]
    fn the_cookie_key_does_not_change_with_the_sealing_keys() {
        let cookie = format!("cookie {}\n", random::text());
        let before = KeyRing::parse(&format!("{cookie}k1 {}\n", random::text())).unwrap();
        let after = KeyRing::parse(&format!("{cookie}k2 {}\n", random::text())).unwrap();
        assert_eq!(before.cookie_signing_key(), after.cookie_signing_key());
    }

    #[test]
    fn faults_name_their_line_and_never_the_key() {
        let key = random::text();
        let cases = [
            (format!("cookie {key}\n"), KeyRingError::NoSealingKey),
            (format!("k1 {key}\n"), KeyRingError::NoCookieKey),
            (format!("k1 {key}\nk1 {key}\n"), KeyRingError::Twice(2)),
            (format!("# text\nk1 {key}x\n"), KeyRingError::Line(2)),
            ("k1\n".to_owned(), KeyRingError::Line(1)),
            (format!("k 1 {key}\n"), KeyRingError::Line(1)),
        ];
        for (text, expected) in cases {
            let fault = KeyRing::parse(&text).unwrap_err();
            assert_eq!(fault, expected);
            assert!(!fault.to_string().contains(&key));
        }
    }

    #[test]
    fn debug_output_holds_no_key() {
        let text = KeyRing::generate(&name("k1"));
        let ring = KeyRing::parse(&text).unwrap();
        let key = text.lines().last().unwrap().split(' ').next_back().unwrap();
        assert!(!format!("{ring:?}").contains(key));
    }
}
