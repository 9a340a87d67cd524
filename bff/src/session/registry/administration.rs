//! Sessions as an operator sees and ends them: page by page, so that millions of them take no more memory than a few.

use futures_util::{StreamExt, TryStreamExt, stream};

use super::many::{Incomplete, Tally};
use super::own::{AT_ONCE, Living};
use super::{EndReason, SessionError, SessionRegistry};
use crate::session::SessionKey;
use crate::session::store::{Page, StoreError};
use crate::telemetry;

/// How many sessions of a user or of a provider's session are looked at for one page; stores have pages of their own.
const PAGE: usize = 500;

/// Which sessions an operator means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chosen {
    /// Those of the user whom the issuer calls so.
    User(String),
    /// Those that began under the issuer's session of this `sid`.
    ProviderSession(String),
    /// The one of this name.
    One(SessionKey),
    /// Every session there is.
    All,
}

impl Chosen {
    /// The kind of the choice as a word of the audit trail.
    const fn kind(&self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::ProviderSession(_) => "sid",
            Self::One(_) => "key",
            Self::All => "all",
        }
    }
}

/// Some living sessions, the newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LivingPage {
    /// Those of this page. One may appear on more than one page of all sessions.
    pub sessions: Vec<Living>,
    /// Where the list goes on; `None` at its end. A page may be empty and not the last.
    pub next: Option<String>,
}

impl SessionRegistry {
    /// A page of the living sessions that are chosen, from the beginning or where an earlier page left off.
    ///
    /// # Errors
    /// When the store is down, or the place to go on from is none any more.
    pub async fn living_page(
        &self,
        chosen: &Chosen,
        after: Option<&str>,
    ) -> Result<LivingPage, SessionError> {
        let page = self.page(chosen, after).await?;
        let read = stream::iter(page.sessions.into_iter().map(|key| self.living(key)))
            .buffer_unordered(AT_ONCE)
            .try_collect::<Vec<_>>();
        let mut sessions: Vec<_> = read.await?.into_iter().flatten().collect();
        sessions.sort_unstable_by(|a, b| {
            (b.times.created_at, b.key.as_str()).cmp(&(a.times.created_at, a.key.as_str()))
        });
        telemetry::sessions_listed(
            chosen.kind(),
            self.in_the_trail(chosen).as_deref(),
            sessions.len(),
        );
        Ok(LivingPage {
            sessions,
            next: page.next,
        })
    }

    /// Ends the sessions that are chosen, on every node, and says how many records that were. Those that time has ended and
    /// nobody has collected yet count; those that begin meanwhile may stay.
    ///
    /// # Errors
    /// When some could not be ended. Doing it again ends the rest.
    pub async fn end_chosen(&self, chosen: &Chosen) -> Result<usize, Incomplete> {
        let mut tally = Tally::default();
        let mut after = None;
        loop {
            let page = match self.page(chosen, after.as_deref()).await {
                Ok(page) => page,
                Err(error) => {
                    tally.fail(error.into());
                    break;
                }
            };
            self.end_each(&page.sessions, EndReason::Administrator, &mut tally)
                .await;
            after = page.next;
            if after.is_none() || tally.is_hopeless() {
                break;
            }
        }
        let result = tally.into_result();
        let (ended, complete) = match &result {
            Ok(ended) => (*ended, true),
            Err(incomplete) => (incomplete.ended, false),
        };
        let of = self.in_the_trail(chosen);
        telemetry::sessions_ended_by_operator(chosen.kind(), of.as_deref(), ended, complete);
        result
    }

    async fn page(&self, chosen: &Chosen, after: Option<&str>) -> Result<Page, StoreError> {
        let index = match chosen {
            Chosen::User(sub) => self.indexer.user(sub),
            Chosen::ProviderSession(sid) => self.indexer.provider_session(sid),
            Chosen::One(key) => {
                return Ok(Page {
                    sessions: vec![key.clone()],
                    next: None,
                });
            }
            Chosen::All => {
                let mut page = self.store.all_sessions(after).await?;
                in_order(&mut page.sessions);
                return Ok(page);
            }
        };
        let keys = self.store.sessions_of(&index).await?;
        Ok(page_of(keys, after))
    }

    /// The choice as the audit trail names users and sessions, which never is by the issuer's names.
    fn in_the_trail(&self, chosen: &Chosen) -> Option<String> {
        let name = match chosen {
            Chosen::User(sub) => self.indexer.user(sub).as_str().to_owned(),
            Chosen::ProviderSession(sid) => self.indexer.provider_session(sid).as_str().to_owned(),
            Chosen::One(key) => key.as_str().to_owned(),
            Chosen::All => return None,
        };
        Some(name)
    }
}

fn in_order(keys: &mut Vec<SessionKey>) {
    keys.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
    keys.dedup();
}

/// A page goes on after a name and not at a number: sessions that end meanwhile then hide no others.
fn page_of(mut keys: Vec<SessionKey>, after: Option<&str>) -> Page {
    in_order(&mut keys);
    if let Some(after) = after {
        keys.retain(|key| key.as_str() > after);
    }
    let is_last = keys.len() <= PAGE;
    keys.truncate(PAGE);
    let last = keys.last().filter(|_| !is_last);
    Page {
        next: last.map(|key| key.as_str().to_owned()),
        sessions: keys,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use futures_util::future::join_all;

    use super::*;
    use crate::session::registry::scene::{Scene, start};

    #[test]
    fn the_pages_of_an_index_hold_each_session_once_although_some_end_meanwhile() {
        let mut keys: Vec<_> = (0..2 * PAGE + 7).map(|_| SessionKey::generate()).collect();
        let first = page_of(keys.clone(), None);
        assert_eq!(first.sessions.len(), PAGE);
        // All of the first page end before the second is asked for.
        keys.retain(|key| !first.sessions.contains(key));
        let second = page_of(keys.clone(), first.next.as_deref());
        assert_eq!(second.sessions.len(), PAGE);
        let third = page_of(keys.clone(), second.next.as_deref());

        assert_eq!(third.next, None);
        let rest = [second.sessions, third.sessions].concat();
        in_order(&mut keys);
        assert_eq!(rest, keys);
    }

    #[test]
    fn a_page_that_is_just_full_is_the_last_one() {
        let keys: Vec<_> = (0..PAGE).map(|_| SessionKey::generate()).collect();
        assert_eq!(page_of(keys, None).next, None);
        assert_eq!(page_of(Vec::new(), Some("x")).next, None);
    }

    /// Every page of a list, and how many pages that were.
    async fn listed(registry: &SessionRegistry, chosen: &Chosen) -> (Vec<Living>, usize) {
        let (mut sessions, mut after, mut pages) = (Vec::new(), None, 0);
        loop {
            let page = registry.living_page(chosen, after.as_deref()).await.unwrap();
            sessions.extend(page.sessions);
            (after, pages) = (page.next, pages + 1);
            if after.is_none() {
                return (sessions, pages);
            }
        }
    }

    #[tokio::test]
    async fn many_sessions_are_listed_and_ended_page_by_page() {
        let scene = Scene::new();
        let registry = scene.registry(&scene.ring);
        let alices = 2 * PAGE + 7;
        join_all((0..alices).map(|_| start(&registry, "alice"))).await;
        join_all((0..PAGE).map(|_| start(&registry, "bob"))).await;
        let alice = Chosen::User("alice".to_owned());

        for (chosen, expected) in [(&alice, alices), (&Chosen::All, alices + PAGE)] {
            let (sessions, pages) = listed(&registry, chosen).await;
            let distinct: HashSet<_> = sessions.iter().map(|living| &living.key).collect();
            assert_eq!(
                (sessions.len(), distinct.len()),
                (expected, expected),
                "{chosen:?}"
            );
            assert!(pages >= 3, "{pages}");
        }
        assert_eq!(registry.end_chosen(&alice).await.unwrap(), alices);
        let (sessions, _) = listed(&registry, &Chosen::All).await;
        assert_eq!(sessions.len(), PAGE);
        assert!(
            sessions
                .iter()
                .all(|living| living.subject.as_deref() == Some("bob"))
        );
        assert_eq!(registry.end_chosen(&Chosen::All).await.unwrap(), PAGE);
        assert_eq!(listed(&registry, &Chosen::All).await.0, []);
        scene.store.close().await;
    }

    #[tokio::test]
    async fn a_session_sealed_under_another_key_is_listed_without_its_user_and_ends() {
        let scene = Scene::new();
        let session = start(&scene.registry(&scene.ring), "alice").await;
        let kept: Vec<_> = scene
            .ring
            .lines()
            .filter(|line| !line.starts_with("k1 "))
            .collect();
        let other = scene.registry(&format!("k2 {}\n{}", crate::random::text(), kept.join("\n")));

        let (sessions, _) = listed(&other, &Chosen::All).await;

        assert_eq!((&sessions[0].key, &sessions[0].subject), (&session.key, &None));
        assert_eq!(other.end_chosen(&Chosen::All).await.unwrap(), 1);
        scene.store.close().await;
    }
}
