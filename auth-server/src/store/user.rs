use resource_server::time::UnixTime;
use sqlx::Row as _;

use super::db::Row;
use super::{Store, StoreError};
use crate::grant::family::EndReason;
use crate::user::{User, UserName, UserRecord};

/// A user with what proves a password.
#[derive(Debug)]
pub(crate) struct StoredUser {
    pub(crate) user: User,
    pub(crate) password_hash: String,
    pub(crate) credentials: CredentialsVersion,
    pub(crate) is_disabled: bool,
}

/// Which of a user's passwords something was proven by. Another hash of the same password leaves it alone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct CredentialsVersion(i64);

impl CredentialsVersion {
    pub(super) const fn from_stored(version: i64) -> Self {
        Self(version)
    }

    pub(super) const fn as_stored(self) -> i64 {
        self.0
    }
}

/// How adding a user turned out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum UserAdded {
    /// The user is new.
    Now,
    /// Somebody has that name; nothing was changed.
    NameTaken,
}

/// Which user is meant.
#[derive(Debug, Clone, Copy)]
pub(crate) enum UserKey<'k> {
    Name(&'k UserName),
    Id(&'k str),
}

/// What is changed about a user.
#[derive(Debug, Clone, Copy)]
pub(crate) enum UserChange<'c> {
    /// Nothing is signed in for this user any more, and nothing will be until the opposite.
    Disable,
    Enable,
    Password {
        hash: &'c str,
        /// Whether all that was signed in with the old one ends.
        ends_sessions: bool,
    },
}

const RECORD: &str = "SELECT id, name, email, full_name, created_at, disabled_at FROM \"user\"";

impl Store {
    pub(crate) async fn add_user(
        &self,
        user: &User,
        password_hash: &str,
        now: UnixTime,
    ) -> Result<UserAdded, StoreError> {
        let inserted = sqlx::query(
            "INSERT INTO \"user\" (id, name, password_hash, email, full_name, created_at) VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (name) DO NOTHING",
        )
        .bind(&user.id)
        .bind(user.name.as_str())
        .bind(password_hash)
        .bind(&user.email)
        .bind(&user.full_name)
        .bind(now.as_secs())
        .execute(&self.writer)
        .await?;
        Ok(if inserted.rows_affected() == 1 {
            UserAdded::Now
        } else {
            UserAdded::NameTaken
        })
    }

    /// The user of that name, disabled or not: whoever asks has a password to judge first.
    pub(crate) async fn user_by_name(&self, name: &UserName) -> Result<Option<StoredUser>, StoreError> {
        let row = sqlx::query(
            "SELECT id, name, email, full_name, password_hash, credentials_version, disabled_at
             FROM \"user\" WHERE name = $1",
        )
        .bind(name.as_str())
        .fetch_optional(&self.reader)
        .await?;
        row.map(|row| {
            let disabled_at: Option<i64> = row.try_get("disabled_at")?;
            Ok(StoredUser {
                user: user_of(&row)?,
                password_hash: row.try_get("password_hash")?,
                credentials: CredentialsVersion(row.try_get("credentials_version")?),
                is_disabled: disabled_at.is_some(),
            })
        })
        .transpose()
    }

    /// Puts a hash of the same password in the place of one. A password that was changed meanwhile stays.
    pub(crate) async fn renew_password_hash(
        &self,
        user_id: &str,
        stored: &str,
        renewed: &str,
    ) -> Result<(), StoreError> {
        sqlx::query("UPDATE \"user\" SET password_hash = $1 WHERE id = $2 AND password_hash = $3")
            .bind(renewed)
            .bind(user_id)
            .bind(stored)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Some password hashes, one at least for each cost that there is. Reads the whole table.
    pub(crate) async fn sample_password_hashes(&self) -> Result<Vec<String>, StoreError> {
        // `$argon2id$v=19$m=19456,t=2,p=1$` and then, always 66 characters long, the salt and the hash.
        let hashes = sqlx::query_scalar(
            "SELECT min(password_hash) FROM \"user\" GROUP BY substr(password_hash, 1, abs(length(password_hash) - 66))",
        )
        .fetch_all(&self.reader)
        .await?;
        Ok(hashes)
    }

    /// The user that a grant or a session is for; one who is disabled is nobody to them.
    pub(crate) async fn user_by_id(&self, id: &str) -> Result<Option<User>, StoreError> {
        let row = sqlx::query(
            "SELECT id, name, email, full_name FROM \"user\" WHERE id = $1 AND disabled_at IS NULL",
        )
        .bind(id)
        .fetch_optional(&self.reader)
        .await?;
        row.map(|row| user_of(&row)).transpose()
    }

    /// A user as operators see one, disabled or not.
    pub(crate) async fn user_record(&self, key: UserKey<'_>) -> Result<Option<UserRecord>, StoreError> {
        let (column, value) = match key {
            UserKey::Name(name) => ("name", name.as_str()),
            UserKey::Id(id) => ("id", id),
        };
        let query = format!("{RECORD} WHERE {column} = $1");
        let row = sqlx::query(sqlx::AssertSqlSafe(query))
            .bind(value)
            .fetch_optional(&self.reader)
            .await?;
        row.map(|row| record_of(&row)).transpose()
    }

    /// The next users by name.
    pub(crate) async fn users(&self, after: &str, at_most: u32) -> Result<Vec<UserRecord>, StoreError> {
        let query = format!("{RECORD} WHERE name > $1 ORDER BY name LIMIT $2");
        let rows = sqlx::query(sqlx::AssertSqlSafe(query))
            .bind(after)
            .bind(i64::from(at_most))
            .fetch_all(&self.reader)
            .await?;
        rows.iter().map(record_of).collect()
    }

    /// Changes a user, and ends what must not outlive the change; gives the ended `sid`s. There is no such user: `None`.
    ///
    /// The change is written down first and by itself: from then on nothing begins that it forbids, however much there is to
    /// end. Who fails on the way does the same again.
    pub(crate) async fn change_user(
        &self,
        id: &str,
        change: UserChange<'_>,
        now: UnixTime,
    ) -> Result<Option<Vec<String>>, StoreError> {
        let (update, value, ends) = match change {
            // The first instant stays when somebody is disabled twice.
            UserChange::Disable => (
                "UPDATE \"user\" SET disabled_at = coalesce(disabled_at, $2) WHERE id = $1",
                None,
                Some(EndReason::UserDisabled),
            ),
            UserChange::Enable => ("UPDATE \"user\" SET disabled_at = NULL WHERE id = $1", None, None),
            UserChange::Password { hash, ends_sessions } => (
                "UPDATE \"user\" SET password_hash = $2, credentials_version = credentials_version + 1 WHERE id = $1",
                Some(hash),
                ends_sessions.then_some(EndReason::PasswordChanged),
            ),
        };
        let query = sqlx::query(update).bind(id);
        let query = match (change, value) {
            (UserChange::Disable, _) => query.bind(now.as_secs()),
            (_, Some(hash)) => query.bind(hash),
            (_, None) => query,
        };
        if query.execute(&self.writer).await?.rows_affected() == 0 {
            return Ok(None);
        }
        Ok(Some(match ends {
            Some(reason) => self.end_all_of_user(id, None, reason, now).await?,
            None => Vec::new(),
        }))
    }
}

pub(super) fn user_of(row: &Row) -> Result<User, StoreError> {
    let name: String = row.try_get("name")?;
    Ok(User {
        id: row.try_get("id")?,
        name: UserName::parse(&name).map_err(|_| StoreError::Damaged("user"))?,
        email: row.try_get("email")?,
        full_name: row.try_get("full_name")?,
    })
}

fn record_of(row: &Row) -> Result<UserRecord, StoreError> {
    let disabled_at: Option<i64> = row.try_get("disabled_at")?;
    Ok(UserRecord {
        user: user_of(row)?,
        created_at: UnixTime::from_secs(row.try_get("created_at")?),
        disabled_at: disabled_at.map(UnixTime::from_secs),
    })
}
