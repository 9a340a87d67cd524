//! What users see and change of their own sign-ins and passwords.

use resource_server::time::UnixTime;

use super::family::end_session_and_grants;
use super::live::live_sids_within;
use super::{CredentialsVersion, Store, StoreError};
use crate::grant::family::EndReason;

/// A password that its user changes.
#[derive(Debug)]
pub(crate) struct OwnPassword<'p> {
    pub(crate) user_id: &'p str,
    /// Which password the user has just proven to know.
    pub(crate) proven: CredentialsVersion,
    pub(crate) hash: &'p str,
}

/// What a change of the own password came to.
#[derive(Debug)]
pub(crate) struct PasswordChanged {
    /// Which password the user has now.
    pub(crate) credentials: CredentialsVersion,
    /// The `sid`s that ended by it.
    pub(crate) ended: Vec<String>,
}

impl Store {
    /// The states of a user's sessions in browsers, by `sid`.
    pub(crate) async fn session_states(
        &self,
        user_id: &str,
        now: UnixTime,
    ) -> Result<Vec<(String, String)>, StoreError> {
        let states = sqlx::query_as(
            "SELECT sid, state FROM sign_in_session WHERE user_id = $1 AND sid IS NOT NULL AND idle_ends > $2",
        )
        .bind(user_id)
        .bind(now.as_secs())
        .fetch_all(&self.reader)
        .await?;
        Ok(states)
    }

    /// Ends everything that a user is signed in by, perhaps but for one `sid`; gives what ended.
    pub(crate) async fn end_sign_ins_of(
        &self,
        user_id: &str,
        kept_sid: Option<&str>,
        now: UnixTime,
    ) -> Result<Vec<String>, StoreError> {
        self.end_all_of_user(user_id, kept_sid, EndReason::SignedOut, now)
            .await
    }

    /// Puts a password in the place of the one that was proven, and ends what was signed in with that, in one step.
    /// `None` when the user has another one by now: of several changes at once one happens.
    ///
    /// The sign-in that the change is made in ends as well: whoever copied its cookie may be signed in at clients by the
    /// same `sid`, and nothing tells these grants from the user's own.
    pub(crate) async fn change_own_password(
        &self,
        change: OwnPassword<'_>,
        now: UnixTime,
    ) -> Result<Option<PasswordChanged>, StoreError> {
        // The change and its ends are one step, which has to be short: a sign-in with very many grants loses most before.
        let held = live_sids_within(&mut *self.reader.acquire().await?, change.user_id, now).await?;
        for sid in &held {
            self.end_most_of_sid(sid, EndReason::PasswordChanged, now).await?;
        }
        let mut transaction = self.begin().await?;
        let version = sqlx::query_scalar(
            "UPDATE \"user\" SET password_hash = $1, credentials_version = credentials_version + 1
             WHERE id = $2 AND credentials_version = $3 AND disabled_at IS NULL
             RETURNING credentials_version",
        )
        .bind(change.hash)
        .bind(change.user_id)
        .bind(change.proven.as_stored())
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(version) = version else {
            transaction.rollback().await?;
            return Ok(None);
        };
        let ended = live_sids_within(&mut transaction, change.user_id, now).await?;
        for sid in &ended {
            end_session_and_grants(&mut transaction, sid, EndReason::PasswordChanged, now).await?;
        }
        transaction.commit().await?;
        Ok(Some(PasswordChanged {
            credentials: CredentialsVersion::from_stored(version),
            ended,
        }))
    }
}
