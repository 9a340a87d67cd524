//! What operators do to sessions from outside, at `/admin` of the management address.

pub mod endpoint;
mod middleware;
mod selector;

use std::sync::Arc;

use crate::background::Background;
use crate::config::AdminToken;
use crate::session::SessionRegistry;

/// What the endpoints need. Without a token there is none, and no endpoints.
#[derive(Debug, Clone)]
pub struct Administration {
    /// Who has it may do all of it.
    pub token: AdminToken,
    /// The sessions.
    pub registry: Arc<SessionRegistry>,
    /// Where ending goes on when the one who asked for it has gone.
    pub background: Background,
}
