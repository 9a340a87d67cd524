//! The questions that a request may raise.

pub(crate) mod endpoint;

use super::interaction::Question;
use crate::grant::consent::Asked;
use crate::signin::form_token::Form;

impl Question {
    const fn form(self) -> Form {
        match self {
            Self::Confirm => Form::Confirm,
            Self::Consent => Form::Consent,
        }
    }
}

/// What comes back with the answer, and what the question was about: whoever allows something allows what the page said.
fn bound_text(encoded: &str, asked: &Asked) -> String {
    format!("{encoded}\n{}\n{}", asked.scope, asked.resources_to_store())
}
