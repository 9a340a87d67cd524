//! How this confidential client proves itself to the provider (RFC 6749 §2.3.1).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};

/// The method and the secret.
#[derive(Debug, Clone)]
pub enum ClientAuth {
    /// `client_secret_basic`: in the `Authorization` header.
    Basic(SecretString),
    /// `client_secret_post`: in the form.
    Post(SecretString),
}

/// What a request gets: user and password of the header, or additional form fields.
pub(super) enum Credentials<'a> {
    Header { user: String, password: String },
    Fields([(&'static str, &'a str); 2]),
}

/// The unreserved characters of RFC 3986 stay; everything else is percent-encoded, which every form decoder undoes.
const FORM: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

impl ClientAuth {
    #[expect(
        clippy::disallowed_methods,
        reason = "the secret goes into a request to the provider"
    )]
    pub(super) fn credentials<'a>(&'a self, client_id: &'a str) -> Credentials<'a> {
        match self {
            // RFC 6749 §2.3.1: both parts are form-urlencoded first, so that a colon cannot split them elsewhere.
            Self::Basic(secret) => Credentials::Header {
                user: utf8_percent_encode(client_id, FORM).to_string(),
                password: utf8_percent_encode(secret.expose_secret(), FORM).to_string(),
            },
            Self::Post(secret) => Credentials::Fields([
                ("client_id", client_id),
                ("client_secret", secret.expose_secret()),
            ]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_parts_of_the_header_are_form_urlencoded() {
        let auth = ClientAuth::Basic(SecretString::from("p:ä %"));
        let Credentials::Header { user, password } = auth.credentials("a:b") else {
            panic!("not in the header");
        };
        assert_eq!((user.as_str(), password.as_str()), ("a%3Ab", "p%3A%C3%A4%20%25"));
    }
}
