//! The private keys: made at first start, kept in one file of mode 0600, never in the database.

pub(crate) mod file;
pub(crate) mod signer;

use std::path::PathBuf;

use aws_lc_rs::hkdf;
use zeroize::Zeroizing;

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

/// Everything secret that this server signs and seals with.
pub(crate) struct Keys {
    /// Signs tokens.
    pub(crate) signer: Signer,
    root: Zeroizing<[u8; 64]>,
}

impl Keys {
    pub(crate) fn new(signer: Signer, root: Zeroizing<[u8; 64]>) -> Self {
        Self { signer, root }
    }

    /// The key that seals the sign-in cookie.
    pub(crate) fn cookie_key(&self) -> Zeroizing<[u8; 64]> {
        self.derive(b"auth-server sign-in cookie")
    }

    /// The key that binds forms to a browser.
    pub(crate) fn form_key(&self) -> Zeroizing<[u8; 64]> {
        self.derive(b"auth-server form token")
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
