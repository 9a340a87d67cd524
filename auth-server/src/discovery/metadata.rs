//! The metadata of OpenID Connect Discovery §3 and RFC 8414 §2: one document serves both. It lists what is there.

use resource_server::verifier::Algorithm;
use serde_json::{Value, json};

use crate::client::{ASSERTION_ALGORITHMS, Clients, Grant, Resource};
use crate::config::{Config, Issuer};
use crate::key::SigningAlgorithm;
use crate::page::language::Language;
use crate::token::claims::ACR_OF_PASSWORD;

/// The document, made once at start.
pub(crate) fn document(config: &Config, clients: &Clients) -> Value {
    let mut document = always(&config.issuer, clients, &config.resources);
    if config.status_list.enabled {
        // draft-ietf-oauth-status-list §9.1.
        document["status_list_aggregation_endpoint"] = config.issuer.endpoint("/statuslists").into();
    }
    document
}

fn always(issuer: &Issuer, clients: &Clients, resources: &[Resource]) -> Value {
    let endpoint = |path: &str| issuer.endpoint(path);
    let client_authentication = [
        "client_secret_basic",
        "client_secret_post",
        "private_key_jwt",
        "none",
    ];
    let with_proof = &client_authentication[..3];
    let assertion_algorithms = ASSERTION_ALGORITHMS.map(Algorithm::as_str);
    let mut document = json!({
        "issuer": issuer.as_str(),
        "authorization_endpoint": endpoint("/authorize"),
        "token_endpoint": endpoint("/token"),
        "userinfo_endpoint": endpoint("/userinfo"),
        "pushed_authorization_request_endpoint": endpoint("/par"),
        "revocation_endpoint": endpoint("/revoke"),
        "introspection_endpoint": endpoint("/introspect"),
        "end_session_endpoint": endpoint("/end_session"),
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
        "jwks_uri": endpoint("/jwks"),
        "scopes_supported": scopes(clients),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": Grant::ALL.map(Grant::as_str),
        "subject_types_supported": ["public"],
        // What a client can be registered for. Discovery §3 wants RS256 among them, whether or not one is.
        "id_token_signing_alg_values_supported": SigningAlgorithm::ALL.map(SigningAlgorithm::as_str),
        "token_endpoint_auth_methods_supported": client_authentication,
        "revocation_endpoint_auth_methods_supported": client_authentication,
        "introspection_endpoint_auth_methods_supported": with_proof,
        "token_endpoint_auth_signing_alg_values_supported": assertion_algorithms,
        "revocation_endpoint_auth_signing_alg_values_supported": assertion_algorithms,
        "introspection_endpoint_auth_signing_alg_values_supported": assertion_algorithms,
        "code_challenge_methods_supported": ["S256"],
        "prompt_values_supported": ["none", "login", "select_account", "consent"],
        "ui_locales_supported": Language::ALL.map(Language::tag),
        "claims_supported": [
            "iss", "sub", "aud", "exp", "iat", "auth_time", "acr", "amr", "nonce", "at_hash", "sid",
            "name", "preferred_username", "email", "email_verified",
        ],
        "authorization_response_iss_parameter_supported": true,
        "claims_parameter_supported": true,
        "acr_values_supported": [ACR_OF_PASSWORD],
        "display_values_supported": ["page"],
        // Their defaults are not all false, so silence would claim something.
        "require_pushed_authorization_requests": all_have_to_push(clients),
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
    });
    let protected = protected_resources(resources);
    if !protected.is_empty() {
        document["protected_resources"] = protected.into();
    }
    document
}

/// RFC 9728 §4: the APIs that name this server in turn, by names that metadata can be found at (§1.2). A client that finds
/// one that it did not expect has been lied to by one of the two.
fn protected_resources(resources: &[Resource]) -> Vec<&str> {
    let identifiers = resources.iter().map(|resource| resource.identifier.as_str());
    identifiers.filter(|name| name.starts_with("https://")).collect()
}

/// RFC 9126 §5: whether requests that are not pushed are refused, whoever sends them.
fn all_have_to_push(clients: &Clients) -> bool {
    let mut asking = clients
        .iter()
        .filter(|client| client.may_use(Grant::AuthorizationCode))
        .peekable();
    asking.peek().is_some() && asking.all(|client| client.require_pushed_requests)
}

/// The scopes that speak about users; those of APIs are between the APIs and their clients.
fn scopes(clients: &Clients) -> Vec<&'static str> {
    let is_used = |scope: &str| clients.iter().any(|client| client.scopes.contains(scope));
    crate::scope::ABOUT_THE_USER
        .into_iter()
        .filter(|scope| *scope == crate::scope::OPENID || is_used(scope))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Client;

    #[test]
    fn apis_are_listed_by_names_that_metadata_is_found_at() {
        let issuer = Issuer::parse("https://op.example").unwrap();
        let listed = |names: &[&str]| {
            let resources: Vec<_> = names.iter().map(|name| Resource::undescribed(name)).collect();
            always(&issuer, &Clients::default(), &resources)["protected_resources"].clone()
        };
        assert_eq!(
            listed(&["https://a.example", "urn:b", "https://c.example/v1"]),
            json!(["https://a.example", "https://c.example/v1"])
        );
        assert!(listed(&["urn:b"]).is_null(), "an empty list would deny all");
    }

    #[test]
    fn an_issuer_with_a_path_has_its_endpoints_below_it() {
        let issuer = Issuer::parse("https://op.example/tenant").unwrap();
        let clients = Clients::new(vec![Client::for_tests("bff")]);
        let document = always(&issuer, &clients, &[]);
        assert_eq!(document["issuer"], "https://op.example/tenant");
        for (name, value) in document.as_object().unwrap() {
            if name.ends_with("_endpoint") || name == "jwks_uri" {
                assert!(
                    value.as_str().unwrap().starts_with("https://op.example/tenant/"),
                    "{name}"
                );
            }
        }
    }
}
