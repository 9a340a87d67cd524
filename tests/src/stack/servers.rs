//! Starting and stopping the servers of a stack.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use auth_server::user::NewUser;
use resource_server::settings::Faults;
use resource_server::time::Clock;

use super::deployment::ProviderKind;
use super::files::{self, AUDIENCE, CLIENT_ID, Places};
use super::{GATEWAY_SECRET, Provider, Stack, Store, listen_anywhere};
use crate::foreign::{ForeignProvider, Setup};
use crate::wait::within_patience;

impl Stack {
    /// Stops the BFF as an operator does and starts it on the same store, key ring and port.
    ///
    /// # Panics
    /// When it does not start again.
    pub async fn restart_bff(&self) {
        self.stop_bff().await;
        self.start_bff().await;
    }

    /// Stops the BFF.
    pub async fn stop_bff(&self) {
        let running = self.bff.lock().await.take();
        if let Some(running) = running {
            within_patience("the BFF stops", running.stop()).await;
        }
    }

    /// The BFF itself, for a test that looks at it while it stops.
    ///
    /// # Panics
    /// When it does not run.
    pub async fn take_bff(&self) -> bff::Running {
        self.bff.lock().await.take().expect("a BFF runs")
    }

    /// Starts the BFF on what it left behind.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_bff(&self) {
        let listeners = bff::Listeners {
            public: self.bff_listener.try_clone().expect("a listener can be shared"),
            management: Some(self.bff_management.try_clone().expect("a listener can be shared")),
        };
        *self.bff.lock().await = Some(self.start_node(listeners).await);
    }

    /// Starts a second BFF on the same Redis and key ring, behind the same address as browsers see it. It is reached by
    /// [`Browser::at`](crate::browser::Browser::at).
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_second_node(&self) -> SocketAddr {
        let public = listen_anywhere();
        let address = public.local_addr().expect("a bound listener has an address");
        let listeners = bff::Listeners {
            public,
            management: None,
        };
        *self.second_node.lock().await = Some(self.start_node(listeners).await);
        address
    }

    async fn start_node(&self, listeners: bff::Listeners) -> bff::Running {
        let listen = listeners
            .public
            .local_addr()
            .expect("a bound listener has an address");
        let text = self.bff_config(&listen.to_string());
        let config = self
            .read_bff_config(&text)
            .unwrap_or_else(|faults| panic!("bff.toml: {faults}"));
        bff::start(config, listeners, self.shared_clock())
            .await
            .expect("the BFF starts")
    }

    /// Gives the BFF its configuration again as `kill -HUP` does, after this edit.
    ///
    /// # Panics
    /// When no BFF runs.
    pub async fn reload_bff(&self, edit: impl FnOnce(String) -> String) {
        let text = edit(self.bff_config(&self.bff_address().to_string()));
        let read = self.read_bff_config(&text);
        let running = self.bff.lock().await;
        running.as_ref().expect("a BFF runs").reload_routes(read);
    }

    fn read_bff_config(&self, text: &str) -> Result<bff::Config, Faults> {
        let redis_url = match &self.store {
            Store::Redis(redis) => Some(redis.url()),
            _ => None,
        };
        let environment = |name: &str| match name {
            "CLIENT_SECRET" => Some(self.client_secret.clone()),
            "REDIS_URL" => redis_url.clone(),
            "GATEWAY_SECRET" => Some(GATEWAY_SECRET.to_owned()),
            "ADMIN_TOKEN" => Some(self.admin_token.clone()),
            _ => None,
        };
        bff::Config::parse(text, &environment)
    }

    /// The configuration file of a BFF of this stack.
    pub(crate) fn bff_config(&self, listen: &str) -> String {
        let places = Places {
            listen,
            ..self.places()
        };
        files::bff(&self.deployment, &places)
    }

    /// Takes the provider down: ours stops, and whoever calls it finds nobody.
    pub async fn stop_provider(&self) {
        self.relay.lead_to(None);
        let mut provider = self.provider.lock().await;
        // A foreign provider keeps all it knows in memory: being unreachable has to do.
        if matches!(*provider, Some(Provider::Ours(_)))
            && let Some(Provider::Ours(running)) = provider.take()
        {
            within_patience("the auth server stops", running.stop()).await;
        }
    }

    /// Starts the provider, or brings it back with all it knew.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_provider(&self) {
        let mut provider = self.provider.lock().await;
        let port = match self.deployment.provider {
            ProviderKind::Ours => {
                let running = self.start_auth_server().await;
                let port = running.address().port();
                *provider = Some(Provider::Ours(running));
                port
            }
            ProviderKind::Foreign => match &*provider {
                Some(Provider::Foreign(running)) => running.port(),
                _ => {
                    let running = self.start_foreign_provider().await;
                    let port = running.port();
                    *provider = Some(Provider::Foreign(Box::new(running)));
                    port
                }
            },
        };
        self.relay
            .lead_to(Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port))));
    }

    async fn start_foreign_provider(&self) -> ForeignProvider {
        let users = self
            .users
            .iter()
            .map(|user| (user.name.as_str(), user.password.as_str(), user.email.as_str()));
        let users: Vec<_> = users.collect();
        ForeignProvider::start(&Setup {
            issuer: self.relay.url(),
            client_id: CLIENT_ID,
            client_secret: &self.client_secret,
            redirect_uri: &format!("{}/bff/callback", self.app),
            post_logout_redirect_uri: &format!("{}/bff/logout/callback", self.app),
            backchannel_logout_uri: &format!("{}/bff/backchannel", self.app),
            audience: AUDIENCE,
            access_token_lifetime: self.deployment.access_token_lifetime,
            users: &users,
            now: self.clock.now(),
        })
        .await
    }

    pub(super) async fn start_resource_server(&self) {
        let text = files::resource_server(&self.places());
        let config = resource_server::Config::parse(&text, &|_| None)
            .unwrap_or_else(|faults| panic!("resource-server.toml: {faults}"));
        let listeners = resource_server::Listeners {
            public: listen_anywhere(),
            management: None,
        };
        let running = resource_server::start(config, listeners, self.shared_clock()).await;
        let running = running.expect("the notes service starts");
        self.upstream.lead_to(Some(running.address()));
        *self.resource_server.lock().await = Some(running);
    }

    pub(super) async fn add_users(&self) {
        if self.deployment.provider == ProviderKind::Foreign {
            return;
        }
        for user in &self.users {
            let new = NewUser {
                name: user.name.clone(),
                password: user.password.clone().into(),
                email: Some(user.email.clone()),
                full_name: None,
            };
            let added = auth_server::user::add(&self.auth_server_config(), &self.clock, new).await;
            added.expect("the auth server takes a new user");
        }
    }

    pub(super) fn shared_clock(&self) -> Arc<dyn Clock> {
        Arc::new(self.clock.clone())
    }

    pub(super) async fn stop(&mut self) {
        // From the browser's side to the store's, so that nobody waits for somebody already gone.
        let nodes = [self.bff.get_mut().take(), self.second_node.get_mut().take()];
        for running in nodes.into_iter().flatten() {
            running.stop().await;
        }
        if let Some(running) = self.resource_server.get_mut().take() {
            running.stop().await;
        }
        if let Some(Provider::Ours(running)) = self.provider.get_mut().take() {
            running.stop().await;
        }
    }
}
