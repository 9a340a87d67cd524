use resource_server::time::UnixTime;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, Sqlite, Transaction};

use super::{Store, StoreError};
use crate::grant::code::RedeemedCode;
use crate::grant::family::{EndReason, Family};
use crate::grant::refresh_token::{FamilyId, RefreshToken};
use crate::secret::Digest;

/// A family as it begins.
#[derive(Debug)]
pub(crate) struct NewFamily {
    /// The digest of the first refresh token; `None` when none is issued.
    pub(crate) refresh_token: Option<Digest>,
    pub(crate) idle_ends: UnixTime,
    pub(crate) absolute_ends: UnixTime,
}

/// One step of a family: from the presented token to the next.
#[derive(Debug)]
pub(crate) struct Rotation<'r> {
    pub(crate) presented: &'r RefreshToken,
    pub(crate) next: &'r RefreshToken,
    pub(crate) client_id: &'r str,
    pub(crate) idle_ends: UnixTime,
}

/// Whether what an access token was made from still stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum GrantState {
    /// It does.
    Live,
    /// It was revoked, or its user signed out.
    Ended,
}

pub(super) async fn insert_family(
    transaction: &mut Transaction<'_, Sqlite>,
    id: FamilyId,
    family: &NewFamily,
    client_id: &str,
    redeemed: &RedeemedCode,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO family (id, handle, client_id, user_id, sid, scope, auth_time, generation, current_digest,
            idle_ends, absolute_ends)
         VALUES (?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?)",
    )
    .bind(id.as_bytes())
    .bind(id.handle().as_slice())
    .bind(client_id)
    .bind(&redeemed.user_id)
    .bind(&redeemed.sid)
    .bind(&redeemed.scope)
    .bind(redeemed.auth_time.as_secs())
    .bind(family.refresh_token.as_ref().map(Digest::as_bytes))
    .bind(family.idle_ends.min(family.absolute_ends).as_secs())
    .bind(family.absolute_ends.as_secs())
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

impl Store {
    pub(crate) async fn family(&self, id: FamilyId) -> Result<Option<Family>, StoreError> {
        let row = sqlx::query(
            "SELECT client_id, user_id, sid, scope, auth_time, current_digest, previous_digest, sealed_successor,
                rotated_at, idle_ends, absolute_ends, ended_at
             FROM family WHERE id = ?",
        )
        .bind(id.as_bytes())
        .fetch_optional(&self.reader)
        .await?;
        row.map(|row| family_of(&row)).transpose()
    }

    /// Moves a family on by one generation if the presented token is the current one at this very moment; says
    /// whether it did. Of any number of simultaneous calls with one token, one moves.
    pub(crate) async fn rotate(&self, rotation: &Rotation<'_>, now: UnixTime) -> Result<bool, StoreError> {
        let rotated = sqlx::query(
            "UPDATE family SET generation = generation + 1, previous_digest = current_digest, current_digest = ?1,
                sealed_successor = ?2, rotated_at = ?3, idle_ends = min(?4, absolute_ends)
             WHERE id = ?5 AND client_id = ?6 AND current_digest = ?7 AND ended_at IS NULL AND idle_ends > ?3",
        )
        .bind(rotation.next.digest().as_bytes())
        .bind(rotation.presented.seal(rotation.next))
        .bind(now.as_secs())
        .bind(rotation.idle_ends.as_secs())
        .bind(rotation.presented.family().as_bytes())
        .bind(rotation.client_id)
        .bind(rotation.presented.digest().as_bytes())
        .execute(&self.writer)
        .await?;
        Ok(rotated.rows_affected() == 1)
    }

    /// Ends a family; ending it twice keeps the first reason. Its idle time ends, too: sweeping looks at nothing else.
    pub(crate) async fn end_family(
        &self,
        id: FamilyId,
        reason: EndReason,
        now: UnixTime,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE family SET ended_at = ?1, end_reason = ?2, idle_ends = min(idle_ends, ?1)
             WHERE id = ?3 AND ended_at IS NULL",
        )
        .bind(now.as_secs())
        .bind(reason.as_str())
        .bind(id.as_bytes())
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// Ends everything that came from a sign-in session: its families, the codes still on their way, the session.
    pub(crate) async fn end_sign_in(&self, sid: &str, now: UnixTime) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        end_sign_in_within(&mut transaction, sid, EndReason::SignedOut, now).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Whether the grant behind an access token stands. One that is unknown has been swept away after its end.
    pub(crate) async fn grant_state(&self, handle: &[u8]) -> Result<GrantState, StoreError> {
        let row = sqlx::query("SELECT 1 FROM family WHERE handle = ? AND ended_at IS NULL")
            .bind(handle)
            .fetch_optional(&self.reader)
            .await?;
        Ok(if row.is_some() {
            GrantState::Live
        } else {
            GrantState::Ended
        })
    }
}

/// The same within a larger step.
pub(super) async fn end_sign_in_within(
    transaction: &mut Transaction<'_, Sqlite>,
    sid: &str,
    reason: EndReason,
    now: UnixTime,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE family SET ended_at = ?1, end_reason = ?2, idle_ends = min(idle_ends, ?1)
         WHERE sid = ?3 AND ended_at IS NULL",
    )
    .bind(now.as_secs())
    .bind(reason.as_str())
    .bind(sid)
    .execute(&mut **transaction)
    .await?;
    sqlx::query("UPDATE authorization_code SET used_at = ? WHERE sid = ? AND used_at IS NULL")
        .bind(now.as_secs())
        .bind(sid)
        .execute(&mut **transaction)
        .await?;
    sqlx::query("DELETE FROM sign_in_session WHERE sid = ?")
        .bind(sid)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

fn family_of(row: &SqliteRow) -> Result<Family, StoreError> {
    let digest = |column: &str| -> Result<Option<Digest>, StoreError> {
        let bytes: Option<Vec<u8>> = row.try_get(column)?;
        bytes
            .map(|bytes| Digest::from_stored(&bytes).ok_or(StoreError::Damaged("refresh token")))
            .transpose()
    };
    let instant =
        |column: &str| -> Result<UnixTime, StoreError> { Ok(UnixTime::from_secs(row.try_get(column)?)) };
    let rotated_at: Option<i64> = row.try_get("rotated_at")?;
    let ended_at: Option<i64> = row.try_get("ended_at")?;
    Ok(Family {
        client_id: row.try_get("client_id")?,
        user_id: row.try_get("user_id")?,
        sid: row.try_get("sid")?,
        scope: row.try_get("scope")?,
        auth_time: instant("auth_time")?,
        current: digest("current_digest")?,
        previous: digest("previous_digest")?,
        sealed_successor: row.try_get("sealed_successor")?,
        rotated_at: rotated_at.map(UnixTime::from_secs),
        idle_ends: instant("idle_ends")?,
        absolute_ends: instant("absolute_ends")?,
        has_ended: ended_at.is_some(),
    })
}
