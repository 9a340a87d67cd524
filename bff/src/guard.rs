//! What a request has to prove before anything is done for it, and what our answers tell browsers to insist on.

pub mod csrf;
pub mod middleware;
mod request_facts;
pub mod security_headers;

pub use request_facts::{FetchMode, FetchSite, RequestFacts};
