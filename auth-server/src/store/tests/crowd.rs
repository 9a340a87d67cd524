//! Several at once: processes at one file, statements at one writer.

use std::pin::pin;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use resource_server::time::Clock;
use sqlx::ConnectOptions as _;

use super::*;

async fn open_at_once(path: &Path) {
    let opened = join_all((0..8).map(|_| {
        tokio::spawn({
            let path = path.to_owned();
            async move { Store::open(&path).await }
        })
    }))
    .await;
    for store in opened {
        let store = store.unwrap().unwrap();
        let nobody = UserName::parse("nobody").unwrap();
        assert!(store.user_by_name(&nobody).await.unwrap().is_none());
        store.close().await;
    }
}

#[tokio::test]
async fn any_number_may_open_a_new_file_at_once() {
    for _ in 0..10 {
        let folder = tempfile::tempdir().unwrap();
        open_at_once(&folder.path().join("db.sqlite3")).await;
    }
}

#[tokio::test]
async fn any_number_may_open_an_older_file_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db.sqlite3");
    let mut older = opening::options(&path).connect().await.unwrap();
    opening::MIGRATIONS.run_to(1, &mut older).await.unwrap();
    older.close().await.unwrap();
    open_at_once(&path).await;
}

/// What was done, in the order in which it was done.
#[derive(Debug, PartialEq, Eq)]
enum Done {
    Attempt,
    Rotation,
}

#[tokio::test]
async fn a_rotation_waits_for_one_attempt_and_not_for_a_crowd_of_them() {
    let (store, _folder) = store().await;
    let (first, _) = family(&store).await;
    let limits = AttemptLimits {
        failures: 5,
        window: Duration::from_secs(60),
    };
    let writing = store.begin().await.unwrap();
    let mut waiting = FuturesUnordered::new();
    for number in 0..50_u8 {
        let store = &store;
        let attempt = async move {
            let buckets = [(Digest::of(&[number]), limits)];
            assert!(store.claim_attempt(&buckets, at(0)).await.unwrap());
            Done::Attempt
        };
        waiting.push(attempt.boxed());
    }
    assert!(waiting.next().now_or_never().is_none(), "all stand in the queue");
    let rotation = async {
        assert!(rotate(&store, &first, 1).await.is_some());
        Done::Rotation
    };
    waiting.push(rotation.boxed());
    assert!(waiting.next().now_or_never().is_none());

    writing.rollback().await.unwrap();
    let order: Vec<Done> = waiting.collect().await;
    let place = order.iter().position(|done| *done == Done::Rotation).unwrap();
    assert!(place <= 1, "{place} attempts came first");
    assert_eq!(order.len(), 51, "and the attempts had their turn, too");
}

#[tokio::test]
async fn who_waits_for_the_writer_until_the_end_comes_too_late() {
    let (store, _folder) = store().await;
    let (token, _) = family(&store).await;
    let next = RefreshToken::generate(token.family());
    let rotation = Rotation {
        presented: &token,
        next: &next,
        client_id: "bff",
        idle_ends: at(2000),
    };
    // The token is good until 1000.
    let clock = ManualClock::new(at(999));
    let writing = store.begin().await.unwrap();
    let mut rotated = pin!(store.rotate(&rotation, &clock));
    assert!(rotated.as_mut().now_or_never().is_none());
    clock.advance(Duration::from_secs(1));
    writing.rollback().await.unwrap();
    assert!(!rotated.await.unwrap());

    // The code is good until 60.
    let code = Code::generate();
    let mut transaction = store.begin().await.unwrap();
    let _ = code::insert_code(&mut transaction, &new_code(&code), at(0))
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    let claim = CodeClaim {
        digest: code.digest(),
        client_id: "bff",
        redirect_uri: "https://a.example",
        challenge: Some(challenge()),
    };
    let clock = ManualClock::new(at(59));
    let compose = |_: &_| -> Result<_, Infallible> {
        Ok(NewFamily {
            refresh_token: None,
            idle_ends: at(1000),
            absolute_ends: at(1000),
            hears_until: None,
        })
    };
    let writing = store.begin().await.unwrap();
    let mut redeemed = pin!(store.redeem_code(&claim, FamilyId::generate(), compose, &clock));
    assert!(redeemed.as_mut().now_or_never().is_none());
    clock.advance(Duration::from_secs(1));
    assert_eq!(clock.now(), at(60));
    writing.rollback().await.unwrap();
    assert!(matches!(redeemed.await.unwrap(), Redeemed::Refused));
}

#[tokio::test]
async fn readiness_is_proved_by_a_write() {
    let (store, folder) = store().await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.path().join("db.sqlite3"));
    let mut observer = options.connect().await.unwrap();
    let version = sqlx::query_scalar::<_, i64>("PRAGMA data_version");
    let before = version.fetch_one(&mut observer).await.unwrap();
    store.check_writable().await.unwrap();
    let version = sqlx::query_scalar::<_, i64>("PRAGMA data_version");
    assert_ne!(version.fetch_one(&mut observer).await.unwrap(), before);

    let nothing = folder.path().join("missing/db.sqlite3");
    assert!(matches!(Store::open(&nothing).await, Err(StoreError::Query(_))));
}
