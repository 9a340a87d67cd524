//! How a `[[client]]` proves who it is.

use std::time::{SystemTime, UNIX_EPOCH};

use resource_server::jwks::KeySet;
use resource_server::settings::Section;
use resource_server::time::UnixTime;
use resource_server::verifier::Algorithm;
use secrecy::{ExposeSecret, SecretString};

use crate::client::{
    ASSERTION_ALGORITHMS, AssertionKeys, ClientSecret, Credentials, KeySource, Kind, SecretWay, Secrets,
};
use crate::config::ClientSecrets;
use crate::http::target;
use crate::secret::Digest;

/// RFC 9700 and NIST SP 800-63B ask for secrets that cannot be guessed; a shorter one is surely typed by a person.
const SHORTEST_SECRET: usize = 16;

/// The values of `token_endpoint_auth_method`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    Secret(SecretWay),
    PrivateKeyJwt,
    None,
}

impl Method {
    fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "client_secret_basic" => Ok(Self::Secret(SecretWay::Basic)),
            "client_secret_post" => Ok(Self::Secret(SecretWay::Post)),
            "private_key_jwt" => Ok(Self::PrivateKeyJwt),
            "none" => Ok(Self::None),
            _ => Err(
                "must be \"client_secret_basic\", \"client_secret_post\", \"private_key_jwt\" or \"none\"",
            ),
        }
    }
}

/// `kind` has been read; the keys that prove it are read here.
pub(super) fn parse_kind(section: &mut Section<'_>, is_public: bool, secrets: ClientSecrets) -> Option<Kind> {
    let method = section.optional_parsed("token_endpoint_auth_method", Method::parse);
    match (is_public, method) {
        (_, None) => {
            section.forgo(&["secret_env", "secret_file", "secrets"]);
            section.forgo(&["jwks", "jwks_uri", "token_endpoint_auth_signing_alg"]);
            None
        }
        (true, Some(method)) => parse_public(section, method),
        (false, Some(Some(Method::None))) => {
            let rule = "is for kind = \"public\" only";
            section.fault("token_endpoint_auth_method", Some("\"none\"".to_owned()), rule);
            None
        }
        (false, Some(Some(Method::PrivateKeyJwt))) => {
            refuse_secrets(section, "must not be set: the client proves itself with a key");
            parse_keys(section).map(|keys| Kind::Confidential(Credentials::Keys(keys)))
        }
        (false, Some(way)) => {
            refuse_keys(section);
            let way = match way {
                Some(Method::Secret(way)) => Some(way),
                _ => None,
            };
            let known = parse_secrets(section, secrets)?;
            Some(Kind::Confidential(Credentials::Secrets(Secrets { way, known })))
        }
    }
}

fn parse_public(section: &mut Section<'_>, method: Option<Method>) -> Option<Kind> {
    refuse_secrets(section, "must not be set: a public client cannot keep a secret");
    refuse_keys(section);
    if method.is_some_and(|method| method != Method::None) {
        let rule = "must be \"none\" for a public client";
        section.fault("token_endpoint_auth_method", None, rule);
        return None;
    }
    Some(Kind::Public)
}

fn refuse_secrets(section: &mut Section<'_>, rule: &str) {
    for key in ["secret", "secret_env", "secret_file", "secrets"] {
        section.refuse(key, rule);
    }
}

fn refuse_keys(section: &mut Section<'_>) {
    for key in ["jwks", "jwks_uri", "token_endpoint_auth_signing_alg"] {
        section.refuse(
            key,
            "is for token_endpoint_auth_method = \"private_key_jwt\" only",
        );
    }
}

fn parse_keys(section: &mut Section<'_>) -> Option<AssertionKeys> {
    let registered = section.optional_parsed("jwks", |text| KeySet::parse(text.as_bytes()));
    let published = section.optional_parsed("jwks_uri", target::parse);
    let algorithm = section.optional_parsed("token_endpoint_auth_signing_alg", parse_algorithm);
    let source = match (registered?, published?) {
        (Some(keys), None) => KeySource::Registered(keys),
        (None, Some(address)) => KeySource::Published(address),
        (Some(_), Some(_)) => {
            section.fault("jwks", None, "must not be set together with jwks_uri");
            return None;
        }
        (None, None) => {
            section.fault("jwks_uri", None, "is missing: set it, or jwks");
            return None;
        }
    };
    let algorithms = match algorithm? {
        Some(algorithm) => vec![algorithm],
        None => ASSERTION_ALGORITHMS.to_vec(),
    };
    Some(AssertionKeys { algorithms, source })
}

fn parse_algorithm(text: &str) -> Result<Algorithm, &'static str> {
    let mut known = ASSERTION_ALGORITHMS.into_iter();
    known
        .find(|algorithm| algorithm.as_str() == text)
        .ok_or("must be \"ES256\", \"EdDSA\", \"RS256\" or \"PS256\"")
}

/// The secret of the client's own keys, and those of `secrets`; one of them there has to be.
fn parse_secrets(section: &mut Section<'_>, secrets: ClientSecrets) -> Option<Vec<ClientSecret>> {
    match secrets {
        ClientSecrets::Resolved => {}
        ClientSecrets::LeftAlone => {
            section.forgo(&["secret_env", "secret_file", "secrets"]);
            return Some(Vec::new());
        }
        ClientSecrets::InDatabase => {
            let rule = "must not be set: the secrets of a client in the database are made there";
            refuse_secrets(section, rule);
            return Some(Vec::new());
        }
    }
    let has_more = section.has("secrets");
    let mut more = Some(Vec::new());
    for mut secret in section.sections("secrets") {
        let parsed = parse_further(&mut secret);
        secret.finish();
        more = more.zip(parsed).map(|(mut more, secret)| {
            more.push(secret);
            more
        });
    }
    let first = if has_more {
        section.optional_secret("secret")?
    } else {
        Some(section.secret("secret")?)
    };
    let mut known = more?;
    if let Some(first) = first {
        known.insert(
            0,
            ClientSecret {
                digest: digest_of(section, &first)?,
                ends: None,
            },
        );
    }
    Some(known)
}

fn parse_further(section: &mut Section<'_>) -> Option<ClientSecret> {
    let ends = section.optional_parsed("ends", parse_instant);
    let secret = section.secret("secret");
    let digest = secret.and_then(|secret| digest_of(section, &secret));
    Some(ClientSecret {
        digest: digest?,
        ends: ends?,
    })
}

fn digest_of(section: &Section<'_>, secret: &SecretString) -> Option<Digest> {
    #[expect(
        clippy::disallowed_methods,
        reason = "measured and digested; only the digest is kept"
    )]
    let secret = secret.expose_secret();
    if secret.len() < SHORTEST_SECRET {
        let rule = format!("must have at least {SHORTEST_SECRET} characters");
        section.fault("secret", None, rule);
        return None;
    }
    Some(Digest::of(secret.as_bytes()))
}

fn parse_instant(text: &str) -> Result<UnixTime, &'static str> {
    let instant: SystemTime = humantime::parse_rfc3339(text)
        .map_err(|_| "must be an instant such as \"2027-01-31T00:00:00Z\", in UTC")?;
    let seconds = instant
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    Ok(UnixTime::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX)))
}
