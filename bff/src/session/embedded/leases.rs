//! Who may refresh which session, in the one process that has the file open.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::session::SessionKey;
use crate::session::store::{LeaseHolder, Leased, Revision};

/// How many notes are kept before those that are over are cleared out.
const NOTES_BEFORE_CLEARING: usize = 1_024;

#[derive(Debug)]
enum Note {
    Held(LeaseHolder),
    Failed { cause: String },
}

/// What is known of one session.
#[derive(Debug)]
struct Entry {
    /// Of which revision it is known.
    seen: Revision,
    note: Note,
    until: Instant,
}

impl Entry {
    fn is_held_by(&self, holder: &LeaseHolder) -> bool {
        matches!(&self.note, Note::Held(held_by) if held_by == holder)
    }
}

/// What came of asking.
pub(super) enum Asked {
    /// The lease is the caller's, possibly since before.
    Granted { is_own: bool },
    /// It is not.
    Refused(Leased),
}

/// The leases and failures that count now.
#[derive(Debug, Default)]
pub(super) struct Leases(Mutex<HashMap<SessionKey, Entry>>);

impl Leases {
    pub(super) fn ask(
        &self,
        key: &SessionKey,
        seen: Revision,
        holder: &LeaseHolder,
        length: Duration,
    ) -> Asked {
        let now = Instant::now();
        let mut notes = self.notes();
        if notes.len() >= NOTES_BEFORE_CLEARING {
            notes.retain(|_, entry| entry.until > now);
        }
        let mut is_own = false;
        if let Some(entry) = notes.get(key) {
            let left = entry.until.saturating_duration_since(now);
            match &entry.note {
                Note::Held(held_by) if held_by == holder => is_own = true,
                Note::Held(_) if !left.is_zero() => {
                    return Asked::Refused(Leased::Held { remaining: left });
                }
                Note::Failed { cause } if entry.seen == seen && !left.is_zero() => {
                    return Asked::Refused(Leased::Failed {
                        retry_after: left,
                        cause: cause.clone(),
                    });
                }
                Note::Held(_) | Note::Failed { .. } => {}
            }
        }
        let held = Entry {
            seen,
            note: Note::Held(holder.clone()),
            until: now + length,
        };
        notes.insert(key.clone(), held);
        Asked::Granted { is_own }
    }

    /// Whether it still was the holder's.
    pub(super) fn renew(&self, key: &SessionKey, holder: &LeaseHolder, length: Duration) -> bool {
        let mut notes = self.notes();
        let Some(entry) = notes.get_mut(key).filter(|entry| entry.is_held_by(holder)) else {
            return false;
        };
        entry.until = Instant::now() + length;
        true
    }

    /// Whether it still was the holder's.
    pub(super) fn give_back(
        &self,
        key: &SessionKey,
        holder: &LeaseHolder,
        failure: Option<(Duration, String)>,
    ) -> bool {
        let mut notes = self.notes();
        let Some(entry) = notes.get_mut(key).filter(|entry| entry.is_held_by(holder)) else {
            return false;
        };
        match failure {
            None => {
                notes.remove(key);
            }
            Some((length, cause)) => {
                entry.note = Note::Failed { cause };
                entry.until = Instant::now() + length;
            }
        }
        true
    }

    /// The session was renewed or has ended.
    pub(super) fn forget(&self, key: &SessionKey) {
        self.notes().remove(key);
    }

    fn notes(&self) -> MutexGuard<'_, HashMap<SessionKey, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
