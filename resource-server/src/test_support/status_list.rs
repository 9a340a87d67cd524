use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use serde_json::{Value, json};

use super::{NOW, TestKey, encode};

/// A status list as its issuer makes it (draft-ietf-oauth-status-list §5.1), in which at first every status is VALID.
#[derive(Debug, Clone)]
pub struct TestStatusList {
    /// `sub`: the address of the list.
    pub uri: String,
    /// `iat`, in seconds since 1970.
    pub issued_at: i64,
    /// How many seconds later it expires.
    pub lasts: i64,
    /// `ttl`, in seconds.
    pub ttl: u64,
    /// How many bits a status has: 1, 2, 4 or 8.
    pub bits: u8,
    /// The statuses, `8 / bits` a byte from the least significant bit on.
    pub statuses: Vec<u8>,
}

impl TestStatusList {
    /// The address of a list of [`super::ISSUER`].
    pub const URI: &str = "https://issuer.example/statuslists/1";

    /// A list of 128 statuses of one bit at this address, made at [`NOW`].
    #[must_use]
    pub fn at(uri: &str) -> Self {
        Self {
            uri: uri.to_owned(),
            issued_at: NOW.as_secs(),
            lasts: 3600,
            ttl: 5,
            bits: 1,
            statuses: vec![0; 16],
        }
    }

    /// The same with the first bit of the status at this index set: INVALID, if it was VALID.
    #[must_use]
    pub fn end(mut self, index: usize) -> Self {
        let per_byte = usize::from(8 / self.bits);
        self.statuses[index / per_byte] |= 1 << ((index % per_byte) * usize::from(self.bits));
        self
    }

    /// The claims of the status list token.
    #[must_use]
    pub fn claims(&self) -> Value {
        json!({
            "sub": self.uri,
            "iat": self.issued_at,
            "exp": self.issued_at + self.lasts,
            "ttl": self.ttl,
            "status_list": {"bits": self.bits, "lst": encode(&zlib(&self.statuses))},
        })
    }

    /// The status list token.
    #[must_use]
    pub fn sign(&self, key: &TestKey) -> String {
        let header = json!({"typ": "statuslist+jwt", "alg": key.algorithm(), "kid": key.kid()});
        key.sign(&header, &self.claims())
    }
}

impl Default for TestStatusList {
    fn default() -> Self {
        Self::at(Self::URI)
    }
}

/// A zlib stream (RFC 1950) of these bytes.
#[must_use]
pub fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut packer = ZlibEncoder::new(Vec::new(), Compression::best());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}
