//! The tables of one write transaction, and what is swept out of them.
//!
//! Whatever may be forgotten one day stands in the expiry index under exactly that second, and everything that moves the
//! second moves the entry in the same transaction. So a sweep costs what it removes, however many sessions there are.

use std::time::Duration;

use redb::{MultimapTable, ReadableTable, Table, WriteTransaction};
use resource_server::time::UnixTime;

use super::layout::{EXPIRIES, INDEXES, Kind, LOGOUTS, MARKS, Row, SESSIONS, TICKETS, TicketRow};
use crate::session::index::IndexKey;
use crate::session::store::{Claimed, Created, Mark, NewSession};
use crate::session::{RecordKey, SessionKey};

/// When a row that this version cannot read is looked at again; the version that wrote it may be back by then.
const UNREADABLE_AGAIN: Duration = Duration::from_secs(24 * 3600);

pub(super) struct Tables<'t> {
    pub(super) sessions: Table<'t, &'static str, &'static [u8]>,
    tickets: Table<'t, &'static str, &'static [u8]>,
    indexes: MultimapTable<'t, &'static str, &'static str>,
    marks: Table<'t, &'static str, i64>,
    logouts: Table<'t, &'static str, (i64, i64)>,
    expiries: Table<'t, (i64, u8, &'static str), ()>,
}

/// What a sweep did.
pub(super) struct Swept {
    /// Whether there is more to remove.
    pub(super) is_more: bool,
    /// How many sessions it removed.
    pub(super) sessions: u64,
}

impl<'t> Tables<'t> {
    pub(super) fn open(transaction: &'t WriteTransaction) -> Result<Self, redb::Error> {
        Ok(Self {
            sessions: transaction.open_table(SESSIONS)?,
            tickets: transaction.open_table(TICKETS)?,
            indexes: transaction.open_multimap_table(INDEXES)?,
            marks: transaction.open_table(MARKS)?,
            logouts: transaction.open_table(LOGOUTS)?,
            expiries: transaction.open_table(EXPIRIES)?,
        })
    }

    pub(super) fn session(&self, key: &SessionKey) -> Result<Option<Vec<u8>>, redb::Error> {
        Ok(self.sessions.get(key.as_str())?.map(|row| row.value().to_vec()))
    }

    /// Adds a session with all that leads to it.
    pub(super) fn add(&mut self, new: NewSession) -> Result<Created, redb::Error> {
        let key = new.key.as_str();
        if self.sessions.get(key)?.is_some() {
            return Ok(Created::KeyTaken);
        }
        for index in new.owner.indexes() {
            self.indexes.insert(index.as_str(), key)?;
        }
        let forgotten_from = new.stored.times.forgotten_from();
        let row = Row {
            stored: new.stored,
            garbage_from: new.garbage_from,
            unanswered: 0,
            owner: new.owner,
        };
        self.sessions.insert(key, row.encode().as_slice())?;
        self.file(new.garbage_from, Kind::Session, key)?;
        let ticket = TicketRow::encode(&new.key, forgotten_from);
        self.tickets.insert(new.ticket.as_str(), ticket.as_slice())?;
        self.file(forgotten_from, Kind::Ticket, new.ticket.as_str())?;
        Ok(Created::Now)
    }

    /// Writes a use down, unless a later one was already.
    pub(super) fn touch(
        &mut self,
        key: &SessionKey,
        mut row: Row,
        last_used_at: UnixTime,
        garbage_from: UnixTime,
    ) -> Result<(), redb::Error> {
        if row.stored.times.last_used_at >= last_used_at {
            return Ok(());
        }
        row.stored.times.last_used_at = last_used_at;
        if garbage_from > row.garbage_from {
            self.unfile(row.garbage_from, Kind::Session, key.as_str())?;
            self.file(garbage_from, Kind::Session, key.as_str())?;
            row.garbage_from = garbage_from;
        }
        self.sessions.insert(key.as_str(), row.encode().as_slice())?;
        Ok(())
    }

    /// Removes a session together with the indexes that lead to it. Its ticket stays until it is dropped or over, and
    /// leads to nothing.
    pub(super) fn remove(&mut self, key: &SessionKey, row: &Row) -> Result<(), redb::Error> {
        for index in row.owner.indexes() {
            self.indexes.remove(index.as_str(), key.as_str())?;
        }
        self.sessions.remove(key.as_str())?;
        self.unfile(row.garbage_from, Kind::Session, key.as_str())
    }

    pub(super) fn drop_ticket(&mut self, ticket: &RecordKey) -> Result<(), redb::Error> {
        let dropped = self.tickets.remove(ticket.as_str())?;
        let garbage_from = dropped.and_then(|row| TicketRow::decode(row.value()).map(|(_, from)| from));
        match garbage_from {
            Some(from) => self.unfile(from, Kind::Ticket, ticket.as_str()),
            None => Ok(()),
        }
    }

    pub(super) fn claim(&mut self, mark: &Mark, until: UnixTime) -> Result<Claimed, redb::Error> {
        if self.marks.get(mark.0.as_str())?.is_some() {
            return Ok(Claimed::Before);
        }
        self.marks.insert(mark.0.as_str(), until.as_secs())?;
        self.file(until, Kind::Mark, &mark.0)?;
        Ok(Claimed::First)
    }

    /// Notes a logout by the provider, unless a later one was noted already.
    pub(super) fn note_logout(
        &mut self,
        index: &IndexKey,
        at: UnixTime,
        until: UnixTime,
    ) -> Result<(), redb::Error> {
        let name = index.as_str();
        let noted = self.logouts.get(name)?.map(|noted| noted.value());
        if let Some((noted_at, noted_until)) = noted {
            if noted_at >= at.as_secs() {
                return Ok(());
            }
            self.unfile(UnixTime::from_secs(noted_until), Kind::Logout, name)?;
        }
        self.logouts.insert(name, (at.as_secs(), until.as_secs()))?;
        self.file(until, Kind::Logout, name)
    }

    /// Removes what is over, at most `limit` of it.
    pub(super) fn sweep(&mut self, now: UnixTime, limit: usize) -> Result<Swept, redb::Error> {
        let after = (now.as_secs().saturating_add(1), 0, "");
        let mut over = Vec::new();
        for entry in self.expiries.range(..after)?.take(limit) {
            let (key, ()) = entry.map(|(key, value)| (key, value.value()))?;
            let (instant, number, name) = key.value();
            over.push((instant, number, name.to_owned()));
        }
        let mut sessions = 0;
        for (instant, number, name) in &over {
            self.expiries.remove((*instant, *number, name.as_str()))?;
            match Kind::of(*number) {
                Some(Kind::Session) => sessions += u64::from(self.sweep_session(name, now)?),
                Some(Kind::Ticket) => drop(self.tickets.remove(name.as_str())?),
                Some(Kind::Mark) => drop(self.marks.remove(name.as_str())?),
                Some(Kind::Logout) => drop(self.logouts.remove(name.as_str())?),
                None => self.file_as(now + UNREADABLE_AGAIN, *number, name)?,
            }
        }
        Ok(Swept {
            is_more: over.len() == limit,
            sessions,
        })
    }

    /// Whether there was one.
    fn sweep_session(&mut self, name: &str, now: UnixTime) -> Result<bool, redb::Error> {
        let Some(key) = SessionKey::parse(name) else {
            return Ok(false);
        };
        match self.session(&key)?.map(|bytes| Row::decode(&bytes)) {
            Some(Ok(row)) => self.remove(&key, &row).map(|()| true),
            Some(Err(_)) => self
                .file(now + UNREADABLE_AGAIN, Kind::Session, name)
                .map(|()| false),
            None => Ok(false),
        }
    }

    fn file(&mut self, instant: UnixTime, kind: Kind, name: &str) -> Result<(), redb::Error> {
        self.file_as(instant, kind.number(), name)
    }

    fn file_as(&mut self, instant: UnixTime, number: u8, name: &str) -> Result<(), redb::Error> {
        self.expiries.insert((instant.as_secs(), number, name), ())?;
        Ok(())
    }

    fn unfile(&mut self, instant: UnixTime, kind: Kind, name: &str) -> Result<(), redb::Error> {
        self.expiries.remove((instant.as_secs(), kind.number(), name))?;
        Ok(())
    }
}
