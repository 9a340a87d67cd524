//! Ties a form to the browser it was shown in, so that nobody else can have a browser submit it (login CSRF).

use aws_lc_rs::hmac;

use crate::secret::{base64url, parse_base64url, random_bytes};

/// The random value that a browser keeps in a cookie while it fills in forms.
#[derive(Clone)]
pub(crate) struct BrowserMark([u8; 32]);

impl BrowserMark {
    /// A fresh one.
    pub(crate) fn generate() -> Self {
        Self(random_bytes())
    }

    /// Reads the cookie's value.
    pub(crate) fn parse(cookie_value: &str) -> Option<Self> {
        parse_base64url(cookie_value).map(Self)
    }

    /// The cookie's value.
    pub(crate) fn to_text(&self) -> String {
        base64url(&self.0)
    }
}

impl std::fmt::Debug for BrowserMark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BrowserMark(redacted)")
    }
}

/// Which form a token is for: one for signing out does not sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    SignIn,
    SignOut,
    Continue,
}

/// Makes and checks the tokens. Nothing is stored: a form costs the server no memory until it is submitted.
pub(crate) struct FormTokens(hmac::Key);

impl FormTokens {
    pub(crate) fn new(key: &[u8; 64]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The token for a form that carries `request` in this browser.
    pub(crate) fn make(&self, form: Form, mark: &BrowserMark, request: &str) -> String {
        base64url(hmac::sign(&self.0, &message(form, mark, request)).as_ref())
    }

    /// Whether the token was made for exactly this form, browser and request.
    pub(crate) fn is_genuine(&self, token: &str, form: Form, mark: &BrowserMark, request: &str) -> bool {
        parse_base64url::<32>(token)
            .is_some_and(|token| hmac::verify(&self.0, &message(form, mark, request), &token).is_ok())
    }
}

impl std::fmt::Debug for FormTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FormTokens(redacted)")
    }
}

/// Everything before the request has a fixed length, so two messages are equal only if all their parts are.
fn message(form: Form, mark: &BrowserMark, request: &str) -> Vec<u8> {
    let form: u8 = match form {
        Form::SignIn => 1,
        Form::SignOut => 2,
        Form::Continue => 3,
    };
    [&[form], mark.0.as_slice(), request.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_its_form_browser_and_request_only() {
        let tokens = FormTokens::new(&[7; 64]);
        let (mine, yours) = (BrowserMark::generate(), BrowserMark::generate());
        let token = tokens.make(Form::SignIn, &mine, "client_id=a");

        assert!(tokens.is_genuine(&token, Form::SignIn, &mine, "client_id=a"));
        assert!(!tokens.is_genuine(&token, Form::SignOut, &mine, "client_id=a"));
        assert!(!tokens.is_genuine(&token, Form::SignIn, &yours, "client_id=a"));
        assert!(!tokens.is_genuine(&token, Form::SignIn, &mine, "client_id=b"));
        assert!(!tokens.is_genuine("", Form::SignIn, &mine, "client_id=a"));
        assert!(!FormTokens::new(&[8; 64]).is_genuine(&token, Form::SignIn, &mine, "client_id=a"));
    }
}
