//! Keeps the tokens of live sessions fresh, one refresh per session at a time in the whole cluster.
//!
//! Providers rotate refresh tokens and take a second use for theft, so two requests of one session must never both
//! present the same one. There are three barriers: requests of one process join the attempt that runs (`join`); a
//! lease in the store gives one attempt at a time its turn, whichever node makes it (`lease`); and the write is refused
//! when somebody else wrote first.
//!
//! A refresh runs in a task of its own: when a browser disconnects half-way the provider may have rotated already, and
//! cancelling would lose the answer, and the session with it.

mod join;
mod keeper;
mod lease;
mod outcome;
mod service;

pub use keeper::{Keeper, RefreshSettings};
pub use outcome::{Need, RefreshError, Wanted};
pub use service::ServiceTokens;
