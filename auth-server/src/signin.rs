//! Signing in at this server: the page, the session of the browser, and the throttle on guessing.

pub(crate) mod device;
pub(crate) mod endpoint;
pub(crate) mod form_token;
pub(crate) mod middleware;
pub(crate) mod service;
pub(crate) mod session;
pub(crate) mod throttle;
