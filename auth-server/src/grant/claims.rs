//! Which claims about its user a request asked for by name, beside those that its scopes bring (OIDC Core §5.5).

use std::collections::BTreeSet;
use std::fmt;

use crate::scope::ScopeSet;

/// A claim about a user that this server knows, other than `sub`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum UserClaim {
    Name,
    PreferredUsername,
    Email,
    EmailVerified,
}

impl UserClaim {
    pub(crate) const ALL: [Self; 4] = [
        Self::Name,
        Self::PreferredUsername,
        Self::Email,
        Self::EmailVerified,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::PreferredUsername => "preferred_username",
            Self::Email => "email",
            Self::EmailVerified => "email_verified",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|claim| claim.as_str() == name)
    }

    /// The scope that brings it (OIDC Core §5.4). A client that may not have the scope may not have the claim either: the
    /// parameter is no way around the registration.
    pub(crate) const fn scope(self) -> &'static str {
        match self {
            Self::Name | Self::PreferredUsername => "profile",
            Self::Email | Self::EmailVerified => "email",
        }
    }
}

/// A set of claims.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ClaimSet(BTreeSet<UserClaim>);

impl ClaimSet {
    pub(crate) fn contains(&self, claim: UserClaim) -> bool {
        self.0.contains(&claim)
    }

    fn allowed_by(&self, scopes: &ScopeSet) -> Self {
        let allowed = self.0.iter().filter(|claim| scopes.contains(claim.scope()));
        Self(allowed.copied().collect())
    }
}

impl FromIterator<UserClaim> for ClaimSet {
    fn from_iter<T: IntoIterator<Item = UserClaim>>(claims: T) -> Self {
        Self(claims.into_iter().collect())
    }
}

/// The claims that were asked for by name, and where they are to be told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct AskedClaims {
    pub(crate) user_info: ClaimSet,
    pub(crate) id_token: ClaimSet,
}

const USER_INFO: &str = "userinfo";
const ID_TOKEN: &str = "id_token";

impl AskedClaims {
    /// Those that a client with this registration may have.
    pub(crate) fn allowed_by(&self, scopes: &ScopeSet) -> Self {
        Self {
            user_info: self.user_info.allowed_by(scopes),
            id_token: self.id_token.allowed_by(scopes),
        }
    }

    /// The scopes of which at least a part is told, for pages that say what a client learns.
    pub(crate) fn scopes(&self) -> ScopeSet {
        let claims = self.user_info.0.union(&self.id_token.0);
        let scopes: Vec<String> = claims.map(|claim| claim.scope().to_owned()).collect();
        ScopeSet::from_tokens(&scopes).unwrap_or_default()
    }

    /// Reads the text that `Display` wrote; what a newer version knew and this one does not is left out.
    pub(crate) fn from_stored(stored: &str) -> Self {
        let of = |place: &str| {
            let places = stored
                .split_ascii_whitespace()
                .filter_map(|claim| claim.split_once('.'));
            let names = places.filter(|(found, _)| *found == place);
            names.filter_map(|(_, name)| UserClaim::parse(name)).collect()
        };
        Self {
            user_info: of(USER_INFO),
            id_token: of(ID_TOKEN),
        }
    }
}

impl fmt::Display for AskedClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = [(ID_TOKEN, &self.id_token), (USER_INFO, &self.user_info)];
        let claims = places
            .iter()
            .flat_map(|(place, claims)| claims.0.iter().map(move |claim| (place, claim)));
        for (index, (place, claim)) in claims.enumerate() {
            let space = if index > 0 { " " } else { "" };
            write!(f, "{space}{place}.{}", claim.as_str())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_comes_back_and_the_unknown_is_left_out() {
        let asked = AskedClaims {
            user_info: [UserClaim::Name, UserClaim::Email].into_iter().collect(),
            id_token: [UserClaim::EmailVerified].into_iter().collect(),
        };
        let stored = asked.to_string();
        assert_eq!(stored, "id_token.email_verified userinfo.name userinfo.email");
        assert_eq!(AskedClaims::from_stored(&stored), asked);
        assert_eq!(
            AskedClaims::from_stored("userinfo.shoe_size elsewhere.name x"),
            AskedClaims::default()
        );
        assert_eq!(AskedClaims::default().to_string(), "");
    }

    #[test]
    fn a_claim_needs_the_scope_that_would_bring_it() {
        let asked = AskedClaims::from_stored("id_token.name userinfo.email userinfo.preferred_username");
        assert_eq!(asked.scopes().to_string(), "email profile");
        let allowed = asked.allowed_by(&ScopeSet::parse("openid email").unwrap());
        assert_eq!(allowed.to_string(), "userinfo.email");
        assert_eq!(allowed.scopes().to_string(), "email");
    }
}
