//! The cookie of a session, as actix-session would have set it.

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bff::cookies;
use bff::session::SessionId;
use bff::session::key_ring::KeyRing;

/// How many bytes of the signing key are for signatures; the rest is for sealed cookies, which there are none of.
const SIGNATURE_KEY: usize = 32;

/// Signs cookies with the key of a ring.
pub struct Signer(hmac::Key);

impl Signer {
    /// Takes the key from the text of a key ring.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn of_ring(ring: &str) -> Self {
        let ring = KeyRing::parse(ring).expect("a key ring");
        let key = ring.cookie_signing_key();
        Self(hmac::Key::new(hmac::HMAC_SHA256, &key[..SIGNATURE_KEY]))
    }

    /// The header `Cookie` of the browser that has this session: the value behind its signature.
    #[must_use]
    pub fn header(&self, id: &SessionId) -> String {
        let value = id.to_cookie_value();
        let signature = hmac::sign(&self.0, value.as_bytes());
        format!("{}={}{value}", cookies::SESSION, BASE64.encode(signature))
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(redacted)")
    }
}
