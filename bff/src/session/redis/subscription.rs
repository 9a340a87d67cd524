//! Hears of every session that changes, and knows until when it has heard of all.
//!
//! The scripts that change a session publish it on `{prefix}:changes`. A subscription can fall silent without breaking
//! (a network that drops, a server that hangs), and then nothing would be told and nobody would know. So this node
//! makes itself heard: four times in the span of `staleness` it sends a beat through its command connection and listens for it
//! on the same subscription. Redis runs one command after the other and writes what they publish to a subscriber in
//! that order. Whoever hears a beat has therefore heard of every change that came before it, in particular of all that
//! were made before the beat was *sent*. What was told by then is taken for all that happened until
//! `sent + staleness`; so a copy is never trusted longer than `staleness` after a change that was not told.
//!
//! In a cluster each master has its own order, and messages travel from it to the server where this node listens. So a
//! beat goes through every master that holds sessions, and only when all of them came back does the round count. Behind
//! sentinels the beat goes to the master of the moment; it counts as a write there, so that a master which was replaced, or
//! has lost its replicas, refuses it.
//!
//! A round that does not come back is a gap, in which changes may have been lost just so: between the servers of a
//! cluster messages are dropped while their link is being remade. The next whole round makes this node forget its copies.
//!
//! A server that is emptied tells nobody. So a beat also says in which era its server is, and a new one makes this node
//! forget its copies, as after a silence.
//!
//! One task does all this. It waits for its own beats with the store's time-out, has one round under way at a time, and never
//! stands in the way of a command.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use deadpool_redis::redis::aio::PubSubStream;
use deadpool_redis::redis::{Msg, cmd};
use futures_util::StreamExt;
use futures_util::future::try_join_all;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout_at};

use super::beats::Beats;
use super::connect::ConnectError;
use super::connection::HeldConnection;
use super::eras::Eras;
use super::link::Shard;
use crate::errors::chain;
use crate::outage::Outage;
use crate::random;
use crate::session::SessionKey;
use crate::session::store::{Change, ChangeListener, Revision, StoreError};
use crate::telemetry;

const BEAT: &str = include_str!("beat.lua");
/// How often a round of beats begins within the span that one of them covers.
const BEATS_PER_STALENESS: u32 = 4;
/// How many spans without a whole round make a subscription a broken one.
const SILENT_SPANS: u32 = 2;
/// The pause before the next attempt, doubled after each that failed.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// Why a subscription ended.
#[derive(Debug, thiserror::Error)]
enum Silence {
    #[error("the subscription could not be made")]
    Unmade(#[from] ConnectError),
    #[error("the servers could not be found out")]
    NoServers(#[from] StoreError),
    #[error("the subscription's connection broke")]
    Broken,
    #[error("the subscription was silent")]
    Silent,
}

#[derive(Debug)]
pub(super) struct Subscription {
    connection: Arc<HeldConnection>,
    listener: Arc<dyn ChangeListener>,
    /// Where all nodes listen.
    changes: String,
    /// Where this node alone listens: beats of a hundred nodes would be told to a hundred nodes otherwise.
    beats_at: String,
    /// What the names of the keys begin with that say in which era a server is.
    eras_at: String,
    staleness: Duration,
    beats: Mutex<Beats>,
    eras: Mutex<Eras>,
    outage: Outage,
}

impl Subscription {
    pub(super) fn new(
        connection: Arc<HeldConnection>,
        listener: Arc<dyn ChangeListener>,
        prefix: &str,
        staleness: Duration,
    ) -> Self {
        Self {
            connection,
            listener,
            changes: format!("{prefix}:changes"),
            beats_at: format!("{prefix}:beats:{}", random::text()),
            eras_at: format!("{prefix}:era"),
            staleness,
            beats: Mutex::default(),
            eras: Mutex::default(),
            outage: Outage::new(Duration::ZERO),
        }
    }

    /// Listens until the store is closed.
    pub(super) async fn run(self) {
        let closed = self.connection.closed();
        closed.run_until_cancelled(self.keep_listening()).await;
    }

    async fn keep_listening(&self) {
        let mut pause = FIRST_PAUSE;
        telemetry::changes_heard(false);
        for attempt in 0_usize.. {
            let begun = Instant::now();
            let silence = match self.listen(attempt).await {
                Ok(silence) | Err(silence) => silence,
            };
            if self.beats().last_whole_since(begun).is_some() {
                pause = FIRST_PAUSE;
            }
            telemetry::changes_heard(false);
            // One line for an outage, not one for each attempt.
            if self.outage.failed(Instant::now(), "") {
                tracing::warn!(
                    error = chain(&silence),
                    "changes of sessions are not heard; trying again"
                );
            }
            sleep(pause).await;
            pause = LAST_PAUSE.min(2 * pause);
        }
    }

    /// Subscribes once, and listens for as long as that works.
    async fn listen(&self, attempt: usize) -> Result<Silence, Silence> {
        let shards = self.shards().await?;
        // Another server each time: one that hangs, or is told nothing by the others, is not tried twice in a row.
        let Some(shard) = shards.get(attempt % shards.len().max(1)) else {
            return Err(Silence::Broken);
        };
        let channels = [self.changes.as_str(), self.beats_at.as_str()];
        let subscription = self.connection.address().subscribe(shard, &channels).await?;
        // Nobody knows what happened before.
        self.eras().clear();
        self.beats().restart();
        self.listener.missed();
        tokio::select! {
            silence = self.hear(subscription.into_on_message()) => Ok(silence),
            () = self.beat() => Ok(Silence::Broken),
        }
    }

    async fn hear(&self, mut messages: PubSubStream) -> Silence {
        let begun = Instant::now();
        let patience = SILENT_SPANS * self.staleness + self.connection.address().timeout;
        loop {
            let deadline = self.beats().last_whole_since(begun).unwrap_or(begun) + patience;
            match timeout_at(deadline, messages.next()).await {
                Ok(Some(message)) if Instant::now() < deadline => self.tell(&message),
                Ok(None) => return Silence::Broken,
                Ok(Some(_)) | Err(_) => return Silence::Silent,
            }
        }
    }

    fn tell(&self, message: &Msg) {
        let text = String::from_utf8_lossy(message.get_payload_bytes());
        if message.get_channel_name() == self.beats_at {
            self.beat_heard(&text);
        } else if let Some(change) = change(&text) {
            self.listener.changed(&change);
        } else {
            tracing::debug!("a message of another version about sessions was not understood");
        }
    }

    fn beat_heard(&self, text: &str) {
        let Some((number, era)) = beat(text) else {
            return;
        };
        if let Some((place, era)) = era
            && !self.eras().goes_on(place, era)
        {
            tracing::warn!("Redis has lost what it held; sessions in memory are looked up again");
            self.listener.missed();
        }
        let whole = self.beats().heard(number);
        if let Some(whole) = whole {
            telemetry::round_heard(whole.sent.elapsed());
            telemetry::changes_heard(true);
            if whole.after_a_gap {
                self.listener.missed();
            }
            self.listener.trusted_until(whole.sent + self.staleness);
            if let Some(lasted) = self.outage.worked(Instant::now()) {
                let duration_ms = telemetry::millis(lasted);
                tracing::info!(duration_ms, "changes of sessions are heard again");
            }
        }
    }

    /// Sends beats, one round after the other. A round that cannot be sent leaves a gap; the next may succeed.
    async fn beat(&self) {
        let mut ticks = interval((self.staleness / BEATS_PER_STALENESS).max(Duration::from_millis(1)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = self.send_round().await {
                tracing::debug!(error = chain(&error), "a beat could not be sent");
            }
        }
    }

    async fn send_round(&self) -> Result<(), StoreError> {
        // Before anything is asked: a server that takes over after this instant is not covered by the round.
        let sent = Instant::now();
        let shards = self.shards().await?;
        let numbers = self.beats().begin(shards.len(), sent);
        try_join_all(
            numbers
                .zip(&shards)
                .map(|(number, shard)| self.send(number, shard)),
        )
        .await?;
        Ok(())
    }

    async fn send(&self, number: u64, shard: &Shard) -> Result<(), StoreError> {
        self.connection
            .run(|mut link| async move {
                let mut beat = cmd("EVAL");
                beat.arg(BEAT)
                    .arg(0)
                    .arg(&self.beats_at)
                    .arg(number)
                    .arg(&self.eras_at);
                link.run_on::<()>(shard, beat).await
            })
            .await
    }

    async fn shards(&self) -> Result<Vec<Shard>, StoreError> {
        self.connection.shards().await
    }

    fn beats(&self) -> std::sync::MutexGuard<'_, Beats> {
        self.beats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn eras(&self) -> std::sync::MutexGuard<'_, Eras> {
        self.eras.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a beat: its number, and where its server keeps which era, if it could say so.
fn beat(text: &str) -> Option<(u64, Option<(u16, &str)>)> {
    let mut words = text.splitn(3, ' ');
    let number = words.next()?.parse().ok()?;
    let place = words.next().and_then(|place| place.parse().ok());
    Some((number, place.zip(words.next())))
}

/// Reads what the scripts publish.
fn change(text: &str) -> Option<Change> {
    let mut words = text.split(' ');
    let (verb, key) = (words.next()?, SessionKey::parse(words.next()?)?);
    let change = match (verb, words.next()) {
        ("replaced", Some(revision)) => Change::Replaced(key, Revision(revision.parse().ok()?)),
        ("ended", None) => Change::Ended(key),
        ("released", None) => Change::Released(key),
        _ => return None,
    };
    words.next().is_none().then_some(change)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_as_the_scripts_write_it() {
        let key = SessionKey::generate();
        let replaced = change(&format!("replaced {key} 7"));
        assert_eq!(replaced, Some(Change::Replaced(key.clone(), Revision(7))));
        assert_eq!(change(&format!("ended {key}")), Some(Change::Ended(key.clone())));
        assert_eq!(change(&format!("released {key}")), Some(Change::Released(key)));
    }

    #[test]
    fn a_beat_is_read_as_the_script_writes_it() {
        assert_eq!(beat("7 0 p:beats:x:3"), Some((7, Some((0, "p:beats:x:3")))));
        assert_eq!(beat("7 12 a b"), Some((7, Some((12, "a b")))));
        assert_eq!(beat("7"), Some((7, None)));
        assert_eq!(beat("p:beats:x"), None);
    }

    #[test]
    fn a_message_of_another_version_is_no_change() {
        let key = SessionKey::generate();
        for text in [
            String::new(),
            "ended".to_owned(),
            "ended ../..".to_owned(),
            format!("ended {key} 7"),
            format!("replaced {key}"),
            format!("replaced {key} many"),
            format!("replaced {key} 7 8"),
            format!("moved {key}"),
        ] {
            assert_eq!(change(&text), None, "{text:?}");
        }
    }
}
