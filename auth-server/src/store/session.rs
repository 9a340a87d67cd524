use std::time::Duration;

use resource_server::time::UnixTime;
use sqlx::Row as _;

use super::{Store, StoreError};
use crate::config::SignInLifetimes;
use crate::secret::Digest;

/// The state of a sign-in session, as JSON, and what is looked for in it.
#[derive(Debug)]
pub(crate) struct StoredSession {
    pub(crate) state: String,
    pub(crate) owner: Option<SessionOwner>,
}

/// Who is signed in by a session.
#[derive(Debug)]
pub(crate) struct SessionOwner {
    pub(crate) sid: String,
    pub(crate) user_id: String,
    pub(crate) auth_time: UnixTime,
}

impl Store {
    /// Finds a live session and counts this as a use of it.
    pub(crate) async fn use_session(
        &self,
        key: &Digest,
        lifetimes: SignInLifetimes,
        now: UnixTime,
    ) -> Result<Option<String>, StoreError> {
        let row = sqlx::query(
            "SELECT state, idle_ends, absolute_ends FROM sign_in_session WHERE key_digest = ? AND idle_ends > ?",
        )
        .bind(key.as_bytes())
        .bind(now.as_secs())
        .fetch_optional(&self.reader)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let idle_ends = UnixTime::from_secs(row.try_get("idle_ends")?);
        let absolute_ends = UnixTime::from_secs(row.try_get("absolute_ends")?);
        let slid = (now + lifetimes.idle).min(absolute_ends);
        if slid.since(idle_ends) >= slide_step(lifetimes.idle) {
            // Conditional on its being live: a session that ended in between stays ended.
            sqlx::query("UPDATE sign_in_session SET idle_ends = ?1 WHERE key_digest = ?2 AND idle_ends > ?3")
                .bind(slid.as_secs())
                .bind(key.as_bytes())
                .bind(now.as_secs())
                .execute(&self.writer)
                .await?;
        }
        Ok(Some(row.try_get("state")?))
    }

    /// Stores a session. That of a user who was disabled since the password was judged is not stored: its key is worth
    /// nothing.
    pub(crate) async fn add_session(
        &self,
        key: &Digest,
        session: &StoredSession,
        lifetimes: SignInLifetimes,
        now: UnixTime,
    ) -> Result<(), StoreError> {
        let absolute_ends = now + lifetimes.absolute;
        let idle_ends = (now + lifetimes.idle).min(absolute_ends);
        sqlx::query(
            "INSERT INTO sign_in_session (key_digest, sid, state, idle_ends, absolute_ends, user_id, auth_time)
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7
             WHERE ?6 IS NULL OR EXISTS (SELECT 1 FROM user WHERE id = ?6 AND disabled_at IS NULL)",
        )
        .bind(key.as_bytes())
        .bind(session.owner.as_ref().map(|owner| &owner.sid))
        .bind(&session.state)
        .bind(idle_ends.as_secs())
        .bind(absolute_ends.as_secs())
        .bind(session.owner.as_ref().map(|owner| &owner.user_id))
        .bind(session.owner.as_ref().map(|owner| owner.auth_time.as_secs()))
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// Replaces the state of a live session. One that has ended is not written again: `false`.
    pub(crate) async fn replace_session(
        &self,
        key: &Digest,
        session: &StoredSession,
        now: UnixTime,
    ) -> Result<bool, StoreError> {
        let replaced = sqlx::query(
            "UPDATE sign_in_session SET sid = ?1, state = ?2, user_id = ?5, auth_time = ?6
             WHERE key_digest = ?3 AND idle_ends > ?4",
        )
        .bind(session.owner.as_ref().map(|owner| &owner.sid))
        .bind(&session.state)
        .bind(key.as_bytes())
        .bind(now.as_secs())
        .bind(session.owner.as_ref().map(|owner| &owner.user_id))
        .bind(session.owner.as_ref().map(|owner| owner.auth_time.as_secs()))
        .execute(&self.writer)
        .await?;
        Ok(replaced.rows_affected() == 1)
    }

    /// Ends a session; ending it twice is not an error.
    pub(crate) async fn end_session(&self, key: &Digest) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM sign_in_session WHERE key_digest = ?")
            .bind(key.as_bytes())
            .execute(&self.writer)
            .await?;
        Ok(())
    }
}

/// A use is written down at most this often, so that a busy browser does not cause a write with every request.
fn slide_step(idle: Duration) -> Duration {
    (idle / 10).min(Duration::from_secs(60))
}
