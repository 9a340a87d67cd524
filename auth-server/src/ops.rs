//! Running the server: the audit trail, bodies, headers, the access log, health, metrics and the sweeper.

pub(crate) mod audit;
pub(crate) mod body;
pub(crate) mod headers;
pub(crate) mod health;
pub(crate) mod metrics;
pub(crate) mod middleware;
pub(crate) mod rotation;
pub(crate) mod sweeper;
