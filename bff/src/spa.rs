//! The SPA's own files: what is neither an endpoint of ours nor a route.

pub mod caching;
pub mod coding;
pub mod conditional;
pub mod endpoint;
pub mod folder;
