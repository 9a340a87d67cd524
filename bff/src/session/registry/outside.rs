//! Sessions as the provider sees them, which has not their browser.
//!
//! A login may be on its way while the provider signs its user out: the ID token is there, the session is not stored yet,
//! and whoever ends sessions does not find it. So an ending is noted *before* sessions are looked for, and a login looks
//! for such notes *after* its session is stored: one of the two sees the other. What is compared are two instants of the
//! provider (`iat`).

use std::collections::HashSet;
use std::time::Duration;

use futures_util::future::try_join_all;
use resource_server::time::UnixTime;

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
        let ended = self.end_all_of(&sessions, reason).await;
        ended.map_err(|incomplete| incomplete.cause)
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
    async fn sessions_of_user(&self, sub: &str) -> Result<Vec<SessionKey>, SessionError> {
        Ok(self.store.sessions_of(&self.indexer.user(sub)).await?)
    }
}

#[cfg(test)]
mod tests {
    use resource_server::time::Clock as _;

    use super::*;
    use crate::session::device::Device;
    use crate::session::registry::scene::{Scene, content};

    const REASON: EndReason = EndReason::BackChannelLogout;

    async fn start(registry: &SessionRegistry, sub: &str, sid: Option<&str>) -> SessionKey {
        let started = registry.start(&content(sub, sid), Device::default()).await;
        started.unwrap().1
    }

    async fn lives(registry: &SessionRegistry, key: &SessionKey) -> bool {
        registry.store.load(key).await.unwrap().is_some()
    }

    /// Back-Channel Logout 1.0 §2.7: a provider may put `sid` into its logout tokens and not into its ID tokens.
    #[tokio::test]
    async fn a_session_whose_provider_session_has_no_name_ends_with_every_one_of_its_user() {
        let scene = Scene::new();
        let registry = scene.registry(&scene.ring);
        let unnamed = start(&registry, "alice", None).await;
        let of_another_name = start(&registry, "alice", Some("s2")).await;
        let of_bob = start(&registry, "bob", None).await;
        let who = LoggedOut::SessionOfUser {
            sub: "alice".to_owned(),
            sid: "s1".to_owned(),
        };

        let ended = registry.end_logged_out(&who, None, REASON).await.unwrap();

        assert_eq!(ended, 1);
        assert!(!lives(&registry, &unnamed).await);
        assert!(lives(&registry, &of_another_name).await);
        assert!(lives(&registry, &of_bob).await);
        scene.store.close().await;
    }

    #[tokio::test]
    async fn a_login_before_or_at_its_logout_is_known_and_a_later_one_is_none() {
        let scene = Scene::new();
        let registry = scene.registry(&scene.ring);
        let at = scene.clock.now();
        let alice = content("alice", Some("s1"));
        let is_out = async |content: &SessionContent, issued_at| {
            registry.is_logged_out_since(content, issued_at).await.unwrap()
        };
        assert!(!is_out(&alice, at).await);

        let session = LoggedOut::Session("s1".to_owned());
        assert_eq!(
            registry.end_logged_out(&session, Some(at), REASON).await.unwrap(),
            0
        );

        let second = Duration::from_secs(1);
        assert!(is_out(&alice, at).await);
        assert!(!is_out(&alice, at + second).await);
        assert!(!is_out(&content("alice", Some("s2")), at).await);
        scene.store.close().await;
    }
}
