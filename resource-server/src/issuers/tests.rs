use std::sync::Arc;
use std::time::Duration;

use super::{InvalidIssuers, Issuers, NotAccepted, claimed_issuer};
use crate::algorithm::Algorithm;
use crate::claims::Claims;
use crate::error::{FetchKeysError, TokenError, VerifyError};
use crate::key_cache::{FetchKeys, KeyCache};
use crate::test_log::TestLog;
use crate::test_support::{AUDIENCE, ISSUER, NOW, TestIssuer, TestKey, encode, good_claims};
use crate::time::ManualClock;
use crate::verifier::Verifier;

const OTHER: &str = "https://other.example";
const OTHER_AUDIENCE: &str = "notes";

/// Two issuers, and an API that takes the tokens of both.
struct Scene {
    clock: ManualClock,
    one: TestIssuer,
    other: TestIssuer,
    issuers: Issuers,
}

impl Scene {
    fn new() -> Self {
        let clock = ManualClock::new(NOW);
        let one = TestIssuer::with_clock(ISSUER, Arc::new(clock.clone()));
        let other = TestIssuer::with_clock(OTHER, Arc::new(clock.clone()));
        let issuers = Issuers::several([
            (one.verifier(AUDIENCE).build().unwrap(), one.keys()),
            (other.verifier(OTHER_AUDIENCE).build().unwrap(), other.keys()),
        ]);
        Self {
            clock,
            one,
            other,
            issuers: issuers.unwrap(),
        }
    }

    async fn verify(&self, token: &str) -> Result<Claims, TokenError> {
        self.issuers.verify(token).await.map_err(|error| match error {
            NotAccepted::Verify(VerifyError::Token(error)) => error,
            NotAccepted::Verify(VerifyError::UnknownKeyForNow) => TokenError::UnknownKey,
            unavailable => panic!("{unavailable}"),
        })
    }

    /// How often each issuer was asked for its keys.
    fn fetched(&self) -> (usize, usize) {
        (self.one.fetched(), self.other.fetched())
    }
}

#[tokio::test]
async fn each_issuer_is_asked_about_its_own_tokens_only() {
    let scene = Scene::new();
    let of_one = scene.one.mint(AUDIENCE).token();
    assert_eq!(scene.verify(&of_one).await.unwrap().issuer(), ISSUER);
    assert_eq!(scene.fetched(), (1, 0));
    let of_other = scene.other.mint(OTHER_AUDIENCE).token();
    assert_eq!(scene.verify(&of_other).await.unwrap().issuer(), OTHER);
    assert_eq!(scene.fetched(), (1, 1));
}

#[tokio::test]
async fn the_log_tells_whose_keys_cannot_be_had() {
    let (log, _guard) = TestLog::begin();
    let scene = Scene::new();
    scene.other.set_up(false);
    let token = scene.other.mint(OTHER_AUDIENCE).token();
    scene.issuers.verify(&token).await.unwrap_err();
    scene.verify(&scene.one.mint(AUDIENCE).token()).await.unwrap();
    let told = log.text();
    let mut warnings = told.lines().filter(|line| line.contains("no new keys"));
    assert!(warnings.next().is_some_and(|line| line.contains(OTHER)), "{told}");
    assert_eq!(warnings.next(), None);
}

#[tokio::test]
async fn a_stranger_is_refused_without_a_fetch() {
    let scene = Scene::new();
    for name in [
        "https://stranger.example",
        "https://issuer.example/",
        "HTTPS://ISSUER.EXAMPLE",
        "",
    ] {
        let token = TestIssuer::new(name).mint(AUDIENCE).token();
        assert_eq!(
            scene.verify(&token).await.unwrap_err(),
            TokenError::Issuer,
            "{name}"
        );
    }
    assert_eq!(scene.fetched(), (0, 0));
    // Old keys are not renewed for a stranger's sake either.
    scene.verify(&scene.one.mint(AUDIENCE).token()).await.unwrap();
    scene.clock.advance(Duration::from_secs(3600));
    let token = TestIssuer::new("https://stranger.example").mint(AUDIENCE).token();
    assert_eq!(scene.verify(&token).await.unwrap_err(), TokenError::Issuer);
    tokio::task::yield_now().await;
    assert_eq!(scene.fetched(), (1, 0));
}

#[tokio::test]
async fn a_key_of_one_never_vouches_for_a_token_of_another() {
    let scene = Scene::new();
    // Both use the same `kid`, as issuers do that call their first key "1".
    for (signer, name, audience) in [
        (&scene.other, ISSUER, AUDIENCE),
        (&scene.one, OTHER, OTHER_AUDIENCE),
    ] {
        let token = signer.mint(audience).claim("iss", name).token();
        assert_eq!(scene.verify(&token).await.unwrap_err(), TokenError::Signature);
    }
    let key = TestKey::es256("key-of-nobody");
    let unknown = key.access_token(&good_claims());
    assert_eq!(scene.verify(&unknown).await.unwrap_err(), TokenError::UnknownKey);
}

#[tokio::test]
async fn each_issuer_has_its_own_audience_and_algorithms() {
    let scene = Scene::new();
    for (issuer, audience) in [(&scene.one, OTHER_AUDIENCE), (&scene.other, AUDIENCE)] {
        let token = issuer.mint(audience).token();
        assert_eq!(scene.verify(&token).await.unwrap_err(), TokenError::Audience);
    }
    let only_rsa = scene.one.verifier(AUDIENCE).algorithms(&[Algorithm::Rs256]);
    let issuers = Issuers::several([
        (only_rsa.build().unwrap(), scene.one.keys()),
        (
            scene.other.verifier(AUDIENCE).build().unwrap(),
            scene.other.keys(),
        ),
    ]);
    let issuers = issuers.unwrap();
    let verdict = issuers.verify(&scene.one.mint(AUDIENCE).token()).await;
    assert!(matches!(
        verdict,
        Err(NotAccepted::Verify(VerifyError::Token(TokenError::Algorithm)))
    ));
    issuers.verify(&scene.other.mint(AUDIENCE).token()).await.unwrap();
}

#[tokio::test]
async fn the_memory_keeps_the_tokens_of_issuers_apart() {
    let scene = Scene::new();
    let of_one = scene
        .one
        .mint(AUDIENCE)
        .expires_in(Duration::from_secs(3600))
        .token();
    let of_other = scene
        .other
        .mint(OTHER_AUDIENCE)
        .expires_in(Duration::from_secs(3600))
        .token();
    for _ in 0..3 {
        scene.verify(&of_one).await.unwrap();
        scene.verify(&of_other).await.unwrap();
    }
    // One of them changes its keys; the other's tokens have nothing to do with that.
    scene.one.rotate_keys();
    scene.one.withdraw_old_keys();
    scene.clock.advance(Duration::from_secs(10));
    scene.verify(&scene.one.mint(AUDIENCE).token()).await.unwrap();
    assert_eq!(scene.verify(&of_one).await.unwrap_err(), TokenError::UnknownKey);
    scene.verify(&of_other).await.unwrap();
    assert_eq!(scene.other.fetched(), 1);
}

#[tokio::test]
async fn the_outage_of_one_is_not_that_of_another() {
    let scene = Scene::new();
    scene.one.set_up(false);
    let verdict = scene.issuers.verify(&scene.one.mint(AUDIENCE).token()).await;
    assert!(
        matches!(verdict, Err(NotAccepted::Verify(VerifyError::KeysUnavailable(_)))),
        "{verdict:?}"
    );
    scene
        .verify(&scene.other.mint(OTHER_AUDIENCE).token())
        .await
        .unwrap();
    assert!(scene.issuers.ready().await.is_ok());

    scene.other.set_up(false);
    scene.clock.advance(Duration::from_secs(24 * 3600));
    assert!(scene.issuers.ready().await.is_err());
}

/// An issuer that does not answer.
#[derive(Debug)]
struct Hanging;

#[async_trait::async_trait]
impl FetchKeys for Hanging {
    async fn fetch(&self) -> Result<Vec<u8>, FetchKeysError> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn who_does_not_answer_holds_up_no_readiness() {
    let one = TestIssuer::with_clock(ISSUER, Arc::new(ManualClock::new(NOW)));
    let hanging = || KeyCache::new(Arc::new(Hanging), Arc::new(ManualClock::new(NOW)));
    let other = || Verifier::access_token(OTHER, AUDIENCE).build().unwrap();
    // Whichever of them is asked first.
    for hanging_first in [true, false] {
        let entry = || (one.verifier(AUDIENCE).build().unwrap(), one.keys());
        let issuers = if hanging_first {
            Issuers::several([(other(), hanging()), entry()])
        } else {
            Issuers::several([entry(), (other(), hanging())])
        };
        let issuers = issuers.unwrap();
        issuers.ready().await.unwrap();
        issuers.ready().await.unwrap();
        let mut usable: Vec<_> = issuers.keys().filter(|keys| keys.are_usable).collect();
        assert_eq!(usable.pop().map(|keys| keys.issuer), Some(ISSUER));
        assert!(usable.is_empty());
    }
}

#[tokio::test]
async fn a_token_that_names_no_issuer_is_refused_in_the_words_of_the_verifier() {
    let scene = Scene::new();
    let mint = || scene.one.mint(AUDIENCE);
    let twice = [r#"{"alg":"ES256"}"#, r#"{"iss":"a","iss":"b"}"#].map(|part| encode(part.as_bytes()));
    for (token, expected) in [
        (mint().without("iss").token(), TokenError::MissingClaim("iss")),
        (mint().claim("iss", 7).token(), TokenError::MalformedClaim("iss")),
        (
            format!("{}.{}.c2ln", twice[0], twice[1]),
            TokenError::DuplicateMember,
        ),
        (String::new(), TokenError::Structure),
        ("a.b.c".to_owned(), TokenError::Structure),
        (format!("{}.W10.c2ln", twice[0]), TokenError::Payload),
        ("a".repeat(17_000), TokenError::TooLarge),
    ] {
        assert_eq!(scene.verify(&token).await.unwrap_err(), expected, "{token}");
    }
    assert_eq!(scene.fetched(), (0, 0));
}

#[test]
fn an_issuer_is_read_however_its_name_is_written() {
    let token = |claims: &str| format!("e30.{}.c2ln", encode(claims.as_bytes()));
    for claims in [
        r#"{"iss":"https://issuer.example"}"#,
        r#"{"a":{"iss":"https://other.example"},"iss":"https:\/\/issuer.example"}"#,
        r#"{"i\u0073s":"https://issuer\u002eexample"}"#,
    ] {
        assert_eq!(claimed_issuer(&token(claims)).as_deref(), Ok(ISSUER), "{claims}");
    }
}

#[test]
fn a_list_of_nobody_or_of_one_twice_is_a_fault() {
    assert_eq!(Issuers::several([]).unwrap_err(), InvalidIssuers::None);
    let one = TestIssuer::new(ISSUER);
    let entry = |audience| (one.verifier(audience).build().unwrap(), one.keys());
    let twice = Issuers::several([entry("a"), entry("b")]).unwrap_err();
    assert_eq!(twice, InvalidIssuers::Twice(ISSUER.to_owned()));
    assert_eq!(
        twice.to_string(),
        "the issuer \"https://issuer.example\" is there twice"
    );
}

#[test]
fn an_api_takes_access_tokens_only() {
    let issuer = TestIssuer::new(ISSUER);
    for verifier in [
        Verifier::id_token(ISSUER, AUDIENCE),
        Verifier::logout_token(ISSUER, AUDIENCE),
        Verifier::client_assertion(ISSUER, AUDIENCE),
    ] {
        let verifier = verifier.build().unwrap();
        let refused = Issuers::one(verifier, issuer.keys()).unwrap_err();
        assert_eq!(refused, InvalidIssuers::NotOfAccessTokens(ISSUER.to_owned()));
    }
}

#[tokio::test]
async fn the_status_lists_of_each_issuer_speak_of_its_own_tokens() {
    let mut scene = Scene::new();
    scene.issuers = scene.issuers.with_status_lists(scene.one.status_lists()).unwrap();
    let of_one = |grant| scene.one.mint(AUDIENCE).grant(grant).token();
    // The other's lists are not asked, whatever its tokens say.
    let of_other = scene.other.mint(OTHER_AUDIENCE).grant(7).token();
    let (seventh, eighth) = (of_one(7), of_one(8));
    for token in [&seventh, &eighth, &of_other] {
        scene.verify(token).await.unwrap();
    }

    scene.one.end_grant(7);
    scene.other.end_grant(7);
    scene.clock.advance(Duration::from_secs(6));
    assert_eq!(scene.verify(&seventh).await.unwrap_err(), TokenError::GrantEnded);
    assert_eq!(
        scene.verify(&of_one(7)).await.unwrap_err(),
        TokenError::GrantEnded
    );
    scene.verify(&eighth).await.unwrap();
    scene.verify(&of_other).await.unwrap();

    let stranger = TestIssuer::new("https://stranger.example").status_lists();
    let refused = scene.issuers.with_status_lists(stranger).unwrap_err();
    assert_eq!(
        refused,
        InvalidIssuers::Stranger("https://stranger.example".to_owned())
    );
}
