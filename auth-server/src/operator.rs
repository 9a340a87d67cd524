//! What operators do to users, to what is signed in and to signing keys. It works on the database, which a running server may be using:
//! what is changed here counts there at once, since a server keeps nothing of it in memory; clients and keys, which it does
//! keep, are looked at once a second.

mod clients;
mod key;

use std::sync::Arc;

use resource_server::time::Clock;
use secrecy::SecretString;

use crate::config::{KeyConfig, OperatorConfig, StorageConfig};
use crate::grant::family::EndReason;
use crate::ops::audit;
pub use crate::store::LiveSession;
use crate::store::{Store, StoreError, UserChange, UserKey, Whose};
use crate::user::password::Cost;
use crate::user::{
    AddUserError, HashingError, InvalidUserName, NewUser, UnfitPassword, User, UserName, UserRecord, add_to,
    password,
};
pub use clients::{ClientError, ClientRecord, MadeSecret, SecretRecord};

pub use key::{Phase, SigningAlgorithm, SigningKeyChange, SigningKeyRecord};

/// How many users or sessions are read, or sessions ended, at once.
const PAGE: u32 = 200;

/// Which user is meant.
#[derive(Debug, Clone, Copy)]
pub enum WhichUser<'w> {
    /// The one who signs in by this name.
    Name(&'w str),
    /// The one whom tokens and the log call so.
    Id(&'w str),
}

/// Which sessions are meant.
#[derive(Debug, Clone, Copy)]
pub enum WhichSessions<'w> {
    /// Every one there is.
    All,
    /// Those of the user of this `sub`.
    OfUser(&'w str),
    /// The one of this `sid`.
    Sid(&'w str),
}

/// Why an operator's wish was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// The configuration leads to no database.
    #[error(
        "there is no database at {0}: no user has been added yet, and no server was started with this configuration"
    )]
    NoDatabase(String),
    /// The name cannot be one.
    #[error("the user name {0}")]
    Name(InvalidUserName),
    /// Nobody is called so.
    #[error("there is no such user")]
    NoSuchUser,
    /// The password cannot be one.
    #[error("the password {0}")]
    Password(UnfitPassword),
    /// The password could not be hashed.
    #[error("the password could not be hashed")]
    Hashing(#[source] HashingError),
    /// The signing keys are not as they have to be for this.
    #[error(transparent)]
    SigningKeys(Box<dyn std::error::Error + Send + Sync>),
    /// The database failed.
    #[error("the database could not be used")]
    Store(#[from] StoreError),
}

/// The database, opened for an operator.
#[derive(Debug)]
pub struct Administration {
    store: Store,
    clock: Arc<dyn Clock>,
    /// Of new passwords.
    cost: Cost,
    keys: KeyConfig,
}

impl Administration {
    /// Opens the database, or makes it, to add the first user.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub async fn open_or_create(
        config: &OperatorConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OperatorError> {
        let store = Store::open(config.storage()).await?;
        let cost = Cost::of(config.passwords());
        let keys = config.keys().clone();
        Ok(Self {
            store,
            clock,
            cost,
            keys,
        })
    }

    /// Opens the database. One that is not there is not made: the path is wrong.
    ///
    /// # Errors
    /// When there is none, or it cannot be opened.
    pub async fn open(config: &OperatorConfig, clock: Arc<dyn Clock>) -> Result<Self, OperatorError> {
        if let StorageConfig::Sqlite { path, .. } = config.storage()
            && !path.exists()
        {
            return Err(OperatorError::NoDatabase(config.storage().to_string()));
        }
        Self::open_or_create(config, clock).await
    }

    /// Waits for what is under way and closes the database.
    pub async fn close(self) {
        self.store.close().await;
    }

    /// Adds a user.
    ///
    /// # Errors
    /// When the name, the password or the address cannot be used, when the name is taken, or when the database fails.
    pub async fn add_user(&self, new: NewUser) -> Result<User, AddUserError> {
        let user = add_to(&self.store, &*self.clock, new, self.cost).await?;
        audit::user_added(&user.id);
        Ok(user)
    }

    /// The next users by name, after this one; none are left when it is empty.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn users(&self, after: Option<&UserName>) -> Result<Vec<UserRecord>, OperatorError> {
        Ok(self.store.users(after.map_or("", UserName::as_str), PAGE).await?)
    }

    /// One user.
    ///
    /// # Errors
    /// When there is no such user, or the database fails.
    pub async fn user(&self, which: WhichUser<'_>) -> Result<UserRecord, OperatorError> {
        let record = match which {
            WhichUser::Name(name) => {
                let name = UserName::parse(name).map_err(OperatorError::Name)?;
                self.store.user_record(UserKey::Name(&name)).await?
            }
            WhichUser::Id(id) => self.store.user_record(UserKey::Id(id)).await?,
        };
        record.ok_or(OperatorError::NoSuchUser)
    }

    /// Disables a user: nobody signs in by that name from now on, and all that was signed in ends. Gives the number of
    /// sessions ended. Doing it twice is no error.
    ///
    /// # Errors
    /// When there is no such user, or the database fails; the user may be disabled by then, and the rest ends when it is
    /// done again.
    pub async fn disable_user(&self, id: &str) -> Result<usize, OperatorError> {
        let ended = self.change(id, UserChange::Disable).await?;
        audit::user_disabled(id);
        Ok(tell_of_ended(id, &ended))
    }

    /// Lets a user sign in again. What was ended stays so.
    ///
    /// # Errors
    /// When there is no such user, or the database fails.
    pub async fn enable_user(&self, id: &str) -> Result<(), OperatorError> {
        self.change(id, UserChange::Enable).await?;
        audit::user_enabled(id);
        Ok(())
    }

    /// Gives a user another password, and ends what was signed in with the old one unless it shall stay. Gives the
    /// number of sessions ended.
    ///
    /// # Errors
    /// When there is no such user, when the password cannot be used, or when the database fails.
    pub async fn change_password(
        &self,
        user: &User,
        new: SecretString,
        ends_sessions: bool,
    ) -> Result<usize, OperatorError> {
        password::check(&new, user).map_err(OperatorError::Password)?;
        let hash = password::hash(new, self.cost)
            .await
            .map_err(OperatorError::Hashing)?;
        let change = UserChange::Password {
            hash: &hash,
            ends_sessions,
        };
        let ended = self.change(&user.id, change).await?;
        audit::password_changed(&user.id);
        Ok(tell_of_ended(&user.id, &ended))
    }

    /// The next live sessions by `sid`, after this one; none are left when it is empty.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn sessions(
        &self,
        which: WhichSessions<'_>,
        after: Option<&str>,
    ) -> Result<Vec<LiveSession>, OperatorError> {
        let after = after.unwrap_or_default();
        Ok(self
            .store
            .live_sessions(whose(which), after, PAGE, self.clock.now())
            .await?)
    }

    /// Ends sessions as a sign-out does: the browser's session, its grants, and codes on their way; clients are told, of
    /// those that are over here, too. Gives how many there were; those that begin meanwhile may stay.
    ///
    /// # Errors
    /// When the database fails; what has been ended by then stays so.
    pub async fn end_sessions(&self, which: WhichSessions<'_>) -> Result<usize, OperatorError> {
        let (mut count, mut after) = (0, None::<String>);
        loop {
            let now = self.clock.now();
            let from = after.as_deref().unwrap_or_default();
            let sign_ins = self.store.sign_ins_to_end(whose(which), from, PAGE, now).await?;
            let Some((last, _)) = sign_ins.last() else {
                return Ok(count);
            };
            let sids: Vec<_> = sign_ins.iter().map(|(sid, _)| sid.as_str()).collect();
            self.store.end_sign_ins(&sids, EndReason::Operator, now).await?;
            for (sid, user_id) in &sign_ins {
                audit::session_ended_by_operator(user_id, sid);
            }
            count += sign_ins.len();
            after = Some(last.clone());
        }
    }

    async fn change(&self, id: &str, change: UserChange<'_>) -> Result<Vec<String>, OperatorError> {
        let ended = self.store.change_user(id, change, self.clock.now()).await?;
        ended.ok_or(OperatorError::NoSuchUser)
    }
}

fn whose(which: WhichSessions<'_>) -> Whose<'_> {
    match which {
        WhichSessions::All => Whose::Everybody,
        WhichSessions::OfUser(id) => Whose::User(id),
        WhichSessions::Sid(sid) => Whose::Sid(sid),
    }
}

fn tell_of_ended(user_id: &str, sids: &[String]) -> usize {
    for sid in sids {
        audit::session_ended_by_operator(user_id, sid);
    }
    sids.len()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use resource_server::time::{ManualClock, UnixTime};

    use super::*;
    use crate::config::{PasswordConfig, SignInLifetimes};
    use crate::secret::Digest;
    use crate::store::{CredentialsVersion, NewSignIn, SessionOwner, SignInStored, StoredSession};

    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

    #[tokio::test]
    async fn more_users_and_sessions_than_a_page_are_all_found_and_ended() {
        let folder = tempfile::tempdir().unwrap();
        let storage = StorageConfig::file(folder.path().join("db.sqlite3"));
        let store = Store::open(&storage).await.unwrap();
        let lifetimes = SignInLifetimes {
            idle: Duration::from_secs(60),
            absolute: Duration::from_secs(60),
        };
        let all = PAGE + 1;
        for n in 0..all {
            let user = User {
                id: format!("u{n}"),
                name: UserName::parse(&format!("user{n}")).unwrap(),
                email: None,
                full_name: None,
            };
            let _ = store.add_user(&user, "hash", NOW).await.unwrap();
            let session = StoredSession {
                state: "{}".to_owned(),
                owner: SessionOwner {
                    sid: format!("s{n}"),
                    user_id: user.id,
                    auth_time: NOW,
                },
            };
            let key = Digest::of(format!("key{n}").as_bytes());
            let sign_in = NewSignIn {
                key: &key,
                session,
                credentials: CredentialsVersion::default(),
                former: None,
                code: None,
            };
            let stored = store.sign_in(sign_in, lifetimes, NOW).await.unwrap();
            assert_eq!(stored, SignInStored::Now(format!("s{n}")));
        }
        let administration = Administration {
            cost: Cost::of(&PasswordConfig {
                cores: 1,
                queue: 1,
                memory_mib: 7,
                passes: 5,
            }),
            store,
            clock: Arc::new(ManualClock::new(NOW)),
            keys: KeyConfig {
                path: folder.path().join("keys.json"),
                rotate_every: Duration::from_secs(24 * 3600),
                verifier_cache: Duration::from_secs(3600),
            },
        };
        let first = administration.users(None).await.unwrap();
        let rest = administration
            .users(first.last().map(|record| &record.user.name))
            .await
            .unwrap();
        assert_eq!((first.len(), rest.len()), (PAGE as usize, 1));
        let ended = administration.end_sessions(WhichSessions::All).await.unwrap();
        assert_eq!(ended, all as usize);
        assert!(
            administration
                .sessions(WhichSessions::All, None)
                .await
                .unwrap()
                .is_empty()
        );
    }
}
