//! How a client says who it is (RFC 6749 §2.3, RFC 7523 §2.2): read, and judged against the registration.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use resource_server::time::UnixTime;
use secrecy::{ExposeSecret, SecretString};

use super::assertion::claimed_client;
use super::{AssertionKeys, Client, Clients, Credentials, Kind, SecretWay};
use crate::params::Params;
use crate::secret::Digest;

/// RFC 7523 §2.2.
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What a request presents: a name, and what is to prove it.
pub(crate) struct Presented {
    client_id: String,
    proof: Proof,
}

enum Proof {
    None,
    Secret(SecretString, SecretWay),
    Assertion(String),
}

/// A client whose name is proven, or would be by a good assertion.
#[derive(Debug)]
pub(crate) enum Judged<'p> {
    Proven(Arc<Client>),
    Asserted(Asserted<'p>),
}

/// A client that is to be believed if its assertion is good.
pub(crate) struct Asserted<'p> {
    pub(crate) client: Arc<Client>,
    pub(crate) keys: AssertionKeys,
    pub(crate) assertion: &'p str,
}

/// Why a request's client is not accepted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ClientAuthenticationError {
    /// The request contradicts itself: answered with `invalid_request`.
    #[error("{0}")]
    Malformed(&'static str),
    /// One answer for unknown clients, missing and wrong proofs, and proofs of another kind than the client's, so that none
    /// can be told from another.
    #[error("the client is unknown or its credentials are wrong")]
    Refused,
}

impl Presented {
    /// Reads `client_secret_basic`, `client_secret_post`, `private_key_jwt` or the bare `client_id` of a public client.
    pub(crate) fn read(
        authorization: Option<&[u8]>,
        form: &Params,
    ) -> Result<Self, ClientAuthenticationError> {
        let in_form = form.get("client_id");
        let (secret, assertion) = (form.get("client_secret"), form.get("client_assertion"));
        let assertion_type = form.get("client_assertion_type");
        let ways = [
            authorization.is_some(),
            secret.is_some(),
            assertion.is_some() || assertion_type.is_some(),
        ];
        if ways.into_iter().filter(|is_used| *is_used).count() > 1 {
            return Err(ClientAuthenticationError::Malformed(
                "use one way of client authentication, not two",
            ));
        }
        if let Some(authorization) = authorization {
            return from_header(authorization, in_form);
        }
        let named = |proof| {
            let client_id = in_form.ok_or(ClientAuthenticationError::Refused)?.to_owned();
            Ok(Self { client_id, proof })
        };
        match (secret, assertion, assertion_type) {
            (Some(secret), ..) => named(Proof::Secret(SecretString::from(secret), SecretWay::Post)),
            (None, Some(assertion), Some(JWT_BEARER)) => from_assertion(assertion, in_form),
            (None, Some(_), Some(_)) => Err(ClientAuthenticationError::Refused),
            (None, None, None) => named(Proof::None),
            (None, Some(_), None) | (None, None, Some(_)) => Err(ClientAuthenticationError::Malformed(
                "client_assertion and client_assertion_type go together",
            )),
        }
    }

    /// Finds the client, if it is the one it says; an assertion is left to be verified.
    pub(crate) fn judge(
        &self,
        clients: &Clients,
        now: UnixTime,
    ) -> Result<Judged<'_>, ClientAuthenticationError> {
        let client = clients.find_shared(&self.client_id);
        match &self.proof {
            Proof::None => client
                .filter(|client| client.is_public())
                .map(Judged::Proven)
                .ok_or(ClientAuthenticationError::Refused),
            Proof::Secret(secret, way) => {
                #[expect(
                    clippy::disallowed_methods,
                    reason = "digested here, to be compared with the stored digests"
                )]
                let presented = Digest::of(secret.expose_secret().as_bytes());
                // The digest is made and compared for clients, too, that have no secret or do not exist.
                let is_right = match client.as_deref().map(|client| &client.kind) {
                    Some(Kind::Confidential(Credentials::Secrets(secrets))) => {
                        secrets.include(&presented, *way, now)
                    }
                    _ => {
                        std::hint::black_box(Digest::NONE.matches(&presented));
                        false
                    }
                };
                client
                    .filter(|_| is_right)
                    .map(Judged::Proven)
                    .ok_or(ClientAuthenticationError::Refused)
            }
            Proof::Assertion(assertion) => {
                let client = client.ok_or(ClientAuthenticationError::Refused)?;
                let Kind::Confidential(Credentials::Keys(keys)) = &client.kind else {
                    return Err(ClientAuthenticationError::Refused);
                };
                Ok(Judged::Asserted(Asserted {
                    keys: keys.clone(),
                    client,
                    assertion,
                }))
            }
        }
    }
}

impl fmt::Debug for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presented")
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

/// Nobody has used the assertion yet.
impl fmt::Debug for Asserted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asserted")
            .field("client_id", &self.client.id)
            .finish_non_exhaustive()
    }
}

fn from_header(header: &[u8], in_form: Option<&str>) -> Result<Presented, ClientAuthenticationError> {
    let presented = read_basic(header).ok_or(ClientAuthenticationError::Refused)?;
    if in_form.is_some_and(|client_id| client_id != presented.client_id) {
        return Err(ClientAuthenticationError::Malformed(
            "client_id contradicts the Authorization header",
        ));
    }
    Ok(presented)
}

/// RFC 7521 §4.2: `client_id` may be left out. Whose keys are to verify the assertion it says itself; it is refused if it
/// turns out to be about another client than the one that is looked up here.
fn from_assertion(assertion: &str, in_form: Option<&str>) -> Result<Presented, ClientAuthenticationError> {
    let client_id = match in_form {
        Some(client_id) => client_id.to_owned(),
        None => claimed_client(assertion).ok_or(ClientAuthenticationError::Refused)?,
    };
    Ok(Presented {
        client_id,
        proof: Proof::Assertion(assertion.to_owned()),
    })
}

/// RFC 6749 §2.3.1: both parts are form-urlencoded before they are joined, so a colon in a part is `%3A`.
fn read_basic(header: &[u8]) -> Option<Presented> {
    let header = std::str::from_utf8(header).ok()?;
    let (scheme, credentials) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(credentials.trim()).ok()?).ok()?;
    let (client_id, secret) = decoded.split_once(':')?;
    Some(Presented {
        client_id: form_decoded(client_id)?,
        proof: Proof::Secret(SecretString::from(form_decoded(secret)?), SecretWay::Basic),
    })
}

fn form_decoded(part: &str) -> Option<String> {
    let spaces = part.replace('+', " ");
    percent_encoding::percent_decode_str(&spaces)
        .decode_utf8()
        .ok()
        .map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests;
