//! The SPA's own files.

pub mod endpoint;
