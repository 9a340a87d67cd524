//! The people who sign in: their names, their passwords, and how they are added.

mod name;
pub(crate) mod password;
mod strength;

use std::fmt;

use resource_server::time::{Clock, UnixTime};
use secrecy::SecretString;

pub use name::{InvalidUserName, UserName};
pub use password::{HashingError, LONGEST as LONGEST_PASSWORD, SHORTEST as SHORTEST_PASSWORD, UnfitPassword};
pub use strength::Weakness;

use crate::config::Config;
use crate::secret::random_handle;
pub use crate::store::StoreError;
use crate::store::{Store, UserAdded};
use password::Cost;

/// A user, without what proves a password.
#[derive(Debug, Clone)]
pub struct User {
    /// The `sub` of tokens.
    pub id: String,
    /// What is typed at sign-in; `preferred_username` in tokens.
    pub name: UserName,
    /// `email` in tokens; nobody has verified it.
    pub email: Option<String>,
    /// `name` in tokens.
    pub full_name: Option<String>,
}

/// A user as operators see one.
#[derive(Debug, Clone)]
pub struct UserRecord {
    /// Who it is.
    pub user: User,
    /// When they were added.
    pub created_at: UnixTime,
    /// Since when they cannot sign in.
    pub disabled_at: Option<UnixTime>,
}

/// A user to be added.
pub struct NewUser {
    /// What is typed at sign-in.
    pub name: String,
    /// At least [`SHORTEST_PASSWORD`] characters.
    pub password: SecretString,
    /// For the claim `email`.
    pub email: Option<String>,
    /// For the claim `name`.
    pub full_name: Option<String>,
}

impl fmt::Debug for NewUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewUser")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Why a user was not added.
#[derive(Debug, thiserror::Error)]
pub enum AddUserError {
    /// The name cannot be one.
    #[error("the user name {0}")]
    Name(InvalidUserName),
    /// The password cannot be one.
    #[error("the password {0}")]
    Password(UnfitPassword),
    /// The e-mail address cannot be one.
    #[error(
        "the e-mail address must have an @ with something on both sides, and neither spaces nor control characters"
    )]
    Email,
    /// Somebody has the name.
    #[error("a user named \"{0}\" exists already")]
    Exists(UserName),
    /// The password could not be hashed.
    #[error("the password could not be hashed")]
    Hashing(#[source] HashingError),
    /// The database failed.
    #[error("the user could not be stored")]
    Store(#[from] StoreError),
}

/// Adds a user to the database that the configuration names, which may be in use by a running server.
///
/// # Errors
/// When the name, the password or the address cannot be used, when the name is taken, or when the database fails.
pub async fn add(config: &Config, clock: &dyn Clock, new: NewUser) -> Result<User, AddUserError> {
    let store = Store::open(&config.storage).await?;
    let outcome = add_to(&store, clock, new, Cost::of(&config.passwords)).await;
    store.close().await;
    outcome
}

pub(crate) async fn add_to(
    store: &Store,
    clock: &dyn Clock,
    new: NewUser,
    cost: Cost,
) -> Result<User, AddUserError> {
    let user = User {
        id: random_handle(),
        name: UserName::parse(&new.name).map_err(AddUserError::Name)?,
        email: new.email,
        full_name: new.full_name,
    };
    if user.email.as_deref().is_some_and(|email| !is_address(email)) {
        return Err(AddUserError::Email);
    }
    password::check(&new.password, &user).map_err(AddUserError::Password)?;
    let hash = password::hash(new.password, cost)
        .await
        .map_err(AddUserError::Hashing)?;
    match store.add_user(&user, &hash, clock.now()).await? {
        UserAdded::Now => Ok(user),
        UserAdded::NameTaken => Err(AddUserError::Exists(user.name)),
    }
}

fn is_address(email: &str) -> bool {
    let has_parts = email
        .rsplit_once('@')
        .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
    has_parts && email.len() <= 254 && !email.contains(|c: char| c.is_whitespace() || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (email, is_one) in [
            ("a@b.example", true),
            ("@b", false),
            ("a@", false),
            ("ab", false),
            ("a b@c", false),
        ] {
            assert_eq!(is_address(email), is_one, "{email}");
        }
    }
}
