//! Who is to hear that a sign-in has ended.
//!
//! A client that exchanges a code is noted beside the sign-in. The transaction that ends the sign-in, whoever wants it,
//! moves these notes to the outbox: an end that is committed is told, even if this process dies the moment after.

use resource_server::time::UnixTime;
use sqlx::{AssertSqlSafe, Row as _};

use super::db::Transaction;
use super::{Store, StoreError};

/// Rows deleted by one statement, so that the write lock is never held for long.
const BATCH: i64 = 500;

/// One client that is to hear of one end. Whoever holds this has claimed an attempt at telling it.
#[derive(Debug)]
pub(crate) struct Notification {
    pub(crate) sid: String,
    pub(crate) client_id: String,
    pub(crate) user_id: String,
    pub(crate) queued_at: UnixTime,
    /// This one included.
    pub(crate) attempts: u32,
}

/// What waits for one client.
#[derive(Debug)]
pub(crate) struct Backlog {
    pub(crate) client_id: String,
    pub(crate) waiting: u64,
    pub(crate) oldest: UnixTime,
}

/// Notes that a client has been told of a sign-in and is to hear of its end.
pub(super) async fn note_client(
    transaction: &mut Transaction,
    sid: &str,
    client_id: &str,
    user_id: &str,
    ends_at: UnixTime,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO session_client (sid, client_id, user_id, ends_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (sid, client_id) DO UPDATE SET ends_at = excluded.ends_at
         WHERE session_client.ends_at < excluded.ends_at",
    )
    .bind(sid)
    .bind(client_id)
    .bind(user_id)
    .bind(ends_at.as_secs())
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Keeps what is noted of a sign-in that goes on for longer.
pub(super) async fn keep_noted(
    transaction: &mut Transaction,
    sid: &str,
    ends_at: UnixTime,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE session_client SET ends_at = $1 WHERE sid = $2 AND ends_at < $1")
        .bind(ends_at.as_secs())
        .bind(sid)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

/// Moves to the outbox whoever was told of a sign-in, or one of them. To be called once no code of it can be exchanged any
/// more: a client noted afterwards would never hear.
pub(super) async fn queue(
    transaction: &mut Transaction,
    sid: &str,
    only_client: Option<&str>,
    now: UnixTime,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO logout_outbox (sid, client_id, user_id, queued_at, attempts, due_at)
         SELECT sid, client_id, user_id, $1, 0, $1 FROM session_client
         WHERE sid = $2 AND ($3 IS NULL OR client_id = $3) ORDER BY client_id
         ON CONFLICT (sid, client_id) DO NOTHING",
    )
    .bind(now.as_secs())
    .bind(sid)
    .bind(only_client)
    .execute(&mut **transaction)
    .await?;
    sqlx::query("DELETE FROM session_client WHERE sid = $1 AND ($2 IS NULL OR client_id = $2)")
        .bind(sid)
        .bind(only_client)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

impl Store {
    /// The clients for which something is due, those that have waited for longest first. A look: it writes nothing.
    pub(crate) async fn clients_to_notify(&self, now: UnixTime) -> Result<Vec<String>, StoreError> {
        let clients = sqlx::query_scalar(
            "SELECT client_id FROM logout_outbox WHERE due_at <= $1 GROUP BY client_id ORDER BY min(due_at)",
        )
        .bind(now.as_secs())
        .fetch_all(&self.reader)
        .await?;
        Ok(clients)
    }

    /// Claims attempts at what is due for a client. Of several nodes that ask at once each gets others. What is neither
    /// removed nor postponed until then is due again: its node has died.
    pub(crate) async fn claim_notifications(
        &self,
        client_id: &str,
        at_most: u32,
        now: UnixTime,
        until: UnixTime,
    ) -> Result<Vec<Notification>, StoreError> {
        let skip_locked = self.backend.skip_locked();
        let claim = format!(
            "WITH due AS (
                SELECT sid FROM logout_outbox WHERE client_id = $2 AND due_at <= $3
                ORDER BY due_at LIMIT $4{skip_locked})
             UPDATE logout_outbox SET attempts = attempts + 1, due_at = $1
             WHERE client_id = $2 AND due_at <= $3 AND sid IN (SELECT sid FROM due)
             RETURNING sid, user_id, queued_at, attempts"
        );
        let rows = sqlx::query(AssertSqlSafe(claim))
            .bind(until.as_secs())
            .bind(client_id)
            .bind(now.as_secs())
            .bind(i64::from(at_most))
            .fetch_all(&self.writer)
            .await?;
        rows.into_iter()
            .map(|row| {
                let attempts: i64 = row.try_get("attempts")?;
                Ok(Notification {
                    sid: row.try_get("sid")?,
                    client_id: client_id.to_owned(),
                    user_id: row.try_get("user_id")?,
                    queued_at: UnixTime::from_secs(row.try_get("queued_at")?),
                    attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
                })
            })
            .collect()
    }

    /// Removes a notification: it was taken, or is given up.
    pub(crate) async fn remove_notification(&self, notification: &Notification) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM logout_outbox WHERE sid = $1 AND client_id = $2")
            .bind(&notification.sid)
            .bind(&notification.client_id)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Says when a notification is tried again, unless another attempt has been claimed meanwhile.
    pub(crate) async fn postpone_notification(
        &self,
        notification: &Notification,
        due_at: UnixTime,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE logout_outbox SET due_at = $1 WHERE sid = $2 AND client_id = $3 AND attempts = $4",
        )
        .bind(due_at.as_secs())
        .bind(&notification.sid)
        .bind(&notification.client_id)
        .bind(i64::from(notification.attempts))
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// What waits, by client.
    pub(crate) async fn logout_backlogs(&self) -> Result<Vec<Backlog>, StoreError> {
        let rows = sqlx::query(
            "SELECT client_id, count(*) AS waiting, min(queued_at) AS oldest FROM logout_outbox
             GROUP BY client_id ORDER BY client_id",
        )
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter()
            .map(|row| {
                let waiting: i64 = row.try_get("waiting")?;
                Ok(Backlog {
                    client_id: row.try_get("client_id")?,
                    waiting: waiting.unsigned_abs(),
                    oldest: UnixTime::from_secs(row.try_get("oldest")?),
                })
            })
            .collect()
    }

    /// Removes a client's notifications of ends that are so long ago; says how many those were.
    pub(crate) async fn drop_notifications(
        &self,
        client_id: &str,
        long_ago: UnixTime,
    ) -> Result<u64, StoreError> {
        let dropped = sqlx::query("DELETE FROM logout_outbox WHERE client_id = $1 AND queued_at <= $2")
            .bind(client_id)
            .bind(long_ago.as_secs())
            .execute(&self.writer)
            .await?;
        Ok(dropped.rows_affected())
    }

    /// Leaves a client's newest notifications and removes the others; says how many those were.
    pub(crate) async fn trim_notifications(&self, client_id: &str, kept: u32) -> Result<u64, StoreError> {
        let mut removed = 0;
        loop {
            let deleted = sqlx::query(
                "DELETE FROM logout_outbox WHERE client_id = $1 AND sid IN (
                    SELECT sid FROM logout_outbox WHERE client_id = $1
                    ORDER BY queued_at DESC, sid LIMIT $2 OFFSET $3)",
            )
            .bind(client_id)
            .bind(BATCH)
            .bind(i64::from(kept))
            .execute(&self.writer)
            .await?;
            removed += deleted.rows_affected();
            if deleted.rows_affected() < BATCH.unsigned_abs() {
                return Ok(removed);
            }
        }
    }
}
