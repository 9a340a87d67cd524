use std::time::Duration;

use super::Verifier;
use crate::algorithm::Algorithm;
use crate::profile::Profile;

/// The longest leeway. Whoever needs more has a clock to mend.
const MAX_LEEWAY: Duration = Duration::from_secs(5 * 60);

/// A [`Verifier`] in the making: [`Verifier::access_token`] and its sisters begin one, [`build`](Self::build) ends it.
#[derive(Debug, Clone)]
#[must_use = "a builder verifies nothing"]
pub struct VerifierBuilder(Verifier);

/// Why a [`VerifierBuilder`] makes no verifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidVerifier {
    /// No issuer is named: nobody's tokens are accepted.
    #[error("the issuer must not be empty")]
    NoIssuer,
    /// No audience is named: tokens for anybody would have to do.
    #[error("the audience must not be empty")]
    NoAudience,
    /// No algorithm is allowed: no token could be good.
    #[error("at least one algorithm has to be allowed")]
    NoAlgorithm,
    /// Tokens would outlive their end by more than clocks differ.
    #[error("the leeway must not be longer than 5 minutes")]
    Leeway,
    /// A path to a claim has no name in it, or an empty one.
    #[error("the claim that holds the roles has to be named")]
    NoRolesClaim,
}

impl VerifierBuilder {
    pub(super) fn new(profile: Profile, issuer: &str, audience: &str, leeway: Duration) -> Self {
        Self(Verifier {
            profile,
            issuer: issuer.to_owned(),
            audience: audience.to_owned(),
            algorithms: Algorithm::ALL.to_vec(),
            leeway,
            roles: None,
        })
    }

    /// Allows these algorithms only; without this, all that a key fits ([`Algorithm::ALL`]).
    pub fn algorithms(mut self, allowed: &[Algorithm]) -> Self {
        self.0.algorithms = allowed.to_vec();
        self
    }

    /// How far the issuer's clock and ours may differ; at most five minutes. An ID token that is only a hint may be of
    /// any age (OpenID Connect RP-Initiated Logout 1.0 §4), so that those have no limit.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.0.leeway = leeway;
        self
    }

    /// Which claim holds the roles: its name, or the names on the way to it, such as `["roles"]` and `["groups"]`
    /// (RFC 9068 §2.2.3.1) or `["realm_access", "roles"]` (Keycloak). Without this no token has roles.
    ///
    /// It has to be an array of texts, or of objects with a text as `value` as RFC 7643 §4.1.2 has them; if it is
    /// something else the token is refused, and if it is absent the token has no roles.
    pub fn roles_in<N: Into<String>>(mut self, path: impl IntoIterator<Item = N>) -> Self {
        self.0.roles = Some(path.into_iter().map(Into::into).collect());
        self
    }

    /// Makes the verifier.
    ///
    /// # Errors
    /// What is missing or out of bounds. A verifier never accepts more because something was left empty.
    pub fn build(self) -> Result<Verifier, InvalidVerifier> {
        let Verifier {
            profile,
            issuer,
            audience,
            algorithms,
            leeway,
            roles,
        } = &self.0;
        if issuer.is_empty() {
            return Err(InvalidVerifier::NoIssuer);
        }
        if audience.is_empty() {
            return Err(InvalidVerifier::NoAudience);
        }
        if algorithms.is_empty() {
            return Err(InvalidVerifier::NoAlgorithm);
        }
        if *leeway > MAX_LEEWAY && *profile != Profile::Id {
            return Err(InvalidVerifier::Leeway);
        }
        if let Some(path) = roles
            && (path.is_empty() || path.iter().any(String::is_empty))
        {
            return Err(InvalidVerifier::NoRolesClaim);
        }
        Ok(self.0)
    }
}
