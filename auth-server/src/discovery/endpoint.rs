//! The metadata documents and the key set over HTTP. All are made at start and the same for everybody.

use actix_web::http::header;
use actix_web::{HttpResponse, web};

/// Verifiers look again after this long.
const CACHE_CONTROL: &str = "public, max-age=300";

/// What is published, as bytes.
#[derive(Debug, Clone)]
pub(crate) struct Published {
    pub(crate) metadata: web::Bytes,
    pub(crate) key_set: web::Bytes,
}

/// `/.well-known/openid-configuration` and `/.well-known/oauth-authorization-server`.
pub(crate) async fn metadata(published: web::Data<Published>) -> HttpResponse {
    public("application/json", published.metadata.clone())
}

/// `/jwks`.
pub(crate) async fn key_set(published: web::Data<Published>) -> HttpResponse {
    public("application/jwk-set+json", published.key_set.clone())
}

/// Nothing secret and nothing personal: any page may read it.
fn public(content_type: &str, body: web::Bytes) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(content_type)
        .insert_header((header::CACHE_CONTROL, CACHE_CONTROL))
        .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .insert_header(("Cross-Origin-Resource-Policy", "cross-origin"))
        .body(body)
}
