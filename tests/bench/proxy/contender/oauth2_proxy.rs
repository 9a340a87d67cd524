//! A peer in Go: oauth2-proxy, sessions in Redis. Debian has none, so it takes part when `OAUTH2_PROXY` names one.

use std::fs;

use tempfile::TempDir;

use super::{Contender, Session, Store};
use crate::cores::{Place, start_server};
use crate::sign_in::{CLIENT_ID, CLIENT_SECRET, Provider, SCOPES, app, sign_in};
use crate::upstream::{PREFIX, Upstream};

pub(crate) const NAME: &str = "oauth2-proxy";
/// The environment variable.
pub(crate) const PROGRAM: &str = "OAUTH2_PROXY";

/// The program, if one is named.
pub(crate) fn program() -> Option<String> {
    std::env::var(PROGRAM).ok().filter(|path| !path.is_empty())
}

/// One thread of Go; no line in the log for each request.
pub(crate) async fn start(upstream: &Upstream, program: &str) -> Contender {
    let store = Store::start().await;
    let configure = async |port: u16| {
        let folder = TempDir::new().expect("a temporary folder");
        let provider = Provider::start(&app(port), "/oauth2/callback").await;
        let structured = format!(
            r#"server:
  bindAddress: 127.0.0.1:{port}
upstreamConfig:
  upstreams:
    - id: api
      path: {PREFIX}/
      uri: http://{upstream}
      passHostHeader: false
injectRequestHeaders:
  - name: Authorization
    values:
      - claimSource:
          claim: access_token
          prefix: "Bearer "
providers:
  - id: foreign
    provider: oidc
    clientID: {CLIENT_ID}
    clientSecret: {CLIENT_SECRET}
    scope: {SCOPES}
    code_challenge_method: S256
    skipClaimsFromProfileURL: true
    oidcConfig:
      issuerURL: {issuer}
      emailClaim: email
      userIDClaim: sub
      audienceClaims: [aud]
"#,
            upstream = upstream.authority(),
            issuer = provider.issuer(),
        );
        let file = folder.path().join("alpha.yaml");
        fs::write(&file, structured).expect("a file");
        let arguments = vec![
            format!("--alpha-config={}", file.display()),
            "--email-domain=*".to_owned(),
            "--cookie-secret=0123456789abcdef0123456789abcdef".to_owned(),
            "--cookie-secure=false".to_owned(),
            "--session-store-type=redis".to_owned(),
            format!("--redis-connection-url={}", store.redis.url()),
            format!("--redirect-url={}/oauth2/callback", app(port)),
            "--skip-provider-button=true".to_owned(),
            "--request-logging=false".to_owned(),
        ];
        (arguments, (folder, provider))
    };
    let is_ready = |line: &str| line.contains("OAuthProxy configured");
    let command = ["env", "GOMAXPROCS=1", program];
    let (port, process, (folder, provider)) =
        start_server(Place::OwnCore, &command, is_ready, configure).await;
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
