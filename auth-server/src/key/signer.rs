//! Signs tokens with the keys in force, which change while the server runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use arc_swap::ArcSwap;
use serde::Serialize;

use super::{KeyRing, SigningAlgorithm};
use crate::secret::push_base64url;

/// Room for usual claims.
const USUAL: usize = 768;

/// The keys in force. A request that has taken them up goes on with them; the next one sees newer ones.
#[derive(Debug)]
pub(crate) struct Signer {
    ring: ArcSwap<KeyRing>,
    /// Algorithms that were asked for and had no key, a bit each.
    missing: AtomicU8,
}

/// The `typ` of a token, so that one kind never passes for another (RFC 8725 §3.11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenType {
    /// RFC 9068.
    AccessToken,
    /// OIDC Core.
    IdToken,
    /// OpenID Connect Back-Channel Logout 1.0 §2.4.
    LogoutToken,
    /// A Status List Token (draft-ietf-oauth-status-list §5.1).
    StatusList,
}

impl TokenType {
    pub(super) const ALL: [Self; 4] = [
        Self::AccessToken,
        Self::IdToken,
        Self::LogoutToken,
        Self::StatusList,
    ];

    /// Where it stands in [`Self::ALL`].
    pub(super) const fn place(self) -> usize {
        self as usize
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => "at+jwt",
            Self::IdToken => "JWT",
            Self::LogoutToken => "logout+jwt",
            Self::StatusList => "statuslist+jwt",
        }
    }
}

const _: () = {
    let mut place = 0;
    while place < TokenType::ALL.len() {
        assert!(
            TokenType::ALL[place].place() == place,
            "in the order of declaration"
        );
        place += 1;
    }
};

/// A token that could not be signed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SigningError {
    /// A client has been registered for an algorithm that nobody used before; its key is made soon.
    #[error("there is no key for {0} yet")]
    NoKey(SigningAlgorithm),
    /// Claims that are no JSON, which no claims of ours are.
    #[error("the claims could not be written")]
    Claims(#[source] serde_json::Error),
    /// Only a broken library explains it.
    #[error("the signature could not be made")]
    Signature,
}

impl Signer {
    pub(crate) fn new(ring: KeyRing) -> Self {
        Self {
            ring: ArcSwap::from_pointee(ring),
            missing: AtomicU8::new(0),
        }
    }

    /// The keys in force at this moment.
    pub(crate) fn ring(&self) -> Arc<KeyRing> {
        self.ring.load_full()
    }

    /// Puts other keys in force.
    pub(crate) fn replace(&self, ring: KeyRing) {
        self.ring.store(Arc::new(ring));
    }

    /// Signs claims by the algorithm that the client is registered for.
    pub(crate) fn sign(
        &self,
        token_type: TokenType,
        algorithm: SigningAlgorithm,
        claims: &impl Serialize,
    ) -> Result<String, SigningError> {
        let ring = self.ring.load();
        let Some(key) = ring.active(algorithm) else {
            self.missing.fetch_or(1 << algorithm.index(), Ordering::Relaxed);
            return Err(SigningError::NoKey(algorithm));
        };
        let mut text = Vec::with_capacity(USUAL);
        serde_json::to_writer(&mut text, claims).map_err(SigningError::Claims)?;
        // RFC 7515 §7.1.
        let mut token = String::with_capacity(2 * USUAL);
        token.push_str(key.header(token_type));
        token.push('.');
        push_base64url(&mut token, &text);
        let signature = key.sign(token.as_bytes()).ok_or(SigningError::Signature)?;
        token.push('.');
        push_base64url(&mut token, &signature);
        Ok(token)
    }

    /// Whether an algorithm was asked for in vain.
    pub(crate) fn lacks_any(&self) -> bool {
        self.missing.load(Ordering::Relaxed) != 0
    }

    /// Takes note of the algorithms that were asked for in vain since the last time.
    pub(crate) fn take_missing(&self) -> Vec<SigningAlgorithm> {
        let missing = self.missing.swap(0, Ordering::Relaxed);
        let is_missing = |algorithm: &SigningAlgorithm| missing & 1 << algorithm.index() != 0;
        SigningAlgorithm::ALL.into_iter().filter(is_missing).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{self, NOW};
    use super::*;

    #[test]
    fn an_algorithm_without_a_key_is_noted_once() {
        let sealing = testing::sealing_key();
        let keys = [testing::active(SigningAlgorithm::Es256, &sealing)];
        let signer = Signer::new(KeyRing::open(&keys, &sealing, NOW).unwrap());
        let claims = json!({ "sub": "alice" });
        let sign = |algorithm| signer.sign(TokenType::IdToken, algorithm, &claims);
        assert!(sign(SigningAlgorithm::Es256).is_ok() && !signer.lacks_any());
        let refused = sign(SigningAlgorithm::Rs256);
        assert!(matches!(
            refused,
            Err(SigningError::NoKey(SigningAlgorithm::Rs256))
        ));
        assert!(signer.lacks_any());
        assert_eq!(signer.take_missing(), [SigningAlgorithm::Rs256]);
        assert!(!signer.lacks_any() && signer.take_missing().is_empty());
    }
}
