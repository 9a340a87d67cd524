//! What only SQLite has: a file, one writer, and versions from before there was anything else.

use std::convert::Infallible;
use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use resource_server::time::{Clock, ManualClock};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use sqlx::{ConnectOptions as _, Connection as _, Row as _};

use super::super::tests::{at, challenge, family, new_code, rotate, store_at};
use super::super::*;
use super::options;
use crate::config::StorageConfig;
use crate::grant::code::{Code, CodeClaim};
use crate::grant::refresh_token::{FamilyId, RefreshToken};
use crate::secret::Digest;
use crate::user::UserName;

/// A file that is not there yet.
pub(in crate::store) fn fresh() -> (StorageConfig, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (StorageConfig::file(folder.path().join("db.sqlite3")), folder)
}

async fn store() -> (Store, tempfile::TempDir) {
    let (config, folder) = fresh();
    (store_at(&config).await, folder)
}

async fn open_at_once(path: &Path) {
    let opened = join_all((0..8).map(|_| {
        tokio::spawn({
            let path = path.to_owned();
            async move { Store::open(&StorageConfig::file(&path)).await }
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
    let mut older = options(&path).connect().await.unwrap();
    schema::of_sqlite().run_to(1, &mut older).await.unwrap();
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
    let shared: Arc<dyn Clock> = Arc::new(clock.clone());
    let mut rotated = pin!(store.rotate(&rotation, &shared));
    assert!(rotated.as_mut().now_or_never().is_none());
    // The task that waits for the writer begins to.
    tokio::task::yield_now().await;
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
    assert!(matches!(
        Store::open(&StorageConfig::file(&nothing)).await,
        Err(StoreError::Query(_))
    ));
}

#[tokio::test]
async fn the_file_is_private_and_opens_again() {
    let (store, folder) = store().await;
    store.check_writable().await.unwrap();
    store.close().await;
    let path = folder.path().join("db.sqlite3");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
    let again = Store::open(&StorageConfig::file(&path)).await.unwrap();
    assert!(
        again
            .user_by_name(&UserName::parse("Alice").unwrap())
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn sweeping_reads_indexes_and_no_whole_table() {
    let (store, _folder) = store().await;
    for over in sweep::SWEPT {
        let statement = over.statement(Backend::Sqlite);
        let explained = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
        let plan = sqlx::query(explained)
            .bind(0)
            .bind(1)
            .fetch_all(&store.reader)
            .await
            .unwrap();
        let steps: Vec<String> = plan.iter().map(|row| row.get("detail")).collect();
        assert!(
            steps.iter().any(|step| step.contains("USING COVERING INDEX")),
            "{statement}: {steps:?}"
        );
        assert!(
            !steps.iter().any(|step| step.starts_with("SCAN")),
            "{statement}: {steps:?}"
        );
    }
}

#[tokio::test]
async fn refreshes_read_no_whole_table_however_many_there_are() {
    let (store, _folder) = store().await;
    for statement in [
        rotation::reading(Backend::Sqlite, 8),
        rotation::advancing(Backend::Sqlite, 8),
    ] {
        let plan = sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}")))
            .fetch_all(&store.writer)
            .await
            .unwrap();
        let steps: Vec<String> = plan.iter().map(|row| row.get("detail")).collect();
        assert!(
            steps.iter().any(|step| step.starts_with("SEARCH family")),
            "{steps:?}"
        );
        for scanned in ["family", "user", "client"] {
            let scan = format!("SCAN {scanned}");
            assert!(!steps.contains(&scan), "{steps:?}");
        }
    }
}

/// # Panics
/// When a statement with four parameters reads a whole table.
async fn assert_scans_nothing(store: &Store, statement: &str) {
    let plan = sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}")))
        .bind("")
        .bind(0)
        .bind(1)
        .bind("x")
        .fetch_all(&store.reader)
        .await
        .unwrap();
    let steps: Vec<String> = plan.iter().map(|row| row.get("detail")).collect();
    assert!(
        !steps.iter().any(|step| step.starts_with("SCAN")),
        "{statement}: {steps:?}"
    );
}

#[tokio::test]
async fn sessions_are_found_by_indexes() {
    let (store, _folder) = store().await;
    for whose in [Whose::Everybody, Whose::User("u"), Whose::Sid("s")] {
        assert_scans_nothing(&store, &live::next_sids(whose)).await;
    }
}

#[tokio::test]
async fn sessions_of_an_older_file_are_found_by_their_user() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db.sqlite3");
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true);
    let older = SqlitePool::connect_with(options).await.unwrap();
    schema::of_sqlite().run_to(2, &older).await.unwrap();
    let state = r#"{"signed_in":"{\"user_id\":\"u\",\"sid\":\"s\",\"auth_time\":7}"}"#;
    for (key, sid, state) in [("a", Some("s"), state), ("b", None, "{}")] {
        sqlx::query("INSERT INTO sign_in_session VALUES ($1, $2, $3, 100, 100)")
            .bind(key.as_bytes())
            .bind(sid)
            .bind(state)
            .execute(&older)
            .await
            .unwrap();
    }
    older.close().await;

    let store = Store::open(&StorageConfig::file(&path)).await.unwrap();
    let found = store
        .live_sessions(Whose::User("u"), "", 9, at(50))
        .await
        .unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].sid.as_str(), found[0].auth_time), ("s", at(7)));

    // A node of the version before goes on beside this one.
    let by_older = "INSERT INTO sign_in_session (key_digest, sid, state, idle_ends, absolute_ends) VALUES ($1, $2, $3, 100, 100)";
    for (key, sid, state) in [("c", Some("later"), state), ("d", None, "{}")] {
        sqlx::query(by_older)
            .bind(key.as_bytes())
            .bind(sid)
            .bind(state)
            .execute(&store.writer)
            .await
            .unwrap();
    }
    let changed = state.replace("\\\"u\\\"", "\\\"v\\\"");
    assert_ne!(changed, state);
    sqlx::query("UPDATE sign_in_session SET sid = 'other', state = $1 WHERE sid = 's'")
        .bind(&changed)
        .execute(&store.writer)
        .await
        .unwrap();
    for (user, sid) in [("u", "later"), ("v", "other")] {
        let found = store
            .live_sessions(Whose::User(user), "", 9, at(50))
            .await
            .unwrap();
        let sids: Vec<&str> = found.iter().map(|session| session.sid.as_str()).collect();
        assert_eq!(sids, [sid], "{user}");
    }
}

#[tokio::test]
async fn the_outbox_is_read_by_indexes() {
    let (store, _folder) = store().await;
    for whose in [Whose::Everybody, Whose::User("u"), Whose::Sid("s")] {
        assert_scans_nothing(&store, &live::next_sids_to_end(whose)).await;
    }
}

#[tokio::test]
async fn a_file_with_grants_is_taken_over_and_their_places_and_ends_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db.sqlite3");
    let mut older = options(&path).connect().await.unwrap();
    schema::of_sqlite().run_to(81, &mut older).await.unwrap();
    let live = FamilyId::generate();
    sqlx::raw_sql("INSERT INTO user (id, name, password_hash, created_at) VALUES ('u', 'alice', 'x', 0)")
        .execute(&mut older)
        .await
        .unwrap();
    for (id, ended_at) in [(live, None), (FamilyId::generate(), Some(20))] {
        sqlx::query(
            "INSERT INTO family (id, handle, client_id, user_id, sid, scope, auth_time, generation, idle_ends,
                absolute_ends, ended_at, resources, claims)
             VALUES ($1, $2, 'bff', 'u', 's', 'openid', 0, 1, 20, 100, $3, '', '')",
        )
        .bind(id.as_bytes())
        .bind(id.handle().as_slice())
        .bind(ended_at)
        .execute(&mut older)
        .await
        .unwrap();
    }
    older.close().await.unwrap();

    let store = Store::open(&StorageConfig::file(&path)).await.unwrap();
    assert_eq!(store.family(live).await.unwrap().unwrap().status_index, None);
    let mut ended = Vec::new();
    let told = store.ended_grants(0, at(0), |grant| ended.push(grant.index));
    told.await.unwrap();
    assert!(ended.is_empty(), "no token names what had ended");
    let index = store.status_index(live).await.unwrap();
    // As a node of the version before does it.
    sqlx::query("UPDATE family SET ended_at = 50, idle_ends = 15 WHERE ended_at IS NULL")
        .execute(&store.writer)
        .await
        .unwrap();
    let told = store.ended_grants(0, at(0), |grant| ended.push(grant.index));
    told.await.unwrap();
    assert_eq!(ended, [index.unwrap()]);
}

#[tokio::test]
async fn places_and_ends_are_found_by_indexes() {
    let (store, _folder) = store().await;
    let ends = "SELECT status_index, idle_ends FROM family
        WHERE end_number >= $3 AND status_index IS NOT NULL AND idle_ends > $2";
    let highest = "SELECT max(status_index) FROM family";
    for statement in [ends, highest] {
        let plan = sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}")));
        let plan = plan
            .bind(0)
            .bind(0)
            .bind(0)
            .fetch_all(&store.reader)
            .await
            .unwrap();
        let steps: Vec<String> = plan.iter().map(|row| row.get("detail")).collect();
        assert!(steps.iter().all(|step| step.starts_with("SEARCH")), "{steps:?}");
    }
    let drawn = format!("EXPLAIN QUERY PLAN {}", status::free_place(1));
    let plan = sqlx::query(sqlx::AssertSqlSafe(drawn)).bind(1).bind(1).bind(0);
    let plan = plan.fetch_all(&store.reader).await.unwrap();
    let steps: Vec<String> = plan.iter().map(|row| row.get("detail")).collect();
    let of_family: Vec<_> = steps.iter().filter(|step| step.contains(" family")).collect();
    assert_eq!(of_family.len(), 2, "{steps:?}");
    assert!(
        of_family.iter().all(|step| step.starts_with("SEARCH")),
        "{steps:?}"
    );
}
