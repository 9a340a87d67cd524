//! Sessions such as a provider's tokens make them.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use bff::session::SessionContent;
use bff::session::device::Device;
use bff::session::tokens::{AccessToken, IdToken, IssuedToken, RefreshToken, TokenSet};
use resource_server::time::UnixTime;
use serde_json::{Map, Value, json};

const ACCESS_TOKEN: usize = 1_200;
const REFRESH_TOKEN: usize = 200;
const ID_TOKEN: usize = 1_000;
/// An ES256 header with a `kid`, and an ES256 signature.
const HEADER: usize = 60;
const SIGNATURE: usize = 86;

/// What a user's login brings; every other provider session has a name.
pub(crate) fn of_user(number: usize, now: UnixTime) -> SessionContent {
    let subject = format!("248289761-{number:09}");
    SessionContent {
        provider_sid: number.is_multiple_of(2).then(|| text(43)),
        claims: claims(number),
        tokens: tokens(now),
        subject,
    }
}

/// What a login or a refresh brings.
pub(crate) fn tokens(now: UnixTime) -> TokenSet {
    TokenSet {
        access: IssuedToken {
            token: AccessToken::new(jwt(ACCESS_TOKEN)),
            obtained_at: now,
            refresh_from: now + Duration::from_secs(270),
            expires_at: now + Duration::from_secs(300),
            scope: Some("openid profile email notes.read notes.write".to_owned()),
        },
        others: BTreeMap::new(),
        refresh_token: Some(RefreshToken::new(text(REFRESH_TOKEN))),
        refresh_expires_at: None,
        id_token: Some(IdToken::new(jwt(ID_TOKEN))),
    }
}

pub(crate) fn device() -> Device {
    Device {
        browser: Some("Firefox".to_owned()),
        platform: Some("Android".to_owned()),
    }
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
