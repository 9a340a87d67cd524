//! Ends and deletes what may be very many rows, some at a time: no statement runs into the time limit of the database, and
//! nobody waits for more than a few of them. All of it can be done again by whoever was interrupted.

use resource_server::time::UnixTime;
use sqlx::AssertSqlSafe;

use super::db::{Query, hold_sid};
use super::family::end_rows;
use super::{Store, StoreError};
use crate::grant::family::EndReason;

/// Rows changed by one statement.
pub(super) const BATCH: i64 = 500;

/// What is stored by the id of a client beside its grants, and the keys of that. What is noted of sign-ins comes before the
/// outbox, to which it may move.
const OF_CLIENT: [(&str, &str); 4] = [
    ("consent", "user_id, client_id, resources, scope"),
    ("session_client", "sid, client_id"),
    ("logout_outbox", "sid, client_id"),
    ("pushed_request", "digest"),
];

/// Those of them in which somebody may be busy with a row that stays. (Who is busy with a consent deletes it.)
const BY_SIGN_IN: [&str; 2] = ["session_client", "logout_outbox"];

/// Whose grants are meant.
#[derive(Debug, Clone, Copy)]
enum Grants<'g> {
    OfClient(&'g str),
    OfSid(&'g str),
}

impl<'g> Grants<'g> {
    fn column_and_value(self) -> (&'static str, &'g str) {
        match self {
            Self::OfClient(id) => ("client_id", id),
            Self::OfSid(sid) => ("sid", sid),
        }
    }
}

impl Store {
    /// Ends the grants of a client that may begin none any more; gives how many. Codes end before families, since one that
    /// is exchanged at this moment becomes a family.
    pub(super) async fn end_grants_of_client(
        &self,
        client_id: &str,
        reason: EndReason,
        now: UnixTime,
    ) -> Result<u64, StoreError> {
        let mut ended = self.end_most(Grants::OfClient(client_id), reason, now).await?;
        // What somebody was busy with, each in its turn.
        let mut after = String::new();
        loop {
            let sids: Vec<String> = sqlx::query_scalar(
                "SELECT sid FROM authorization_code WHERE client_id = $1 AND sid > $2 AND used_at IS NULL
                 UNION SELECT sid FROM family WHERE client_id = $1 AND sid > $2 AND ended_at IS NULL
                 ORDER BY sid LIMIT $3",
            )
            .bind(client_id)
            .bind(&after)
            .bind(BATCH)
            .fetch_all(&self.reader)
            .await?;
            for sid in &sids {
                let mut transaction = self.begin().await?;
                hold_sid(&mut transaction, sid).await?;
                let rows = end_rows(&mut transaction, sid, Some(client_id), reason, now).await?;
                transaction.commit().await?;
                ended += rows.families;
            }
            match sids.into_iter().next_back() {
                Some(last) => after = last,
                None => return Ok(ended),
            }
        }
    }

    /// Ends most grants of a sign-in that has very many: who then ends it in one step has little left to do.
    pub(super) async fn end_most_of_sid(
        &self,
        sid: &str,
        reason: EndReason,
        now: UnixTime,
    ) -> Result<(), StoreError> {
        let some: i64 = sqlx::query_scalar(
            "SELECT (SELECT count(*) FROM (SELECT 1 FROM family WHERE sid = $1 AND ended_at IS NULL LIMIT $2) AS f)
                + (SELECT count(*) FROM (SELECT 1 FROM authorization_code WHERE sid = $1 AND used_at IS NULL LIMIT $2) AS c)",
        )
        .bind(sid)
        .bind(BATCH)
        .fetch_one(&self.reader)
        .await?;
        if some >= BATCH {
            self.end_most(Grants::OfSid(sid), reason, now).await?;
        }
        Ok(())
    }

    /// Ends what nobody is busy with, and gives how many families that were. It waits for no row, so it needs no turn.
    /// The order is that of the indexes: without one PostgreSQL reads the table, and each time more of what has ended.
    async fn end_most(
        &self,
        grants: Grants<'_>,
        reason: EndReason,
        now: UnixTime,
    ) -> Result<u64, StoreError> {
        let (column, value) = grants.column_and_value();
        let skip_locked = self.backend.skip_locked();
        let codes = format!(
            "WITH few AS (SELECT digest FROM authorization_code
                WHERE {column} = $2 AND used_at IS NULL ORDER BY sid LIMIT {BATCH}{skip_locked})
             UPDATE authorization_code SET used_at = $1 WHERE digest IN (SELECT digest FROM few)"
        );
        let families = format!(
            "WITH few AS (SELECT id FROM family WHERE {column} = $2 AND ended_at IS NULL ORDER BY sid LIMIT {BATCH}{skip_locked})
             UPDATE family SET ended_at = $1, end_reason = $3,
                idle_ends = CASE WHEN idle_ends < $1 THEN idle_ends ELSE $1 END
             WHERE id IN (SELECT id FROM few)"
        );
        self.in_batches(&codes, |query| query.bind(now.as_secs()).bind(value))
            .await?;
        self.in_batches(&families, |query| {
            query.bind(now.as_secs()).bind(value).bind(reason.as_str())
        })
        .await
    }

    /// Deletes what another client of the same id should not find.
    pub(super) async fn forget_client(&self, client_id: &str) -> Result<(), StoreError> {
        for (table, key) in OF_CLIENT {
            let skip_locked = self.backend.skip_locked();
            let statement = format!(
                "WITH few AS (SELECT {key} FROM {table} WHERE client_id = $1 LIMIT {BATCH}{skip_locked})
                 DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM few)"
            );
            self.in_batches(&statement, |query| query.bind(client_id)).await?;
        }
        for table in BY_SIGN_IN {
            let left = format!("SELECT sid FROM {table} WHERE client_id = $1");
            let left: Vec<String> = sqlx::query_scalar(AssertSqlSafe(left))
                .bind(client_id)
                .fetch_all(&self.reader)
                .await?;
            let delete = format!("DELETE FROM {table} WHERE client_id = $1 AND sid = $2");
            for sid in left {
                sqlx::query(AssertSqlSafe(delete.as_str()))
                    .bind(client_id)
                    .bind(sid)
                    .execute(&self.writer)
                    .await?;
            }
        }
        Ok(())
    }

    /// Carries a statement out until it finds less than it could take; gives how many rows it changed.
    async fn in_batches<'v>(
        &self,
        statement: &str,
        bind: impl Fn(Query<'v>) -> Query<'v>,
    ) -> Result<u64, StoreError> {
        let mut changed = 0;
        loop {
            let batch = bind(sqlx::query(AssertSqlSafe(statement)))
                .execute(&self.writer)
                .await?
                .rows_affected();
            changed += batch;
            if batch < BATCH.unsigned_abs() {
                return Ok(changed);
            }
        }
    }
}
