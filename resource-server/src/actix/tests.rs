mod guards;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App, HttpResponse, web};
use async_trait::async_trait;

use super::refusal::Challenger;
use super::{AccessToken, Protection, Reason};
use crate::error::{FetchKeysError, TokenError};
use crate::key_cache::{FetchKeys, KeyCache};
use crate::test_support::{NOW, TestKey, good_claims, jwks, verifier};
use crate::time::ManualClock;

/// Answers with one document after the other, and then with the last again and again.
#[derive(Debug)]
struct Documents(Vec<Vec<u8>>, AtomicUsize);

#[async_trait]
impl FetchKeys for Documents {
    async fn fetch(&self) -> Result<Vec<u8>, FetchKeysError> {
        let asked = self.1.fetch_add(1, Ordering::SeqCst);
        Ok(self.0[asked.min(self.0.len() - 1)].clone())
    }
}

fn protection(documents: Vec<Vec<u8>>, clock: &ManualClock) -> Protection {
    let source = Arc::new(Documents(documents, AtomicUsize::new(0)));
    Protection::new(
        verifier(),
        KeyCache::new(source, Arc::new(clock.clone())),
        "notes",
    )
    .unwrap()
}

async fn admit(protection: &Protection, token: &str) -> Result<AccessToken, Reason> {
    protection
        .admit(token)
        .await
        .map_err(|refusal| refusal.reason().clone())
}

#[tokio::test]
async fn a_token_that_is_sent_again_means_the_same() {
    let key = TestKey::es256("k1");
    let protection = protection(vec![jwks(&[key.jwk()])], &ManualClock::new(NOW));
    let token = key.access_token(&good_claims());
    for _ in 0..3 {
        let admitted = admit(&protection, &token).await.unwrap();
        assert_eq!(admitted.claims().subject(), "alice");
        assert!(admitted.require("notes:read").is_ok());
        let refusal = admitted.require("notes:delete").unwrap_err();
        assert_eq!(
            *refusal.reason(),
            Reason::InsufficientScope("notes:delete".to_owned())
        );
    }
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    let forged = format!("{signed}.{first}{}", &signature[1..]);
    let verdict = admit(&protection, &forged).await.map(drop);
    assert_eq!(verdict, Err(Reason::InvalidToken(TokenError::Signature)));
}

#[tokio::test]
async fn a_token_that_was_seen_before_expires_all_the_same() {
    let key = TestKey::es256("k1");
    let clock = ManualClock::new(NOW);
    let protection = protection(vec![jwks(&[key.jwk()])], &clock);
    let token = key.access_token(&good_claims());
    for _ in 0..3 {
        admit(&protection, &token).await.unwrap();
    }
    clock.advance(Duration::from_secs(304));
    admit(&protection, &token).await.unwrap();
    clock.advance(Duration::from_secs(1));
    let verdict = admit(&protection, &token).await.map(drop);
    assert_eq!(verdict, Err(Reason::InvalidToken(TokenError::Expired)));
}

// RS-28
#[tokio::test]
async fn a_token_that_was_seen_before_ends_with_its_key() {
    let (old, new) = (TestKey::es256("k1"), TestKey::es256("k2"));
    let clock = ManualClock::new(NOW);
    let protection = protection(vec![jwks(&[old.jwk()]), jwks(&[new.jwk()])], &clock);
    let (old, new) = (old.access_token(&good_claims()), new.access_token(&good_claims()));
    for _ in 0..3 {
        admit(&protection, &old).await.unwrap();
    }
    clock.advance(Duration::from_secs(10));
    admit(&protection, &new).await.unwrap();
    let verdict = admit(&protection, &old).await.map(drop);
    assert_eq!(verdict, Err(Reason::InvalidToken(TokenError::UnknownKey)));
    admit(&protection, &new).await.unwrap();
}

#[tokio::test]
async fn a_token_that_was_seen_before_still_has_the_keys_renewed() {
    let key = TestKey::es256("k1");
    let clock = ManualClock::new(NOW);
    let protection = protection(
        vec![jwks(&[key.jwk()]), jwks(&[TestKey::es256("k2").jwk()])],
        &clock,
    );
    let mut claims = good_claims();
    claims["exp"] = (NOW.as_secs() + 10_000).into();
    let token = key.access_token(&claims);
    for _ in 0..3 {
        admit(&protection, &token).await.unwrap();
    }
    clock.advance(Duration::from_secs(300));
    admit(&protection, &token).await.unwrap();
    // The renewal runs in the background; it brings a set without the key.
    let verdict = loop {
        tokio::task::yield_now().await;
        if let Err(reason) = admit(&protection, &token).await {
            break reason;
        }
    };
    assert_eq!(verdict, Reason::InvalidToken(TokenError::UnknownKey));
}

async fn protected(_token: AccessToken) -> HttpResponse {
    HttpResponse::Ok().finish()
}

#[actix_web::test]
async fn an_application_that_forgot_its_protection_lets_nobody_in() {
    let app = init_service(App::new().route("/", web::get().to(protected))).await;
    let request = TestRequest::get()
        .insert_header(("Authorization", "Bearer a.b.c"))
        .to_request();
    assert_eq!(
        call_service(&app, request).await.status(),
        StatusCode::INTERNAL_SERVER_ERROR
    );
}

#[test]
fn a_refusal_is_a_sentence_without_secrets() {
    let refusal = Challenger::new("notes", None).refuse(Reason::InvalidToken(TokenError::Signature));
    assert_eq!(refusal.to_string(), "The access token is not accepted.");
}
