//! A peer in C: Debian's Apache with mod_auth_openidc, sessions in Redis.

use std::fs;
use std::path::Path;

use e2e::apache::{self, RelyingParty, readable_for_workers};
use tempfile::TempDir;

use super::{Contender, Session, Store};
use crate::cores::{Place, start_server};
use crate::sign_in::{CLIENT_ID, CLIENT_SECRET, Provider, SCOPES, app, sign_in};
use crate::upstream::{PREFIX, Upstream};

pub(crate) const NAME: &str = "mod-auth-openidc";

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
        (apache::arguments(&file), (folder, provider))
    };
    let (port, process, (folder, provider)) =
        start_server(Place::OwnCore, &[apache::PROGRAM], apache::is_ready, configure).await;
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
    let party = RelyingParty {
        app: &app(port),
        issuer,
        client_id: CLIENT_ID,
        client_secret: CLIENT_SECRET,
        scopes: SCOPES,
    };
    let lines = format!(
        r#"ListenBacklog 2048
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

OIDCCacheType redis
OIDCRedisCacheServer 127.0.0.1:{redis}

<Location {PREFIX}>
    AuthType openid-connect
    Require valid-user
    RequestHeader set Authorization "Bearer %{{OIDC_access_token}}e" env=OIDC_access_token
    ProxyPass http://{upstream}{PREFIX} enablereuse=on max=640
</Location>
"#,
        redis = store.redis.port(),
        upstream = upstream.authority(),
    );
    apache::configuration(port, folder, &party, &["proxy", "proxy_http"], &lines)
}
