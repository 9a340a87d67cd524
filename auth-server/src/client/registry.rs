//! The clients that there are now: those of the configuration file, which never change while the server runs, and those
//! of the database, which operators change beside it.
//!
//! What an operator changes counts on every node when the next second begins: once a second, the first request asks
//! whether the version of the clients has moved, and reads them anew if it has. A client that is disabled or
//! removed gets nothing for a code or a refresh token any more, at once: the database is asked. While the database cannot be read, a node goes on with the clients it knows; all
//! but client credentials needs the database anyway.

use std::sync::Arc;

use arc_swap::ArcSwap;
use resource_server::settings::Faults;
use resource_server::time::UnixTime;
use tokio::sync::Mutex;

use super::{Client, ClientSecret, Clients, Credentials, Kind};
use crate::config::Registrations;
use crate::store::{ClientRow, LOOK_PATIENCE, Store, StoreError, in_time};

/// All clients, as they were at the last look.
#[derive(Debug)]
pub(crate) struct Registry {
    file: Registrations,
    current: ArcSwap<Snapshot>,
    /// The second of the last look; held while one looks.
    looked: Mutex<UnixTime>,
}

#[derive(Debug)]
struct Snapshot {
    version: i64,
    clients: Arc<Clients>,
}

/// Why the server does not start with its clients.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegistryError {
    #[error("the clients could not be read")]
    Store(#[from] StoreError),
    #[error(
        "the client {0:?} is in the configuration file and in the database: remove it from one of them (`auth-server client remove`)"
    )]
    InBoth(String),
}

impl Registry {
    /// Reads the clients of the database beside those of the file. An id is in one of them only.
    pub(crate) async fn open(
        file: Registrations,
        store: &Store,
        now: UnixTime,
    ) -> Result<Self, RegistryError> {
        let version = store.client_version().await?;
        let rows = store.clients().await?;
        if let Some(row) = rows.iter().find(|row| file.clients.find(&row.id).is_some()) {
            return Err(RegistryError::InBoth(row.id.clone()));
        }
        let clients = Arc::new(all(&file, &rows));
        Ok(Self {
            file,
            current: ArcSwap::from_pointee(Snapshot { version, clients }),
            looked: Mutex::new(now),
        })
    }

    /// The clients as of the last look.
    pub(crate) fn current(&self) -> Arc<Clients> {
        Arc::clone(&self.current.load().clients)
    }

    /// Whether nobody has looked in this second, or somebody does right now.
    pub(crate) fn is_due(&self, now: UnixTime) -> bool {
        self.looked.try_lock().map_or(true, |looked| *looked != now)
    }

    /// Looks whether clients have changed, unless somebody did in this second. Whoever comes meanwhile waits for that look as
    /// well, but not for long.
    pub(crate) async fn look(&self, store: &Store, now: UnixTime) {
        let Ok(mut looked) = self.looked.try_lock() else {
            let _ = tokio::time::timeout(LOOK_PATIENCE, self.looked.lock()).await;
            return;
        };
        if *looked == now {
            return;
        }
        // While this one waits, nobody else looks.
        match in_time(self.read_if_changed(store)).await {
            Ok(()) => *looked = now,
            Err(error) => {
                tracing::warn!(%error, cause = ?error, "the clients in the database could not be read");
            }
        }
    }

    async fn read_if_changed(&self, store: &Store) -> Result<(), StoreError> {
        // Read first: what changes after this is read again by the next look.
        let version = store.client_version().await?;
        if version == self.current.load().version {
            return Ok(());
        }
        let rows = store.clients().await?;
        let clients = Arc::new(all(&self.file, &rows));
        self.current.store(Arc::new(Snapshot { version, clients }));
        tracing::info!(in_database = rows.len(), "the clients were read anew");
        Ok(())
    }
}

/// The clients of the file and those of the database that may act. One that contradicts the configuration is left out: it
/// keeps nobody else from being served.
fn all(file: &Registrations, rows: &[ClientRow]) -> Clients {
    let mut clients = file.clients.clone();
    for row in rows.iter().filter(|row| row.disabled_at.is_none()) {
        if file.clients.find(&row.id).is_some() {
            tracing::error!(client.id = %row.id, "a client of the database is in the configuration file, too, which wins");
            continue;
        }
        match client_of(file, row) {
            Ok(client) => clients.insert(client),
            Err(faults) => {
                tracing::error!(client.id = %row.id, %faults, "a client of the database is left out: it has faults");
            }
        }
    }
    clients
}

/// A client as its row and the configuration have it.
pub(crate) fn client_of(file: &Registrations, row: &ClientRow) -> Result<Client, Faults> {
    let mut client = file.parse_stored(&row.settings)?;
    if let Kind::Confidential(Credentials::Secrets(secrets)) = &mut client.kind {
        secrets.known = row
            .secrets
            .iter()
            .map(|secret| ClientSecret {
                digest: secret.digest,
                ends: secret.ends_at,
            })
            .collect();
    }
    Ok(client)
}
