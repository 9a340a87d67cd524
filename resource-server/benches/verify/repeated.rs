//! A token that was seen before.

use std::hint::black_box;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::test::TestRequest;
use actix_web::{FromRequest as _, HttpRequest, web};
use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use futures_util::FutureExt as _;
use resource_server::actix::{AccessToken, Protection};
use resource_server::key_cache::{FetchKeys, FetchKeysError, KeyCache};
use resource_server::time::SystemClock;
use resource_server::verifier::Verifier;

use crate::rounds::{Contender, compare, verdict};
use crate::token::{AUDIENCE, ISSUER, Issuer, jwks};

/// Nanoseconds that a request with such a token may cost.
const MOST: f64 = 1_500.0;

/// In a turn; together they take less than a millisecond.
const CHECKS: usize = 200;

/// How many clients come by in turns.
const CROWDS: [usize; 3] = [1, 100, 4_000];

#[derive(Debug)]
struct Held(Vec<u8>);

#[async_trait]
impl FetchKeys for Held {
    async fn fetch(&self) -> Result<Vec<u8>, FetchKeysError> {
        Ok(self.0.clone())
    }
}

pub(crate) fn measure(issuer: &Issuer, turns: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let keys = Held(jwks(&[issuer.jwk()]).to_string().into_bytes());
    let keys = KeyCache::new(Arc::new(keys), Arc::new(SystemClock));
    let verifier = Verifier::access_token(ISSUER, AUDIENCE).build().unwrap();
    let protection = Protection::new(verifier, keys, "notes").unwrap();
    let protection = web::Data::new(protection);
    let tokens = issuer.tokens(CROWDS[CROWDS.len() - 1]);
    let requests: Vec<HttpRequest> = tokens.iter().map(|token| request(&protection, token)).collect();
    runtime.block_on(async {
        for request in &requests {
            AccessToken::from_request(request, &mut Payload::None)
                .await
                .unwrap();
        }
    });
    let token = &tokens[0];
    let mut contenders = vec![Contender::new("SHA-256 of the token", |_| {
        black_box(digest(&SHA256, black_box(token).as_bytes()));
    })];
    for crowd in CROWDS {
        let requests = &requests[..crowd];
        contenders.push(Contender::new(&of_crowd(crowd), move |n| {
            let request = black_box(&requests[n % requests.len()]);
            let admitted = AccessToken::from_request(request, &mut Payload::None);
            black_box(admitted.now_or_never().expect("nothing is waited for").unwrap());
        }));
    }
    println!("| | ns | |");
    println!("|---|---:|---|");
    for found in compare(contenders, turns, CHECKS) {
        let asked = if found.name.contains("clients") {
            format!("≤ {MOST}: {}", verdict(found.nanoseconds, MOST))
        } else {
            String::new()
        };
        println!("| {} | {:.0} | {asked} |", found.name, found.nanoseconds);
    }
    println!();
}

fn of_crowd(clients: usize) -> String {
    format!("`AccessToken` of actix-web, {clients} clients in turns")
}

fn request(protection: &web::Data<Protection>, token: &str) -> HttpRequest {
    TestRequest::get()
        .app_data(protection.clone())
        .insert_header(("Authorization", format!("Bearer {token}")))
        .to_http_request()
}
