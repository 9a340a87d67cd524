//! Keeps the tokens of live sessions fresh, one refresh per session at a time.
//!
//! Providers rotate refresh tokens and take a second use for theft, so two requests of one session must never both
//! present the same one. Requests join a refresh that already runs in this process; the session is read again before
//! the provider is called; and the write is refused when somebody else wrote first.
//!
//! A refresh runs in a task of its own: when a browser disconnects half-way the provider may have rotated already, and
//! cancelling would lose the answer, and the session with it.

mod keeper;
mod outcome;

pub use keeper::Keeper;
pub use outcome::{Need, RefreshError};
