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
    /// A page that asks the user.
    Ask(Question),
    /// Nothing that the client would accept can be done.
    Refuse(AuthorizationError),
}

/// What the user is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Question {
    /// Whether to go on. Any program on a device can pretend to be a public client there, so its request never passes
    /// unseen (RFC 8252 §8.6).
    Confirm,
    /// Whether the client may have what it asks for. Whoever says so goes on, too.
    Consent,
}

/// Judges a request. `hinted_user` is the subject of a genuine `id_token_hint`, and `is_allowed` whether the client needs
/// nothing from the user who is signed in that it does not have.
pub(crate) fn next_step(
    request: &AuthorizationRequest<'_>,
    signed_in: Option<&SignedIn>,
    hinted_user: Option<&str>,
    is_allowed: bool,
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
    if !will_do {
        return without_session(request);
    }
    match (question(request, is_allowed), request.prompt) {
        (None, _) => NextStep::IssueCode,
        (Some(Question::Confirm), Prompt::None) => NextStep::Refuse(interaction_required()),
        (Some(Question::Consent), Prompt::None) => NextStep::Refuse(consent_required()),
        (Some(question), Prompt::IfNeeded | Prompt::Login) => NextStep::Ask(question),
    }
}

fn question(request: &AuthorizationRequest<'_>, is_allowed: bool) -> Option<Question> {
    if request.wants_consent || !is_allowed {
        Some(Question::Consent)
    } else if request.is_client_assured() {
        None
    } else {
        Some(Question::Confirm)
    }
}

/// Judges a request that no session answers: there is none, it is not good enough, or it ended meanwhile.
pub(crate) fn without_session(request: &AuthorizationRequest<'_>) -> NextStep {
    match request.prompt {
        Prompt::None => NextStep::Refuse(login_required()),
        Prompt::IfNeeded | Prompt::Login => NextStep::SignIn,
    }
}

/// Judges a request for which the user has just taken back what was allowed.
pub(crate) fn without_consent(request: &AuthorizationRequest<'_>) -> NextStep {
    match request.prompt {
        Prompt::None => NextStep::Refuse(consent_required()),
        Prompt::IfNeeded | Prompt::Login => NextStep::Ask(Question::Consent),
    }
}

/// Judges what comes after a right password: the user may be another one than the client asked for. Who has just typed it
/// need not confirm that they meant to.
pub(crate) fn after_password(
    request: &AuthorizationRequest<'_>,
    user_id: &str,
    hinted_user: Option<&str>,
    is_allowed: bool,
) -> NextStep {
    if !is_wanted(request, user_id, hinted_user) {
        return NextStep::Refuse(login_required());
    }
    match question(request, is_allowed) {
        None | Some(Question::Confirm) => NextStep::IssueCode,
        Some(Question::Consent) => NextStep::Ask(Question::Consent),
    }
}

/// Whether the client wants an answer about this user.
fn is_wanted(request: &AuthorizationRequest<'_>, user_id: &str, hinted_user: Option<&str>) -> bool {
    hinted_user.is_none_or(|hinted| hinted == user_id) && request.claims.accepts(user_id)
}

/// Judges the answer to a question. Whether a password had to be typed for the request was judged before the question was
/// asked, and is not judged again: a client that wants a fresh one would never get past the time that reading takes.
pub(crate) fn after_answer(question: Question, answer: Option<&str>) -> NextStep {
    match answer {
        Some("continue") => NextStep::IssueCode,
        Some("switch") => NextStep::SignIn,
        Some("cancel") => NextStep::Refuse(access_denied()),
        _ => NextStep::Ask(question),
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

fn consent_required() -> AuthorizationError {
    let code = AuthorizationErrorCode::ConsentRequired;
    AuthorizationError::new(code, "the user has to allow what is asked for")
}

fn login_required() -> AuthorizationError {
    AuthorizationError::new(AuthorizationErrorCode::LoginRequired, "the user has to sign in")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::client::{Client, Clients, Consent, Kind, RedirectUri};
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
        let stranger = Client {
            consent: Consent::Required,
            ..Client::for_tests("stranger")
        };
        let clients = Clients::new(vec![Client::for_tests("bff"), app, stranger]);
        let query = self::query(query);
        let request = AuthorizationRequest::parse(&Params::parse(query.as_bytes()), &clients).unwrap();
        let signed_in = signed_in_at.map(|seconds| SignedIn {
            user_id: "alice".to_owned(),
            sid: "s".to_owned(),
            auth_time: UnixTime::from_secs(seconds),
        });
        // Nothing was allowed to anybody.
        let is_allowed = request.client.consent == Consent::None;
        let now = UnixTime::from_secs(now);
        named(next_step(&request, signed_in.as_ref(), hinted, is_allowed, now))
    }

    fn named(step: NextStep) -> &'static str {
        match step {
            NextStep::IssueCode => "code",
            NextStep::SignIn => "page",
            NextStep::Ask(Question::Confirm) => "confirm",
            NextStep::Ask(Question::Consent) => "consent",
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
        assert_eq!(typed("", None, true), "code");
        assert_eq!(typed(&wanting("alice"), Some("alice"), true), "code");
        assert_eq!(typed("", Some("bob"), true), "login_required");
        assert_eq!(typed(&wanting("bob"), None, true), "login_required");
    }

    /// What comes after alice has typed her password.
    fn typed(changes: &str, hinted: Option<&str>, is_allowed: bool) -> &'static str {
        let clients = Clients::new(vec![Client::for_tests("bff")]);
        let who = "client_id=bff&redirect_uri=https://app.example/cb&prompt=login";
        let query = query(&format!("{who}{changes}"));
        let request = AuthorizationRequest::parse(&Params::parse(query.as_bytes()), &clients).unwrap();
        named(after_password(&request, "alice", hinted, is_allowed))
    }

    #[test]
    fn who_was_not_allowed_to_is_asked_for_or_told() {
        let stranger = "client_id=stranger&redirect_uri=https://app.example/cb";
        assert_eq!(step_of(stranger, Some(0), None, 0), "consent");
        assert_eq!(step_of(stranger, None, None, 0), "page");
        let with = |prompt| step_of(&format!("{stranger}&prompt={prompt}"), Some(0), None, 0);
        assert_eq!(with("none"), "consent_required");
        assert_eq!(with("login"), "page");
        assert_eq!(with("login+consent"), "page");
        assert_eq!(typed("", None, false), "consent");
        assert_eq!(typed("", Some("bob"), false), "login_required");
    }

    #[test]
    fn prompt_consent_asks_whatever_was_allowed() {
        assert_eq!(step("&prompt=consent", Some(0), None, 0), "consent");
        assert_eq!(step("&prompt=consent", None, None, 0), "page");
        assert_eq!(step("&prompt=consent+login", Some(0), None, 0), "page");
    }

    #[test]
    fn an_answer_counts_and_anything_else_asks_again() {
        for question in [Question::Confirm, Question::Consent] {
            let after = |answer| after_answer(question, answer);
            assert_eq!(after(Some("continue")), NextStep::IssueCode);
            assert_eq!(after(Some("switch")), NextStep::SignIn);
            assert_eq!(named(after(Some("cancel"))), "access_denied");
            assert_eq!(after(Some("")), NextStep::Ask(question));
            assert_eq!(after(None), NextStep::Ask(question));
        }
    }

    fn wanting(sub: &str) -> String {
        format!("&claims=%7B%22id_token%22:%7B%22sub%22:%7B%22value%22:%22{sub}%22%7D%7D%7D")
    }
}
