//! Who a gateway is told that the user is.

use serde_json::{Map, Value};

/// A user whose name does not survive as a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the user's sub does not fit into a header")]
pub struct Unfit;

/// The headers that say so.
///
/// # Errors
/// When the `sub` cannot be told: an application behind the gateway would take the request for nobody's, or for somebody
/// else's.
pub fn identity<'c>(
    subject: &'c str,
    claims: &'c Map<String, Value>,
    tells_unverified_email: bool,
) -> Result<Vec<(&'static str, &'c str)>, Unfit> {
    if !is_fit(subject) {
        return Err(Unfit);
    }
    let text = |name: &str| {
        let value = claims.get(name).and_then(Value::as_str);
        value.filter(|value| is_fit(value))
    };
    // An application that knows users by their address would let in whoever claims one.
    let email_counts = tells_unverified_email || claims.get("email_verified") == Some(&Value::Bool(true));
    let others = [
        ("x-auth-request-email", text("email").filter(|_| email_counts)),
        ("x-auth-request-preferred-username", text("preferred_username")),
    ];
    let others = others
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    Ok(std::iter::once(("x-auth-request-user", subject))
        .chain(others)
        .collect())
}

/// Whether a text arrives as it was sent: recipients cut off spaces, and control characters end a header or worse.
fn is_fit(text: &str) -> bool {
    !text.is_empty() && text.trim() == text && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn claims(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn an_address_that_nobody_verified_is_told_only_if_that_is_wanted() {
        let told = |verified: Value, wanted: bool| {
            let claims = claims(&json!({"email": "a@b.example", "email_verified": verified}));
            let identity = identity("1", &claims, wanted).unwrap();
            identity.contains(&("x-auth-request-email", "a@b.example"))
        };
        assert!(told(json!(true), false));
        assert!(told(json!(false), true));
        for unverified in [json!(false), json!("true"), Value::Null] {
            assert!(!told(unverified, false));
        }
    }

    #[test]
    fn what_would_arrive_as_something_else_is_not_told() {
        let none = Map::new();
        for sub in ["", " alice", "alice ", "a\r\nX-Admin: 1", "a\u{0}", "a\u{85}b"] {
            assert_eq!(identity(sub, &none, false), Err(Unfit), "{sub:?}");
        }
        let odd = claims(&json!({"preferred_username": "x\r\ny", "email": 3}));
        assert_eq!(identity("ä", &odd, true), Ok(vec![("x-auth-request-user", "ä")]));
    }
}
