//! Our auth server in a stack, and what its operator does.

use auth_server::config::OperatorConfig;
use auth_server::operator::{Administration, Phase};

use super::deployment::Deployment;
use super::files::{AUDIENCE, CLIENT_ID, Places};
use super::{Stack, listen_anywhere};

impl Stack {
    pub(super) async fn start_auth_server(&self) -> auth_server::Running {
        let config = self.auth_server_config();
        let listeners = auth_server::Listeners {
            public: listen_anywhere(),
            management: None,
        };
        auth_server::start(config, listeners, self.shared_clock())
            .await
            .expect("the auth server starts")
    }

    pub(super) fn auth_server_config(&self) -> auth_server::Config {
        let text = configuration(&self.deployment, &self.places());
        let environment = |name: &str| (name == "CLIENT_SECRET").then(|| self.client_secret.clone());
        auth_server::Config::parse(&text, &environment)
            .unwrap_or_else(|faults| panic!("auth-server.toml: {faults}"))
    }

    /// The signing keys in this phase, by their names.
    ///
    /// # Panics
    /// When the database cannot be read.
    pub async fn signing_keys(&self, phase: Phase) -> Vec<String> {
        let administration = self.administration().await;
        let keys = administration.signing_keys().await.expect("the signing keys");
        administration.close().await;
        let of_phase = keys.into_iter().filter(|key| key.phase == phase);
        of_phase.map(|key| key.kid).collect()
    }

    /// Withdraws a signing key, as `auth-server key withdraw` does.
    ///
    /// # Panics
    /// When that fails.
    pub async fn withdraw_signing_key(&self, kid: &str) {
        let administration = self.administration().await;
        let changes = administration.withdraw_signing_keys(&[kid]).await;
        assert!(!changes.expect("a key that can be withdrawn").is_empty());
        administration.close().await;
    }

    /// The auth server's database, as its commands open it.
    ///
    /// # Panics
    /// When it cannot be opened.
    pub async fn administration(&self) -> Administration {
        let text = configuration(&self.deployment, &self.places());
        let config = OperatorConfig::parse(&text, &|_| None)
            .unwrap_or_else(|faults| panic!("auth-server.toml: {faults}"));
        Administration::open(&config, self.shared_clock())
            .await
            .expect("the auth server's database")
    }
}

/// The auth server's configuration file.
fn configuration(deployment: &Deployment, places: &Places<'_>) -> String {
    let Places { issuer, app, .. } = places;
    let lifetime = deployment.access_token_lifetime.as_secs();
    let back_channel = match deployment.has_back_channel {
        true => format!("backchannel_logout_uri = \"{app}/bff/backchannel\""),
        false => String::new(),
    };
    format!(
        r#"
issuer = "{issuer}"
server.workers = 1
storage.path = {database}
keys.path = {keys}
{signing_keys}
tokens.access_token_lifetime = "{lifetime}s"
outbound.allowed_networks = ["127.0.0.0/8"]
resource = [{{ identifier = "{AUDIENCE}", scopes = ["notes:read", "notes:write"] }},
    {{ identifier = "https://files.example", scopes = ["notes:read"] }}]
[[client]]
id = "{CLIENT_ID}"
name = "The app"
kind = "confidential"
secret_env = "CLIENT_SECRET"
redirect_uris = ["{app}/bff/callback"]
grants = ["authorization_code", "refresh_token", "client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"]
post_logout_redirect_uris = ["{app}/bff/logout/callback"]
scopes = ["openid", "profile", "email", "offline_access", "notes:read", "notes:write"]
audience = "{AUDIENCE}"
resources = ["https://files.example"]
{back_channel}
{further_clients}
"#,
        database = places.file("auth-server.sqlite3"),
        keys = places.file("auth-server-keys.json"),
        signing_keys = deployment.signing_keys,
        further_clients = deployment.further_clients,
    )
}
