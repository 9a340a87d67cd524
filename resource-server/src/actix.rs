//! Access tokens in actix-web handlers.
//!
//! An application puts one [`Protection`] into its data; a handler that takes an [`AccessToken`] is then reached only
//! with a good one, and asks it for scopes:
//!
//! ```
//! use actix_web::{HttpResponse, Responder, web};
//! use resource_server::actix::{AccessToken, Refusal};
//!
//! async fn orders(token: AccessToken) -> Result<impl Responder, Refusal> {
//!     token.require("orders:read")?;
//!     Ok(HttpResponse::Ok().body(format!("orders of {}", token.claims().subject())))
//! }
//!
//! fn configure(protection: web::Data<resource_server::actix::Protection>, app: &mut web::ServiceConfig) {
//!     app.app_data(protection).route("/orders", web::get().to(orders));
//! }
//! ```
//!
//! Everything else is answered here, as RFC 6750 §3 asks and with a problem document as body.

mod access_token;
mod credentials;
mod refusal;

pub use access_token::{AccessToken, Protection};
pub use refusal::{Reason, Refusal};
#[cfg(test)]
mod tests;
