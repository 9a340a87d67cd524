use std::io::Read as _;
use std::time::Duration;

use flate2::bufread::ZlibDecoder;
use serde_json::Number;

use super::error::InvalidStatusList;
use crate::algorithm::Algorithm;
use crate::compact::{bytes_of, read_object};
use crate::error::TokenError;
use crate::json::{Json, Object};
use crate::jwks::KeySet;
use crate::profile::{Rounding, instant, optional_text, required_text};
use crate::time::UnixTime;
use crate::verifier::{self, IAT_TOLERANCE};

/// The `typ` of a status list token (draft-ietf-oauth-status-list §5.1), without `application/`.
const TYPE: &str = "statuslist+jwt";

/// What a status list has to be for its reader.
#[derive(Debug, Clone, Copy)]
pub struct ExpectedList<'a> {
    /// Where it was fetched: the `uri` of the tokens that refer to it, which its `sub` has to equal byte for byte.
    pub uri: &'a str,
    /// Whose it is: a list need not name its issuer, but must not name another.
    pub issuer: &'a str,
    /// What it may be signed with, as the tokens that refer to it.
    pub algorithms: &'a [Algorithm],
    /// How many bytes it may have when it is unpacked: a few hundred packed ones can become gigabytes.
    pub max_bytes: usize,
    /// How far the issuer's clock and ours may differ.
    pub leeway: Duration,
}

/// The statuses of many tokens, a few bits each (draft-ietf-oauth-status-list §4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusList {
    bits: u8,
    statuses: Box<[u8]>,
    issued_at: UnixTime,
    expires_at: Option<UnixTime>,
    time_to_live: Option<Duration>,
}

impl StatusList {
    /// Reads a status list token (§5.1) after its signature was found to be that of one of `keys`.
    ///
    /// # Errors
    /// The first reason not to believe it. [`TokenError::UnknownKey`] inside means that newer keys might tell otherwise.
    pub fn verify(
        token: &str,
        keys: &KeySet,
        expected: &ExpectedList<'_>,
        now: UnixTime,
    ) -> Result<Self, InvalidStatusList> {
        if token.len() > max_token_bytes(expected.max_bytes) {
            return Err(InvalidStatusList::TooLarge);
        }
        let claims = verifier::claims_of_signed(token, TYPE, expected.algorithms, keys)?;
        Self::parse(claims.as_bytes(), expected, now)
    }

    /// Reads the claims of a status list token, as JSON. Pure, and only to be asked about claims whose signature is
    /// known to be good: [`StatusList::verify`] does both.
    ///
    /// # Errors
    /// The first rule that the claims break. Members that are not known here are no fault.
    pub fn parse(
        claims: &[u8],
        expected: &ExpectedList<'_>,
        now: UnixTime,
    ) -> Result<Self, InvalidStatusList> {
        let claims = str::from_utf8(claims).map_err(|_| TokenError::Payload)?;
        Self::of_claims(&read_object(claims, TokenError::Payload)?, expected, now)
    }

    fn of_claims(
        claims: &Object<'_>,
        expected: &ExpectedList<'_>,
        now: UnixTime,
    ) -> Result<Self, InvalidStatusList> {
        if required_text(claims, "sub")? != expected.uri {
            return Err(InvalidStatusList::OfAnotherUri);
        }
        if optional_text(claims, "iss")?.is_some_and(|issuer| issuer != expected.issuer) {
            return Err(TokenError::Issuer.into());
        }
        let issued_at = instant(claims, "iat", Rounding::Down)?.ok_or(TokenError::MissingClaim("iat"))?;
        let expires_at = instant(claims, "exp", Rounding::Down)?;
        let not_before = instant(claims, "nbf", Rounding::Up)?;
        let time_to_live = time_to_live(claims)?;
        if expires_at.is_some_and(|expires_at| now >= expires_at + expected.leeway) {
            return Err(TokenError::Expired.into());
        }
        if not_before.is_some_and(|not_before| now + expected.leeway < not_before) {
            return Err(TokenError::NotYetValid.into());
        }
        if now + expected.leeway + IAT_TOLERANCE < issued_at {
            return Err(TokenError::IssuedInTheFuture.into());
        }
        let list = match claims.get("status_list") {
            Some(Json::Object(list)) => list,
            Some(_) => return Err(TokenError::MalformedClaim("status_list").into()),
            None => return Err(TokenError::MissingClaim("status_list").into()),
        };
        Ok(Self {
            bits: bits(list)?,
            statuses: unpack(required_text(list, "lst")?, expected.max_bytes)?,
            issued_at,
            expires_at,
            time_to_live,
        })
    }

    /// The status at this index; `None` when the list has no such index, which says nothing about the token.
    #[must_use]
    pub fn status(&self, index: u64) -> Option<u8> {
        let per_byte = u64::from(8 / self.bits);
        let byte = usize::try_from(index / per_byte).ok()?;
        let byte = self.statuses.get(byte)?;
        // §4.1: from the least significant bit to the most significant one.
        let shift = (index % per_byte) * u64::from(self.bits);
        let mask = 0xff >> (8 - self.bits);
        Some((byte >> shift) & mask)
    }

    /// Whether it is not newer than the other one and says the same of every token.
    pub(super) fn is_no_news_after(&self, other: &Self) -> bool {
        self.issued_at <= other.issued_at && self.bits == other.bits && self.statuses == other.statuses
    }

    /// The list with what `newer` says against tokens: the older of the two takes nothing back, and makes what the newer says no
    /// older. `None` if their statuses are not of one size.
    pub(super) fn keeping_ends_of(self, newer: &Self) -> Option<Self> {
        if self.bits != newer.bits {
            return None;
        }
        let mut statuses = self.statuses.into_vec();
        let length = statuses.len().max(newer.statuses.len());
        statuses.resize(length, 0);
        for (own, other) in statuses.iter_mut().zip(&newer.statuses) {
            // Of any size, 0 alone is good.
            *own |= other;
        }
        Some(Self {
            statuses: statuses.into_boxed_slice(),
            issued_at: newer.issued_at,
            ..self
        })
    }

    /// `iat`: when the list was made.
    #[must_use]
    pub fn issued_at(&self) -> UnixTime {
        self.issued_at
    }

    /// `exp`: when the list must not be relied upon any longer, if it says so.
    #[must_use]
    pub fn expires_at(&self) -> Option<UnixTime> {
        self.expires_at
    }

    /// `ttl`: how long the list may be used before a newer one has to be asked for, if it says so.
    #[must_use]
    pub fn time_to_live(&self) -> Option<Duration> {
        self.time_to_live
    }
}

/// The longest token that a list of this many bytes can need: in the worst case it cannot be packed at all, and is
/// written in base64 twice.
pub(super) fn max_token_bytes(max_list_bytes: usize) -> usize {
    max_list_bytes.saturating_mul(2).saturating_add(16 * 1024)
}

/// §5.1: a positive number. Fractions are rounded down; what is below a second is read as one.
fn time_to_live(claims: &Object<'_>) -> Result<Option<Duration>, TokenError> {
    const MALFORMED: TokenError = TokenError::MalformedClaim("ttl");
    let Some(value) = claims.get("ttl") else {
        return Ok(None);
    };
    let seconds = value.as_number().and_then(Number::as_f64);
    let seconds = seconds.filter(|seconds| *seconds > 0.0).ok_or(MALFORMED)?;
    // `as` saturates.
    Ok(Some(Duration::from_secs((seconds as u64).max(1))))
}

fn bits(list: &Object<'_>) -> Result<u8, TokenError> {
    match list
        .get("bits")
        .map(|bits| bits.as_number().and_then(Number::as_u64))
    {
        None => Err(TokenError::MissingClaim("bits")),
        Some(Some(bits @ (1 | 2 | 4 | 8))) => Ok(bits as u8),
        Some(_) => Err(TokenError::MalformedClaim("bits")),
    }
}

/// Unpacks a zlib stream (RFC 1950) that fills `lst` to its last byte, and stops as soon as it becomes too large.
fn unpack(lst: &str, max_bytes: usize) -> Result<Box<[u8]>, InvalidStatusList> {
    let packed = bytes_of(lst.as_bytes()).ok_or(InvalidStatusList::Packing)?;
    let mut stream = ZlibDecoder::new(packed.as_slice());
    let mut unpacked = Vec::new();
    let read = stream
        .by_ref()
        .take(u64::try_from(max_bytes).unwrap_or(u64::MAX).saturating_add(1))
        .read_to_end(&mut unpacked);
    if unpacked.len() > max_bytes {
        return Err(InvalidStatusList::TooLarge);
    }
    read.map_err(|_| InvalidStatusList::Packing)?;
    if stream.into_inner().is_empty() {
        Ok(unpacked.into_boxed_slice())
    } else {
        Err(InvalidStatusList::Packing)
    }
}

#[cfg(test)]
mod tests;
