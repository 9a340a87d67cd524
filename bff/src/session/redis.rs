//! The store of several nodes: Redis.
//!
//! | key | holds |
//! |---|---|
//! | `{prefix}:{KEY}:session` (the braces around KEY are a hash tag) | hash: `rev`, `created`, `used`, `ends`, `sealed` |
//! | `{prefix}:ticket:DIGEST` | the session key |
//! | `{prefix}:once:MARK` | a random text of the call that claimed it |
//!
//! Every conditional step is one Lua script over one key, so it is atomic on a single server and in a cluster. Expiry
//! times only collect garbage; whether a session lives is judged by [`crate::session::lifetime`].

mod connection;

use async_trait::async_trait;
use deadpool_redis::redis::{FromRedisValue, Script, ScriptInvocation, Value, cmd};
use resource_server::time::UnixTime;

use self::connection::HeldConnection;
pub use self::connection::{RedisAddress, RedisAddressError};
use super::lifetime::Times;
use super::store::{
    Claimed, Created, Ended, Mark, Replaced, Revision, Sealed, SessionStore, StoreError, Stored, Touched,
};
use super::{RecordKey, SessionKey};
use crate::background::Background;
use crate::random;

/// `rev`, `created`, `used`, `ends`, `sealed`: the order in which scripts answer with a session.
type Fields = (u64, i64, i64, i64, Vec<u8>);

/// The Redis store.
#[derive(Debug)]
pub struct RedisStore {
    connection: HeldConnection,
    prefix: String,
    scripts: Scripts,
}

#[derive(Debug)]
struct Scripts {
    create: Script,
    replace: Script,
    touch: Script,
    end: Script,
    end_at: Script,
    claim: Script,
}

impl RedisStore {
    /// A store at this address. Nothing is connected yet: a Redis that is down at start is an outage like any other.
    #[must_use]
    pub fn new(address: RedisAddress, prefix: String, background: Background) -> Self {
        Self {
            connection: HeldConnection::new(address, background),
            prefix,
            scripts: Scripts {
                create: Script::new(include_str!("redis/create.lua")),
                replace: Script::new(include_str!("redis/replace.lua")),
                touch: Script::new(include_str!("redis/touch.lua")),
                end: Script::new(include_str!("redis/end.lua")),
                end_at: Script::new(include_str!("redis/end_at.lua")),
                claim: Script::new(include_str!("redis/claim.lua")),
            },
        }
    }

    fn session_at(&self, key: &SessionKey) -> String {
        format!("{}:{{{key}}}:session", self.prefix)
    }

    fn ticket_at(&self, ticket: &RecordKey) -> String {
        format!("{}:ticket:{}", self.prefix, ticket.as_str())
    }

    async fn invoke<T: FromRedisValue>(&self, invocation: &ScriptInvocation<'_>) -> Result<T, StoreError> {
        self.connection
            .run(|mut connection| async move { invocation.invoke_async(&mut connection).await })
            .await
    }

    async fn query<T: FromRedisValue>(&self, command: &deadpool_redis::redis::Cmd) -> Result<T, StoreError> {
        self.connection
            .run(|mut connection| async move { command.query_async(&mut connection).await })
            .await
    }
}

#[async_trait]
impl SessionStore for RedisStore {
    async fn create(
        &self,
        key: &SessionKey,
        stored: &Stored,
        garbage_from: UnixTime,
    ) -> Result<Created, StoreError> {
        let mut script = self.scripts.create.key(self.session_at(key));
        script
            .arg(stored.revision.0)
            .arg(stored.times.created_at.as_secs())
            .arg(stored.times.last_used_at.as_secs())
            .arg(stored.times.ends_at.as_secs())
            .arg(stored.sealed.0.as_slice())
            .arg(garbage_from.as_secs());
        let made: bool = self.invoke(&script).await?;
        Ok(if made { Created::Now } else { Created::KeyTaken })
    }

    async fn load(&self, key: &SessionKey) -> Result<Option<Stored>, StoreError> {
        let mut command = cmd("HMGET");
        command
            .arg(self.session_at(key))
            .arg(&["rev", "created", "used", "ends", "sealed"]);
        let values: Vec<Value> = self.query(&command).await?;
        if values.iter().all(|value| *value == Value::Nil) {
            return Ok(None);
        }
        stored(Value::Array(values)).map(Some)
    }

    async fn replace(
        &self,
        key: &SessionKey,
        seen: Revision,
        sealed: &Sealed,
    ) -> Result<Replaced, StoreError> {
        let mut script = self.scripts.replace.key(self.session_at(key));
        script.arg(seen.0).arg(seen.next().0).arg(sealed.0.as_slice());
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
        let script = self.scripts.end.key(self.session_at(key));
        let ended: bool = self.invoke(&script).await?;
        Ok(if ended { Ended::Now } else { Ended::Before })
    }

    async fn end_at(&self, key: &SessionKey, seen: Revision) -> Result<Ended, StoreError> {
        let mut script = self.scripts.end_at.key(self.session_at(key));
        script.arg(seen.0);
        match self.invoke(&script).await? {
            Value::Int(1) => Ok(Ended::Now),
            Value::Int(_) => Ok(Ended::Before),
            other => stored(other).map(Ended::LostTo),
        }
    }

    async fn put_ticket(
        &self,
        ticket: &RecordKey,
        session: &SessionKey,
        garbage_from: UnixTime,
    ) -> Result<(), StoreError> {
        let mut command = cmd("SET");
        command.arg(self.ticket_at(ticket)).arg(session.as_str());
        command.arg("EXAT").arg(garbage_from.as_secs());
        self.query(&command).await
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

    async fn check(&self) -> Result<(), StoreError> {
        self.query(&cmd("PING")).await
    }

    async fn close(&self) {
        self.connection.close();
    }
}

fn stored(value: Value) -> Result<Stored, StoreError> {
    let (revision, created_at, last_used_at, ends_at, sealed) =
        Fields::from_redis_value(value).map_err(|error| StoreError::Unreadable(error.into()))?;
    Ok(Stored {
        revision: Revision(revision),
        times: Times {
            created_at: UnixTime::from_secs(created_at),
            last_used_at: UnixTime::from_secs(last_used_at),
            ends_at: UnixTime::from_secs(ends_at),
        },
        sealed: Sealed(sealed),
    })
}
