//! Signing in for real: an OpenID provider that is not ours, and a browser.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use e2e::browser::Browser;
use e2e::foreign::{ForeignProvider, Setup};
use e2e::relay::Relay;
use e2e::secrets::Secrets;
use resource_server::time::{Clock as _, ManualClock, SystemClock};
use url::Url;

pub(crate) const CLIENT_ID: &str = "web";
pub(crate) const CLIENT_SECRET: &str = "a-client-secret-for-the-bench-only";
pub(crate) const SCOPES: &str = "openid profile email offline_access notes:read notes:write";
const USER: &str = "alice";
const PASSWORD: &str = "a-password-for-the-bench-only";
/// As `e2e::browser` has it: who measures a session has to look like the browser that began it.
pub(crate) const USER_AGENT: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36";
/// Longer than a run, so that nobody refreshes while another is measured.
const ACCESS_TOKEN_LIFETIME: Duration = Duration::from_secs(4 * 3_600);

/// A provider with one client.
#[derive(Debug)]
pub(crate) struct Provider {
    /// Its address has to be known before it listens.
    relay: Relay,
    _process: ForeignProvider,
}

impl Provider {
    /// Starts the provider of the client at `app`, which takes codes at the path `callback`.
    pub(crate) async fn start(app: &str, callback: &str) -> Self {
        let relay = Relay::start(Secrets::default()).await;
        let process = ForeignProvider::start(&Setup {
            issuer: relay.url(),
            client_id: CLIENT_ID,
            client_secret: CLIENT_SECRET,
            redirect_uri: &format!("{app}{callback}"),
            post_logout_redirect_uri: &format!("{app}/"),
            backchannel_logout_uri: &format!("{app}/bff/backchannel"),
            audience: "https://notes.example",
            access_token_lifetime: ACCESS_TOKEN_LIFETIME,
            users: &[(USER, PASSWORD, "alice@mail.example")],
            now: SystemClock.now(),
        })
        .await;
        relay.lead_to(Some(SocketAddr::from((Ipv4Addr::LOCALHOST, process.port()))));
        Self {
            relay,
            _process: process,
        }
    }

    pub(crate) fn issuer(&self) -> &str {
        self.relay.url()
    }
}

/// How browsers name a server on this port.
pub(crate) fn app(port: u16) -> String {
    format!("http://localhost:{port}")
}

/// Signs a fresh browser in and gives the header `Cookie` it sends from then on.
///
/// Not every contender is ours, so this browser calls none of them its app: what an answer of ours may hold is the business
/// of other tests.
pub(crate) async fn sign_in(app: &str, login: &str) -> String {
    let nowhere = Url::parse("http://localhost:1/").expect("an address");
    let browser = Browser::new(
        nowhere,
        None,
        ManualClock::new(SystemClock.now()),
        Secrets::default(),
    )
    .that_calls_itself(USER_AGENT);
    let page = browser.visit(&format!("{app}{login}")).await;
    let form = page
        .sign_in_form()
        .unwrap_or_else(|| panic!("no sign-in form: {}", page.summary()));
    let landed = browser.submit(&page, &form.fill_in(USER, PASSWORD), &[]).await;
    assert!(
        landed.url.as_str().starts_with(app) && landed.status == 200,
        "the login did not come back: {}",
        landed.summary()
    );
    let cookies: Vec<_> = browser
        .cookies()
        .into_iter()
        .map(|cookie| format!("{}={}", cookie.name, cookie.value))
        .collect();
    assert!(
        !cookies.is_empty(),
        "the login left no cookie: {}",
        landed.summary()
    );
    cookies.join("; ")
}
