//! How records lie in the file: little-endian numbers in front, the rest behind.

use redb::{Database, TableDefinition};
use resource_server::time::UnixTime;

use crate::session::SessionKey;
use crate::session::lifetime::Times;
use crate::session::store::{Revision, Sealed, Stored};

/// Session key → [`StoredRow`].
pub(super) const SESSIONS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("sessions.v1");
/// Digest of the ticket → [`TicketRow`].
pub(super) const TICKETS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("tickets.v1");
/// What happened once → when that may be forgotten.
pub(super) const MARKS: TableDefinition<'_, &str, i64> = TableDefinition::new("marks.v1");

/// Makes the tables, so that a reader never meets a missing one.
pub(super) fn create_tables(database: &Database) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    transaction.open_table(SESSIONS)?;
    transaction.open_table(TICKETS)?;
    transaction.open_table(MARKS)?;
    transaction.commit()?;
    Ok(())
}

/// The row is shorter than its fixed part.
#[derive(Debug, thiserror::Error)]
#[error("the row has {0} bytes, which is too short")]
pub(super) struct RowTooShort(usize);

/// Revision, created, last used, ends, garbage from (8 bytes each), then the sealed part.
pub(super) struct StoredRow;

impl StoredRow {
    pub(super) fn encode(stored: &Stored, garbage_from: UnixTime) -> Vec<u8> {
        let mut row = Vec::with_capacity(40 + stored.sealed.0.len());
        row.extend_from_slice(&stored.revision.0.to_le_bytes());
        let times = &stored.times;
        for instant in [times.created_at, times.last_used_at, times.ends_at, garbage_from] {
            row.extend_from_slice(&instant.as_secs().to_le_bytes());
        }
        row.extend_from_slice(&stored.sealed.0);
        row
    }

    pub(super) fn decode(row: &[u8]) -> Result<(Stored, UnixTime), RowTooShort> {
        let (fixed, sealed) = row.split_first_chunk::<40>().ok_or(RowTooShort(row.len()))?;
        let stored = Stored {
            revision: Revision(u64::from_le_bytes(number(fixed, 0))),
            times: Times {
                created_at: instant(fixed, 1),
                last_used_at: instant(fixed, 2),
                ends_at: instant(fixed, 3),
            },
            sealed: Sealed(sealed.to_vec()),
        };
        Ok((stored, instant(fixed, 4)))
    }

    /// When the row may be swept; a row that cannot be read is left alone.
    pub(super) fn garbage_from(row: &[u8]) -> UnixTime {
        row.first_chunk::<40>()
            .map_or(UnixTime::NEVER, |fixed| instant(fixed, 4))
    }
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

fn number(fixed: &[u8; 40], index: usize) -> [u8; 8] {
    let mut number = [0; 8];
    number.copy_from_slice(&fixed[index * 8..(index + 1) * 8]);
    number
}

fn instant(fixed: &[u8; 40], index: usize) -> UnixTime {
    UnixTime::from_secs(i64::from_le_bytes(number(fixed, index)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_reads_as_it_was_written() {
        let stored = Stored {
            revision: Revision(7),
            times: Times {
                created_at: UnixTime::from_secs(1),
                last_used_at: UnixTime::from_secs(2),
                ends_at: UnixTime::from_secs(3),
            },
            sealed: Sealed(vec![9; 100]),
        };
        let row = StoredRow::encode(&stored, UnixTime::from_secs(4));
        assert_eq!(StoredRow::decode(&row).unwrap(), (stored, UnixTime::from_secs(4)));
        assert_eq!(StoredRow::garbage_from(&row), UnixTime::from_secs(4));
    }

    #[test]
    fn a_short_row_is_unreadable_and_never_garbage() {
        assert!(StoredRow::decode(&[0; 39]).is_err());
        assert_eq!(StoredRow::garbage_from(&[0; 39]), UnixTime::NEVER);
        assert!(TicketRow::decode(b"short").is_none());
    }
}
