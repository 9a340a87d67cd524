//! `/token`, `/revoke`, `/introspect` and `/userinfo` over HTTP.

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use serde_json::json;

mod caller;

pub(crate) use caller::from_client;
use caller::one_authorization;

use super::error::TokenError;
use super::userinfo::{self, UserInfoError};
use super::{client_credentials, code_exchange, exchange, introspection, refresh, revocation};
use crate::client::Grant;
use crate::ops::body::BodyError;
use crate::ops::metrics;
use crate::state::Shared;

/// `POST /token` (RFC 6749 §3.2).
pub(crate) async fn token(
    request: HttpRequest,
    payload: web::Payload,
    shared: web::Data<Shared>,
) -> Result<HttpResponse, TokenError> {
    let (form, client) = from_client(&request, payload, &shared).await?;
    let name = form
        .get("grant_type")
        .ok_or_else(|| TokenError::invalid_request("grant_type is missing"))?;
    let grant = Grant::parse(name).ok_or(TokenError::UnsupportedGrantType)?;
    if !client.may_use(grant) {
        return Err(TokenError::UnauthorizedClient);
    }
    // What is boxed would otherwise be room in the future of each request, which is moved a few times.
    let response = match grant {
        Grant::AuthorizationCode => Box::pin(code_exchange::exchange(&shared, &client, &form)).await?,
        Grant::RefreshToken => Box::pin(refresh::refresh(&shared, &client, &form)).await?,
        Grant::ClientCredentials => client_credentials::issue(&shared, &client, &form)?,
        Grant::TokenExchange => Box::pin(exchange::exchange(&shared, &client, &form)).await?,
    };
    Ok(HttpResponse::Ok().insert_header(NO_STORE).json(response))
}

/// `POST /revoke` (RFC 7009).
pub(crate) async fn revoke(
    request: HttpRequest,
    payload: web::Payload,
    shared: web::Data<Shared>,
) -> Result<HttpResponse, TokenError> {
    let (form, client) = from_client(&request, payload, &shared).await?;
    revocation::revoke(&shared, &client, &form).await?;
    Ok(HttpResponse::Ok().insert_header(NO_STORE).finish())
}

/// `POST /introspect` (RFC 7662).
pub(crate) async fn introspect(
    request: HttpRequest,
    payload: web::Payload,
    shared: web::Data<Shared>,
) -> Result<HttpResponse, TokenError> {
    let (form, client) = from_client(&request, payload, &shared).await?;
    let told = introspection::introspect(&shared, &client, &form).await?;
    Ok(HttpResponse::Ok().insert_header(NO_STORE).json(told))
}

/// `GET` and `POST /userinfo` (OIDC Core §5.3.1): the token comes in the header and nowhere else (OAuth 2.1 §5.1.1).
pub(crate) async fn user_info(
    request: HttpRequest,
    shared: web::Data<Shared>,
) -> Result<HttpResponse, UserInfoError> {
    let token =
        userinfo::bearer_token(one_authorization(request.headers()).map_err(|()| UserInfoError::Malformed)?)?;
    let told = userinfo::look_up(&shared, token).await?;
    Ok(HttpResponse::Ok().insert_header(NO_STORE).json(told.info()))
}

/// Any other method at these endpoints.
pub(crate) async fn method_not_allowed(request: HttpRequest) -> HttpResponse {
    let allowed = if request.path().ends_with("/userinfo") {
        "GET, POST"
    } else {
        "POST"
    };
    let body = json!({
        "error": "invalid_request",
        "error_description": format!("the method must be {allowed}"),
    });
    HttpResponse::MethodNotAllowed()
        .insert_header((header::ALLOW, allowed))
        .insert_header(NO_STORE)
        .json(body)
}

const NO_STORE: (header::HeaderName, &str) = (header::CACHE_CONTROL, "no-store");

impl From<BodyError> for TokenError {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::NotAForm => {
                Self::invalid_request("the body must be application/x-www-form-urlencoded")
            }
            BodyError::TooLarge => Self::TooLarge,
            BodyError::TooSlow => Self::TooSlow,
            BodyError::Broken => Self::invalid_request("the body could not be read"),
        }
    }
}

impl ResponseError for TokenError {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.code_and_status().1).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        if let Self::Unavailable(_) | Self::Internal(_) = self {
            tracing::error!(error = %self, cause = ?std::error::Error::source(self), "a token request failed");
        }
        let (code, _) = self.code_and_status();
        metrics::token_error(code);
        let mut response = HttpResponse::build(self.status_code());
        response.insert_header(NO_STORE);
        match self {
            Self::InvalidClient => {
                response.insert_header((
                    header::WWW_AUTHENTICATE,
                    "Basic realm=\"clients\", charset=\"UTF-8\"",
                ));
            }
            Self::Unavailable(_) | Self::TooMany => {
                response.insert_header((header::RETRY_AFTER, "5"));
            }
            _ => {}
        }
        response.json(json!({ "error": code, "error_description": self.to_string() }))
    }
}

impl ResponseError for UserInfoError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::NoToken | Self::InvalidToken => StatusCode::UNAUTHORIZED,
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::InsufficientScope => StatusCode::FORBIDDEN,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        response.insert_header(NO_STORE);
        let code = match self {
            Self::NoToken => None,
            Self::Malformed => Some("invalid_request"),
            Self::InvalidToken => Some("invalid_token"),
            Self::InsufficientScope => Some("insufficient_scope"),
            Self::Unavailable(source) => {
                tracing::error!(error = %source, cause = ?source, "a userinfo request failed");
                response.insert_header((header::RETRY_AFTER, "5"));
                return response.json(json!({ "error": "temporarily_unavailable" }));
            }
        };
        let Some(code) = code else {
            return response
                .insert_header((header::WWW_AUTHENTICATE, "Bearer"))
                .finish();
        };
        let challenge = format!("Bearer error=\"{code}\", error_description=\"{self}\"");
        response
            .insert_header((header::WWW_AUTHENTICATE, challenge))
            .json(json!({ "error": code, "error_description": self.to_string() }))
    }
}
