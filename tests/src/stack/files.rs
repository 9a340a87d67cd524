//! The configuration files of a stack's servers.

use std::fmt::Write as _;
use std::path::Path;

use super::deployment::{Deployment, StoreKind};
use crate::redis::MASTER;
use crate::redis::certificates::{CERTIFICATE, KEY};

/// The client id of the BFF at the provider.
pub(super) const CLIENT_ID: &str = "web";
/// `aud` of the access tokens that the notes service takes.
pub(super) const AUDIENCE: &str = "https://notes.example";

/// Addresses and places that the configuration files name.
pub(super) struct Places<'p> {
    pub(super) issuer: &'p str,
    pub(super) app: &'p str,
    /// Where the BFF listens.
    pub(super) listen: &'p str,
    pub(super) upstream: &'p str,
    pub(super) folder: &'p Path,
    /// The sentinels or the cluster's servers.
    pub(super) redis_nodes: Vec<String>,
}

impl Places<'_> {
    pub(super) fn file(&self, name: &str) -> toml::Value {
        let path = self.folder.join(name);
        toml::Value::String(
            path.to_str()
                .expect("a temporary folder's path is text")
                .to_owned(),
        )
    }
}

/// The notes service's configuration file.
pub(super) fn resource_server(places: &Places<'_>) -> String {
    let issuer = places.issuer;
    format!(
        r#"
[server]
workers = 1
[token]
issuer = "{issuer}"
audience = "{AUDIENCE}"
"#
    )
}

/// The BFF's configuration file.
pub(super) fn bff(deployment: &Deployment, places: &Places<'_>) -> String {
    let Places {
        issuer,
        app,
        listen,
        upstream,
        ..
    } = places;
    let Deployment {
        idle_timeout,
        absolute_timeout,
        provider_timeout,
        session_rules,
        proxy_rules,
        audiences,
        server_rules,
        limits,
        ..
    } = deployment;
    let lease = deployment
        .lease
        .map_or_else(String::new, |lease| format!("lease = \"{lease}\"\n"));
    let spa = match &deployment.dev_server {
        Some(address) => format!("dev_server = \"{address}\""),
        None => format!("directory = {}", places.file("spa")),
    };
    let mut file = format!(
        r#"
[server]
listen = "{listen}"
public_url = "{app}"
workers = 2
{server_rules}
{tls}
[limits]
{limits}
[provider]
issuer = "{issuer}"
client_id = "{CLIENT_ID}"
client_secret_env = "CLIENT_SECRET"
scopes = ["openid", "profile", "email", "offline_access", "notes:read", "notes:write"]
timeout = "{provider_timeout}"
audiences = "{audiences}"
[session]
idle_timeout = "{idle_timeout}"
absolute_timeout = "{absolute_timeout}"
key_ring_file = {key_ring}
{session_rules}
[refresh]
margin = "30s"
{lease}[proxy]
{proxy_rules}
[spa]
{spa}
"#,
        key_ring = places.file("bff-keys"),
        tls = tls(deployment, places),
    );
    file.push_str(&store(deployment, places));
    if deployment.is_administered {
        file.push_str("[management]\nlisten = \"127.0.0.1:0\"\nadmin_token_env = \"ADMIN_TOKEN\"\n");
    }
    file.push_str(&routes(deployment, upstream, app));
    file
}

fn routes(deployment: &Deployment, upstream: &str, app: &str) -> String {
    let upstream_timeout = deployment.upstream_timeout;
    let mut file = String::new();
    let standing = [
        ("/api", "access = \"session\""),
        ("/open", "access = \"anonymous\""),
        ("/maybe", "access = \"optional\""),
        ("/read", "access = \"session\"\nmethods = [\"GET\", \"HEAD\"]"),
        ("/page", "access = \"session\"\nlogin_redirect = true"),
    ];
    let further = deployment
        .routes
        .iter()
        .map(|(prefix, rules)| (*prefix, rules.as_str()));
    // Where one route of sessions has an audience, each needs one.
    let told_apart =
        deployment.audiences == "resource" && further.clone().any(|(_, rules)| rules.contains("audience"));
    for (prefix, rules) in standing.into_iter().chain(further) {
        let is_untold = !rules.contains("audience")
            && ["session", "optional"]
                .iter()
                .any(|access| rules.contains(&format!("access = \"{access}\"")));
        if told_apart && is_untold {
            let _ = write!(file, "[[route]]\naudience = \"{AUDIENCE}\"\n");
        } else {
            file.push_str("[[route]]\n");
        }
        let _ = write!(
            file,
            "prefix = \"{prefix}\"\nstrip_prefix = true\ntimeout = \"{upstream_timeout}\"\n{rules}\n"
        );
        if !rules.contains("upstream") {
            let _ = writeln!(file, "upstream = \"{upstream}\"");
        }
    }
    file.push_str(&deployment.further_sections.replace("{app}", app));
    file
}

fn tls(deployment: &Deployment, places: &Places<'_>) -> String {
    if deployment.has_tls {
        let (certificate, key) = (places.file(CERTIFICATE), places.file(KEY));
        format!("tls_certificate_file = {certificate}\ntls_key_file = {key}")
    } else {
        String::new()
    }
}

fn store(deployment: &Deployment, places: &Places<'_>) -> String {
    match deployment.store {
        StoreKind::Embedded => {
            format!(
                "[store]\nkind = \"embedded\"\n[store.embedded]\npath = {}\n",
                places.file("bff.redb")
            )
        }
        StoreKind::Redis => {
            let redis_timeout = deployment.redis_timeout;
            format!(
                "[store]\nkind = \"redis\"\n[store.redis]\nurl_env = \"REDIS_URL\"\ntimeout = \"{redis_timeout}\"\n"
            )
        }
        StoreKind::RedisSentinel => format!(
            "[store]\nkind = \"redis\"\n[store.redis]\ntopology = \"sentinel\"\nmaster = \"{MASTER}\"\n\
             nodes = {:?}\ntimeout = \"{}\"\n",
            places.redis_nodes, deployment.redis_timeout
        ),
        StoreKind::RedisCluster | StoreKind::ReplicatedRedisCluster => format!(
            "[store]\nkind = \"redis\"\n[store.redis]\ntopology = \"cluster\"\nnodes = {:?}\n\
             timeout = \"{}\"\n",
            places.redis_nodes, deployment.redis_timeout
        ),
    }
}
