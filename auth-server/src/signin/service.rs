//! Checks a name and a password: the throttle first, then the hash, and one answer for everything that is wrong.

use std::net::IpAddr;

use resource_server::time::UnixTime;
use secrecy::SecretString;

use super::throttle::{Buckets, logged_network};
use crate::ops::audit::{self, Failure, Origin};
use crate::secret::Digest;
use crate::store::{Store, StoreError};
use crate::user::password::{HashingError, PasswordChecker};
use crate::user::{User, UserName};

/// What somebody sends to sign in.
#[derive(Debug)]
pub(crate) struct Attempt<'a> {
    /// For whose authorization request it is; for the log.
    pub(crate) client_id: &'a str,
    pub(crate) typed_name: &'a str,
    pub(crate) password: SecretString,
    pub(crate) address: IpAddr,
}

/// How a sign-in turned out.
#[derive(Debug)]
#[must_use]
pub(crate) enum SignIn {
    /// It is this user.
    Welcome(User),
    /// Unknown user, wrong password or disabled user: which one is nobody's business.
    Refused,
    /// Too many wrong passwords before: the password was not looked at, which is nobody's business either.
    Throttled,
    /// Too many passwords are being checked: this one was not looked at and does not count.
    Busy,
}

/// Why a sign-in could not be judged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignInError {
    #[error("the database failed during a sign-in")]
    Store(#[from] StoreError),
    #[error("a password could not be checked")]
    Password(#[from] HashingError),
}

/// Judges a sign-in. The trail tells how it turned out, but for a welcome, which counts once the person is signed in.
pub(crate) async fn sign_in(
    store: &Store,
    checker: &PasswordChecker,
    attempt: Attempt<'_>,
    now: UnixTime,
) -> Result<SignIn, SignInError> {
    let network = logged_network(attempt.address);
    let from = Origin {
        client_id: attempt.client_id,
        network: &network,
    };
    let judged = judge(store, checker, &attempt, from, now).await;
    let outcome = match &judged {
        Ok(SignIn::Welcome(_) | SignIn::Refused | SignIn::Throttled) => return judged,
        Ok(SignIn::Busy) => "busy",
        Err(_) => "failed",
    };
    tracing::warn!(
        outcome,
        client.id = from.client_id,
        client.network = from.network,
        "a sign-in was not judged"
    );
    judged
}

async fn judge(
    store: &Store,
    checker: &PasswordChecker,
    attempt: &Attempt<'_>,
    from: Origin<'_>,
    now: UnixTime,
) -> Result<SignIn, SignInError> {
    let name = UserName::parse(attempt.typed_name).ok();
    // All names that nobody can have share a counter: they are worth no memory of their own.
    let buckets = Buckets::of(name.as_ref().map_or("", UserName::as_str), attempt.address);
    if !store.claim_attempt(&buckets.with_limits(), now).await? {
        audit::sign_in_throttled(from);
        return Ok(SignIn::Throttled);
    }
    match check(store, checker, name.as_ref(), &attempt.password).await {
        Ok(Verdict::Right(user)) => {
            let paired = &buckets.account_and_address;
            store.forgive_attempt(paired, &buckets.address).await?;
            store.forgive_attempt(paired, &buckets.account).await?;
            Ok(SignIn::Welcome(user))
        }
        Ok(Verdict::Wrong(user_id, failure)) => {
            audit::sign_in_failed(user_id.as_deref(), failure, from);
            Ok(SignIn::Refused)
        }
        Err(SignInError::Password(HashingError::Busy)) => {
            give_back(store, &buckets).await?;
            Ok(SignIn::Busy)
        }
        Err(error) => {
            // What failed first is what is told; the attempt stays counted when the database fails again.
            if let Err(error) = give_back(store, &buckets).await {
                tracing::warn!(%error, "an attempt that was not judged stays counted");
            }
            Err(error)
        }
    }
}

/// What a name and a password are worth together.
enum Verdict {
    Right(User),
    /// Whose name it is, if anybody's.
    Wrong(Option<String>, Failure),
}

/// Does the same work whether there is no such user, the password is wrong, or the user is disabled.
async fn check(
    store: &Store,
    checker: &PasswordChecker,
    name: Option<&UserName>,
    password: &SecretString,
) -> Result<Verdict, SignInError> {
    let found = match name {
        Some(name) => store.user_by_name(name).await?,
        None => None,
    };
    let hash = found.as_ref().map(|found| found.password_hash.clone());
    let is_right = checker.is_right(password.clone(), hash).await?;
    Ok(match found {
        None => Verdict::Wrong(None, Failure::UnknownUser),
        Some(found) if !is_right => Verdict::Wrong(Some(found.user.id), Failure::WrongPassword),
        Some(found) if found.is_disabled => Verdict::Wrong(Some(found.user.id), Failure::Disabled),
        Some(found) => Verdict::Right(found.user),
    })
}

/// Takes the claim of one attempt back from each counter, since nobody learned anything from it.
async fn give_back(store: &Store, buckets: &Buckets) -> Result<(), StoreError> {
    // No counter starts afresh here, and none has this name.
    let none = Digest::of(b"none");
    for (bucket, _) in buckets.with_limits() {
        store.forgive_attempt(&none, &bucket).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::user::password::hash;

    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

    struct Stage {
        store: Store,
        _folder: tempfile::TempDir,
    }

    impl Stage {
        async fn with_alice() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let store = Store::open(&folder.path().join("db.sqlite3")).await.unwrap();
            let alice = User {
                id: "u1".to_owned(),
                name: UserName::parse("alice").unwrap(),
                email: None,
                full_name: None,
            };
            let hash = hash("correct horse".into()).await.unwrap();
            let _ = store.add_user(&alice, &hash, NOW).await.unwrap();
            Self {
                store,
                _folder: folder,
            }
        }

        async fn attempt(&self, checker: &PasswordChecker, password: &str, address: [u8; 4]) -> SignIn {
            let attempt = Attempt {
                client_id: "bff",
                typed_name: "alice",
                password: password.into(),
                address: address.into(),
            };
            sign_in(&self.store, checker, attempt, NOW).await.unwrap()
        }
    }

    #[tokio::test]
    async fn an_attempt_that_finds_no_place_does_not_count() {
        let stage = Stage::with_alice().await;
        let crowded = PasswordChecker::with_places(1, 0).await.unwrap();
        for _ in 0..101 {
            let outcome = stage.attempt(&crowded, "wrong", [192, 0, 2, 1]).await;
            assert!(matches!(outcome, SignIn::Busy));
        }
        let free = PasswordChecker::new().await.unwrap();
        let outcome = stage.attempt(&free, "correct horse", [192, 0, 2, 1]).await;
        assert!(matches!(outcome, SignIn::Welcome(_)));
    }

    #[tokio::test]
    async fn guesses_from_many_networks_lock_the_account_after_a_hundred() {
        let stage = Stage::with_alice().await;
        let buckets = |n| Buckets::of("alice", [198, 51, 100, n].into()).with_limits();
        for n in 0..99 {
            assert!(stage.store.claim_attempt(&buckets(n), NOW).await.unwrap());
        }
        let checker = PasswordChecker::new().await.unwrap();
        // A right password gives back what it claimed, however often.
        for _ in 0..3 {
            let outcome = stage.attempt(&checker, "correct horse", [192, 0, 2, 1]).await;
            assert!(matches!(outcome, SignIn::Welcome(_)));
        }
        let outcome = stage.attempt(&checker, "wrong", [192, 0, 2, 1]).await;
        assert!(matches!(outcome, SignIn::Refused));
        let outcome = stage.attempt(&checker, "correct horse", [192, 0, 2, 2]).await;
        assert!(matches!(outcome, SignIn::Throttled));
    }
}
