//! What a stack is made of, before it starts.

use std::time::Duration;

use super::Stack;

/// Where sessions rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreKind {
    /// One file.
    Embedded,
    /// A Redis of the test's own.
    Redis,
    /// A master and a replica, watched by sentinels.
    RedisSentinel,
    /// Several masters.
    RedisCluster,
    /// Several masters, each with a replica.
    ReplicatedRedisCluster,
}

/// Who signs users in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderKind {
    /// This workspace's auth server.
    Ours,
    /// npm `oidc-provider`.
    Foreign,
}

/// Everything that may differ between two stacks.
#[derive(Debug, Clone)]
pub struct Deployment {
    pub(super) store: StoreKind,
    pub(super) provider: ProviderKind,
    pub(super) access_token_lifetime: Duration,
    pub(super) idle_timeout: &'static str,
    pub(super) absolute_timeout: &'static str,
    pub(super) provider_timeout: &'static str,
    pub(super) upstream_timeout: &'static str,
    pub(super) session_rules: &'static str,
    pub(super) proxy_rules: &'static str,
    pub(super) lease: Option<&'static str>,
    pub(super) audiences: &'static str,
    pub(super) routes: Vec<(&'static str, String)>,
    pub(super) redis_timeout: &'static str,
    pub(super) is_administered: bool,
    pub(super) dev_server: Option<String>,
    pub(super) server_rules: &'static str,
    pub(super) has_tls: bool,
    pub(super) has_back_channel: bool,
    pub(super) limits: &'static str,
    pub(super) signing_keys: &'static str,
    pub(super) further_clients: String,
    pub(super) further_sections: String,
}

impl Deployment {
    fn new(store: StoreKind) -> Self {
        Self {
            store,
            provider: ProviderKind::Ours,
            access_token_lifetime: Duration::from_secs(300),
            idle_timeout: "1h",
            absolute_timeout: "8h",
            provider_timeout: "10s",
            upstream_timeout: "30s",
            session_rules: "",
            proxy_rules: "",
            lease: None,
            audiences: "resource",
            routes: Vec::new(),
            redis_timeout: "2s",
            is_administered: false,
            dev_server: None,
            server_rules: "",
            has_tls: false,
            has_back_channel: false,
            // The servers' clock stands still unless a story moves it, so a rate would run out.
            limits: "login_per_address = \"off\"",
            signing_keys: "",
            further_clients: String::new(),
            further_sections: String::new(),
        }
    }

    /// A single node: sessions in a file.
    pub fn with_embedded_store() -> Self {
        Self::new(StoreKind::Embedded)
    }

    /// Sessions in Redis.
    pub fn with_redis() -> Self {
        Self::new(StoreKind::Redis)
    }

    /// Sessions in a Redis that sentinels watch.
    pub fn with_redis_sentinel() -> Self {
        Self::new(StoreKind::RedisSentinel)
    }

    /// Sessions in a Redis cluster.
    pub fn with_redis_cluster() -> Self {
        Self::new(StoreKind::RedisCluster)
    }

    /// Sessions in a Redis cluster whose masters have replicas.
    pub fn with_replicated_redis_cluster() -> Self {
        Self::new(StoreKind::ReplicatedRedisCluster)
    }

    /// Users sign in at npm `oidc-provider`.
    #[must_use]
    pub fn and_foreign_provider(mut self) -> Self {
        self.provider = ProviderKind::Foreign;
        self
    }

    /// Who signs users in.
    pub fn provider_kind(&self) -> ProviderKind {
        self.provider
    }

    /// Sessions end after this time without use, or after that time anyway.
    #[must_use]
    pub fn with_timeouts(mut self, idle: &'static str, absolute: &'static str) -> Self {
        self.idle_timeout = idle;
        self.absolute_timeout = absolute;
        self
    }

    /// Further lines of the BFF's `[session]`.
    #[must_use]
    pub fn with_session_rules(mut self, lines: &'static str) -> Self {
        self.session_rules = lines;
        self
    }

    /// Lines of the BFF's `[proxy]`.
    #[must_use]
    pub fn with_proxy_rules(mut self, lines: &'static str) -> Self {
        self.proxy_rules = lines;
        self
    }

    /// How long the BFF waits for the provider.
    #[must_use]
    pub fn with_provider_timeout(mut self, timeout: &'static str) -> Self {
        self.provider_timeout = timeout;
        self
    }

    /// How long the BFF waits for an upstream.
    #[must_use]
    pub fn with_upstream_timeout(mut self, timeout: &'static str) -> Self {
        self.upstream_timeout = timeout;
        self
    }

    /// How long a node has the sole right to refresh a session.
    #[must_use]
    pub fn with_lease(mut self, lease: &'static str) -> Self {
        self.lease = Some(lease);
        self
    }

    /// How access tokens for audiences are got from the provider.
    #[must_use]
    pub fn with_audiences_by(mut self, audiences: &'static str) -> Self {
        self.audiences = audiences;
        self
    }

    /// One more route of the BFF with these lines of configuration; to the upstream, unless they name another.
    #[must_use]
    pub fn with_route(mut self, prefix: &'static str, rules: impl Into<String>) -> Self {
        self.routes.push((prefix, rules.into()));
        self
    }

    /// How long the BFF waits for Redis.
    #[must_use]
    pub fn with_redis_timeout(mut self, timeout: &'static str) -> Self {
        self.redis_timeout = timeout;
        self
    }

    /// Operators may list and end sessions.
    #[must_use]
    pub fn with_administration(mut self) -> Self {
        self.is_administered = true;
        self
    }

    /// The SPA comes from a development server at this address.
    #[must_use]
    pub fn with_dev_server(mut self, address: &str) -> Self {
        self.dev_server = Some(address.to_owned());
        self
    }

    /// Gateways are answered, with these further lines of configuration.
    #[must_use]
    pub fn with_forward_auth(mut self, lines: &str) -> Self {
        let section = format!("[forward_auth]\npath = \"/oauth2/auth\"\n{lines}\n");
        self.further_sections.push_str(&section);
        self
    }

    /// Further lines of the BFF's `[server]`.
    #[must_use]
    pub fn with_server_rules(mut self, lines: &'static str) -> Self {
        self.server_rules = lines;
        self
    }

    /// Browsers reach the BFF by TLS.
    #[must_use]
    pub fn with_tls(mut self) -> Self {
        self.has_tls = true;
        self
    }

    /// Our auth server tells the BFF of sign-outs.
    #[must_use]
    pub fn and_back_channel(mut self) -> Self {
        self.has_back_channel = true;
        self
    }

    /// The lines of the BFF's `[limits]`.
    #[must_use]
    pub fn with_limits(mut self, lines: &'static str) -> Self {
        self.limits = lines;
        self
    }

    /// Further sections at the end of the BFF's configuration file; `{app}` is its own address.
    #[must_use]
    pub fn with_sections(mut self, text: &str) -> Self {
        self.further_sections.push_str(text);
        self
    }

    /// How long access tokens live.
    #[must_use]
    pub fn with_access_tokens_for(mut self, lifetime: Duration) -> Self {
        self.access_token_lifetime = lifetime;
        self
    }

    /// When the auth server's signing keys change: lines of its configuration file.
    #[must_use]
    pub fn with_signing_keys(mut self, lines: &'static str) -> Self {
        self.signing_keys = lines;
        self
    }

    /// Further `[[client]]` tables of our auth server. `secret_env` may be `"CLIENT_SECRET"`, which is that of the BFF.
    #[must_use]
    pub fn with_clients(mut self, tables: &str) -> Self {
        self.further_clients.push_str(tables);
        self
    }

    /// Starts all of it.
    pub async fn start(self) -> Stack {
        Stack::start(self).await
    }
}
