//! The configurations of the three servers, written as an operator would write them into files.
//!
//! They are made anew at each start, because the ports decide about addresses. Secrets stay in the data folder, and the
//! texts name their files.

use std::path::Path;

use toml::Value;

use crate::data_folder::DataFolder;
use crate::ports::Bound;

/// The file of the client secret that BFF and auth server share.
pub const CLIENT_SECRET: &str = "client-secret";
/// The file of the BFF's key ring.
pub const KEY_RING: &str = "bff-keys";

/// The file of the demo user's password.
pub const PASSWORD: &str = "password";
/// The auth server's database.
pub const AUTH_DATABASE: &str = "auth-server.sqlite3";

/// The name of the BFF at the auth server.
const CLIENT_ID: &str = "demo-bff";
/// What the notes API calls itself in tokens. A name only: nobody opens it.
const AUDIENCE: &str = "https://notes.demo.cloakroom";

/// Where everything is found.
#[derive(Debug, Clone)]
pub struct Addresses {
    /// The app, for the browser.
    pub app: String,
    /// The auth server: `127.0.0.1` and not `localhost`, so that app and provider are different sites as in real life.
    pub auth: String,
    /// The notes API.
    pub api: String,
    /// The trail of events.
    pub trail: String,
}

impl Addresses {
    /// The addresses of bound ports.
    ///
    /// # Errors
    /// If the system does not tell the port of a listener.
    pub fn of(bound: &Bound) -> std::io::Result<Self> {
        Ok(Self {
            app: origin("localhost", bound.app.local_addr()?.port()),
            auth: origin("127.0.0.1", bound.auth.local_addr()?.port()),
            api: origin("127.0.0.1", bound.api.local_addr()?.port()),
            trail: origin("127.0.0.1", bound.trail.local_addr()?.port()),
        })
    }
}

/// As browsers write it: without the port that `http` has anyway.
fn origin(host: &str, port: u16) -> String {
    if port == 80 {
        format!("http://{host}")
    } else {
        format!("http://{host}:{port}")
    }
}

/// A path as a TOML text.
fn path(path: &Path) -> Value {
    Value::String(path.to_string_lossy().into_owned())
}

/// The auth server's configuration.
#[must_use]
pub fn auth_server(addresses: &Addresses, data: &DataFolder) -> String {
    let Addresses { app, auth, .. } = addresses;
    let database = path(&data.file(AUTH_DATABASE));
    let keys = path(&data.file("auth-server-keys.json"));
    let client_secret = path(&data.file(CLIENT_SECRET));
    format!(
        r#"issuer = "{auth}"

[server]
workers = 2

[storage]
path = {database}

[keys]
path = {keys}

[tokens]
access_token_lifetime = "60s" # so short that refreshing is seen

[outbound]
allowed_networks = ["127.0.0.0/8"] # the app is told of sign-outs

[[client]]
id = "{CLIENT_ID}"
name = "Cloakroom demo"
kind = "confidential"
secret_file = {client_secret}
redirect_uris = ["{app}/bff/callback"]
post_logout_redirect_uris = ["{app}/bff/logout/callback"]
backchannel_logout_uri = "{app}/bff/backchannel"
grants = ["authorization_code", "refresh_token"]
scopes = ["openid", "profile", "email", "offline_access", "notes:read", "notes:write"]
audience = "{AUDIENCE}"
"#
    )
}

/// The notes API's configuration.
#[must_use]
pub fn resource_server(addresses: &Addresses, data: &DataFolder) -> String {
    let auth = &addresses.auth;
    let notes = path(&data.file("notes.redb"));
    format!(
        r#"[server]
workers = 2

[token]
issuer = "{auth}"
audience = "{AUDIENCE}"

[status_list]
max_age = "5s" # so soon is the token of somebody who has signed out refused

[notes]
path = {notes}
"#
    )
}

/// The BFF's configuration.
#[must_use]
pub fn bff(addresses: &Addresses, data: &DataFolder, spa: &Path) -> String {
    let Addresses {
        app,
        auth,
        api,
        trail,
    } = addresses;
    let client_secret = path(&data.file(CLIENT_SECRET));
    let key_ring = path(&data.file(KEY_RING));
    let store = path(&data.file("bff.redb"));
    let spa = path(spa);
    format!(
        r#"[server]
public_url = "{app}"
workers = 2

[provider]
issuer = "{auth}"
client_id = "{CLIENT_ID}"
client_secret_file = {client_secret}
scopes = ["openid", "profile", "email", "offline_access", "notes:read", "notes:write"]

[session]
idle_timeout = "1h"
absolute_timeout = "8h"
key_ring_file = {key_ring}

[store]
kind = "embedded"
[store.embedded]
path = {store}

[refresh]
margin = "15s"

[[route]]
prefix = "/api"
strip_prefix = true
upstream = "{api}"
access = "session"

# What the page shows of the server side.
[[route]]
prefix = "/demo"
strip_prefix = true
upstream = "{trail}"
access = "anonymous"
methods = ["GET"]

[spa]
directory = {spa}
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(port: u16) -> Addresses {
        Addresses {
            app: origin("localhost", port),
            auth: origin("127.0.0.1", 9000),
            api: origin("127.0.0.1", 9100),
            trail: origin("127.0.0.1", 9101),
        }
    }

    #[test]
    fn addresses_are_written_as_browsers_write_them() {
        assert_eq!(addresses(8080).app, "http://localhost:8080");
        assert_eq!(addresses(80).app, "http://localhost");
    }

    #[test]
    fn an_odd_folder_name_stays_one_toml_text() {
        let odd = Path::new("C:\\new \"folder\"\n= 1");
        let text = format!("path = {}", path(odd));
        let table: toml::Table = text.parse().unwrap();
        assert_eq!(table["path"].as_str(), odd.to_str());
    }

    #[test]
    fn client_and_servers_agree_about_addresses_names_and_files() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::open(folder.path()).unwrap();
        let addresses = addresses(8088);
        let read = |text: String| text.parse::<toml::Table>().unwrap();
        let auth = read(auth_server(&addresses, &data));
        let api = read(resource_server(&addresses, &data));
        let bff = read(bff(&addresses, &data, Path::new("/spa")));

        let client = &auth["client"][0];
        assert_eq!(bff["provider"]["issuer"], auth["issuer"]);
        assert_eq!(api["token"]["issuer"], auth["issuer"]);
        assert_eq!(bff["provider"]["client_id"], client["id"]);
        assert_eq!(bff["provider"]["scopes"], client["scopes"]);
        assert_eq!(bff["provider"]["client_secret_file"], client["secret_file"]);
        assert_eq!(api["token"]["audience"], client["audience"]);
        assert_eq!(
            client["redirect_uris"][0].as_str(),
            Some("http://localhost:8088/bff/callback")
        );
        assert_eq!(
            bff["server"]["public_url"].as_str(),
            Some("http://localhost:8088")
        );
    }
}
