//! Decides what an access token is for, and which part of the granted scope it carries (RFC 8707 §2.2).

use std::fmt;

use crate::client::resource::{Resource, Resources};
use crate::scope::{OPENID, ScopeSet};

/// The resources that an authorization request named, or that its user was asked about. Without any, the grant is for
/// whatever its client may ask for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Named(Vec<String>);

/// What an access token is for, and what it allows there.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target<'c> {
    pub(crate) audience: Vec<&'c str>,
    pub(crate) scope: ScopeSet,
}

/// Why there is no such token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoTarget {
    /// The client, or the grant, is not for that resource.
    NotAllowed,
    /// Nothing that was granted means anything there.
    NoScope,
}

impl Named {
    /// Keeps each name once, in the order in which they were sent.
    pub(crate) fn new<'n>(names: impl Iterator<Item = &'n str>) -> Self {
        let mut named = Vec::new();
        for name in names.map(str::to_owned) {
            if !named.contains(&name) {
                named.push(name);
            }
        }
        Self(named)
    }

    /// Reads the text that `Display` wrote: a URI has no space.
    pub(crate) fn from_stored(stored: &str) -> Self {
        Self::new(stored.split_ascii_whitespace())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn allows(&self, identifier: &str) -> bool {
        self.0.is_empty() || self.iter().any(|named| named == identifier)
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

impl<'c> Target<'c> {
    /// For a user's grant. Who asks for nothing gets a token for the first API that the grant names, or else for the
    /// client's default one; as OIDC clients expect, it opens `/userinfo` beside it.
    pub(crate) fn for_user(
        resources: &'c Resources,
        named: &Named,
        scope: &ScopeSet,
        asked: Option<&str>,
    ) -> Result<Self, NoTarget> {
        let first = named.iter().next();
        // Where the default one is the issuer itself, its name stands for that.
        let is_user_info_alone =
            |first: &&str| *first == resources.user_info && *first != resources.default.identifier;
        let Some(identifier) = asked.or(first.filter(is_user_info_alone)) else {
            let api = resources.asked_for(first).ok_or(NoTarget::NotAllowed)?;
            return Self::beside_user_info(resources, api, scope);
        };
        // The scope `openid` is the permission to ask there, whatever else was named.
        let api = resources.find(identifier);
        if identifier == resources.user_info && scope.contains(OPENID) {
            let told = scope.common_with(&ScopeSet::of_user_info());
            let of_api = api.map(|api| api.part_of(scope)).unwrap_or_default();
            return Ok(Self {
                audience: vec![&resources.user_info],
                scope: told.joined_with(&of_api),
            });
        }
        match api {
            Some(api) if named.allows(identifier) => Self::at(api, api.part_of(scope)),
            _ => Err(NoTarget::NotAllowed),
        }
    }

    /// For the client itself. Nobody looks at a page here who could see that less was granted, so a scope too many is an
    /// error.
    pub(crate) fn for_client(
        resources: &'c Resources,
        allowed: &ScopeSet,
        requested: Option<ScopeSet>,
        asked: Option<&str>,
    ) -> Result<Self, NoTarget> {
        let api = resources.asked_for(asked).ok_or(NoTarget::NotAllowed)?;
        Self::at(api, asked_of(requested, api.part_of(&allowed.without_user()))?)
    }

    /// For whoever has another token already (RFC 8693): no scope that it has not, and never for `/userinfo`, which tells who
    /// the user is. `named` binds the client of the grant.
    pub(crate) fn for_exchange(
        resources: &'c Resources,
        named: Option<&Named>,
        held: &ScopeSet,
        requested: Option<ScopeSet>,
        asked: Option<&str>,
    ) -> Result<Self, NoTarget> {
        let is_allowed = |api: &&Resource| {
            let is_named = named.is_none_or(|named| named.allows(&api.identifier));
            is_named && api.identifier != resources.user_info
        };
        let api = resources.asked_for(asked).filter(is_allowed);
        let api = api.ok_or(NoTarget::NotAllowed)?;
        Self::at(api, asked_of(requested, api.part_of(held))?)
    }

    fn beside_user_info(
        resources: &'c Resources,
        api: &'c Resource,
        scope: &ScopeSet,
    ) -> Result<Self, NoTarget> {
        if !api.user_info {
            return Self::at(api, api.part_of(scope));
        }
        let mut target = Self::at(api, api.part_of(scope).joined_with(&scope.about_user()))?;
        if scope.contains(OPENID) && api.identifier != resources.user_info {
            target.audience.push(&resources.user_info);
        }
        Ok(target)
    }

    fn at(api: &'c Resource, scope: ScopeSet) -> Result<Self, NoTarget> {
        if scope.is_empty() && api.wants_scope() {
            return Err(NoTarget::NoScope);
        }
        Ok(Self {
            audience: vec![&api.identifier],
            scope,
        })
    }
}

/// All that may be had, or what is asked of it.
fn asked_of(requested: Option<ScopeSet>, all: ScopeSet) -> Result<ScopeSet, NoTarget> {
    match requested {
        None => Ok(all),
        Some(requested) if requested.is_within(&all) => Ok(requested),
        Some(_) => Err(NoTarget::NoScope),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTES: &str = "https://notes.example";
    const MAIL: &str = "https://mail.example";
    const ISSUER: &str = "https://op.example";
    const GRANTED: &str = "openid email offline_access notes:read mail:send";

    fn set(text: &str) -> ScopeSet {
        ScopeSet::parse(text).unwrap()
    }

    fn api(identifier: &str, scopes: &str) -> Resource {
        Resource {
            scopes: Some(set(scopes)),
            ..Resource::undescribed(identifier)
        }
    }

    fn resources(default: Resource, others: Vec<Resource>) -> Resources {
        Resources {
            user_info: ISSUER.to_owned(),
            default,
            others,
        }
    }

    fn described() -> Resources {
        resources(api(NOTES, "notes:read notes:write"), vec![api(MAIL, "mail:send")])
    }

    fn for_user(resources: &Resources, named: &str, scope: &str, asked: Option<&str>) -> String {
        show(Target::for_user(
            resources,
            &Named::from_stored(named),
            &set(scope),
            asked,
        ))
    }

    fn show(target: Result<Target<'_>, NoTarget>) -> String {
        match target {
            Ok(target) => format!("{}: {}", target.audience.join("+"), target.scope),
            Err(no) => format!("{no:?}"),
        }
    }

    #[test]
    fn without_a_wish_a_token_is_for_the_default_api_and_for_userinfo() {
        assert_eq!(
            for_user(&described(), "", GRANTED, None),
            format!("{NOTES}+{ISSUER}: email notes:read offline_access openid")
        );
        assert_eq!(
            for_user(&described(), "", "offline_access notes:read", None),
            format!("{NOTES}: notes:read offline_access")
        );
    }

    #[test]
    fn an_api_that_is_not_to_ask_who_the_user_is_gets_no_token_that_could() {
        let mail = Resource {
            user_info: false,
            ..api(MAIL, "mail:send")
        };
        let resources = resources(api(NOTES, "notes:read"), vec![mail]);
        for asked in [None, Some(MAIL)] {
            assert_eq!(
                for_user(&resources, MAIL, GRANTED, asked),
                format!("{MAIL}: mail:send")
            );
        }
        let own = for_user(&resources, MAIL, GRANTED, Some(ISSUER));
        assert_eq!(own, format!("{ISSUER}: email openid"));
    }

    #[test]
    fn an_api_that_is_not_described_knows_every_scope_but_those_about_the_user() {
        let resources = resources(Resource::undescribed(NOTES), Vec::new());
        assert_eq!(
            for_user(&resources, "", GRANTED, Some(NOTES)),
            format!("{NOTES}: mail:send notes:read")
        );
        let all = for_user(&resources, "", GRANTED, None);
        assert!(all.ends_with(": email mail:send notes:read offline_access openid"));
    }

    #[test]
    fn where_no_scope_is_known_a_token_needs_none() {
        for api in [Resource::undescribed(NOTES), api(NOTES, "")] {
            let resources = resources(api, Vec::new());
            assert_eq!(
                for_user(&resources, "", "openid", Some(NOTES)),
                format!("{NOTES}: ")
            );
            let of_client = Target::for_client(&resources, &set("openid"), None, None);
            assert_eq!(show(of_client), format!("{NOTES}: "));
            let asked = Target::for_client(&resources, &set("openid"), Some(set("openid")), None);
            assert_eq!(show(asked), "NoScope");
        }
    }

    #[test]
    fn an_issuer_that_is_an_api_itself_is_named_once() {
        let resources = resources(Resource::undescribed(ISSUER), Vec::new());
        for (asked, scope) in [
            (None, "email mail:send notes:read offline_access openid"),
            (Some(ISSUER), "email mail:send notes:read openid"),
        ] {
            for named in ["", ISSUER] {
                assert_eq!(
                    for_user(&resources, named, GRANTED, asked),
                    format!("{ISSUER}: {scope}")
                );
            }
        }
    }

    #[test]
    fn a_narrowed_token_carries_the_scopes_of_its_resource_alone() {
        for (asked, scope) in [
            (NOTES, "notes:read"),
            (MAIL, "mail:send"),
            (ISSUER, "email openid"),
        ] {
            assert_eq!(
                for_user(&described(), "", GRANTED, Some(asked)),
                format!("{asked}: {scope}")
            );
        }
        assert_eq!(
            for_user(&described(), "", "openid notes:read", Some(MAIL)),
            "NoScope"
        );
        assert_eq!(
            for_user(&described(), "", GRANTED, Some("https://x.example")),
            "NotAllowed"
        );
        assert_eq!(
            for_user(&described(), "", "notes:read", Some(ISSUER)),
            "NotAllowed"
        );
    }

    #[test]
    fn a_grant_for_named_resources_stays_with_them() {
        assert_eq!(
            for_user(&described(), MAIL, GRANTED, None),
            format!("{MAIL}+{ISSUER}: email mail:send offline_access openid")
        );
        assert_eq!(for_user(&described(), MAIL, GRANTED, Some(NOTES)), "NotAllowed");
        let user_info = format!("{ISSUER} {MAIL}");
        assert_eq!(
            for_user(&described(), &user_info, GRANTED, None),
            format!("{ISSUER}: email openid")
        );
        let strange = for_user(&described(), "https://x.example", GRANTED, None);
        assert_eq!(strange, "NotAllowed");
        let both = format!("{MAIL} {NOTES}");
        assert_eq!(
            for_user(&described(), &both, GRANTED, Some(NOTES)),
            format!("{NOTES}: notes:read")
        );
        assert_eq!(
            for_user(&described(), MAIL, GRANTED, Some(ISSUER)),
            format!("{ISSUER}: email openid")
        );
    }

    #[test]
    fn a_service_gets_what_it_asks_for_or_nothing() {
        let allowed = set("openid notes:read notes:write mail:send");
        let ask = |requested: Option<&str>, asked| {
            show(Target::for_client(
                &described(),
                &allowed,
                requested.map(set),
                asked,
            ))
        };
        assert_eq!(ask(None, None), format!("{NOTES}: notes:read notes:write"));
        assert_eq!(
            ask(Some("notes:read"), Some(NOTES)),
            format!("{NOTES}: notes:read")
        );
        assert_eq!(ask(None, Some(MAIL)), format!("{MAIL}: mail:send"));
        assert_eq!(ask(Some("notes:read mail:send"), Some(MAIL)), "NoScope");
        assert_eq!(ask(Some("openid"), None), "NoScope");
        assert_eq!(ask(None, Some(ISSUER)), "NotAllowed");
    }

    #[test]
    fn an_exchange_gives_a_part_of_what_is_held_and_never_userinfo() {
        let held = set("openid notes:read mail:send");
        let ask = |named: Option<&str>, requested: Option<&str>, asked| {
            let named = named.map(Named::from_stored);
            let resources = described();
            show(Target::for_exchange(
                &resources,
                named.as_ref(),
                &held,
                requested.map(set),
                asked,
            ))
        };
        assert_eq!(ask(None, None, None), format!("{NOTES}: notes:read"));
        assert_eq!(
            ask(None, Some("mail:send"), Some(MAIL)),
            format!("{MAIL}: mail:send")
        );
        assert_eq!(ask(None, Some("notes:write"), None), "NoScope", "not held");
        assert_eq!(ask(None, Some("openid"), None), "NoScope");
        assert_eq!(ask(None, None, Some(ISSUER)), "NotAllowed");
        assert_eq!(ask(Some(MAIL), None, None), "NotAllowed");
        assert_eq!(ask(Some(MAIL), None, Some(MAIL)), format!("{MAIL}: mail:send"));
        assert_eq!(ask(Some(""), None, Some(MAIL)), format!("{MAIL}: mail:send"));
        let own = resources(Resource::undescribed(ISSUER), Vec::new());
        for asked in [None, Some(ISSUER)] {
            let of_own = Target::for_exchange(&own, None, &held, None, asked);
            assert_eq!(show(of_own), "NotAllowed");
        }
    }

    #[test]
    fn names_are_kept_once_and_come_back_from_the_database() {
        let named = Named::new([MAIL, NOTES, MAIL].into_iter());
        assert_eq!(named.to_string(), format!("{MAIL} {NOTES}"));
        assert_eq!(Named::from_stored(&named.to_string()), named);
        assert_eq!(Named::from_stored(""), Named::default());
    }
}
