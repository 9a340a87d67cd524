use std::sync::LazyLock;

use resource_server::time::UnixTime;
use sqlx::{AssertSqlSafe, Row as _};

use super::db::{Row, Transaction, hold_sid};
use super::status::{Draw, free_place};
use super::{Store, StoreError, outbox};
use crate::grant::claims::AskedClaims;
use crate::grant::code::RedeemedCode;
use crate::grant::family::{EndReason, Family};
use crate::grant::refresh_token::FamilyId;
use crate::grant::status::StatusIndex;
use crate::grant::target::Named;
use crate::secret::Digest;

/// A family as it begins.
#[derive(Debug)]
pub(crate) struct NewFamily {
    /// The digest of the first refresh token; `None` when none is issued.
    pub(crate) refresh_token: Option<Digest>,
    pub(crate) idle_ends: UnixTime,
    pub(crate) absolute_ends: UnixTime,
    /// Until when the client is to hear of the end of the sign-in; `None` when it never is.
    pub(crate) hears_until: Option<UnixTime>,
}

/// What [`family_of`] reads.
pub(super) const COLUMNS: &str = "client_id, user_id, sid, scope, auth_time, current_digest, previous_digest,
    sealed_successor, rotated_at, idle_ends, absolute_ends, ended_at, resources, claims,
    status_index";

/// Whether what an access token was made from still stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum GrantState {
    /// It does.
    Live,
    /// It was revoked, its user signed out, or its user or client is disabled.
    Ended,
}

static INSERT: LazyLock<String> = LazyLock::new(|| {
    format!(
        "INSERT INTO family (id, handle, client_id, user_id, sid, scope, auth_time, generation, current_digest,
            idle_ends, absolute_ends, resources, claims, status_index)
         SELECT $1, $2, $3, $4, $5, $6, $7, 1, $8, $9, $10, $11, $12, free.status_index FROM ({}) AS free WHERE true
         ON CONFLICT (status_index) DO NOTHING RETURNING status_index",
        free_place(13)
    )
});

/// Stores a family at a place in the status lists that is drawn for it.
pub(super) async fn insert_family(
    transaction: &mut Transaction,
    id: FamilyId,
    family: &NewFamily,
    client_id: &str,
    redeemed: &RedeemedCode,
) -> Result<StatusIndex, StoreError> {
    for draw in Draw::sequence() {
        let inserted = insert_family_at(transaction, id, family, client_id, redeemed, draw).await?;
        if let Some(index) = inserted {
            return Ok(index);
        }
    }
    Err(StoreError::Crowded)
}

/// The same, in one draw; `None` when all that it tries is taken, or was in this moment.
pub(super) async fn insert_family_at(
    transaction: &mut Transaction,
    id: FamilyId,
    family: &NewFamily,
    client_id: &str,
    redeemed: &RedeemedCode,
    draw: Draw,
) -> Result<Option<StatusIndex>, StoreError> {
    let handle = id.handle();
    let query = sqlx::query(AssertSqlSafe(INSERT.as_str()))
        .bind(id.as_bytes())
        .bind(handle.as_slice())
        .bind(client_id)
        .bind(&redeemed.user_id)
        .bind(&redeemed.sid)
        .bind(&redeemed.scope)
        .bind(redeemed.auth_time.as_secs())
        .bind(family.refresh_token.as_ref().map(Digest::as_bytes))
        .bind(family.idle_ends.min(family.absolute_ends).as_secs())
        .bind(family.absolute_ends.as_secs())
        .bind(redeemed.resources.to_string())
        .bind(redeemed.claims.to_string());
    let inserted = draw.bind(query).fetch_optional(&mut **transaction).await?;
    inserted
        .map(|row| {
            let index = StatusIndex::from_stored(row.try_get("status_index")?);
            index.ok_or(StoreError::Damaged("status index"))
        })
        .transpose()
}

/// Ends everything that came from a sign-in session, whoever wants it: its families, the codes still on their way, and
/// the session itself. Who ends several does it in the order of the `sid`s.
pub(super) async fn end_session_and_grants(
    transaction: &mut Transaction,
    sid: &str,
    reason: EndReason,
    now: UnixTime,
) -> Result<(), StoreError> {
    end_grants(transaction, sid, None, reason, now).await?;
    sqlx::query("DELETE FROM sign_in_session WHERE sid = $1")
        .bind(sid)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

/// Ends the grants of a sign-in session, or only those of one client, has the clients told, and says whether there were
/// any: the codes first, since one that is exchanged at this moment becomes a family.
pub(super) async fn end_grants(
    transaction: &mut Transaction,
    sid: &str,
    only_client: Option<&str>,
    reason: EndReason,
    now: UnixTime,
) -> Result<bool, StoreError> {
    hold_sid(transaction, sid).await?;
    let ended = end_rows(transaction, sid, only_client, reason, now).await?;
    outbox::queue(transaction, sid, only_client, now).await?;
    Ok(ended.codes + ended.families > 0)
}

/// How much was ended.
#[derive(Debug)]
pub(super) struct EndedRows {
    codes: u64,
    pub(super) families: u64,
}

/// As above, for who holds the `sid`; nobody is told.
pub(super) async fn end_rows(
    transaction: &mut Transaction,
    sid: &str,
    only_client: Option<&str>,
    reason: EndReason,
    now: UnixTime,
) -> Result<EndedRows, StoreError> {
    let codes = sqlx::query(
        "UPDATE authorization_code SET used_at = $1
         WHERE sid = $2 AND ($3 IS NULL OR client_id = $3) AND used_at IS NULL",
    )
    .bind(now.as_secs())
    .bind(sid)
    .bind(only_client)
    .execute(&mut **transaction)
    .await?;
    let families = sqlx::query(
        "UPDATE family SET ended_at = $1, end_reason = $4, idle_ends = CASE WHEN idle_ends < $1 THEN idle_ends ELSE $1 END
         WHERE sid = $2 AND ($3 IS NULL OR client_id = $3) AND ended_at IS NULL",
    )
    .bind(now.as_secs())
    .bind(sid)
    .bind(only_client)
    .bind(reason.as_str())
    .execute(&mut **transaction)
    .await?;
    Ok(EndedRows {
        codes: codes.rows_affected(),
        families: families.rows_affected(),
    })
}

impl Store {
    pub(crate) async fn family(&self, id: FamilyId) -> Result<Option<Family>, StoreError> {
        let query = format!("SELECT {COLUMNS} FROM family WHERE id = $1");
        let row = sqlx::query(AssertSqlSafe(query))
            .bind(id.as_bytes())
            .fetch_optional(&self.reader)
            .await?;
        row.map(|row| family_of(&row)).transpose()
    }

    /// Ends a family, and says whether it did: ending it twice keeps the first reason. Its idle time ends, too: sweeping
    /// looks at nothing else.
    pub(crate) async fn end_family(
        &self,
        id: FamilyId,
        reason: EndReason,
        now: UnixTime,
    ) -> Result<bool, StoreError> {
        let ended = sqlx::query(
            "UPDATE family SET ended_at = $1, end_reason = $2, idle_ends = CASE WHEN idle_ends < $1 THEN idle_ends ELSE $1 END
             WHERE id = $3 AND ended_at IS NULL",
        )
        .bind(now.as_secs())
        .bind(reason.as_str())
        .bind(id.as_bytes())
        .execute(&self.writer)
        .await?;
        Ok(ended.rows_affected() == 1)
    }

    /// Signs out: ends everything that came from a sign-in session.
    pub(crate) async fn end_sign_in(&self, sid: &str, now: UnixTime) -> Result<(), StoreError> {
        self.end_sign_ins(&[sid], EndReason::SignedOut, now).await
    }

    /// Ends what one client still holds of a sign-in session that is over, and says whether it held anything. While the
    /// session is live, in whichever browser, nothing is changed.
    pub(crate) async fn end_leftovers(
        &self,
        sid: &str,
        client_id: &str,
        now: UnixTime,
    ) -> Result<bool, StoreError> {
        let _turn = self.turn_of(sid).await?;
        let mut transaction = self.begin().await?;
        hold_sid(&mut transaction, sid).await?;
        let live = sqlx::query("SELECT 1 FROM sign_in_session WHERE sid = $1 AND idle_ends > $2")
            .bind(sid)
            .bind(now.as_secs())
            .fetch_optional(&mut *transaction)
            .await?;
        let held = if live.is_none() {
            end_grants(&mut transaction, sid, Some(client_id), EndReason::SignedOut, now).await?
        } else {
            false
        };
        transaction.commit().await?;
        Ok(held)
    }

    /// The claims that the request behind a token asked for by name; none when its grant is gone.
    pub(crate) async fn asked_claims(&self, handle: &[u8]) -> Result<AskedClaims, StoreError> {
        let stored: Option<String> = sqlx::query_scalar("SELECT claims FROM family WHERE handle = $1")
            .bind(handle)
            .fetch_optional(&self.reader)
            .await?;
        Ok(AskedClaims::from_stored(&stored.unwrap_or_default()))
    }

    /// Whether the grant behind a token stands. One that is unknown has been swept away after its end.
    pub(crate) async fn grant_state(&self, handle: &[u8]) -> Result<GrantState, StoreError> {
        let row = sqlx::query(
            "SELECT 1 FROM family WHERE handle = $1 AND ended_at IS NULL
                AND EXISTS (SELECT 1 FROM \"user\" WHERE id = family.user_id AND disabled_at IS NULL)
                AND NOT EXISTS (SELECT 1 FROM client WHERE id = family.client_id AND disabled_at IS NOT NULL)",
        )
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

pub(super) fn family_of(row: &Row) -> Result<Family, StoreError> {
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
    let status_index: Option<i64> = row.try_get("status_index")?;
    Ok(Family {
        client_id: row.try_get("client_id")?,
        user_id: row.try_get("user_id")?,
        sid: row.try_get("sid")?,
        scope: row.try_get("scope")?,
        resources: Named::from_stored(row.try_get("resources")?),
        claims: AskedClaims::from_stored(row.try_get("claims")?),
        auth_time: instant("auth_time")?,
        status_index: status_index.and_then(StatusIndex::from_stored),
        current: digest("current_digest")?,
        previous: digest("previous_digest")?,
        sealed_successor: row.try_get("sealed_successor")?,
        rotated_at: rotated_at.map(UnixTime::from_secs),
        idle_ends: instant("idle_ends")?,
        absolute_ends: instant("absolute_ends")?,
        has_ended: ended_at.is_some(),
    })
}
