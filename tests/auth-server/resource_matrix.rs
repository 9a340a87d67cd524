//! Every grant by every resource: wide and narrow (RFC 8707), judged by rules and not by examples.

use std::collections::BTreeSet;

use crate::harness::{Authorization, Browser, DESK, Server, authorization, exchange_form, peek};

const NOTES: &str = "https://notes.example";
const MAIL: &str = "https://mail.example";
/// An API that the client has nothing to do with.
const FILES: &str = "https://files.example";
/// Stands for the issuer, whose name is made up at the start.
const ISSUER: &str = "issuer";

const GRANTS: [&str; 5] = [
    "openid email offline_access notes:read notes:write mail:send",
    "openid notes:read",
    "openid",
    "offline_access mail:send",
    "notes:read mail:send",
];
const NAMED: [&[&str]; 5] = [&[], &[NOTES], &[MAIL], &[MAIL, NOTES], &[ISSUER]];
const ASKED: [Option<&str>; 5] = [None, Some(NOTES), Some(MAIL), Some(ISSUER), Some(FILES)];

type Scopes<'s> = BTreeSet<&'s str>;

fn known_at(api: &str) -> Scopes<'static> {
    match api {
        NOTES => ["notes:read", "notes:write"].into(),
        MAIL => ["mail:send"].into(),
        ISSUER => ["openid", "profile", "email"].into(),
        _ => Scopes::new(),
    }
}

/// What comes of one wish: the audiences and scopes of a token, or an error.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Token(BTreeSet<String>, BTreeSet<String>),
    Error(&'static str),
}

/// A token is for one API, which has to be among those that were named, and carries what was granted and is known there.
/// That a token without a wish is for `/userinfo` beside the API, and that `openid` is the key to that, is what OIDC adds.
fn expected(granted: &str, named: &[&str], asked: Option<&str>) -> Outcome {
    let granted: Scopes<'_> = granted.split(' ').collect();
    let is_openid = granted.contains("openid");
    let api = asked.unwrap_or_else(|| named.first().copied().unwrap_or(NOTES));
    let is_reachable = match api {
        ISSUER => is_openid,
        NOTES | MAIL => named.is_empty() || named.contains(&api),
        _ => false,
    };
    if !is_reachable {
        return Outcome::Error("invalid_target");
    }
    let mut scopes: Scopes<'_> = granted.intersection(&known_at(api)).copied().collect();
    if asked.is_none() && api != ISSUER {
        if scopes.is_empty() && granted.is_disjoint(&["openid", "email", "offline_access"].into()) {
            return Outcome::Error("invalid_scope");
        }
        scopes.extend(granted.intersection(&["openid", "email", "offline_access"].into()));
    } else if scopes.is_empty() {
        return Outcome::Error("invalid_scope");
    }
    let mut audience = BTreeSet::from([api.to_owned()]);
    if asked.is_none() && is_openid {
        audience.insert(ISSUER.to_owned());
    }
    Outcome::Token(audience, scopes.into_iter().map(str::to_owned).collect())
}

async fn found(server: &Server, code: &str, asked: Option<&str>) -> Outcome {
    let mut form = exchange_form(code).to_vec();
    let asked = asked.map(|name| name.replace(ISSUER, &server.issuer));
    form.extend(asked.as_deref().map(|asked| ("resource", asked)));
    let answer = server.token(DESK, &form).await;
    if answer.status != 200 {
        let error = answer.json()["error"].as_str().unwrap().to_owned();
        assert_eq!(answer.status, 400);
        let known = ["invalid_target", "invalid_scope"]
            .into_iter()
            .find(|known| *known == error);
        return Outcome::Error(known.unwrap_or_else(|| panic!("{}", answer.body)));
    }
    let token = answer.tokens().access_token;
    let claims = peek(&token).1;
    let audience = match &claims["aud"] {
        serde_json::Value::Array(several) => several.iter().map(|one| one.as_str().unwrap()).collect(),
        one => vec![one.as_str().unwrap()],
    };
    let opens_user_info = server.user_info(&token).await.status == 200;
    assert_eq!(opens_user_info, audience.contains(&server.issuer.as_str()));
    let scope = claims["scope"].as_str().unwrap();
    Outcome::Token(
        audience
            .iter()
            .map(|one| one.replace(&server.issuer, ISSUER))
            .collect(),
        scope.split(' ').map(str::to_owned).collect(),
    )
}

fn request(server: &Server, granted: &str, named: &[&str]) -> Authorization {
    let request = authorization()
        .with("client_id", "desk")
        .with("scope", granted)
        .with("prompt", "none");
    named.iter().fold(request, |request, name| {
        request.also("resource", &name.replace(ISSUER, &server.issuer))
    })
}

#[tokio::test]
async fn at_2_every_token_carries_what_was_granted_for_its_resource_and_no_more() {
    let server = Server::start_with_apis().await;
    let mut browser = Browser::new(&server);
    browser.sign_in("alice", &authorization()).await.code();
    let (mut tokens, mut errors) = (0, 0);
    for granted in GRANTS {
        for named in NAMED {
            for asked in ASKED {
                let answer = browser.authorize(&request(&server, granted, named)).await;
                let outcome = match answer.returned("code") {
                    Some(code) => found(&server, &code, asked).await,
                    // Refused at once, where none of the APIs could be had.
                    None => match answer.returned("error").as_deref() {
                        Some("invalid_scope") => Outcome::Error("invalid_scope"),
                        Some("invalid_target") => Outcome::Error("invalid_target"),
                        error => panic!("{error:?}"),
                    },
                };
                match &outcome {
                    Outcome::Token(..) => tokens += 1,
                    Outcome::Error(_) => errors += 1,
                }
                let case = format!("{granted:?} named {named:?} asked {asked:?}");
                if answer.returned("code").is_some() {
                    assert_eq!(outcome, expected(granted, named, asked), "{case}");
                } else {
                    let is_refused = |asked| matches!(expected(granted, named, asked), Outcome::Error(_));
                    assert!(named.iter().any(|name| is_refused(Some(name))), "{case}");
                }
            }
        }
    }
    assert!(tokens > 20 && errors > 20, "{tokens} tokens, {errors} errors");
}
