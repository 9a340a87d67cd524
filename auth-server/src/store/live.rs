//! What is signed in: by `sid`, browsers' sessions and grants together, to be listed and to be ended.

use std::collections::BTreeSet;

use resource_server::time::UnixTime;
use sqlx::Row as _;

use super::db::Connection;
use super::family::end_session_and_grants;
use super::{Store, StoreError};
use crate::grant::family::EndReason;

/// One sign-in that lives: in a browser, in grants of clients, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveSession {
    /// Names it in ID tokens and in the log.
    pub sid: String,
    /// The user's `sub`.
    pub user_id: String,
    /// When the password was typed.
    pub auth_time: UnixTime,
    /// Until when the browser stays signed in without any use; `None` when it is not, and only grants live on.
    pub browser_until: Option<UnixTime>,
    /// The clients that hold a live grant, each once, in order. With neither a browser nor a grant, a code is on its way
    /// to one.
    pub clients: Vec<String>,
    /// When the last of those grants ends without any use.
    pub grants_until: Option<UnixTime>,
}

/// Whose sessions are meant.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Whose<'w> {
    Everybody,
    User(&'w str),
    Sid(&'w str),
}

/// The next `sid`s, by the index of `sid`, or of the user if it is one's.
pub(super) fn next_sids(whose: Whose<'_>) -> String {
    let narrowed = whose.narrowed();
    format!(
        "SELECT sid FROM sign_in_session WHERE sid > $1 AND idle_ends > $2 AND {narrowed}
         UNION
         SELECT sid FROM family WHERE sid > $1 AND idle_ends > $2 AND ended_at IS NULL AND {narrowed}
         UNION
         SELECT sid FROM authorization_code WHERE sid > $1 AND expires_at > $2 AND used_at IS NULL AND {narrowed}
         ORDER BY sid LIMIT $3"
    )
}

/// The next `sid`s of what can be ended, as above, and of sign-ins that are over here but not where clients were told of
/// them.
pub(super) fn next_sids_to_end(whose: Whose<'_>) -> String {
    let narrowed = whose.narrowed();
    format!(
        "SELECT sid, coalesce(user_id, '') AS user_id FROM sign_in_session WHERE sid > $1 AND idle_ends > $2 AND {narrowed}
         UNION
         SELECT sid, user_id FROM family WHERE sid > $1 AND idle_ends > $2 AND ended_at IS NULL AND {narrowed}
         UNION
         SELECT sid, user_id FROM session_client WHERE sid > $1 AND ends_at > $2 AND {narrowed}
         ORDER BY sid LIMIT $3"
    )
}

impl<'w> Whose<'w> {
    fn narrowed(self) -> &'static str {
        match self {
            Self::Everybody => "$4 IS NULL",
            Self::User(_) => "user_id = $4",
            Self::Sid(_) => "sid = $4",
        }
    }

    fn named(self) -> Option<&'w str> {
        match self {
            Self::Everybody => None,
            Self::User(name) | Self::Sid(name) => Some(name),
        }
    }
}

/// Sign-ins of one user that end in one transaction: each of them holds its own lock.
const SIGN_INS_AT_ONCE: usize = 100;

impl Store {
    /// The next live sessions by `sid`.
    pub(crate) async fn live_sessions(
        &self,
        whose: Whose<'_>,
        after: &str,
        at_most: u32,
        now: UnixTime,
    ) -> Result<Vec<LiveSession>, StoreError> {
        let sids: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(next_sids(whose)))
            .bind(after)
            .bind(now.as_secs())
            .bind(i64::from(at_most))
            .bind(whose.named())
            .fetch_all(&self.reader)
            .await?;
        let mut sessions = Vec::with_capacity(sids.len());
        for sid in sids {
            sessions.extend(self.live_session(sid, now).await?);
        }
        Ok(sessions)
    }

    async fn live_session(&self, sid: String, now: UnixTime) -> Result<Option<LiveSession>, StoreError> {
        let rows = sqlx::query(
            "SELECT 'browser' AS held, user_id, auth_time, idle_ends, NULL AS client_id FROM sign_in_session
                WHERE sid = $1 AND idle_ends > $2
             UNION ALL
             SELECT 'grant', user_id, auth_time, idle_ends, client_id FROM family
                WHERE sid = $1 AND idle_ends > $2 AND ended_at IS NULL
             UNION ALL
             SELECT 'code', user_id, auth_time, expires_at, client_id FROM authorization_code
                WHERE sid = $1 AND expires_at > $2 AND used_at IS NULL",
        )
        .bind(&sid)
        .bind(now.as_secs())
        .fetch_all(&self.reader)
        .await?;
        let mut session: Option<LiveSession> = None;
        let mut clients = BTreeSet::<String>::new();
        for row in rows {
            let idle_ends = UnixTime::from_secs(row.try_get("idle_ends")?);
            let auth_time = UnixTime::from_secs(row.try_get("auth_time")?);
            let session = session.get_or_insert(LiveSession {
                sid: sid.clone(),
                user_id: row.try_get("user_id")?,
                auth_time,
                browser_until: None,
                clients: Vec::new(),
                grants_until: None,
            });
            // A password that was typed again leaves earlier grants with the earlier time.
            session.auth_time = session.auth_time.max(auth_time);
            let held: String = row.try_get("held")?;
            let until = match held.as_str() {
                "browser" => &mut session.browser_until,
                "grant" => {
                    clients.insert(row.try_get("client_id")?);
                    &mut session.grants_until
                }
                // On its way to a client, or nowhere.
                _ => continue,
            };
            *until = (*until).max(Some(idle_ends));
        }
        Ok(session.map(|session| LiveSession {
            clients: clients.into_iter().collect(),
            ..session
        }))
    }

    /// The `sid`s of the next sign-ins that can be ended, and whose they are.
    pub(crate) async fn sign_ins_to_end(
        &self,
        whose: Whose<'_>,
        after: &str,
        at_most: u32,
        now: UnixTime,
    ) -> Result<Vec<(String, String)>, StoreError> {
        let sign_ins = sqlx::query_as(sqlx::AssertSqlSafe(next_sids_to_end(whose)))
            .bind(after)
            .bind(now.as_secs())
            .bind(i64::from(at_most))
            .bind(whose.named())
            .fetch_all(&self.reader)
            .await?;
        Ok(sign_ins)
    }

    /// Ends everything that a user is signed in by, perhaps but for one `sid`; gives what ended. Who fails on the way has
    /// ended some, and does it again.
    pub(super) async fn end_all_of_user(
        &self,
        user_id: &str,
        kept_sid: Option<&str>,
        reason: EndReason,
        now: UnixTime,
    ) -> Result<Vec<String>, StoreError> {
        let mut ended = live_sids_within(&mut *self.reader.acquire().await?, user_id, now).await?;
        ended.retain(|sid| Some(sid.as_str()) != kept_sid);
        for sids in ended.chunks(SIGN_INS_AT_ONCE) {
            let sids: Vec<&str> = sids.iter().map(String::as_str).collect();
            self.end_sign_ins(&sids, reason, now).await?;
        }
        Ok(ended)
    }

    /// Ends everything that came from these sign-ins, all or none; but of one that has very many grants, most may end
    /// before.
    pub(crate) async fn end_sign_ins(
        &self,
        sids: &[&str],
        reason: EndReason,
        now: UnixTime,
    ) -> Result<(), StoreError> {
        let mut sids = sids.to_vec();
        sids.sort_unstable();
        let Some(first) = sids.first() else {
            return Ok(());
        };
        let _turn = self.turn_of(first).await?;
        for sid in &sids {
            self.end_most_of_sid(sid, reason, now).await?;
        }
        let mut transaction = self.begin().await?;
        for sid in sids {
            end_session_and_grants(&mut transaction, sid, reason, now).await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

/// The `sid`s of a user's sessions, grants and codes that could still be used, here or by clients that were told of them;
/// in order.
pub(super) async fn live_sids_within(
    connection: &mut Connection,
    user_id: &str,
    now: UnixTime,
) -> Result<Vec<String>, StoreError> {
    let mut sids: Vec<String> = sqlx::query_scalar(
        "SELECT sid FROM sign_in_session WHERE user_id = $1 AND sid IS NOT NULL AND idle_ends > $2
         UNION SELECT sid FROM family WHERE user_id = $1 AND ended_at IS NULL AND idle_ends > $2
         UNION SELECT sid FROM authorization_code WHERE user_id = $1 AND used_at IS NULL AND expires_at > $2
         UNION SELECT sid FROM session_client WHERE user_id = $1 AND ends_at > $2",
    )
    .bind(user_id)
    .bind(now.as_secs())
    .fetch_all(connection)
    .await?;
    sids.sort_unstable();
    Ok(sids)
}
