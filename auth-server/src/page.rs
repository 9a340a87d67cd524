//! The pages that people see: plain HTML and CSS, without a script.

pub(crate) mod endpoint;
pub(crate) mod language;
pub(crate) mod texts;

use std::borrow::Cow;

use askama::Template;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::scope::{OFFLINE_ACCESS, OPENID, ScopeSet, ScopeWords};
use crate::user::{UnfitPassword, User};
use language::Language;
use texts::{Done, Texts};

/// The one stylesheet, written into each page and named in its Content-Security-Policy by its digest.
#[derive(Debug)]
pub(crate) struct Stylesheet {
    pub(crate) text: &'static str,
    source: String,
}

impl Stylesheet {
    pub(crate) fn new() -> Self {
        let text = include_str!("page/style.css");
        let source = format!("'sha256-{}'", STANDARD.encode(digest(&SHA256, text.as_bytes())));
        Self { text, source }
    }

    /// Nothing may be loaded, nothing may frame the page, and forms go to this server and, by redirect, to
    /// `form_target`.
    pub(crate) fn policy(&self, form_target: Option<&str>) -> String {
        let (space, form_target) = form_target.map_or(("", ""), |target| (" ", target));
        format!(
            "default-src 'none'; style-src {}; form-action 'self'{space}{form_target}; frame-ancestors 'none'; \
             base-uri 'none'",
            self.source
        )
    }
}

/// What every page needs to be rendered.
#[derive(Clone, Copy)]
pub(crate) struct Look<'p> {
    pub(crate) stylesheet: &'p Stylesheet,
    pub(crate) language: Language,
}

impl Look<'_> {
    fn style(&self) -> &'static str {
        self.stylesheet.text
    }

    fn lang(&self) -> &'static str {
        self.language.tag()
    }

    fn texts(&self) -> &'static Texts {
        self.language.texts()
    }
}

/// Where a form goes, and what proves that it is ours.
pub(crate) struct FormTag<'p> {
    pub(crate) action: &'p str,
    /// What comes back with the form.
    pub(crate) request: &'p str,
    pub(crate) token: &'p str,
}

/// The sign-in page.
#[derive(Template)]
#[template(path = "sign_in.html")]
pub(crate) struct SignInPage<'p> {
    pub(crate) look: Look<'p>,
    pub(crate) form: FormTag<'p>,
    pub(crate) purpose: SignInPurpose<'p>,
    pub(crate) username: &'p str,
    pub(crate) problem: Option<SignInProblem>,
}

impl SignInPage<'_> {
    fn says(&self, problem: &SignInProblem) -> &'static str {
        let texts = &self.look.texts().sign_in;
        match problem {
            SignInProblem::Refused if self.purpose.is_again() => texts.again_refused,
            SignInProblem::Refused => texts.refused,
            SignInProblem::FormExpired => texts.form_expired,
        }
    }
}

/// What somebody signs in for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SignInPurpose<'p> {
    /// To go on to the client of this name.
    Client(&'p str),
    /// To see the account page.
    Account,
    /// To make changes there, as the user who is signed in.
    Again,
}

/// What the sign-in page says after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignInProblem {
    /// Unknown user, wrong password or too many attempts: one text for all.
    Refused,
    /// The form was not made for this browser, or its cookie is gone.
    FormExpired,
}

impl SignInPurpose<'_> {
    fn is_again(self) -> bool {
        matches!(self, Self::Again)
    }

    fn is_account(self) -> bool {
        matches!(self, Self::Account)
    }
}

impl SignInProblem {
    fn is_about_the_fields(self) -> bool {
        self == Self::Refused
    }
}

/// The page that asks before a device's program gets a code.
#[derive(Template)]
#[template(path = "confirm.html")]
pub(crate) struct ConfirmPage<'p> {
    pub(crate) look: Look<'p>,
    pub(crate) form: FormTag<'p>,
    pub(crate) client_name: &'p str,
    pub(crate) user_name: &'p str,
}

/// The page that asks whether a client may have what it asks for.
#[derive(Template)]
#[template(path = "consent.html")]
pub(crate) struct ConsentPage<'p> {
    pub(crate) look: Look<'p>,
    pub(crate) form: FormTag<'p>,
    pub(crate) client_name: &'p str,
    pub(crate) user_name: &'p str,
    pub(crate) permissions: Vec<Permission<'p>>,
    /// The APIs that it may use this at.
    pub(crate) resources: Vec<&'p str>,
    /// The host that the browser goes on to; `None` for a program on this device.
    pub(crate) leads_to: Option<&'p str>,
}

/// One scope, in words if there are any.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Permission<'p> {
    InWords(&'p str),
    Scope(&'p str),
}

impl<'p> Permission<'p> {
    pub(crate) fn text(self) -> &'p str {
        match self {
            Self::InWords(text) | Self::Scope(text) => text,
        }
    }

    /// The scopes: who somebody is comes first, for how long last.
    pub(crate) fn list(scope: &'p ScopeSet, words: &'p ScopeWords, language: Language) -> Vec<Self> {
        let mut scopes: Vec<_> = scope.iter().collect();
        scopes.sort_by_key(|scope| match *scope {
            OPENID => 0,
            "profile" => 1,
            "email" => 2,
            OFFLINE_ACCESS => 4,
            _ => 3,
        });
        let permissions = scopes.into_iter().map(|scope| Self::of(scope, words, language));
        permissions.collect()
    }

    /// The scope as the configuration, or else the language, puts it.
    fn of(scope: &'p str, words: &'p ScopeWords, language: Language) -> Self {
        let configured = words.find(scope, language.tag());
        match configured.or_else(|| (language.texts().scope)(scope)) {
            Some(words) => Self::InWords(words),
            None => Self::Scope(scope),
        }
    }
}

/// The page of the own account.
#[derive(Template)]
#[template(path = "account.html")]
pub(crate) struct AccountPage<'p> {
    pub(crate) look: Look<'p>,
    /// Where its forms go; each has the token.
    pub(crate) action: &'p str,
    pub(crate) token: &'p str,
    pub(crate) password_path: &'p str,
    pub(crate) sign_out_path: &'p str,
    pub(crate) user: &'p User,
    pub(crate) sessions: Vec<SessionEntry>,
    pub(crate) has_more_sessions: bool,
    /// Whether there are sessions beside this one.
    pub(crate) has_others: bool,
    pub(crate) applications: Vec<ApplicationEntry>,
    pub(crate) done: Option<Done>,
}

impl AccountPage<'_> {
    fn done(&self) -> Option<&'static str> {
        self.done.map(self.look.texts().account.done)
    }
}

/// A sign-in, as its user sees it.
#[derive(Debug)]
pub(crate) struct SessionEntry {
    pub(crate) sid: String,
    pub(crate) is_this: bool,
    /// Browser and system, where they are known.
    pub(crate) device: Option<String>,
    /// Whether a browser is still signed in, and not applications alone.
    pub(crate) is_in_browser: bool,
    pub(crate) signed_in_at: Instant,
    pub(crate) clients: Vec<String>,
}

/// A client that may act for the user.
#[derive(Debug)]
pub(crate) struct ApplicationEntry {
    pub(crate) client_id: String,
    pub(crate) name: String,
    pub(crate) permissions: Vec<String>,
    pub(crate) since: Instant,
}

/// An instant, for programs and for people.
#[derive(Debug)]
pub(crate) struct Instant {
    pub(crate) exact: String,
    pub(crate) to_read: String,
}

/// The page on which users change their passwords.
#[derive(Template)]
#[template(path = "password.html")]
pub(crate) struct PasswordPage<'p> {
    pub(crate) look: Look<'p>,
    pub(crate) action: &'p str,
    pub(crate) token: &'p str,
    pub(crate) account_path: &'p str,
    pub(crate) problem: Option<&'p PasswordProblem>,
}

impl PasswordPage<'_> {
    /// Whether the problem is about this field.
    fn is_about(&self, field: &str) -> bool {
        self.problem.and_then(PasswordProblem::field) == Some(field)
    }
}

/// Why a password was not changed.
#[derive(Debug, PartialEq)]
pub(crate) enum PasswordProblem {
    /// The current one is wrong, or there were too many attempts: one text for both.
    Refused,
    Differ,
    Unchanged,
    Unfit(UnfitPassword),
    FormExpired,
}

impl PasswordProblem {
    fn text(&self, texts: &Texts) -> Cow<'static, str> {
        let texts = &texts.password;
        match self {
            Self::Refused => texts.refused.into(),
            Self::Differ => texts.differ.into(),
            Self::Unchanged => texts.unchanged.into(),
            Self::Unfit(why) => (texts.unfit)(why).into(),
            Self::FormExpired => texts.form_expired.into(),
        }
    }

    fn field(&self) -> Option<&'static str> {
        match self {
            Self::Refused => Some("current"),
            Self::Unchanged | Self::Unfit(_) => Some("new"),
            Self::Differ => Some("repeated"),
            Self::FormExpired => None,
        }
    }
}

/// The page that asks before it signs out.
#[derive(Template)]
#[template(path = "sign_out.html")]
pub(crate) struct SignOutPage<'p> {
    pub(crate) look: Look<'p>,
    pub(crate) form: FormTag<'p>,
    pub(crate) client_name: Option<&'p str>,
}

/// A page that says one thing.
#[derive(Template)]
#[template(path = "message.html")]
pub(crate) struct MessagePage<'p> {
    pub(crate) look: Look<'p>,
    pub(crate) title: &'p str,
    pub(crate) text: &'p str,
}
