//! `GET /bff/frontchannel?iss=…&sid=…`: shown by the provider in a frame.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use actix_web::{HttpRequest, HttpResponse, web};

use super::FrontChannel;
use crate::parameters::Parameters;
use crate::problem::ApiError;

/// Ends what began under `sid`. The answer is the same whether there was anything or not.
#[tracing::instrument(name = "bff.frontchannel", skip_all)]
pub async fn log_out(
    request: HttpRequest,
    channel: web::Data<FrontChannel>,
) -> Result<HttpResponse, ApiError> {
    // Every current browser says what it asks for. What is no frame is somebody's image, script or link.
    let destination = request.headers().get("sec-fetch-dest");
    if destination.is_some_and(|dest| dest != "iframe" && dest != "frame") {
        return Err(ApiError::CrossSite);
    }
    let parameters = Parameters::parse(request.query_string()).map_err(|_| ApiError::InvalidParameter)?;
    let (Some(iss), Some(sid)) = (parameters.one("iss"), parameters.one("sid")) else {
        return Err(ApiError::InvalidParameter);
    };
    channel.log_out(iss, sid).await?;
    Ok(HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((CONTENT_SECURITY_POLICY, channel.policy.as_str()))
        // A page of the provider that isolates itself (COEP) may show us all the same.
        .insert_header(("cross-origin-resource-policy", "cross-origin"))
        .content_type("text/html; charset=utf-8")
        .body("<!DOCTYPE html><html lang=\"en\"><title>Signed out</title></html>"))
}
