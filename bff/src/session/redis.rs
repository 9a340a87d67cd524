//! The store of several nodes: Redis.
//!
//! | key | holds |
//! |---|---|
//! | `{prefix}:{KEY}:session` (the braces around KEY are a hash tag) | hash, see below |
//! | `{prefix}:ticket:DIGEST` | the session key |
//! | `{prefix}:index:DIGEST` | sorted set of session keys by the second at which their sessions end at the latest |
//! | `{prefix}:once:MARK` | a random text of the call that claimed it |
//! | `{prefix}:logout:DIGEST` | the second at which the provider last signed out what that index leads to |
//! | `{prefix}:era:{N}` | which era a server is in: lost together with the sessions (`beat.lua`) |
//!
//! | field | holds |
//! |---|---|
//! | `rev`, `created`, `used`, `ends`, `sealed`, `summary` | the record |
//! | `user`, `provider` | the indexes that lead to it |
//! | `lease`, `lease_until` | who may refresh, until when (milliseconds, by the server's clock) |
//! | `lapsed` | the holder whose lease lapsed without being given back, and who has a last moment |
//! | `sent`, `sent_rev` | how often the refresh token of which revision was sent without a stored answer |
//! | `failed`, `failed_until` | why the provider is not to be asked again before when |
//!
//! Every conditional step is one Lua script over one key, so it is atomic on a single server and in a cluster; the step
//! that changes a session also publishes the change on `{prefix}:changes`, and `subscription` hears it. Expiry times only collect garbage; whether a
//! session lives is judged by [`crate::session::lifetime`].

mod address;
mod beats;
mod connect;
mod connection;
mod eras;
mod eviction;
mod link;
mod record;
mod script;
mod subscription;
mod walk;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use deadpool_redis::redis::{Cmd, FromRedisValue, Value, cmd};
use resource_server::time::UnixTime;

pub use self::address::{CertificateAuthority, Credentials, NodeAddress, RedisAddress, RedisAddressError};
pub use self::connect::ConnectError;
use self::connection::HeldConnection;
use self::record::{FIELDS, OUTLINE_FIELDS, outline, stored, unreadable};
use self::script::{Call, Scripts};
use self::subscription::Subscription;
use super::index::IndexKey;
use super::store::{
    ChangeListener, Claimed, Created, Ended, LeaseHolder, LeaseOutcome, Leased, Mark, NewSession, Outline,
    Page, Replaced, Revision, Sealed, SessionStore, StoreError, Stored, Touched,
};
use super::{RecordKey, SessionKey};
use crate::background::Background;
use crate::errors::chain;
use crate::random;

/// How many keys a step of a walk over all sessions looks at.
const PAGE: usize = 500;

/// The Redis store.
#[derive(Debug)]
pub struct RedisStore {
    connection: Arc<HeldConnection>,
    prefix: String,
    /// How long a copy of a session may be trusted after a change that was not told.
    staleness: Duration,
    scripts: Scripts,
}

impl RedisStore {
    /// A store at this address. Nothing is connected yet: a Redis that is down at start is an outage like any other.
    #[must_use]
    pub fn new(address: RedisAddress, prefix: String, staleness: Duration, background: Background) -> Self {
        Self {
            connection: Arc::new(HeldConnection::new(address, background)),
            prefix,
            staleness,
            scripts: Scripts::new(),
        }
    }

    fn session_at(&self, key: &SessionKey) -> String {
        format!("{}:{{{key}}}:session", self.prefix)
    }

    fn ticket_at(&self, ticket: &RecordKey) -> String {
        format!("{}:ticket:{}", self.prefix, ticket.as_str())
    }

    fn index_at(&self, index: &IndexKey) -> String {
        format!("{}:index:{}", self.prefix, index.as_str())
    }

    fn logout_at(&self, index: &IndexKey) -> String {
        format!("{}:logout:{}", self.prefix, index.as_str())
    }

    fn changes_at(&self) -> String {
        format!("{}:changes", self.prefix)
    }

    async fn put_ticket(&self, new: &NewSession) -> Result<(), StoreError> {
        let mut command = cmd("SET");
        command.arg(self.ticket_at(&new.ticket)).arg(new.key.as_str());
        command
            .arg("EXAT")
            .arg(new.stored.times.forgotten_from().as_secs());
        self.query(&command).await
    }

    /// Has an index lead to a session. It lives as long as the longest session in it, and forgets those that are over.
    async fn put_index(&self, index: &IndexKey, new: &NewSession) -> Result<(), StoreError> {
        let mut script = self.scripts.index.key(self.index_at(index));
        script
            .arg(new.key.as_str())
            .arg(new.stored.times.ends_at.as_secs())
            .arg(new.stored.times.created_at.as_secs());
        self.invoke(&script).await
    }

    /// What led to a session that has ended. Garbage otherwise: that it stays is worth a line in the log and no more.
    async fn drop_indexes(&self, key: &SessionKey, indexes: &[String]) {
        for index in indexes.iter().filter(|index| !index.is_empty()) {
            let mut command = cmd("ZREM");
            command
                .arg(self.index_at(&IndexKey::stored(index.clone())))
                .arg(key.as_str());
            if let Err(error) = self.query::<()>(&command).await {
                tracing::warn!(
                    error = chain(&error),
                    "an ended session stays in an index until it expires"
                );
            }
        }
    }

    async fn invoke<T: FromRedisValue>(&self, call: &Call<'_>) -> Result<T, StoreError> {
        self.connection
            .run(|mut link| async move { call.run(&mut link).await })
            .await
    }

    async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        self.connection
            .run(|mut link| async move { command.query_async(&mut link).await })
            .await
    }
}

#[async_trait]
impl SessionStore for RedisStore {
    async fn create(&self, new: &NewSession) -> Result<Created, StoreError> {
        for index in new.owner.indexes() {
            self.put_index(index, new).await?;
        }
        // Before the record, so that nothing can fail once the session is there. Until then it leads to nothing.
        self.put_ticket(new).await?;
        let stored = &new.stored;
        let mut script = self.scripts.create.key(self.session_at(&new.key));
        script
            .arg(stored.revision.0)
            .arg(stored.times.created_at.as_secs())
            .arg(stored.times.last_used_at.as_secs())
            .arg(stored.times.ends_at.as_secs())
            .arg(stored.sealed.0.as_slice())
            .arg(stored.summary.0.as_slice())
            .arg(new.owner.user.as_str())
            .arg(new.owner.provider_session.as_ref().map_or("", IndexKey::as_str))
            .arg(new.garbage_from.as_secs());
        if !self.invoke::<bool>(&script).await? {
            self.drop_ticket(&new.ticket).await?;
            return Ok(Created::KeyTaken);
        }
        Ok(Created::Now)
    }

    async fn load(&self, key: &SessionKey) -> Result<Option<Stored>, StoreError> {
        let mut command = cmd("HMGET");
        command.arg(self.session_at(key)).arg(&FIELDS);
        let values: Vec<Value> = self.query(&command).await?;
        if values.iter().all(|value| *value == Value::Nil) {
            return Ok(None);
        }
        stored(Value::Array(values)).map(Some)
    }

    async fn outline(&self, key: &SessionKey) -> Result<Option<Outline>, StoreError> {
        let mut command = cmd("HMGET");
        command.arg(self.session_at(key)).arg(&OUTLINE_FIELDS);
        let values: Vec<Value> = self.query(&command).await?;
        if values.iter().all(|value| *value == Value::Nil) {
            return Ok(None);
        }
        outline(Value::Array(values)).map(Some)
    }

    async fn replace(
        &self,
        key: &SessionKey,
        seen: Revision,
        sealed: &Sealed,
    ) -> Result<Replaced, StoreError> {
        let mut script = self.scripts.replace.key(self.session_at(key));
        script
            .arg(seen.0)
            .arg(seen.next().0)
            .arg(sealed.0.as_slice())
            .arg(self.changes_at())
            .arg(key.as_str());
        match self.invoke(&script).await? {
            Value::Int(1) => Ok(Replaced::Now(seen.next())),
            Value::Int(_) => Ok(Replaced::SessionEnded),
            other => stored(other).map(Replaced::LostTo),
        }
    }

    async fn touch(
        &self,
        key: &SessionKey,
        last_used_at: UnixTime,
        garbage_from: UnixTime,
    ) -> Result<Touched, StoreError> {
        let mut script = self.scripts.touch.key(self.session_at(key));
        script.arg(last_used_at.as_secs()).arg(garbage_from.as_secs());
        let lives: bool = self.invoke(&script).await?;
        Ok(if lives {
            Touched::Now
        } else {
            Touched::SessionEnded
        })
    }

    async fn end(&self, key: &SessionKey) -> Result<Ended, StoreError> {
        let mut script = self.scripts.end.key(self.session_at(key));
        script.arg(self.changes_at()).arg(key.as_str());
        let indexes: Option<Vec<String>> = self.invoke(&script).await?;
        let Some(indexes) = indexes else {
            return Ok(Ended::Before);
        };
        self.drop_indexes(key, &indexes).await;
        Ok(Ended::Now)
    }

    async fn end_at(&self, key: &SessionKey, seen: Revision) -> Result<Ended, StoreError> {
        let mut script = self.scripts.end_at.key(self.session_at(key));
        script.arg(seen.0).arg(self.changes_at()).arg(key.as_str());
        match self.invoke(&script).await? {
            Value::Nil => Ok(Ended::Before),
            Value::Array(values) if values.len() == FIELDS.len() => {
                stored(Value::Array(values)).map(Ended::LostTo)
            }
            other => {
                let indexes = Vec::<String>::from_redis_value(other).map_err(unreadable)?;
                self.drop_indexes(key, &indexes).await;
                Ok(Ended::Now)
            }
        }
    }

    async fn sessions_of(&self, index: &IndexKey) -> Result<Vec<SessionKey>, StoreError> {
        let mut command = cmd("ZRANGE");
        command.arg(self.index_at(index)).arg(0).arg(-1);
        let keys: Vec<String> = self.query(&command).await?;
        Ok(keys.iter().filter_map(|key| SessionKey::parse(key)).collect())
    }

    async fn all_sessions(&self, from: Option<&str>) -> Result<Page, StoreError> {
        let shards = self.connection.shards().await?;
        let (shard, cursor) = walk::place(&shards, from)?;
        let mut command = cmd("SCAN");
        command
            .arg(cursor)
            .arg("MATCH")
            .arg(format!("{}:{{*}}:session", self.prefix))
            .arg("COUNT")
            .arg(PAGE);
        let (next, names): (String, Vec<String>) = self
            .connection
            .run(|mut link| {
                let command = command.clone();
                async move { link.run_on(shard, command).await }
            })
            .await?;
        let sessions = names.iter().filter_map(|name| {
            let (_, rest) = name.split_once(":{")?;
            SessionKey::parse(rest.strip_suffix("}:session")?)
        });
        Ok(Page {
            sessions: sessions.collect(),
            next: walk::next(&shards, shard, &next),
        })
    }

    async fn lease(
        &self,
        key: &SessionKey,
        seen: Revision,
        holder: &LeaseHolder,
        length: Duration,
    ) -> Result<Leased, StoreError> {
        let mut script = self.scripts.lease.key(self.session_at(key));
        script.arg(seen.0).arg(holder.as_str()).arg(millis(length));
        let Value::Array(mut answer) = self.invoke(&script).await? else {
            return Ok(Leased::SessionEnded);
        };
        let rest = answer.split_off(1.min(answer.len()));
        let verdict = answer.pop().unwrap_or(Value::Nil);
        let verdict = String::from_redis_value(verdict).map_err(unreadable)?;
        if verdict == "moved" {
            return stored(Value::Array(rest)).map(Leased::LostTo);
        }
        let mut rest = rest.into_iter();
        let number = rest.next().unwrap_or(Value::Nil);
        let number = u64::from_redis_value(number).map_err(unreadable)?;
        Ok(match verdict.as_str() {
            "yours" => Leased::Yours {
                unanswered: u32::try_from(number).unwrap_or(u32::MAX),
            },
            "held" => Leased::Held {
                remaining: Duration::from_millis(number),
            },
            _ => Leased::Failed {
                retry_after: Duration::from_millis(number),
                cause: String::from_redis_value(rest.next().unwrap_or(Value::Nil)).map_err(unreadable)?,
            },
        })
    }

    async fn renew_lease(
        &self,
        key: &SessionKey,
        holder: &LeaseHolder,
        length: Duration,
    ) -> Result<bool, StoreError> {
        let mut script = self.scripts.renew_lease.key(self.session_at(key));
        script.arg(holder.as_str()).arg(millis(length));
        self.invoke(&script).await
    }

    async fn release_lease(
        &self,
        key: &SessionKey,
        holder: &LeaseHolder,
        outcome: &LeaseOutcome,
    ) -> Result<(), StoreError> {
        let (until, cause) = outcome
            .failure
            .as_ref()
            .map_or((0, ""), |(until, cause)| (millis(*until), cause));
        let mut script = self.scripts.release_lease.key(self.session_at(key));
        script
            .arg(holder.as_str())
            .arg(outcome.answered)
            .arg(until)
            .arg(cause)
            .arg(self.changes_at())
            .arg(key.as_str());
        self.invoke(&script).await
    }

    fn listen(&self, listener: Arc<dyn ChangeListener>) {
        let connection = Arc::clone(&self.connection);
        let subscription = Subscription::new(connection, listener, &self.prefix, self.staleness);
        self.connection.accompany(subscription.run());
    }

    async fn session_of(&self, ticket: &RecordKey) -> Result<Option<SessionKey>, StoreError> {
        let mut command = cmd("GET");
        command.arg(self.ticket_at(ticket));
        let text: Option<String> = self.query(&command).await?;
        match text {
            None => Ok(None),
            Some(text) => SessionKey::parse(&text).map(Some).ok_or_else(|| {
                StoreError::Unreadable(anyhow::anyhow!("a ticket record holds no session key"))
            }),
        }
    }

    async fn drop_ticket(&self, ticket: &RecordKey) -> Result<(), StoreError> {
        let mut command = cmd("DEL");
        command.arg(self.ticket_at(ticket));
        self.query(&command).await
    }

    async fn claim(&self, mark: &Mark, until: UnixTime) -> Result<Claimed, StoreError> {
        let mut script = self.scripts.claim.key(format!("{}:once:{}", self.prefix, mark.0));
        script.arg(random::text()).arg(until.as_secs());
        let first: bool = self.invoke(&script).await?;
        Ok(if first { Claimed::First } else { Claimed::Before })
    }

    async fn is_claimed(&self, mark: &Mark) -> Result<bool, StoreError> {
        let mut command = cmd("EXISTS");
        command.arg(format!("{}:once:{}", self.prefix, mark.0));
        self.query(&command).await
    }

    async fn note_logout(&self, index: &IndexKey, at: UnixTime, until: UnixTime) -> Result<(), StoreError> {
        let mut script = self.scripts.note_logout.key(self.logout_at(index));
        script.arg(at.as_secs()).arg(until.as_secs());
        self.invoke(&script).await
    }

    async fn noted_logout(&self, index: &IndexKey) -> Result<Option<UnixTime>, StoreError> {
        let mut command = cmd("GET");
        command.arg(self.logout_at(index));
        let at: Option<i64> = self.query(&command).await?;
        Ok(at.map(UnixTime::from_secs))
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.query(&cmd("PING")).await
    }

    async fn close(&self) {
        self.connection.close();
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
