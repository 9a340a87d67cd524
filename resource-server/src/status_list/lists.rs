use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::FetchStatusList;
use super::error::StatusError;
use super::figures::{Counts, StatusFigures};
use super::followed::{Followed, Standing};
use super::follower::Follower;
use super::places::ListPlaces;
use super::policy::{Fail, StatusPolicy};
use crate::algorithm::Algorithm;
use crate::claims::Claims;
use crate::error::TokenError;
use crate::key_cache::KeyCache;
use crate::status::{StatusClaim, StatusReference};
use crate::time::{Clock, UnixTime};
use crate::verifier::Verifier;

/// How long a request waits for a list at most. A look ends before; this is for the case that nobody is there to look, or
/// that one look has to end before the next.
const PATIENCE: Duration = Duration::from_secs(4);

/// Answers that tell to come again say when.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The status lists of one issuer, shared by all workers; clones share everything.
///
/// A list is fetched when the first token refers to it, and then again and again as long as there are such tokens. To
/// look a token up takes no lock and, as long as its list is current, waits for nothing.
#[derive(Debug, Clone)]
pub struct StatusLists(pub(super) Arc<Shared>);

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) around: Arc<Surroundings>,
    places: ListPlaces,
    pub(super) followed: ArcSwap<HashMap<Box<str>, Arc<Followed>>>,
    /// Who writes `followed` holds it. The tasks end with it.
    tasks: Mutex<JoinSet<()>>,
    runtime: Option<Handle>,
    foreign_told: AtomicBool,
    malformed_told: AtomicBool,
    excess_told: AtomicBool,
}

/// What all followers of an issuer's lists need.
#[derive(Debug)]
pub(super) struct Surroundings {
    pub(super) issuer: String,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) source: Arc<dyn FetchStatusList>,
    pub(super) keys: KeyCache,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) policy: StatusPolicy,
    pub(super) counts: Counts,
}

impl StatusLists {
    /// The lists of the issuer whose tokens `verifier` judges. They are signed with the issuer's `keys` by an algorithm that
    /// the verifier allows, and kept at `places`.
    ///
    /// If it is called within a tokio runtime, lists are followed there, and it has to be driven as long as this is in
    /// use; otherwise they are followed where the first token is judged.
    #[must_use]
    pub fn new(
        verifier: &Verifier,
        places: ListPlaces,
        source: Arc<dyn FetchStatusList>,
        keys: KeyCache,
        policy: StatusPolicy,
    ) -> Self {
        let around = Surroundings {
            issuer: verifier.issuer().to_owned(),
            algorithms: verifier.algorithms().to_vec(),
            source,
            clock: keys.clock(),
            keys,
            policy,
            counts: Counts::default(),
        };
        Self(Arc::new(Shared {
            around: Arc::new(around),
            places,
            followed: ArcSwap::default(),
            tasks: Mutex::default(),
            runtime: Handle::try_current().ok(),
            foreign_told: AtomicBool::new(false),
            malformed_told: AtomicBool::new(false),
            excess_told: AtomicBool::new(false),
        }))
    }

    /// Whose lists they are, as tokens name it in `iss`.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.around.issuer
    }

    /// Judges the status of a token that was verified otherwise. To be asked at each use of the token: this is what may
    /// change at any time.
    ///
    /// # Errors
    /// [`StatusError::Token`] when the token is not good any more, or its `status` cannot be right;
    /// [`StatusError::Unavailable`] when its list cannot be had and [`StatusPolicy::fail`] says so.
    pub async fn check(&self, claims: &Claims) -> Result<(), StatusError> {
        let verdict = match claims.status() {
            StatusClaim::Absent if self.0.around.policy.require => {
                Err(TokenError::MissingClaim("status").into())
            }
            StatusClaim::Absent => return Ok(()),
            StatusClaim::Malformed => Err(self.0.malformed().into()),
            StatusClaim::Listed(reference) => self.check_listed(reference, claims.issued_at()).await,
        };
        let counts = &self.0.around.counts;
        match verdict {
            Err(StatusError::Token(_)) => counts.refused.one(),
            Err(StatusError::Unavailable(_)) => counts.unavailable.one(),
            _ => {}
        }
        verdict
    }

    /// What has happened so far.
    #[must_use]
    pub fn figures(&self) -> StatusFigures {
        let counts = &self.0.around.counts;
        let followed = self.0.followed.load();
        let out_of_reach = followed.values().filter(|list| list.is_out_of_reach());
        StatusFigures {
            renewed: counts.renewed.get(),
            unchanged: counts.unchanged.get(),
            failed: counts.failed.get(),
            refused: counts.refused.get(),
            unchecked: counts.unchecked.get(),
            unavailable: counts.unavailable.get(),
            lists: followed.len() as u64,
            lists_out_of_reach: out_of_reach.count() as u64,
        }
    }

    async fn check_listed(
        &self,
        reference: &StatusReference,
        issued_at: Option<UnixTime>,
    ) -> Result<(), StatusError> {
        let now = self.0.now();
        let policy = &self.0.around.policy;
        {
            let followed = self.0.followed.load();
            if let Some(list) = followed.get(&reference.uri) {
                list.touch(now);
                let standing = list.standing(reference.index, issued_at, policy, now);
                if let Some(standing) =
                    standing.filter(|standing| standing.is_current && !standing.precedes_token)
                {
                    return Ok(standing.verdict?);
                }
            }
        }
        let list = self.0.follow(&reference.uri, now)?;
        self.0.renew(&list, reference.index, issued_at, now).await;
        let now = self.0.now();
        match list.standing(reference.index, issued_at, policy, now) {
            Some(standing) if standing.is_current => Ok(standing.verdict?),
            standing => self.0.judge_without_list(&list, standing, now),
        }
    }
}

impl Shared {
    fn now(&self) -> UnixTime {
        self.around.clock.now()
    }

    /// An issuer may have used `status` for something else before lists were followed: then this is news to its operator.
    fn malformed(&self) -> TokenError {
        if !self.malformed_told.swap(true, Ordering::Relaxed) {
            tracing::warn!(issuer = %self.around.issuer, "a token's claim \"status\" is none that refers to a status list");
        }
        TokenError::MalformedClaim("status")
    }

    /// The list with this address, from now on if it was not followed yet.
    fn follow(&self, uri: &str, now: UnixTime) -> Result<Arc<Followed>, StatusError> {
        if let Some(list) = self.followed.load().get(uri) {
            return Ok(list.clone());
        }
        let Some(address) = self.places.find(uri) else {
            if !self.foreign_told.swap(true, Ordering::Relaxed) {
                tracing::warn!(issuer = %self.around.issuer, "a token names a status list that is kept elsewhere");
            }
            return Err(TokenError::ForeignStatusList.into());
        };
        let _writing = self.lock();
        let mut followed = HashMap::clone(&self.followed.load());
        if let Some(list) = followed.get(uri) {
            return Ok(list.clone());
        }
        if followed.len() >= self.around.policy.max_lists {
            followed.retain(|_, list| !list.is_idle(self.around.policy.idle_after, now));
        }
        if followed.len() >= self.around.policy.max_lists {
            if !self.excess_told.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    lists = followed.len(),
                    "tokens refer to more status lists than may be followed"
                );
            }
            return Err(StatusError::Unavailable(RETRY_AFTER));
        }
        let list = Arc::new(Followed::new(address, now));
        followed.insert(uri.into(), list.clone());
        self.followed.store(Arc::new(followed));
        Ok(list)
    }

    /// Has the list looked at, and waits for that, if it might tell something else.
    async fn renew(&self, list: &Arc<Followed>, index: u64, issued_at: Option<UnixTime>, now: UnixTime) {
        list.touch(now);
        let looks = &list.looks;
        // Read first: a look that ends from here on is one that counts.
        let ended_before = *looks.ended.borrow();
        let target = match list.standing(index, issued_at, &self.around.policy, now) {
            Some(standing) if standing.is_current => {
                // One look a second is enough for tokens that are newer than their list.
                if !standing.precedes_token || list.good_at() >= Some(now) {
                    return;
                }
                // A look that began before the token came may bring a list from before it.
                looks.begun.load(Ordering::Acquire) + 1
            }
            _ => ended_before + 1,
        };
        if list.outage_is_known(now) {
            self.keep_following(list);
            return;
        }
        let mut ended = looks.ended.subscribe();
        looks.wanted.fetch_max(target, Ordering::AcqRel);
        self.keep_following(list);
        looks.wake.notify_one();
        // How it ended shows in the list.
        let _ = tokio::time::timeout(PATIENCE, ended.wait_for(|&ended| ended >= target)).await;
    }

    fn keep_following(&self, list: &Arc<Followed>) {
        if !list.looks.begin_running() {
            return;
        }
        let follower = Follower::new(list.clone(), self.around.clone());
        let mut tasks = self.lock();
        while tasks.try_join_next().is_some() {}
        match &self.runtime {
            Some(runtime) => tasks.spawn_on(follower.run(), runtime),
            None => tasks.spawn(follower.run()),
        };
    }

    fn judge_without_list(
        &self,
        list: &Followed,
        standing: Option<Standing>,
        now: UnixTime,
    ) -> Result<(), StatusError> {
        let is_open = match self.around.policy.fail {
            Fail::Closed => false,
            Fail::Open { at_most } => !list.is_lost(at_most, now),
        };
        if !is_open {
            if !list.refusing.swap(true, Ordering::Relaxed) {
                tracing::warn!(list = %list.uri, "tokens of this status list are not judged while it cannot be had");
            }
            return Err(StatusError::Unavailable(RETRY_AFTER));
        }
        if let Some(Standing {
            verdict: Err(error),
            precedes_token: false,
            ..
        }) = standing
        {
            return Err(error.into());
        }
        self.around.counts.unchecked.one();
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
