//! The pages that people see: plain HTML and CSS, without a script.

pub(crate) mod endpoint;
pub(crate) mod language;
pub(crate) mod texts;

use actix_web::http::StatusCode;
use askama::Template;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::scope::ScopeWords;
use language::Language;
use texts::Texts;

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
    fn text(self, texts: &Texts) -> &'static str {
        match self {
            Self::Refused => texts.sign_in.refused,
            Self::FormExpired => texts.sign_in.form_expired,
        }
    }

    fn is_about_the_fields(self) -> bool {
        self == Self::Refused
    }

    /// The status of a page that says so.
    pub(crate) fn status(problem: Option<Self>) -> StatusCode {
        match problem {
            None => StatusCode::OK,
            Some(Self::Refused) => StatusCode::UNPROCESSABLE_ENTITY,
            Some(Self::FormExpired) => StatusCode::FORBIDDEN,
        }
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
    /// The scope as the configuration, or else the language, puts it.
    pub(crate) fn of(scope: &'p str, words: &'p ScopeWords, language: Language) -> Self {
        let configured = words.find(scope, language.tag());
        match configured.or_else(|| (language.texts().scope)(scope)) {
            Some(words) => Self::InWords(words),
            None => Self::Scope(scope),
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
