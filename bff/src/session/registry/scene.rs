//! Registries on a real embedded store, for tests.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use resource_server::time::{ManualClock, UnixTime};
use serde_json::Map;

use super::SessionRegistry;
use crate::session::device::Device;
use crate::session::embedded::EmbeddedStore;
use crate::session::index::Indexer;
use crate::session::key_ring::{KeyName, KeyRing};
use crate::session::lifetime::Limits;
use crate::session::replica::Replica;
use crate::session::store::SessionStore;
use crate::session::tokens::{AccessToken, IssuedToken, TokenSet};
use crate::session::{OpenSession, SessionContent, Vault};

/// Nodes on one store.
pub(super) struct Scene {
    pub(super) store: Arc<dyn SessionStore>,
    pub(super) ring: String,
    pub(super) clock: ManualClock,
    _folder: tempfile::TempDir,
}

impl Scene {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::new(UnixTime::from_secs(1_000_000));
        let store = EmbeddedStore::open(&folder.path().join("sessions"), Arc::new(clock.clone())).unwrap();
        Self {
            store: Arc::new(store),
            ring: KeyRing::generate(&KeyName::parse("k1").unwrap()).to_string(),
            clock,
            _folder: folder,
        }
    }

    pub(super) fn registry(&self, ring: &str) -> SessionRegistry {
        let ring = Arc::new(KeyRing::parse(ring).unwrap());
        let limits = Limits {
            idle: Duration::from_secs(3_600),
            absolute: Duration::from_secs(3_600),
        };
        SessionRegistry::new(
            Arc::clone(&self.store),
            Vault::new(Arc::clone(&ring)),
            Indexer::new(&ring, "https://op.example".to_owned()),
            limits,
            Arc::new(self.clock.clone()),
            Replica::new(1 << 20),
        )
    }
}

/// A sign-in of this user, under this session of the provider.
pub(super) fn content(subject: &str, provider_sid: Option<&str>) -> SessionContent {
    SessionContent {
        subject: subject.to_owned(),
        provider_sid: provider_sid.map(str::to_owned),
        claims: Map::new(),
        tokens: TokenSet {
            access: IssuedToken {
                token: AccessToken::new("access".to_owned()),
                obtained_at: UnixTime::from_secs(0),
                refresh_from: UnixTime::NEVER,
                expires_at: UnixTime::NEVER,
                scope: None,
            },
            others: BTreeMap::new(),
            refresh_token: None,
            refresh_expires_at: None,
            id_token: None,
        },
    }
}

/// Signs a user in.
pub(super) async fn start(registry: &SessionRegistry, subject: &str) -> OpenSession {
    let device = Device::of_agent("Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0");
    let (id, key) = registry.start(&content(subject, None), device).await.unwrap();
    registry.find(&id, &key, false).await.unwrap().unwrap()
}
