//! What users have allowed clients, and taken back.

use resource_server::time::UnixTime;
use sqlx::Row as _;

use super::code::{insert_code_of_session, settle};
use super::db::{Transaction, hold_consent};
use super::family::end_grants;
use super::{CodeAdded, Store, StoreError};
use crate::grant::code::NewCode;
use crate::grant::consent::{Allowed, Asked};
use crate::grant::family::EndReason;
use crate::scope::ScopeSet;

/// A client that may act for a user: it was allowed to, or holds a live grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClientAccess {
    pub(crate) client_id: String,
    /// All that it was allowed or granted.
    pub(crate) scope: ScopeSet,
    /// When that began.
    pub(crate) since: UnixTime,
}

impl Store {
    /// What a user has allowed a client.
    pub(crate) async fn allowed(&self, user_id: &str, client_id: &str) -> Result<Allowed, StoreError> {
        allowed_by(&self.reader, user_id, client_id).await
    }

    /// Issues a code for what the user has just allowed, and remembers that, or does neither.
    pub(crate) async fn allow(
        &self,
        code: &NewCode,
        asked: &Asked,
        now: UnixTime,
    ) -> Result<CodeAdded, StoreError> {
        let _turn = self.turn_of(&code.user_id).await?;
        let mut transaction = self.begin().await?;
        hold_consent(&mut transaction, &code.user_id, &code.client_id).await?;
        let resources = asked.resources_to_store();
        for scope in asked.scope.iter() {
            sqlx::query(
                "INSERT INTO consent (user_id, client_id, resources, scope, allowed_at) VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (user_id, client_id, resources, scope) DO NOTHING",
            )
            .bind(&code.user_id)
            .bind(&code.client_id)
            .bind(&resources)
            .bind(scope)
            .bind(now.as_secs())
            .execute(&mut *transaction)
            .await?;
        }
        let added = insert_code_of_session(&mut transaction, code, now).await?;
        settle(transaction, added).await
    }

    /// Issues a code for what the user has allowed before, if it still is allowed at this very moment: one that is stored
    /// after it was taken back would survive that.
    pub(crate) async fn add_code_of_consent(
        &self,
        code: &NewCode,
        asked: &Asked,
        now: UnixTime,
    ) -> Result<CodeAdded, StoreError> {
        let _turn = self.turn_of(&code.user_id).await?;
        let mut transaction = self.begin().await?;
        hold_consent(&mut transaction, &code.user_id, &code.client_id).await?;
        let allowed = allowed_by(&mut *transaction, &code.user_id, &code.client_id).await?;
        let added = if asked.is_within(&allowed) {
            insert_code_of_session(&mut transaction, code, now).await?
        } else {
            CodeAdded::ConsentOver
        };
        settle(transaction, added).await
    }

    /// The clients that may act for a user, by their ids.
    pub(crate) async fn accesses(
        &self,
        user_id: &str,
        now: UnixTime,
    ) -> Result<Vec<ClientAccess>, StoreError> {
        let rows = sqlx::query(
            "SELECT client_id, scope, allowed_at AS since FROM consent WHERE user_id = $1
             UNION ALL
             SELECT client_id, scope, auth_time FROM family WHERE user_id = $1 AND ended_at IS NULL AND idle_ends > $2
             ORDER BY client_id",
        )
        .bind(user_id)
        .bind(now.as_secs())
        .fetch_all(&self.reader)
        .await?;
        let mut accesses: Vec<ClientAccess> = Vec::new();
        for row in rows {
            let client_id: String = row.try_get("client_id")?;
            let scope = scope_of(&row.try_get::<String, _>("scope")?)?;
            let since = UnixTime::from_secs(row.try_get("since")?);
            match accesses.last_mut() {
                Some(access) if access.client_id == client_id => {
                    access.scope = access.scope.joined_with(&scope);
                    access.since = access.since.min(since);
                }
                _ => accesses.push(ClientAccess {
                    client_id,
                    scope,
                    since,
                }),
            }
        }
        Ok(accesses)
    }

    /// Takes back what a user allowed a client, and ends all that it holds for the user, codes on their way included;
    /// gives the `sid`s that these came from. There was nothing of all this: `None`.
    pub(crate) async fn take_back(
        &self,
        user_id: &str,
        client_id: &str,
        now: UnixTime,
    ) -> Result<Option<Vec<String>>, StoreError> {
        let _turn = self.turn_of(user_id).await?;
        let mut transaction = self.begin().await?;
        // A code that is being issued for it is stored before this, or not at all.
        hold_consent(&mut transaction, user_id, client_id).await?;
        let deleted = sqlx::query("DELETE FROM consent WHERE user_id = $1 AND client_id = $2")
            .bind(user_id)
            .bind(client_id)
            .execute(&mut *transaction)
            .await?;
        let sids = sids_of_grants(&mut transaction, user_id, client_id).await?;
        for sid in &sids {
            end_grants(&mut transaction, sid, Some(client_id), EndReason::TakenBack, now).await?;
        }
        transaction.commit().await?;
        let is_any = deleted.rows_affected() > 0 || !sids.is_empty();
        Ok(is_any.then_some(sids))
    }
}

const ALLOWED: &str = "SELECT resources, scope FROM consent WHERE user_id = $1 AND client_id = $2";

async fn sids_of_grants(
    transaction: &mut Transaction,
    user_id: &str,
    client_id: &str,
) -> Result<Vec<String>, StoreError> {
    let sids = sqlx::query_scalar(
        "SELECT sid FROM authorization_code WHERE user_id = $1 AND client_id = $2 AND used_at IS NULL
         UNION SELECT sid FROM family WHERE user_id = $1 AND client_id = $2 AND ended_at IS NULL
         ORDER BY sid",
    )
    .bind(user_id)
    .bind(client_id)
    .fetch_all(&mut **transaction)
    .await?;
    Ok(sids)
}

async fn allowed_by<'c>(
    connection: impl sqlx::Executor<'c, Database = sqlx::Any>,
    user_id: &str,
    client_id: &str,
) -> Result<Allowed, StoreError> {
    let rows = sqlx::query(ALLOWED)
        .bind(user_id)
        .bind(client_id)
        .fetch_all(connection)
        .await?;
    let mut allowed = Allowed::default();
    for row in rows {
        allowed.insert(
            row.try_get("resources")?,
            &scope_of(&row.try_get::<String, _>("scope")?)?,
        );
    }
    Ok(allowed)
}

fn scope_of(stored: &str) -> Result<ScopeSet, StoreError> {
    ScopeSet::parse(stored).map_err(|_| StoreError::Damaged("scope"))
}
