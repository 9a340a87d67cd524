//! The tokens of a session. Each is a type of its own, redacts itself and is wiped from memory.

mod access_token;

use std::collections::BTreeMap;
use std::time::Duration;

use resource_server::time::UnixTime;
use secrecy::{ExposeSecret, SecretString};

pub use access_token::AccessToken;

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

            /// Whether two are the same token.
            #[must_use]
            pub fn is(&self, other: &Self) -> bool {
                self.expose() == other.expose()
            }
        }
    };
}

token! {
    /// What gets the next access token; goes to the provider's token and revocation endpoints only.
    RefreshToken
}
token! {
    /// Who signed in; kept as a hint for providers that insist on one at logout.
    IdToken
}

/// What an access token is for. The login's own token is for whatever the provider chose: the default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Target {
    /// Who takes the token: `resource` (RFC 8707) or `audience` (RFC 8693).
    pub audience: Option<String>,
    /// What it allows, separated by spaces.
    pub scope: Option<String>,
}

impl Target {
    /// Whether this is the login's own token.
    #[must_use]
    pub const fn is_login(&self) -> bool {
        self.audience.is_none() && self.scope.is_none()
    }
}

/// An access token with its times.
#[derive(Clone, Debug)]
pub struct IssuedToken {
    /// The token.
    pub token: AccessToken,
    /// When it was issued to us.
    pub obtained_at: UnixTime,
    /// From when on a new one should be fetched although this one still serves.
    pub refresh_from: UnixTime,
    /// The second at which it is dead.
    pub expires_at: UnixTime,
    /// The granted scope, when the provider named it.
    pub scope: Option<String>,
}

/// The tokens of one session at one generation.
#[derive(Clone, Debug)]
pub struct TokenSet {
    /// The login's own access token.
    pub access: IssuedToken,
    /// Access tokens for audiences and scopes of routes.
    pub others: BTreeMap<Target, IssuedToken>,
    /// Absent when the provider gave none: such a session ends with its access token.
    pub refresh_token: Option<RefreshToken>,
    /// When the refresh token ends, if the provider said so; the session ends no later.
    pub refresh_expires_at: Option<UnixTime>,
    /// The latest ID token, if any.
    pub id_token: Option<IdToken>,
}

/// What a grant brought to a session that has tokens already.
#[derive(Clone, Debug)]
pub struct Renewal {
    /// What the access token is for.
    pub target: Target,
    /// The access token.
    pub access: IssuedToken,
    /// A new refresh token; absent when the old one goes on (RFC 6749 §6).
    pub refresh_token: Option<RefreshToken>,
    /// When the refresh token ends, if the provider said so.
    pub refresh_expires_at: Option<UnixTime>,
    /// A new ID token.
    pub id_token: Option<IdToken>,
}

impl TokenSet {
    /// The access token for a target, dead or alive.
    #[must_use]
    pub fn get(&self, target: &Target) -> Option<&IssuedToken> {
        if target.is_login() {
            Some(&self.access)
        } else {
            self.others.get(target)
        }
    }

    /// The tokens with what a grant brought; what is dead by now is left out.
    #[must_use]
    pub fn renewed_by(&self, renewal: &Renewal, now: UnixTime) -> Self {
        let mut tokens = self.clone();
        tokens.others.retain(|_, held| now < held.expires_at);
        let mut access = renewal.access.clone();
        // RFC 6749 §5.1: an answer without a scope means the scope that was asked for.
        if renewal.target.is_login() {
            access.scope = access.scope.or(tokens.access.scope);
            tokens.access = access;
        } else {
            access.scope = access.scope.or_else(|| renewal.target.scope.clone());
            tokens.others.insert(renewal.target.clone(), access);
        }
        // An answer that says nothing of the refresh token's end leaves it where it was, unless the token is another one.
        let earlier_end = tokens
            .refresh_expires_at
            .filter(|_| renewal.refresh_token.is_none());
        tokens.refresh_expires_at = renewal.refresh_expires_at.or(earlier_end);
        tokens.refresh_token = renewal.refresh_token.clone().or(tokens.refresh_token);
        tokens.id_token = renewal.id_token.clone().or(tokens.id_token);
        tokens
    }

    /// Whether both hold the same refresh token.
    #[must_use]
    pub fn has_refresh_token_of(&self, other: &Self) -> bool {
        match (&self.refresh_token, &other.refresh_token) {
            (Some(own), Some(others)) => own.is(others),
            (None, None) => true,
            _ => false,
        }
    }
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

    fn issued(token: &str, expires_at: i64) -> IssuedToken {
        IssuedToken {
            token: AccessToken::new(token.to_owned()),
            obtained_at: UnixTime::from_secs(0),
            refresh_from: UnixTime::from_secs(0),
            expires_at: UnixTime::from_secs(expires_at),
            scope: None,
        }
    }

    fn target(audience: &str) -> Target {
        Target {
            audience: Some(audience.to_owned()),
            scope: None,
        }
    }

    #[test]
    fn a_grant_for_one_audience_leaves_the_other_tokens_and_drops_dead_ones() {
        let tokens = TokenSet {
            access: issued("login", 300),
            others: BTreeMap::from([
                (target("dead"), issued("d", 10)),
                (target("alive"), issued("a", 99)),
            ]),
            refresh_token: Some(RefreshToken::new("r1".to_owned())),
            refresh_expires_at: None,
            id_token: None,
        };
        let renewal = Renewal {
            target: target("new"),
            access: issued("n", 300),
            refresh_token: Some(RefreshToken::new("r2".to_owned())),
            refresh_expires_at: None,
            id_token: None,
        };

        let renewed = tokens.renewed_by(&renewal, UnixTime::from_secs(10));

        assert_eq!(renewed.access.token.expose(), "login");
        let kept: Vec<_> = renewed.others.values().map(|held| held.token.expose()).collect();
        assert_eq!(kept, ["a", "n"]);
        assert!(!renewed.has_refresh_token_of(&tokens));
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
