//! The contract of the store, which each database keeps: this file is compiled once for each.

#[path = "tests/clients.rs"]
pub(super) mod clients;
#[path = "tests/operators.rs"]
mod operators;
#[path = "tests/outbox.rs"]
mod outbox;
#[path = "tests/people.rs"]
mod people;
#[path = "tests/pushed.rs"]
mod pushed;
#[path = "tests/races.rs"]
mod races;
#[path = "tests/sessions.rs"]
mod sessions;
#[path = "tests/signing_keys.rs"]
mod signing_keys;
#[path = "tests/status.rs"]
mod status;

use std::convert::Infallible;
use std::time::Duration;

use futures_util::future::join_all;
use resource_server::time::{Clock, ManualClock, UnixTime};

use super::*;
use crate::config::SignInLifetimes;
use crate::grant::claims::AskedClaims;
use crate::grant::code::{Code, CodeClaim, NewCode, RedeemedCode};
use crate::grant::family::EndReason;
use crate::grant::pkce::{CodeChallenge, CodeVerifier};
use crate::grant::refresh_token::{FamilyId, RefreshToken};
use crate::grant::target::Named;
use crate::secret::Digest;
use crate::user::{User, UserName};

pub(super) const LIFETIMES: SignInLifetimes = SignInLifetimes {
    idle: Duration::from_secs(1000),
    absolute: Duration::from_secs(5000),
};

pub(super) fn at(seconds: i64) -> UnixTime {
    UnixTime::from_secs(seconds)
}

/// Which database this is compiled for is told by where it stands.
async fn fresh() -> (StorageConfig, Option<tempfile::TempDir>) {
    if module_path!().contains("postgres") {
        (postgres::tests::fresh().await, None)
    } else {
        let (config, folder) = sqlite::tests::fresh();
        (config, Some(folder))
    }
}

/// A store with the user "u", who is called alice.
async fn store() -> (Store, Option<tempfile::TempDir>) {
    let (config, folder) = fresh().await;
    let store = store_at(&config).await;
    (store, folder)
}

pub(super) async fn store_at(config: &StorageConfig) -> Store {
    let store = Store::open(config).await.unwrap();
    let user = User {
        id: "u".to_owned(),
        name: UserName::parse("alice").unwrap(),
        email: None,
        full_name: None,
    };
    assert_eq!(
        store.add_user(&user, "hash", at(0)).await.unwrap(),
        UserAdded::Now
    );
    assert_eq!(
        store.add_user(&user, "hash", at(0)).await.unwrap(),
        UserAdded::NameTaken
    );
    store
}

pub(super) fn challenge() -> CodeChallenge {
    CodeVerifier::parse(&"v".repeat(43)).unwrap().challenge()
}

/// A code of the session "s" that expires at 60.
pub(super) fn new_code(code: &Code) -> NewCode {
    NewCode {
        digest: code.digest(),
        client_id: "bff".to_owned(),
        redirect_uri: "https://a.example".to_owned(),
        challenge: Some(challenge()),
        user_id: "u".to_owned(),
        sid: "s".to_owned(),
        scope: "openid".to_owned(),
        resources: Named::new(["https://a.example", "https://b.example"].into_iter()),
        claims: AskedClaims::default(),
        nonce: None,
        auth_time: at(0),
        expires_at: at(60),
        pushed: None,
    }
}

/// Of the user "u", signed in at 0.
pub(super) fn session(sid: &str) -> StoredSession {
    StoredSession {
        state: "{}".to_owned(),
        owner: SessionOwner {
            sid: sid.to_owned(),
            user_id: "u".to_owned(),
            auth_time: at(0),
        },
    }
}

/// Signs in to a session at 0, in a browser that had none.
pub(super) async fn sign_in(
    store: &Store,
    key: &Digest,
    sid: &str,
    code: Option<NewCode>,
    lifetimes: SignInLifetimes,
) -> SignInStored {
    let sign_in = NewSignIn {
        key,
        session: session(sid),
        credentials: CredentialsVersion::default(),
        former: None,
        code,
    };
    store.sign_in(sign_in, lifetimes, at(0)).await.unwrap()
}

/// The same to the session "s", which has to be stored.
pub(super) async fn add_session(store: &Store, key: &Digest, lifetimes: SignInLifetimes) {
    let stored = sign_in(store, key, "s", None, lifetimes).await;
    assert_eq!(stored, SignInStored::Now("s".to_owned()));
}

/// Stores a code by itself.
pub(super) async fn add_code(store: &Store, code: &NewCode) {
    let mut transaction = store.begin().await.unwrap();
    assert!(code::insert_code(&mut transaction, code, at(0)).await.unwrap());
    transaction.commit().await.unwrap();
}

/// Stores a code and redeems it at 0.
pub(super) async fn family(store: &Store) -> (RefreshToken, Code) {
    let code = Code::generate();
    add_code(store, &new_code(&code)).await;
    let first = RefreshToken::generate(FamilyId::generate());
    let redeemed = redeem(store, &code, &first, 0).await;
    assert!(matches!(redeemed, Redeemed::Now(..)));
    (first, code)
}

pub(super) async fn redeem(
    store: &Store,
    code: &Code,
    first: &RefreshToken,
    now: i64,
) -> Redeemed<Infallible> {
    let claim = CodeClaim {
        digest: code.digest(),
        client_id: "bff",
        redirect_uri: "https://a.example",
        challenge: Some(challenge()),
    };
    let compose = |_: &_| {
        Ok(NewFamily {
            refresh_token: Some(first.digest()),
            idle_ends: at(1000),
            absolute_ends: at(2000),
            hears_until: None,
        })
    };
    store
        .redeem_code(&claim, first.family(), compose, &ManualClock::new(at(now)))
        .await
        .unwrap()
}

pub(super) fn clock_at(now: i64) -> Arc<dyn Clock> {
    Arc::new(ManualClock::new(at(now)))
}

pub(super) async fn rotate(store: &Store, presented: &RefreshToken, now: i64) -> Option<RefreshToken> {
    let next = RefreshToken::generate(presented.family());
    let rotation = Rotation {
        presented,
        next: &next,
        client_id: "bff",
        idle_ends: at(1000),
    };
    let rotated = store.rotate(&rotation, &clock_at(now)).await;
    rotated.unwrap().then_some(next)
}

#[tokio::test]
async fn of_many_rotations_of_one_token_one_happens() {
    let (store, _folder) = store().await;
    let (first, _) = family(&store).await;
    let rotated = join_all((0..50).map(|_| rotate(&store, &first, 1))).await;
    let winners: Vec<_> = rotated.into_iter().flatten().collect();
    assert_eq!(winners.len(), 1);

    let stored = store.family(first.family()).await.unwrap().unwrap();
    assert!(stored.current.unwrap().matches(&winners[0].digest()));
    assert!(stored.previous.unwrap().matches(&first.digest()));
    let successor = first.open(&stored.sealed_successor.unwrap()).unwrap();
    assert!(successor.digest().matches(&winners[0].digest()));
}

#[tokio::test]
async fn an_ended_or_expired_family_never_rotates() {
    let (store, _folder) = store().await;
    let (expired, _) = family(&store).await;
    assert!(rotate(&store, &expired, 1000).await.is_none());
    let (ended, _) = family(&store).await;
    store
        .end_family(ended.family(), EndReason::Revoked, at(1))
        .await
        .unwrap();
    assert!(rotate(&store, &ended, 1).await.is_none());
    assert!(store.family(ended.family()).await.unwrap().unwrap().has_ended);
    assert_eq!(
        store.grant_state(&ended.family().handle()).await.unwrap(),
        GrantState::Ended
    );
}

#[tokio::test]
async fn a_code_that_comes_again_ends_its_family_once() {
    let (store, _folder) = store().await;
    let (first, code) = family(&store).await;
    assert_eq!(
        store.grant_state(&first.family().handle()).await.unwrap(),
        GrantState::Live
    );
    assert!(matches!(
        redeem(&store, &code, &first, 2000).await,
        Redeemed::Replayed { .. }
    ));
    assert!(matches!(
        redeem(&store, &code, &first, 2000).await,
        Redeemed::Refused
    ));
    assert!(store.family(first.family()).await.unwrap().unwrap().has_ended);
}

#[tokio::test]
async fn attempts_are_counted_before_they_are_judged() {
    let (store, _folder) = store().await;
    let limits = AttemptLimits {
        failures: 5,
        window: Duration::from_secs(60),
    };
    let (account, address) = (Digest::of(b"account"), Digest::of(b"address"));
    let buckets = [
        (account, limits),
        (
            address,
            AttemptLimits {
                failures: 8,
                ..limits
            },
        ),
    ];
    let claims = join_all((0..20).map(|_| store.claim_attempt(&buckets, at(0)))).await;
    assert_eq!(
        claims
            .into_iter()
            .filter(|claim| *claim.as_ref().unwrap())
            .count(),
        5
    );

    // A refused claim takes nothing from the other bucket: three are left there.
    let others = [(Digest::of(b"other"), limits), buckets[1]];
    for expected in [true, true, true, false] {
        assert_eq!(store.claim_attempt(&others, at(59)).await.unwrap(), expected);
    }
    assert!(!store.has_room(&others, at(59)).await.unwrap());
    store.forgive_attempt(&[account], &[address]).await.unwrap();
    assert!(store.has_room(&buckets, at(59)).await.unwrap());
    assert!(store.claim_attempt(&buckets, at(59)).await.unwrap());
    assert!(
        !store.claim_attempt(&buckets, at(59)).await.unwrap(),
        "the address is full again"
    );
    assert!(!store.has_room(&buckets, at(59)).await.unwrap());
    assert!(store.has_room(&buckets, at(60)).await.unwrap());
    assert!(
        store.claim_attempt(&buckets, at(60)).await.unwrap(),
        "the window is over"
    );
}

#[tokio::test]
async fn sweeping_leaves_what_may_still_be_asked_for() {
    let (store, _folder) = store().await;
    let day = 24 * 3600;
    let (first, code) = family(&store).await;
    add_session(&store, &Digest::of(b"key"), LIFETIMES).await;
    let limits = AttemptLimits {
        failures: 5,
        window: Duration::from_secs(60),
    };
    store
        .claim_attempt(&[(Digest::of(b"a"), limits)], at(0))
        .await
        .unwrap();

    assert_eq!(store.sweep(at(59)).await.unwrap(), 0);
    assert_eq!(store.sweep(at(60)).await.unwrap(), 1, "the attempts");
    assert_eq!(store.sweep(at(1000)).await.unwrap(), 1, "the session");
    assert!(matches!(
        redeem(&store, &code, &first, 1000).await,
        Redeemed::Replayed { .. }
    ));
    assert_eq!(store.sweep(at(60 + day)).await.unwrap(), 1, "the code");
    assert_eq!(store.sweep(at(1000 + day)).await.unwrap(), 1, "the family");
    assert!(store.family(first.family()).await.unwrap().is_none());
}

#[tokio::test]
async fn ended_families_are_not_kept_until_they_would_have_expired() {
    let (store, _folder) = store().await;
    let day = 24 * 3600;
    let (revoked, _) = family(&store).await;
    store
        .end_family(revoked.family(), EndReason::Revoked, at(10))
        .await
        .unwrap();
    let (replayed, code) = family(&store).await;
    assert!(matches!(
        redeem(&store, &code, &replayed, 20).await,
        Redeemed::Replayed { .. }
    ));
    let (signed_out, _) = family(&store).await;
    store.end_sign_in("s", at(30)).await.unwrap();
    let (live, _) = family(&store).await;

    for (ended, at_least) in [(&revoked, 10), (&replayed, 20), (&signed_out, 30)] {
        assert_eq!(store.sweep(at(at_least + day - 1)).await.unwrap(), 0);
        assert_eq!(store.sweep(at(at_least + day)).await.unwrap(), 1);
        assert!(store.family(ended.family()).await.unwrap().is_none());
        let state = store.grant_state(&ended.family().handle()).await.unwrap();
        assert_eq!(state, GrantState::Ended, "what was swept stays ended");
    }
    assert!(store.family(live.family()).await.unwrap().is_some());
}

#[tokio::test]
async fn an_idle_time_longer_than_the_absolute_one_ends_with_it() {
    let (store, _folder) = store().await;
    let key = Digest::of(b"key");
    let lifetimes = SignInLifetimes {
        idle: Duration::from_secs(900),
        absolute: Duration::from_secs(500),
    };
    add_session(&store, &key, lifetimes).await;
    assert!(
        store
            .use_session(&key, lifetimes, at(499))
            .await
            .unwrap()
            .is_some()
    );
    assert!(
        store
            .use_session(&key, lifetimes, at(500))
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(store.sweep(at(500)).await.unwrap(), 1);

    let (first, _) = family(&store).await;
    let next = RefreshToken::generate(first.family());
    let rotation = Rotation {
        presented: &first,
        next: &next,
        client_id: "bff",
        idle_ends: at(9_000),
    };
    assert!(store.rotate(&rotation, &clock_at(1)).await.unwrap());
    let stored = store.family(first.family()).await.unwrap().unwrap();
    assert_eq!(stored.idle_ends, at(2_000));
}
