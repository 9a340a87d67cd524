//! Reads which sessions a request is about.

use crate::parameters::Parameters;
use crate::session::SessionKey;
use crate::session::registry::Chosen;

const SELECTORS: [&str; 4] = ["user", "sid", "key", "all"];
const AFTER: &str = "after";

/// The sessions that are meant are not named in exactly one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InvalidSelector;

/// A request to see a page of sessions.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Listing {
    pub(super) chosen: Chosen,
    /// Where an earlier page left off.
    pub(super) after: Option<String>,
}

impl Listing {
    pub(super) fn parse(query: &str) -> Result<Self, InvalidSelector> {
        let parameters = Parameters::parse(query).map_err(|_| InvalidSelector)?;
        Ok(Self {
            chosen: choice(&parameters, &[AFTER])?,
            after: parameters.one(AFTER).map(str::to_owned),
        })
    }
}

/// Reads the sessions that a request wants to end.
pub(super) fn ending(query: &str) -> Result<Chosen, InvalidSelector> {
    let parameters = Parameters::parse(query).map_err(|_| InvalidSelector)?;
    choice(&parameters, &[])
}

/// A parameter that nobody knows is refused too: it may have been meant to narrow down what is to end.
fn choice(parameters: &Parameters, others: &[&str]) -> Result<Chosen, InvalidSelector> {
    let is_known = |name: &str| SELECTORS.contains(&name) || others.contains(&name);
    if !parameters.names().all(is_known) {
        return Err(InvalidSelector);
    }
    let mut named = SELECTORS
        .iter()
        .filter_map(|name| Some((*name, parameters.one(name)?)));
    let (Some(selector), None) = (named.next(), named.next()) else {
        return Err(InvalidSelector);
    };
    match selector {
        (_, "") => Err(InvalidSelector),
        ("user", sub) => Ok(Chosen::User(sub.to_owned())),
        ("sid", sid) => Ok(Chosen::ProviderSession(sid.to_owned())),
        ("key", key) => SessionKey::parse(key).map(Chosen::One).ok_or(InvalidSelector),
        ("all", "true") => Ok(Chosen::All),
        _ => Err(InvalidSelector),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_named_in_exactly_one_way() {
        let key = SessionKey::generate();
        for (query, chosen) in [
            (
                "user=auth0%7C1%202".to_owned(),
                Chosen::User("auth0|1 2".to_owned()),
            ),
            ("sid=all".to_owned(), Chosen::ProviderSession("all".to_owned())),
            (format!("key={key}"), Chosen::One(key)),
            ("all=true".to_owned(), Chosen::All),
        ] {
            assert_eq!(ending(&query), Ok(chosen), "{query}");
        }
        for query in [
            "",
            "all",
            "all=",
            "all=false",
            "all=True",
            "user=",
            "key=x",
            "user=a&sid=b",
            "user=a&all=true",
            "user=a&user=a",
            "all=true&usr=a",
            "all=true&after=x",
        ] {
            assert_eq!(ending(query), Err(InvalidSelector), "{query}");
        }
    }

    #[test]
    fn a_list_goes_on_where_it_left_off() {
        let listing = Listing::parse("all=true&after=17%4010.0.0.1%3A6379").unwrap();
        assert_eq!(listing.after.as_deref(), Some("17@10.0.0.1:6379"));
        assert_eq!(Listing::parse("user=a").unwrap().after, None);
        assert_eq!(Listing::parse("after=17"), Err(InvalidSelector));
    }
}
