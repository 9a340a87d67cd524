use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use auth_server::user::{self, AddUserError, NewUser};
use bff::session::key_ring::{KeyName, KeyRing};
use resource_server::settings::process_environment;
use resource_server::time::Clock;
use secrecy::SecretString;

use crate::announce::Announcement;
use crate::configuration::{self, AUTH_DATABASE, Addresses, CLIENT_SECRET, KEY_RING, PASSWORD};
use crate::data_folder::DataFolder;
use crate::localhost::Relay;
use crate::ports::{Bound, Ports};
use crate::secret;
use crate::trail::{Trail, TrailServer};

/// The name of the demo's one user.
pub const USER: &str = "demo";

/// The demo, running.
///
/// [`Demo::stop`] ends it; dropping it leaves the servers running.
pub struct Demo {
    addresses: Addresses,
    password: String,
    data: DataFolder,
    relay: Option<Relay>,
    bff: bff::Running,
    trail: TrailServer,
    resource_server: resource_server::Running,
    auth_server: auth_server::Running,
}

impl Demo {
    /// Binds the ports, opens the data folder, and starts the three servers. Needs a tokio runtime.
    ///
    /// The trail stays empty unless its layer is part of the program's log subscriber.
    ///
    /// # Errors
    /// In words for the person at the terminal: a port or folder that cannot be had, or a server that does not start.
    pub async fn start(
        ports: Ports,
        data: &Path,
        trail: Trail,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let bound = Bound::bind(ports)?;
        let addresses = Addresses::of(&bound)?;
        let data = DataFolder::open(data)?;
        let password = make_secrets(&data)?;
        let begin_afresh = || {
            let folder = data.path().display();
            format!("the data of an earlier run may be the reason: delete {folder} to begin afresh")
        };
        let auth_server = start_auth_server(&addresses, &data, &password, bound.auth, &clock)
            .await
            .with_context(begin_afresh)?;
        let resource_server = start_resource_server(&addresses, &data, bound.api, &clock)
            .await
            .with_context(begin_afresh)?;
        let trail = TrailServer::start(&trail, bound.trail)?;
        let bff = start_bff(&addresses, &data, bound.app, &clock)
            .await
            .with_context(begin_afresh)?;
        let relay = bound
            .app_v6
            .map(|listener| Relay::start(listener, bff.address()))
            .transpose()?;
        Ok(Self {
            addresses,
            password,
            data,
            relay,
            bff,
            trail,
            resource_server,
            auth_server,
        })
    }

    /// The address of the app.
    #[must_use]
    pub fn app(&self) -> &str {
        &self.addresses.app
    }

    /// The password of [`USER`].
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }

    /// What the terminal says of it.
    #[must_use]
    pub fn announcement(&self, is_coloured: bool) -> Announcement<'_> {
        Announcement {
            app: &self.addresses.app,
            auth: &self.addresses.auth,
            api: &self.addresses.api,
            user: USER,
            password: &self.password,
            data: self.data.path(),
            is_coloured,
        }
    }

    /// Stops everything, the BFF first: what it is still answering needs the others.
    pub async fn stop(self) {
        drop(self.relay);
        self.bff.stop().await;
        self.trail.stop().await;
        self.resource_server.stop().await;
        self.auth_server.stop().await;
    }
}

/// Sees to the files that nobody but the demo makes; returns the user's password.
fn make_secrets(data: &DataFolder) -> anyhow::Result<String> {
    data.secret(CLIENT_SECRET, secret::client_secret)?;
    #[expect(clippy::expect_used, reason = "the name is a constant that fits")]
    let key_name = KeyName::parse("k1").expect("a key name");
    data.secret(KEY_RING, || KeyRing::generate(&key_name).to_string())?;
    if !data.has(PASSWORD) {
        // Nobody knows the password of a user who may be there from an earlier run.
        data.remove_database(AUTH_DATABASE)?;
    }
    Ok(data.secret(PASSWORD, secret::password)?)
}

async fn start_auth_server(
    addresses: &Addresses,
    data: &DataFolder,
    password: &str,
    listener: TcpListener,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<auth_server::Running> {
    let text = configuration::auth_server(addresses, data);
    let config = auth_server::Config::parse(&text, &process_environment).map_err(anyhow::Error::msg)?;
    let new = NewUser {
        name: USER.to_owned(),
        password: SecretString::from(password),
        email: Some("demo@cloakroom.example".to_owned()),
        full_name: Some("Demo Guest".to_owned()),
    };
    match user::add(&config, clock.as_ref(), new).await {
        Ok(_) | Err(AddUserError::Exists(_)) => {}
        Err(error) => return Err(error).context("the demo user cannot be added"),
    }
    let listeners = auth_server::Listeners {
        public: listener,
        management: None,
    };
    let started = auth_server::start(config, listeners, Arc::clone(clock)).await;
    started.context("the auth server does not start")
}

async fn start_resource_server(
    addresses: &Addresses,
    data: &DataFolder,
    listener: TcpListener,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<resource_server::Running> {
    let text = configuration::resource_server(addresses, data);
    let config = resource_server::Config::parse(&text, &process_environment).map_err(anyhow::Error::msg)?;
    let listeners = resource_server::Listeners {
        public: listener,
        management: None,
    };
    let started = resource_server::start(config, listeners, Arc::clone(clock)).await;
    started.context("the notes API does not start")
}

async fn start_bff(
    addresses: &Addresses,
    data: &DataFolder,
    listener: TcpListener,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<bff::Running> {
    let spa = Path::new(env!("CARGO_MANIFEST_DIR")).join("spa");
    let text = configuration::bff(addresses, data, &spa);
    let config = bff::Config::parse(&text, &process_environment).map_err(anyhow::Error::msg)?;
    let listeners = bff::Listeners {
        public: listener,
        management: None,
    };
    let started = bff::start(config, listeners, Arc::clone(clock)).await;
    started.context("the BFF does not start")
}
