//! Where sessions rest between requests: the contract that every store keeps.
//!
//! Every write is conditional. A writer names the revision that it read; when the stored one has moved on, or the
//! session has ended, nothing changes and the outcome says so. This keeps a slow refresh from reviving a session that
//! was ended meanwhile. Both stores pass the same suite (`tests/e2e/store_contract.rs`).

use async_trait::async_trait;
use resource_server::time::UnixTime;

use super::lifetime::Times;
use super::{RecordKey, SessionKey};

/// Counts the writes of a session's sealed part; 1 is the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revision(pub u64);

impl Revision {
    /// The revision of a session that has just begun.
    pub const FIRST: Self = Self(1);

    /// The revision after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// The sealed part of a session: bytes that only the vault can read.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(pub Vec<u8>);

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

/// A session record as a store holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Which write of the sealed part this is.
    pub revision: Revision,
    /// The instants that decide about its life.
    pub times: Times,
    /// Tokens and claims.
    pub sealed: Sealed,
}

/// How [`SessionStore::create`] turned out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Created {
    /// The session is stored.
    Now,
    /// A session of this key exists: a key was used twice, which is a bug of the caller.
    KeyTaken,
}

/// How [`SessionStore::replace`] turned out. All three are normal.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Replaced {
    /// Stored, at this revision.
    Now(Revision),
    /// Somebody else wrote first; this is what they wrote. Nothing changed.
    LostTo(Stored),
    /// The session has ended. Nothing changed.
    SessionEnded,
}

/// How [`SessionStore::touch`] turned out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Touched {
    /// The last use is stored, unless a later one was already.
    Now,
    /// The session has ended. Nothing changed.
    SessionEnded,
}

/// How an ending turned out. Ending a session twice is not an error.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Ended {
    /// The session ended by this call.
    Now,
    /// It had ended before.
    Before,
    /// Only of [`SessionStore::end_at`]: the session has moved on to this and lives. Nothing changed.
    LostTo(Stored),
}

/// How [`SessionStore::claim`] turned out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Claimed {
    /// This caller is the first.
    First,
    /// Somebody had claimed it before.
    Before,
}

/// Something that may happen once: the digest of a login's `state`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Mark(pub String);

/// A store that does not do its work now. It says nothing about any session: an outage is not a logout.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store cannot be reached or does not answer in time.
    #[error("the session store cannot be reached")]
    Unreachable(#[source] anyhow::Error),
    /// The store answered with something that no version of this program wrote.
    #[error("the session store holds a record that cannot be read")]
    Unreadable(#[source] anyhow::Error),
}

/// Where sessions rest between requests.
#[async_trait]
pub trait SessionStore: std::fmt::Debug + Send + Sync {
    /// Stores a new session, which may be forgotten from `garbage_from` on.
    async fn create(
        &self,
        key: &SessionKey,
        stored: &Stored,
        garbage_from: UnixTime,
    ) -> Result<Created, StoreError>;

    /// Reads a session; `None` once it has ended.
    async fn load(&self, key: &SessionKey) -> Result<Option<Stored>, StoreError>;

    /// Replaces the sealed part that was read at `seen`.
    async fn replace(
        &self,
        key: &SessionKey,
        seen: Revision,
        sealed: &Sealed,
    ) -> Result<Replaced, StoreError>;

    /// Writes down a use. The instant never moves backwards.
    async fn touch(
        &self,
        key: &SessionKey,
        last_used_at: UnixTime,
        garbage_from: UnixTime,
    ) -> Result<Touched, StoreError>;

    /// Ends a session, whatever its revision.
    async fn end(&self, key: &SessionKey) -> Result<Ended, StoreError>;

    /// Ends a session only if it still is at the revision `seen`.
    async fn end_at(&self, key: &SessionKey, seen: Revision) -> Result<Ended, StoreError>;

    /// Stores which session a ticket names, until `garbage_from`.
    async fn put_ticket(
        &self,
        ticket: &RecordKey,
        session: &SessionKey,
        garbage_from: UnixTime,
    ) -> Result<(), StoreError>;

    /// Reads which session a ticket names.
    async fn session_of(&self, ticket: &RecordKey) -> Result<Option<SessionKey>, StoreError>;

    /// Forgets a ticket; forgetting it twice is not an error.
    async fn drop_ticket(&self, ticket: &RecordKey) -> Result<(), StoreError>;

    /// Claims something that may happen once, on whichever node; the claim may be forgotten from `until` on.
    async fn claim(&self, mark: &Mark, until: UnixTime) -> Result<Claimed, StoreError>;

    /// Whether the store does its work now.
    async fn check(&self) -> Result<(), StoreError>;

    /// Lets go of files and connections, at shutdown. Afterwards every call is [`StoreError::Unreachable`].
    async fn close(&self);
}
