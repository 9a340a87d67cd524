//! Decides whether a request is answered at once, or the user has to sign in first.

use resource_server::time::UnixTime;

use super::request::{AuthorizationRequest, Prompt};
use super::response::{AuthorizationError, AuthorizationErrorCode};
use crate::signin::session::SignedIn;

/// What happens next with a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NextStep {
    /// A code for the session that is there.
    IssueCode,
    /// The sign-in page.
    SignIn,
    /// A page that asks whether to go on. Any program on a device can pretend to be a public client there, so its
    /// request never passes unseen (RFC 8252 §8.6).
    Confirm,
    /// Nothing that the client would accept can be done.
    Refuse(AuthorizationError),
}

/// Judges a request. `hinted_user` is the subject of a genuine `id_token_hint`.
pub(crate) fn next_step(
    request: &AuthorizationRequest<'_>,
    signed_in: Option<&SignedIn>,
    hinted_user: Option<&str>,
    now: UnixTime,
) -> NextStep {
    let will_do = signed_in.is_some_and(|signed_in| {
        let is_recent = request
            .max_age
            .is_none_or(|max_age| now.since(signed_in.auth_time) <= max_age);
        let is_hinted = is_wanted(request, &signed_in.user_id, hinted_user);
        // Within the very second of signing in `max_age=0` would be met, but it asks for a password typed for it.
        let asks_anew = request.prompt == Prompt::Login || request.max_age.is_some_and(|age| age.is_zero());
        is_recent && is_hinted && !asks_anew
    });
    match (will_do, request.prompt) {
        (true, _) if request.is_client_assured() => NextStep::IssueCode,
        (true, Prompt::None) => NextStep::Refuse(interaction_required()),
        (true, Prompt::IfNeeded | Prompt::Login) => NextStep::Confirm,
        (false, _) => without_session(request),
    }
}

/// Judges a request that no session answers: there is none, it is not good enough, or it ended meanwhile.
pub(crate) fn without_session(request: &AuthorizationRequest<'_>) -> NextStep {
    match request.prompt {
        Prompt::None => NextStep::Refuse(login_required()),
        Prompt::IfNeeded | Prompt::Login => NextStep::SignIn,
    }
}

/// Judges what comes after a right password: the user may be another one than the client asked for.
pub(crate) fn after_password(
    request: &AuthorizationRequest<'_>,
    user_id: &str,
    hinted_user: Option<&str>,
) -> NextStep {
    if is_wanted(request, user_id, hinted_user) {
        NextStep::IssueCode
    } else {
        NextStep::Refuse(login_required())
    }
}

/// Whether the client wants an answer about this user.
fn is_wanted(request: &AuthorizationRequest<'_>, user_id: &str, hinted_user: Option<&str>) -> bool {
    hinted_user.is_none_or(|hinted| hinted == user_id) && request.claims.accepts(user_id)
}

/// Judges what comes after the question of [`NextStep::Confirm`]; everything but a question stays as it is.
pub(crate) fn after_answer(step: NextStep, answer: Option<&str>) -> NextStep {
    match (step, answer) {
        (NextStep::Confirm, Some("continue")) => NextStep::IssueCode,
        (NextStep::Confirm, Some("switch")) => NextStep::SignIn,
        (NextStep::Confirm, Some("cancel")) => NextStep::Refuse(access_denied()),
        (step, _) => step,
    }
}

/// What the client is told when the person says no.
pub(crate) fn access_denied() -> AuthorizationError {
    AuthorizationError::new(
        AuthorizationErrorCode::AccessDenied,
        "the user did not want to go on",
    )
}

fn interaction_required() -> AuthorizationError {
    let code = AuthorizationErrorCode::InteractionRequired;
    AuthorizationError::new(code, "the user has to confirm requests of this client")
}

fn login_required() -> AuthorizationError {
    AuthorizationError::new(AuthorizationErrorCode::LoginRequired, "the user has to sign in")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::client::{Client, Clients, Kind, RedirectUri};
    use crate::params::Params;

    fn step(changes: &str, signed_in_at: Option<i64>, hinted: Option<&str>, now: i64) -> &'static str {
        let who = "client_id=bff&redirect_uri=https://app.example/cb";
        step_of(&format!("{who}{changes}"), signed_in_at, hinted, now)
    }

    fn query(changes: &str) -> String {
        format!(
            "{changes}&response_type=code&scope=openid&code_challenge_method=S256\
             &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        )
    }

    fn step_of(query: &str, signed_in_at: Option<i64>, hinted: Option<&str>, now: i64) -> &'static str {
        let app = Client {
            kind: Kind::Public,
            redirect_uris: ["com.example.app:/cb", "https://app.example/cb"]
                .map(|uri| RedirectUri::parse(uri, true).unwrap())
                .to_vec(),
            ..Client::for_tests("app")
        };
        let clients = Clients::new(vec![Client::for_tests("bff"), app]);
        let query = self::query(query);
        let request = AuthorizationRequest::parse(&Params::parse(query.as_bytes()), &clients).unwrap();
        let signed_in = signed_in_at.map(|seconds| SignedIn {
            user_id: "alice".to_owned(),
            sid: "s".to_owned(),
            auth_time: UnixTime::from_secs(seconds),
        });
        match next_step(&request, signed_in.as_ref(), hinted, UnixTime::from_secs(now)) {
            NextStep::IssueCode => "code",
            NextStep::SignIn => "page",
            NextStep::Confirm => "confirm",
            NextStep::Refuse(error) => error.code.as_str(),
        }
    }

    #[test]
    fn a_session_is_enough_unless_the_client_wants_more() {
        assert_eq!(step("", None, None, 0), "page");
        assert_eq!(step("", Some(0), None, 9_999), "code");
        assert_eq!(step("&prompt=login", Some(0), None, 0), "page");
    }

    #[test]
    fn max_age_counts_from_the_password() {
        assert_eq!(step("&max_age=1", Some(0), None, 1), "code");
        assert_eq!(step("&max_age=1", Some(0), None, 2), "page");
        assert_eq!(step("&max_age=0", Some(0), None, 0), "page");
        let longest = Duration::MAX.as_secs();
        assert_eq!(
            step(&format!("&max_age={longest}"), Some(0), None, i64::MAX),
            "code"
        );
    }

    #[test]
    fn prompt_none_never_shows_a_page() {
        assert_eq!(step("&prompt=none", None, None, 0), "login_required");
        assert_eq!(step("&prompt=none", Some(0), None, 0), "code");
        assert_eq!(step("&prompt=none&max_age=1", Some(0), None, 2), "login_required");
        assert_eq!(step("&prompt=none", Some(0), Some("bob"), 0), "login_required");
    }

    #[test]
    fn a_public_client_without_an_address_of_its_own_is_never_answered_unseen() {
        let app = "client_id=app&redirect_uri=com.example.app:/cb";
        assert_eq!(step_of(app, Some(0), None, 0), "confirm");
        assert_eq!(step_of(app, None, None, 0), "page");
        assert_eq!(
            step_of(&format!("{app}&prompt=none"), Some(0), None, 0),
            "interaction_required"
        );
        assert_eq!(
            step_of(
                "client_id=app&redirect_uri=https://app.example/cb",
                Some(0),
                None,
                0
            ),
            "code"
        );
    }

    #[test]
    fn another_user_than_the_hinted_one_has_to_leave() {
        assert_eq!(step("", Some(0), Some("alice"), 0), "code");
        assert_eq!(step("", Some(0), Some("bob"), 0), "page");
        let (alice, bob) = (wanting("alice"), wanting("bob"));
        assert_eq!(step(&alice, Some(0), None, 0), "code");
        assert_eq!(step(&bob, Some(0), None, 0), "page");
        assert_eq!(
            step(&format!("{bob}&prompt=none"), Some(0), None, 0),
            "login_required"
        );
        assert_eq!(
            step(&alice, Some(0), Some("bob"), 0),
            "page",
            "both have to be met"
        );
    }

    #[test]
    fn a_right_password_of_the_wrong_user_is_no_answer() {
        let clients = Clients::new(vec![Client::for_tests("bff")]);
        let after = |claims: &str, hinted| {
            let query = query(&format!(
                "client_id=bff&redirect_uri=https://app.example/cb{claims}"
            ));
            let request = AuthorizationRequest::parse(&Params::parse(query.as_bytes()), &clients).unwrap();
            after_password(&request, "alice", hinted) == NextStep::IssueCode
        };
        assert!(after("", None));
        assert!(after(&wanting("alice"), Some("alice")));
        assert!(!after("", Some("bob")));
        assert!(!after(&wanting("bob"), None));
    }

    fn wanting(sub: &str) -> String {
        format!("&claims=%7B%22id_token%22:%7B%22sub%22:%7B%22value%22:%22{sub}%22%7D%7D%7D")
    }
}
