//! A peer in C: Debian's Apache with mod_auth_openidc, sessions in Redis.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::{Contender, Session, Store};
use crate::cores::{Place, start_server};
use crate::sign_in::{CLIENT_ID, CLIENT_SECRET, Provider, SCOPES, app, sign_in};
use crate::upstream::{PREFIX, Upstream, readable_for_workers};

pub(crate) const NAME: &str = "mod-auth-openidc";
const MODULES: [&str; 8] = [
    "mpm_event",
    "authn_core",
    "authz_core",
    "authz_user",
    "headers",
    "proxy",
    "proxy_http",
    "auth_openidc",
];

/// One child, with more threads than there are connections, because Apache closes kept connections when it runs out of
/// threads. Connections to both sides are kept, there is no access log, and claims are not repeated as headers.
pub(crate) async fn start(upstream: &Upstream) -> Contender {
    let store = Store::start().await;
    let configure = async |port: u16| {
        let folder = TempDir::new().expect("a temporary folder");
        readable_for_workers(folder.path());
        let provider = Provider::start(&app(port), "/callback").await;
        let file = folder.path().join("apache.conf");
        let text = configuration(port, folder.path(), provider.issuer(), &store, upstream);
        fs::write(&file, text).expect("a file");
        let arguments = ["-D", "FOREGROUND", "-f", &file.display().to_string()];
        (arguments.map(str::to_owned).to_vec(), (folder, provider))
    };
    let is_ready = |line: &str| line.contains("resuming normal operations");
    let (port, process, (folder, provider)) =
        start_server(Place::OwnCore, &["/usr/sbin/apache2"], is_ready, configure).await;
    Contender {
        name: NAME,
        port,
        process,
        session: Some(Session {
            cookie: sign_in(&app(port), &format!("{PREFIX}/small")).await,
            _provider: provider,
        }),
        store: Some(store),
        _folder: folder,
    }
}

fn configuration(port: u16, folder: &Path, issuer: &str, store: &Store, upstream: &Upstream) -> String {
    let modules: String = MODULES
        .iter()
        .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"))
        .collect();
    format!(
        r#"ServerRoot {at}
ServerName {app}
Listen 127.0.0.1:{port}
ListenBacklog 2048
PidFile {at}/pid
DefaultRuntimeDir {at}
ErrorLog /dev/stderr
LogLevel warn
{modules}
User nobody
Group nogroup
ServerLimit 1
StartServers 1
ThreadLimit 640
ThreadsPerChild 640
MinSpareThreads 1
MaxSpareThreads 640
MaxRequestWorkers 640
MaxConnectionsPerChild 0
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 300
Timeout 60

OIDCProviderMetadataURL {issuer}/.well-known/openid-configuration
OIDCClientID {CLIENT_ID}
OIDCClientSecret {CLIENT_SECRET}
OIDCRedirectURI {app}/callback
OIDCScope "{SCOPES}"
OIDCProviderTokenEndpointAuth client_secret_basic
OIDCIDTokenSignedResponseAlg ES256
OIDCPKCEMethod S256
OIDCCryptoPassphrase a-passphrase-for-the-bench-only
OIDCSessionType server-cache
OIDCSessionInactivityTimeout 3600
OIDCCacheType redis
OIDCRedisCacheServer 127.0.0.1:{redis}
OIDCPassClaimsAs environment

<Location /callback>
    AuthType openid-connect
    Require valid-user
</Location>
<Location {PREFIX}>
    AuthType openid-connect
    Require valid-user
    RequestHeader set Authorization "Bearer %{{OIDC_access_token}}e" env=OIDC_access_token
    ProxyPass http://{upstream}{PREFIX} enablereuse=on max=640
</Location>
"#,
        at = folder.display(),
        app = app(port),
        redis = store.redis.port(),
        upstream = upstream.authority(),
    )
}
