//! The parameter `claims` (OIDC Core §5.5): which claims a client wants where, and what it wants some of them to be.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::response::{AuthorizationError, AuthorizationErrorCode as Code};
use crate::grant::claims::{AskedClaims, ClaimSet, UserClaim};
use crate::token::claims::ACR_OF_PASSWORD;

/// A longer one asks for more claims than there are.
const LONGEST: usize = 4096;

/// What the parameter says, as far as it means something here. Claims that are not known are not told, essential or not
/// (§5.5.1).
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ClaimsParameter {
    pub(crate) asked: AskedClaims,
    /// Each member that names `sub` with values: the user has to be one of them.
    subjects: Vec<Vec<String>>,
}

/// The members that §5.5 knows; others are ignored.
#[derive(Deserialize)]
struct Members {
    userinfo: Option<BTreeMap<String, Value>>,
    id_token: Option<BTreeMap<String, Value>>,
}

/// What is said of one claim (§5.5.1); `null` says no more than its name.
#[derive(Default, Deserialize)]
struct Wish {
    essential: Option<bool>,
    value: Option<Value>,
    values: Option<Vec<Value>>,
}

impl ClaimsParameter {
    /// Reads it.
    ///
    /// # Errors
    /// When it is not what §5.5 describes, or wants an authentication that there is not here.
    pub(crate) fn parse(text: &str) -> Result<Self, AuthorizationError> {
        // serde would read an array for a struct, too.
        if text.len() > LONGEST || !text.trim_start().starts_with('{') {
            return Err(malformed());
        }
        let members: Members = serde_json::from_str(text).map_err(|_| malformed())?;
        let user_info = members.userinfo.unwrap_or_default();
        let id_token = members.id_token.unwrap_or_default();
        let mut subjects = Vec::new();
        for member in [&user_info, &id_token] {
            if let Some(values) = wish(member, "sub")?.wanted() {
                subjects.push(values);
            }
        }
        // §5.5.1.1 gives `acr` a meaning in the ID token only.
        let acr = wish(&id_token, "acr")?;
        if acr.essential == Some(true)
            && let Some(values) = acr.wanted()
            && !values.iter().any(|value| value == ACR_OF_PASSWORD)
        {
            return Err(AuthorizationError::new(
                Code::UnmetAuthenticationRequirements,
                "no way of signing in here has the essential acr",
            ));
        }
        Ok(Self {
            asked: AskedClaims {
                user_info: known(&user_info)?,
                id_token: known(&id_token)?,
            },
            subjects,
        })
    }

    /// Whether the client wants an answer about this user (§5.5.1: a `sub` with a value is like an `id_token_hint`).
    pub(crate) fn accepts(&self, user_id: &str) -> bool {
        let mut all = self.subjects.iter();
        all.all(|subjects| subjects.iter().any(|subject| subject == user_id))
    }
}

impl Wish {
    /// The values that are wanted, if any are; what is no text is no value of a claim that is asked here.
    fn wanted(&self) -> Option<Vec<String>> {
        if self.value.is_none() && self.values.is_none() {
            return None;
        }
        let values = self.value.iter().chain(self.values.iter().flatten());
        Some(values.filter_map(Value::as_str).map(str::to_owned).collect())
    }
}

fn known(member: &BTreeMap<String, Value>) -> Result<ClaimSet, AuthorizationError> {
    let known = member.keys().filter_map(|name| UserClaim::parse(name));
    known
        .map(|claim| wish(member, claim.as_str()).map(|_| claim))
        .collect()
}

/// What a member says of a claim. Of a claim that is not known nobody knows what may be said of it.
fn wish(member: &BTreeMap<String, Value>, claim: &str) -> Result<Wish, AuthorizationError> {
    match member.get(claim) {
        None | Some(Value::Null) => Ok(Wish::default()),
        Some(value @ Value::Object(_)) => Wish::deserialize(value).map_err(|_| malformed()),
        Some(_) => Err(malformed()),
    }
}

fn malformed() -> AuthorizationError {
    AuthorizationError::new(
        Code::InvalidRequest,
        "claims must be the JSON object of OpenID Connect Core section 5.5",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ClaimsParameter, &'static str> {
        ClaimsParameter::parse(text).map_err(|error| error.code.as_str())
    }

    #[test]
    fn known_claims_are_kept_and_others_ignored() {
        let parsed = parse(
            r#"{"userinfo": {"name": {"essential": true}, "email": null, "http://x.example/a": 5, "given_name": null},
                "id_token": {"email_verified": {"value": true}, "auth_time": {"essential": true}},
                "verified_claims": []}"#,
        );
        assert_eq!(
            parsed.unwrap().asked.to_string(),
            "id_token.email_verified userinfo.name userinfo.email"
        );
        for nothing in ["{}", r#"{"userinfo": null}"#, r#"{"id_token": {}}"#] {
            assert_eq!(parse(nothing), Ok(ClaimsParameter::default()), "{nothing}");
        }
    }

    #[test]
    fn what_is_malformed_is_refused() {
        let long = format!(r#"{{"userinfo": {{"{}": null}}}}"#, "x".repeat(LONGEST));
        let deep = format!(r#"{{"userinfo": {{"x": {}"#, "[".repeat(4000));
        for text in [
            "",
            "name",
            "[]",
            "[{}, {}]",
            "null",
            "{",
            r#"{"userinfo": []}"#,
            r#"{"userinfo": "name"}"#,
            r#"{"userinfo": {"name": true}}"#,
            r#"{"userinfo": {"name": {"essential": "yes"}}}"#,
            r#"{"userinfo": {"name": {"values": "Alice"}}}"#,
            r#"{"userinfo": {}, "userinfo": {"name": null}}"#,
            &long,
            &deep,
        ] {
            assert_eq!(parse(text), Err("invalid_request"), "{text}");
        }
    }

    #[test]
    fn a_wanted_subject_has_to_be_the_user() {
        let accepts = |text: &str| parse(text).unwrap().accepts("u1");
        assert!(accepts(r#"{"id_token": {"sub": null}}"#));
        assert!(accepts(r#"{"id_token": {"sub": {"essential": true}}}"#));
        assert!(accepts(r#"{"id_token": {"sub": {"value": "u1"}}}"#));
        assert!(accepts(r#"{"userinfo": {"sub": {"values": ["u2", "u1"]}}}"#));
        assert!(!accepts(r#"{"userinfo": {"sub": {"values": []}}}"#));
        assert!(!accepts(r#"{"id_token": {"sub": {"value": 1}}}"#));
        assert!(!accepts(
            r#"{"id_token": {"sub": {"value": "u1"}}, "userinfo": {"sub": {"value": "u2"}}}"#
        ));
    }

    #[test]
    fn only_an_essential_acr_with_other_values_cannot_be_had() {
        let acr = |said: &str| parse(&format!(r#"{{"id_token": {{"acr": {said}}}}}"#)).map(|_| ());
        assert_eq!(acr("null"), Ok(()));
        assert_eq!(acr(r#"{"essential": true}"#), Ok(()));
        assert_eq!(acr(r#"{"values": ["phr"]}"#), Ok(()));
        assert_eq!(
            acr(&format!(
                r#"{{"essential": true, "values": ["phr", "{ACR_OF_PASSWORD}"]}}"#
            )),
            Ok(())
        );
        let unmet = Err("unmet_authentication_requirements");
        assert_eq!(acr(r#"{"essential": true, "value": "phr"}"#), unmet);
        assert_eq!(acr(r#"{"essential": true, "values": []}"#), unmet);
        assert_eq!(
            parse(r#"{"userinfo": {"acr": {"essential": true, "value": "phr"}}}"#).map(|_| ()),
            Ok(())
        );
    }
}
