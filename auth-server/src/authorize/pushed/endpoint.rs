//! `POST /par` over HTTP.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};

use super::push;
use crate::signin::endpoint::address_of;
use crate::state::Shared;
use crate::token::endpoint::from_client;
use crate::token::error::TokenError;

/// `POST /par` (RFC 9126 §2).
pub(crate) async fn par(
    request: HttpRequest,
    payload: web::Payload,
    shared: web::Data<Shared>,
) -> Result<HttpResponse, TokenError> {
    let (form, client) = from_client(&request, payload, &shared).await?;
    let pushed = push(&shared, &client, &form, address_of(&request, &shared)).await?;
    Ok(HttpResponse::Created()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(pushed))
}
