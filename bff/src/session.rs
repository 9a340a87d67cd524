//! What a signed-in browser has here: a session, found by the ticket in its cookie.
//!
//! ```text
//! cookie ──► SessionId ──digest──► ticket record ──names──► SessionKey ──► session record
//!               └──────── with the key ring: opens the sealed part ───────────┘
//! ```
//!
//! The [`SessionId`] is the secret of the browser; stores know only its digest. The [`SessionKey`] is a random
//! handle that names the session in logs, in `/bff/logout?sid=` and in the store. A session is alive as long as its
//! record is; a ticket that points to a record which has gone is no session.

pub mod changes;
pub mod device;
pub mod embedded;
mod id;
pub mod index;
pub mod key_ring;
pub mod lifetime;
pub mod measured;
mod record;
pub mod redis;
pub mod registry;
pub mod replica;
pub mod shown;
pub mod store;
pub mod ticket;
pub mod tokens;
mod vault;
pub mod watch;

pub mod endpoint;

pub use id::{RecordKey, SessionId, SessionKey};
pub use record::{OpenSession, SessionContent, Summary};
pub use registry::{SessionError, SessionRegistry};
pub use vault::{OpenError, Vault};
