//! Sessions such as a provider's tokens make them.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use bff::session::SessionContent;
use bff::session::tokens::{AccessToken, IdToken, IssuedToken, RefreshToken, TokenSet};
use resource_server::time::UnixTime;
use serde_json::{Map, Value, json};

const ACCESS_TOKEN: usize = 1_200;
const REFRESH_TOKEN: usize = 200;
const ID_TOKEN: usize = 1_000;
/// An ES256 header with a `kid`, and an ES256 signature.
const HEADER: usize = 60;
const SIGNATURE: usize = 86;

/// From when and until when an access token serves.
#[derive(Debug, Clone, Copy)]
pub struct Serves {
    /// When it was issued.
    pub obtained_at: UnixTime,
    /// From when on it is renewed although it still serves.
    pub refresh_from: UnixTime,
    /// When it is dead.
    pub expires_at: UnixTime,
}

impl Serves {
    /// Five minutes, as a provider gives them.
    #[must_use]
    pub fn for_minutes(now: UnixTime) -> Self {
        Self {
            obtained_at: now,
            refresh_from: now + Duration::from_secs(270),
            expires_at: now + Duration::from_secs(300),
        }
    }
}

/// What a user's login brings; every other provider session has a name.
#[must_use]
pub fn of_user(number: usize, serves: Serves) -> SessionContent {
    let subject = format!("248289761-{number:09}");
    SessionContent {
        provider_sid: number.is_multiple_of(2).then(|| text(43)),
        claims: claims(number),
        tokens: tokens(serves),
        subject,
    }
}

/// What a login or a refresh brings.
#[must_use]
pub fn tokens(serves: Serves) -> TokenSet {
    TokenSet {
        access: IssuedToken {
            token: AccessToken::new(access_token()),
            obtained_at: serves.obtained_at,
            refresh_from: serves.refresh_from,
            expires_at: serves.expires_at,
            scope: Some("openid profile email notes.read notes.write".to_owned()),
        },
        others: BTreeMap::new(),
        refresh_token: Some(RefreshToken::new(refresh_token())),
        refresh_expires_at: None,
        id_token: Some(IdToken::new(jwt(ID_TOKEN))),
    }
}

/// Of the form and length of a real one.
#[must_use]
pub fn access_token() -> String {
    jwt(ACCESS_TOKEN)
}

/// Of the form and length of a real one.
#[must_use]
pub fn refresh_token() -> String {
    text(REFRESH_TOKEN)
}

fn claims(number: usize) -> Map<String, Value> {
    let claims = json!({
        "name": format!("User Number {number}"),
        "preferred_username": format!("user{number}"),
        "email": format!("user{number}@mail.example"),
        "email_verified": true,
        "locale": "en-GB",
        "roles": ["reader", "editor"],
    });
    match claims {
        Value::Object(claims) => claims,
        _ => Map::new(),
    }
}

/// Of the form and length of a signed token, and as hard to compress.
fn jwt(length: usize) -> String {
    let payload = length - HEADER - SIGNATURE - 2;
    format!("{}.{}.{}", text(HEADER), text(payload), text(SIGNATURE))
}

/// Random base64url.
fn text(length: usize) -> String {
    let mut bytes = vec![0; length.div_ceil(4) * 3];
    rand::fill(&mut bytes).expect("randomness");
    let mut text = BASE64URL.encode(bytes);
    text.truncate(length);
    text
}
