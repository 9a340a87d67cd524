use std::time::Duration;

use resource_server::time::UnixTime;
use sqlx::{Row as _, Sqlite, Transaction};

use super::code::insert_code;
use super::family::end_session_and_grants;
use super::{Store, StoreError};
use crate::config::SignInLifetimes;
use crate::grant::code::NewCode;
use crate::secret::Digest;

/// How long the key that a sign-in replaced still opens what it opened before: requests of the same browser are on
/// their way with the former cookie.
const FORMER_KEY_LIVES: Duration = Duration::from_secs(10);

/// The state of a sign-in session, as JSON, and the `sid` in it.
#[derive(Debug)]
pub(crate) struct StoredSession {
    pub(crate) state: String,
    pub(crate) sid: String,
}

/// A right password, as it is written down.
#[derive(Debug)]
pub(crate) struct NewSignIn<'s> {
    /// What the browser's new cookie is known by.
    pub(crate) key: &'s Digest,
    pub(crate) session: StoredSession,
    /// What the browser had before.
    pub(crate) former: Option<FormerSession<'s>>,
    /// The code for the client that asked; it gets the `sid` that the session has in the end.
    pub(crate) code: Option<NewCode>,
}

/// The session that a browser had when somebody signed in there.
#[derive(Debug)]
pub(crate) enum FormerSession<'s> {
    /// The same user's: it goes on under the new key as this session, provided that it is live.
    OfSameUser(&'s Digest, StoredSession),
    /// Another user's, of this `sid`: it ends, and all that came from it.
    OfAnotherUser(&'s str),
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

    /// Writes down a sign-in in one step: the former session goes on or ends, the browser has its new key, the client
    /// its code. No `sid` that was ended comes back, however the sign-out and the password met.
    pub(crate) async fn sign_in(
        &self,
        sign_in: NewSignIn<'_>,
        lifetimes: SignInLifetimes,
        now: UnixTime,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let session = match sign_in.former {
            Some(FormerSession::OfSameUser(key, going_on)) => {
                let is_live = retire_key(&mut transaction, key, now).await?;
                if is_live { going_on } else { sign_in.session }
            }
            Some(FormerSession::OfAnotherUser(sid)) => {
                end_session_and_grants(&mut transaction, sid, now).await?;
                sign_in.session
            }
            None => sign_in.session,
        };
        let absolute_ends = now + lifetimes.absolute;
        let idle_ends = (now + lifetimes.idle).min(absolute_ends);
        sqlx::query(
            "INSERT INTO sign_in_session (key_digest, sid, state, idle_ends, absolute_ends) VALUES (?, ?, ?, ?, ?)",
        )
        .bind(sign_in.key.as_bytes())
        .bind(&session.sid)
        .bind(&session.state)
        .bind(idle_ends.as_secs())
        .bind(absolute_ends.as_secs())
        .execute(&mut *transaction)
        .await?;
        if let Some(mut code) = sign_in.code {
            code.sid = session.sid;
            insert_code(&mut transaction, &code).await?;
        }
        transaction.commit().await?;
        Ok(())
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

/// Shortens the life of a replaced key; `false` when it is over already, and with it the session.
async fn retire_key(
    transaction: &mut Transaction<'_, Sqlite>,
    key: &Digest,
    now: UnixTime,
) -> Result<bool, StoreError> {
    let retired = sqlx::query(
        "UPDATE sign_in_session SET idle_ends = min(idle_ends, ?1), absolute_ends = min(absolute_ends, ?1)
         WHERE key_digest = ?2 AND idle_ends > ?3",
    )
    .bind((now + FORMER_KEY_LIVES).as_secs())
    .bind(key.as_bytes())
    .bind(now.as_secs())
    .execute(&mut **transaction)
    .await?;
    Ok(retired.rows_affected() == 1)
}

/// A use is written down at most this often, so that a busy browser does not cause a write with every request.
fn slide_step(idle: Duration) -> Duration {
    (idle / 10).min(Duration::from_secs(60))
}
