//! The keys. One secret, the root key, rests in a file of mode 0600; from it come the keys of cookies and forms, and the
//! one that seals the signing keys, which rest in the database and change there.

mod algorithm;
pub(crate) mod file;
pub(crate) mod keeper;
mod pair;
pub(crate) mod phase;
pub(crate) mod ring;
mod seal;
pub(crate) mod signer;
#[cfg(test)]
pub(crate) mod testing;

use std::path::PathBuf;

use aws_lc_rs::hkdf;
use zeroize::Zeroizing;

pub use algorithm::SigningAlgorithm;
pub(crate) use keeper::Keeper;
pub(crate) use pair::SigningKey;
pub(crate) use phase::Instants;
pub use phase::Phase;
pub(crate) use ring::KeyRing;
pub(crate) use seal::SealingKey;
pub(crate) use signer::Signer;

/// Why there are no keys to start with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    /// The file cannot be read, or not be made.
    #[error("the key file {path} cannot be {action}")]
    File {
        /// Where it is.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What went wrong.
        source: std::io::Error,
    },
    /// Others than its owner could read it.
    #[error(
        "the key file {path} may be read by others (mode {mode:03o}): run chmod 600 and consider its keys known"
    )]
    Exposed {
        /// Where it is.
        path: PathBuf,
        /// The permission bits it has.
        mode: u32,
    },
    /// It is there but is no key file.
    #[error("the key file {path} is damaged: {reason}")]
    Damaged {
        /// Where it is.
        path: PathBuf,
        /// What is wrong, without quoting it.
        reason: &'static str,
    },
    /// The cryptographic library refused.
    #[error("a key could not be made")]
    Generation,
}

/// The root key, and what a file of the version before holds beside it.
pub(crate) struct Keys {
    /// The first one signed; the others were published. Newer files hold none.
    pub(crate) legacy: Vec<LegacyKey>,
    root: Zeroizing<[u8; 64]>,
}

/// A signing key out of the key file.
pub(crate) struct LegacyKey {
    pub(crate) signing: SigningKey,
    pub(crate) pkcs8: Zeroizing<Vec<u8>>,
}

impl Keys {
    pub(crate) fn new(legacy: Vec<LegacyKey>, root: Zeroizing<[u8; 64]>) -> Self {
        Self { legacy, root }
    }

    /// The key that seals the sign-in cookie.
    pub(crate) fn cookie_key(&self) -> Zeroizing<[u8; 64]> {
        self.derive(b"auth-server sign-in cookie")
    }

    /// The key that binds forms to a browser.
    pub(crate) fn form_key(&self) -> Zeroizing<[u8; 64]> {
        self.derive(b"auth-server form token")
    }

    /// The key that seals the signing keys in the database.
    pub(crate) fn sealing_key(&self) -> SealingKey {
        let derived = self.derive(b"auth-server signing keys");
        let mut key = Zeroizing::new([0; 32]);
        key.copy_from_slice(&derived[..32]);
        SealingKey::new(&key)
    }

    fn derive(&self, purpose: &[u8]) -> Zeroizing<[u8; 64]> {
        let mut derived = Zeroizing::new([0; 64]);
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, b"").extract(self.root.as_slice());
        let info = [purpose];
        #[expect(
            clippy::expect_used,
            reason = "HKDF-SHA256 gives up to 8160 bytes; this asks for 64"
        )]
        prk.expand(&info, Length64)
            .and_then(|okm| okm.fill(derived.as_mut_slice()))
            .expect("64 bytes fit");
        derived
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(redacted)")
    }
}

struct Length64;

impl hkdf::KeyType for Length64 {
    fn len(&self) -> usize {
        64
    }
}
