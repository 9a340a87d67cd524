use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};

use super::FetchedList;
use super::error::{FetchListError, InvalidStatusList};
use super::followed::{Followed, Held};
use super::list::{ExpectedList, StatusList};
use super::lists::Surroundings;
use crate::error::TokenError;
use crate::key_cache::Generation;
use crate::time::UnixTime;
use crate::verifier::IAT_TOLERANCE;

/// How long one look may take, keys included, whatever fetches. Somewhat less than a request waits, so that the request
/// sees how it ended.
const DEADLINE: Duration = Duration::from_millis(3500);

/// The first pause after a look that failed; it doubles until it is as long as any other.
const FIRST_RETRY: Duration = Duration::from_millis(500);

/// A list that is believed, and the keys that vouched for it.
type Judged = (StatusList, Option<Generation>);

/// Looks at one list again and again, as long as tokens refer to it. There is one of these for a list at most, so that
/// there is one fetch in flight.
pub(super) struct Follower {
    list: Arc<Followed>,
    around: Arc<Surroundings>,
    retry: Duration,
}

/// However it ends, even by a panic or with the runtime it runs in, nobody goes on waiting for it.
impl Drop for Follower {
    fn drop(&mut self) {
        let looks = &self.list.looks;
        looks.abandon();
        let begun = looks.begun.load(Ordering::Acquire);
        looks
            .ended
            .send_if_modified(|ended| std::mem::replace(ended, begun) < begun);
    }
}

impl Follower {
    /// To be made by whom [`super::followed::Looks::begin_running`] has told to.
    pub(super) fn new(list: Arc<Followed>, around: Arc<Surroundings>) -> Self {
        Self {
            list,
            around,
            retry: FIRST_RETRY,
        }
    }

    pub(super) async fn run(mut self) {
        let mut next = Instant::now();
        loop {
            self.wait(next).await;
            let idle_after = self.around.policy.idle_after;
            let is_idle = || self.list.is_idle(idle_after, self.around.clock.now());
            if self.list.looks.rest(is_idle) {
                tracing::debug!(list = %self.list.uri, "no token refers to this status list any more");
                return;
            }
            let begun = Instant::now();
            self.list.looks.begun.fetch_add(1, Ordering::AcqRel);
            let outcome = timeout(DEADLINE, self.look())
                .await
                .unwrap_or(Err(FetchListError::TimedOut));
            next = begun + self.pause_after(outcome.is_ok());
            self.land(outcome);
            self.list.looks.ended.send_modify(|ended| *ended += 1);
        }
    }

    /// Returns when it is time for the next look, or when one is wanted.
    async fn wait(&self, next: Instant) {
        let looks = &self.list.looks;
        let wanted = async {
            while !looks.is_wanted() {
                looks.wake.notified().await;
            }
        };
        tokio::select! {
            () = wanted => {}
            () = sleep_until(next) => {}
        }
    }

    fn pause_after(&mut self, is_good: bool) -> Duration {
        let policy = &self.around.policy;
        let max_age = match self.list.held() {
            Some(held) => policy.max_age_of(&held.list),
            None => policy.max_age,
        };
        // Before it is too old: nobody has to wait then.
        let pause = max_age * 4 / 5;
        if is_good {
            self.retry = FIRST_RETRY;
            return pause;
        }
        let retry = self.retry.min(pause);
        self.retry = self.retry.saturating_mul(2);
        retry
    }

    async fn look(&self) -> Result<(), FetchListError> {
        let asked_at = self.around.clock.now();
        let held = self.list.held();
        let etag = held
            .as_ref()
            .and_then(|held| held.etag.as_deref().filter(|_| self.may_stay(held, asked_at)));
        match self.around.source.fetch(&self.list.uri, etag).await? {
            FetchedList::Unchanged if etag.is_some() => self.around.counts.unchanged.one(),
            FetchedList::Unchanged => return Err(FetchListError::Status(304)),
            FetchedList::New { token, etag } => {
                let (list, generation) = self.judge(token.into()).await?;
                let (list, etag) = match &held {
                    // Several nodes of an issuer make the same list, one earlier and one later.
                    Some(held) if list.is_no_news_after(&held.list) => (held.list.clone(), etag),
                    // The clock of the issuer may have been set back, or those of its nodes differ.
                    Some(held) if self.is_long_before(&list, &held.list) => {
                        return Err(FetchListError::Older);
                    }
                    // Which of the two is the newer is not certain then, and one may have been kept back and be sent again. Of both
                    // together there is no ETag.
                    Some(held) if list.issued_at() <= held.list.issued_at() => {
                        let both = list.keeping_ends_of(&held.list).ok_or(FetchListError::Older)?;
                        (both, None)
                    }
                    _ => (list, etag),
                };
                let held = Held {
                    list,
                    etag,
                    generation,
                };
                self.list.put(held, asked_at);
                self.around.counts.renewed.one();
                return Ok(());
            }
        }
        self.list.confirm(asked_at);
        Ok(())
    }

    fn is_long_before(&self, list: &StatusList, newest: &StatusList) -> bool {
        list.issued_at() + self.around.policy.leeway + IAT_TOLERANCE < newest.issued_at()
    }

    /// Whether a list is worth being confirmed: it does not expire soon, and the keys that vouched for it are in force.
    fn may_stay(&self, held: &Held, now: UnixTime) -> bool {
        let soon = now + 2 * self.around.policy.max_age;
        let expires_at = held.list.expires_at();
        expires_at.is_none_or(|expires_at| soon < expires_at)
            && held.generation == self.around.keys.generation()
    }

    /// Reads an answer; if it is signed with a key that is not there, newer keys are asked for.
    async fn judge(&self, token: Arc<str>) -> Result<Judged, FetchListError> {
        match self.judge_with_keys_at_hand(token.clone()).await {
            Err(FetchListError::Invalid(InvalidStatusList::Token(TokenError::UnknownKey))) => {
                self.around.keys.renew().await.map_err(FetchListError::Keys)?;
                self.judge_with_keys_at_hand(token).await
            }
            judged => judged,
        }
    }

    /// In a thread of its own: a list of millions takes milliseconds, in which no request should have to wait.
    async fn judge_with_keys_at_hand(&self, token: Arc<str>) -> Result<Judged, FetchListError> {
        let (list, around) = (self.list.clone(), self.around.clone());
        let judging = tokio::task::spawn_blocking(move || {
            around.keys.show(|keys, generation, now| {
                let expected = ExpectedList {
                    uri: list.uri.as_str(),
                    issuer: &around.issuer,
                    algorithms: &around.algorithms,
                    max_bytes: around.policy.max_list_bytes,
                    leeway: around.policy.leeway,
                };
                StatusList::verify(&token, keys, &expected, now).map(|list| (list, generation))
            })
        });
        let judged = judging.await.map_err(|_| FetchListError::Interrupted)?;
        Ok(judged?)
    }

    /// Notes how a look ended; a change is told once.
    fn land(&self, outcome: Result<(), FetchListError>) {
        let now = self.around.clock.now();
        let is_new = self.list.note_end(outcome.is_ok(), now);
        let uri = &self.list.uri;
        match outcome {
            Ok(()) => {
                self.list.refusing.store(false, Ordering::Relaxed);
                if is_new {
                    tracing::info!(list = %uri, "the status list can be had again");
                }
            }
            Err(error) => {
                self.around.counts.failed.one();
                if is_new {
                    tracing::warn!(
                        list = %uri,
                        error = &error as &dyn std::error::Error,
                        policy = ?self.around.policy.fail,
                        "the status list cannot be had"
                    );
                }
            }
        }
    }
}
