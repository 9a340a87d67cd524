use actix_web::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use actix_web::{HttpMessage, HttpRequest, web};

use crate::problem::ApiError;
use crate::proxy::body::{self, Kept, Passing, Progress, Upload, UpstreamRequestBody};
use crate::routing::Route;
use crate::server::Trailers;

/// The body of a request, and whether it can be sent twice.
pub(super) enum RequestBody {
    Absent,
    /// It is short enough to be kept while it passes.
    Kept(Upload, Kept),
    PassesOnce(Upload),
}

impl RequestBody {
    /// A body may be kept if it says that it is no longer than `replay_limit`.
    ///
    /// # Errors
    /// When it says that it is longer than the route allows.
    pub(super) fn begin(
        request: &HttpRequest,
        payload: web::Payload,
        route: &Route,
        replay_limit: usize,
        progress: &Progress,
    ) -> Result<Self, ApiError> {
        let length = declared_length(request);
        if length == Some(0) {
            return Ok(Self::Absent);
        }
        if let (Some(length), Some(limit)) = (length, route.max_body_size)
            && length > limit
        {
            return Err(ApiError::BodyTooLong);
        }
        let length = length.and_then(|length| usize::try_from(length).ok());
        let kept = length.filter(|length| *length <= replay_limit).map(Kept::new);
        let passing = Passing {
            progress: progress.clone(),
            kept: kept.clone(),
            limit: route.max_body_size,
            trailers: request.extensions().get::<Trailers>().cloned(),
        };
        let upload = Upload::begin(payload, passing);
        Ok(match kept {
            Some(kept) => Self::Kept(upload, kept),
            None => Self::PassesOnce(upload),
        })
    }

    /// The body, from its beginning: while nothing of it has left, and afterwards if all of it was kept.
    pub(super) fn whole(&self) -> Option<UpstreamRequestBody> {
        match self {
            Self::Absent => Some(body::empty()),
            Self::Kept(upload, kept) => upload.body().or_else(|| kept.again()),
            Self::PassesOnce(upload) => upload.body(),
        }
    }

    /// Whether [`whole`](Self::whole) would give it.
    pub(super) fn is_whole(&self) -> bool {
        match self {
            Self::Absent => true,
            Self::Kept(upload, kept) => upload.is_whole() || kept.is_whole(),
            Self::PassesOnce(upload) => upload.is_whole(),
        }
    }

    pub(super) fn is_too_long(&self) -> bool {
        match self {
            Self::Absent => false,
            Self::Kept(upload, _) | Self::PassesOnce(upload) => upload.is_too_long(),
        }
    }
}

/// How long a request's body will be; `None` when it does not say. There is none if nothing is said of it (RFC 9112 §6.3); the
/// listener says so in the same way of what came by HTTP/2.
fn declared_length(request: &HttpRequest) -> Option<u64> {
    if request.headers().contains_key(TRANSFER_ENCODING) {
        return None;
    }
    match request.headers().get(CONTENT_LENGTH) {
        Some(length) => length.to_str().ok()?.parse().ok(),
        None => Some(0),
    }
}
