//! Checks a name and a password: the throttle first, then the hash, and one answer for everything that is wrong.

use std::net::IpAddr;
use std::time::Instant;

use resource_server::time::UnixTime;
use secrecy::SecretString;

use super::throttle::{Buckets, logged_network};
use crate::ops::audit::{self, Failure, Origin};
use crate::ops::metrics;
use crate::store::{CredentialsVersion, Store, StoreError};
use crate::user::password::{Checked, HashingError, PasswordChecker, Place};
use crate::user::{User, UserName};

/// What somebody sends to sign in.
#[derive(Debug)]
pub(crate) struct Attempt<'a> {
    /// For whose authorization request it is, if it is for any; for the log.
    pub(crate) client_id: Option<&'a str>,
    pub(crate) typed_name: &'a str,
    pub(crate) password: SecretString,
    pub(crate) address: IpAddr,
}

/// How a sign-in turned out.
#[derive(Debug)]
#[must_use]
pub(crate) enum SignIn {
    /// It is this user, by this password.
    Welcome(User, CredentialsVersion),
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
    let judged = match judge(store, checker, &attempt, from, now).await {
        Err(SignInError::Store(StoreError::Crowded)) => Ok(SignIn::Busy),
        judged => judged,
    };
    let outcome = match &judged {
        Ok(SignIn::Welcome(..) | SignIn::Refused | SignIn::Throttled) => return judged,
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
    // The cheapest first: of a flood, most is told here by a look, and the rest by a place that it does not get, before
    // anything is written.
    if !store.has_room(&buckets.with_limits(), now).await? {
        audit::sign_in_throttled(from);
        return Ok(SignIn::Throttled);
    }
    let Some(place) = checker.take_place() else {
        return Ok(SignIn::Busy);
    };
    if !store.claim_attempt(&buckets.with_limits(), now).await? {
        audit::sign_in_throttled(from);
        return Ok(SignIn::Throttled);
    }
    match check(store, checker, place, name.as_ref(), &attempt.password).await {
        Ok(Verdict::Right(user, credentials)) => {
            let given_back = [buckets.account, buckets.address];
            store
                .forgive_attempt(&[buckets.account_and_address], &given_back)
                .await?;
            Ok(SignIn::Welcome(user, credentials))
        }
        Ok(Verdict::Wrong(user_id, failure)) => {
            audit::sign_in_failed(user_id.as_deref(), failure, from);
            Ok(SignIn::Refused)
        }
        Err(error) => {
            // Nobody learned anything from it. What failed first is what is told; the attempt stays counted when the
            // database fails again.
            let claimed = buckets.with_limits().map(|(bucket, _)| bucket);
            if let Err(error) = store.forgive_attempt(&[], &claimed).await {
                tracing::warn!(%error, "an attempt that was not judged stays counted");
            }
            Err(error)
        }
    }
}

/// What a name and a password are worth together.
enum Verdict {
    Right(User, CredentialsVersion),
    /// Whose name it is, if anybody's.
    Wrong(Option<String>, Failure),
}

/// Does the same work whether there is no such user, the password is wrong, or the user is disabled.
async fn check(
    store: &Store,
    checker: &PasswordChecker,
    place: Place,
    name: Option<&UserName>,
    password: &SecretString,
) -> Result<Verdict, SignInError> {
    let found = match name {
        Some(name) => store.user_by_name(name).await?,
        None => None,
    };
    let stored = found.as_ref().map(|found| found.password_hash.clone());
    let is_let_in = found.as_ref().is_some_and(|found| !found.is_disabled);
    let began = Instant::now();
    let checked = checker.check(place, password.clone(), stored, is_let_in).await?;
    metrics::password_checked(began.elapsed());
    let (found, renewed) = match (found, checked) {
        (None, _) => return Ok(Verdict::Wrong(None, Failure::UnknownUser)),
        (Some(found), Checked::Wrong) => {
            return Ok(Verdict::Wrong(Some(found.user.id), Failure::WrongPassword));
        }
        (Some(found), Checked::Right { .. }) if found.is_disabled => {
            return Ok(Verdict::Wrong(Some(found.user.id), Failure::Disabled));
        }
        (Some(found), Checked::Right { renewed }) => (found, renewed),
    };
    if let Some(renewed) = renewed {
        let user_id = &found.user.id;
        match store
            .renew_password_hash(user_id, &found.password_hash, &renewed)
            .await
        {
            Ok(()) => tracing::info!(user.id = user_id, "a password was hashed anew at today's cost"),
            // The old hash stays good, and the next sign-in tries again.
            Err(error) => tracing::warn!(%error, "a password could not be hashed anew"),
        }
    }
    Ok(Verdict::Right(found.user, found.credentials))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use crate::config::{PasswordConfig, SignInLifetimes, StorageConfig};
    use crate::secret::Digest;
    use crate::store::{NewSignIn, SessionOwner, SignInStored, StoredSession, UserChange, Whose};
    use crate::user::password::{Cost, hash};

    const LIFETIMES: SignInLifetimes = SignInLifetimes {
        idle: Duration::from_secs(60),
        absolute: Duration::from_secs(60),
    };

    const CONFIG: PasswordConfig = PasswordConfig {
        cores: 1,
        queue: 4,
        memory_mib: 19,
        passes: 2,
    };
    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

    struct Stage {
        store: Store,
        _folder: tempfile::TempDir,
    }

    impl Stage {
        async fn with_alice() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let store = Store::open(&StorageConfig::file(folder.path().join("db.sqlite3")))
                .await
                .unwrap();
            let alice = User {
                id: "u1".to_owned(),
                name: UserName::parse("alice").unwrap(),
                email: None,
                full_name: None,
            };
            let hash = hash("correct horse".into(), Cost::of(&CONFIG)).await.unwrap();
            let _ = store.add_user(&alice, &hash, NOW).await.unwrap();
            Self {
                store,
                _folder: folder,
            }
        }

        async fn attempt(&self, checker: &PasswordChecker, password: &str, address: [u8; 4]) -> SignIn {
            let attempt = Attempt {
                client_id: Some("bff"),
                typed_name: "alice",
                password: password.into(),
                address: address.into(),
            };
            sign_in(&self.store, checker, attempt, NOW).await.unwrap()
        }
    }

    #[tokio::test]
    async fn an_attempt_that_finds_no_place_writes_nothing_and_does_not_count() {
        let stage = Stage::with_alice().await;
        let checker = PasswordChecker::new(&CONFIG, &[]);
        let taken: Vec<_> = std::iter::from_fn(|| checker.take_place()).collect();
        // Nobody can write while this goes on.
        let writing = stage.store.begin().await.unwrap();
        for _ in 0..101 {
            let outcome = stage.attempt(&checker, "wrong", [192, 0, 2, 1]).await;
            assert!(matches!(outcome, SignIn::Busy));
        }
        writing.rollback().await.unwrap();
        drop(taken);
        let outcome = stage.attempt(&checker, "correct horse", [192, 0, 2, 1]).await;
        assert!(matches!(outcome, SignIn::Welcome(..)));
    }

    #[tokio::test]
    async fn a_throttled_attempt_writes_nothing_and_takes_nobodys_place() {
        let stage = Stage::with_alice().await;
        let checker = PasswordChecker::new(&CONFIG, &[]);
        for _ in 0..10 {
            let outcome = stage.attempt(&checker, "wrong", [192, 0, 2, 1]).await;
            assert!(matches!(outcome, SignIn::Refused));
        }
        let taken: Vec<_> = std::iter::from_fn(|| checker.take_place()).collect();
        let writing = stage.store.begin().await.unwrap();
        for password in ["wrong", "correct horse"] {
            let outcome = stage.attempt(&checker, password, [192, 0, 2, 1]).await;
            assert!(matches!(outcome, SignIn::Throttled));
        }
        writing.rollback().await.unwrap();
        drop(taken);
        let outcome = stage.attempt(&checker, "correct horse", [192, 0, 2, 2]).await;
        assert!(matches!(outcome, SignIn::Welcome(..)));
    }

    #[tokio::test]
    async fn a_hash_of_another_cost_is_replaced_at_sign_in_only() {
        let stage = Stage::with_alice().await;
        let stored = async || {
            let alice = UserName::parse("alice").unwrap();
            stage
                .store
                .user_by_name(&alice)
                .await
                .unwrap()
                .unwrap()
                .password_hash
        };
        let before = stored().await;
        let dearer = PasswordConfig {
            memory_mib: 20,
            ..CONFIG
        };
        let samples = stage.store.sample_password_hashes().await.unwrap();
        assert_eq!(samples, std::slice::from_ref(&before));
        let checker = PasswordChecker::new(&dearer, &samples);
        let outcome = stage.attempt(&checker, "wrong", [192, 0, 2, 1]).await;
        assert!(matches!(outcome, SignIn::Refused));
        assert_eq!(stored().await, before);

        let outcome = stage.attempt(&checker, "correct horse", [192, 0, 2, 1]).await;
        assert!(matches!(outcome, SignIn::Welcome(..)));
        let after = stored().await;
        assert!(after.starts_with("$argon2id$v=19$m=20480,t=2,p=1$"), "{after}");
        let outcome = stage.attempt(&checker, "correct horse", [192, 0, 2, 1]).await;
        assert!(matches!(outcome, SignIn::Welcome(..)));
        assert_eq!(stored().await, after);

        // Whoever changed the password in between is not overruled.
        stage
            .store
            .renew_password_hash("u1", &before, "stale")
            .await
            .unwrap();
        assert_eq!(stored().await, after);
    }

    /// What a sign-in comes to that is stored after something else was done.
    async fn stored_after(stage: &Stage, outcome: SignIn) -> SignInStored {
        let SignIn::Welcome(user, credentials) = outcome else {
            panic!("the password is right")
        };
        let sign_in = NewSignIn {
            key: &Digest::of(b"key"),
            session: StoredSession {
                state: "{}".to_owned(),
                owner: SessionOwner {
                    sid: "s".to_owned(),
                    user_id: user.id,
                    auth_time: NOW,
                },
            },
            credentials,
            former: None,
            code: None,
        };
        stage.store.sign_in(sign_in, LIFETIMES, NOW).await.unwrap()
    }

    #[tokio::test]
    async fn a_sign_in_by_a_password_that_is_changed_meanwhile_is_not_stored() {
        let stage = Stage::with_alice().await;
        let checker = PasswordChecker::new(&CONFIG, &[]);
        for ends_sessions in [true, false] {
            let outcome = stage.attempt(&checker, "correct horse", [192, 0, 2, 1]).await;
            // The same password again: it is the change that counts, not what it changed to.
            let hash = hash("correct horse".into(), Cost::of(&CONFIG)).await.unwrap();
            let change = UserChange::Password {
                hash: &hash,
                ends_sessions,
            };
            stage.store.change_user("u1", change, NOW).await.unwrap();
            let stored = stored_after(&stage, outcome).await;
            assert_eq!(stored, SignInStored::PasswordChanged);
            let sessions = stage.store.live_sessions(Whose::Everybody, "", 9, NOW).await;
            assert_eq!(sessions.unwrap(), []);
        }
        let outcome = stage.attempt(&checker, "correct horse", [192, 0, 2, 1]).await;
        stage
            .store
            .change_user("u1", UserChange::Disable, NOW)
            .await
            .unwrap();
        assert_eq!(stored_after(&stage, outcome).await, SignInStored::UserDisabled);
    }

    #[tokio::test]
    async fn a_password_that_is_hashed_anew_is_still_the_same_password() {
        let stage = Stage::with_alice().await;
        let dearer = PasswordConfig {
            memory_mib: 20,
            ..CONFIG
        };
        let (checker, renewing) = [CONFIG, dearer]
            .map(|config| PasswordChecker::new(&config, &[]))
            .into();
        let before = stage.attempt(&checker, "correct horse", [192, 0, 2, 1]).await;
        // Of two sign-ins at once the other one renews the hash.
        let other = stage.attempt(&renewing, "correct horse", [192, 0, 2, 1]).await;
        assert!(matches!(other, SignIn::Welcome(..)));
        let stored = stored_after(&stage, before).await;
        assert_eq!(stored, SignInStored::Now("s".to_owned()));
    }

    #[tokio::test]
    async fn guesses_from_many_networks_lock_the_account_after_a_hundred() {
        let stage = Stage::with_alice().await;
        let buckets = |n| Buckets::of("alice", [198, 51, 100, n].into()).with_limits();
        for n in 0..99 {
            assert!(stage.store.claim_attempt(&buckets(n), NOW).await.unwrap());
        }
        let checker = PasswordChecker::new(&CONFIG, &[]);
        // A right password gives back what it claimed, however often.
        for _ in 0..3 {
            let outcome = stage.attempt(&checker, "correct horse", [192, 0, 2, 1]).await;
            assert!(matches!(outcome, SignIn::Welcome(..)));
        }
        let outcome = stage.attempt(&checker, "wrong", [192, 0, 2, 1]).await;
        assert!(matches!(outcome, SignIn::Refused));
        let outcome = stage.attempt(&checker, "correct horse", [192, 0, 2, 2]).await;
        assert!(matches!(outcome, SignIn::Throttled));
    }
}
