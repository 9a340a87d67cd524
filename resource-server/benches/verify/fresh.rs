//! A token that was never seen before.

use std::cell::RefCell;
use std::hint::black_box;
use std::rc::Rc;

use aws_lc_rs::signature::UnparsedPublicKey;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{DecodingKey, Validation};
use resource_server::jwks::KeySet;
use resource_server::time::{Clock as _, SystemClock};
use resource_server::verifier::Verifier;
use serde::Deserialize;

use crate::jose::Jose;
use crate::rounds::{Contender, compare, verdict};
use crate::token::{AUDIENCE, ISSUER, Issuer, jwks};

/// So many that no branch predictor learns them.
const TOKENS: usize = 200;

/// In a turn; together they take less than a millisecond.
const CHECKS: usize = 8;

/// How much longer than the bare check of the signature all of it may take.
const MOST: f64 = 1.1;

/// What an application that calls `jsonwebtoken` itself asks for.
#[derive(Deserialize)]
#[expect(
    dead_code,
    reason = "they are read from the token and that is what is measured"
)]
struct PlainClaims {
    iss: String,
    sub: String,
    aud: String,
    client_id: String,
    scope: String,
    iat: i64,
    exp: i64,
    jti: String,
}

pub(crate) fn measure(issuer: &Issuer, turns: usize) {
    let tokens = issuer.tokens(TOKENS);
    let set = jwks(&[issuer.jwk()]);
    let jose = Jose::start(&set, &tokens);
    let contenders = contenders(issuer, &tokens, jose);
    let bytes = tokens[0].len();
    println!("| {}, {bytes} bytes | µs | x bare check | |", issuer.algorithm());
    println!("|---|---:|---:|---|");
    for found in compare(contenders, turns, CHECKS) {
        let asked = if found.name == OURS {
            format!("≤ {MOST}: {}", verdict(found.ratio, MOST))
        } else {
            String::new()
        };
        println!(
            "| {} | {:.2} | {:.2} | {asked} |",
            found.name,
            found.nanoseconds / 1e3,
            found.ratio
        );
    }
    println!();
}

const OURS: &str = "`Verifier`";

fn contenders<'c>(issuer: &Issuer, tokens: &'c [String], jose: Jose) -> Vec<Contender<'c>> {
    let cut = |token: &'c String| {
        let (signed, signature) = token.rsplit_once('.').unwrap();
        (signed.as_bytes(), URL_SAFE_NO_PAD.decode(signature).unwrap())
    };
    let parts: Vec<_> = tokens.iter().map(cut).collect();
    let parsed = issuer.parsed();
    let unparsed = UnparsedPublicKey::new(parsed.algorithm(), parsed.as_ref().to_vec());
    let parts_again = parts.clone();
    let bare = move |n: usize| {
        let (signed, signature) = &parts[n % TOKENS];
        parsed
            .verify_sig(black_box(signed), black_box(signature))
            .unwrap();
    };
    let bare_unparsed = move |n: usize| {
        let (signed, signature) = &parts_again[n % TOKENS];
        unparsed.verify(black_box(signed), black_box(signature)).unwrap();
    };

    let keys = KeySet::parse(jwks(&[issuer.jwk()]).to_string().as_bytes()).unwrap();
    let verifier = Verifier::access_token(ISSUER, AUDIENCE).build().unwrap();
    let now = SystemClock.now();
    let ours = move |n: usize| {
        black_box(
            verifier
                .verify(black_box(&tokens[n % TOKENS]), &keys, now)
                .unwrap(),
        );
    };

    let jwk = serde_json::from_value(issuer.jwk()).unwrap();
    let key = DecodingKey::from_jwk(&jwk).unwrap();
    let mut validation = Validation::new(issuer.algorithm().parse().unwrap());
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    let plain = move |n: usize| {
        let token = black_box(&tokens[n % TOKENS]);
        black_box(jsonwebtoken::decode::<PlainClaims>(token, &key, &validation).unwrap());
    };

    let jose = Rc::new(RefCell::new(jose));
    let same = jose.clone();
    vec![
        Contender::new("bare check, key read once", bare),
        Contender::new("bare check, key read each time", bare_unparsed),
        Contender::new(OURS, ours),
        Contender::new("`jsonwebtoken::decode`", plain),
        Contender {
            name: "npm `jose`, one after the other".to_owned(),
            run: Box::new(move |checks| jose.borrow_mut().run(checks.len()).clock),
        },
        Contender {
            name: "npm `jose`, processor time".to_owned(),
            run: Box::new(move |checks| same.borrow_mut().run(checks.len()).cpu),
        },
    ]
}
