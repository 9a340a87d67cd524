//! What a request has to prove before anything is done for it, and what our answers tell browsers to insist on.

pub mod client_address;
pub mod cors;
pub mod csrf;
pub mod middleware;
pub mod rate_limit;
mod request_facts;
pub mod security_headers;

pub use request_facts::{FetchMode, FetchSite, RequestFacts};
