//! A provider that only renews tokens, as fast as goes: in these benches it is the BFF that is measured.
//!
//! It runs in the process of the bench. A refresh token is taken once and replaced; a second use of one, which a provider
//! would take for theft, is counted.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use e2e::http_server::{Body, Cut, HttpServer, answer};
use e2e::sessions::content;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::{Value, json};

const JSON: &str = "application/json";
/// What its access tokens begin with, so that an upstream's echo tells whether a session has a new one.
pub(crate) const RENEWED: &str = "renewed.";
/// Longer than a run: a session is renewed once.
const LIFETIME_SECONDS: u64 = 4 * 3_600;

/// The provider.
#[derive(Debug)]
pub(crate) struct Provider {
    server: HttpServer,
    state: Arc<Mutex<State>>,
}

/// What was asked of it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Calls {
    pub(crate) renewed: usize,
    /// With a refresh token that is none, or one no more.
    pub(crate) refused: usize,
}

#[derive(Debug, Default)]
struct State {
    refresh_tokens: HashSet<String>,
    calls: Calls,
}

impl Provider {
    pub(crate) async fn start() -> Self {
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        let server = HttpServer::start(move |request| handle(Arc::clone(&shared), request)).await;
        Self { server, state }
    }

    pub(crate) fn issuer(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// Lets it know a refresh token that a login brought.
    pub(crate) fn know(&self, refresh_token: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.refresh_tokens.insert(refresh_token.to_owned());
    }

    /// What was asked since it was told to count anew.
    pub(crate) fn calls(&self) -> Calls {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).calls
    }

    /// # Panics
    /// When it was asked for a token.
    pub(crate) fn was_left_alone(&self) {
        assert_eq!(
            self.calls(),
            Calls::default(),
            "no token was due, but the provider was asked"
        );
    }

    pub(crate) fn count_anew(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).calls = Calls::default();
    }
}

async fn handle(state: Arc<Mutex<State>>, request: Request<Incoming>) -> Result<Response<Body>, Cut> {
    let host = request.headers().get("host").and_then(|host| host.to_str().ok());
    let issuer = format!("http://{}", host.unwrap_or_default());
    Ok(match request.uri().path() {
        "/.well-known/openid-configuration" => answer(StatusCode::OK, JSON, metadata(&issuer).to_string()),
        "/jwks" => answer(StatusCode::OK, JSON, json!({ "keys": [] }).to_string()),
        "/token" => {
            let is_authenticated = request.headers().contains_key("authorization");
            let body = request.into_body().collect().await.map_err(|_| Cut)?;
            let form = String::from_utf8_lossy(&body.to_bytes()).into_owned();
            let (status, told) = state
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .token_call(is_authenticated, &form);
            answer(status, JSON, told.to_string())
        }
        _ => answer(StatusCode::NOT_FOUND, "text/plain", ""),
    })
}

fn metadata(issuer: &str) -> Value {
    json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/jwks"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "code_challenge_methods_supported": ["S256"],
    })
}

impl State {
    fn token_call(&mut self, is_authenticated: bool, form: &str) -> (StatusCode, Value) {
        // Its tokens are base64url: a form has nothing to escape in them.
        let of = |name: &str| {
            let fields = form.split('&').filter_map(|field| field.split_once('='));
            fields
                .filter(|(key, _)| *key == name)
                .map(|(_, value)| value)
                .next()
        };
        let is_known = of("refresh_token").is_some_and(|token| self.refresh_tokens.remove(token));
        if !is_authenticated || of("grant_type") != Some("refresh_token") || !is_known {
            self.calls.refused += 1;
            return (StatusCode::BAD_REQUEST, json!({ "error": "invalid_grant" }));
        }
        self.calls.renewed += 1;
        let refresh_token = content::refresh_token();
        self.refresh_tokens.insert(refresh_token.clone());
        let told = json!({
            "access_token": format!("{RENEWED}{}", content::access_token()),
            "token_type": "Bearer",
            "expires_in": LIFETIME_SECONDS,
            "refresh_token": refresh_token,
        });
        (StatusCode::OK, told)
    }
}
