//! A Lua script and its calls.

use deadpool_redis::redis::{
    Cmd, ErrorKind, FromRedisValue, RedisResult, Script as Hashed, ServerErrorKind, ToRedisArgs, cmd,
};

use super::link::Link;

/// The scripts of this store; each says in its file what it does.
#[derive(Debug)]
pub(super) struct Scripts {
    pub(super) create: Script,
    pub(super) replace: Script,
    pub(super) touch: Script,
    pub(super) end: Script,
    pub(super) end_at: Script,
    pub(super) claim: Script,
    pub(super) index: Script,
    pub(super) lease: Script,
    pub(super) renew_lease: Script,
    pub(super) release_lease: Script,
    pub(super) note_logout: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            create: Script::new(include_str!("create.lua")),
            replace: Script::new(include_str!("replace.lua")),
            touch: Script::new(include_str!("touch.lua")),
            end: Script::new(include_str!("end.lua")),
            end_at: Script::new(include_str!("end_at.lua")),
            claim: Script::new(include_str!("claim.lua")),
            index: Script::new(include_str!("index.lua")),
            lease: Script::new(include_str!("lease.lua")),
            renew_lease: Script::new(include_str!("renew_lease.lua")),
            release_lease: Script::new(include_str!("release_lease.lua")),
            note_logout: Script::new(include_str!("note_logout.lua")),
        }
    }
}

/// A script that works on one key.
#[derive(Debug)]
pub(super) struct Script {
    text: &'static str,
    hash: String,
}

impl Script {
    fn new(text: &'static str) -> Self {
        Self {
            text,
            hash: Hashed::new(text).get_hash().to_owned(),
        }
    }

    /// Begins a call.
    pub(super) fn key(&self, key: String) -> Call<'_> {
        Call {
            script: self,
            key,
            arguments: Vec::new(),
        }
    }
}

/// A call of a script.
pub(super) struct Call<'s> {
    script: &'s Script,
    key: String,
    arguments: Vec<Vec<u8>>,
}

impl Call<'_> {
    pub(super) fn arg(&mut self, argument: impl ToRedisArgs) -> &mut Self {
        argument.write_redis_args(&mut self.arguments);
        self
    }

    /// Runs the script by its hash; a server that does not know it (it has restarted, or was a replica until now) gets the
    /// text. `SCRIPT LOAD` would ask all masters of a cluster, and fail as long as any of them does.
    pub(super) async fn run<T: FromRedisValue>(&self, link: &mut Link) -> RedisResult<T> {
        match self.command("EVALSHA", &self.script.hash).query_async(link).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                self.command("EVAL", self.script.text).query_async(link).await
            }
            answer => answer,
        }
    }

    fn command(&self, verb: &str, script: &str) -> Cmd {
        let mut command = cmd(verb);
        command.arg(script).arg(1).arg(&self.key).arg(&self.arguments);
        command
    }
}
