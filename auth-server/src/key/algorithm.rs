use std::fmt;

use aws_lc_rs::digest::{Algorithm as DigestAlgorithm, SHA256, SHA512, digest};
use resource_server::verifier::Algorithm;

/// An algorithm that this server signs with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SigningAlgorithm {
    /// ECDSA on P-256 with SHA-256 (RFC 7518 §3.4).
    Es256,
    /// Ed25519 (RFC 8037).
    EdDsa,
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 §3.3), for clients that know nothing else.
    Rs256,
}

impl SigningAlgorithm {
    /// All of them, in the order in which they are preferred.
    pub const ALL: [Self; 3] = [Self::Es256, Self::EdDsa, Self::Rs256];

    /// The value of `alg`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
        }
    }

    /// The algorithm of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name)
    }

    /// What the verifier calls it.
    pub(crate) const fn verified(self) -> Algorithm {
        match self {
            Self::Es256 => Algorithm::Es256,
            Self::EdDsa => Algorithm::EdDsa,
            Self::Rs256 => Algorithm::Rs256,
        }
    }

    /// The left half of the digest that the signature uses (OIDC Core §3.1.3.6); Ed25519 uses SHA-512.
    pub(crate) fn left_half(self, text: &str) -> Vec<u8> {
        let algorithm: &'static DigestAlgorithm = match self {
            Self::Es256 | Self::Rs256 => &SHA256,
            Self::EdDsa => &SHA512,
        };
        let digest = digest(algorithm, text.as_bytes());
        digest.as_ref()[..algorithm.output_len() / 2].to_vec()
    }

    pub(super) const fn index(self) -> usize {
        match self {
            Self::Es256 => 0,
            Self::EdDsa => 1,
            Self::Rs256 => 2,
        }
    }
}

impl fmt::Display for SigningAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
