//! How a client says who it is (RFC 6749 §2.3): read, and judged against the registration.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};

use super::{Client, Clients, Kind};
use crate::params::Params;
use crate::secret::Digest;

/// What a request presents: a name, and a secret if it has one.
pub(crate) struct Presented {
    client_id: String,
    secret: Option<SecretString>,
}

/// Why a request's client is not accepted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ClientAuthenticationError {
    /// The request contradicts itself: answered with `invalid_request`.
    #[error("{0}")]
    Malformed(&'static str),
    /// One answer for unknown clients, missing and wrong secrets, so that none can be told from another.
    #[error("the client is unknown or its credentials are wrong")]
    Refused,
}

impl Presented {
    /// Reads `client_secret_basic`, `client_secret_post` or the bare `client_id` of a public client.
    pub(crate) fn read(
        authorization: Option<&[u8]>,
        form: &Params,
    ) -> Result<Self, ClientAuthenticationError> {
        let in_form = form.get("client_id");
        let Some(authorization) = authorization else {
            let client_id = in_form.ok_or(ClientAuthenticationError::Refused)?.to_owned();
            let secret = form.get("client_secret").map(SecretString::from);
            return Ok(Self { client_id, secret });
        };
        if form.get("client_secret").is_some() {
            return Err(ClientAuthenticationError::Malformed(
                "use one way of client authentication, not two",
            ));
        }
        let presented = read_basic(authorization).ok_or(ClientAuthenticationError::Refused)?;
        if in_form.is_some_and(|client_id| client_id != presented.client_id) {
            return Err(ClientAuthenticationError::Malformed(
                "client_id contradicts the Authorization header",
            ));
        }
        Ok(presented)
    }

    /// Finds the client, if it is the one it says.
    pub(crate) fn authenticate<'c>(
        &self,
        clients: &'c Clients,
    ) -> Result<&'c Client, ClientAuthenticationError> {
        let client = clients.find(&self.client_id);
        let expected = match client.map(|client| &client.kind) {
            Some(Kind::Confidential { secret }) => *secret,
            // The same work is done for clients that have no secret or do not exist.
            Some(Kind::Public) | None => Digest::of(b""),
        };
        let is_right = match &self.secret {
            #[expect(
                clippy::disallowed_methods,
                reason = "digested here, to be compared with the stored digest"
            )]
            Some(secret) => Digest::of(secret.expose_secret().as_bytes()).matches(&expected),
            None => false,
        };
        match client {
            Some(client) if is_right && matches!(client.kind, Kind::Confidential { .. }) => Ok(client),
            Some(client) if self.secret.is_none() && matches!(client.kind, Kind::Public) => Ok(client),
            _ => Err(ClientAuthenticationError::Refused),
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
        secret: Some(SecretString::from(form_decoded(secret)?)),
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
mod tests {
    use super::*;

    fn clients() -> Clients {
        Clients::new(vec![
            Client {
                kind: Kind::Confidential {
                    secret: Digest::of(b"s:3%+"),
                },
                ..Client::for_tests("a:b%")
            },
            Client {
                kind: Kind::Public,
                ..Client::for_tests("app")
            },
        ])
    }

    fn basic(credentials: &str) -> Vec<u8> {
        format!("Basic {}", STANDARD.encode(credentials)).into_bytes()
    }

    fn try_it(header: Option<&[u8]>, form: &str) -> Result<String, ClientAuthenticationError> {
        let clients = clients();
        let presented = Presented::read(header, &Params::parse(form.as_bytes()))?;
        presented.authenticate(&clients).map(|client| client.id.clone())
    }

    #[test]
    fn basic_parts_are_form_urlencoded() {
        assert_eq!(
            try_it(Some(&basic("a%3Ab%25:s%3A3%25%2B")), ""),
            Ok("a:b%".to_owned())
        );
        assert_eq!(
            try_it(Some(&basic("a%3Ab%25:wrong")), ""),
            Err(ClientAuthenticationError::Refused)
        );
    }

    #[test]
    fn the_form_may_carry_the_secret() {
        let form = "client_id=a%3Ab%25&client_secret=s%3A3%25%2B";
        assert_eq!(try_it(None, form), Ok("a:b%".to_owned()));
        let two = try_it(Some(&basic("a%3Ab%25:s%3A3%25%2B")), form);
        assert!(matches!(two, Err(ClientAuthenticationError::Malformed(_))));
    }

    #[test]
    fn unknown_wrong_and_missing_are_one_answer() {
        for form in [
            "",
            "client_id=nobody&client_secret=x",
            "client_id=nobody",
            "client_id=a%3Ab%25",
        ] {
            assert_eq!(
                try_it(None, form),
                Err(ClientAuthenticationError::Refused),
                "{form}"
            );
        }
        for header in [
            &b"Basic"[..],
            b"Basic !!!",
            b"Bearer x",
            b"\xff\xff",
            b"Basic Zm9v",
        ] {
            assert_eq!(try_it(Some(header), ""), Err(ClientAuthenticationError::Refused));
        }
    }

    #[test]
    fn a_public_client_has_a_name_and_no_secret() {
        assert_eq!(try_it(None, "client_id=app"), Ok("app".to_owned()));
        assert_eq!(try_it(None, "client_id=app&client_secret="), Ok("app".to_owned()));
        assert_eq!(
            try_it(None, "client_id=app&client_secret=x"),
            Err(ClientAuthenticationError::Refused)
        );
        assert_eq!(
            try_it(Some(&basic("app:")), ""),
            Err(ClientAuthenticationError::Refused)
        );
    }
}
