//! What a user has allowed a client, and whether a request is for more than that.

use std::collections::{BTreeMap, BTreeSet};

use crate::client::Client;
use crate::grant::target::Named;
use crate::scope::ScopeSet;

/// Between the names of resources as they are stored: it stands in none of them.
const BETWEEN: char = '\n';

/// What a request is for: each of the scopes at each of the resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) scope: ScopeSet,
    resources: BTreeSet<String>,
}

/// What a user has allowed one client: scopes, by the resources that they were allowed at. What was allowed at one
/// resource is not allowed at another, so these are not thrown together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Allowed(BTreeMap<String, ScopeSet>);

impl Asked {
    /// Without any resource that is named, the grant is for every API that the client may ask for today; one that is
    /// registered for it later was not shown to anybody.
    pub(crate) fn of(client: &Client, scope: &ScopeSet, named: &Named) -> Self {
        let mut resources: BTreeSet<String> = named.iter().map(str::to_owned).collect();
        if resources.is_empty() {
            resources.extend(client.resources.apis().map(|api| api.identifier.clone()));
        }
        Self {
            scope: scope.clone(),
            resources,
        }
    }

    /// The names of the resources.
    pub(crate) fn resources(&self) -> impl Iterator<Item = &str> {
        self.resources.iter().map(String::as_str)
    }

    /// The resources as they are stored: equal sets have equal texts.
    pub(crate) fn resources_to_store(&self) -> String {
        let names: Vec<_> = self.resources().collect();
        names.join(&BETWEEN.to_string())
    }

    /// Whether it is no more than what was allowed at once.
    pub(crate) fn is_within(&self, allowed: &Allowed) -> bool {
        allowed.0.iter().any(|(resources, scope)| {
            let resources: BTreeSet<_> = resources.split(BETWEEN).collect();
            self.resources().all(|asked| resources.contains(asked)) && self.scope.is_within(scope)
        })
    }
}

impl Allowed {
    /// Adds what is stored.
    pub(crate) fn insert(&mut self, resources: String, scope: &ScopeSet) {
        let known = self.0.entry(resources).or_default();
        *known = known.joined_with(scope);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Resource, Resources};

    fn client(apis: &[&str]) -> Client {
        let mut apis = apis.iter().map(|api| Resource::undescribed(api));
        Client {
            resources: Resources {
                user_info: "https://op.example".to_owned(),
                default: apis.next().unwrap(),
                others: apis.collect(),
            },
            ..Client::for_tests("app")
        }
    }

    fn asked(client: &Client, scope: &str, named: &[&str]) -> Asked {
        let named = Named::new(named.iter().copied());
        Asked::of(client, &ScopeSet::parse(scope).unwrap(), &named)
    }

    fn allowed(all: &[&Asked]) -> Allowed {
        let mut allowed = Allowed::default();
        for asked in all {
            allowed.insert(asked.resources_to_store(), &asked.scope);
        }
        allowed
    }

    #[test]
    fn less_than_what_was_allowed_is_allowed_and_more_is_not() {
        let client = client(&["n", "m"]);
        let before = allowed(&[&asked(&client, "openid read", &["n", "m"])]);
        let is_within = |scope, named: &[&str]| asked(&client, scope, named).is_within(&before);
        assert!(is_within("openid read", &["m", "n"]));
        assert!(is_within("read", &["n"]));
        assert!(is_within("openid read", &[]), "it may ask for no others");
        assert!(!is_within("openid write", &["n"]));
        assert!(!is_within("openid", &["n", "o"]));
        assert!(!asked(&client, "openid", &["n"]).is_within(&Allowed::default()));
    }

    #[test]
    fn what_was_allowed_in_steps_adds_up_at_the_same_resources_only() {
        let client = client(&["n", "m"]);
        let before = allowed(&[
            &asked(&client, "read", &["n"]),
            &asked(&client, "write", &["m"]),
            &asked(&client, "list", &["n"]),
        ]);
        let is_within = |scope, named: &[&str]| asked(&client, scope, named).is_within(&before);
        assert!(is_within("read list", &["n"]));
        assert!(!is_within("write", &["n"]));
        assert!(!is_within("read", &["m"]));
        assert!(!is_within("read", &["n", "m"]));
    }

    #[test]
    fn an_api_that_is_registered_later_is_asked_for() {
        let before = allowed(&[&asked(&client(&["n"]), "read", &[])]);
        assert!(asked(&client(&["n"]), "read", &[]).is_within(&before));
        assert!(!asked(&client(&["n", "m"]), "read", &[]).is_within(&before));
    }
}
