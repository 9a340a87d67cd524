use super::*;
use crate::client::{AssertionKeys, ClientSecret, KeySource, Secrets};

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

fn secret(text: &str, ends: Option<UnixTime>) -> ClientSecret {
    ClientSecret {
        digest: Digest::of(text.as_bytes()),
        ends,
    }
}

fn with_secrets(id: &str, way: Option<SecretWay>, known: Vec<ClientSecret>) -> Client {
    Client {
        kind: Kind::Confidential(Credentials::Secrets(Secrets { way, known })),
        ..Client::for_tests(id)
    }
}

fn clients() -> Clients {
    let keys = AssertionKeys {
        algorithms: Vec::new(),
        source: KeySource::Published("https://keys.example/".parse().unwrap()),
    };
    Clients::new(vec![
        with_secrets("a:b%", None, vec![secret("s:3%+", None)]),
        with_secrets("basic", Some(SecretWay::Basic), vec![secret("s", None)]),
        with_secrets("post", Some(SecretWay::Post), vec![secret("s", None)]),
        with_secrets(
            "rotating",
            None,
            vec![
                secret("old", Some(NOW)),
                secret("fading", Some(UnixTime::from_secs(NOW.as_secs() + 1))),
                secret("new", None),
            ],
        ),
        with_secrets("without", None, Vec::new()),
        Client {
            kind: Kind::Confidential(Credentials::Keys(keys)),
            ..Client::for_tests("signer")
        },
        Client {
            kind: Kind::Public,
            ..Client::for_tests("app")
        },
    ])
}

fn basic(credentials: &str) -> Vec<u8> {
    format!("Basic {}", STANDARD.encode(credentials)).into_bytes()
}

fn try_it(header: Option<&[u8]>, form: &str) -> Result<String, ClientAuthenticationError> {
    let clients = clients();
    let presented = Presented::read(header, &Params::parse(form.as_bytes()))?;
    presented.judge(&clients, NOW).map(|judged| match judged {
        Judged::Proven(client) => client.id.clone(),
        Judged::Asserted(asserted) => format!("{} if {}", asserted.client.id, asserted.assertion),
    })
}

#[test]
fn basic_parts_are_form_urlencoded() {
    assert_eq!(
        try_it(Some(&basic("a%3Ab%25:s%3A3%25%2B")), ""),
        Ok("a:b%".to_owned())
    );
    assert_eq!(
        try_it(Some(&basic("a%3Ab%25:wrong")), ""),
        Err(ClientAuthenticationError::Refused)
    );
}

#[test]
fn the_form_may_carry_the_secret() {
    let form = "client_id=a%3Ab%25&client_secret=s%3A3%25%2B";
    assert_eq!(try_it(None, form), Ok("a:b%".to_owned()));
    let two = try_it(Some(&basic("a%3Ab%25:s%3A3%25%2B")), form);
    assert!(matches!(two, Err(ClientAuthenticationError::Malformed(_))));
}

#[test]
fn unknown_wrong_and_missing_are_one_answer() {
    for form in [
        "",
        "client_id=nobody&client_secret=x",
        "client_id=nobody",
        "client_id=a%3Ab%25",
        "client_id=without&client_secret=x",
        "client_id=signer&client_secret=x",
        "client_id=signer",
    ] {
        assert_eq!(
            try_it(None, form),
            Err(ClientAuthenticationError::Refused),
            "{form}"
        );
    }
    for header in [
        &b"Basic"[..],
        b"Basic !!!",
        b"Bearer x",
        b"\xff\xff",
        b"Basic Zm9v",
    ] {
        assert_eq!(try_it(Some(header), ""), Err(ClientAuthenticationError::Refused));
    }
}

#[test]
fn a_public_client_has_a_name_and_no_secret() {
    assert_eq!(try_it(None, "client_id=app"), Ok("app".to_owned()));
    assert_eq!(try_it(None, "client_id=app&client_secret="), Ok("app".to_owned()));
    assert_eq!(
        try_it(None, "client_id=app&client_secret=x"),
        Err(ClientAuthenticationError::Refused)
    );
    assert_eq!(
        try_it(Some(&basic("app:")), ""),
        Err(ClientAuthenticationError::Refused)
    );
}

#[test]
fn a_registered_way_is_the_only_one() {
    assert_eq!(try_it(Some(&basic("basic:s")), ""), Ok("basic".to_owned()));
    assert_eq!(
        try_it(None, "client_id=post&client_secret=s"),
        Ok("post".to_owned())
    );
    assert_eq!(
        try_it(None, "client_id=basic&client_secret=s"),
        Err(ClientAuthenticationError::Refused)
    );
    assert_eq!(
        try_it(Some(&basic("post:s")), ""),
        Err(ClientAuthenticationError::Refused)
    );
}

#[test]
fn secrets_overlap_until_their_end() {
    for (secret, counts) in [("old", false), ("fading", true), ("new", true), ("", false)] {
        let judged = try_it(Some(&basic(&format!("rotating:{secret}"))), "");
        assert_eq!(judged.is_ok(), counts, "{secret}");
    }
}

#[test]
fn an_assertion_stands_in_no_debug_output() {
    let form = format!("client_id=signer&client_assertion=unused&client_assertion_type={JWT_BEARER}");
    let presented = Presented::read(None, &Params::parse(form.as_bytes())).unwrap();
    let clients = clients();
    let judged = presented.judge(&clients, NOW).unwrap();
    for shown in [format!("{judged:?}"), format!("{presented:?}")] {
        assert!(shown.contains("signer") && !shown.contains("unused"), "{shown}");
    }
}

#[test]
fn an_assertion_is_for_clients_with_keys_and_comes_alone() {
    let kind = format!("client_assertion_type={JWT_BEARER}");
    let of_signer = format!("x.{}.y", crate::secret::base64url(br#"{"sub":"signer"}"#));
    assert_eq!(
        try_it(None, &format!("client_assertion={of_signer}&{kind}")),
        Ok(format!("signer if {of_signer}"))
    );
    assert_eq!(
        try_it(None, &format!("client_id=signer&client_assertion=j&{kind}")),
        Ok("signer if j".to_owned())
    );
    for refused in [
        format!("client_assertion=j&{kind}"),
        format!("client_id=nobody&client_assertion=j&{kind}"),
        format!("client_id=app&client_assertion=j&{kind}"),
        format!("client_id=basic&client_assertion=j&{kind}"),
        format!("client_id=signer&client_assertion=j&{kind}x"),
    ] {
        assert_eq!(
            try_it(None, &refused),
            Err(ClientAuthenticationError::Refused),
            "{refused}"
        );
    }
    for malformed in [
        format!("client_id=signer&client_assertion=j&{kind}&client_secret=s"),
        "client_id=signer&client_assertion=j".to_owned(),
        format!("client_id=signer&{kind}"),
    ] {
        let refused = try_it(None, &malformed);
        assert!(
            matches!(refused, Err(ClientAuthenticationError::Malformed(_))),
            "{malformed}"
        );
    }
    let two = try_it(
        Some(&basic("basic:s")),
        &format!("client_id=signer&client_assertion=j&{kind}"),
    );
    assert!(matches!(two, Err(ClientAuthenticationError::Malformed(_))));
}
