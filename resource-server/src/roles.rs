//! The roles a token gives its subject: no standard says in which claim, so that a verifier is told.

use crate::error::TokenError;
use crate::json::{Json, Object};

const MALFORMED: TokenError = TokenError::MalformedClaim("of roles");

/// The roles at the end of a path of names. A claim that is absent gives none; one that is something else is a fault.
pub(crate) fn read(all: &Object<'_>, path: &[String]) -> Result<Vec<String>, TokenError> {
    let Some((last, way)) = path.split_last() else {
        return Ok(Vec::new());
    };
    let mut members = all;
    for name in way {
        members = match members.get(name) {
            None => return Ok(Vec::new()),
            Some(Json::Object(below)) => below,
            Some(_) => return Err(MALFORMED),
        };
    }
    match members.get(last) {
        None => Ok(Vec::new()),
        Some(Json::Array(roles)) => roles.iter().map(role).collect(),
        Some(_) => Err(MALFORMED),
    }
}

/// A text; or an object as SCIM has them (RFC 7643 §4.1.2), which RFC 9068 §2.2.3.1 points to.
fn role(role: &Json<'_>) -> Result<String, TokenError> {
    let text = match role {
        Json::Object(members) => members.get("value").and_then(Json::as_text),
        other => other.as_text(),
    };
    text.map(str::to_owned).ok_or(MALFORMED)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{MALFORMED, read};
    use crate::compact::read_object;
    use crate::error::TokenError;

    fn roles(claims: &Value, path: &[&str]) -> Result<Vec<String>, TokenError> {
        let path: Vec<String> = path.iter().map(|&name| name.to_owned()).collect();
        let claims = claims.to_string();
        read(&read_object(&claims, TokenError::Payload)?, &path)
    }

    #[test]
    fn roles_are_where_the_path_leads() {
        let expected = Ok(vec!["admin".to_owned(), "editor".to_owned()]);
        for (claims, path) in [
            (json!({"roles": ["admin", "editor"]}), &["roles"][..]),
            (
                json!({"groups": [{"value": "admin", "display": "A"}, {"value": "editor"}]}),
                &["groups"],
            ),
            (
                json!({"realm_access": {"roles": ["admin", "editor"]}}),
                &["realm_access", "roles"],
            ),
            (
                json!({"https://example.com/roles": ["admin", "editor"]}),
                &["https://example.com/roles"],
            ),
        ] {
            assert_eq!(roles(&claims, path), expected, "{claims}");
        }
    }

    #[test]
    fn a_claim_that_is_absent_gives_no_roles() {
        for (claims, path) in [
            (json!({}), &["roles"][..]),
            (json!({"roles": []}), &["roles"]),
            (json!({"roles": ["admin"]}), &["realm_access", "roles"]),
            (json!({"realm_access": {}}), &["realm_access", "roles"]),
            (
                json!({"realm_access.roles": ["admin"]}),
                &["realm_access", "roles"],
            ),
        ] {
            assert_eq!(roles(&claims, path), Ok(Vec::new()), "{claims}");
        }
    }

    #[test]
    fn a_claim_of_another_form_is_a_fault_and_never_the_same_as_absent() {
        for (claims, path) in [
            (json!({"roles": "admin"}), &["roles"][..]),
            (json!({"roles": null}), &["roles"]),
            (json!({"roles": {"admin": true}}), &["roles"]),
            (json!({"roles": ["editor", 1]}), &["roles"]),
            (json!({"roles": [{"display": "admin"}]}), &["roles"]),
            (json!({"realm_access": "roles"}), &["realm_access", "roles"]),
            (
                json!({"realm_access": [{"roles": []}]}),
                &["realm_access", "roles"],
            ),
        ] {
            assert_eq!(roles(&claims, path), Err(MALFORMED), "{claims}");
        }
    }
}
