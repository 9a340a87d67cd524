use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::HeaderValue;
use actix_web::web;
use anyhow::Context;
use resource_server::time::Clock;
use resource_server::verifier::InvalidVerifier;
use tokio::sync::Semaphore;

use crate::background::Background;
use crate::config::{
    Config, ForwardAuthConfig, LimitsConfig, OriginalMethod, ProxyConfig, PublicUrl, RefreshConfig,
    ServerConfig, SessionConfig, SpaConfig, StoreConfig,
};
use crate::forward_auth::endpoint::ForwardAuth;
use crate::guard::client_address::TrustedProxies;
use crate::guard::cors::AllowedOrigins;
use crate::guard::middleware::OwnOrigin;
use crate::guard::rate_limit::{Rate, RateLimit, RateLimits};
use crate::login::endpoint::Login;
use crate::login::{Callback, LoginTransactions};
use crate::logout::endpoint::Logout;
use crate::logout::{BackChannel, Departures, FrontChannel};
use crate::ops::endpoint::Health;
use crate::provider::{Audiences, LogoutTokens, Provider};
use crate::proxy::Streams;
use crate::proxy::endpoint::{OwnPaths, Proxy};
use crate::proxy::headers::Ourselves;
use crate::refresh::{Keeper, RefreshSettings, ServiceTokens};
use crate::routing::Routes;
use crate::session::embedded::EmbeddedStore;
use crate::session::endpoint::UserEndpoint;
use crate::session::index::Indexer;
use crate::session::measured::MeasuredStore;
use crate::session::redis::RedisStore;
use crate::session::replica::Replica;
use crate::session::store::SessionStore;
use crate::session::ticket::SigningKey;
use crate::session::{SessionRegistry, Vault};
use crate::spa::endpoint::Spa;
use crate::spa::folder::Folder;

/// Everything that the handlers of one program share.
#[derive(Clone)]
pub(super) struct Parts {
    pub(super) signing_key: web::Data<SigningKey>,
    pub(super) registry: web::Data<SessionRegistry>,
    pub(super) login: web::Data<Login>,
    pub(super) callback: web::Data<Callback>,
    pub(super) logout: web::Data<Logout>,
    pub(super) back_channel: web::Data<BackChannel>,
    pub(super) front_channel: web::Data<FrontChannel>,
    pub(super) proxy: web::Data<Proxy>,
    pub(super) user: web::Data<UserEndpoint>,
    pub(super) routes: Arc<Routes>,
    pub(super) origin: web::Data<OwnOrigin>,
    pub(super) health: Health,
    pub(super) vault: Vault,
    pub(super) base_path: String,
    pub(super) forward_auth: Option<(String, web::Data<ForwardAuth>)>,
    pub(super) spa: Option<web::Data<Spa>>,
    pub(super) guards: Guards,
}

/// Who is believed, who may call, and how often.
#[derive(Clone)]
pub(super) struct Guards {
    pub(super) trusted_proxies: web::Data<TrustedProxies>,
    pub(super) allowed_origins: web::Data<AllowedOrigins>,
    pub(super) limits: web::Data<RateLimits>,
}

impl Parts {
    /// Puts the parts together as configured.
    ///
    /// # Errors
    /// When the embedded store cannot be opened or the client for the provider cannot be built.
    pub(super) fn compose(
        config: Config,
        clock: Arc<dyn Clock>,
        background: &Background,
    ) -> anyhow::Result<Self> {
        let (server, provider) = (config.server, config.provider);
        let (origin, base_path) = (server.public_url.origin(), server.base_path.clone());
        let redirect_uri = format!("{origin}{base_path}/callback");
        let vault = Vault::new(Arc::clone(&config.session.key_ring));
        let signing_key = SigningKey::new(&config.session.key_ring.cookie_signing_key());
        let issuer_origin = provider.settings.issuer_url.origin().ascii_serialization();
        let store = open_store(config.store, config.replica.staleness, &clock, background)?;
        let client = Provider::new(provider.settings, Arc::clone(&clock), background.clone());
        let client = Arc::new(client.context("the client for the provider")?);
        let replica = Replica::new(config.replica.max_bytes);
        let registry = registry(&store, &vault, &config.session, &client, &clock, replica);
        let refresh = refresh_settings(&config.refresh, provider.audiences);
        let (keeper, services) = refreshing(&registry, &client, &clock, refresh, background);
        let transactions = LoginTransactions::new(vault.clone(), Arc::clone(&clock), base_path.clone());
        let transactions = Arc::new(transactions);

        let guards = guards(&server, &config.allowed_origins, &config.limits, &clock);
        let callback = Callback {
            transactions: Arc::clone(&transactions),
            provider: Arc::clone(&client),
            registry: Arc::clone(&registry),
            keeper: Arc::clone(&keeper),
            store: Arc::clone(&store),
            background: background.clone(),
            redirect_uri: redirect_uri.clone(),
            room: Arc::new(Semaphore::new(config.limits.concurrent_logins)),
        };
        let routes = Arc::new(Routes::new(config.routes));
        let asks_for = (provider.scope, provider.audiences);
        let login = login(transactions, &client, redirect_uri, asks_for, &routes, &base_path);
        let departures = Departures::new(vault.clone(), Arc::clone(&clock));
        let returns_to = format!("{origin}{base_path}/logout/callback");
        let hint = provider.sends_id_token_hint;
        let streams = Arc::new(streams(&registry, &config.proxy));
        let forward_auth = forward_auth(config.forward_auth, &keeper);
        let proxy = Proxy {
            signing_key: signing_key.clone(),
            registry: Arc::clone(&registry),
            limits: guards.limits.clone().into_inner(),
            keeper,
            services,
            streams,
            routes: Arc::clone(&routes),
            own_paths: own_paths(&base_path, forward_auth.as_ref()),
            replay_body_limit: config.refresh.replay_body_limit,
            ourselves: ourselves(&server)?,
            base_path: base_path.clone(),
        };
        let front_channel = FrontChannel::new(Arc::clone(&registry), client.issuer(), &issuer_origin);
        Ok(Self {
            forward_auth,
            back_channel: web::Data::new(back_channel(&client, &registry, &store, &clock, background)?),
            vault,
            signing_key: web::Data::new(signing_key),
            login: web::Data::new(login),
            callback: web::Data::new(callback),
            logout: web::Data::new(logout(
                &registry, &client, background, departures, returns_to, hint,
            )),
            front_channel: web::Data::new(front_channel),
            proxy: web::Data::new(proxy),
            guards,
            user: web::Data::new(user_endpoint(&base_path, clock)),
            routes,
            origin: web::Data::new(own_origin(&server.public_url)),
            base_path,
            health: Health::new(Arc::clone(&store), client),
            registry: web::Data::from(registry),
            spa: spa(config.spa)?.map(web::Data::new),
        })
    }
}

fn guards(
    server: &ServerConfig,
    allowed_origins: &AllowedOrigins,
    limits: &LimitsConfig,
    clock: &Arc<dyn Clock>,
) -> Guards {
    let of_clients = |rate: Option<Rate>| rate.map(|rate| RateLimit::new(rate, Arc::clone(clock)));
    let limits = RateLimits {
        login_per_address: of_clients(limits.login_per_address),
        api_per_address: of_clients(limits.api_per_address),
        api_per_session: limits
            .api_per_session
            .map(|rate| RateLimit::new(rate, Arc::clone(clock))),
    };
    Guards {
        trusted_proxies: web::Data::new(server.trusted_proxies.clone()),
        allowed_origins: web::Data::new(allowed_origins.clone()),
        limits: web::Data::new(limits),
    }
}

fn logout(
    registry: &Arc<SessionRegistry>,
    provider: &Arc<Provider>,
    background: &Background,
    departures: Departures,
    returns_to: String,
    sends_id_token_hint: bool,
) -> Logout {
    Logout {
        registry: Arc::clone(registry),
        provider: Arc::clone(provider),
        background: background.clone(),
        departures,
        post_logout_redirect_uri: returns_to,
        sends_id_token_hint,
    }
}

fn login(
    transactions: Arc<LoginTransactions>,
    client: &Arc<Provider>,
    redirect_uri: String,
    (scope, audiences): (String, Audiences),
    routes: &Arc<Routes>,
    base_path: &str,
) -> Login {
    Login {
        transactions,
        provider: Arc::clone(client),
        redirect_uri,
        scope,
        audiences,
        routes: Arc::clone(routes),
        base_path: base_path.to_owned(),
    }
}

fn streams(registry: &Arc<SessionRegistry>, config: &ProxyConfig) -> Streams {
    Streams::new(
        Arc::clone(registry),
        config.stream_grace,
        config.websocket_close_code,
    )
}

fn refresh_settings(config: &RefreshConfig, audiences: Audiences) -> RefreshSettings {
    RefreshSettings {
        margin: config.margin,
        lease: config.lease,
        audiences,
    }
}

/// Who keeps tokens fresh: those of sessions, and those of our own client.
fn refreshing(
    registry: &Arc<SessionRegistry>,
    provider: &Arc<Provider>,
    clock: &Arc<dyn Clock>,
    settings: RefreshSettings,
    background: &Background,
) -> (Arc<Keeper>, Arc<ServiceTokens>) {
    let keeper = Keeper::new(
        Arc::clone(registry),
        Arc::clone(provider),
        Arc::clone(clock),
        settings,
        background.clone(),
    );
    let services = ServiceTokens::new(
        Arc::clone(provider),
        Arc::clone(clock),
        settings,
        background.clone(),
    );
    (Arc::new(keeper), Arc::new(services))
}

fn ourselves(server: &ServerConfig) -> anyhow::Result<Ourselves> {
    let ourselves = Ourselves::new(server.public_url.scheme(), server.public_url.authority());
    ourselves.context("server.public_url cannot be told to upstreams")
}

fn registry(
    store: &Arc<dyn SessionStore>,
    vault: &Vault,
    config: &SessionConfig,
    provider: &Provider,
    clock: &Arc<dyn Clock>,
    replica: Replica,
) -> Arc<SessionRegistry> {
    let registry = SessionRegistry::new(
        Arc::clone(store),
        vault.clone(),
        Indexer::new(&config.key_ring, provider.issuer().to_owned()),
        config.limits,
        Arc::clone(clock),
        replica,
    );
    Arc::new(
        registry
            .with_cap(config.cap)
            .with_device_binding(config.device_binding),
    )
}

fn back_channel(
    provider: &Arc<Provider>,
    registry: &Arc<SessionRegistry>,
    store: &Arc<dyn SessionStore>,
    clock: &Arc<dyn Clock>,
    background: &Background,
) -> Result<BackChannel, InvalidVerifier> {
    Ok(BackChannel {
        tokens: LogoutTokens::new(Arc::clone(provider), Arc::clone(clock))?,
        registry: Arc::clone(registry),
        store: Arc::clone(store),
        background: background.clone(),
    })
}

fn user_endpoint(base_path: &str, clock: Arc<dyn Clock>) -> UserEndpoint {
    UserEndpoint {
        base_path: base_path.to_owned(),
        clock,
    }
}

fn own_paths(base_path: &str, forward_auth: Option<&(String, web::Data<ForwardAuth>)>) -> OwnPaths {
    let forward_auth = forward_auth.map(|(path, answers)| {
        // Some gateways write the client's path behind ours.
        let also_below = answers.original_method == OriginalMethod::Request;
        (path.clone(), also_below)
    });
    OwnPaths {
        base_path: base_path.to_owned(),
        forward_auth,
    }
}

fn forward_auth(config: ForwardAuthConfig, keeper: &Arc<Keeper>) -> Option<(String, web::Data<ForwardAuth>)> {
    let answers = ForwardAuth {
        keeper: Arc::clone(keeper),
        original_method: config.original_method,
        gateway_secret: config.gateway_secret,
        tells_access_token: config.access_token,
        tells_unverified_email: config.unverified_email,
    };
    config.path.map(|path| (path, web::Data::new(answers)))
}

fn spa(config: SpaConfig) -> anyhow::Result<Option<Spa>> {
    if config.dev_server.is_some() {
        tracing::warn!(
            "the SPA comes from a development server (spa.dev_server), which is for nobody but developers"
        );
    }
    let Some(directory) = config.directory else {
        return Ok(None);
    };
    let policy = HeaderValue::from_str(&config.content_security_policy);
    Ok(Some(Spa {
        folder: Folder::new(&directory).context("spa.directory")?,
        hashed_files: config.hashed_files,
        page_policy: policy.context("spa.content_security_policy")?,
    }))
}

fn own_origin(public_url: &PublicUrl) -> OwnOrigin {
    OwnOrigin {
        origin: public_url.origin(),
        https: public_url.scheme() == "https",
    }
}

fn open_store(
    config: StoreConfig,
    staleness: Duration,
    clock: &Arc<dyn Clock>,
    background: &Background,
) -> anyhow::Result<Arc<dyn SessionStore>> {
    let store: Arc<dyn SessionStore> = match config {
        StoreConfig::Embedded { path } => {
            let opened = EmbeddedStore::open(&path, Arc::clone(clock));
            Arc::new(opened.with_context(|| format!("store.embedded.path = {}", path.display()))?)
        }
        StoreConfig::Redis { address, prefix } => {
            Arc::new(RedisStore::new(address, prefix, staleness, background.clone()))
        }
    };
    Ok(Arc::new(MeasuredStore::new(store)))
}
