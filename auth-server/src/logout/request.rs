//! Reads a logout request and decides whether it needs a question first.

use crate::client::redirect_uri::with_parameters;
use crate::client::{Client, Clients};
use crate::params::Params;
use crate::signin::session::SignedIn;
use crate::token::own_tokens::IdTokenHint;

/// A logout request that obeys the rules.
#[derive(Debug)]
pub(crate) struct LogoutRequest<'c> {
    pub(crate) client: Option<&'c Client>,
    hint: Option<IdTokenHint>,
    /// Where to go afterwards; registered, with `state` in it.
    return_to: Option<String>,
}

/// Why a request is not followed. The person is told: nothing here may be sent anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LogoutRefusal {
    #[error("A parameter was sent more than once.")]
    Repeated,
    #[error("The application is not registered here.")]
    UnknownClient,
    #[error("The ID token is not one of this server.")]
    ForeignHint,
    #[error("The ID token was issued to another application.")]
    HintOfAnotherClient,
    #[error("The address to return to is not registered for the application.")]
    UnknownReturnAddress,
}

/// What happens next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NextStep<'r> {
    /// Nobody is signed in, and no session is named.
    NothingToEnd,
    /// The client has shown that it knows the session in this browser, of this `sid`.
    EndNow(&'r str),
    /// Nobody is signed in here, and a hint, which whoever found it can send, names a session: what its client holds
    /// beyond the end of that session ends. The session itself, if it is live in another browser, stays (§2).
    EndLeftovers { sid: &'r str, client_id: &'r str },
    /// Anybody could have sent the browser here (RP-Initiated Logout §6): the person decides.
    Ask,
}

impl<'c> LogoutRequest<'c> {
    /// `read_hint` gives what a genuine ID token says, expired or not.
    pub(crate) fn parse(
        params: &Params,
        clients: &'c Clients,
        read_hint: impl FnOnce(&str) -> Option<IdTokenHint>,
    ) -> Result<Self, LogoutRefusal> {
        params.refuse_repeated().map_err(|_| LogoutRefusal::Repeated)?;
        let hint = match params.get("id_token_hint") {
            None => None,
            Some(token) => Some(read_hint(token).ok_or(LogoutRefusal::ForeignHint)?),
        };
        let named = params.get("client_id");
        if let (Some(named), Some(hint)) = (named, &hint)
            && named != hint.client_id
        {
            return Err(LogoutRefusal::HintOfAnotherClient);
        }
        let client = match named.or(hint.as_ref().map(|hint| hint.client_id.as_str())) {
            None => None,
            Some(id) => Some(clients.find(id).ok_or(LogoutRefusal::UnknownClient)?),
        };
        let is_registered =
            |uri: &str| client.is_some_and(|client| client.allows_post_logout_redirect_to(uri));
        let return_to = match params.get("post_logout_redirect_uri") {
            Some(uri) if is_registered(uri) => Some(with_state(uri, params.get("state"))),
            // The person may well want to sign out, whoever sent this: asked first, and then sent nowhere.
            Some(_) if hint.is_none() => None,
            Some(_) => return Err(LogoutRefusal::UnknownReturnAddress),
            None => None,
        };
        Ok(Self {
            client,
            hint,
            return_to,
        })
    }

    /// Decides by who is signed in, in this browser.
    pub(crate) fn next_step(&self, signed_in: Option<&SignedIn>) -> NextStep<'_> {
        let hinted = self
            .hint
            .as_ref()
            .and_then(|hint| Some((hint, hint.sid.as_deref()?)));
        match (signed_in, hinted) {
            (None, None) => NextStep::NothingToEnd,
            (None, Some((hint, sid))) => NextStep::EndLeftovers {
                sid,
                client_id: &hint.client_id,
            },
            (Some(signed_in), Some((hint, sid)))
                if hint.user_id == signed_in.user_id && sid == signed_in.sid =>
            {
                NextStep::EndNow(sid)
            }
            (Some(_), _) => NextStep::Ask,
        }
    }

    /// Where the browser goes when it is done.
    pub(crate) fn return_to(&self) -> Option<&str> {
        self.return_to.as_deref()
    }
}

fn with_state(uri: &str, state: Option<&str>) -> String {
    match state {
        None => uri.to_owned(),
        Some(state) => with_parameters(uri, &[("state", state)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use resource_server::time::UnixTime;

    fn hint(client_id: &str, sid: &str) -> IdTokenHint {
        IdTokenHint {
            client_id: client_id.to_owned(),
            user_id: "alice".to_owned(),
            sid: Some(sid.to_owned()),
        }
    }

    fn session() -> SignedIn {
        SignedIn {
            user_id: "alice".to_owned(),
            sid: "s1".to_owned(),
            auth_time: UnixTime::from_secs(0),
        }
    }

    fn clients() -> Clients {
        Clients::new(vec![Client::for_tests("bff"), Client::for_tests("other")])
    }

    fn refusal(query: &str) -> LogoutRefusal {
        let read = |token: &str| (token == "good").then(|| hint("bff", "s1"));
        LogoutRequest::parse(&Params::parse(query.as_bytes()), &clients(), read).unwrap_err()
    }

    fn accepted(query: &str, signed_in: Option<&SignedIn>) -> (String, Option<String>) {
        let clients = clients();
        let read = |sid: &str| {
            let hint = hint("bff", sid);
            Some(if sid == "none" {
                IdTokenHint { sid: None, ..hint }
            } else {
                hint
            })
        };
        let request = LogoutRequest::parse(&Params::parse(query.as_bytes()), &clients, read).unwrap();
        (
            format!("{:?}", request.next_step(signed_in)),
            request.return_to().map(str::to_owned),
        )
    }

    #[test]
    fn only_registered_addresses_are_returned_to() {
        let uri = "https://app.example/";
        let (_, return_to) = accepted(
            &format!("client_id=bff&post_logout_redirect_uri={uri}&state=a%26b"),
            None,
        );
        assert_eq!(return_to.as_deref(), Some("https://app.example/?state=a%26b"));

        let session = session();
        for query in [
            format!("post_logout_redirect_uri={uri}"),
            format!("client_id=bff&post_logout_redirect_uri={uri}%3Fx"),
            "client_id=bff&post_logout_redirect_uri=https://evil.example/".to_owned(),
        ] {
            assert_eq!(
                accepted(&query, Some(&session)),
                ("Ask".to_owned(), None),
                "{query}"
            );
            let hinted = format!("{query}x&id_token_hint=good");
            assert_eq!(refusal(&hinted), LogoutRefusal::UnknownReturnAddress, "{hinted}");
        }
    }

    #[test]
    fn hints_have_to_be_genuine_and_fit() {
        assert_eq!(refusal("id_token_hint=forged"), LogoutRefusal::ForeignHint);
        assert_eq!(
            refusal("id_token_hint=good&client_id=other"),
            LogoutRefusal::HintOfAnotherClient
        );
        assert_eq!(refusal("client_id=nobody"), LogoutRefusal::UnknownClient);
        assert_eq!(refusal("state=a&state=b"), LogoutRefusal::Repeated);
    }

    #[test]
    fn only_who_knows_the_session_ends_it_without_a_question() {
        let session = session();
        assert_eq!(accepted("id_token_hint=s1", Some(&session)).0, "EndNow(\"s1\")");
        assert_eq!(accepted("id_token_hint=s2", Some(&session)).0, "Ask");
        assert_eq!(accepted("id_token_hint=none", Some(&session)).0, "Ask");
        assert_eq!(accepted("client_id=bff", Some(&session)).0, "Ask");
        assert_eq!(accepted("", Some(&session)).0, "Ask");
        let bob = SignedIn {
            user_id: "bob".to_owned(),
            ..session
        };
        assert_eq!(accepted("id_token_hint=s1", Some(&bob)).0, "Ask");
    }

    #[test]
    fn without_a_session_the_hint_says_what_is_left_to_end() {
        assert_eq!(
            accepted("id_token_hint=s1", None).0,
            "EndLeftovers { sid: \"s1\", client_id: \"bff\" }"
        );
        assert_eq!(accepted("id_token_hint=none", None).0, "NothingToEnd");
        assert_eq!(accepted("client_id=bff", None).0, "NothingToEnd");
        assert_eq!(accepted("", None).0, "NothingToEnd");
    }
}
