//! Pushed authorization requests (RFC 9126): a client sends its request here itself and the browser brings a name for it.

pub(crate) mod endpoint;

use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use resource_server::time::UnixTime;

use super::endpoint::hinted_user;
use super::request::{AuthorizationRequest, PersonalRefusal, Refusal};
use super::response::{AuthorizationError, AuthorizationErrorCode};
use crate::client::{Client, Grant};
use crate::params::Params;
use crate::secret::{Digest, base64url, parse_base64url, random_bytes};
use crate::signin::throttle::network_of;
use crate::state::Shared;
use crate::store::{NewPushedRequest, PushedLimits};
use crate::token::error::TokenError;

/// How long a request waits for a browser: the redirect to it follows at once.
const WAITS: Duration = Duration::from_secs(90);
/// How long the browser that opened it has until a code is issued: people look for their passwords.
pub(super) const OPENED: Duration = Duration::from_secs(30 * 60);
/// A larger one would hold more claims, scopes and hints than there are.
const LARGEST: usize = 8 * 1024;
/// What waits for a browser. A client with a secret that signs in more than fifty people a second fills this. Anybody can
/// push in the name of a public one: there each network has its share.
const WAITING: PushedLimits = PushedLimits {
    per_client: 5_000,
    per_network: 50,
};
/// What there is in all, which anybody can add to: whoever follows an application's link to sign in opens a request of it.
/// Beyond this nobody is turned away, but requests live no longer than they wait.
pub(super) const KEPT: PushedLimits = PushedLimits {
    per_client: 50_000,
    per_network: 1_000,
};

/// What proves who the client is, which is nobody's business afterwards.
const CREDENTIALS: [&str; 3] = ["client_secret", "client_assertion", "client_assertion_type"];

/// The name of a pushed request: 256 random bits.
pub(crate) struct RequestUri([u8; 32]);

impl RequestUri {
    const PREFIX: &'static str = "urn:ietf:params:oauth:request_uri:";

    fn generate() -> Self {
        Self(random_bytes())
    }

    /// Whether the text is meant to be one of these: what else a `request_uri` can be is not supported here.
    pub(crate) fn is_meant_by(text: &str) -> bool {
        text.starts_with(Self::PREFIX)
    }

    /// Reads one; anything of another form was never one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        parse_base64url(text.strip_prefix(Self::PREFIX)?).map(Self)
    }

    fn to_text(&self) -> String {
        format!("{}{}", Self::PREFIX, base64url(&self.0))
    }

    /// What is stored of it.
    pub(crate) fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }
}

/// What the client gets (RFC 9126 §2.2).
#[derive(serde::Serialize)]
pub(crate) struct Pushed {
    request_uri: String,
    expires_in: u64,
}

/// Judges a request as `/authorize` would, and keeps it. It is judged again when it is opened: the registration may change
/// in between.
pub(crate) async fn push(
    shared: &Shared,
    client: &Client,
    form: &Params,
    from: IpAddr,
) -> Result<Pushed, TokenError> {
    if !client.may_use(Grant::AuthorizationCode) {
        return Err(TokenError::UnauthorizedClient);
    }
    if form.get("request_uri").is_some() {
        return Err(TokenError::invalid_request("request_uri cannot be pushed"));
    }
    let request = AuthorizationRequest::of_client(form, client).map_err(|refusal| told(&refusal))?;
    hinted_user(shared, &request).map_err(|refusal| told(&refusal))?;
    let parameters = form.encode_without(&CREDENTIALS);
    if parameters.len() > LARGEST {
        return Err(TokenError::TooLarge);
    }
    let name = RequestUri::generate();
    let network = network_of(from);
    let now = shared.now();
    let new = NewPushedRequest {
        digest: name.digest(),
        client_id: &client.id,
        network: client
            .is_public()
            .then(|| Digest::of(format!("{network} {}", client.id).as_bytes())),
        parameters: &parameters,
        expires_at: now + WAITS,
    };
    if !shared.store.add_pushed_request(&new, WAITING, now).await? {
        tell_of_too_many(client, now);
        return Err(TokenError::TooMany);
    }
    Ok(Pushed {
        request_uri: name.to_text(),
        expires_in: WAITS.as_secs(),
    })
}

/// Once a minute: whoever floods this endpoint does not fill the log either.
fn tell_of_too_many(client: &Client, now: UnixTime) {
    static LAST: AtomicI64 = AtomicI64::new(i64::MIN);
    let (last, now) = (LAST.load(Ordering::Relaxed), now.as_secs());
    let is_due = now.saturating_sub(last) >= 60;
    if is_due
        && LAST
            .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    {
        tracing::warn!(client.id = %client.id, "too many pushed requests of a client wait to be used");
    }
}

/// RFC 9126 §2.3: what a redirect would have said.
fn told(refusal: &Refusal) -> TokenError {
    let unknown = |description: &str| {
        let code = AuthorizationErrorCode::InvalidRequest;
        AuthorizationError::new(code, description)
    };
    TokenError::Authorization(match refusal {
        Refusal::ToTheClient(_, error) => error.clone(),
        Refusal::ToThePerson(PersonalRefusal::UnknownRedirectUri) => {
            unknown("redirect_uri is missing or not registered")
        }
        Refusal::ToThePerson(PersonalRefusal::UnknownClient | PersonalRefusal::RequestGone) => {
            unknown("client_id is missing")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_urns_that_are_whole_are_names() {
        let name = RequestUri::generate();
        let text = name.to_text();
        assert_eq!(text.len(), RequestUri::PREFIX.len() + 43);
        assert_eq!(RequestUri::parse(&text).unwrap().0, name.0);
        let random = &text[RequestUri::PREFIX.len()..];
        for other in [
            random,
            &text[..text.len() - 1],
            &format!("{text}A"),
            &text.to_uppercase(),
            "urn:ietf:params:oauth:request_uri:",
            "https://app.example/request",
        ] {
            assert!(RequestUri::parse(other).is_none(), "{other}");
        }
    }
}
