//! Where a token says that its status stands.

use serde_json::Number;

use crate::json::{Json, Object};

/// The claim `status` of a token (draft-ietf-oauth-status-list §6.2).
///
/// That it is malformed matters only to those who go by it: others may have claims of this name that mean something
/// else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatusClaim {
    /// There is none, or none that refers to a status list.
    Absent,
    /// The status is in a list.
    Listed(StatusReference),
    /// There is one that breaks the rules of the draft.
    Malformed,
}

/// The place of a token's status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusReference {
    /// `uri`: the address of the list, as the token spells it. To be fetched only if it is known to be the issuer's.
    pub uri: Box<str>,
    /// `idx`: which status of the list is that of the token.
    pub index: u64,
}

impl StatusClaim {
    pub(crate) fn read(claims: &Object<'_>) -> Self {
        let Some(status) = claims.get("status") else {
            return Self::Absent;
        };
        let Some(status) = status.as_object() else {
            return Self::Malformed;
        };
        let Some(list) = status.get("status_list") else {
            // Another way to tell the status: nothing for us.
            return Self::Absent;
        };
        let member = |name| list.as_object().and_then(|list| list.get(name));
        let index = member("idx").and_then(Json::as_number).and_then(Number::as_u64);
        let uri = member("uri").and_then(Json::as_text);
        match (index, uri) {
            (Some(index), Some(uri)) => Self::Listed(StatusReference {
                uri: uri.into(),
                index,
            }),
            _ => Self::Malformed,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{StatusClaim, StatusReference};
    use crate::compact::read_object;
    use crate::error::TokenError;

    fn read(status: &Value) -> StatusClaim {
        let claims = json!({ "status": status }).to_string();
        StatusClaim::read(&read_object(&claims, TokenError::Payload).unwrap())
    }

    #[test]
    fn a_status_is_an_index_of_a_list() {
        let uri = "https://op.example/statuslists/1";
        let status = json!({"status_list": {"idx": 7, "uri": uri, "more": []}, "other": 1});
        let listed = StatusClaim::Listed(StatusReference {
            uri: uri.into(),
            index: 7,
        });
        assert_eq!(read(&status), listed);
    }

    #[test]
    fn a_token_may_have_no_status_or_one_of_another_kind() {
        let none = read_object("{}", TokenError::Payload).unwrap();
        assert_eq!(StatusClaim::read(&none), StatusClaim::Absent);
        assert_eq!(read(&json!({})), StatusClaim::Absent);
        assert_eq!(read(&json!({"identifier_list": {}})), StatusClaim::Absent);
    }

    #[test]
    fn what_is_nearly_a_reference_is_none() {
        for status in [
            json!(null),
            json!("active"),
            json!([]),
            json!({"status_list": null}),
            json!({"status_list": "https://op.example/statuslists/1"}),
            json!({"status_list": {"idx": 7}}),
            json!({"status_list": {"uri": "u"}}),
            json!({"status_list": {"idx": -1, "uri": "u"}}),
            json!({"status_list": {"idx": 1.5, "uri": "u"}}),
            json!({"status_list": {"idx": "1", "uri": "u"}}),
            json!({"status_list": {"idx": 1, "uri": 2}}),
        ] {
            assert_eq!(read(&status), StatusClaim::Malformed, "{status}");
        }
    }
}
