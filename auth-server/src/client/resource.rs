//! What access tokens may be for (RFC 8707): the APIs of the configuration, and `/userinfo`.

use crate::scope::ScopeSet;

/// An API that access tokens are issued for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// The `aud` of the tokens for it, and the `resource` by which clients ask for them.
    pub identifier: String,
    /// The scopes that it knows; `None` if the configuration does not say, so that it may know any.
    pub scopes: Option<ScopeSet>,
    /// The clients that may ask what the tokens for it say (RFC 7662).
    pub introspected_by: Vec<String>,
    /// Whether tokens for it open `/userinfo`, too, that clients got without asking for a resource.
    pub user_info: bool,
    /// The clients that speak for it: they may exchange the tokens that it is called with (RFC 8693).
    pub exchanged_by: Vec<String>,
}

impl Resource {
    /// One of which only the name is known, from a client's `audience`.
    pub(crate) fn undescribed(identifier: &str) -> Self {
        Self {
            identifier: identifier.to_owned(),
            scopes: None,
            introspected_by: Vec::new(),
            user_info: true,
            exchanged_by: Vec::new(),
        }
    }

    /// What a granted scope means there. The scopes about a user never do: they are for `/userinfo`.
    pub(crate) fn part_of(&self, granted: &ScopeSet) -> ScopeSet {
        match &self.scopes {
            Some(known) => granted.common_with(known),
            None => granted.without_user(),
        }
    }

    /// Whether nothing can be done there without a scope. Where no scope is known, the audience is all that counts.
    pub(crate) fn wants_scope(&self) -> bool {
        self.scopes.as_ref().is_some_and(|known| !known.is_empty())
    }
}

/// What the access tokens of one client may be for.
#[derive(Debug, Clone)]
pub struct Resources {
    /// How tokens name `/userinfo`: it is the issuer's own resource.
    pub(crate) user_info: String,
    /// What they are for unless the client asks for something else.
    pub(crate) default: Resource,
    /// What else it may ask for.
    pub(crate) others: Vec<Resource>,
}

impl Resources {
    /// The API of that name, if the client may ask for it.
    pub(crate) fn find(&self, identifier: &str) -> Option<&Resource> {
        self.apis().find(|resource| resource.identifier == identifier)
    }

    /// The API that a request is about: the one that it names, or else the default one.
    pub(crate) fn asked_for(&self, identifier: Option<&str>) -> Option<&Resource> {
        match identifier {
            None => Some(&self.default),
            Some(identifier) => self.find(identifier),
        }
    }

    /// Every API, the default one first.
    pub fn apis(&self) -> impl Iterator<Item = &Resource> {
        std::iter::once(&self.default).chain(&self.others)
    }
}
