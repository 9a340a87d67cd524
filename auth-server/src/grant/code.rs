//! Authorization codes (RFC 6749 §4.1.2): single use, short-lived, bound to client, redirect URI and PKCE.

use std::fmt;

use resource_server::time::UnixTime;

use super::claims::AskedClaims;
use super::pkce::CodeChallenge;
use super::target::Named;
use crate::secret::{Digest, base64url, parse_base64url, random_bytes};

/// A code as the browser carries it: 256 random bits.
pub(crate) struct Code([u8; 32]);

impl Code {
    /// A fresh one.
    pub(crate) fn generate() -> Self {
        Self(random_bytes())
    }

    /// Reads a presented code; anything of another form was never one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        parse_base64url(text).map(Self)
    }

    /// The text for the redirect.
    pub(crate) fn to_text(&self) -> String {
        base64url(&self.0)
    }

    /// What is stored of it.
    pub(crate) fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(redacted)")
    }
}

/// What a code stands for until it is exchanged.
#[derive(Debug)]
pub(crate) struct NewCode {
    pub(crate) digest: Digest,
    pub(crate) client_id: String,
    pub(crate) redirect_uri: String,
    /// `None` only for a client that may go without PKCE.
    pub(crate) challenge: Option<CodeChallenge>,
    pub(crate) user_id: String,
    pub(crate) sid: String,
    pub(crate) scope: String,
    pub(crate) resources: Named,
    pub(crate) claims: AskedClaims,
    pub(crate) nonce: Option<String>,
    pub(crate) auth_time: UnixTime,
    pub(crate) expires_at: UnixTime,
    /// The pushed request that it answers, which is used up with it.
    pub(crate) pushed: Option<Digest>,
}

/// Everything that has to fit before a code is worth anything.
#[derive(Debug)]
pub(crate) struct CodeClaim<'r> {
    pub(crate) digest: Digest,
    pub(crate) client_id: &'r str,
    pub(crate) redirect_uri: &'r str,
    /// Of the verifier that was sent, if one was: it has to be there if, and only if, the request had a challenge.
    pub(crate) challenge: Option<CodeChallenge>,
}

/// What a code turned out to stand for.
#[derive(Debug)]
pub(crate) struct RedeemedCode {
    pub(crate) user_id: String,
    pub(crate) sid: String,
    pub(crate) scope: String,
    pub(crate) resources: Named,
    pub(crate) claims: AskedClaims,
    pub(crate) nonce: Option<String>,
    pub(crate) auth_time: UnixTime,
}
