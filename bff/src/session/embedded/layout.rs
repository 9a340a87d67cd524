//! How records lie in the file: little-endian numbers in front, the rest behind.

use redb::{Database, MultimapTableDefinition, TableDefinition};
use resource_server::time::UnixTime;

use crate::session::SessionKey;
use crate::session::index::{IndexKey, Owner};
use crate::session::lifetime::Times;
use crate::session::store::{Revision, Sealed, Stored};

/// Session key → [`Row`].
pub(super) const SESSIONS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("sessions.v1");
/// Digest of the ticket → [`TicketRow`].
pub(super) const TICKETS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("tickets.v1");
/// Index → session keys.
pub(super) const INDEXES: MultimapTableDefinition<'_, &str, &str> =
    MultimapTableDefinition::new("indexes.v1");
/// What happened once → when that may be forgotten.
pub(super) const MARKS: TableDefinition<'_, &str, i64> = TableDefinition::new("marks.v1");
/// Index → when the provider last signed out what it leads to, and when that may be forgotten.
pub(super) const LOGOUTS: TableDefinition<'_, &str, (i64, i64)> = TableDefinition::new("logouts.v1");

/// From when on what may be forgotten, of which [`Kind`], under which key: in the order in which it is to be swept, so that
/// a sweep looks at what is over and at nothing else.
pub(super) const EXPIRIES: TableDefinition<'_, (i64, u8, &str), ()> = TableDefinition::new("expiries.v1");

/// What an entry of [`EXPIRIES`] is about; numbers are never given a second meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Session,
    Ticket,
    Mark,
    Logout,
}

impl Kind {
    pub(super) const fn number(self) -> u8 {
        match self {
            Self::Session => 1,
            Self::Ticket => 2,
            Self::Mark => 3,
            Self::Logout => 4,
        }
    }

    pub(super) const fn of(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Session),
            2 => Some(Self::Ticket),
            3 => Some(Self::Mark),
            4 => Some(Self::Logout),
            _ => None,
        }
    }
}

/// Makes the tables, so that a reader never meets a missing one.
pub(super) fn create_tables(database: &Database) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    transaction.open_table(SESSIONS)?;
    transaction.open_table(TICKETS)?;
    transaction.open_multimap_table(INDEXES)?;
    transaction.open_table(MARKS)?;
    transaction.open_table(LOGOUTS)?;
    transaction.open_table(EXPIRIES)?;
    transaction.commit()?;
    Ok(())
}

/// The row is not one that this version wrote.
#[derive(Debug, thiserror::Error)]
#[error("the row has an unknown layout")]
pub(super) struct UnknownLayout;

/// A session as it lies in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) stored: Stored,
    pub(super) garbage_from: UnixTime,
    /// How often the refresh token of this revision was sent without a stored answer.
    pub(super) unanswered: u32,
    pub(super) owner: Owner,
}

/// In front of every row; rows of a layout that is not known are left alone.
const LAYOUT: u8 = 1;
/// Layout (1), revision, created, last used, ends, garbage from (8 each), unanswered (4).
const FIXED: usize = 1 + 5 * 8 + 4;

impl Row {
    pub(super) fn encode(&self) -> Vec<u8> {
        let Stored {
            revision,
            times,
            sealed,
            summary,
        } = &self.stored;
        let mut row = Vec::with_capacity(FIXED + 128 + sealed.0.len() + summary.0.len());
        row.push(LAYOUT);
        row.extend_from_slice(&revision.0.to_le_bytes());
        for instant in [
            times.created_at,
            times.last_used_at,
            times.ends_at,
            self.garbage_from,
        ] {
            row.extend_from_slice(&instant.as_secs().to_le_bytes());
        }
        row.extend_from_slice(&self.unanswered.to_le_bytes());
        let provider = self.owner.provider_session.as_ref();
        put(&mut row, self.owner.user.as_str().as_bytes());
        put(&mut row, provider.map_or("", IndexKey::as_str).as_bytes());
        put(&mut row, &summary.0);
        row.extend_from_slice(&sealed.0);
        row
    }

    pub(super) fn decode(row: &[u8]) -> Result<Self, UnknownLayout> {
        Self::read(row).ok_or(UnknownLayout)
    }

    fn read(row: &[u8]) -> Option<Self> {
        let (fixed, rest) = row.split_first_chunk::<FIXED>()?;
        let (unanswered, fixed) = (fixed.last_chunk::<4>()?, fixed.first_chunk::<41>()?);
        if fixed[0] != LAYOUT {
            return None;
        }
        let (user, rest) = take(rest)?;
        let (provider, rest) = take(rest)?;
        let (summary, sealed) = take(rest)?;
        let index = |bytes: &[u8]| Some(IndexKey::stored(std::str::from_utf8(bytes).ok()?.to_owned()));
        Some(Self {
            stored: Stored {
                revision: Revision(u64::from_le_bytes(number(fixed, 0))),
                times: Times {
                    created_at: instant(fixed, 1),
                    last_used_at: instant(fixed, 2),
                    ends_at: instant(fixed, 3),
                },
                sealed: Sealed(sealed.to_vec()),
                summary: Sealed(summary.to_vec()),
            },
            garbage_from: instant(fixed, 4),
            unanswered: u32::from_le_bytes(*unanswered),
            owner: Owner {
                user: index(user)?,
                provider_session: if provider.is_empty() {
                    None
                } else {
                    Some(index(provider)?)
                },
            },
        })
    }
}

fn put(row: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    row.extend_from_slice(&length.to_le_bytes());
    row.extend_from_slice(bytes);
}

fn take(row: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = row.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)
}

/// Garbage from (8 bytes), then the session key.
pub(super) struct TicketRow;

impl TicketRow {
    pub(super) fn encode(session: &SessionKey, garbage_from: UnixTime) -> Vec<u8> {
        let mut row = garbage_from.as_secs().to_le_bytes().to_vec();
        row.extend_from_slice(session.as_str().as_bytes());
        row
    }

    pub(super) fn decode(row: &[u8]) -> Option<(SessionKey, UnixTime)> {
        let (fixed, key) = row.split_first_chunk::<8>()?;
        let session = SessionKey::parse(std::str::from_utf8(key).ok()?)?;
        Some((session, UnixTime::from_secs(i64::from_le_bytes(*fixed))))
    }
}

fn number(fixed: &[u8; 41], index: usize) -> [u8; 8] {
    let mut number = [0; 8];
    number.copy_from_slice(&fixed[1 + index * 8..1 + (index + 1) * 8]);
    number
}

fn instant(fixed: &[u8; 41], index: usize) -> UnixTime {
    UnixTime::from_secs(i64::from_le_bytes(number(fixed, index)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        Row {
            stored: Stored {
                revision: Revision(7),
                times: Times {
                    created_at: UnixTime::from_secs(1),
                    last_used_at: UnixTime::from_secs(2),
                    ends_at: UnixTime::from_secs(3),
                },
                sealed: Sealed(vec![9; 100]),
                summary: Sealed(vec![8; 20]),
            },
            garbage_from: UnixTime::from_secs(4),
            unanswered: 5,
            owner: Owner {
                user: IndexKey::stored("user".to_owned()),
                provider_session: None,
            },
        }
    }

    #[test]
    fn a_row_reads_as_it_was_written() {
        let without = row();
        let mut with = row();
        with.owner.provider_session = Some(IndexKey::stored("sid".to_owned()));
        for row in [without, with] {
            let bytes = row.encode();
            assert_eq!(Row::decode(&bytes).unwrap(), row);
        }
    }

    #[test]
    fn a_short_row_and_one_of_another_layout_are_unreadable() {
        let bytes = row().encode();
        for end in 0..FIXED {
            assert!(Row::decode(&bytes[..end]).is_err(), "cut at {end}");
        }
        let mut newer = bytes;
        newer[0] = LAYOUT + 1;
        assert!(Row::decode(&newer).is_err());
        assert!(TicketRow::decode(b"short").is_none());
    }
}
