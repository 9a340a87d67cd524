//! Random bytes from the operating system.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;

/// Fresh bytes from the cryptographic generator.
#[must_use]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    #[expect(clippy::expect_used, reason = "a process without randomness must not go on")]
    aws_lc_rs::rand::fill(&mut bytes).expect("the operating system has randomness");
    bytes
}

/// 256 fresh bits as base64url text of 43 characters.
#[must_use]
pub fn text() -> String {
    BASE64URL.encode(bytes::<32>())
}
