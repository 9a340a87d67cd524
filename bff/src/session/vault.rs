//! Seals what must not be read in a store or in a login cookie, and opens it again.
//!
//! A session's content is sealed under a key derived from two secrets: the browser's [`SessionId`] and the server's
//! key ring. A dump of the store opens nothing, a stolen key ring opens nothing, and both together open nothing
//! without the cookie. AES-256-GCM; the key is HKDF-SHA256 (RFC 5869) with the ring's key as salt, so every session has
//! a key of its own and a random nonce cannot repeat under it.
//!
//! Layout: version (1 byte), length of the key's name (1), the name, nonce (12), ciphertext and tag. What is bound but
//! not hidden (key name, session key, instants) is the additional data.

use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::Salt;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::key_ring::{KeyName, KeyRing, expand};
use super::lifetime::Times;
use super::record::{ContentError, Summary, WireContent};
use super::store::Sealed;
use super::{SessionContent, SessionId, SessionKey};
use crate::random;
use crate::telemetry;

const VERSION: u8 = 1;
const SESSION_PURPOSE: &[u8] = b"bff session content v1";
const SUMMARY_PURPOSE: &[u8] = b"bff session summary v1";
const LOGIN_PURPOSE: &[u8] = b"bff login transaction v1";
const LOGOUT_PURPOSE: &[u8] = b"bff logout departure v1";

/// Why something sealed could not be opened. It is left as it is: another node, or a later one, may read it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Written by a version of this program that is newer.
    #[error("sealed in a format this version does not know ({0})")]
    UnknownVersion(u8),
    /// Sealed under a key that the ring does not hold.
    #[error("sealed under the key {0:?}, which the key ring does not hold")]
    UnknownKey(KeyName),
    /// Not what this program sealed for this session, or changed since.
    #[error("does not open: changed, or sealed for something else")]
    Forged,
}

impl OpenError {
    /// The cause as a word of the metrics.
    const fn as_str(&self) -> &'static str {
        match self {
            Self::UnknownVersion(_) => "unknown_version",
            Self::UnknownKey(_) => "unknown_key",
            Self::Forged => "forged",
        }
    }
}

/// Why another key ring cannot take the place of the one in use.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the cookie key is another one: it signs the cookies of everybody who is signed in, so it takes a restart"
)]
pub struct CookieKeyChanged;

/// Seals and opens with the key ring. Copies share it.
#[derive(Debug, Clone)]
pub struct Vault {
    ring: Arc<ArcSwap<KeyRing>>,
}

impl Vault {
    /// A vault that seals under the ring's active key and opens with any of its keys.
    #[must_use]
    pub fn new(ring: Arc<KeyRing>) -> Self {
        Self {
            ring: Arc::new(ArcSwap::new(ring)),
        }
    }

    /// Seals and opens with this ring from now on. What is sealed under a key that the ring does not hold any more is left
    /// alone.
    ///
    /// # Errors
    /// When its cookie key is another one; the ring in use then stays.
    pub fn take_over(&self, ring: Arc<KeyRing>) -> Result<(), CookieKeyChanged> {
        if ring.cookie_signing_key() != self.ring.load().cookie_signing_key() {
            return Err(CookieKeyChanged);
        }
        self.ring.store(ring);
        Ok(())
    }

    /// Seals a session's content for the browser that holds `id`.
    #[must_use]
    pub fn seal(&self, id: &SessionId, key: &SessionKey, times: &Times, content: &SessionContent) -> Sealed {
        #[expect(clippy::expect_used, reason = "a map with text keys always has a JSON form")]
        let plain = serde_json::to_vec(&WireContent::from(content)).expect("serialisable content");
        let context = session_context(key, times);
        Sealed(self.seal_bytes(id.as_key_material(), SESSION_PURPOSE, &context, plain))
    }

    /// Opens a session's content.
    ///
    /// # Errors
    /// See [`OpenError`]; the record is to be left alone.
    pub fn open(
        &self,
        id: &SessionId,
        key: &SessionKey,
        times: &Times,
        sealed: &Sealed,
    ) -> Result<SessionContent, OpenError> {
        let context = session_context(key, times);
        let opened = self.open_bytes(id.as_key_material(), SESSION_PURPOSE, &context, &sealed.0);
        opened.and_then(|plain| content_of(&plain)).inspect_err(count)
    }

    /// Seals what is shown of a session to its user and to operators. Every node with the key ring opens it, without the
    /// browser: so it never holds a token.
    #[must_use]
    pub fn seal_summary(&self, key: &SessionKey, summary: &Summary) -> Sealed {
        #[expect(clippy::expect_used, reason = "texts always have a JSON form")]
        let plain = serde_json::to_vec(summary).expect("a serialisable summary");
        Sealed(self.seal_bytes(&[], SUMMARY_PURPOSE, key.as_str().as_bytes(), plain))
    }

    /// Opens a session's summary.
    ///
    /// # Errors
    /// See [`OpenError`]; the record is to be left alone.
    pub fn open_summary(&self, key: &SessionKey, sealed: &Sealed) -> Result<Summary, OpenError> {
        let opened = self.open_bytes(&[], SUMMARY_PURPOSE, key.as_str().as_bytes(), &sealed.0);
        opened.and_then(|plain| parsed(&plain)).inspect_err(count)
    }

    /// Seals a login transaction for its cookie, bound to the cookie's name.
    #[must_use]
    pub fn seal_login(&self, cookie_name: &str, plain: Vec<u8>) -> Vec<u8> {
        self.seal_bytes(&[], LOGIN_PURPOSE, cookie_name.as_bytes(), plain)
    }

    /// Opens a login transaction.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_login(&self, cookie_name: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        self.open_bytes(&[], LOGIN_PURPOSE, cookie_name.as_bytes(), sealed)
    }

    /// Seals what a browser remembers while it signs out at the provider.
    #[must_use]
    pub fn seal_logout(&self, plain: Vec<u8>) -> Vec<u8> {
        self.seal_bytes(&[], LOGOUT_PURPOSE, &[], plain)
    }

    /// Opens what [`Vault::seal_logout`] sealed.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_logout(&self, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        self.open_bytes(&[], LOGOUT_PURPOSE, &[], sealed)
    }

    fn seal_bytes(&self, secret: &[u8], purpose: &[u8], context: &[u8], mut plain: Vec<u8>) -> Vec<u8> {
        let ring = self.ring.load();
        let (name, salt) = ring.active();
        let mut out = header(name);
        let additional = additional_data(&out, context);
        let nonce: [u8; NONCE_LEN] = random::bytes();
        #[expect(clippy::expect_used, reason = "AES-GCM fails only above 64 GiB")]
        let tag = derive(&salt, secret, purpose)
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(additional),
                &mut plain,
            )
            .expect("a plaintext of some kilobytes");
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&plain);
        out.extend_from_slice(tag.as_ref());
        out
    }

    fn open_bytes(
        &self,
        secret: &[u8],
        purpose: &[u8],
        context: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let (name, rest) = read_header(sealed)?;
        let salt = self
            .ring
            .load()
            .find(&name)
            .ok_or_else(|| OpenError::UnknownKey(name.clone()))?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_LEN>().ok_or(OpenError::Forged)?;
        let additional = additional_data(&header(&name), context);
        let mut bytes = Zeroizing::new(ciphertext.to_vec());
        let length = derive(&salt, secret, purpose)
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(additional),
                &mut bytes,
            )
            .map_err(|_| OpenError::Forged)?
            .len();
        bytes.truncate(length);
        Ok(bytes)
    }
}

fn content_of(plain: &[u8]) -> Result<SessionContent, OpenError> {
    match WireContent::parse(plain) {
        Ok(content) => Ok(content.into()),
        Err(ContentError::UnknownVersion(version)) => Err(OpenError::UnknownVersion(version)),
        Err(ContentError::Malformed) => Err(OpenError::Forged),
    }
}

fn parsed<T: DeserializeOwned>(plain: &[u8]) -> Result<T, OpenError> {
    serde_json::from_slice(plain).map_err(|_| OpenError::Forged)
}

/// Records that cannot be opened are left alone, so somebody should learn that there are some.
fn count(error: &OpenError) {
    telemetry::record_unopenable(error.as_str());
}

fn derive(salt: &Salt, secret: &[u8], purpose: &[u8]) -> LessSafeKey {
    let mut key = Zeroizing::new([0; 32]);
    expand(&salt.extract(secret), &[purpose], key.as_mut_slice());
    #[expect(clippy::expect_used, reason = "the key has the length of the algorithm")]
    let key = UnboundKey::new(&AES_256_GCM, key.as_slice()).expect("a key of 32 bytes");
    LessSafeKey::new(key)
}

fn header(name: &KeyName) -> Vec<u8> {
    let name = name.as_str().as_bytes();
    let mut header = vec![VERSION, u8::try_from(name.len()).unwrap_or(u8::MAX)];
    header.extend_from_slice(name);
    header
}

fn read_header(sealed: &[u8]) -> Result<(KeyName, &[u8]), OpenError> {
    let (&version, rest) = sealed.split_first().ok_or(OpenError::Forged)?;
    if version != VERSION {
        return Err(OpenError::UnknownVersion(version));
    }
    let (&length, rest) = rest.split_first().ok_or(OpenError::Forged)?;
    let (name, rest) = rest
        .split_at_checked(usize::from(length))
        .ok_or(OpenError::Forged)?;
    let name = std::str::from_utf8(name)
        .ok()
        .and_then(KeyName::parse)
        .ok_or(OpenError::Forged)?;
    Ok((name, rest))
}

fn additional_data(header: &[u8], context: &[u8]) -> Vec<u8> {
    [header, context].concat()
}

/// Binds the content to its session and to the instants that judge it; `last_used_at` moves, so it is left out.
fn session_context(key: &SessionKey, times: &Times) -> Vec<u8> {
    format!("{key} {} {}", times.created_at, times.ends_at).into_bytes()
}

#[cfg(test)]
mod tests;
