//! Reads the compact form of a JWS (RFC 7515 §7.1) as strictly as it can be read.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

use crate::error::TokenError;

/// A token cut into its parts; nothing of it is believed yet.
#[derive(Debug)]
pub(crate) struct Compact<'t> {
    pub(crate) header: Map<String, Value>,
    /// What the signature covers: the first two parts as they came.
    pub(crate) signed: &'t [u8],
    pub(crate) signature: &'t str,
    payload: &'t str,
}

impl<'t> Compact<'t> {
    pub(crate) fn parse(token: &'t str) -> Result<Self, TokenError> {
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Structure)?;
        let (header, payload) = signed.split_once('.').ok_or(TokenError::Structure)?;
        if header.is_empty() || payload.contains('.') || payload.is_empty() || signature.is_empty() {
            return Err(TokenError::Structure);
        }
        Ok(Self {
            header: object(header, TokenError::Header)?,
            signed: signed.as_bytes(),
            signature,
            payload,
        })
    }

    /// The claims; to be read once the signature is known to be good.
    pub(crate) fn claims(&self) -> Result<Map<String, Value>, TokenError> {
        object(self.payload, TokenError::Payload)
    }
}

fn object(part: &str, malformed: TokenError) -> Result<Map<String, Value>, TokenError> {
    let json = URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Structure)?;
    members(&json, malformed)
}

/// The members of a JSON object, none of which may occur twice.
pub(crate) fn members(json: &[u8], malformed: TokenError) -> Result<Map<String, Value>, TokenError> {
    let UniqueMembers(members) = serde_json::from_slice(json).map_err(|_| malformed)?;
    members.ok_or(TokenError::DuplicateMember)
}

/// A JSON object, or `None` inside if one of its names occurs twice.
///
/// RFC 7515 §4 and RFC 7519 §4 let a reader take the last of two. Refusing is the other choice they leave, and the
/// safe one: what a gateway took for the first member, a service behind it may take for the second.
struct UniqueMembers(Option<Map<String, Value>>);

impl<'de> Deserialize<'de> for UniqueMembers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(UniqueMembersVisitor)
    }
}

struct UniqueMembersVisitor;

impl<'de> Visitor<'de> for UniqueMembersVisitor {
    type Value = UniqueMembers;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut members = Map::new();
        let mut unique = true;
        while let Some((name, value)) = access.next_entry::<String, Value>()? {
            unique &= members.insert(name, value).is_none();
        }
        Ok(UniqueMembers(unique.then_some(members)))
    }
}
