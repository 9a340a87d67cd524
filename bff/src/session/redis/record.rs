//! How a session's record is read from what Redis answers.

use deadpool_redis::redis::{FromRedisValue, Value};
use resource_server::time::UnixTime;

use crate::session::lifetime::Times;
use crate::session::store::{Outline, Revision, Sealed, StoreError, Stored};

/// The order in which scripts answer with a session.
pub(super) const FIELDS: [&str; 6] = ["rev", "created", "used", "ends", "sealed", "summary"];
/// Those that a list shows.
pub(super) const OUTLINE_FIELDS: [&str; 4] = ["created", "used", "ends", "summary"];
type Fields = (u64, i64, i64, i64, Vec<u8>, Vec<u8>);

pub(super) fn stored(value: Value) -> Result<Stored, StoreError> {
    let (revision, created_at, last_used_at, ends_at, sealed, summary) =
        Fields::from_redis_value(value).map_err(unreadable)?;
    Ok(Stored {
        revision: Revision(revision),
        times: times(created_at, last_used_at, ends_at),
        sealed: Sealed(sealed),
        summary: Sealed(summary),
    })
}

pub(super) fn outline(value: Value) -> Result<Outline, StoreError> {
    let (created_at, last_used_at, ends_at, summary): (i64, i64, i64, Vec<u8>) =
        FromRedisValue::from_redis_value(value).map_err(unreadable)?;
    Ok(Outline {
        times: times(created_at, last_used_at, ends_at),
        summary: Sealed(summary),
    })
}

const fn times(created_at: i64, last_used_at: i64, ends_at: i64) -> Times {
    Times {
        created_at: UnixTime::from_secs(created_at),
        last_used_at: UnixTime::from_secs(last_used_at),
        ends_at: UnixTime::from_secs(ends_at),
    }
}

pub(super) fn unreadable(error: impl Into<anyhow::Error>) -> StoreError {
    StoreError::Unreadable(error.into())
}
