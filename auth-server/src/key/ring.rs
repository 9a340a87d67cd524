//! The keys in force at one moment, opened from what is stored: what signs, what is published, what is believed.

use std::sync::Arc;

use resource_server::jwks::{JwksError, KeySet};
use resource_server::time::UnixTime;
use serde_json::{Value, json};

use super::pair::{PublicKey, SigningKey};
use super::seal::{Content, SealingKey};
use super::{Phase, SigningAlgorithm};
use crate::secret::{Digest, base64url};
use crate::store::StoredKey;

/// Why the stored keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RingError {
    /// It was sealed under another root key, or somebody wrote to the database.
    #[error(
        "the signing key {0} does not open: the key file is not the one that it was sealed with, or the database was \
         tampered with"
    )]
    Sealed(String),
    /// Its text is not what was written.
    #[error("the signing key {0} is damaged")]
    Damaged(String),
    /// None is left to verify with.
    #[error("there are no usable keys")]
    NoKeys(#[from] JwksError),
}

/// The keys in force at one moment.
#[derive(Debug)]
pub(crate) struct KeyRing {
    active: [Option<Arc<SigningKey>>; SigningAlgorithm::ALL.len()],
    document: KeySetDocument,
    published: KeySet,
    of_hints: KeySet,
}

/// What `/jwks` answers.
#[derive(Debug, Clone)]
pub(crate) struct KeySetDocument {
    /// RFC 7517 §5.
    pub(crate) bytes: Arc<[u8]>,
    /// A strong validator of these bytes, without its quotes.
    pub(crate) etag: String,
}

impl KeyRing {
    /// Opens the keys that are not withdrawn. Of one that is published, or signs, nothing may be missing; a past one that
    /// does not open is left out, since all that fails is a hint.
    pub(crate) fn open(stored: &[StoredKey], sealing: &SealingKey, now: UnixTime) -> Result<Self, RingError> {
        let mut active = [const { None }; SigningAlgorithm::ALL.len()];
        let mut published: Vec<(Phase, Value)> = Vec::new();
        let mut past = Vec::new();
        for key in stored {
            match key.instants.phase(now) {
                Phase::Withdrawn => {}
                phase @ (Phase::Announced | Phase::Active) => {
                    let signing = Arc::new(open_private(key, sealing)?);
                    published.push((phase, signing.public().jwk.clone()));
                    if phase == Phase::Active {
                        active[key.algorithm.index()] = Some(signing);
                    }
                }
                Phase::Retired => published.push((Phase::Retired, open_public(key, sealing)?.jwk)),
                Phase::Past => match open_public(key, sealing) {
                    Ok(public) => past.push(public.jwk),
                    Err(error) => tracing::warn!(%error, "a past signing key is left out"),
                },
            }
        }
        // Clients that look at no `kid` take the first one.
        published.sort_by_key(|(phase, _)| *phase != Phase::Active);
        let mut keys: Vec<_> = published.into_iter().map(|(_, jwk)| jwk).collect();
        let bytes = document(&keys);
        let published = KeySet::parse(&bytes)?;
        keys.append(&mut past);
        Ok(Self {
            active,
            published,
            of_hints: KeySet::parse(&document(&keys))?,
            document: KeySetDocument {
                etag: base64url(&Digest::of(&bytes).as_bytes()[..16]),
                bytes: bytes.into(),
            },
        })
    }

    /// The key that signs by this algorithm.
    pub(crate) fn active(&self, algorithm: SigningAlgorithm) -> Option<&SigningKey> {
        self.active[algorithm.index()].as_deref()
    }

    /// The key set, public parts only.
    pub(crate) fn document(&self) -> &KeySetDocument {
        &self.document
    }

    /// The keys by which access tokens are judged: those that are published.
    pub(crate) fn published(&self) -> &KeySet {
        &self.published
    }

    /// The keys by which ID tokens are judged that come back as hints, however old.
    pub(crate) fn of_hints(&self) -> &KeySet {
        &self.of_hints
    }
}

fn document(keys: &[Value]) -> Vec<u8> {
    json!({ "keys": keys }).to_string().into_bytes()
}

/// Opens a key that signs or will.
pub(super) fn open_private(key: &StoredKey, sealing: &SealingKey) -> Result<SigningKey, RingError> {
    let pkcs8 = sealing
        .open(Content::PrivateKey, key.algorithm, &key.kid, &key.sealed)
        .ok_or_else(|| RingError::Sealed(key.kid.clone()))?;
    SigningKey::from_pkcs8(key.algorithm, &pkcs8)
        .filter(|signing| signing.public().kid == key.kid)
        .ok_or_else(|| RingError::Damaged(key.kid.clone()))
}

fn open_public(key: &StoredKey, sealing: &SealingKey) -> Result<PublicKey, RingError> {
    let jwk = sealing
        .open(Content::PublicKey, key.algorithm, &key.kid, &key.sealed)
        .ok_or_else(|| RingError::Sealed(key.kid.clone()))?;
    serde_json::from_slice(&jwk)
        .ok()
        .and_then(PublicKey::from_jwk)
        .filter(|public| public.kid == key.kid)
        .ok_or_else(|| RingError::Damaged(key.kid.clone()))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{self, NOW};
    use super::*;

    #[test]
    fn what_is_withdrawn_is_neither_published_nor_believed() {
        let sealing = testing::sealing_key();
        let keys = [
            testing::active(SigningAlgorithm::Es256, &sealing),
            testing::withdrawn(SigningAlgorithm::Es256, &sealing),
            testing::past(SigningAlgorithm::Es256, &sealing),
        ];
        let ring = KeyRing::open(&keys, &sealing, NOW).unwrap();
        assert_eq!((ring.published().len(), ring.of_hints().len()), (1, 2));
        let document: Value = serde_json::from_slice(&ring.document().bytes).unwrap();
        assert_eq!(document["keys"].as_array().unwrap().len(), 1);
        assert_eq!(document["keys"][0]["kid"], keys[0].kid.as_str());
        assert!(ring.active(SigningAlgorithm::Rs256).is_none());
    }

    #[test]
    fn another_root_key_opens_nothing() {
        let sealing = testing::sealing_key();
        let other = SealingKey::new(&[9; 32]);
        let active = testing::active(SigningAlgorithm::Es256, &sealing);
        let past = testing::past(SigningAlgorithm::Es256, &other);
        let refused = KeyRing::open(std::slice::from_ref(&active), &other, NOW);
        assert!(matches!(refused, Err(RingError::Sealed(kid)) if kid == active.kid));
        let ring = KeyRing::open(&[active, past], &sealing, NOW).unwrap();
        assert_eq!(
            ring.of_hints().len(),
            1,
            "a past key that does not open fails hints only"
        );
    }

    #[test]
    fn a_key_that_was_moved_to_another_row_is_refused() {
        let sealing = testing::sealing_key();
        let mut key = testing::active(SigningAlgorithm::Es256, &sealing);
        key.kid = testing::active(SigningAlgorithm::Es256, &sealing).kid;
        assert!(matches!(
            KeyRing::open(&[key], &sealing, NOW),
            Err(RingError::Sealed(_))
        ));
        assert!(matches!(
            KeyRing::open(&[], &sealing, NOW),
            Err(RingError::NoKeys(_))
        ));
    }
}
