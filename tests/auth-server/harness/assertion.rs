//! Clients with keys of their own, which sign with aws-lc-rs itself.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RSA_PSS_SHA256, RsaEncoding, RsaKeyPair, RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use resource_server::time::Clock as _;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::{Answer, Credentials, Server};

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A client's key pair.
pub(crate) enum ClientKey {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(Box<RsaKeyPair>),
}

impl ClientKey {
    pub(crate) fn es256() -> Self {
        Self::P256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    pub(crate) fn ed25519() -> Self {
        Self::Ed25519(Ed25519KeyPair::generate().unwrap())
    }

    pub(crate) fn rsa() -> Self {
        Self::Rsa(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()))
    }

    fn jwk(&self, kid: &str) -> Value {
        match self {
            Self::P256(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({ "kty": "EC", "crv": "P-256", "kid": kid, "x": encoded(x), "y": encoded(y) })
            }
            Self::Ed25519(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "x": encoded(pair.public_key().as_ref()) })
            }
            Self::Rsa(pair) => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                json!({ "kty": "RSA", "kid": kid, "n": encoded(&public.n), "e": encoded(&public.e) })
            }
        }
    }

    /// Its JWK set, the public part only.
    pub(crate) fn set(&self, kid: &str) -> String {
        json!({ "keys": [self.jwk(kid)] }).to_string()
    }

    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        let signed = format!(
            "{}.{}",
            encoded(header.to_string().as_bytes()),
            encoded(claims.to_string().as_bytes())
        );
        let random = SystemRandom::new();
        let signature = match self {
            Self::P256(pair) => pair.sign(&random, signed.as_bytes()).unwrap().as_ref().to_vec(),
            Self::Ed25519(pair) => pair.sign(signed.as_bytes()).as_ref().to_vec(),
            Self::Rsa(pair) => {
                let encoding: &'static dyn RsaEncoding = match header["alg"].as_str() {
                    Some("PS256") => &RSA_PSS_SHA256,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &random, signed.as_bytes(), &mut signature)
                    .unwrap();
                signature
            }
        };
        format!("{signed}.{}", encoded(&signature))
    }
}

pub(crate) fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn header(alg: &str) -> Value {
    json!({ "alg": alg, "kid": "k1", "typ": "client-authentication+jwt" })
}

impl Server {
    /// What a good assertion of a client says, each time with another `jti`.
    pub(crate) fn claims_of(&self, client_id: &str) -> Value {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let jti = format!("j{}", NEXT.fetch_add(1, Ordering::Relaxed));
        json!({
            "iss": client_id, "sub": client_id, "aud": self.issuer, "jti": jti,
            "iat": self.clock.now().as_secs(), "exp": self.clock.now().as_secs() + 60,
        })
    }

    /// Calls an endpoint with an assertion.
    pub(crate) async fn call_with_assertion(
        &self,
        path: &str,
        assertion: &str,
        form: &[(&str, &str)],
    ) -> Answer {
        let mut form = form.to_vec();
        form.extend([
            ("client_assertion_type", JWT_BEARER),
            ("client_assertion", assertion),
        ]);
        self.call(path, Credentials::None, &form).await
    }

    /// Asks for a token of the client's own.
    pub(crate) async fn own_token(&self, assertion: &str) -> Answer {
        self.call_with_assertion("/token", assertion, &[("grant_type", "client_credentials")])
            .await
    }
}

/// Where a client publishes its keys.
pub(crate) struct KeyHost {
    pub(crate) address: String,
    keys: Arc<Mutex<String>>,
    visits: Arc<AtomicUsize>,
    server: JoinHandle<()>,
}

impl KeyHost {
    pub(crate) async fn publishing(keys: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/jwks", listener.local_addr().unwrap());
        let keys = Arc::new(Mutex::new(keys));
        let visits = Arc::new(AtomicUsize::new(0));
        let (published, counter) = (Arc::clone(&keys), Arc::clone(&visits));
        let server = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                let body = published.lock().unwrap().clone();
                let _ = stream.read(&mut [0; 4096]).await;
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self {
            address,
            keys,
            visits,
            server,
        }
    }

    pub(crate) fn publish(&self, keys: String) {
        *self.keys.lock().unwrap() = keys;
    }

    pub(crate) fn visits(&self) -> usize {
        self.visits.load(Ordering::SeqCst)
    }
}

impl Drop for KeyHost {
    fn drop(&mut self) {
        self.server.abort();
    }
}
