//! The sessions of one user, as that user sees and ends them.

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{EndReason, SessionError, SessionRegistry};
use crate::errors::chain;
use crate::session::device::Device;
use crate::session::lifetime::{Standing, Times};
use crate::session::store::StoreError;
use crate::session::{OpenSession, SessionKey};

/// How many of a user's sessions are looked at for one answer. People have a handful; whoever has more is a program, and
/// must not cost more than this.
const LOOKED_AT: usize = 200;
/// How many calls to the store run at a time on behalf of one request.
pub(super) const AT_ONCE: usize = 16;

/// A session that lives, as its user and operators are told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Living {
    /// Its name.
    pub key: SessionKey,
    /// When it began and was used last.
    pub times: Times,
    /// `sub` of who signed in; unknown when the record's summary was sealed under a key that this node does not have.
    pub subject: Option<String>,
    /// The device that signed in; unknown as well when the record's summary was sealed under a key that this node does not
    /// have. It is told all the same: a session that nobody sees is one that nobody ends.
    pub device: Device,
}

/// Sessions of a user, the oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LivingSessions {
    /// In the order of their beginning; those of one second in the order of their names.
    pub sessions: Vec<Living>,
    /// Whether these are all.
    pub are_all: bool,
}

impl SessionRegistry {
    /// The living sessions of the user whom the issuer calls `subject`, of whom `own` is one.
    ///
    /// # Errors
    /// When the store is down.
    pub async fn living_sessions(
        &self,
        subject: &str,
        own: &SessionKey,
    ) -> Result<LivingSessions, SessionError> {
        let mut keys = self.store.sessions_of(&self.indexer.user(subject)).await?;
        let are_all = keys.len() <= LOOKED_AT;
        if !are_all {
            // Redis lists the newest last.
            keys.drain(..keys.len() - LOOKED_AT);
        }
        if !keys.contains(own) {
            keys.push(own.clone());
        }
        let read = stream::iter(keys.into_iter().map(|key| self.living(key)))
            .buffer_unordered(AT_ONCE)
            .try_collect::<Vec<_>>();
        let mut sessions: Vec<_> = read.await?.into_iter().flatten().collect();
        sessions.sort_unstable_by(|a, b| {
            (a.times.created_at, a.key.as_str()).cmp(&(b.times.created_at, b.key.as_str()))
        });
        Ok(LivingSessions { sessions, are_all })
    }

    pub(super) async fn living(&self, key: SessionKey) -> Result<Option<Living>, SessionError> {
        let stored = match self.store.outline(&key).await {
            Ok(Some(stored)) => stored,
            Ok(None) => return Ok(None),
            // One record that nobody can read must not hide the others, nor keep its user from signing in.
            Err(StoreError::Unreadable(error)) => {
                tracing::warn!(session.key = %key, error = chain(error.as_ref()), "a session is not listed");
                return Ok(None);
            }
            Err(error @ StoreError::Unreachable(_)) => return Err(error.into()),
        };
        match self.limits.judge(&stored.times, self.clock.now()) {
            Standing::LivesUntil(_) => {}
            Standing::IdleTooLong | Standing::TooOld => return Ok(None),
        }
        let (subject, device) = match self.vault.open_summary(&key, &stored.summary) {
            Ok(summary) => (Some(summary.subject), summary.device),
            Err(error) => {
                tracing::debug!(session.key = %key, error = chain(&error), "a session is listed without its device");
                (None, Device::default())
            }
        };
        Ok(Some(Living {
            key,
            times: stored.times,
            subject,
            device,
        }))
    }

    /// Ends a session if it is one of this user's; whether it was one and lived.
    ///
    /// # Errors
    /// When the store fails: then nobody knows whether the session has ended, and the caller has to say so.
    pub async fn end_if_of(&self, subject: &str, key: &SessionKey) -> Result<bool, SessionError> {
        let own = self.store.sessions_of(&self.indexer.user(subject)).await?;
        if !own.contains(key) {
            return Ok(false);
        }
        self.end_now(key, EndReason::EndedByUser).await
    }

    /// Ends all sessions of a session's user but this one. Those that begin meanwhile may stay.
    ///
    /// # Errors
    /// When the store is down: then some may have ended and others not. Doing it again ends the rest.
    pub async fn end_others(&self, session: &OpenSession) -> Result<(), SessionError> {
        let user = self.indexer.user(&session.content.subject);
        let mut keys = self.store.sessions_of(&user).await?;
        keys.retain(|key| *key != session.key);
        stream::iter(keys.into_iter().map(Ok))
            .try_for_each_concurrent(AT_ONCE, |key| async move {
                self.end(&key, EndReason::Everywhere).await
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::*;
    use crate::session::registry::scene::{Scene, start};

    async fn listed(registry: &SessionRegistry) -> Vec<Living> {
        let anyone = SessionKey::generate();
        registry.living_sessions("alice", &anyone).await.unwrap().sessions
    }

    #[tokio::test]
    async fn a_list_is_bounded_and_signing_out_everywhere_is_not() {
        let scene = Scene::new();
        let registry = scene.registry(&scene.ring);
        let sessions = join_all((0..LOOKED_AT + 50).map(|_| start(&registry, "alice"))).await;

        // Whoever asks is in it.
        for own in sessions.iter().step_by(150) {
            let told = registry.living_sessions("alice", &own.key).await.unwrap();
            assert!((LOOKED_AT..=LOOKED_AT + 1).contains(&told.sessions.len()));
            assert!(!told.are_all);
            assert!(told.sessions.iter().any(|living| living.key == own.key));
        }
        registry.end_others(&sessions[0]).await.unwrap();
        let told = registry.living_sessions("alice", &sessions[0].key).await.unwrap();
        assert!(told.are_all);
        assert_eq!(told.sessions.len(), 1);
        scene.store.close().await;
    }

    #[tokio::test]
    async fn a_session_sealed_under_another_key_is_listed_without_its_device_and_ends() {
        let scene = Scene::new();
        let registry = scene.registry(&scene.ring);
        let session = start(&registry, "alice").await;
        let kept: Vec<_> = scene
            .ring
            .lines()
            .filter(|line| !line.starts_with("k1 "))
            .collect();
        let other = scene.registry(&format!("k2 {}\n{}", crate::random::text(), kept.join("\n")));

        assert_eq!(
            listed(&registry).await[0].device.browser.as_deref(),
            Some("Firefox")
        );
        let told = listed(&other).await;
        assert_eq!(
            (&told[0].key, &told[0].device),
            (&session.key, &Device::default())
        );
        assert!(other.end_if_of("alice", &session.key).await.unwrap());
        assert!(listed(&registry).await.is_empty());
        scene.store.close().await;
    }
}
