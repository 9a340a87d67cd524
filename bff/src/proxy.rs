//! Carries requests of configured routes to their upstreams, with the session's access token.
//!
//! ```text
//! path ──normalise──► route ──guard──► session ──keeper──► access token ──headers──► upstream
//! ```
//!
//! What was matched is what the upstream gets. Bodies stream both ways.

mod attempts;
mod authority;
mod body;
mod challenge;
pub mod endpoint;
mod ends;
pub mod forward;
mod grpc;
pub mod headers;
mod http_types;
mod trailers;
mod upgrade;

pub use ends::Streams;
