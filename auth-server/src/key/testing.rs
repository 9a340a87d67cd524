//! Keys for unit tests, in each phase.

use std::time::Duration;

use resource_server::time::UnixTime;

use super::pair::{SigningKey, generate};
use super::seal::{Content, SealingKey};
use super::{Instants, SigningAlgorithm};
use crate::store::StoredKey;

pub(crate) const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

pub(crate) fn sealing_key() -> SealingKey {
    SealingKey::new(&[7; 32])
}

pub(crate) fn active(algorithm: SigningAlgorithm, sealing: &SealingKey) -> StoredKey {
    stored(algorithm, sealing, Content::PrivateKey)
}

pub(crate) fn withdrawn(algorithm: SigningAlgorithm, sealing: &SealingKey) -> StoredKey {
    let mut key = active(algorithm, sealing);
    key.instants.withdrawn_at = Some(NOW);
    key
}

pub(crate) fn past(algorithm: SigningAlgorithm, sealing: &SealingKey) -> StoredKey {
    let mut key = stored(algorithm, sealing, Content::PublicKey);
    key.instants.retired_at = Some(NOW - Duration::from_secs(24 * 3600));
    key
}

fn stored(algorithm: SigningAlgorithm, sealing: &SealingKey, content: Content) -> StoredKey {
    let pkcs8 = generate(algorithm).unwrap();
    let key = SigningKey::from_pkcs8(algorithm, &pkcs8).unwrap();
    let public = key.public();
    let text = match content {
        Content::PrivateKey => pkcs8.to_vec(),
        Content::PublicKey => public.jwk.to_string().into_bytes(),
    };
    StoredKey {
        kid: public.kid.clone(),
        algorithm,
        sealed: sealing.seal(content, algorithm, &public.kid, &text),
        instants: Instants {
            announced_at: NOW,
            active_at: Some(NOW),
            retired_at: None,
            withdrawn_at: None,
        },
    }
}
