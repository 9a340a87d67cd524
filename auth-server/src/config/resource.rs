use resource_server::settings::Section;
use url::Url;

use super::Issuer;
use crate::client::{Clients, Grant, Kind, Resource};
use crate::scope::ScopeSet;

/// Reads every `[[resource]]`.
pub(super) fn parse_all(root: &mut Section<'_>, issuer: Option<&Issuer>) -> Option<Vec<Resource>> {
    let mut resources: Vec<Resource> = Vec::new();
    let mut whole = true;
    for mut section in root.sections("resource") {
        let is_new = |identifier: &str| resources.iter().all(|earlier| earlier.identifier != identifier);
        match parse(&mut section, issuer, is_new) {
            Some(resource) => resources.push(resource),
            None => whole = false,
        }
        section.finish();
    }
    whole.then_some(resources)
}

/// Who introspects proves who it is with a secret (RFC 7662 §2.1), and who exchanges has that grant.
pub(super) fn check_clients(root: &Section<'_>, resources: &[Resource], clients: &Clients) {
    for (index, resource) in resources.iter().enumerate() {
        for (position, id) in resource.exchanged_by.iter().enumerate() {
            if !clients
                .find(id)
                .is_some_and(|client| client.may_use(Grant::TokenExchange))
            {
                root.fault(
                    &format!("resource[{index}].exchanged_by[{position}]"),
                    Some(format!("{id:?}")),
                    format!(
                        "must be the id of a client with the grant {}",
                        Grant::TokenExchange.as_str()
                    ),
                );
            }
        }
        for (position, id) in resource.introspected_by.iter().enumerate() {
            let client = clients.find(id);
            if !client.is_some_and(|client| matches!(client.kind, Kind::Confidential { .. })) {
                root.fault(
                    &format!("resource[{index}].introspected_by[{position}]"),
                    Some(format!("{id:?}")),
                    "must be the id of a confidential client",
                );
            }
        }
    }
}

fn parse(
    section: &mut Section<'_>,
    issuer: Option<&Issuer>,
    is_new: impl Fn(&str) -> bool,
) -> Option<Resource> {
    let identifier = section.parsed("identifier", |text| {
        if issuer.is_some_and(|issuer| issuer.as_str() == text) {
            return Err("must not be the issuer, which stands for /userinfo");
        }
        if !is_new(text) {
            return Err("is the identifier of an earlier resource");
        }
        parse_identifier(text)
    });
    let scopes = section.texts_or("scopes", &[]).and_then(|tokens| {
        let scopes = ScopeSet::from_tokens(&tokens).map_err(|rule| rule.to_string());
        let scopes = scopes.and_then(|scopes| {
            if scopes.about_user().is_empty() {
                Ok(scopes)
            } else {
                Err("must not name scopes about users, which are for /userinfo".to_owned())
            }
        });
        scopes
            .map_err(|rule| section.fault("scopes", Some(format!("{tokens:?}")), rule))
            .ok()
    });
    let introspected_by = section.texts_or("introspected_by", &[]);
    let user_info = section.switch_or("user_info", true);
    let exchanged_by = section.texts_or("exchanged_by", &[]);
    Some(Resource {
        identifier: identifier?,
        scopes: Some(scopes?),
        introspected_by: introspected_by?,
        user_info: user_info?,
        exchanged_by: exchanged_by?,
    })
}

/// RFC 8707 §2.
fn parse_identifier(text: &str) -> Result<String, &'static str> {
    let has_fragment = text.contains('#');
    if Url::parse(text).is_err() || has_fragment || text.contains(char::is_whitespace) {
        return Err("must be an absolute URI without a fragment");
    }
    Ok(text.to_owned())
}
