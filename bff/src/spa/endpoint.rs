//! The SPA's files over HTTP. A path that is no file and that a person navigates to shows `index.html`: the SPA has a
//! page there.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use actix_web::body::SizedStream;
use actix_web::http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_RANGE, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH, IF_RANGE, RANGE, VARY,
};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use futures_util::stream;

use super::caching::never_changes;
use super::coding::{Accepted, Coding};
use super::conditional::{Conditions, Extent};
use super::folder::{Content, Folder, Found};
use crate::guard::middleware::facts_of;
use crate::problem::ApiError;
use crate::routing::NormalPath;

/// How much of a large file is in memory at a time.
const PIECE: u64 = 64 * 1024;

/// For a year, which is for ever.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// It may be kept, and is asked about before it is shown: a changed one is seen at once, an unchanged one costs a 304.
const ASK_AGAIN: &str = "no-cache";

/// The SPA as it is served.
#[derive(Debug)]
pub struct Spa {
    pub(crate) folder: Folder,
    /// The path below which names hold hashes; empty if there is none.
    pub(crate) hashed_files: String,
    /// The Content-Security-Policy of its pages.
    pub(crate) page_policy: HeaderValue,
}

/// Serves a file, or the SPA's page.
///
/// # Errors
/// 404 when there is no such file and nobody navigates; 405 for methods that do not read.
pub async fn file(request: HttpRequest, spa: web::Data<Spa>) -> Result<HttpResponse, ApiError> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(ApiError::MethodNotAllowed("GET, HEAD".to_owned()));
    }
    let path = NormalPath::parse(request.uri().path()).map_err(|_| ApiError::InvalidPath)?;
    let wants_page = facts_of(request.method(), request.headers()).wants_html();
    let accepted = accepted(request.headers());
    let cache_control = if never_changes(path.as_str(), &spa.hashed_files) {
        FOR_EVER
    } else {
        ASK_AGAIN
    };
    let folder = spa.folder.clone();
    let opened = web::block(move || match folder.open(&path, accepted)? {
        Some(found) => Ok(Some((found, cache_control))),
        None if wants_page => Ok(folder.open_index(accepted)?.map(|page| (page, ASK_AGAIN))),
        None => Ok(None),
    });
    let opened: io::Result<_> = opened.await.map_err(|error| ApiError::Internal(error.into()))?;
    let (found, cache_control) = opened
        .map_err(|error| ApiError::Internal(error.into()))?
        .ok_or(ApiError::NotFound)?;
    answer(&request, found, cache_control, &spa.page_policy)
}

/// A part is cut from the file as it is: a part of a compressed form is of use to nobody.
fn accepted(headers: &HeaderMap) -> Accepted {
    match joined(headers, &ACCEPT_ENCODING) {
        Some(header) if !headers.contains_key(RANGE) => Accepted::parse(&header),
        _ => Accepted::PLAIN_ONLY,
    }
}

fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values: Vec<_> = headers
        .get_all(name)
        .filter_map(|value| value.to_str().ok())
        .collect();
    (!values.is_empty()).then(|| values.join(","))
}

fn answer(
    request: &HttpRequest,
    found: Found,
    cache_control: &'static str,
    policy: &HeaderValue,
) -> Result<HttpResponse, ApiError> {
    let [if_match, if_none_match, if_range, range] =
        [IF_MATCH, IF_NONE_MATCH, IF_RANGE, RANGE].map(|name| joined(request.headers(), &name));
    let conditions = Conditions {
        if_match: if_match.as_deref(),
        if_none_match: if_none_match.as_deref(),
        if_range: if_range.as_deref(),
        range: range.as_deref(),
    };
    let (status, part) = match conditions.judge(&found.tag, found.length) {
        Extent::Whole => (StatusCode::OK, None),
        Extent::Part { first, last } => (StatusCode::PARTIAL_CONTENT, Some((first, last))),
        Extent::NotModified => (StatusCode::NOT_MODIFIED, None),
        Extent::PreconditionFailed => return Err(ApiError::PreconditionFailed),
        Extent::NotSatisfiable => return Err(ApiError::RangeNotSatisfiable(found.length)),
    };
    let mut response = HttpResponse::build(status);
    response
        .insert_header((CACHE_CONTROL, cache_control))
        .insert_header((ETAG, found.tag.as_str()))
        .insert_header((ACCEPT_RANGES, "bytes"))
        .insert_header((CONTENT_SECURITY_POLICY, policy.clone()));
    if found.varies {
        response.insert_header((VARY, "accept-encoding"));
    }
    if status == StatusCode::NOT_MODIFIED {
        return Ok(response.finish());
    }
    if let Some((first, last)) = part {
        response.insert_header((CONTENT_RANGE, format!("bytes {first}-{last}/{}", found.length)));
    }
    let (first, length) = part.map_or((0, found.length), |(first, last)| (first, last - first + 1));
    response.insert_header((CONTENT_TYPE, found.media_type));
    if let Some(coding) = found.coding.map(Coding::name) {
        response.insert_header((CONTENT_ENCODING, coding));
    }
    if request.method() == Method::HEAD {
        return Ok(response.body(SizedStream::new(length, stream::empty::<io::Result<Bytes>>())));
    }
    Ok(match found.content {
        Content::Whole(bytes) => response.body(cut(&bytes, first, length)),
        Content::Open(file) => response.body(SizedStream::new(length, pieces(file, first, length))),
    })
}

fn cut(bytes: &Bytes, first: u64, length: u64) -> Bytes {
    let first = usize::try_from(first).unwrap_or(usize::MAX).min(bytes.len());
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    bytes.slice(first..first.saturating_add(length).min(bytes.len()))
}

fn pieces(file: File, first: u64, length: u64) -> impl stream::Stream<Item = io::Result<Bytes>> {
    let file = Arc::new(file);
    stream::try_unfold((first, length), move |(at, left)| {
        let file = Arc::clone(&file);
        async move {
            if left == 0 {
                return Ok(None);
            }
            let read = web::block(move || {
                let mut piece = vec![0; usize::try_from(left.min(PIECE)).unwrap_or(0)];
                file.read_exact_at(&mut piece, at).map(|()| piece)
            });
            let piece = read.await.map_err(io::Error::other)??;
            let read = piece.len() as u64;
            Ok(Some((Bytes::from(piece), (at + read, left - read))))
        }
    })
}
