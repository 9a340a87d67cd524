//! What only PostgreSQL has: transactions that run side by side, and a server that may go away.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, join, join_all, select};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _};

use super::super::db::{Transaction, hold_sid};
use super::super::tests::clients::{add_client, add_many_families};
use super::super::tests::{LIFETIMES, add_session, at, family, new_code, session, sign_in, store_at};
use super::super::*;
use crate::client::Client;
use crate::client::registry::Registry;
use crate::config::{Config, Registrations, StorageConfig};
use crate::grant::code::Code;
use crate::grant::consent::Asked;
use crate::grant::target::Named;
use crate::key::Keeper;
use crate::scope::ScopeSet;
use crate::secret::Digest;

#[path = "../../../tests/support/postgres.rs"]
#[allow(dead_code, reason = "`tests/auth-server` uses more of it")]
mod server;

#[path = "tests/ends.rs"]
mod ends;

/// An empty database.
pub(in crate::store) async fn fresh() -> StorageConfig {
    at_url(&server::fresh_database().await)
}

fn at_url(url: &str) -> StorageConfig {
    let toml = format!("issuer = \"http://127.0.0.1:9000\"\nstorage.url = \"{url}\"");
    Config::parse(&toml, &|_| None).unwrap().storage
}

async fn connect(config: &StorageConfig) -> PgConnection {
    let StorageConfig::Postgres(config) = config else {
        unreachable!("a database of PostgreSQL");
    };
    let options = PgConnectOptions::from_url(&config.url_with_password()).unwrap();
    options.connect().await.unwrap()
}

#[tokio::test]
async fn any_number_may_open_a_new_or_an_older_database_at_once() {
    for older in [false, true] {
        let config = fresh().await;
        if older {
            let mut connection = connect(&config).await;
            schema::of_postgres().run_to(1, &mut connection).await.unwrap();
            connection.close().await.unwrap();
        }
        let opened = join_all((0..8).map(|_| {
            let config = config.clone();
            tokio::spawn(async move { Store::open(&config).await })
        }))
        .await;
        for store in opened {
            let store = store.unwrap().unwrap();
            store.check_writable().await.unwrap();
            store.close().await;
        }
    }
}

/// What both databases have of tables, but for the counter of ends, in whose place PostgreSQL has the number of the
/// transaction: for each its columns with type and whether they may be empty, its key, and its
/// indexes.
async fn described(store: &Store, questions: [&'static str; 2]) -> Vec<String> {
    let mut found = Vec::new();
    for question in questions {
        let rows: Vec<String> = sqlx::query_scalar(question)
            .fetch_all(&store.reader)
            .await
            .unwrap();
        found.extend(rows);
    }
    found.sort();
    found
}

#[tokio::test]
async fn both_databases_have_the_same_tables_columns_and_indexes() {
    let on_postgres = Store::open(&fresh().await).await.unwrap();
    let (config, _folder) = sqlite::tests::fresh();
    let on_sqlite = Store::open(&config).await.unwrap();
    let of_sqlite = [
        "SELECT 'column ' || t.name || '.' || c.name || ' ' || c.type
            || CASE WHEN c.\"notnull\" = 1 OR c.pk > 0 THEN ' not null' ELSE '' END
            || CASE WHEN c.pk > 0 THEN ' key ' || c.pk ELSE '' END
         FROM sqlite_schema t JOIN pragma_table_info(t.name) c
         WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' AND t.name NOT IN ('_sqlx_migrations', 'last_end')",
        "SELECT 'index ' || name || ' on ' || tbl_name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL",
    ];
    let of_postgres = [
        "SELECT 'column ' || c.table_name || '.' || c.column_name || ' '
            || CASE c.data_type WHEN 'bigint' THEN 'INTEGER' WHEN 'bytea' THEN 'BLOB' WHEN 'text' THEN 'TEXT'
                ELSE c.data_type END
            || CASE WHEN c.is_nullable = 'NO' THEN ' not null' ELSE '' END
            || coalesce(' key ' || k.ordinal_position, '')
         FROM information_schema.columns c
         LEFT JOIN information_schema.table_constraints p
            ON p.table_name = c.table_name AND p.constraint_type = 'PRIMARY KEY'
         LEFT JOIN information_schema.key_column_usage k
            ON k.constraint_name = p.constraint_name AND k.column_name = c.column_name
         WHERE c.table_schema = 'public' AND c.table_name <> '_sqlx_migrations'",
        "SELECT 'index ' || i.indexname || ' on ' || i.tablename FROM pg_indexes i
         WHERE i.schemaname = 'public' AND i.indexname NOT LIKE '%\\_key' AND i.indexname NOT LIKE '%\\_pkey'",
    ];
    let (here, there) = (
        described(&on_sqlite, of_sqlite).await,
        described(&on_postgres, of_postgres).await,
    );
    assert!(
        here.iter()
            .any(|line| line == "column user.id TEXT not null key 1")
    );
    assert!(here.iter().any(|line| line.starts_with("index family_by_sid")));
    assert_eq!(here, there);
}

/// What is held while something else is tried.
#[derive(Debug, Clone, Copy)]
enum Held {
    User,
    Sid,
    Note,
}

impl Held {
    async fn by(self, transaction: &mut Transaction) {
        match self {
            Self::User => {
                let change = "UPDATE \"user\" SET password_hash = password_hash WHERE id = 'u'";
                sqlx::query(change).execute(&mut **transaction).await.unwrap();
            }
            Self::Note => {
                let change = "UPDATE session_client SET ends_at = ends_at WHERE sid = 's'";
                sqlx::query(change).execute(&mut **transaction).await.unwrap();
            }
            Self::Sid => hold_sid(transaction, "s").await.unwrap(),
        }
    }
}

/// That something waits while a transaction holds what it needs, and goes on afterwards.
async fn assert_waits_for<T>(store: &Store, held: Held, work: impl Future<Output = T>, what: &str) -> T {
    let mut holding = store.begin().await.unwrap();
    held.by(&mut holding).await;
    let waiting = async {
        let question = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while sqlx::query_scalar::<_, i64>(question)
            .fetch_one(&store.reader)
            .await
            .unwrap()
            == 0
        {}
    };
    let mut work = pin!(work);
    let work = match select(pin!(waiting), work.as_mut()).await {
        Either::Left(((), work)) => work,
        Either::Right(_) => panic!("{what} did not wait for {held:?}"),
    };
    holding.rollback().await.unwrap();
    work.await
}

/// The races of fifty meet each of these now and then; here each is met for sure.
#[tokio::test]
async fn what_begins_or_ends_something_for_a_user_or_a_session_waits_for_its_turn() {
    let store = store_at(&fresh().await).await;
    let (user, sid) = (Held::User, Held::Sid);
    let key = Digest::of(b"key");

    let begun = sign_in(&store, &key, "s", None, LIFETIMES);
    let begun = assert_waits_for(&store, user, begun, "a sign-in").await;
    assert_eq!(begun, SignInStored::Now("s".to_owned()));
    let again = NewSignIn {
        key: &Digest::of(b"again"),
        session: session("t"),
        credentials: CredentialsVersion::default(),
        former: Some(FormerSession::OfSameUser(&key, session("s"))),
        code: None,
    };
    let again = store.sign_in(again, LIFETIMES, at(1));
    let again = assert_waits_for(&store, sid, again, "a sign-in that goes on").await;
    assert_eq!(again.unwrap(), SignInStored::Now("s".to_owned()));
    let code = new_code(&Code::generate());
    let code = store.add_code_of_session(&code, at(1));
    let code = assert_waits_for(&store, sid, code, "a code").await;
    assert_eq!(code.unwrap(), CodeAdded::Now);

    let leftovers = store.end_leftovers("s", "bff", at(1));
    assert!(
        !assert_waits_for(&store, sid, leftovers, "leftovers")
            .await
            .unwrap()
    );
    let ended = store.end_sign_in("s", at(1));
    assert_waits_for(&store, sid, ended, "a sign-out").await.unwrap();
    add_session(&store, &Digest::of(b"other"), LIFETIMES).await;
    let disable = || store.change_user("u", UserChange::Disable, at(1));
    let ended = assert_waits_for(&store, sid, disable(), "disabling, for the sessions").await;
    assert_eq!(ended.unwrap().unwrap(), ["s"]);
    let ended = assert_waits_for(&store, user, disable(), "disabling").await;
    assert!(ended.unwrap().unwrap().is_empty());
}

#[tokio::test]
async fn what_waits_for_one_user_leaves_connections_for_the_others() {
    let store = store_at(&fresh().await).await;
    add_session(&store, &Digest::of(b"key"), LIFETIMES).await;
    let mut holding = store.begin().await.unwrap();
    hold_sid(&mut holding, "s").await.unwrap();
    let asked = Asked::of(&Client::for_tests("bff"), &ScopeSet::default(), &Named::default());
    let codes: Vec<_> = (0..60).map(|_| new_code(&Code::generate())).collect();
    let issued = codes.iter().enumerate().map(|(n, code)| {
        let (store, asked) = (&store, &asked);
        async move {
            match n % 2 {
                0 => store.allow(code, asked, at(1)).await,
                _ => store.add_code_of_session(code, at(1)).await,
            }
        }
    });
    let ended = (0..60).map(|_| store.end_leftovers("s", "bff", at(1)));
    let mut flood = pin!(join(join_all(issued), join_all(ended)));
    let Either::Right((found, _)) = select(flood.as_mut(), pin!(store.user_by_id("u"))).await else {
        panic!("what is held is not to be had")
    };
    assert!(found.unwrap().is_some(), "somebody else is served meanwhile");
    holding.rollback().await.unwrap();
    let (issued, ended) = flood.await;
    assert!(issued.into_iter().all(|added| added.unwrap() == CodeAdded::Now));
    assert!(ended.into_iter().all(|held| !held.unwrap()));
}

/// The number that a question is answered with, asked again until it is this one.
async fn until(store: &Store, question: &'static str, expected: i64) {
    let ask = || sqlx::query_scalar::<_, i64>(question).fetch_one(&store.reader);
    while ask().await.unwrap() != expected {
        tokio::task::yield_now().await;
    }
}

/// Somebody is busy with one grant. Neither that nor any number of grants puts off that a client or a user is disabled, and
/// the other grants end meanwhile.
#[tokio::test]
async fn disabling_waits_for_nobody() {
    let store = store_at(&fresh().await).await;
    add_client(&store).await;
    let (busy, _) = family(&store).await;
    let many = add_many_families(&store, "s").await;
    add_many_families(&store, "t").await;
    // No statement may change more than a few rows: what holds for as many as there are holds for more.
    sqlx::raw_sql(
        "CREATE FUNCTION refuse_many() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF (SELECT count(*) FROM changed) > 500 THEN RAISE 'too many rows at once'; END IF;
            RETURN NULL;
         END $$;
         CREATE TRIGGER refuse_many AFTER UPDATE ON family REFERENCING NEW TABLE AS changed
            FOR EACH STATEMENT EXECUTE FUNCTION refuse_many()",
    )
    .execute(&store.writer)
    .await
    .unwrap();

    let mut holding = store.begin().await.unwrap();
    sqlx::query("UPDATE family SET scope = scope WHERE id = $1")
        .bind(busy.family().as_bytes())
        .execute(&mut *holding)
        .await
        .unwrap();
    let disabled = async {
        let disabled = store.change_client("bff", ClientChange::Disable, at(1));
        disabled.await.unwrap()
    };
    let is_marked = async {
        let marks = "SELECT count(*) FROM client WHERE disabled_at IS NOT NULL";
        until(&store, marks, 1).await;
        until(&store, "SELECT count(*) FROM family WHERE ended_at IS NULL", 1).await;
        holding.rollback().await.unwrap();
    };
    let (ended, ()) = tokio::join!(disabled, is_marked);
    assert_eq!(ended, Some(1 + 2 * many.unsigned_abs()));

    add_many_families(&store, "s").await;
    let mut holding = store.begin().await.unwrap();
    hold_sid(&mut holding, "s").await.unwrap();
    let disabled = async {
        let disabled = store.change_user("u", UserChange::Disable, at(2));
        disabled.await.unwrap()
    };
    let is_marked = async {
        let marks = "SELECT count(*) FROM \"user\" WHERE disabled_at IS NOT NULL";
        until(&store, marks, 1).await;
        holding.rollback().await.unwrap();
    };
    let (ended, ()) = tokio::join!(disabled, is_marked);
    assert_eq!(ended.unwrap(), ["s"]);
    until(&store, "SELECT count(*) FROM family WHERE ended_at IS NULL", 0).await;
}

#[tokio::test]
async fn removing_a_client_leaves_nothing_that_somebody_was_busy_with() {
    let store = store_at(&fresh().await).await;
    add_client(&store).await;
    let note = "INSERT INTO session_client (sid, client_id, user_id, ends_at) VALUES ('s', 'bff', 'u', 9)";
    sqlx::query(note).execute(&store.writer).await.unwrap();
    let removed = store.change_client("bff", ClientChange::Remove, at(1));
    let removed = assert_waits_for(&store, Held::Note, removed, "removing").await;
    assert_eq!(removed.unwrap(), Some(0));
    until(&store, "SELECT count(*) FROM session_client", 0).await;
}

/// Ends every other connection to the database, as a restart of the server does.
async fn end_connections(by: &mut PgConnection) {
    sqlx::query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    .execute(by)
    .await
    .unwrap();
}

#[tokio::test]
async fn each_broken_connection_fails_once_at_most() {
    let config = fresh().await;
    let store = store_at(&config).await;
    store.check_writable().await.unwrap();
    let mut operator = connect(&config).await;
    end_connections(&mut operator).await;
    let failed = join_all((0..50).map(|_| store.check_writable()))
        .await
        .into_iter()
        .filter(Result::is_err)
        .count();
    assert!(failed <= 16, "{failed}");
    store.check_writable().await.unwrap();
}

#[tokio::test]
async fn a_database_that_takes_nothing_is_no_ready_one() {
    let config = fresh().await;
    let store = store_at(&config).await;
    store.check_writable().await.unwrap();
    let mut operator = connect(&config).await;
    let name: String = sqlx::query_scalar("SELECT current_database()")
        .fetch_one(&mut operator)
        .await
        .unwrap();
    for (setting, is_ready) in [("on", false), ("off", true)] {
        let alter = format!("ALTER DATABASE {name} SET default_transaction_read_only = {setting}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(alter))
            .execute(&mut operator)
            .await
            .unwrap();
        end_connections(&mut operator).await;
        // What is noticed by the first that fails is known to all.
        let _ = store.check_writable().await;
        let told = join_all((0..20).map(|_| store.check_writable())).await;
        let last = store.check_writable().await;
        assert_eq!(last.is_ok(), is_ready, "{setting}: {told:?}");
    }
}

/// Whoever looks holds the others up: they go on with what they know, until it lets go.
#[tokio::test]
async fn looks_at_a_database_that_says_nothing_end() {
    let storage = fresh().await;
    let store = store_at(&storage).await;
    let config = Config::parse("issuer = \"http://127.0.0.1:9000\"", &|_| None).unwrap();
    let registry = Registry::open(Registrations::of(&config), &store, at(0))
        .await
        .unwrap();
    let sealing = crate::key::testing::sealing_key();
    let keeper = Keeper::new(store.clone(), sealing, config.keys.policy());
    let client = "id = \"late\"\ngrants = [\"client_credentials\"]";
    assert!(store.add_client("late", client, None, at(0)).await.unwrap());

    let mut operator = connect(&storage).await;
    let mut holding = operator.begin().await.unwrap();
    let lock = sqlx::raw_sql("LOCK TABLE client_version, signing_key IN ACCESS EXCLUSIVE MODE");
    lock.execute(&mut *holding).await.unwrap();
    // Connections that nobody looks at again before they are used.
    join(store.check_writable(), store.check_writable())
        .await
        .0
        .unwrap();
    // Time passes when nothing else happens, so that PostgreSQL's own limits are far away.
    tokio::time::pause();
    let looks = join(registry.look(&store, at(1)), keeper.keys());
    let ((), keys) = tokio::time::timeout(Duration::from_secs(60), looks)
        .await
        .unwrap();
    assert!(keys.is_err());
    assert!(registry.current().find("late").is_none());

    tokio::time::resume();
    holding.rollback().await.unwrap();
    assert!(keeper.keys().await.unwrap().is_empty());
    registry.look(&store, at(1)).await;
    assert!(registry.current().find("late").is_some());
}
