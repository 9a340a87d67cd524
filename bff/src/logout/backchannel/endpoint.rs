//! `POST /bff/backchannel`: called by the provider, without a browser.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use super::{BackChannel, BackChannelError};
use crate::errors::chain;
use crate::parameters::Parameters;
use crate::provider::LogoutTokenError;
use crate::telemetry;

/// The longest token that is looked at has 16 KiB; the rest is room for the form around it.
const BODY_LIMIT: usize = 24 * 1024;
/// How long the provider may take to send it.
const BODY_PATIENCE: Duration = Duration::from_secs(10);

/// Ends the sessions that a logout token is about, everywhere, before it answers (OpenID Connect Back-Channel Logout 1.0
/// §2.5 and §2.8). What cannot be done now is 503, so that the provider tries again.
#[tracing::instrument(name = "bff.backchannel", skip_all)]
pub async fn log_out(
    request: HttpRequest,
    payload: web::Payload,
    channel: web::Data<BackChannel>,
) -> HttpResponse {
    let body = match tokio::time::timeout(BODY_PATIENCE, payload.to_bytes_limited(BODY_LIMIT)).await {
        Ok(Ok(Ok(body))) => body,
        Ok(Err(_)) => return invalid("the request is too large"),
        Ok(Ok(Err(_))) | Err(_) => return invalid("the request did not arrive"),
    };
    if !is_form(&request) {
        return invalid("the request is no form");
    }
    let parameters = std::str::from_utf8(&body).ok().map(Parameters::parse);
    let Some(Ok(parameters)) = parameters else {
        return invalid("the request is no form, or repeats a parameter");
    };
    let Some(token) = parameters.one("logout_token") else {
        return invalid("logout_token is missing");
    };
    match channel.log_out(token).await {
        Ok(()) => {
            telemetry::logout_asked("back", "done");
            HttpResponse::Ok()
                .insert_header((CACHE_CONTROL, "no-store"))
                .finish()
        }
        Err(error) => refusal(&error),
    }
}

fn refusal(error: &BackChannelError) -> HttpResponse {
    match error {
        BackChannelError::Token(LogoutTokenError::Token(cause)) => invalid(&cause.to_string()),
        BackChannelError::Token(LogoutTokenError::TooOld) => invalid(&error.to_string()),
        // Anybody may send something that looks like a token while the keys to judge it by cannot be had.
        BackChannelError::Token(LogoutTokenError::Provider(_)) => {
            tracing::debug!(error = chain(error), "a logout token cannot be judged now");
            unavailable()
        }
        // The provider has said so, and sessions go on all the same.
        BackChannelError::Session(_) | BackChannelError::Store(_) | BackChannelError::Abandoned => {
            tracing::error!(
                error = chain(error),
                "a logout of the provider could not be carried out"
            );
            unavailable()
        }
    }
}

fn unavailable() -> HttpResponse {
    telemetry::logout_asked("back", "unavailable");
    let mut answer = HttpResponse::ServiceUnavailable();
    answer.insert_header((RETRY_AFTER, 1));
    answer
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(json!({"error": "temporarily_unavailable"}))
}

/// The texts are ours, and none quotes the token.
fn invalid(why: &str) -> HttpResponse {
    telemetry::logout_asked("back", "refused");
    tracing::debug!(why, "a back-channel logout was refused");
    HttpResponse::build(StatusCode::BAD_REQUEST)
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(json!({"error": "invalid_request", "error_description": why}))
}

fn is_form(request: &HttpRequest) -> bool {
    let media_type = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok()?.split(';').next());
    media_type.is_some_and(|name| {
        name.trim()
            .eq_ignore_ascii_case("application/x-www-form-urlencoded")
    })
}
