//! What one node holds of the lists, and how it keeps up with the database.
//!
//! Once a second, by the clock, whoever asks first looks at what has ended since the last look; all that come meanwhile wait
//! for that. So what had ended a second before a question is in its answer, and a node that nobody asks has nothing to do.
//! A look costs what ended since the one before. Where the database cannot be read, nobody gets a list: a resource server
//! that goes on with the one it has decides for how long.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use resource_server::time::UnixTime;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::bits::Bits;
use super::document::{Document, Draft, expiry};
use super::uri;
use crate::config::{Config, Issuer};
use crate::grant::status::TOLD_FOR;
use crate::key::signer::SigningError;
use crate::key::{Signer, SigningAlgorithm};
use crate::ops::metrics;
use crate::store::{LOOK_PATIENCE, Store, StoreError, in_time};

/// Why there is no list to be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StatusListError {
    /// What it has to say could not be read.
    #[error("the database failed")]
    Store(#[from] StoreError),
    /// Somebody else reads, and has for long.
    #[error("what has ended is still being read")]
    Busy,
    #[error("a list could not be signed")]
    Signing(#[from] SigningError),
    /// Only a panic explains it.
    #[error("a list could not be made")]
    Task(#[from] tokio::task::JoinError),
}

/// The lists of this node.
#[derive(Debug)]
pub(crate) struct StatusLists {
    store: Store,
    signer: Arc<Signer>,
    issuer: Issuer,
    ttl: Duration,
    signing: SigningAlgorithm,
    known: Arc<Mutex<Known>>,
}

/// What has been read, and what was made from it.
#[derive(Debug, Default)]
struct Known {
    /// The second of the last look that succeeded.
    looked: Option<UnixTime>,
    /// What has a smaller number is in the bits.
    next: i64,
    /// How many lists there are grants in.
    lists: u64,
    bits: Bits,
    signed: HashMap<u64, Signed>,
    has_failed: bool,
}

/// A list as it was signed, and what from.
#[derive(Debug)]
struct Signed {
    version: u64,
    kid: String,
    document: Document,
}

impl StatusLists {
    pub(crate) fn new(store: Store, signer: Arc<Signer>, config: &Config) -> Self {
        Self {
            store,
            signer,
            issuer: config.issuer.clone(),
            ttl: config.status_list.ttl,
            signing: config.status_list.signing,
            known: Arc::default(),
        }
    }

    /// How long who has a list need not ask again.
    pub(crate) fn ttl(&self) -> Duration {
        self.ttl
    }

    /// The addresses of the lists that there are grants in.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(crate) async fn uris(&self, now: UnixTime) -> Result<Vec<String>, StatusListError> {
        let known = self.looked(now).await?;
        Ok((0..known.lists).map(|list| uri(&self.issuer, list)).collect())
    }

    /// A list, signed; `None` if it is none.
    ///
    /// One beyond those that there are is answered as well, and says that nothing has ended: the next sign-in may begin it,
    /// and its token may be shown before this node looks again.
    ///
    /// # Errors
    /// When the database cannot be read or there is no key.
    pub(super) async fn list(&self, number: u64, now: UnixTime) -> Result<Option<Document>, StatusListError> {
        let mut known = self.looked(now).await?;
        if number > known.lists {
            return Ok(None);
        }
        let version = known.bits.version_of(number);
        let ring = self.signer.ring();
        let kid = ring.active(self.signing).map(|key| key.public().kid.clone());
        let kid = kid.ok_or(SigningError::NoKey(self.signing))?;
        if let Some(signed) = known.signed.get(&number)
            && (signed.version, &signed.kid, signed.document.expires) == (version, &kid, expiry(now))
        {
            return Ok(Some(signed.document.clone()));
        }
        let (version, bits) = known.bits.of_list(number);
        let draft = Draft {
            uri: uri(&self.issuer, number),
            bits,
            now,
            ttl: self.ttl,
            signing: self.signing,
        };
        let signer = Arc::clone(&self.signer);
        let signing = tokio::task::spawn_blocking(move || (draft.sign(&signer, &kid), kid));
        let (document, kid) = signing.await?;
        let document = document?;
        metrics::status_list_signed();
        let signed = Signed {
            version,
            kid,
            document: document.clone(),
        };
        known.signed.insert(number, signed);
        Ok(Some(document))
    }

    /// What is known, after a look if this second had none.
    async fn looked(&self, now: UnixTime) -> Result<OwnedMutexGuard<Known>, StatusListError> {
        let waiting = tokio::time::timeout(LOOK_PATIENCE, Arc::clone(&self.known).lock_owned());
        let mut known = waiting.await.map_err(|_| StatusListError::Busy)?;
        if known.looked == Some(now) {
            return Ok(known);
        }
        let store = self.store.clone();
        // In a task of its own: the first look may be a long one, and a client that goes away does not take it along.
        let look = tokio::spawn(async move {
            let outcome = known.look(&store, now).await;
            outcome.map(|()| known)
        });
        let looked = tokio::time::timeout(LOOK_PATIENCE, look).await;
        Ok(looked.map_err(|_| StatusListError::Busy)???)
    }
}

impl Known {
    async fn look(&mut self, store: &Store, now: UnixTime) -> Result<(), StoreError> {
        let outcome = self.read_what_ended(store, now).await;
        match &outcome {
            Ok(()) => {
                self.looked = Some(now);
                metrics::status_lists(self.lists, self.bits.count());
                if self.has_failed {
                    tracing::info!("the ends of grants can be read again: status lists are answered");
                }
            }
            Err(error) if !self.has_failed => {
                tracing::error!(%error, cause = ?error, "the ends of grants could not be read: no status list is answered");
            }
            Err(_) => {}
        }
        self.has_failed = outcome.is_err();
        outcome
    }

    async fn read_what_ended(&mut self, store: &Store, now: UnixTime) -> Result<(), StoreError> {
        // First, so that what is committed between the two questions comes again with the next look.
        let ends = in_time(store.ends_known()).await?;
        let is_another = ends.next < self.next;
        if is_another {
            tracing::warn!(
                "another database is in the place of the one before: its grants are read from the beginning"
            );
        }
        // What was taken for over by a clock that was ahead is not over.
        let was_ahead = self.looked.is_some_and(|looked| now < looked);
        if is_another || was_ahead {
            *self = Self {
                has_failed: self.has_failed,
                ..Self::default()
            };
        }
        self.bits.clear_what_is_over(now);
        let bits = &mut self.bits;
        store
            .ended_grants(self.next, now - TOLD_FOR, |ended| bits.set(ended))
            .await?;
        self.next = ends.next;
        self.lists = ends.lists;
        Ok(())
    }
}
