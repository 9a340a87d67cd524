//! The metadata documents and the key set over HTTP, the same for everybody.

use std::time::Duration;

use actix_web::http::header::{self, EntityTag, Header as _, IfNoneMatch};
use actix_web::{HttpRequest, HttpResponse, web};

use crate::key::phase::KEY_SET_MAX_AGE;
use crate::secret::{Digest, base64url};
use crate::state::Shared;

/// The metadata document, made once at start.
#[derive(Debug, Clone)]
pub(crate) struct Metadata {
    bytes: web::Bytes,
    etag: String,
}

impl Metadata {
    pub(crate) fn new(document: String) -> Self {
        Self {
            etag: base64url(&Digest::of(document.as_bytes()).as_bytes()[..16]),
            bytes: document.into(),
        }
    }
}

/// `/.well-known/openid-configuration` and `/.well-known/oauth-authorization-server`.
pub(crate) async fn metadata(request: HttpRequest, metadata: web::Data<Metadata>) -> HttpResponse {
    let is = Public {
        content_type: "application/json",
        tag: EntityTag::new_strong(metadata.etag.clone()),
        max_age: KEY_SET_MAX_AGE,
    };
    public(&request, is, || metadata.bytes.clone())
}

/// `/jwks`.
pub(crate) async fn key_set(request: HttpRequest, shared: web::Data<Shared>) -> HttpResponse {
    let ring = shared.signer.ring();
    let document = ring.document();
    let is = Public {
        content_type: "application/jwk-set+json",
        tag: EntityTag::new_strong(document.etag.clone()),
        max_age: KEY_SET_MAX_AGE,
    };
    public(&request, is, || web::Bytes::copy_from_slice(&document.bytes))
}

/// A document that everybody may have.
pub(crate) struct Public {
    pub(crate) content_type: &'static str,
    pub(crate) tag: EntityTag,
    /// How long caches keep it.
    pub(crate) max_age: Duration,
}

/// Nothing secret and nothing personal: any page may read it. Who has it already is told so (RFC 9110 §13.1.2).
pub(crate) fn public(
    request: &HttpRequest,
    document: Public,
    body: impl FnOnce() -> web::Bytes,
) -> HttpResponse {
    let Public {
        content_type,
        tag,
        max_age,
    } = document;
    let is_known = match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => request.headers().contains_key(header::IF_NONE_MATCH),
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|known| known.weak_eq(&tag)),
        Err(_) => false,
    };
    let mut response = if is_known {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    let max_age = format!("public, max-age={}", max_age.as_secs());
    response
        .insert_header((header::CACHE_CONTROL, max_age))
        .insert_header((header::ETAG, tag))
        .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .insert_header(("Cross-Origin-Resource-Policy", "cross-origin"));
    if is_known {
        return response.finish();
    }
    response.content_type(content_type).body(body())
}
