//! How keys rest in the database: sealed, so that a dump of it signs nothing, and whoever can write to it plants no key.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use zeroize::Zeroizing;

use super::SigningAlgorithm;

/// The key that seals keys, derived from the root key.
pub(crate) struct SealingKey(RandomizedNonceKey);

/// What is sealed; one never passes for the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// PKCS#8.
    PrivateKey,
    /// A JWK.
    PublicKey,
}

impl SealingKey {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        #[expect(clippy::expect_used, reason = "AES-256 takes every key of 32 bytes")]
        Self(RandomizedNonceKey::new(&AES_256_GCM, key).expect("a key of 32 bytes"))
    }

    /// Seals a key under its name: what is moved to another row does not open there.
    pub(crate) fn seal(
        &self,
        content: Content,
        algorithm: SigningAlgorithm,
        kid: &str,
        text: &[u8],
    ) -> Vec<u8> {
        let mut sealed = text.to_vec();
        #[expect(clippy::expect_used, reason = "AES-GCM takes texts of up to 64 GiB")]
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::from(label(content, algorithm, kid)), &mut sealed)
            .expect("a key can be sealed");
        sealed.splice(0..0, nonce.as_ref().iter().copied());
        sealed
    }

    /// Opens what [`SealingKey::seal`] made.
    pub(crate) fn open(
        &self,
        content: Content,
        algorithm: SigningAlgorithm,
        kid: &str,
        sealed: &[u8],
    ) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, ciphertext) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut buffer = Zeroizing::new(ciphertext.to_vec());
        let label = Aad::from(label(content, algorithm, kid));
        let length = self.0.open_in_place(nonce, label, &mut buffer).ok()?.len();
        buffer.truncate(length);
        Some(buffer)
    }
}

impl std::fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealingKey(redacted)")
    }
}

fn label(content: Content, algorithm: SigningAlgorithm, kid: &str) -> Vec<u8> {
    let content = match content {
        Content::PrivateKey => "private",
        Content::PublicKey => "public",
    };
    format!("{content} {algorithm} {kid}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_opens_with_the_same_root_in_the_same_row_only() {
        let key = SealingKey::new(&[1; 32]);
        let (content, algorithm) = (Content::PrivateKey, SigningAlgorithm::Es256);
        let sealed = key.seal(content, algorithm, "k1", b"a private key");
        let opened = key.open(content, algorithm, "k1", &sealed).unwrap();
        assert_eq!(opened.as_slice(), b"a private key");
        assert!(!sealed.windows(9).any(|window| window == b"a private"));

        assert!(
            SealingKey::new(&[2; 32])
                .open(content, algorithm, "k1", &sealed)
                .is_none()
        );
        assert!(key.open(content, algorithm, "k2", &sealed).is_none());
        assert!(key.open(Content::PublicKey, algorithm, "k1", &sealed).is_none());
        assert!(
            key.open(content, SigningAlgorithm::Rs256, "k1", &sealed)
                .is_none()
        );
        for damaged in [&sealed[1..], &[][..]] {
            assert!(key.open(content, algorithm, "k1", damaged).is_none());
        }
    }
}
