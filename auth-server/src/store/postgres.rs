//! Opening a PostgreSQL database and bringing its tables up to date, while other processes may be about to do the same.

use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AnyConnection, ConnectOptions as _, Connection as _, Row as _};

use super::db::{Pool, in_time};
use super::writable::has_failed_within;
use super::{ACQUIRE_TIMEOUT, StoreError, schema};
use crate::config::PostgresConfig;

/// What every connection is told: what the database's own settings may be is not relied on. Who waits for a lock, or
/// holds one and is gone, gives up after a while.
const SETTINGS: &str = "SET default_transaction_isolation = 'read committed';
     SET lock_timeout = '5s';
     SET statement_timeout = '15s';
     SET idle_in_transaction_session_timeout = '15s'";

/// How long a start waits for another process that brings the tables up to date, which may be large.
const MIGRATION_SETTINGS: &str = "SET lock_timeout = '60s'; SET statement_timeout = 0";

/// A number of our own for the lock that migrations are made under.
const MIGRATION_LOCK: i64 = 0x6175_7468_2d64_6200;

/// A connection that was not used for so long is looked at before it is trusted: the server may have been restarted, or
/// have become a standby that takes no writes. So is one that was used before the last failure of any.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// Brings the tables up to date and opens some connections.
pub(super) async fn open(config: &PostgresConfig) -> Result<Pool, StoreError> {
    let url = config.url_with_password();
    migrate(&PgConnectOptions::from_url(&url)?).await?;
    sqlx::any::install_default_drivers();
    let pool = AnyPoolOptions::new()
        .max_connections(config.connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .after_connect(|connection, _| {
            Box::pin(async move {
                sqlx::raw_sql(SETTINGS).execute(connection).await?;
                Ok(())
            })
        })
        .before_acquire(|connection, was| {
            let is_trusted = was.idle_for < TRUSTED_FOR && !has_failed_within(was.idle_for);
            Box::pin(async move { Ok(is_trusted || takes_writes(connection).await?) })
        })
        // A connection whose other end is silent would never come back, nor make room for another.
        .after_release(|connection, _| {
            Box::pin(async move { in_time(connection.ping()).await.map(|()| true) })
        });
    Ok(pool.connect_with(AnyConnectOptions::from_url(&url)?).await?)
}

async fn migrate(options: &PgConnectOptions) -> Result<(), StoreError> {
    let mut connection = in_time(options.connect()).await?;
    sqlx::raw_sql(MIGRATION_SETTINGS).execute(&mut connection).await?;
    let mut transaction = connection.begin().await?;
    // Of the transaction and not of the session, so that it works through a pooler that shares sessions.
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(MIGRATION_LOCK)
        .execute(&mut *transaction)
        .await?;
    schema::bring_up_to_date(&mut *transaction, &schema::of_postgres()).await?;
    transaction.commit().await?;
    connection.close().await?;
    Ok(())
}

async fn takes_writes(connection: &mut AnyConnection) -> Result<bool, sqlx::Error> {
    let question = sqlx::raw_sql("SHOW transaction_read_only");
    let row = in_time(question.fetch_one(connection)).await?;
    Ok(row.try_get::<String, _>(0)? == "off")
}

#[cfg(test)]
pub(super) mod tests;
