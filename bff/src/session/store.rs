//! Where sessions rest between requests: the contract that every store keeps.
//!
//! Every write is conditional. A writer names the revision that it read; when the stored one has moved on, or the
//! session has ended, nothing changes and the outcome says so. This keeps a slow refresh from reviving a session that
//! was ended meanwhile. Both stores pass the same suite (`tests/e2e/store_contract.rs`).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use resource_server::time::UnixTime;
use tokio::time::Instant;

use super::index::{IndexKey, Owner};
use super::lifetime::Times;
use super::{RecordKey, SessionKey};
use crate::random;

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
    /// Tokens and claims, for the browser's eyes only.
    pub sealed: Sealed,
    /// What is shown of the session to its user and to operators, for any node's eyes.
    pub summary: Sealed,
}

/// What a list shows of a session: a [`Stored`] without its sealed part, which may be large.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// The instants that decide about its life.
    pub times: Times,
    /// What is shown of it.
    pub summary: Sealed,
}

/// A session that begins, with all that leads to it.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Its name.
    pub key: SessionKey,
    /// The digest of the ticket that its browser gets.
    pub ticket: RecordKey,
    /// Whose it is: the indexes that lead to it.
    pub owner: Owner,
    /// The record.
    pub stored: Stored,
    /// From when on the record may be forgotten; the ticket and the indexes stay until the session's absolute end.
    pub garbage_from: UnixTime,
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

/// Names one attempt to refresh, so that nobody gives back what another holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseHolder(String);

impl LeaseHolder {
    /// A new random name.
    #[must_use]
    pub fn generate() -> Self {
        Self(random::text())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How [`SessionStore::lease`] turned out. All are normal.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Leased {
    /// The caller may present the refresh token of the revision it named. The mark that says so is stored; it was sent
    /// this many times before without an answer that got stored.
    Yours {
        /// Earlier attempts whose outcome nobody knows.
        unanswered: u32,
    },
    /// Somebody else holds the lease, for this long at most unless they renew it.
    Held {
        /// What is left of it.
        remaining: Duration,
    },
    /// The provider did not help whoever tried last, and is not to be asked again for this long.
    Failed {
        /// How long.
        retry_after: Duration,
        /// What happened, as the one who tried put it; for the log.
        cause: String,
    },
    /// The session has moved on to this.
    LostTo(Stored),
    /// The session has ended.
    SessionEnded,
}

/// What the holder of a lease knows when it gives it back without new tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseOutcome {
    /// Whether the provider answered, so that it is known that the refresh token was not used up.
    pub answered: bool,
    /// For how long nobody is to ask the provider again, and why.
    pub failure: Option<(Duration, String)>,
}

/// What happened to a session, as every node is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It was renewed.
    Replaced(SessionKey, Revision),
    /// It ended.
    Ended(SessionKey),
    /// Its lease was given back without new tokens.
    Released(SessionKey),
}

impl Change {
    /// Which session it is about.
    #[must_use]
    pub const fn session(&self) -> &SessionKey {
        match self {
            Self::Replaced(key, _) | Self::Ended(key) | Self::Released(key) => key,
        }
    }
}

/// Who is told of changes, whichever node made them.
pub trait ChangeListener: std::fmt::Debug + Send + Sync {
    /// Something happened.
    fn changed(&self, change: &Change);
    /// Something may have happened that nobody was told of.
    fn missed(&self);
    /// Until this instant, what was told is taken for all that happened.
    fn trusted_until(&self, instant: Instant);
}

/// One page of a walk over all sessions.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Some sessions; one may appear on more than one page.
    pub sessions: Vec<SessionKey>,
    /// Where to go on; `None` at the end.
    pub next: Option<String>,
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
    /// Stores a new session: first what leads to it by user and by provider session and the ticket, then the record, so
    /// that whatever is reachable for its browser is reachable for a logout.
    async fn create(&self, new: &NewSession) -> Result<Created, StoreError>;

    /// Reads a session; `None` once it has ended.
    async fn load(&self, key: &SessionKey) -> Result<Option<Stored>, StoreError>;

    /// Reads what a list shows of a session; `None` once it has ended.
    async fn outline(&self, key: &SessionKey) -> Result<Option<Outline>, StoreError>;

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

    /// The sessions that an index leads to; some of them may have ended.
    async fn sessions_of(&self, index: &IndexKey) -> Result<Vec<SessionKey>, StoreError>;

    /// A page of all sessions, for operators.
    async fn all_sessions(&self, from: Option<&str>) -> Result<Page, StoreError>;

    /// Asks for the right to refresh a session that was read at `seen`, for `length`, and marks that its refresh token
    /// is about to be sent.
    async fn lease(
        &self,
        key: &SessionKey,
        seen: Revision,
        holder: &LeaseHolder,
        length: Duration,
    ) -> Result<Leased, StoreError>;

    /// Holds a lease for `length` from now on; whether it still was the caller's.
    async fn renew_lease(
        &self,
        key: &SessionKey,
        holder: &LeaseHolder,
        length: Duration,
    ) -> Result<bool, StoreError>;

    /// Gives a lease back without new tokens and wakes those who wait. A replacement or an ending does so by itself.
    async fn release_lease(
        &self,
        key: &SessionKey,
        holder: &LeaseHolder,
        outcome: &LeaseOutcome,
    ) -> Result<(), StoreError>;

    /// Has this listener told of changes from now on. Called once, at start.
    fn listen(&self, listener: Arc<dyn ChangeListener>);

    /// Reads which session a ticket names.
    async fn session_of(&self, ticket: &RecordKey) -> Result<Option<SessionKey>, StoreError>;

    /// Forgets a ticket; forgetting it twice is not an error.
    async fn drop_ticket(&self, ticket: &RecordKey) -> Result<(), StoreError>;

    /// Claims something that may happen once, on whichever node; the claim may be forgotten from `until` on.
    async fn claim(&self, mark: &Mark, until: UnixTime) -> Result<Claimed, StoreError>;

    /// Whether something has been claimed already; it stays as it is.
    async fn is_claimed(&self, mark: &Mark) -> Result<bool, StoreError>;

    /// Notes that the provider signed out whoever began under this index until `at`; the latest note counts, and may be
    /// forgotten from `until` on.
    async fn note_logout(&self, index: &IndexKey, at: UnixTime, until: UnixTime) -> Result<(), StoreError>;

    /// The latest such note.
    async fn noted_logout(&self, index: &IndexKey) -> Result<Option<UnixTime>, StoreError>;

    /// Whether the store does its work now.
    async fn check(&self) -> Result<(), StoreError>;

    /// Lets go of files and connections, at shutdown. Afterwards every call is [`StoreError::Unreachable`].
    async fn close(&self);
}
