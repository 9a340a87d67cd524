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

    /// Puts a hash of the same password in the place of one. A password that was changed meanwhile stays.
    pub(crate) async fn renew_password_hash(
        &self,
        user_id: &str,
        stored: &str,
        renewed: &str,
    ) -> Result<(), StoreError> {
        sqlx::query("UPDATE user SET password_hash = ? WHERE id = ? AND password_hash = ?")
            .bind(renewed)
            .bind(user_id)
            .bind(stored)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Some password hashes, one at least for each cost that there is. Reads the whole table.
    pub(crate) async fn sample_password_hashes(&self) -> Result<Vec<String>, StoreError> {
        // `$argon2id$v=19$m=19456,t=2,p=1$…`: what comes before `p` tells costs apart.
        let hashes = sqlx::query_scalar(
            "SELECT min(password_hash) FROM user GROUP BY substr(password_hash, 1, instr(password_hash, ',p='))",
        )
        .fetch_all(&self.reader)
        .await?;
        Ok(hashes)
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
