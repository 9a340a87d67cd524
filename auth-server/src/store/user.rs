use resource_server::time::UnixTime;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{Store, StoreError};
use crate::user::{User, UserName};

/// A user with what proves a password.
#[derive(Debug)]
pub(crate) struct StoredUser {
    pub(crate) user: User,
    pub(crate) password_hash: String,
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

impl Store {
    pub(crate) async fn add_user(
        &self,
        user: &User,
        password_hash: &str,
        now: UnixTime,
    ) -> Result<UserAdded, StoreError> {
        let inserted = sqlx::query(
            "INSERT INTO user (id, name, password_hash, email, full_name, created_at) VALUES (?, ?, ?, ?, ?, ?)
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

    pub(crate) async fn user_by_name(&self, name: &UserName) -> Result<Option<StoredUser>, StoreError> {
        let row = sqlx::query("SELECT id, name, email, full_name, password_hash FROM user WHERE name = ?")
            .bind(name.as_str())
            .fetch_optional(&self.reader)
            .await?;
        row.map(|row| {
            Ok(StoredUser {
                user: user_of(&row)?,
                password_hash: row.try_get("password_hash")?,
            })
        })
        .transpose()
    }

    pub(crate) async fn user_by_id(&self, id: &str) -> Result<Option<User>, StoreError> {
        let row = sqlx::query("SELECT id, name, email, full_name FROM user WHERE id = ?")
            .bind(id)
            .fetch_optional(&self.reader)
            .await?;
        row.map(|row| user_of(&row)).transpose()
    }
}

fn user_of(row: &SqliteRow) -> Result<User, StoreError> {
    let name: String = row.try_get("name")?;
    Ok(User {
        id: row.try_get("id")?,
        name: UserName::parse(&name).map_err(|_| StoreError::Damaged("user"))?,
        email: row.try_get("email")?,
        full_name: row.try_get("full_name")?,
    })
}
