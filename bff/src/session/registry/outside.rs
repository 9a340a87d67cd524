//! Sessions as the provider sees them, which has not their browser.
//!
//! A login may be on its way while the provider signs its user out: the ID token is there, the session is not stored yet,
//! and whoever ends sessions does not find it. So an ending is noted *before* sessions are looked for, and a login looks
//! for such notes *after* its session is stored: one of the two sees the other. What is compared are two instants of the
//! provider (`iat`).

use std::collections::HashSet;
use std::time::Duration;

use futures_util::future::try_join_all;
use futures_util::{StreamExt, stream};
use resource_server::time::UnixTime;

use super::own::AT_ONCE;
use super::{EndReason, SessionError, SessionRegistry};
use crate::session::index::IndexKey;
use crate::session::{SessionContent, SessionKey};

/// How long after its ID token a login may still be on its way: calls to userinfo and the store, generously.
const LONGEST_LOGIN: Duration = Duration::from_secs(300);

/// Whose sessions the provider ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoggedOut {
    /// All sessions of this `sub`.
    User(String),
    /// The sessions that began under this `sid`.
    Session(String),
    /// Those of this `sub` that began under this `sid`, or under one that the provider did not name at their login: they
    /// may be meant.
    SessionOfUser {
        /// `sub`.
        sub: String,
        /// `sid`.
        sid: String,
    },
}

impl SessionRegistry {
    /// Ends all sessions that the provider means, also those whose login is on its way if its ID token was issued until
    /// `at` (without one: now), and says how many ended by this call.
    ///
    /// # Errors
    /// When any of them could not be ended. Doing it again ends the rest.
    pub async fn end_logged_out(
        &self,
        who: &LoggedOut,
        at: Option<UnixTime>,
        reason: EndReason,
    ) -> Result<usize, SessionError> {
        let indexes = match who {
            LoggedOut::User(sub) => vec![self.indexer.user(sub)],
            LoggedOut::Session(sid) => vec![self.indexer.provider_session(sid)],
            LoggedOut::SessionOfUser { sub, sid } => vec![
                self.indexer.provider_session(sid),
                self.indexer.unnamed_provider_session(sub),
            ],
        };
        let now = self.clock.now();
        let notes = indexes.iter().map(|index| {
            self.store
                .note_logout(index, at.unwrap_or(now), now + LONGEST_LOGIN)
        });
        try_join_all(notes).await?;
        let found = try_join_all(indexes.iter().map(|index| self.store.sessions_of(index))).await?;
        let mut sessions = found.concat();
        if let LoggedOut::SessionOfUser { sub, .. } = who {
            let of_user: HashSet<_> = self.sessions_of_user(sub).await?.into_iter().collect();
            sessions.retain(|key| of_user.contains(key));
        }
        self.end_all_of(&sessions, reason).await
    }

    /// Whether the provider has signed a user out since it said at `issued_at` who they are. To be asked once the session
    /// is stored.
    ///
    /// # Errors
    /// When the store is down.
    pub async fn is_logged_out_since(
        &self,
        content: &SessionContent,
        issued_at: UnixTime,
    ) -> Result<bool, SessionError> {
        let owner = self
            .indexer
            .owner(&content.subject, content.provider_sid.as_deref());
        let notes = owner
            .indexes()
            .map(|index: &IndexKey| self.store.noted_logout(index));
        let notes = try_join_all(notes).await?;
        // A login of the same second cannot be told from one before, and it costs a round of sign-in.
        Ok(notes.into_iter().flatten().any(|at| issued_at <= at))
    }

    /// The sessions of a user, some of which may have ended.
    ///
    /// # Errors
    /// When the store is down.
    pub async fn sessions_of_user(&self, sub: &str) -> Result<Vec<SessionKey>, SessionError> {
        Ok(self.store.sessions_of(&self.indexer.user(sub)).await?)
    }

    /// The sessions that began under a session of the provider, some of which may have ended.
    ///
    /// # Errors
    /// When the store is down.
    pub async fn sessions_of_provider_session(&self, sid: &str) -> Result<Vec<SessionKey>, SessionError> {
        let index = self.indexer.provider_session(sid);
        Ok(self.store.sessions_of(&index).await?)
    }

    /// Ends sessions and says how many of them ended by this call. One that cannot be ended does not keep the others
    /// alive.
    ///
    /// # Errors
    /// When any of them could not be ended.
    pub async fn end_all_of(&self, keys: &[SessionKey], reason: EndReason) -> Result<usize, SessionError> {
        let endings = stream::iter(keys.to_vec())
            .map(|key| async move { self.end_now(&key, reason).await })
            .buffer_unordered(AT_ONCE)
            .collect::<Vec<_>>();
        let mut ended = 0;
        let mut outcome = Ok(());
        for ending in endings.await {
            match ending {
                Ok(by_this_call) => ended += usize::from(by_this_call),
                Err(error) => outcome = Err(error),
            }
        }
        outcome.map(|()| ended)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use resource_server::time::{Clock as _, ManualClock};
    use serde_json::Map;

    use super::*;
    use crate::session::Vault;
    use crate::session::device::Device;
    use crate::session::embedded::EmbeddedStore;
    use crate::session::index::Indexer;
    use crate::session::key_ring::{KeyName, KeyRing};
    use crate::session::lifetime::Limits;
    use crate::session::replica::Replica;
    use crate::session::tokens::{AccessToken, IssuedToken, TokenSet};

    const REASON: EndReason = EndReason::BackChannelLogout;

    fn content(sub: &str, sid: Option<&str>) -> SessionContent {
        SessionContent {
            subject: sub.to_owned(),
            provider_sid: sid.map(str::to_owned),
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

    struct Scene {
        registry: SessionRegistry,
        clock: ManualClock,
        _folder: tempfile::TempDir,
    }

    impl Scene {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let clock = ManualClock::new(UnixTime::from_secs(1_000_000));
            let store =
                EmbeddedStore::open(&folder.path().join("sessions"), Arc::new(clock.clone())).unwrap();
            let ring = KeyRing::generate(&KeyName::parse("k1").unwrap());
            let ring = Arc::new(KeyRing::parse(&ring).unwrap());
            let lifetime = Duration::from_secs(3_600);
            let registry = SessionRegistry::new(
                Arc::new(store),
                Vault::new(Arc::clone(&ring)),
                Indexer::new(&ring, "https://op.example".to_owned()),
                Limits {
                    idle: lifetime,
                    absolute: lifetime,
                },
                Arc::new(clock.clone()),
                Replica::new(1 << 20),
            );
            Self {
                registry,
                clock,
                _folder: folder,
            }
        }

        async fn start(&self, sub: &str, sid: Option<&str>) -> SessionKey {
            let started = self.registry.start(&content(sub, sid), Device::default()).await;
            started.unwrap().1
        }

        async fn lives(&self, key: &SessionKey) -> bool {
            self.registry.store.load(key).await.unwrap().is_some()
        }
    }

    /// Back-Channel Logout 1.0 §2.7: a provider may put `sid` into its logout tokens and not into its ID tokens.
    #[tokio::test]
    async fn a_session_whose_provider_session_has_no_name_ends_with_every_one_of_its_user() {
        let scene = Scene::new();
        let unnamed = scene.start("alice", None).await;
        let of_another_name = scene.start("alice", Some("s2")).await;
        let of_bob = scene.start("bob", None).await;
        let who = LoggedOut::SessionOfUser {
            sub: "alice".to_owned(),
            sid: "s1".to_owned(),
        };

        let ended = scene.registry.end_logged_out(&who, None, REASON).await.unwrap();

        assert_eq!(ended, 1);
        assert!(!scene.lives(&unnamed).await);
        assert!(scene.lives(&of_another_name).await);
        assert!(scene.lives(&of_bob).await);
        scene.registry.store.close().await;
    }

    #[tokio::test]
    async fn a_login_before_or_at_its_logout_is_known_and_a_later_one_is_none() {
        let scene = Scene::new();
        let at = scene.clock.now();
        let alice = content("alice", Some("s1"));
        let is_out = async |content: &SessionContent, issued_at| {
            scene
                .registry
                .is_logged_out_since(content, issued_at)
                .await
                .unwrap()
        };
        assert!(!is_out(&alice, at).await);

        let session = LoggedOut::Session("s1".to_owned());
        assert_eq!(
            scene
                .registry
                .end_logged_out(&session, Some(at), REASON)
                .await
                .unwrap(),
            0
        );

        let second = Duration::from_secs(1);
        assert!(is_out(&alice, at).await);
        assert!(!is_out(&alice, at + second).await);
        assert!(!is_out(&content("alice", Some("s2")), at).await);
        scene.registry.store.close().await;
    }
}
