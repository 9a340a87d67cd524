//! Ties a form to the browser it was shown in, and to who was signed in there, so that nobody else can have a browser
//! submit it (CSRF), and nobody answers what another was asked.

use std::time::Duration;

use aws_lc_rs::hmac;
use resource_server::time::UnixTime;

use super::session::SignedIn;
use crate::secret::{Digest, base64url, parse_base64url, random_bytes};

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

    /// What is stored of it.
    pub(crate) fn digest(&self) -> Digest {
        Digest::of(&self.0)
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
    Confirm,
    Consent,
    Account,
    Password,
    /// To sign in to the account page, or to confirm who it is before a change there.
    AccountSignIn,
    /// No form, but what the account page says after a change.
    Done,
}

impl Form {
    /// How long it may lie open. Nothing is lost by a sign-in or a sign-out that comes late; what somebody agrees to is
    /// what they have just read.
    const fn lifetime(self) -> Duration {
        match self {
            Self::SignIn | Self::SignOut | Self::AccountSignIn => Duration::from_secs(24 * 3600),
            Self::Confirm | Self::Consent | Self::Account | Self::Password => Duration::from_secs(30 * 60),
            Self::Done => Duration::from_secs(60),
        }
    }

    const fn number(self) -> u8 {
        match self {
            Self::SignIn => 1,
            Self::SignOut => 2,
            Self::Confirm => 3,
            Self::Consent => 8,
            Self::Account => 4,
            Self::Password => 5,
            Self::AccountSignIn => 6,
            Self::Done => 7,
        }
    }
}

/// What a token is good for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Binding<'b> {
    pub(crate) form: Form,
    pub(crate) mark: &'b BrowserMark,
    /// Who is signed in; `None` where it makes no difference.
    pub(crate) session: Option<&'b SignedIn>,
    /// What comes back with the form.
    pub(crate) request: &'b str,
}

/// Makes and checks the tokens. Nothing is stored: a form costs the server no memory until it is submitted.
pub(crate) struct FormTokens(hmac::Key);

impl FormTokens {
    pub(crate) fn new(key: &[u8; 64]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The token for a form that is shown now.
    pub(crate) fn make(&self, binding: Binding<'_>, now: UnixTime) -> String {
        let shown_at = now.as_secs().to_be_bytes();
        let tag = hmac::sign(&self.0, &binding.message(shown_at));
        base64url(&[shown_at.as_slice(), tag.as_ref()].concat())
    }

    /// Whether the token was made for exactly this, and not too long ago.
    pub(crate) fn is_genuine(&self, token: &str, binding: Binding<'_>, now: UnixTime) -> bool {
        let Some(token) = parse_base64url::<40>(token) else {
            return false;
        };
        let Some((shown_at, tag)) = token.split_first_chunk::<8>() else {
            return false;
        };
        let age = now.since(UnixTime::from_secs(i64::from_be_bytes(*shown_at)));
        hmac::verify(&self.0, &binding.message(*shown_at), tag).is_ok() && age < binding.form.lifetime()
    }
}

impl std::fmt::Debug for FormTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FormTokens(redacted)")
    }
}

impl Binding<'_> {
    /// Each part has a fixed length, or its length before it, or comes last: two messages are equal only if all their
    /// parts are.
    fn message(&self, shown_at: [u8; 8]) -> Vec<u8> {
        let mut message = [
            &[self.form.number(), u8::from(self.session.is_some())],
            shown_at.as_slice(),
            &self.mark.0,
        ]
        .concat();
        if let Some(session) = self.session {
            for part in [&session.sid, &session.user_id] {
                message.extend((part.len() as u64).to_be_bytes());
                message.extend(part.as_bytes());
            }
        }
        message.extend(self.request.as_bytes());
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

    fn session(user_id: &str, sid: &str) -> SignedIn {
        SignedIn {
            user_id: user_id.to_owned(),
            sid: sid.to_owned(),
            ..SignedIn::begin(user_id, NOW)
        }
    }

    #[test]
    fn a_token_is_good_for_its_form_browser_and_request_only() {
        let tokens = FormTokens::new(&[7; 64]);
        let (mine, yours) = (BrowserMark::generate(), BrowserMark::generate());
        let binding = Binding {
            form: Form::SignIn,
            mark: &mine,
            session: None,
            request: "client_id=a",
        };
        let token = tokens.make(binding, NOW);
        let is_good = |binding| tokens.is_genuine(&token, binding, NOW);

        assert!(is_good(binding));
        let form = Form::SignOut;
        assert!(!is_good(Binding { form, ..binding }));
        assert!(!is_good(Binding {
            mark: &yours,
            ..binding
        }));
        let request = "client_id=b";
        assert!(!is_good(Binding { request, ..binding }));
        assert!(!tokens.is_genuine("", binding, NOW));
        assert!(!FormTokens::new(&[8; 64]).is_genuine(&token, binding, NOW));
    }

    #[test]
    fn a_token_is_good_for_one_session_of_one_user() {
        let tokens = FormTokens::new(&[7; 64]);
        let mark = BrowserMark::generate();
        fn binding<'b>(mark: &'b BrowserMark, session: Option<&'b SignedIn>) -> Binding<'b> {
            Binding {
                form: Form::Consent,
                mark,
                session,
                request: "client_id=a",
            }
        }
        let alice = session("alice", "s1");
        let token = tokens.make(binding(&mark, Some(&alice)), NOW);
        assert!(tokens.is_genuine(&token, binding(&mark, Some(&alice)), NOW));
        let others = [
            session("bob", "s1"),
            session("alice", "s2"),
            session("alices", "1"),
        ];
        for other in &others {
            assert!(!tokens.is_genuine(&token, binding(&mark, Some(other)), NOW));
        }
        assert!(!tokens.is_genuine(&token, binding(&mark, None), NOW));
        let later = SignedIn {
            auth_time: NOW + Duration::from_secs(1),
            ..alice.clone()
        };
        assert!(
            tokens.is_genuine(&token, binding(&mark, Some(&later)), NOW),
            "the same session"
        );
    }

    #[test]
    fn a_token_ends_and_its_time_cannot_be_changed() {
        let tokens = FormTokens::new(&[7; 64]);
        let mark = BrowserMark::generate();
        for form in [Form::SignIn, Form::Consent, Form::Done] {
            let binding = Binding {
                form,
                mark: &mark,
                session: None,
                request: "",
            };
            let token = tokens.make(binding, NOW);
            let ends = NOW + form.lifetime();
            assert!(tokens.is_genuine(&token, binding, ends - Duration::from_secs(1)));
            assert!(!tokens.is_genuine(&token, binding, ends));
            let mut bytes = parse_base64url::<40>(&token).unwrap();
            bytes[..8].copy_from_slice(&ends.as_secs().to_be_bytes());
            assert!(!tokens.is_genuine(&base64url(&bytes), binding, ends));
        }
    }
}
