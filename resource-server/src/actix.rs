//! Access tokens in actix-web applications.
//!
//! An application puts one [`Protection`] into its data. [`RequireScope`] and [`RequireRole`] let nobody pass without a
//! good token that allows what they guard; a handler that takes an [`AccessToken`] learns whose it is, and is not reached
//! without one either. [`ResourceMetadata`] tells clients where tokens are to be had.
//!
//! ```
//! use actix_web::{HttpResponse, Responder, web};
//! use resource_server::actix::{AccessToken, Protection, RequireScope};
//!
//! async fn orders(token: AccessToken) -> impl Responder {
//!     HttpResponse::Ok().body(format!("orders of {}", token.claims().subject()))
//! }
//!
//! fn configure(protection: web::Data<Protection>, app: &mut web::ServiceConfig) {
//!     let reads = RequireScope::new("orders:read");
//!     app.app_data(protection)
//!         .route("/orders", web::get().to(orders).wrap(reads));
//! }
//! ```
//!
//! Everything else is answered here, as RFC 6750 §3 asks and with a problem document as body.

mod access_token;
mod credentials;
mod guard;
mod metadata;
mod refusal;

pub use access_token::{AccessToken, Protection};
pub use guard::{Guarded, RequireRole, RequireScope};
pub use metadata::{NotAnAddress, ResourceMetadata};
pub use refusal::{Reason, Refusal};
#[cfg(test)]
mod tests;
