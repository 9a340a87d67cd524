//! Refusals of ours in the words of the client's protocol.

use actix_web::HttpResponse;
use actix_web::dev::RequestHead;
use actix_web::http::Version;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};

use crate::proxy::grpc;

/// A refusal as gRPC clients understand it: 200, and the outcome in `grpc-status`. Other clients get it as it is.
#[must_use]
pub fn in_words_of_grpc(request: &RequestHead, mut answer: HttpResponse) -> HttpResponse {
    let content_type = request.headers.get(CONTENT_TYPE);
    let is_grpc = content_type.is_some_and(|value| grpc::is_grpc(value.as_bytes()));
    let status = answer.status();
    if !(is_grpc && (status.is_client_error() || status.is_server_error())) {
        return answer;
    }
    let mut refusal = HttpResponse::Ok();
    refusal
        .content_type("application/grpc")
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header(("grpc-status", grpc::status(status.as_u16()).to_string()))
        .insert_header(("grpc-message", status.canonical_reason().unwrap_or("Refused")));
    // Clients look for the outcome in the headers only if these end the stream.
    let mut refusal = if request.version == Version::HTTP_2 {
        refusal.body(actix_web::body::None::new())
    } else {
        refusal.finish()
    };
    // What the log is to be told.
    let told = std::mem::take(&mut *answer.extensions_mut());
    refusal.extensions_mut().extend(told);
    refusal
}
