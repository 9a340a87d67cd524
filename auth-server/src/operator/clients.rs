//! What operators do to the clients in the database.

use std::time::Duration;

use resource_server::settings::Faults;
use resource_server::time::UnixTime;
use secrecy::SecretString;

use super::Administration;
use crate::client::registry::client_of;
use crate::client::{Client, Credentials, Kind};
use crate::config::OperatorConfig;
use crate::ops::audit;
use crate::secret::{Digest, base64url, random_bytes, random_handle};
use crate::store::{ClientChange, ClientRow, SecretRow, StoreError};

/// A client of the database.
#[derive(Debug)]
pub struct ClientRecord {
    /// Its `client_id`.
    pub id: String,
    /// What it may do, or why it may do nothing: the configuration may have changed since it was added.
    pub client: Result<Client, Faults>,
    /// When it was added.
    pub created_at: UnixTime,
    /// Since when it may not act.
    pub disabled_at: Option<UnixTime>,
    /// Its secrets, of which nothing is known but this.
    pub secrets: Vec<SecretRecord>,
}

/// One secret of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretRecord {
    /// Names it to operators.
    pub id: String,
    /// When it was made.
    pub created_at: UnixTime,
    /// From when on it counts no more.
    pub ends_at: Option<UnixTime>,
}

/// A secret that was just made: it is shown once, and kept nowhere.
#[derive(Debug)]
pub struct MadeSecret {
    /// Names it to operators.
    pub id: String,
    /// 256 random bits.
    pub secret: SecretString,
    /// From when on it counts no more.
    pub ends_at: Option<UnixTime>,
}

/// Why an operator's wish about a client was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Its settings are no client's.
    #[error("{0}")]
    Faults(Faults),
    /// It is not ours to change.
    #[error("the client {0:?} is in the configuration file: change it there")]
    InFile(String),
    /// Another one has the id.
    #[error("there is a client {0:?} already")]
    Taken(String),
    /// Nothing has that id.
    #[error("there is no client {0:?} in the database")]
    NoSuchClient(String),
    /// The client has no secret of that id.
    #[error("the client has no such secret")]
    NoSuchSecret,
    /// It proves itself otherwise, or not at all.
    #[error("the client {0:?} has no secrets: it is public, or proves itself with a key")]
    NeedsNoSecret(String),
    /// The database failed.
    #[error("the database could not be used")]
    Store(#[from] StoreError),
}

impl Administration {
    /// Adds a client, described by the keys of one `[[client]]`. One that proves itself with a secret is given one.
    ///
    /// # Errors
    /// When it has faults, when its id is taken, or when the database fails.
    pub async fn add_client(
        &self,
        config: &OperatorConfig,
        settings: &str,
    ) -> Result<(Client, Option<MadeSecret>), ClientError> {
        let file = config.registrations();
        let client = file.parse_stored(settings).map_err(ClientError::Faults)?;
        if file.clients.find(&client.id).is_some() {
            return Err(ClientError::InFile(client.id));
        }
        let now = self.clock.now();
        let made = has_secrets(&client).then(|| make_secret(now, None));
        let row = made.as_ref().map(|(row, _)| row);
        if !self.store.add_client(&client.id, settings, row, now).await? {
            return Err(ClientError::Taken(client.id));
        }
        audit::client_added(&client.id);
        Ok((client, made.map(|(_, made)| made)))
    }

    /// Every client of the database by its id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn clients(&self, config: &OperatorConfig) -> Result<Vec<ClientRecord>, ClientError> {
        let rows = self.store.clients().await?;
        Ok(rows.into_iter().map(|row| record_of(config, row)).collect())
    }

    /// One client of the database.
    ///
    /// # Errors
    /// When there is no such client, or the database fails.
    pub async fn client(&self, config: &OperatorConfig, id: &str) -> Result<ClientRecord, ClientError> {
        let mut rows = self.store.clients().await?.into_iter();
        match rows.find(|row| row.id == id) {
            Some(row) => Ok(record_of(config, row)),
            None => Err(not_there(config, id)),
        }
    }

    /// Gives a client another secret. Those that it has go on: for ever, or for the given span at most.
    ///
    /// # Errors
    /// When there is no such client, when it needs no secret, or when the database fails.
    pub async fn add_client_secret(
        &self,
        config: &OperatorConfig,
        id: &str,
        ends_in: Option<Duration>,
        others_end_in: Option<Duration>,
    ) -> Result<MadeSecret, ClientError> {
        let record = self.client(config, id).await?;
        if record.client.as_ref().is_ok_and(|client| !has_secrets(client)) {
            return Err(ClientError::NeedsNoSecret(id.to_owned()));
        }
        let now = self.clock.now();
        let (row, made) = make_secret(now, ends_in.map(|span| now + span));
        let others_end = others_end_in.map(|span| now + span);
        if !self.store.add_client_secret(id, &row, others_end).await? {
            return Err(not_there(config, id));
        }
        audit::client_secret_added(id, &row.id);
        Ok(made)
    }

    /// Takes a secret from a client.
    ///
    /// # Errors
    /// When there is no such client or secret, or the database fails.
    pub async fn remove_client_secret(
        &self,
        config: &OperatorConfig,
        id: &str,
        secret_id: &str,
    ) -> Result<(), ClientError> {
        self.client(config, id).await?;
        if !self.store.remove_client_secret(id, secret_id).await? {
            return Err(ClientError::NoSuchSecret);
        }
        audit::client_secret_removed(id, secret_id);
        Ok(())
    }

    /// Lets a client do nothing more and ends its grants; gives how many. Doing it twice is no error.
    ///
    /// # Errors
    /// When there is no such client, or the database fails; the client may be disabled by then, and the rest ends when it is
    /// done again.
    pub async fn disable_client(&self, config: &OperatorConfig, id: &str) -> Result<u64, ClientError> {
        let ended = self.change_client(config, id, ClientChange::Disable).await?;
        audit::client_disabled(id, ended);
        Ok(ended)
    }

    /// Lets a disabled client act again. What was ended stays so.
    ///
    /// # Errors
    /// When there is no such client, or the database fails.
    pub async fn enable_client(&self, config: &OperatorConfig, id: &str) -> Result<(), ClientError> {
        self.change_client(config, id, ClientChange::Enable).await?;
        audit::client_enabled(id);
        Ok(())
    }

    /// Removes a client with all that is stored of it and ends its grants; gives how many.
    ///
    /// # Errors
    /// When there is no such client, or the database fails; the client is disabled by then at most.
    pub async fn remove_client(&self, config: &OperatorConfig, id: &str) -> Result<u64, ClientError> {
        let ended = self.change_client(config, id, ClientChange::Remove).await?;
        audit::client_removed(id, ended);
        Ok(ended)
    }

    async fn change_client(
        &self,
        config: &OperatorConfig,
        id: &str,
        change: ClientChange,
    ) -> Result<u64, ClientError> {
        let ended = self.store.change_client(id, change, self.clock.now()).await?;
        ended.ok_or_else(|| not_there(config, id))
    }
}

fn not_there(config: &OperatorConfig, id: &str) -> ClientError {
    if config.clients().find(id).is_some() {
        ClientError::InFile(id.to_owned())
    } else {
        ClientError::NoSuchClient(id.to_owned())
    }
}

fn has_secrets(client: &Client) -> bool {
    matches!(client.kind, Kind::Confidential(Credentials::Secrets(_)))
}

fn make_secret(now: UnixTime, ends_at: Option<UnixTime>) -> (SecretRow, MadeSecret) {
    let secret = base64url(&random_bytes::<32>());
    let id = random_handle();
    let row = SecretRow {
        id: id.clone(),
        digest: Digest::of(secret.as_bytes()),
        created_at: now,
        ends_at,
    };
    let made = MadeSecret {
        id,
        secret: SecretString::from(secret),
        ends_at,
    };
    (row, made)
}

fn record_of(config: &OperatorConfig, row: ClientRow) -> ClientRecord {
    ClientRecord {
        client: client_of(config.registrations(), &row),
        id: row.id,
        created_at: row.created_at,
        disabled_at: row.disabled_at,
        secrets: row
            .secrets
            .into_iter()
            .map(|secret| SecretRecord {
                id: secret.id,
                created_at: secret.created_at,
                ends_at: secret.ends_at,
            })
            .collect(),
    }
}
