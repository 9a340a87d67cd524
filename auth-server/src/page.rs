//! The pages that people see: plain HTML and CSS, without a script.

pub(crate) mod endpoint;

use askama::Template;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

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

/// The sign-in page.
#[derive(Template)]
#[template(path = "sign_in.html")]
pub(crate) struct SignInPage<'p> {
    pub(crate) style: &'p str,
    pub(crate) action: &'p str,
    pub(crate) client_name: &'p str,
    /// The authorization request, to be sent back with the form.
    pub(crate) request: &'p str,
    pub(crate) form_token: &'p str,
    pub(crate) username: &'p str,
    pub(crate) problem: Option<SignInProblem>,
}

/// What the sign-in page says after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SignInProblem {
    /// Unknown user, wrong password or too many attempts: one text for all.
    Refused,
    /// The form was not made for this browser, or its cookie is gone.
    FormExpired,
}

impl SignInProblem {
    fn text(self) -> &'static str {
        match self {
            Self::Refused => {
                "That did not work. Check the user name and the password. After several wrong attempts, signing in \
                 pauses for 15 minutes."
            }
            Self::FormExpired => {
                "This page is no longer valid. Please sign in again, and allow cookies for this site."
            }
        }
    }

    fn is_about_the_fields(self) -> bool {
        self == Self::Refused
    }
}

/// The page that asks before a device's program gets a code.
#[derive(Template)]
#[template(path = "confirm.html")]
pub(crate) struct ConfirmPage<'p> {
    pub(crate) style: &'p str,
    pub(crate) action: &'p str,
    pub(crate) client_name: &'p str,
    pub(crate) user_name: &'p str,
    pub(crate) request: &'p str,
    pub(crate) form_token: &'p str,
}

/// The page that asks before it signs out.
#[derive(Template)]
#[template(path = "sign_out.html")]
pub(crate) struct SignOutPage<'p> {
    pub(crate) style: &'p str,
    pub(crate) action: &'p str,
    pub(crate) client_name: Option<&'p str>,
    pub(crate) request: &'p str,
    pub(crate) form_token: &'p str,
}

/// A page that says one thing.
#[derive(Template)]
#[template(path = "message.html")]
pub(crate) struct MessagePage<'p> {
    pub(crate) style: &'p str,
    pub(crate) title: &'p str,
    pub(crate) text: &'p str,
}
