//! Tokens that nobody issued, or that were changed: at `/userinfo`, at `/introspect`, and as hints.

use std::net::TcpListener;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::harness::{OldKeys, Server, Tokens, authorization, peek, signing_input};

/// Whether an ID token is taken for one of ours.
async fn is_believed_as_hint(server: &Server, id_token: &str) -> bool {
    let request = authorization().with("id_token_hint", id_token);
    let answer = server.get(&request.with("prompt", "none").path()).await;
    answer.returned("error").as_deref() == Some("login_required")
}

/// Sends both, each where it would be of use.
async fn assert_refused(
    server: &Server,
    forge: &dyn Fn(&Value, &Value) -> String,
    tokens: &Tokens,
    why: &str,
) {
    let forged = |genuine: &str| {
        let (header, claims) = peek(genuine);
        forge(&header, &claims)
    };
    let answer = server.user_info(&forged(&tokens.access_token)).await;
    assert_eq!(answer.status, 401, "{why}: {}", answer.body);
    assert!(
        answer.header("www-authenticate").contains("invalid_token"),
        "{why}"
    );
    assert!(
        !is_believed_as_hint(server, &forged(&tokens.id_token)).await,
        "{why}"
    );
}

fn with(header: &Value, changes: &Value) -> Value {
    let mut header = header.as_object().unwrap().clone();
    for (name, value) in changes.as_object().unwrap() {
        header.insert(name.clone(), value.clone());
    }
    Value::Object(header)
}

#[tokio::test]
async fn unsigned_tokens_and_those_under_a_public_key_as_secret_are_refused() {
    let server = Server::start().await;
    let tokens = server.tokens().await;
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let unsigned = |header: &Value, claims: &Value| {
            signing_input(&with(header, &json!({ "alg": alg })), claims) + "."
        };
        assert_refused(&server, &unsigned, &tokens, alg).await;
    }
    let document = server.get("/jwks").await;
    let jwk = document.json()["keys"][0].clone();
    let bytes = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
    let point = [vec![4], bytes("x"), bytes("y")].concat();
    for secret in [
        point.clone(),
        point[1..].to_vec(),
        document.body.clone().into_bytes(),
        jwk.to_string().into_bytes(),
        jwk["x"].as_str().unwrap().as_bytes().to_vec(),
        Vec::new(),
    ] {
        let under_secret = |header: &Value, claims: &Value| {
            let signed = signing_input(&with(header, &json!({ "alg": "HS256" })), claims);
            let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
            let tag = hmac::sign(&key, signed.as_bytes());
            format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()))
        };
        assert_refused(&server, &under_secret, &tokens, "HS256").await;
    }
}

#[tokio::test]
async fn a_token_does_not_choose_the_key_that_it_is_judged_by() {
    let server = Server::start().await;
    let tokens = server.tokens().await;
    let attacker = OldKeys::generate();
    let (x, y) = attacker.coordinates();
    let jwk =
        json!({ "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "evil", "x": x, "y": y });
    let trap = TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let address = format!("http://{}/jwks", trap.local_addr().unwrap());
    for changes in [
        json!({}),
        json!({ "kid": "evil" }),
        json!({ "jwk": jwk }),
        json!({ "kid": "evil", "jwk": jwk }),
        json!({ "kid": null, "jwk": jwk }),
        json!({ "kid": "evil", "jku": address }),
        json!({ "kid": "evil", "x5u": address }),
        json!({ "x5c": [x] }),
        json!({ "kid": "../../../dev/null" }),
        json!({ "kid": "' UNION SELECT sealed FROM signing_key --" }),
        json!({ "kid": ["evil"] }),
        json!({ "alg": "RS256" }),
        json!({ "alg": "EdDSA" }),
        json!({ "alg": "ES256K" }),
    ] {
        let signed = |header: &Value, claims: &Value| attacker.sign(&with(header, &changes), claims);
        assert_refused(&server, &signed, &tokens, &changes.to_string()).await;
    }
    assert!(trap.accept().is_err(), "nobody was asked for a key");
}

/// The signature is good here: it is all the rest that has to be looked at.
#[tokio::test]
async fn a_good_signature_is_not_enough() {
    let keys = OldKeys::generate();
    let server = Server::start_in(keys.folder(), "", "").await;
    let tokens = server.tokens().await;
    let again = |token: &str, header: &Value, claims: &Value| {
        let genuine = peek(token);
        keys.sign(&with(&genuine.0, header), &with(&genuine.1, claims))
    };
    let nothing = json!({});
    let same = again(&tokens.access_token, &nothing, &nothing);
    assert_eq!(server.user_info(&same).await.status, 200, "the test can sign");
    assert!(is_believed_as_hint(&server, &again(&tokens.id_token, &nothing, &nothing)).await);

    for header in [
        json!({ "crit": ["exp"], "exp": 1 }),
        json!({ "crit": [] }),
        json!({ "b64": false }),
        json!({ "typ": "logout+jwt" }),
        json!({ "alg": "none" }),
    ] {
        let signed = |genuine: &Value, claims: &Value| keys.sign(&with(genuine, &header), claims);
        assert_refused(&server, &signed, &tokens, &header.to_string()).await;
    }
    for claims in [
        json!({ "iss": "https://evil.example" }),
        json!({ "aud": "https://evil.example" }),
        json!({ "aud": 1 }),
        json!({ "exp": "9999999999" }),
        json!({ "iat": 9_999_999_999_i64 }),
        json!({ "nbf": 9_999_999_999_i64 }),
        json!({ "sub": null }),
    ] {
        let signed = |header: &Value, genuine: &Value| keys.sign(header, &with(genuine, &claims));
        assert_refused(&server, &signed, &tokens, &claims.to_string()).await;
    }
    // One kind of token never passes for the other, and nothing may hang on behind.
    assert_eq!(server.user_info(&tokens.id_token).await.status, 401);
    assert!(!is_believed_as_hint(&server, &tokens.access_token).await);
    for longer in [
        format!("{same}."),
        format!("{same}.e30"),
        format!("{same}="),
        format!(".{same}"),
    ] {
        assert_eq!(server.user_info(&longer).await.status, 401, "{longer}");
    }
    server.advance(306);
    assert_eq!(server.user_info(&same).await.status, 401, "its time has passed");
}
