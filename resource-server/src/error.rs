//! Why a token was refused.

use crate::jwks::JwksError;

/// Why a token was refused.
///
/// The texts are fixed: none quotes a part of the token, so that each may stand in a log or in a challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Longer than [`crate::verifier::MAX_TOKEN_BYTES`].
    #[error("the token is too large")]
    TooLarge,
    /// Not three parts of base64url without padding.
    #[error("the token is not a signed JWT in compact form")]
    Structure,
    /// The header is not a JSON object, or a member has the wrong type.
    #[error("the header of the token is malformed")]
    Header,
    /// The claims are not a JSON object.
    #[error("the claims of the token are malformed")]
    Payload,
    /// A name occurs twice, so that two readers could see two different tokens.
    #[error("a member of the token occurs twice")]
    DuplicateMember,
    /// `crit` (RFC 7515 §4.1.11) or `b64` (RFC 7797): no extension is understood here.
    #[error("the token demands an extension that is not understood")]
    CriticalExtension,
    /// `typ` names another kind of token.
    #[error("the token is of the wrong type")]
    Type,
    /// `alg` is not allowed here.
    #[error("the algorithm of the token is not accepted")]
    Algorithm,
    /// The key exists, but `alg` cannot be used with it.
    #[error("the algorithm of the token does not fit its key")]
    KeyMismatch,
    /// No key of the set can have signed the token; a newer set might have it.
    #[error("the token is signed with an unknown key")]
    UnknownKey,
    /// The token does not say which key signed it: several could have, or it is an access token, which has to say it.
    #[error("the token does not name one key")]
    AmbiguousKey,
    /// The signature is not that of the key.
    #[error("the signature of the token is wrong")]
    Signature,
    /// A claim that has to be there is missing.
    #[error("the claim {0} is missing")]
    MissingClaim(&'static str),
    /// A claim has the wrong JSON type, or an impossible value.
    #[error("the claim {0} is malformed")]
    MalformedClaim(&'static str),
    /// `iss` is another issuer.
    #[error("the token comes from another issuer")]
    Issuer,
    /// `aud` does not contain us.
    #[error("the token is meant for another audience")]
    Audience,
    /// `exp` has been reached.
    #[error("the token has expired")]
    Expired,
    /// `nbf` has not been reached.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// `iat` lies in the future by more than clocks differ.
    #[error("the token was issued in the future")]
    IssuedInTheFuture,
    /// The status list says INVALID (draft-ietf-oauth-status-list §7.1): its user has logged out, or was made to.
    #[error("the grant of this token has ended")]
    GrantEnded,
    /// The status list says neither VALID nor INVALID, such as SUSPENDED.
    #[error("the status of the token is not valid")]
    StatusNotValid,
    /// The status list has no such index, so that nothing is said of the token (draft-ietf-oauth-status-list §8.3).
    #[error("the status list does not know the token")]
    StatusUnknown,
    /// The status list is not at a place where its issuer keeps them.
    #[error("the token names a status list that is not its issuer's")]
    ForeignStatusList,
}

/// Why the provider's keys could not be had.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FetchKeysError {
    /// No answer came, or it broke off.
    #[error("the key endpoint did not answer")]
    Transport(#[source] std::sync::Arc<dyn std::error::Error + Send + Sync>),
    /// No complete answer came in time.
    #[error("the key endpoint did not answer in time")]
    TimedOut,
    /// The answer was an error.
    #[error("the key endpoint answered with status {0}")]
    Status(u16),
    /// The answer was larger than is read.
    #[error("the answer of the key endpoint is larger than {0} bytes")]
    TooLarge(usize),
    /// The issuer's metadata cannot be used.
    #[error("the metadata of the issuer cannot be used: {0}")]
    Metadata(&'static str),
    /// The answer is no key set with a usable key.
    #[error("the key set cannot be used")]
    Unusable(#[from] JwksError),
    /// The task that fetched ended before it had a result.
    #[error("the fetch of the keys was interrupted")]
    Interrupted,
}

/// Why a token could not be accepted by a [`crate::key_cache::KeyCache`].
#[derive(Debug, Clone, thiserror::Error)]
pub enum VerifyError {
    /// The token is bad, whatever the keys.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The token names a key that is not known, and newer keys were asked for a moment ago. A key that the issuer has just
    /// begun to use looks like this for a cooldown at most.
    #[error("the token is signed with a key that is not known yet")]
    UnknownKeyForNow,
    /// The token cannot be judged, because the keys cannot be had.
    #[error("the keys to verify the token are not available")]
    KeysUnavailable(#[source] FetchKeysError),
}
