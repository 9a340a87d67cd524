use std::time::Duration;

use resource_server::time::UnixTime;
use sqlx::Row as _;

use super::code::insert_code;
use super::db::{Transaction, hold_sid};
use super::family::end_session_and_grants;
use super::{CredentialsVersion, Store, StoreError, outbox};
use crate::config::SignInLifetimes;
use crate::grant::code::NewCode;
use crate::grant::family::EndReason;
use crate::secret::Digest;

/// How long the key that a sign-in replaced still opens what it opened before: requests of the same browser are on
/// their way with the former cookie.
const FORMER_KEY_LIVES: Duration = Duration::from_secs(10);

/// The state of a sign-in session, as JSON, and what is looked for in it.
#[derive(Debug)]
pub(crate) struct StoredSession {
    pub(crate) state: String,
    pub(crate) owner: SessionOwner,
}

/// Who is signed in by a session.
#[derive(Debug)]
pub(crate) struct SessionOwner {
    pub(crate) sid: String,
    pub(crate) user_id: String,
    pub(crate) auth_time: UnixTime,
}

/// A right password, as it is written down.
#[derive(Debug)]
pub(crate) struct NewSignIn<'s> {
    /// What the browser's new cookie is known by.
    pub(crate) key: &'s Digest,
    pub(crate) session: StoredSession,
    /// What the password was judged by.
    pub(crate) credentials: CredentialsVersion,
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

/// How writing a sign-in down turned out.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum SignInStored {
    /// The session has this `sid`.
    Now(String),
    /// The user was disabled since the password was judged, or is gone; nothing was changed.
    UserDisabled,
    /// The password was changed since it was judged; nothing was changed.
    PasswordChanged,
    /// The pushed request that the code is for was answered, or ran out; nothing was changed.
    RequestGone,
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
            "SELECT state, idle_ends, absolute_ends FROM sign_in_session WHERE key_digest = $1 AND idle_ends > $2",
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
            // Conditional on its being live: a session that ended in between stays ended, and a key that was replaced in
            // between keeps its short life.
            sqlx::query(
                "UPDATE sign_in_session SET idle_ends = CASE WHEN absolute_ends < $1 THEN absolute_ends ELSE $1 END
                 WHERE key_digest = $2 AND idle_ends > $3",
            )
                .bind(slid.as_secs())
                .bind(key.as_bytes())
                .bind(now.as_secs())
                .execute(&self.writer)
                .await?;
        }
        Ok(Some(row.try_get("state")?))
    }

    /// Writes down a sign-in in one step: the former session goes on or ends, the browser has its new key, the client
    /// its code. No `sid` that was ended comes back, however the sign-out and the password met. For a user who was
    /// disabled, or got another password, since the password was judged, nothing of this is done.
    pub(crate) async fn sign_in(
        &self,
        sign_in: NewSignIn<'_>,
        lifetimes: SignInLifetimes,
        now: UnixTime,
    ) -> Result<SignInStored, StoreError> {
        let mut transaction = self.begin().await?;
        let (user_id, credentials) = (&sign_in.session.owner.user_id, sign_in.credentials);
        if !hold_user(&mut transaction, user_id, credentials).await? {
            let overtaken = overtaken_by(&mut transaction, user_id).await?;
            transaction.rollback().await?;
            return Ok(overtaken);
        }
        let session = match sign_in.former {
            Some(FormerSession::OfSameUser(key, going_on)) => {
                hold_sid(&mut transaction, &going_on.owner.sid).await?;
                let is_live = retire_key(&mut transaction, key, now).await?;
                if is_live {
                    outbox::keep_noted(&mut transaction, &going_on.owner.sid, now + lifetimes.absolute)
                        .await?;
                    going_on
                } else {
                    sign_in.session
                }
            }
            Some(FormerSession::OfAnotherUser(sid)) => {
                end_session_and_grants(&mut transaction, sid, EndReason::SignedOut, now).await?;
                sign_in.session
            }
            None => sign_in.session,
        };
        insert_session(&mut transaction, sign_in.key, &session, lifetimes, now).await?;
        let sid = session.owner.sid;
        if let Some(mut code) = sign_in.code {
            code.sid.clone_from(&sid);
            if !insert_code(&mut transaction, &code, now).await? {
                transaction.rollback().await?;
                return Ok(SignInStored::RequestGone);
            }
        }
        transaction.commit().await?;
        Ok(SignInStored::Now(sid))
    }

    /// Ends a session; ending it twice is not an error.
    pub(crate) async fn end_session(&self, key: &Digest) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM sign_in_session WHERE key_digest = $1")
            .bind(key.as_bytes())
            .execute(&self.writer)
            .await?;
        Ok(())
    }
}

/// Whether the password that was judged is still the one of a user who may sign in. If it is, it stays so until the end of
/// the transaction: who changes either waits for it, and then finds the session to end. An update that changes nothing is
/// what both databases have for that.
async fn hold_user(
    transaction: &mut Transaction,
    user_id: &str,
    credentials: CredentialsVersion,
) -> Result<bool, StoreError> {
    let held = sqlx::query(
        "UPDATE \"user\" SET credentials_version = credentials_version
         WHERE id = $1 AND disabled_at IS NULL AND credentials_version = $2",
    )
    .bind(user_id)
    .bind(credentials.as_stored())
    .execute(&mut **transaction)
    .await?;
    Ok(held.rows_affected() == 1)
}

async fn insert_session(
    transaction: &mut Transaction,
    key: &Digest,
    session: &StoredSession,
    lifetimes: SignInLifetimes,
    now: UnixTime,
) -> Result<(), StoreError> {
    let absolute_ends = now + lifetimes.absolute;
    let idle_ends = (now + lifetimes.idle).min(absolute_ends);
    sqlx::query(
        "INSERT INTO sign_in_session (key_digest, sid, state, idle_ends, absolute_ends, user_id, auth_time)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(key.as_bytes())
    .bind(&session.owner.sid)
    .bind(&session.state)
    .bind(idle_ends.as_secs())
    .bind(absolute_ends.as_secs())
    .bind(&session.owner.user_id)
    .bind(session.owner.auth_time.as_secs())
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// What a sign-in was too late for.
async fn overtaken_by(transaction: &mut Transaction, user_id: &str) -> Result<SignInStored, StoreError> {
    let enabled = sqlx::query("SELECT 1 FROM \"user\" WHERE id = $1 AND disabled_at IS NULL")
        .bind(user_id)
        .fetch_optional(&mut **transaction)
        .await?;
    Ok(match enabled {
        Some(_) => SignInStored::PasswordChanged,
        None => SignInStored::UserDisabled,
    })
}

/// Shortens the life of a replaced key; `false` when it is over already, and with it the session.
async fn retire_key(transaction: &mut Transaction, key: &Digest, now: UnixTime) -> Result<bool, StoreError> {
    let retired = sqlx::query(
        "UPDATE sign_in_session SET idle_ends = CASE WHEN idle_ends < $1 THEN idle_ends ELSE $1 END,
            absolute_ends = CASE WHEN absolute_ends < $1 THEN absolute_ends ELSE $1 END
         WHERE key_digest = $2 AND idle_ends > $3",
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
