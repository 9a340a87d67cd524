use super::*;

const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn clients() -> Clients {
    Clients::new(vec![
        Client::for_tests("bff"),
        Client {
            kind: Kind::Public,
            ..Client::for_tests("app")
        },
        Client {
            require_pkce: false,
            scopes: ScopeSet::parse("openid email").unwrap(),
            ..Client::for_tests("old")
        },
        Client {
            grants: vec![Grant::ClientCredentials],
            ..Client::for_tests("service")
        },
    ])
}

/// A good request with some parameters replaced, added, or (with an empty value) left out.
fn request(changes: &[(&str, &str)]) -> Params {
    let good = [
        ("client_id", "bff"),
        ("redirect_uri", "https://app.example/cb"),
        ("response_type", "code"),
        ("scope", "openid notes:read"),
        ("state", "xyz"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    let kept = good
        .iter()
        .filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    let all = kept.chain(changes);
    Params::parse(
        url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(all)
            .finish()
            .as_bytes(),
    )
}

fn refusal(changes: &[(&str, &str)]) -> Refusal {
    AuthorizationRequest::parse(&request(changes), &clients()).unwrap_err()
}

fn error_code(changes: &[(&str, &str)]) -> &'static str {
    match refusal(changes) {
        Refusal::ToTheClient(address, error) => {
            assert_eq!(address.redirect_uri, "https://app.example/cb");
            error.code.as_str()
        }
        Refusal::ToThePerson(refusal) => panic!("not told to the client: {refusal:?}"),
    }
}

#[test]
fn a_good_request_is_understood() {
    let clients = clients();
    let changes = [
        ("nonce", "n"),
        ("max_age", "300"),
        ("login_hint", "alice"),
        ("prompt", "login consent"),
    ];
    let request = AuthorizationRequest::parse(&request(&changes), &clients).unwrap();

    assert_eq!(request.client.id, "bff");
    assert_eq!(request.scope.to_string(), "notes:read openid");
    assert_eq!(request.nonce.as_deref(), Some("n"));
    assert_eq!(request.max_age, Some(Duration::from_secs(300)));
    assert_eq!(request.login_hint.as_deref(), Some("alice"));
    assert_eq!(request.prompt, Prompt::Login);
    assert!(request.wants_consent);
}

#[test]
fn the_prompts_that_are_known() {
    let clients = clients();
    for (prompt, expected) in [
        ("", (Prompt::IfNeeded, false)),
        ("consent", (Prompt::IfNeeded, true)),
        ("login", (Prompt::Login, false)),
        ("consent  select_account", (Prompt::Login, true)),
        ("none", (Prompt::None, false)),
        ("create", (Prompt::IfNeeded, false)),
    ] {
        let request = request(&[("prompt", prompt)]);
        let request = AuthorizationRequest::parse(&request, &clients).unwrap();
        assert_eq!((request.prompt, request.wants_consent), expected, "{prompt}");
    }
    assert_eq!(error_code(&[("prompt", "none consent")]), "invalid_request");
}

#[test]
fn languages_are_a_wish() {
    let clients = clients();
    let locales = |value: &str| {
        let request = request(&[("ui_locales", value)]);
        AuthorizationRequest::parse(&request, &clients)
            .unwrap()
            .ui_locales
    };
    assert_eq!(locales("ko-KR  en <x> a_b -"), ["ko-KR", "en"]);
    assert_eq!(locales(&"de ".repeat(100)).len(), 8);
    assert!(locales("").is_empty());
}

#[test]
fn claims_are_no_way_around_the_registration() {
    let clients = clients();
    let claims = r#"{"userinfo": {"name": null, "email": null}}"#;
    let of = |client: &str| {
        let request = request(&[("client_id", client), ("claims", claims), ("scope", "openid")]);
        AuthorizationRequest::parse(&request, &clients).unwrap()
    };
    assert_eq!(of("old").claims.asked.to_string(), "userinfo.email");
    assert_eq!(of("old").asked().scope.to_string(), "email openid");
    assert_eq!(of("old").scope.to_string(), "openid");
    assert_eq!(of("bff").asked().scope.to_string(), "email openid profile");
    assert_eq!(error_code(&[("claims", "{")]), "invalid_request");
}

#[test]
fn a_client_that_may_go_without_pkce_goes_all_the_way_or_not_at_all() {
    let clients = clients();
    let without = [
        ("client_id", "old"),
        ("code_challenge", ""),
        ("code_challenge_method", ""),
    ];
    let parsed = AuthorizationRequest::parse(&request(&without), &clients).unwrap();
    assert_eq!(parsed.challenge, None);
    let parsed = AuthorizationRequest::parse(&request(&without[..1]), &clients).unwrap();
    assert_eq!(parsed.challenge.unwrap().as_str(), CHALLENGE);
    for changes in [
        [("code_challenge", ""), ("code_challenge_method", "S256")],
        [("code_challenge", CHALLENGE), ("code_challenge_method", "")],
        [("code_challenge", CHALLENGE), ("code_challenge_method", "plain")],
        [("code_challenge", "short"), ("code_challenge_method", "S256")],
    ] {
        let changes = [&changes[..], &without[..1]].concat();
        assert_eq!(error_code(&changes), "invalid_request", "{changes:?}");
    }
}

#[test]
fn without_a_trusted_address_the_person_is_told() {
    let unknown_client = Refusal::ToThePerson(PersonalRefusal::UnknownClient);
    let unknown_uri = Refusal::ToThePerson(PersonalRefusal::UnknownRedirectUri);
    assert_eq!(refusal(&[("client_id", "nobody")]), unknown_client);
    assert_eq!(refusal(&[("client_id", "")]), unknown_client);
    assert_eq!(
        refusal(&[("client_id", "bff"), ("client_id", "bff")]),
        unknown_client
    );
    assert_eq!(refusal(&[("redirect_uri", "")]), unknown_uri);
    assert_eq!(
        refusal(&[("redirect_uri", "https://evil.example/cb")]),
        unknown_uri
    );
    let twice = [
        ("redirect_uri", "https://app.example/cb"),
        ("redirect_uri", "https://evil.example/"),
    ];
    assert_eq!(refusal(&twice), unknown_uri);
}

#[test]
fn every_client_needs_pkce_with_s256() {
    for client in ["bff", "app"] {
        let code = |changes: &[(&str, &str)]| error_code(&[changes, &[("client_id", client)]].concat());
        assert_eq!(
            code(&[("code_challenge", ""), ("code_challenge_method", "")]),
            "invalid_request"
        );
        assert_eq!(code(&[("code_challenge_method", "plain")]), "invalid_request");
        assert_eq!(code(&[("code_challenge_method", "")]), "invalid_request");
        assert_eq!(code(&[("code_challenge", "too-short")]), "invalid_request");
    }
}

#[test]
fn only_the_code_flow_is_there() {
    for response_type in ["token", "id_token", "code token", "code id_token", "none"] {
        assert_eq!(
            error_code(&[("response_type", response_type)]),
            "unsupported_response_type"
        );
    }
    assert_eq!(error_code(&[("response_type", "")]), "invalid_request");
    assert_eq!(error_code(&[("response_mode", "fragment")]), "invalid_request");
    assert_eq!(error_code(&[("client_id", "service")]), "unauthorized_client");
}

#[test]
fn what_is_not_supported_is_not_ignored() {
    assert_eq!(error_code(&[("request", "eyJ")]), "request_not_supported");
    assert_eq!(
        error_code(&[("request_uri", "https://app.example/r")]),
        "request_uri_not_supported"
    );
    assert_eq!(
        error_code(&[("registration", "{}")]),
        "registration_not_supported"
    );
}

#[test]
fn scopes_beyond_the_registration_are_left_out() {
    let clients = clients();
    let parsed = request(&[("scope", "openid admin email")]);
    let parsed = AuthorizationRequest::parse(&parsed, &clients).unwrap();
    assert_eq!(parsed.scope.to_string(), "email openid");
    assert_eq!(error_code(&[("scope", "admin")]), "invalid_scope");
    assert_eq!(error_code(&[("scope", "")]), "invalid_scope");
    assert_eq!(error_code(&[("scope", "open\"id")]), "invalid_scope");
}

#[test]
fn resources_have_to_be_those_of_the_client_and_to_know_a_scope() {
    let clients = clients();
    let notes = ("resource", "https://notes.example");
    let issuer = ("resource", "https://op.example");
    let named = |changes: &[(&str, &str)]| {
        AuthorizationRequest::parse(&request(changes), &clients)
            .unwrap()
            .resources
            .to_string()
    };
    assert_eq!(named(&[]), "");
    assert_eq!(
        named(&[issuer, notes, issuer]),
        "https://op.example https://notes.example"
    );
    assert_eq!(
        error_code(&[notes, ("resource", "https://x.example")]),
        "invalid_target"
    );
    assert_eq!(
        error_code(&[("resource", "https://notes.example x")]),
        "invalid_target"
    );
    assert_eq!(error_code(&[issuer, ("scope", "notes:read")]), "invalid_target");
    assert_eq!(named(&[notes, ("scope", "openid")]), "https://notes.example");
}

#[test]
fn repeated_and_malformed_parameters_are_refused() {
    assert_eq!(
        error_code(&[("scope", "openid"), ("scope", "openid")]),
        "invalid_request"
    );
    assert_eq!(error_code(&[("x", "1"), ("x", "2")]), "invalid_request");
    assert_eq!(error_code(&[("prompt", "none login")]), "invalid_request");
    for max_age in ["-1", "+1", "soon", "1.5"] {
        assert_eq!(
            error_code(&[("max_age", max_age)]),
            "invalid_request",
            "{max_age}"
        );
    }
    assert_eq!(error_code(&[("nonce", &"n".repeat(3000))]), "invalid_request");
    assert_eq!(error_code(&[("nonce", "n\0")]), "invalid_request");
}

#[test]
fn a_repeated_state_is_not_sent_back() {
    match refusal(&[("state", "a"), ("state", "b")]) {
        Refusal::ToTheClient(address, _) => assert_eq!(address.state, None),
        Refusal::ToThePerson(refusal) => panic!("not told to the client: {refusal:?}"),
    }
}
