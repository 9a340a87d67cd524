use resource_server::time::{Clock, UnixTime};
use sqlx::Row as _;

use super::db::{Query, Row, Transaction, hold_sid};
use super::family::insert_family;
use super::pushed::use_up;
use super::{NewFamily, Store, StoreError, outbox};
use crate::grant::claims::AskedClaims;
use crate::grant::code::{CodeClaim, NewCode, RedeemedCode};
use crate::grant::family::EndReason;
use crate::grant::pkce::CodeChallenge;
use crate::grant::refresh_token::FamilyId;
use crate::grant::status::StatusIndex;
use crate::grant::target::Named;

/// How exchanging a code turned out.
#[derive(Debug)]
#[must_use]
pub(crate) enum Redeemed<E> {
    /// This request, and no other, has it; the family is stored, at this place in the status lists.
    Now(RedeemedCode, StatusIndex),
    /// It is this request's, which does not fit what it stands for. Nothing was changed: it may come again.
    Unfit(E),
    /// It had been exchanged before: the family made from it has been ended (RFC 6749 §4.1.2).
    Replayed {
        /// Whose it was.
        user_id: String,
        /// Of which sign-in.
        sid: String,
    },
    /// There is no such code for this client, redirect URI and verifier, or it has expired. Nothing was changed.
    Refused,
}

/// How issuing a code turned out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum CodeAdded {
    /// The code is stored.
    Now,
    /// The session has ended, or its user is disabled or gone, since the request was read; nothing was stored.
    SessionOver,
    /// What the user had allowed the client has been taken back since; nothing was stored.
    ConsentOver,
    /// The pushed request was answered, or ran out, since it was read; nothing was stored.
    RequestGone,
}

/// Stores a code for somebody who has just typed the password, in the transaction that writes the session down. That
/// the user is not disabled is asked there. `false` when the pushed request that it answers is gone: nothing was stored.
pub(super) async fn insert_code(
    transaction: &mut Transaction,
    code: &NewCode,
    now: UnixTime,
) -> Result<bool, StoreError> {
    if let Some(pushed) = &code.pushed
        && !use_up(transaction, pushed, now).await?
    {
        return Ok(false);
    }
    let insert = sqlx::query(
        "INSERT INTO authorization_code (digest, client_id, redirect_uri, code_challenge, user_id, sid, scope,
            nonce, auth_time, expires_at, resources, claims)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
    );
    bind_code(insert, code).execute(&mut **transaction).await?;
    Ok(true)
}

/// Stores a code that a session alone vouches for, if the session is live at this very moment. A sign-out voids the codes
/// that it finds; one stored after it would survive it. Nothing may stay of the transaction unless there is a code (see
/// [`settle`]).
pub(super) async fn insert_code_of_session(
    transaction: &mut Transaction,
    code: &NewCode,
    now: UnixTime,
) -> Result<CodeAdded, StoreError> {
    hold_sid(transaction, &code.sid).await?;
    if let Some(pushed) = &code.pushed
        && !use_up(transaction, pushed, now).await?
    {
        return Ok(CodeAdded::RequestGone);
    }
    let insert = sqlx::query(
        "INSERT INTO authorization_code (digest, client_id, redirect_uri, code_challenge, user_id, sid, scope,
            nonce, auth_time, expires_at, resources, claims)
         SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12
         WHERE EXISTS (SELECT 1 FROM sign_in_session WHERE sid = $6 AND idle_ends > $13)
            AND EXISTS (SELECT 1 FROM \"user\" WHERE id = $5 AND disabled_at IS NULL)",
    );
    let inserted = bind_code(insert, code)
        .bind(now.as_secs())
        .execute(&mut **transaction)
        .await?;
    Ok(if inserted.rows_affected() == 1 {
        CodeAdded::Now
    } else {
        CodeAdded::SessionOver
    })
}

/// Ends the transaction. Where there is no code, a pushed request is not used up either: who has to sign in first comes
/// back with it.
pub(super) async fn settle(transaction: Transaction, added: CodeAdded) -> Result<CodeAdded, StoreError> {
    match added {
        CodeAdded::Now => transaction.commit().await?,
        CodeAdded::SessionOver | CodeAdded::ConsentOver | CodeAdded::RequestGone => {
            transaction.rollback().await?;
        }
    }
    Ok(added)
}

impl Store {
    /// Stores a code for which nothing is asked but a live session.
    pub(crate) async fn add_code_of_session(
        &self,
        code: &NewCode,
        now: UnixTime,
    ) -> Result<CodeAdded, StoreError> {
        let _turn = self.turn_of(&code.user_id).await?;
        let mut transaction = self.begin().await?;
        let added = insert_code_of_session(&mut transaction, code, now).await?;
        settle(transaction, added).await
    }

    /// Exchanges a code for a family. The code is claimed by one conditional update, in one transaction with the
    /// family's row: a replay always finds the family that it has to end. So does a sign-out, which changes the codes
    /// first: there it waits for the one that is being exchanged, and then sees its family. What the family is like, and
    /// whether there is to be one, depends on what the code stands for, so it is composed once that is known. The clock is
    /// read once the writer is free.
    pub(crate) async fn redeem_code<E>(
        &self,
        claim: &CodeClaim<'_>,
        family_id: FamilyId,
        compose: impl FnOnce(&RedeemedCode) -> Result<NewFamily, E>,
        clock: &dyn Clock,
    ) -> Result<Redeemed<E>, StoreError> {
        let mut transaction = self.begin().await?;
        let now = clock.now();
        let claimed = sqlx::query(
            "UPDATE authorization_code SET used_at = $1, family_id = $2
             WHERE digest = $3 AND client_id = $4 AND redirect_uri = $5
                AND code_challenge IS NOT DISTINCT FROM $6
                AND used_at IS NULL AND expires_at > $1
                AND EXISTS (SELECT 1 FROM \"user\" WHERE id = authorization_code.user_id AND disabled_at IS NULL)
                AND NOT EXISTS (SELECT 1 FROM client
                    WHERE id = authorization_code.client_id AND disabled_at IS NOT NULL)
             RETURNING user_id, sid, scope, resources, claims, nonce, auth_time",
        )
        .bind(now.as_secs())
        .bind(family_id.as_bytes())
        .bind(claim.digest.as_bytes())
        .bind(claim.client_id)
        .bind(claim.redirect_uri)
        .bind(claim.challenge.as_ref().map(CodeChallenge::as_str))
        .fetch_optional(&mut *transaction)
        .await?;
        if let Some(row) = claimed {
            let redeemed = redeemed_of(&row)?;
            let family = match compose(&redeemed) {
                Ok(family) => family,
                Err(unfit) => {
                    transaction.rollback().await?;
                    return Ok(Redeemed::Unfit(unfit));
                }
            };
            let status_index =
                insert_family(&mut transaction, family_id, &family, claim.client_id, &redeemed).await?;
            if let Some(until) = family.hears_until {
                let (sid, user_id) = (&redeemed.sid, &redeemed.user_id);
                outbox::note_client(&mut transaction, sid, claim.client_id, user_id, until).await?;
            }
            transaction.commit().await?;
            return Ok(Redeemed::Now(redeemed, status_index));
        }
        let ended = sqlx::query(
            "UPDATE family SET ended_at = $1, end_reason = $2, idle_ends = CASE WHEN idle_ends < $1 THEN idle_ends ELSE $1 END
             WHERE ended_at IS NULL AND id IN (SELECT family_id FROM authorization_code
                WHERE digest = $3 AND client_id = $4 AND used_at IS NOT NULL)
             RETURNING user_id, sid",
        )
        .bind(now.as_secs())
        .bind(EndReason::CodeReplay.as_str())
        .bind(claim.digest.as_bytes())
        .bind(claim.client_id)
        .fetch_optional(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(match ended {
            Some(row) => Redeemed::Replayed {
                user_id: row.try_get("user_id")?,
                sid: row.try_get("sid")?,
            },
            None => Redeemed::Refused,
        })
    }
}

/// Binds the first twelve parameters.
fn bind_code<'q>(insert: Query<'q>, code: &'q NewCode) -> Query<'q> {
    insert
        .bind(code.digest.as_bytes())
        .bind(&code.client_id)
        .bind(&code.redirect_uri)
        .bind(code.challenge.as_ref().map(CodeChallenge::as_str))
        .bind(&code.user_id)
        .bind(&code.sid)
        .bind(&code.scope)
        .bind(&code.nonce)
        .bind(code.auth_time.as_secs())
        .bind(code.expires_at.as_secs())
        .bind(code.resources.to_string())
        .bind(code.claims.to_string())
}

fn redeemed_of(row: &Row) -> Result<RedeemedCode, StoreError> {
    Ok(RedeemedCode {
        user_id: row.try_get("user_id")?,
        sid: row.try_get("sid")?,
        scope: row.try_get("scope")?,
        resources: Named::from_stored(row.try_get("resources")?),
        claims: AskedClaims::from_stored(row.try_get("claims")?),
        nonce: row.try_get("nonce")?,
        auth_time: UnixTime::from_secs(row.try_get("auth_time")?),
    })
}
