//! Tells clients of sign-outs: takes what is due from the outbox, sends it, and says there what came of it.
//!
//! The outbox is looked at twice a second instead of being told of: what commands and other nodes put there is found the same
//! way. Each client has a few places of its own, and one alone while it fails, so that those which do not answer hold up
//! nobody else.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio::time::MissedTickBehavior;

use super::delivery::{Next, Outcome};
use super::places::Places;
use super::token::logout_token;
use crate::client::{BackChannel, Client, Clients};
use crate::http::OutboundError;
use crate::key::signer::SigningError;
use crate::ops::audit::{self, Subject};
use crate::ops::metrics;
use crate::secret::random_bytes;
use crate::state::Shared;
use crate::store::{Notification, StoreError, in_time};

const LOOK_EVERY: Duration = Duration::from_millis(500);
const REPORT_EVERY: Duration = Duration::from_secs(60);
/// Longer than one attempt takes, the call and what is written afterwards. Whoever is not done by then is taken for dead.
const LEASE: Duration = Duration::from_secs(30);
/// A client is behind when something has waited for this long.
const BEHIND: Duration = Duration::from_secs(60);

/// The task that tells clients, until it is stopped.
#[derive(Debug)]
pub(crate) struct Notifier {
    stop: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Notifier {
    pub(crate) fn start(shared: Arc<Shared>) -> Self {
        let stop = Arc::new(Notify::new());
        let worker = Worker {
            shared,
            places: Places::new(),
            under_way: JoinSet::new(),
            complaints: HashMap::new(),
            more_waits: false,
            is_blind: false,
        };
        let task = tokio::spawn(worker.run(Arc::clone(&stop)));
        Self { stop, task }
    }

    /// Begins nothing more and lets the calls under way end: one broken off would be made again.
    pub(crate) async fn stop(self) {
        self.stop.notify_one();
        if let Err(error) = self.task.await {
            tracing::error!(%error, "telling clients of sign-outs had broken off");
        }
    }
}

struct Worker {
    shared: Arc<Shared>,
    places: Places,
    under_way: JoinSet<Told>,
    /// What was wrong the last time, by client; one that took the last notification is not in it.
    complaints: HashMap<String, String>,
    /// Whether more was due than had a place.
    more_waits: bool,
    /// Whether the database failed the last time: said once, and not twice a second.
    is_blind: bool,
}

/// An attempt that has ended.
struct Told {
    client_id: String,
    complaint: Option<String>,
}

impl Worker {
    async fn run(mut self, stop: Arc<Notify>) {
        let mut looks = interval(LOOK_EVERY);
        let mut reports = interval(REPORT_EVERY);
        loop {
            tokio::select! {
                () = stop.notified() => break,
                _ = looks.tick() => self.begin_what_is_due().await,
                Some(ended) = self.under_way.join_next() => {
                    self.note(ended);
                    if self.more_waits {
                        self.begin_what_is_due().await;
                    }
                }
                _ = reports.tick() => self.report().await,
            }
        }
        while self.under_way.join_next().await.is_some() {}
    }

    async fn begin_what_is_due(&mut self) {
        match self.try_to_begin().await {
            Ok(()) if self.is_blind => {
                self.is_blind = false;
                tracing::info!("the outbox of sign-outs can be read again");
            }
            Err(error) if !self.is_blind => {
                self.is_blind = true;
                tracing::warn!(%error, cause = ?error, "the outbox of sign-outs cannot be read");
            }
            Ok(()) | Err(_) => {}
        }
    }

    async fn try_to_begin(&mut self) -> Result<(), StoreError> {
        self.more_waits = false;
        self.shared.keep_up().await;
        let due = in_time(self.shared.store.clients_to_notify(self.shared.now())).await?;
        for client_id in due {
            // Left to nodes that know it: while they are replaced one after the other their configurations differ.
            if registered(&self.shared.clients(), &client_id).is_none() {
                continue;
            }
            let is_failing = self.complaints.contains_key(&client_id);
            let places = self.places.free(&client_id, is_failing);
            let wanted = places.len();
            let now = self.shared.now();
            let claimed = match u32::try_from(wanted) {
                Ok(0) | Err(_) => Vec::new(),
                Ok(at_most) => {
                    let store = &self.shared.store;
                    in_time(store.claim_notifications(&client_id, at_most, now, now + LEASE)).await?
                }
            };
            self.more_waits |= claimed.len() == wanted;
            for (notification, place) in claimed.into_iter().zip(places) {
                let shared = Arc::clone(&self.shared);
                self.under_way.spawn(async move {
                    let _place = place;
                    tell(&shared, notification).await
                });
            }
        }
        Ok(())
    }

    fn note(&mut self, ended: Result<Told, JoinError>) {
        match ended {
            Ok(Told {
                client_id,
                complaint: Some(complaint),
            }) => {
                tracing::debug!(client.id = %client_id, complaint, "a client has not taken a logout notification");
                self.complaints.insert(client_id, complaint);
            }
            Ok(told) => {
                self.complaints.remove(&told.client_id);
            }
            // Its lease runs out, and it is tried again.
            Err(error) => tracing::error!(%error, "an attempt to tell a client of a sign-out broke off"),
        }
    }

    /// Says which clients are behind, and keeps their queues within bounds.
    async fn report(&self) {
        if let Err(error) = self.try_to_report().await {
            tracing::warn!(%error, cause = ?error, "the outbox of sign-outs cannot be looked after");
        }
    }

    async fn try_to_report(&self) -> Result<(), StoreError> {
        let Shared { store, config, .. } = &*self.shared;
        let now = self.shared.now();
        let backlogs = in_time(store.logout_backlogs()).await?;
        metrics::logouts_waiting(backlogs.iter().map(|backlog| backlog.waiting).sum());
        for backlog in backlogs {
            let client_id = &backlog.client_id;
            let oldest = now.since(backlog.oldest);
            if registered(&self.shared.clients(), client_id).is_none() {
                let long_ago = now - config.logout.give_up_after;
                let dropped = in_time(store.drop_notifications(client_id, long_ago)).await?;
                tracing::warn!(
                    client.id = %client_id, waiting = backlog.waiting, dropped,
                    "logout notifications wait for a client that is registered without backchannel_logout_uri"
                );
            } else if oldest >= BEHIND {
                let complaint = self.complaints.get(client_id).map(String::as_str);
                tracing::warn!(
                    client.id = %client_id, waiting = backlog.waiting, oldest_s = oldest.as_secs(), complaint,
                    "a client does not take its logout notifications"
                );
            }
            if backlog.waiting > u64::from(config.logout.queue) {
                let dropped = in_time(store.trim_notifications(client_id, config.logout.queue)).await?;
                tracing::error!(
                    client.id = %client_id, dropped,
                    "too many logout notifications wait for a client: the oldest were dropped"
                );
            }
        }
        Ok(())
    }
}

/// A client that is told, and where.
fn registered<'c>(clients: &'c Clients, client_id: &str) -> Option<(&'c Client, &'c BackChannel)> {
    let client = clients.find(client_id)?;
    Some((client, client.back_channel.as_ref()?))
}

fn interval(period: Duration) -> tokio::time::Interval {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// Why a notification was not sent, or nobody knows whether it was.
#[derive(Debug, thiserror::Error)]
enum Unsent {
    #[error("it is registered without backchannel_logout_uri by now")]
    Unregistered,
    #[error(transparent)]
    Signing(#[from] SigningError),
    #[error(transparent)]
    Call(#[from] OutboundError),
}

/// Makes one attempt and writes down what came of it. When that cannot be written the lease runs out, and the client is told
/// once more: it takes a second notification for what it is.
async fn tell(shared: &Shared, notification: Notification) -> Told {
    let answered = send(shared, &notification).await;
    let outcome = match &answered {
        Ok(status) => Outcome::of_status(*status),
        Err(_) => Outcome::Failed,
    };
    metrics::logout_attempted(outcome.as_str());
    let complaint = match answered {
        Ok(_) if outcome == Outcome::Taken => None,
        Ok(status) => Some(format!("it answered with status {status}")),
        Err(error) => Some(format!("{:#}", anyhow::Error::from(error))),
    };
    let chance = u16::from_be_bytes(random_bytes());
    let give_up_after = shared.config.logout.give_up_after;
    let next = outcome.judge(&notification, give_up_after, shared.now(), chance);
    if let Err(error) = write_down(shared, &notification, next, complaint.as_deref()).await {
        tracing::warn!(%error, cause = ?error, "what came of a logout notification cannot be written down");
    }
    Told {
        client_id: notification.client_id,
        complaint,
    }
}

/// The token is signed for this attempt: one that was kept would have expired, or its key be gone.
async fn send(shared: &Shared, notification: &Notification) -> Result<u16, Unsent> {
    // Nobody may have asked this node anything since a key was withdrawn, or a client.
    shared.keep_up().await;
    let clients = shared.clients();
    let (client, back_channel) = registered(&clients, &notification.client_id).ok_or(Unsent::Unregistered)?;
    let issuer = &shared.config.issuer;
    let token = logout_token(issuer, client, notification, &shared.signer, shared.now())?;
    let form = [("logout_token", token.as_str())];
    Ok(shared.outbound.post_form(&back_channel.uri, &form).await?)
}

async fn write_down(
    shared: &Shared,
    notification: &Notification,
    next: Next,
    complaint: Option<&str>,
) -> Result<(), StoreError> {
    let client_id = &notification.client_id;
    let who = Subject {
        user_id: &notification.user_id,
        sid: &notification.sid,
    };
    match next {
        Next::Again(due_at) => in_time(shared.store.postpone_notification(notification, due_at)).await?,
        Next::Done => {
            in_time(shared.store.remove_notification(notification)).await?;
            audit::client_told_of_end(who, client_id);
        }
        Next::GiveUp => {
            in_time(shared.store.remove_notification(notification)).await?;
            audit::client_not_told_of_end(who, client_id, notification.attempts, complaint);
        }
    }
    Ok(())
}
