//! Carries requests of configured routes to their upstreams, with the session's access token.
//!
//! ```text
//! path ──normalise──► route ──guard──► session ──keeper──► access token ──headers──► upstream
//! ```
//!
//! What was matched is what the upstream gets. Bodies stream both ways.

mod authority;
mod body;
mod challenge;
pub mod endpoint;
mod ends;
pub mod forward;
pub mod headers;
mod http_types;
mod upgrade;

pub use ends::Streams;
