//! What leads to the sessions of a user and of a provider's session, so that they can be listed and ended from outside.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;

use super::key_ring::KeyRing;

/// Names an index. A keyed digest: a dump of the store tells neither `sub` nor `sid`, nor lets a guess be tried.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IndexKey(String);

impl IndexKey {
    /// The digest as base64url text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// An index that was read back from a store.
    pub(in crate::session) const fn stored(text: String) -> Self {
        Self(text)
    }
}

/// Whose a session is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// All sessions of this user.
    pub user: IndexKey,
    /// All sessions that began under this session of the provider; if it named none, all of this user that began so.
    pub provider_session: Option<IndexKey>,
}

impl Owner {
    /// The indexes that lead to this owner's session.
    pub(in crate::session) fn indexes(&self) -> impl Iterator<Item = &IndexKey> {
        std::iter::once(&self.user).chain(&self.provider_session)
    }
}

/// Makes index names for the users and sessions of one issuer.
#[derive(Debug, Clone)]
pub struct Indexer {
    key: hmac::Key,
    issuer: String,
}

impl Indexer {
    /// An indexer whose names stay the same when sealing keys are rotated.
    #[must_use]
    pub fn new(ring: &KeyRing, issuer: String) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, ring.index_key().as_slice()),
            issuer,
        }
    }

    /// The owner of a session of this user and, if the provider named one, of this session there.
    #[must_use]
    pub fn owner(&self, sub: &str, sid: Option<&str>) -> Owner {
        Owner {
            user: self.user(sub),
            provider_session: Some(match sid {
                Some(sid) => self.provider_session(sid),
                None => self.unnamed_provider_session(sub),
            }),
        }
    }

    /// All sessions of the user whom the issuer calls `sub`.
    #[must_use]
    pub fn user(&self, sub: &str) -> IndexKey {
        self.index("sub", sub)
    }

    /// All sessions that began under the issuer's session `sid`.
    #[must_use]
    pub fn provider_session(&self, sid: &str) -> IndexKey {
        self.index("sid", sid)
    }

    /// All sessions of this user that began under a session which the issuer did not name.
    #[must_use]
    pub fn unnamed_provider_session(&self, sub: &str) -> IndexKey {
        self.index("no sid", sub)
    }

    fn index(&self, kind: &str, value: &str) -> IndexKey {
        // Lengths in front: no two triples make the same text.
        let text = format!("{kind}:{}:{}:{value}", self.issuer.len(), self.issuer);
        IndexKey(BASE64URL.encode(hmac::sign(&self.key, text.as_bytes())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::key_ring::KeyName;

    fn indexer(ring: &str, issuer: &str) -> Indexer {
        Indexer::new(&KeyRing::parse(ring).unwrap(), issuer.to_owned())
    }

    #[test]
    fn an_index_is_of_one_kind_one_issuer_and_one_ring() {
        let ring = KeyRing::generate(&KeyName::parse("k1").unwrap());
        let ours = indexer(&ring, "https://a.example");
        assert_eq!(ours.user("alice"), ours.user("alice"));
        assert_ne!(ours.user("alice"), ours.provider_session("alice"));
        assert_ne!(
            ours.user("alice"),
            indexer(&ring, "https://b.example").user("alice")
        );
        let other = KeyRing::generate(&KeyName::parse("k1").unwrap());
        assert_ne!(
            ours.user("alice"),
            indexer(&other, "https://a.example").user("alice")
        );
    }

    #[test]
    fn sealing_keys_may_be_rotated() {
        let ring = KeyRing::generate(&KeyName::parse("k1").unwrap()).to_string();
        let rotated = format!("k2 {}\n{ring}", crate::random::text());
        let (before, after) = (indexer(&ring, "i"), indexer(&rotated, "i"));
        assert_eq!(before.user("alice"), after.user("alice"));
    }
}
