//! The public keys of a provider, ready for use.

mod key;
mod roca;

use aws_lc_rs::signature::ParsedPublicKey;
use serde_json::Value;

use crate::algorithm::Algorithm;
use crate::error::TokenError;

use key::Key;

/// Why a document is no key set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwksError {
    /// Not a JSON object with an array `keys` (RFC 7517 §5).
    #[error("not a JWK set")]
    NotAKeySet,
    /// No key in it can verify a signature.
    #[error("no usable key in the JWK set")]
    NoUsableKey,
}

/// An immutable set of public verification keys.
#[derive(Debug, Clone)]
pub struct KeySet {
    keys: Vec<Key>,
}

impl KeySet {
    /// The set that knows no key.
    pub(crate) const EMPTY: Self = Self { keys: Vec::new() };

    /// Reads a JWK set (RFC 7517 §5). Keys that cannot verify tokens are skipped: symmetric and private ones, those
    /// of unknown types, with a `use`, `key_ops` or `alg` for something else, or too weak (RSA below 2048 bits, or made by
    /// the faulty generator of CVE-2017-15361).
    ///
    /// # Errors
    /// When the document is no JWK set, or when no key of it is usable: such an answer must never replace a set that
    /// works.
    pub fn parse(json: &[u8]) -> Result<Self, JwksError> {
        let document: Value = serde_json::from_slice(json).map_err(|_| JwksError::NotAKeySet)?;
        let keys = document
            .get("keys")
            .and_then(Value::as_array)
            .ok_or(JwksError::NotAKeySet)?;
        let keys: Vec<Key> = keys.iter().filter_map(Key::from_jwk).collect();
        if keys.is_empty() {
            return Err(JwksError::NoUsableKey);
        }
        Ok(Self { keys })
    }

    /// How many keys the set has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether the set has no key; one that was parsed has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// What checks the signature of a token with this header: the one key that can have signed it.
    ///
    /// A `kid` need not be unique among keys of different types (RFC 7517 §4.5), so the algorithm decides between
    /// them. Without `kid` the algorithm has to be enough.
    pub(crate) fn select(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<&ParsedPublicKey, TokenError> {
        let named = || self.keys.iter().filter(|key| kid.is_none() || key.kid() == kid);
        let mut fitting = named().filter_map(|key| key.check(algorithm));
        match (fitting.next(), fitting.next()) {
            (Some(check), None) => Ok(check),
            (Some(_), Some(_)) => Err(TokenError::AmbiguousKey),
            (None, _) if kid.is_some() && named().next().is_some() => Err(TokenError::KeyMismatch),
            (None, _) => Err(TokenError::UnknownKey),
        }
    }
}

#[cfg(test)]
mod tests;
