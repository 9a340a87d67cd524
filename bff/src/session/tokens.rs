//! The tokens of a session. Each is a type of its own, redacts itself and is wiped from memory.

use resource_server::time::UnixTime;
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;

macro_rules! token {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name(SecretString);

        impl $name {
            /// Takes over the token as the provider sent it.
            #[must_use]
            pub fn new(token: String) -> Self {
                Self(SecretString::from(token))
            }

            /// The token itself. Callers put it into a request to the one party it is meant for, or into the vault.
            #[expect(clippy::disallowed_methods, reason = "the one door of this type; each caller is reviewed")]
            #[must_use]
            pub fn expose(&self) -> &str {
                self.0.expose_secret()
            }
        }
    };
}

token! {
    /// What opens the APIs; goes to upstreams only.
    AccessToken
}
token! {
    /// What gets the next access token; goes to the provider's token and revocation endpoints only.
    RefreshToken
}
token! {
    /// Who signed in; kept as a hint for providers that insist on one at logout.
    IdToken
}

/// The tokens of one session at one generation.
#[derive(Clone, Debug)]
pub struct TokenSet {
    /// The access token in use.
    pub access_token: AccessToken,
    /// From when on a new access token should be fetched although this one still serves.
    pub refresh_from: UnixTime,
    /// The second at which the access token is dead.
    pub expires_at: UnixTime,
    /// Absent when the provider gave none: such a session ends with its access token.
    pub refresh_token: Option<RefreshToken>,
    /// When the refresh token ends, if the provider said so; the session ends no later.
    pub refresh_expires_at: Option<UnixTime>,
    /// The latest ID token, if any.
    pub id_token: Option<IdToken>,
    /// The granted scope, when the provider named it.
    pub scope: Option<String>,
}

/// When an access token of this lifetime should be replaced: a margin before its end, but never in the first half of
/// its life, and a little earlier by chance, so that sessions begun together do not all refresh together.
///
/// `chance` is uniform in `0.0..1.0`.
#[must_use]
pub fn refresh_from(obtained: UnixTime, lifetime: Duration, margin: Duration, chance: f64) -> UnixTime {
    let margin = margin.min(lifetime / 2);
    let jitter = margin
        .mul_f64(0.2 * chance.clamp(0.0, 1.0))
        .min(lifetime / 2 - margin);
    obtained + (lifetime - margin - jitter)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn a_token_is_replaced_the_margin_before_its_end() {
        let from = refresh_from(UnixTime::from_secs(1_000), secs(300), secs(30), 0.0);
        assert_eq!(from, UnixTime::from_secs(1_270));
    }

    #[test]
    fn chance_moves_the_instant_earlier_by_a_fifth_of_the_margin_at_most() {
        let from = refresh_from(UnixTime::from_secs(1_000), secs(300), secs(30), 1.0);
        assert_eq!(from, UnixTime::from_secs(1_264));
    }

    #[test]
    fn a_margin_longer_than_the_token_lives_leaves_it_half_of_its_life() {
        for chance in [0.0, 1.0] {
            let from = refresh_from(UnixTime::from_secs(1_000), secs(20), secs(600), chance);
            assert_eq!(from, UnixTime::from_secs(1_010));
        }
    }
}
