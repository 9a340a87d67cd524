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
    Held {
        holder: LeaseHolder,
        until: Instant,
    },
    Failed {
        seen: Revision,
        cause: String,
        until: Instant,
    },
}

impl Note {
    const fn until(&self) -> Instant {
        match self {
            Self::Held { until, .. } | Self::Failed { until, .. } => *until,
        }
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
pub(super) struct Leases(Mutex<HashMap<SessionKey, (Revision, Note)>>);

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
            notes.retain(|_, (_, note)| note.until() > now);
        }
        let mut is_own = false;
        if let Some((_, note)) = notes.get(key) {
            let left = note.until().saturating_duration_since(now);
            match note {
                Note::Held { holder: held_by, .. } if held_by == holder => is_own = true,
                Note::Held { .. } if !left.is_zero() => {
                    return Asked::Refused(Leased::Held { remaining: left });
                }
                Note::Failed { seen: of, cause, .. } if *of == seen && !left.is_zero() => {
                    return Asked::Refused(Leased::Failed {
                        retry_after: left,
                        cause: cause.clone(),
                    });
                }
                Note::Held { .. } | Note::Failed { .. } => {}
            }
        }
        let held = Note::Held {
            holder: holder.clone(),
            until: now + length,
        };
        notes.insert(key.clone(), (seen, held));
        Asked::Granted { is_own }
    }

    /// Whether it still was the holder's.
    pub(super) fn renew(&self, key: &SessionKey, holder: &LeaseHolder, length: Duration) -> bool {
        match self.notes().get_mut(key) {
            Some((
                _,
                Note::Held {
                    holder: held_by,
                    until,
                },
            )) if held_by == holder => {
                *until = Instant::now() + length;
                true
            }
            _ => false,
        }
    }

    /// Whether it still was the holder's.
    pub(super) fn give_back(
        &self,
        key: &SessionKey,
        holder: &LeaseHolder,
        failure: Option<(Duration, String)>,
    ) -> bool {
        let mut notes = self.notes();
        let seen = match notes.get(key) {
            Some((seen, Note::Held { holder: held_by, .. })) if held_by == holder => *seen,
            _ => return false,
        };
        match failure {
            None => {
                notes.remove(key);
            }
            Some((length, cause)) => {
                let until = Instant::now() + length;
                notes.insert(key.clone(), (seen, Note::Failed { seen, cause, until }));
            }
        }
        true
    }

    /// The session was renewed or has ended.
    pub(super) fn forget(&self, key: &SessionKey) {
        self.notes().remove(key);
    }

    fn notes(&self) -> MutexGuard<'_, HashMap<SessionKey, (Revision, Note)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
