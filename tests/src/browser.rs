//! A browser without a screen: cookies, redirects, forms and `Sec-Fetch-*` as Chromium has them.
//!
//! The app is `http://localhost:…` and the provider `http://127.0.0.1:…`: two sites, so that what `SameSite=Strict`
//! withholds is withheld here as well. Every answer of the app is inspected for what a browser
//! must not get.

mod answer;
mod errand;
mod fetch;
mod html;
mod inspect;
mod jar;
mod site;
mod socket;
mod variant;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use http::header::{ACCEPT, COOKIE, HOST, HeaderValue, REFERER, SET_COOKIE};
use http::{HeaderMap, Method};
use resource_server::time::{Clock as _, ManualClock};
use url::Url;

pub use self::answer::Answer;
pub use self::fetch::{Fetch, Stream};
pub use self::html::Form;
pub use self::jar::StoredCookie;
use self::jar::{Context, Jar};
use self::site::{Initiator, Relation, is_same_site, origin_header, referrer};
pub use self::socket::{Closed, Handshake, Socket};
use crate::secrets::Secrets;
use crate::stack::SESSION_COOKIE;

const USER_AGENT: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36";

/// Chromium gives up after 20 redirects.
const MOST_HOPS: usize = 20;

/// A browser; copies are tabs that share the cookies.
#[derive(Debug, Clone)]
pub struct Browser {
    client: reqwest::Client,
    user_agent: String,
    jar: Arc<Mutex<Jar>>,
    app: Url,
    /// Which node the app's address leads to, where there are several.
    node: Option<SocketAddr>,
    /// Who vouches for the app's certificate, in PEM.
    authority: Option<Vec<u8>>,
    clock: ManualClock,
    secrets: Secrets,
}

/// What the browser wants an answer for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// To show it to a person.
    Navigation,
    /// To hand it to a script.
    Fetch,
    /// To look at its head; there is no body, or not yet.
    HeadersOnly,
}

/// A tab on its way to a page.
struct Navigation<'n> {
    initiator: Initiator,
    /// The `Referrer-Policy` of the page that caused it.
    policy: Option<String>,
    chain: Vec<Url>,
    method: Method,
    form: Option<String>,
    stop_before: &'n (dyn Fn(&Url) -> bool + Sync),
}

/// Where a navigation ended.
enum Arrival {
    Page(Answer),
    StoppedBefore(Url),
}

impl Browser {
    /// A fresh browser for this app.
    pub fn new(app: Url, authority: Option<Vec<u8>>, clock: ManualClock, secrets: Secrets) -> Self {
        Self {
            client: variant::client(USER_AGENT, usize::MAX, authority.as_deref()),
            user_agent: USER_AGENT.to_owned(),
            jar: Arc::default(),
            app,
            node: None,
            authority,
            clock,
            secrets,
        }
    }

    /// The app's front page.
    pub fn app(&self) -> &Url {
        &self.app
    }

    /// Goes to an address as if typed: nobody's page is behind it.
    pub async fn visit(&self, address: &str) -> Answer {
        self.navigate(Initiator::User, self.resolve(address)).await
    }

    /// Follows a link on the app's own page.
    pub async fn follow(&self, address: &str) -> Answer {
        self.navigate(Initiator::Page(self.app.clone()), self.resolve(address))
            .await
    }

    /// Follows a link on somebody else's page.
    ///
    /// # Panics
    /// When the page's address is none.
    pub async fn follow_from(&self, page: &str, address: &str) -> Answer {
        let page = Url::parse(page).expect("a page's address");
        self.navigate(Initiator::Page(page), self.resolve(address)).await
    }

    /// Goes to an address and stops where the provider sends the browser back to the app's callback.
    pub async fn visit_until_callback(&self, address: &str) -> Url {
        let navigation = Navigation {
            initiator: Initiator::User,
            policy: None,
            chain: vec![self.resolve(address)],
            method: Method::GET,
            form: None,
            stop_before: &is_callback,
        };
        expect_stop(self.travel(navigation).await)
    }

    /// Presses a button of a form: the first that has one of these words, or the first.
    pub async fn submit(&self, page: &Answer, form: &Form, words: &[&str]) -> Answer {
        match self.travel(submission(page, form, words, &never)).await {
            Arrival::Page(answer) => answer,
            Arrival::StoppedBefore(url) => panic!("stopped before {url}"),
        }
    }

    /// As [`submit`](Self::submit), and stops before the callback.
    pub async fn submit_until_callback(&self, page: &Answer, form: &Form, words: &[&str]) -> Url {
        expect_stop(self.travel(submission(page, form, words, &is_callback)).await)
    }

    /// A request of a script on the app's page, with the CSRF header.
    pub fn fetch(&self, address: &str) -> Fetch {
        Fetch::new(self.clone(), self.resolve(address))
    }

    /// Signs in: login, the provider's form, the callback, the page behind it.
    ///
    /// # Panics
    /// When this does not end on a page of the app with a session.
    pub async fn log_in(&self, user: &str, password: &str) -> Answer {
        let page = self.visit("/bff/login?returnUrl=/").await;
        let form = page
            .sign_in_form()
            .unwrap_or_else(|| panic!("no sign-in form: {}", page.summary()));
        let landed = self.submit(&page, &form.fill_in(user, password), &[]).await;
        assert!(
            inspect::is_of(&landed.url, &self.app),
            "login did not come back: {}",
            landed.summary()
        );
        assert!(
            self.session_cookie().is_some(),
            "login left no session: {}",
            landed.summary()
        );
        landed
    }

    /// The cookies the app would get on a request of its own.
    pub fn cookies(&self) -> Vec<StoredCookie> {
        let jar = self.jar.lock().unwrap();
        jar.of_site(&self.app, self.clock.now()).cloned().collect()
    }

    /// The session cookie's value.
    pub fn session_cookie(&self) -> Option<String> {
        self.cookies()
            .into_iter()
            .find(|cookie| cookie.name == SESSION_COOKIE)
            .map(|cookie| cookie.value)
    }

    /// What a script of the app reads in `document.cookie`.
    pub fn document_cookie(&self) -> String {
        let visible: Vec<_> = self
            .cookies()
            .into_iter()
            .filter(|cookie| !cookie.http_only)
            .collect();
        visible
            .iter()
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect::<Vec<_>>()
            .join("; ")
    }

    /// A WebSocket to this address, opened by a script of the app.
    pub fn socket(&self, address: &str) -> Handshake {
        Handshake::new(self.clone(), self.resolve(address))
    }

    /// Puts a cookie into the jar, as somebody at the keyboard could.
    pub fn plant(&self, name: &str, value: &str) {
        let host = self.app.host_str().unwrap_or_default();
        self.jar
            .lock()
            .unwrap()
            .put(StoredCookie::planted(name, value, host), self.clock.now());
    }

    /// Puts a copy of another browser's cookie into the jar.
    pub fn plant_as_it_was(&self, cookie: &StoredCookie) {
        self.jar.lock().unwrap().put(cookie.clone(), self.clock.now());
    }

    async fn navigate(&self, initiator: Initiator, url: Url) -> Answer {
        let navigation = Navigation {
            initiator,
            policy: None,
            chain: vec![url],
            method: Method::GET,
            form: None,
            stop_before: &never,
        };
        match self.travel(navigation).await {
            Arrival::Page(answer) => answer,
            Arrival::StoppedBefore(url) => panic!("stopped before {url}"),
        }
    }

    async fn travel(&self, mut navigation: Navigation<'_>) -> Arrival {
        let mut hops = Vec::new();
        loop {
            let url = navigation
                .chain
                .last()
                .expect("a chain has a last address")
                .clone();
            if (navigation.stop_before)(&url) {
                return Arrival::StoppedBefore(url);
            }
            hops.push(url);
            assert!(hops.len() <= MOST_HOPS, "a redirect loop: {hops:#?}");
            let answer = self.request_page(&navigation, hops.clone()).await;
            self.inspect(&answer, Purpose::Navigation);

            if let Some(target) = answer.location().filter(|_| answer.is_redirect()) {
                navigation.chain.push(target);
                if matches!(answer.status, 301..=303) && navigation.method == Method::POST {
                    navigation.method = Method::GET;
                    navigation.form = None;
                }
            } else if let Some(target) = refresh_target(&answer) {
                navigation.initiator = Initiator::Page(answer.url.clone());
                navigation.policy = answer.header("referrer-policy").map(str::to_owned);
                navigation.chain = vec![target];
                navigation.method = Method::GET;
                navigation.form = None;
            } else {
                return Arrival::Page(answer);
            }
        }
    }

    async fn request_page(&self, navigation: &Navigation<'_>, hops: Vec<Url>) -> Answer {
        let Navigation { initiator, chain, .. } = navigation;
        let url = chain.last().expect("a chain has a last address");
        let mut headers = HeaderMap::new();
        let mut set = |name: &'static str, value: &str| {
            headers.insert(name, HeaderValue::from_str(value).expect("a header value"));
        };
        set(
            ACCEPT.as_str(),
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        );
        set("upgrade-insecure-requests", "1");
        set("sec-fetch-mode", "navigate");
        set("sec-fetch-dest", "document");
        set("sec-fetch-user", "?1");
        set("sec-fetch-site", Relation::of(initiator, chain).header());
        if let Initiator::Page(page) = initiator
            && let Some(referrer) = referrer(navigation.policy.as_deref(), page, url)
        {
            set(REFERER.as_str(), &referrer);
        }
        let is_safe = navigation.method == Method::GET;
        if let (Initiator::Page(page), false) = (initiator, is_safe) {
            set("origin", &origin_header(&page.origin()));
            set("content-type", "application/x-www-form-urlencoded");
        }
        let context = self.cookie_context(is_same_site(initiator, chain), true, is_safe);
        let body = navigation.form.clone().map(reqwest::Body::from);
        let response = self
            .send(navigation.method.clone(), url, headers, body, context)
            .await;
        self.read(response, hops).await
    }

    fn cookie_context(&self, same_site: bool, top_level_navigation: bool, safe_method: bool) -> Context {
        Context {
            same_site,
            top_level_navigation,
            safe_method,
            now: self.clock.now(),
        }
    }

    async fn send(
        &self,
        method: Method,
        url: &Url,
        mut headers: HeaderMap,
        body: Option<reqwest::Body>,
        context: Context,
    ) -> reqwest::Response {
        let cookies = self.jar.lock().unwrap().header(url, context);
        if let Some(cookies) = cookies.filter(|_| !headers.contains_key(COOKIE)) {
            headers.insert(COOKIE, HeaderValue::from_str(&cookies).expect("cookies are text"));
        }
        let mut target = url.clone();
        if let Some(node) = self.node.filter(|_| inspect::is_of(url, &self.app)) {
            let host = HeaderValue::from_str(url.authority()).expect("a host is text");
            headers.insert(HOST, host);
            let sent = target
                .set_ip_host(node.ip())
                .and(target.set_port(Some(node.port())));
            sent.expect("an http address has a host and a port");
        }
        let mut request = self.client.request(method, target).headers(headers);
        if let Some(body) = body {
            request = request.body(body);
        }
        let response = request
            .send()
            .await
            .unwrap_or_else(|error| panic!("no answer from {url}: {error:?}"));
        let mut jar = self.jar.lock().unwrap();
        for header in response.headers().get_all(SET_COOKIE) {
            let header = header.to_str().expect("Set-Cookie is text");
            jar.set(header, url, context);
            if let Ok(cookie) = cookie::Cookie::parse(header) {
                inspect::learn_cookie(&cookie, &self.secrets);
            }
        }
        drop(jar);
        response
    }

    async fn read(&self, response: reqwest::Response, hops: Vec<Url>) -> Answer {
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let url = hops.last().expect("something was asked").clone();
        let body = response
            .bytes()
            .await
            .unwrap_or_else(|error| panic!("{url} broke off: {error:?}"));
        Answer {
            url,
            status,
            headers,
            body,
            hops,
        }
    }

    #[track_caller]
    fn inspect(&self, answer: &Answer, purpose: Purpose) {
        if inspect::is_of(&answer.url, &self.app) {
            inspect::inspect(answer, purpose, &self.secrets);
        }
    }

    fn resolve(&self, address: &str) -> Url {
        self.app.join(address).expect("an address")
    }
}

fn submission<'n>(
    page: &Answer,
    form: &Form,
    words: &[&str],
    stop_before: &'n (dyn Fn(&Url) -> bool + Sync),
) -> Navigation<'n> {
    let (mut action, body) = form.press(words);
    let form = if form.is_post {
        Some(body)
    } else {
        action.set_query(Some(&body));
        None
    };
    Navigation {
        initiator: Initiator::Page(page.url.clone()),
        policy: page.header("referrer-policy").map(str::to_owned),
        chain: vec![action],
        method: if form.is_some() { Method::POST } else { Method::GET },
        form,
        stop_before,
    }
}

fn refresh_target(answer: &Answer) -> Option<Url> {
    answer
        .is_html()
        .then(|| html::refresh_of(&answer.text(), &answer.url))
        .flatten()
}

fn is_callback(url: &Url) -> bool {
    url.path() == "/bff/callback"
}

fn never(_: &Url) -> bool {
    false
}

fn expect_stop(arrival: Arrival) -> Url {
    match arrival {
        Arrival::StoppedBefore(url) => url,
        Arrival::Page(answer) => panic!("the provider did not send the browser back: {}", answer.summary()),
    }
}
