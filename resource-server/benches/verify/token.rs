//! An issuer whose access tokens say what those of our auth server say.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use resource_server::test_support::{TestKey, encode};
use resource_server::time::{Clock as _, SystemClock};
use serde_json::{Value, json};

pub(crate) const ISSUER: &str = "https://auth.example";
pub(crate) const AUDIENCE: &str = "https://notes.example";

/// As long as the thumbprints that our auth server names its keys by.
const KID: &str = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";

const CENTURY: i64 = 100 * 365 * 86_400;

/// Which signature; RS256 with a key of 2048 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Es256,
    EdDsa,
    Rs256,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Es256, Self::EdDsa, Self::Rs256];
}

pub(crate) struct Issuer {
    kind: Kind,
    key: TestKey,
}

impl Issuer {
    pub(crate) fn generate(kind: Kind) -> Self {
        let key = match kind {
            Kind::Es256 => TestKey::es256(KID),
            Kind::EdDsa => TestKey::ed25519(KID),
            Kind::Rs256 => TestKey::rsa(KID),
        };
        Self { kind, key }
    }

    /// The name of its algorithm.
    pub(crate) fn algorithm(&self) -> &'static str {
        self.key.algorithm()
    }

    pub(crate) fn jwk(&self) -> Value {
        let mut jwk = self.key.jwk();
        jwk["use"] = json!("sig");
        jwk["alg"] = json!(self.algorithm());
        jwk
    }

    /// Tokens of as many grants, all good for a hundred years: some clocks here are hurried.
    pub(crate) fn tokens(&self, number: usize) -> Vec<String> {
        let now = SystemClock.now().as_secs();
        let claims = |n: usize| {
            json!({
                "iss": ISSUER,
                "sub": "4f8VQp1nSsqYb2mR0o3u6A",
                "aud": AUDIENCE,
                "client_id": "web",
                "scope": "openid profile email notes:read notes:write",
                "iat": now,
                "exp": now + CENTURY,
                "jti": handle(),
                "auth_time": now - 300,
                "grant_id": handle(),
                "status": {"status_list": {"idx": n, "uri": "https://auth.example/statuslists/1"}},
            })
        };
        (0..number).map(|n| self.key.access_token(&claims(n))).collect()
    }

    /// The key as the crypto library holds it once it has read it.
    pub(crate) fn parsed(&self) -> ParsedPublicKey {
        let jwk = self.jwk();
        let number = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
        let parsed = match self.kind {
            Kind::Es256 => {
                let point = [vec![4], number("x"), number("y")].concat();
                ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
            }
            Kind::EdDsa => ParsedPublicKey::new(&ED25519, number("x")),
            Kind::Rs256 => {
                let components = RsaPublicKeyComponents {
                    n: number("n"),
                    e: number("e"),
                };
                components.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
            }
        };
        parsed.unwrap()
    }
}

/// 128 random bits.
fn handle() -> String {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).unwrap();
    encode(&bytes)
}

/// The JWK set of these keys.
pub(crate) fn jwks(keys: &[Value]) -> Value {
    json!({ "keys": keys })
}
