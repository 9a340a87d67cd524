//! A Redis that is too old is named at the start, in every form, and nothing is served.

use std::net::TcpListener;
use std::sync::Arc;

use bff::session::key_ring::{KeyName, KeyRing};
use e2e::redis::{MASTER, OldRedis, Redis, SentinelSet};
use resource_server::time::SystemClock;

/// What a BFF with these lines of `[store.redis]` and this address in the environment says at its start.
async fn start(lines: &str, url: &str) -> anyhow::Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let ring = folder.path().join("bff-keys");
    std::fs::write(&ring, KeyRing::generate(&KeyName::parse("k1").unwrap())).unwrap();
    std::fs::set_permissions(&ring, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\npublic_url = \"http://localhost:8080\"\nworkers = 1\n\
         [provider]\nissuer = \"http://127.0.0.1:1\"\nclient_id = \"app\"\nclient_secret_env = \"CLIENT_SECRET\"\n\
         [session]\nkey_ring_file = {ring:?}\n\
         [store]\nkind = \"redis\"\n[store.redis]\n{lines}\n"
    );
    let environment = |name: &str| match name {
        "CLIENT_SECRET" => Some("s3cret".to_owned()),
        "REDIS_URL" => Some(url.to_owned()),
        _ => None,
    };
    let config = bff::Config::parse(&text, &environment).unwrap_or_else(|faults| panic!("{faults}"));
    let listeners = bff::Listeners {
        public: TcpListener::bind("127.0.0.1:0").unwrap(),
        management: None,
    };
    bff::start(config, listeners, Arc::new(SystemClock))
        .await?
        .stop()
        .await;
    Ok(())
}

fn nodes(topology: &str, url: &str) -> String {
    format!("topology = \"{topology}\"\nnodes = [\"{url}\"]")
}

async fn assert_named(lines: &str, url: &str, key: &str, version: &str) {
    let error = start(lines, url).await.expect_err("an old Redis is refused");
    // All of it, as the program prints it.
    let said = format!("{error:#}");
    let expected = format!("store.redis.{key}: this is Redis {version}, and Redis 7.0 or newer is needed");
    assert_eq!(said, expected);
}

#[test]
fn an_old_server_is_named_and_a_new_one_is_served_from() {
    e2e::story::run(async {
        for version in ["6.2.14", "5.0.7", "6.0.0"] {
            let old = OldRedis::start(version, "standalone").await;
            assert_named("url_env = \"REDIS_URL\"", &old.url(), "url", version).await;
        }
        let older = OldRedis::start_without_hello().await;
        assert_named("url_env = \"REDIS_URL\"", &older.url(), "url", "before 6").await;

        let new = OldRedis::start("8.2.1", "standalone").await;
        start("url_env = \"REDIS_URL\"", &new.url()).await.unwrap();
        let real = Redis::start().await;
        start("url_env = \"REDIS_URL\"", &real.url()).await.unwrap();
    });
}

#[test]
fn an_old_master_behind_sentinels_is_named() {
    e2e::story::run(async {
        let (set, old) = (
            SentinelSet::start().await,
            OldRedis::start("6.2.14", "standalone").await,
        );
        let sentinels = set.sentinel_urls();
        let topology = |master: &str| {
            let sentinel = &sentinels[0];
            format!("{}\nmaster = \"{master}\"", nodes("sentinel", sentinel))
        };
        start(&topology(MASTER), "").await.unwrap();
        set.watch_too("old", old.address()).await;
        assert_named(&topology("old"), "", "nodes", "6.2.14").await;
    });
}

#[test]
fn an_old_server_of_a_cluster_is_named() {
    e2e::story::run(async {
        let old = OldRedis::start("6.2.14", "cluster").await;
        assert_named(&nodes("cluster", &old.url()), "", "nodes", "6.2.14").await;
    });
}
