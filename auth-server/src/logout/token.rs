//! The logout token (OpenID Connect Back-Channel Logout 1.0 §2.4).

use std::collections::BTreeMap;
use std::time::Duration;

use resource_server::time::UnixTime;
use serde::Serialize;

use crate::client::Client;
use crate::config::Issuer;
use crate::key::Signer;
use crate::key::signer::{SigningError, TokenType};
use crate::secret::random_handle;
use crate::store::Notification;

/// §2.4 wants two minutes at most: a token is made for one attempt.
const LIFETIME: Duration = Duration::from_secs(120);

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// Never a `nonce`, so that it does not pass for an ID token (§2.4). `sid` and `sub` are both there: the session ends, and not
/// all of the user's.
#[derive(Debug, Serialize)]
struct Claims<'c> {
    iss: &'c str,
    aud: &'c str,
    sub: &'c str,
    sid: &'c str,
    iat: i64,
    exp: i64,
    jti: String,
    events: BTreeMap<&'static str, Nothing>,
}

/// `{}`.
#[derive(Debug, Serialize)]
struct Nothing {}

/// Signs what a client is told.
pub(super) fn logout_token(
    issuer: &Issuer,
    client: &Client,
    notification: &Notification,
    signer: &Signer,
    now: UnixTime,
) -> Result<String, SigningError> {
    let claims = Claims {
        iss: issuer.as_str(),
        aud: &client.id,
        sub: &notification.user_id,
        sid: &notification.sid,
        iat: now.as_secs(),
        exp: (now + LIFETIME).as_secs(),
        jti: random_handle(),
        events: BTreeMap::from([(EVENT, Nothing {})]),
    };
    signer.sign(TokenType::LogoutToken, client.signing.id_token, &claims)
}
