//! The keys in force at one moment, opened from what is stored: what signs, what is published, what is believed.

use std::collections::HashMap;
use std::sync::Arc;

use resource_server::jwks::KeySet;
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
    NoKeys,
}

/// The keys in force at one moment.
#[derive(Debug)]
pub(crate) struct KeyRing {
    /// Those that sign, or will.
    signing: HashMap<String, Arc<SigningKey>>,
    /// All that is published, and what is past.
    public: HashMap<String, PublicKey>,
    active: [Option<Arc<SigningKey>>; SigningAlgorithm::ALL.len()],
    document: KeySetDocument,
    published: Option<KeySet>,
    of_hints: Option<KeySet>,
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
    /// Opens the keys that are not withdrawn, at start. Of one that is published, or signs, nothing may be missing; a past
    /// one that does not open is left out, since all that fails is a hint.
    pub(crate) fn open(stored: &[StoredKey], sealing: &SealingKey, now: UnixTime) -> Result<Self, RingError> {
        let mut opened = Opened::default();
        for key in stored {
            match (opened.add(key, now, None, sealing), key.instants.phase(now)) {
                (Ok(()), _) => {}
                (Err(error), Phase::Past) => tracing::warn!(%error, "a past signing key is left out"),
                (Err(error), _) => return Err(error),
            }
        }
        let ring = opened.into_ring();
        if ring.published.is_none() {
            return Err(RingError::NoKeys);
        }
        Ok(ring)
    }

    /// The ring as it is to be now. What has been opened before stays so, whatever became of its row, until it is withdrawn:
    /// that takes effect even if other keys do not open. Those are left out.
    pub(crate) fn renewed(&self, stored: &[StoredKey], sealing: &SealingKey, now: UnixTime) -> Self {
        let mut opened = Opened::default();
        for key in stored {
            if let Err(error) = opened.add(key, now, Some(self), sealing) {
                tracing::error!(%error, "a signing key is left out");
            }
        }
        opened.into_ring()
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
    pub(crate) fn published(&self) -> Option<&KeySet> {
        self.published.as_ref()
    }

    /// The keys by which ID tokens are judged that come back as hints, however old.
    pub(crate) fn of_hints(&self) -> Option<&KeySet> {
        self.of_hints.as_ref()
    }
}

/// Keys that are opened one after the other.
#[derive(Default)]
struct Opened {
    signing: HashMap<String, Arc<SigningKey>>,
    public: HashMap<String, PublicKey>,
    active: [Option<Arc<SigningKey>>; SigningAlgorithm::ALL.len()],
    published: Vec<(Phase, Value)>,
    past: Vec<Value>,
}

impl Opened {
    fn add(
        &mut self,
        key: &StoredKey,
        now: UnixTime,
        before: Option<&KeyRing>,
        sealing: &SealingKey,
    ) -> Result<(), RingError> {
        let phase = key.instants.phase(now);
        let public = match phase {
            Phase::Withdrawn => return Ok(()),
            Phase::Announced | Phase::Active => {
                let signing = match before.and_then(|before| before.signing.get(&key.kid)) {
                    Some(signing) => Arc::clone(signing),
                    None => Arc::new(open_private(key, sealing)?),
                };
                if phase == Phase::Active {
                    self.active[key.algorithm.index()] = Some(Arc::clone(&signing));
                }
                let public = signing.public().clone();
                self.signing.insert(key.kid.clone(), signing);
                public
            }
            Phase::Retired | Phase::Past => match before.and_then(|before| before.public.get(&key.kid)) {
                Some(public) => public.clone(),
                None => open_public(key, sealing)?,
            },
        };
        if phase == Phase::Past {
            self.past.push(public.jwk.clone());
        } else {
            self.published.push((phase, public.jwk.clone()));
        }
        self.public.insert(key.kid.clone(), public);
        Ok(())
    }

    fn into_ring(mut self) -> KeyRing {
        // Clients that look at no `kid` take the first one.
        self.published.sort_by_key(|(phase, _)| *phase != Phase::Active);
        let mut keys: Vec<_> = self.published.into_iter().map(|(_, jwk)| jwk).collect();
        let bytes = document(&keys);
        // A set without any key is none.
        let published = KeySet::parse(&bytes).ok();
        keys.append(&mut self.past);
        KeyRing {
            signing: self.signing,
            public: self.public,
            active: self.active,
            published,
            of_hints: KeySet::parse(&document(&keys)).ok(),
            document: KeySetDocument {
                etag: base64url(&Digest::of(&bytes).as_bytes()[..16]),
                bytes: bytes.into(),
            },
        }
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

    const ES256: SigningAlgorithm = SigningAlgorithm::Es256;

    /// How many keys judge access tokens, and how many judge hints.
    fn counts(ring: &KeyRing) -> (usize, usize) {
        let count = |set: Option<&KeySet>| set.map_or(0, KeySet::len);
        (count(ring.published()), count(ring.of_hints()))
    }

    #[test]
    fn what_is_withdrawn_is_neither_published_nor_believed() {
        let sealing = testing::sealing_key();
        let keys = [
            testing::active(ES256, &sealing),
            testing::withdrawn(ES256, &sealing),
            testing::past(ES256, &sealing),
        ];
        let ring = KeyRing::open(&keys, &sealing, NOW).unwrap();
        assert_eq!(counts(&ring), (1, 2));
        let document: Value = serde_json::from_slice(&ring.document().bytes).unwrap();
        assert_eq!(document["keys"].as_array().unwrap().len(), 1);
        assert_eq!(document["keys"][0]["kid"], keys[0].kid.as_str());
        assert!(ring.active(SigningAlgorithm::Rs256).is_none());
    }

    #[test]
    fn another_root_key_opens_nothing() {
        let sealing = testing::sealing_key();
        let other = SealingKey::new(&[9; 32]);
        let active = testing::active(ES256, &sealing);
        let past = testing::past(ES256, &other);
        let refused = KeyRing::open(std::slice::from_ref(&active), &other, NOW);
        assert!(matches!(refused, Err(RingError::Sealed(kid)) if kid == active.kid));
        let ring = KeyRing::open(&[active, past], &sealing, NOW).unwrap();
        assert_eq!(
            counts(&ring),
            (1, 1),
            "a past key that does not open fails hints only"
        );
    }

    #[test]
    fn a_key_that_was_moved_to_another_row_is_refused() {
        let sealing = testing::sealing_key();
        let mut key = testing::active(ES256, &sealing);
        key.kid = testing::active(ES256, &sealing).kid;
        assert!(matches!(
            KeyRing::open(&[key], &sealing, NOW),
            Err(RingError::Sealed(_))
        ));
        assert!(matches!(
            KeyRing::open(&[], &sealing, NOW),
            Err(RingError::NoKeys)
        ));
    }

    #[test]
    fn a_withdrawal_takes_effect_even_if_nothing_else_opens() {
        let sealing = testing::sealing_key();
        let mut active = testing::active(ES256, &sealing);
        let ring = KeyRing::open(std::slice::from_ref(&active), &sealing, NOW).unwrap();
        // What is open stays so, whatever became of its row.
        active.sealed.clear();
        let same = ring.renewed(std::slice::from_ref(&active), &sealing, NOW);
        assert!(same.active(ES256).is_some());
        assert_eq!(same.document().etag, ring.document().etag);

        let other = SealingKey::new(&[9; 32]);
        let foreign = testing::active(ES256, &other);
        active.instants.withdrawn_at = Some(NOW);
        let ring = ring.renewed(&[active, foreign], &sealing, NOW);
        assert!(ring.active(ES256).is_none());
        assert_eq!(counts(&ring), (0, 0));
        assert_eq!(&*ring.document().bytes, br#"{"keys":[]}"#);
    }
}
