//! Refresh tokens: a family and a secret; and how the next one is sealed for a client that lost the answer.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::secret::{Digest, base64url, parse_base64url, random_bytes};

/// Names a family. It is part of every refresh token of the family and of nothing else, so whoever knows it has
/// held one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FamilyId([u8; 16]);

impl FamilyId {
    /// A fresh one.
    pub(crate) fn generate() -> Self {
        Self(random_bytes())
    }

    /// The bytes to store.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// What access tokens tell of it. Resource servers see access tokens: with the id itself they could end families.
    pub(crate) fn handle(&self) -> [u8; 16] {
        let digest = Digest::of(&[b"family handle:".as_slice(), &self.0].concat());
        let mut handle = [0; 16];
        handle.copy_from_slice(&digest.as_bytes()[..16]);
        handle
    }
}

/// A refresh token as a client holds it.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(crate) struct RefreshToken {
    #[zeroize(skip)]
    family: FamilyId,
    secret: [u8; 32],
}

impl RefreshToken {
    /// A fresh token of a family.
    pub(crate) fn generate(family: FamilyId) -> Self {
        Self {
            family,
            secret: random_bytes(),
        }
    }

    /// Reads `<family>.<secret>`; anything of another form was never one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (family, secret) = text.split_once('.')?;
        Some(Self {
            family: FamilyId(parse_base64url(family)?),
            secret: parse_base64url(secret)?,
        })
    }

    /// The text for the client.
    pub(crate) fn to_text(&self) -> String {
        format!(
            "{}.{}",
            base64url(self.family.as_bytes()),
            base64url(&self.secret)
        )
    }

    /// The family it belongs to, if it is genuine.
    pub(crate) fn family(&self) -> FamilyId {
        self.family
    }

    /// What is stored of it.
    pub(crate) fn digest(&self) -> Digest {
        Digest::of(&self.secret)
    }

    /// Seals the successor so that only who holds this token can read it: the database alone cannot.
    pub(crate) fn seal(&self, successor: &Self) -> Vec<u8> {
        let mut sealed = successor.secret.to_vec();
        #[expect(clippy::expect_used, reason = "AES-GCM takes any text of 32 bytes")]
        let nonce = self
            .sealing_key()
            .seal_in_place_append_tag(Aad::from(self.family.as_bytes()), &mut sealed)
            .expect("32 bytes can be sealed");
        sealed.splice(0..0, nonce.as_ref().iter().copied());
        sealed
    }

    /// Opens what [`RefreshToken::seal`] made with this very token.
    pub(crate) fn open(&self, sealed: &[u8]) -> Option<Self> {
        let (nonce, ciphertext) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut buffer = Zeroizing::new(ciphertext.to_vec());
        let secret = self
            .sealing_key()
            .open_in_place(nonce, Aad::from(self.family.as_bytes()), &mut buffer)
            .ok()?;
        Some(Self {
            family: self.family,
            secret: (&*secret).try_into().ok()?,
        })
    }

    fn sealing_key(&self) -> RandomizedNonceKey {
        let mut key = Zeroizing::new([0; 32]);
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, self.family.as_bytes()).extract(&self.secret);
        let info = [b"auth-server refresh token successor".as_slice()];
        #[expect(
            clippy::expect_used,
            reason = "HKDF-SHA256 gives the 32 bytes that AES-256 takes"
        )]
        prk.expand(&info, &AES_256_GCM)
            .and_then(|okm| okm.fill(key.as_mut_slice()))
            .and_then(|()| RandomizedNonceKey::new(&AES_256_GCM, key.as_slice()))
            .expect("a key of 32 bytes")
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshToken(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_comes_back() {
        let token = RefreshToken::generate(FamilyId::generate());
        let again = RefreshToken::parse(&token.to_text()).unwrap();
        assert_eq!(again.family(), token.family());
        assert!(again.digest().matches(&token.digest()));
    }

    #[test]
    fn what_has_another_form_is_no_token() {
        let long = "a".repeat(100_000);
        for text in [
            "",
            ".",
            "a.b",
            "AAAAAAAAAAAAAAAAAAAAAA",
            "AAAAAAAAAAAAAAAAAAAAAA.",
            &long,
        ] {
            assert!(RefreshToken::parse(text).is_none());
        }
    }

    #[test]
    fn only_the_predecessor_opens_the_sealed_successor() {
        let family = FamilyId::generate();
        let (first, second) = (RefreshToken::generate(family), RefreshToken::generate(family));
        let sealed = first.seal(&second);

        assert_eq!(first.open(&sealed).unwrap().to_text(), second.to_text());
        assert!(second.open(&sealed).is_none());
        assert!(first.open(&sealed[1..]).is_none());
        assert!(first.open(b"").is_none());
        assert!(!sealed.windows(32).any(|window| window == second.secret));
    }

    #[test]
    fn the_handle_does_not_give_the_id_away() {
        let family = FamilyId::generate();
        assert_ne!(&family.handle(), family.as_bytes());
        assert_eq!(family.handle(), family.handle());
    }
}
