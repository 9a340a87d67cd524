//! Judges tokens: pure, without I/O, with the time as an argument.
//!
//! Of the `jsonwebtoken` crate only its reading of keys is used, in `jwks`. Its own checks read the machine's clock, allow a
//! minute, skip `nbf`, `typ` and `crit`, and take a missing claim for a good one; all of that is judged here. Signatures are
//! checked by the crypto library under it, with a key that was made ready once (`docs/decisions.md`).

mod builder;

use std::time::Duration;

use aws_lc_rs::signature::ParsedPublicKey;

pub use self::builder::{InvalidVerifier, VerifierBuilder};
pub use crate::algorithm::Algorithm;
use crate::claims::Claims;
use crate::compact::{Compact, HeaderBytes, SignatureBytes, read_object};
pub use crate::error::TokenError;
use crate::json::{Json, Object};
use crate::jwks::KeySet;
#[cfg(feature = "status-list")]
use crate::profile;
use crate::profile::Profile;
use crate::time::UnixTime;

/// The longest token that is looked at.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// How far `iat` may lie in the future beyond the leeway. `iat` does not say when a token becomes good (`nbf` does),
/// so a clock that is a little ahead is forgiven more than the leeway; a token from next week is not.
pub(crate) const IAT_TOLERANCE: Duration = Duration::from_secs(60);

/// Says which tokens are good: of one kind, from one issuer, for one audience.
///
/// Each kind begins a [`VerifierBuilder`]; what its first line does not say has a default.
#[derive(Debug, Clone)]
pub struct Verifier {
    profile: Profile,
    issuer: String,
    audience: String,
    algorithms: Vec<Algorithm>,
    leeway: Duration,
    /// The names on the way to the claim that holds the roles.
    roles: Option<Vec<String>>,
}

impl Verifier {
    /// Access tokens after RFC 9068: `typ` is `at+jwt` and `kid` names the key; `iss`, `aud`, `exp`, `iat`, `sub`,
    /// `client_id` and `jti` are there. The leeway is five seconds.
    pub fn access_token(issuer: &str, audience: &str) -> VerifierBuilder {
        VerifierBuilder::new(Profile::Access, issuer, audience, Duration::from_secs(5))
    }

    /// ID tokens after OpenID Connect Core §3.1.3.7: `typ` is absent or `JWT`; `iss`, `aud`, `exp`, `iat` and `sub` are
    /// there. `nonce`, `azp`, `at_hash` and `auth_time` depend on the login and are left to the caller. The leeway is 30
    /// seconds.
    pub fn id_token(issuer: &str, client_id: &str) -> VerifierBuilder {
        VerifierBuilder::new(Profile::Id, issuer, client_id, Duration::from_secs(30))
    }

    /// Logout tokens after OpenID Connect Back-Channel Logout 1.0 §2.6: `typ` is `logout+jwt`, `JWT` or absent; `iss`, `aud`,
    /// `exp`, `iat`, `jti` and the event are there, `sub` or `sid` as well, and nothing that belongs into an ID token. How old
    /// one may be, and whether it came before, is left to the caller. The leeway is 30 seconds.
    pub fn logout_token(issuer: &str, client_id: &str) -> VerifierBuilder {
        VerifierBuilder::new(Profile::Logout, issuer, client_id, Duration::from_secs(30))
    }

    /// JWTs by which a client proves who it is (RFC 7523 §2.2, narrowed by draft-ietf-oauth-rfc7523bis §4): `typ` is
    /// `client-authentication+jwt`, `JWT` or absent; `iss` and `sub` are the client, `aud` is the server's issuer as a text,
    /// `exp` and `jti` are there. How far ahead `exp` may be, and whether the `jti` came before, is left to the caller. The
    /// leeway is ten seconds.
    pub fn client_assertion(client_id: &str, server: &str) -> VerifierBuilder {
        let leeway = Duration::from_secs(10);
        VerifierBuilder::new(Profile::ClientAssertion, client_id, server, leeway)
    }

    /// The issuer whose tokens are good.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// What tokens have to name in `aud`.
    #[must_use]
    pub fn audience(&self) -> &str {
        &self.audience
    }

    /// What tokens may be signed with.
    #[must_use]
    pub fn algorithms(&self) -> &[Algorithm] {
        &self.algorithms
    }

    /// Whether the tokens are access tokens.
    pub(crate) fn is_of_access_tokens(&self) -> bool {
        self.profile == Profile::Access
    }

    /// Judges a token.
    ///
    /// The order matters: nothing is decoded before the size is known, no claim is read before the signature is good.
    ///
    /// # Errors
    /// The first reason to refuse the token.
    pub fn verify(&self, token: &str, keys: &KeySet, now: UnixTime) -> Result<Claims, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLarge);
        }
        let compact = Compact::parse(token)?;
        let mut room = [0; size_of::<HeaderBytes>()];
        let header = compact.header(&mut room)?;
        let header = read_object(&header, TokenError::Header)?;
        let algorithm = self.judge_header(&header)?;
        let key_id = key_id(&header)?;
        if key_id.is_none() && self.profile.needs_key_id() {
            return Err(TokenError::AmbiguousKey);
        }
        verify_signature(&compact, keys.select(key_id, algorithm)?)?;
        let claims = self.profile.read(compact.claims()?, self.roles.as_deref())?;
        self.judge_claims(&claims, now)?;
        Ok(claims)
    }

    /// `jwk`, `jku`, `x5c` and `x5u` are not looked at: a token does not choose the key it is judged by.
    fn judge_header(&self, header: &Object<'_>) -> Result<Algorithm, TokenError> {
        refuse_extensions(header)?;
        self.profile.judge_type(header)?;
        algorithm_of(header, &self.algorithms)
    }

    fn judge_claims(&self, claims: &Claims, now: UnixTime) -> Result<(), TokenError> {
        if claims.issuer() != self.issuer {
            return Err(TokenError::Issuer);
        }
        if !claims.audience().any(|one| one == self.audience) {
            return Err(TokenError::Audience);
        }
        self.judge_times(claims, now)
    }

    /// Judges what changes although the token does not. Expired means that `exp` has been reached.
    pub(crate) fn judge_times(&self, claims: &Claims, now: UnixTime) -> Result<(), TokenError> {
        if now >= claims.expires_at() + self.leeway {
            return Err(TokenError::Expired);
        }
        if claims
            .not_before()
            .is_some_and(|not_before| now + self.leeway < not_before)
        {
            return Err(TokenError::NotYetValid);
        }
        if claims
            .issued_at()
            .is_some_and(|issued_at| now + self.leeway + IAT_TOLERANCE < issued_at)
        {
            return Err(TokenError::IssuedInTheFuture);
        }
        Ok(())
    }
}

/// The claims of a token of this `typ`, as JSON, once its signature is known to be that of one of `keys` by one of
/// `algorithms`. Whatever they say is left to the caller, and so is the length of the token.
#[cfg(feature = "status-list")]
pub(crate) fn claims_of_signed(
    token: &str,
    media_type: &str,
    algorithms: &[Algorithm],
    keys: &KeySet,
) -> Result<String, TokenError> {
    let compact = Compact::parse(token)?;
    let mut room = [0; size_of::<HeaderBytes>()];
    let header = compact.header(&mut room)?;
    let header = read_object(&header, TokenError::Header)?;
    refuse_extensions(&header)?;
    if !profile::media_type(&header)?.is_some_and(|own| own.eq_ignore_ascii_case(media_type)) {
        return Err(TokenError::Type);
    }
    let algorithm = algorithm_of(&header, algorithms)?;
    verify_signature(&compact, keys.select(key_id(&header)?, algorithm)?)?;
    compact.claims()
}

/// RFC 7797 §7: a JWT never has `b64`; whoever sets it hopes that somebody else reads the payload differently.
fn refuse_extensions(header: &Object<'_>) -> Result<(), TokenError> {
    if header.has("crit") || header.has("b64") {
        return Err(TokenError::CriticalExtension);
    }
    Ok(())
}

fn algorithm_of(header: &Object<'_>, allowed: &[Algorithm]) -> Result<Algorithm, TokenError> {
    let name = header
        .get("alg")
        .and_then(Json::as_text)
        .ok_or(TokenError::Header)?;
    let algorithm = name.parse().map_err(|_| TokenError::Algorithm)?;
    if allowed.contains(&algorithm) {
        Ok(algorithm)
    } else {
        Err(TokenError::Algorithm)
    }
}

fn verify_signature(compact: &Compact<'_>, key: &ParsedPublicKey) -> Result<(), TokenError> {
    let mut room = [0; size_of::<SignatureBytes>()];
    let (signed, signature) = compact.signed(&mut room)?;
    let verdict = key.verify_sig(signed, signature);
    verdict.map_err(|_| TokenError::Signature)
}

fn key_id<'h>(header: &'h Object<'_>) -> Result<Option<&'h str>, TokenError> {
    match header.get("kid") {
        None => Ok(None),
        Some(kid) => kid.as_text().map(Some).ok_or(TokenError::Header),
    }
}

#[cfg(test)]
mod tests;
