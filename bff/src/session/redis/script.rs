//! A Lua script and its calls.

use deadpool_redis::redis::{
    Cmd, ErrorKind, FromRedisValue, RedisResult, Script as Hashed, ServerErrorKind, ToRedisArgs, cmd,
};

use super::link::Link;

/// A script that works on one key.
#[derive(Debug)]
pub(super) struct Script {
    text: &'static str,
    hash: String,
}

impl Script {
    pub(super) fn new(text: &'static str) -> Self {
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
