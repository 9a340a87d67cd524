//! Whether Redis may throw sessions away when its memory is full.
//!
//! It throws away what was not used for longest. That are the indexes, which are read at a logout and hardly before; so a
//! busy session would outlive a logout by the provider or by its user everywhere, and nobody would be told.

use deadpool_redis::redis::{RedisResult, cmd};

use super::link::Link;

/// Tells the log of every server that may do so. One that does not let itself be asked says nothing.
pub(super) async fn warn_of_eviction(link: &mut Link) -> RedisResult<()> {
    for shard in link.shards().await? {
        let mut info = cmd("INFO");
        info.arg("memory");
        let told: String = link.run_on(&shard, info).await?;
        if let Some(policy) = evicts(&told) {
            tracing::error!(
                policy,
                server = %shard,
                "Redis evicts what was not used for long: sessions would outlive their logout; set maxmemory-policy noeviction"
            );
        }
    }
    Ok(())
}

/// The policy by which a server evicts keys; `None` when it evicts none.
fn evicts(info: &str) -> Option<&str> {
    let field = |name: &str| {
        info.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
    };
    let is_bounded = field("maxmemory").is_some_and(|bytes| bytes.trim() != "0");
    let policy = field("maxmemory_policy")?.trim();
    (is_bounded && policy != "noeviction").then_some(policy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_evicts_if_it_has_a_bound_and_a_policy() {
        let info = |bytes: &str, policy: &str| {
            format!(
                "# Memory\r\nused_memory:1\r\nmaxmemory:{bytes}\r\nmaxmemory_human:0B\r\nmaxmemory_policy:{policy}\r\n"
            )
        };
        assert_eq!(evicts(&info("1048576", "volatile-lru")), Some("volatile-lru"));
        assert_eq!(evicts(&info("1048576", "noeviction")), None);
        assert_eq!(evicts(&info("0", "allkeys-lru")), None);
        assert_eq!(evicts(""), None);
    }
}
