//! Clients beside those of the configuration file, and their secrets.

use resource_server::time::UnixTime;
use sqlx::Row as _;

use super::db::{Row, Transaction};
use super::{Store, StoreError};
use crate::grant::family::EndReason;
use crate::secret::Digest;

/// A client as it is stored; what it may do stands in `settings`.
#[derive(Debug, Clone)]
pub(crate) struct ClientRow {
    pub(crate) id: String,
    /// The keys of one `[[client]]`, as TOML.
    pub(crate) settings: String,
    pub(crate) created_at: UnixTime,
    pub(crate) disabled_at: Option<UnixTime>,
    pub(crate) secrets: Vec<SecretRow>,
}

/// One secret of a client.
#[derive(Debug, Clone)]
pub(crate) struct SecretRow {
    /// Names it to operators.
    pub(crate) id: String,
    pub(crate) digest: Digest,
    pub(crate) created_at: UnixTime,
    pub(crate) ends_at: Option<UnixTime>,
}

/// What is done to a client as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClientChange {
    /// Nothing goes on in its name, and nothing will until the opposite.
    Disable,
    Enable,
    Remove,
}

impl Store {
    /// Counts changes of clients: whoever has read them under the same number has read what is there.
    pub(crate) async fn client_version(&self) -> Result<i64, StoreError> {
        let version = sqlx::query_scalar("SELECT version FROM client_version WHERE singleton = 1")
            .fetch_one(&self.reader)
            .await?;
        Ok(version)
    }

    /// All clients by their id, disabled or not.
    pub(crate) async fn clients(&self) -> Result<Vec<ClientRow>, StoreError> {
        let rows = sqlx::query("SELECT id, settings, created_at, disabled_at FROM client ORDER BY id")
            .fetch_all(&self.reader)
            .await?;
        let secrets = sqlx::query(
            "SELECT client_id, id, digest, created_at, ends_at FROM client_secret ORDER BY client_id, created_at, id",
        )
        .fetch_all(&self.reader)
        .await?;
        let mut clients = rows.iter().map(client_of).collect::<Result<Vec<_>, _>>()?;
        for row in &secrets {
            let client_id: String = row.try_get("client_id")?;
            // One that was added between the two queries is read with the next version.
            let Some(client) = clients.iter_mut().find(|client| client.id == client_id) else {
                continue;
            };
            match secret_of(row) {
                Ok(secret) => client.secrets.push(secret),
                // It proves nothing, and keeps nobody from seeing what else has changed.
                Err(error @ StoreError::Damaged(_)) => {
                    let id: String = row.try_get("id")?;
                    tracing::error!(client.id = %client_id, secret.id = %id, %error, "a secret is left out");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(clients)
    }

    /// Adds a client, with its first secret if it has one; says whether its id was free.
    pub(crate) async fn add_client(
        &self,
        id: &str,
        settings: &str,
        secret: Option<&SecretRow>,
        now: UnixTime,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let added = sqlx::query(
            "INSERT INTO client (id, settings, created_at) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING",
        )
        .bind(id)
        .bind(settings)
        .bind(now.as_secs())
        .execute(&mut *transaction)
        .await?;
        if added.rows_affected() == 0 {
            transaction.rollback().await?;
            return Ok(false);
        }
        if let Some(secret) = secret {
            insert_secret(&mut transaction, id, secret).await?;
        }
        commit_change(transaction).await?;
        Ok(true)
    }

    /// Adds a secret; those that were there end at this instant at the latest, if there is one. Says whether there is such
    /// a client.
    pub(crate) async fn add_client_secret(
        &self,
        client_id: &str,
        secret: &SecretRow,
        others_end: Option<UnixTime>,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        if !hold(&mut transaction, client_id).await? {
            transaction.rollback().await?;
            return Ok(false);
        }
        if let Some(ends) = others_end {
            sqlx::query(
                "UPDATE client_secret SET ends_at = $1 WHERE client_id = $2 AND (ends_at IS NULL OR ends_at > $1)",
            )
            .bind(ends.as_secs())
            .bind(client_id)
            .execute(&mut *transaction)
            .await?;
        }
        insert_secret(&mut transaction, client_id, secret).await?;
        commit_change(transaction).await?;
        Ok(true)
    }

    /// Removes a secret; says whether the client had it.
    pub(crate) async fn remove_client_secret(&self, client_id: &str, id: &str) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let removed = sqlx::query("DELETE FROM client_secret WHERE client_id = $1 AND id = $2")
            .bind(client_id)
            .bind(id)
            .execute(&mut *transaction)
            .await?;
        commit_change(transaction).await?;
        Ok(removed.rows_affected() == 1)
    }

    /// Changes a client, and ends its grants if it may not go on; gives how many. There is no such client: `None`.
    ///
    /// That it may not go on is written down first and by itself: from then on nothing of it is exchanged or refreshed, however
    /// much there is to end. Who fails on the way finds it disabled, and does the same again.
    pub(crate) async fn change_client(
        &self,
        id: &str,
        change: ClientChange,
        now: UnixTime,
    ) -> Result<Option<u64>, StoreError> {
        match change {
            ClientChange::Disable => {
                if !self.mark_disabled(id, now).await? {
                    return Ok(None);
                }
                let ended = self.end_grants_of_client(id, EndReason::ClientDisabled, now);
                Ok(Some(ended.await?))
            }
            ClientChange::Enable => self.enable_client(id, now).await,
            ClientChange::Remove => {
                if !self.mark_disabled(id, now).await? {
                    return Ok(None);
                }
                let ended = self
                    .end_grants_of_client(id, EndReason::ClientRemoved, now)
                    .await?;
                self.forget_client(id).await?;
                let mut transaction = self.begin().await?;
                sqlx::query("DELETE FROM client WHERE id = $1")
                    .bind(id)
                    .execute(&mut *transaction)
                    .await?;
                commit_change(transaction).await?;
                Ok(Some(ended))
            }
        }
    }

    /// Says whether there is such a client. The first instant stays when it is disabled twice.
    async fn mark_disabled(&self, id: &str, now: UnixTime) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let marked = sqlx::query("UPDATE client SET disabled_at = coalesce(disabled_at, $1) WHERE id = $2")
            .bind(now.as_secs())
            .bind(id)
            .execute(&mut *transaction)
            .await?;
        if marked.rows_affected() == 0 {
            transaction.rollback().await?;
            return Ok(false);
        }
        commit_change(transaction).await?;
        Ok(true)
    }

    async fn enable_client(&self, id: &str, now: UnixTime) -> Result<Option<u64>, StoreError> {
        let disabled_at: Option<Option<i64>> =
            sqlx::query_scalar("SELECT disabled_at FROM client WHERE id = $1")
                .bind(id)
                .fetch_optional(&self.reader)
                .await?;
        let ended = match disabled_at {
            None => return Ok(None),
            Some(None) => return Ok(Some(0)),
            // A node that had not looked yet may have issued codes since.
            Some(Some(_)) => {
                self.end_grants_of_client(id, EndReason::ClientDisabled, now)
                    .await?
            }
        };
        let mut transaction = self.begin().await?;
        sqlx::query("UPDATE client SET disabled_at = NULL WHERE id = $1")
            .bind(id)
            .execute(&mut *transaction)
            .await?;
        commit_change(transaction).await?;
        Ok(Some(ended))
    }
}

/// Holds a client until the end of the transaction, so that it is changed by one at a time; says whether there is one.
async fn hold(transaction: &mut Transaction, id: &str) -> Result<bool, StoreError> {
    let held = sqlx::query("UPDATE client SET id = id WHERE id = $1")
        .bind(id)
        .execute(&mut **transaction)
        .await?;
    Ok(held.rows_affected() == 1)
}

/// Every node reads the clients anew.
async fn commit_change(mut transaction: Transaction) -> Result<(), StoreError> {
    sqlx::query("UPDATE client_version SET version = version + 1 WHERE singleton = 1")
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(())
}

async fn insert_secret(
    transaction: &mut Transaction,
    client_id: &str,
    secret: &SecretRow,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO client_secret (id, client_id, digest, created_at, ends_at) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(&secret.id)
    .bind(client_id)
    .bind(secret.digest.as_bytes())
    .bind(secret.created_at.as_secs())
    .bind(secret.ends_at.map(UnixTime::as_secs))
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

fn client_of(row: &Row) -> Result<ClientRow, StoreError> {
    let disabled_at: Option<i64> = row.try_get("disabled_at")?;
    Ok(ClientRow {
        id: row.try_get("id")?,
        settings: row.try_get("settings")?,
        created_at: UnixTime::from_secs(row.try_get("created_at")?),
        disabled_at: disabled_at.map(UnixTime::from_secs),
        secrets: Vec::new(),
    })
}

fn secret_of(row: &Row) -> Result<SecretRow, StoreError> {
    let digest: Vec<u8> = row.try_get("digest")?;
    let ends_at: Option<i64> = row.try_get("ends_at")?;
    Ok(SecretRow {
        id: row.try_get("id")?,
        digest: Digest::from_stored(&digest).ok_or(StoreError::Damaged("client secret"))?,
        created_at: UnixTime::from_secs(row.try_get("created_at")?),
        ends_at: ends_at.map(UnixTime::from_secs),
    })
}
