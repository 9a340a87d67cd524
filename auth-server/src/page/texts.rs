//! All that the pages say, once for each language: whoever adds a text finds by the compiler what has to be translated.

pub(crate) mod english;
pub(crate) mod korean;

use std::borrow::Cow;

use crate::logout::request::LogoutRefusal;
use crate::user::UnfitPassword;

/// A sentence around a name that the page sets off.
pub(crate) struct Around(pub(crate) &'static str, pub(crate) &'static str);

/// The texts of one language.
pub(crate) struct Texts {
    /// Begins the title of a page that comes back with a fault.
    pub(crate) error: &'static str,
    pub(crate) sign_in: SignInTexts,
    pub(crate) question: QuestionTexts,
    pub(crate) sign_out: SignOutTexts,
    pub(crate) account: AccountTexts,
    pub(crate) password: PasswordTexts,
    /// What a scope about the user means, if it is one that every server knows.
    pub(crate) scope: fn(&str) -> Option<&'static str>,
    /// The title and the text of a page that says one thing.
    pub(crate) notice: fn(Notice) -> (&'static str, Cow<'static, str>),
}

pub(crate) struct SignInTexts {
    pub(crate) title: &'static str,
    pub(crate) to_client: Around,
    pub(crate) to_account: &'static str,
    /// Somebody is signed in, and the password is asked for once more.
    pub(crate) again_title: &'static str,
    pub(crate) again: Around,
    pub(crate) user_name: &'static str,
    pub(crate) password: &'static str,
    pub(crate) submit: &'static str,
    pub(crate) go_on: &'static str,
    pub(crate) cancel: &'static str,
    pub(crate) refused: &'static str,
    /// The same where nobody was asked for the name.
    pub(crate) again_refused: &'static str,
    pub(crate) form_expired: &'static str,
}

pub(crate) struct QuestionTexts {
    pub(crate) confirm_title: Around,
    /// Around the name of the user.
    pub(crate) signed_in_as: Around,
    /// Around the name of the client.
    pub(crate) confirm: Around,
    pub(crate) go_on: &'static str,
    pub(crate) consent_title: Around,
    pub(crate) asks_for: Around,
    /// Before the APIs that the client may do this at.
    pub(crate) at: &'static str,
    pub(crate) leads_to: Around,
    pub(crate) leads_to_device: &'static str,
    pub(crate) can_be_taken_back: &'static str,
    pub(crate) allow: &'static str,
    pub(crate) deny: &'static str,
    pub(crate) switch: &'static str,
    pub(crate) cancel: &'static str,
}

pub(crate) struct SignOutTexts {
    pub(crate) title: &'static str,
    pub(crate) question: &'static str,
    pub(crate) client_asks: Around,
    pub(crate) nobody_asks: &'static str,
    pub(crate) consequence: &'static str,
    pub(crate) submit: &'static str,
    pub(crate) everywhere: &'static str,
    pub(crate) stay: &'static str,
}

pub(crate) struct AccountTexts {
    pub(crate) title: &'static str,
    pub(crate) signed_in_as: Around,
    pub(crate) full_name: &'static str,
    pub(crate) email: &'static str,
    pub(crate) change_password: &'static str,
    pub(crate) sign_out: &'static str,
    pub(crate) sessions: &'static str,
    pub(crate) this_session: &'static str,
    pub(crate) unknown_browser: &'static str,
    /// No browser is signed in any more, applications go on.
    pub(crate) applications_only: &'static str,
    pub(crate) signed_in_at: Around,
    pub(crate) used_by: Around,
    pub(crate) end_session: &'static str,
    pub(crate) end_others: &'static str,
    pub(crate) only_session: &'static str,
    pub(crate) more_sessions: &'static str,
    pub(crate) applications: &'static str,
    pub(crate) no_applications: &'static str,
    pub(crate) since: Around,
    pub(crate) revoke: &'static str,
    pub(crate) done: fn(Done) -> &'static str,
}

pub(crate) struct PasswordTexts {
    pub(crate) title: &'static str,
    pub(crate) lead: &'static str,
    pub(crate) current: &'static str,
    pub(crate) new: &'static str,
    pub(crate) hint: &'static str,
    pub(crate) repeated: &'static str,
    pub(crate) submit: &'static str,
    pub(crate) back: &'static str,
    pub(crate) refused: &'static str,
    pub(crate) differ: &'static str,
    pub(crate) unchanged: &'static str,
    pub(crate) form_expired: &'static str,
    pub(crate) unfit: fn(&UnfitPassword) -> String,
}

/// What a page says that says one thing.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Notice {
    Unavailable,
    StartAgain,
    NothingHere,
    UnreadForm,
    UnknownClient,
    UnknownRedirectUri,
    /// A pushed request that was answered, ran out, or belongs to another browser.
    RequestGone,
    SignedOut,
    StillSignedIn,
    SignOutRefused(LogoutRefusal),
}

/// What the account page says after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Done {
    SessionEnded,
    OthersEnded,
    Revoked,
    PasswordChanged,
}

impl Done {
    const ALL: [Self; 4] = [
        Self::SessionEnded,
        Self::OthersEnded,
        Self::Revoked,
        Self::PasswordChanged,
    ];

    /// How the URL of the page says it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::SessionEnded => "session-ended",
            Self::OthersEnded => "others-ended",
            Self::Revoked => "revoked",
            Self::PasswordChanged => "password-changed",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|done| done.as_str() == text)
    }
}
