//! Passwords: Argon2id, a cap on parallel hashes, and the same work whether or not the user exists.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;

use super::{User, strength};
use crate::secret::{base64url, random_bytes};

/// OWASP ASVS 5.0 §6.2.1: at least 8, with 15 recommended. Which kinds of characters there are is no rule.
pub const SHORTEST: usize = 8;
/// Longer ones are refused, so that nobody believes that its end counts when a form would cut it off.
pub const LONGEST: usize = 256;

/// OWASP's least: 19 MiB and two passes.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
/// Sign-ins that wait for their turn; more are turned away at once instead of piling up.
const QUEUE: usize = 64;

/// Why a text is not taken for a password.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnfitPassword {
    /// Fewer than [`SHORTEST`] characters.
    #[error("must have at least {SHORTEST} characters")]
    TooShort,
    /// More than [`LONGEST`] bytes.
    #[error("must not be longer than {LONGEST} bytes")]
    TooLong,
    /// The first guess of all.
    #[error("must not be the user name")]
    IsTheName,
    /// Guessed in no time; the text says why.
    #[error("is too easy to guess. {0}")]
    Guessable(String),
}

/// A hash that could not be computed or read.
#[derive(Debug, thiserror::Error)]
pub enum HashingError {
    /// Argon2 refused.
    #[error("Argon2 failed: {0}")]
    Argon2(argon2::password_hash::Error),
    /// What is stored is no hash.
    #[error("a stored password hash is damaged")]
    Damaged,
    /// The blocking pool is shutting down.
    #[error("the hash was given up half-way")]
    Interrupted,
    /// Too many sign-ins wait already.
    #[error("too many passwords are being checked")]
    Busy,
}

/// Whether a new password will do.
pub(crate) fn check(password: &SecretString, user: &User) -> Result<(), UnfitPassword> {
    #[expect(
        clippy::disallowed_methods,
        reason = "measured, and compared with what everybody tries"
    )]
    let password = password.expose_secret();
    if password.chars().count() < SHORTEST {
        return Err(UnfitPassword::TooShort);
    }
    if password.len() > LONGEST {
        return Err(UnfitPassword::TooLong);
    }
    if password.eq_ignore_ascii_case(user.name.as_str()) {
        return Err(UnfitPassword::IsTheName);
    }
    match strength::weakness(password, user) {
        None => Ok(()),
        Some(why) => Err(UnfitPassword::Guessable(why)),
    }
}

/// Hashes a new password, off the threads that serve requests.
pub(crate) async fn hash(password: SecretString) -> Result<String, HashingError> {
    tokio::task::spawn_blocking(move || hash_now(&password))
        .await
        .map_err(|_| HashingError::Interrupted)?
}

fn hash_now(password: &SecretString) -> Result<String, HashingError> {
    #[expect(clippy::disallowed_methods, reason = "hashed here")]
    let password = password.expose_secret().as_bytes();
    let hash = argon2()
        .hash_password_with_salt(password, &random_bytes::<16>())
        .map_err(HashingError::Argon2)?;
    Ok(hash.to_string())
}

fn argon2() -> Argon2<'static> {
    #[expect(clippy::expect_used, reason = "constants within Argon2's limits")]
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).expect("valid parameters");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// Checks passwords, as many at a time as there are cores.
pub(crate) struct PasswordChecker {
    running: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    /// The hash of a password that nobody knows, to be checked for users that do not exist.
    decoy: Arc<str>,
}

impl PasswordChecker {
    /// Computes the decoy, once.
    pub(crate) async fn new() -> Result<Self, HashingError> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self::with_places(cores, cores + QUEUE).await
    }

    /// Checks so many passwords at a time, while the others of so many in all wait.
    pub(crate) async fn with_places(running: usize, all: usize) -> Result<Self, HashingError> {
        let nobody_knows = SecretString::from(base64url(&random_bytes::<32>()));
        Ok(Self {
            running: Arc::new(Semaphore::new(running)),
            waiting: Arc::new(Semaphore::new(all)),
            decoy: hash(nobody_knows).await?.into(),
        })
    }

    /// Whether the password is the one that was hashed. Without a hash the answer is no, after the same work.
    pub(crate) async fn is_right(
        &self,
        password: SecretString,
        stored: Option<String>,
    ) -> Result<bool, HashingError> {
        let place = Arc::clone(&self.waiting)
            .try_acquire_owned()
            .map_err(|_| HashingError::Busy)?;
        let turn = Arc::clone(&self.running)
            .acquire_owned()
            .await
            .map_err(|_| HashingError::Interrupted)?;
        let exists = stored.is_some();
        let hash: Arc<str> = stored.map_or_else(|| Arc::clone(&self.decoy), Into::into);
        // The hash goes on when the client hangs up, and so does its claim to a core and a place.
        let hashing = tokio::task::spawn_blocking(move || {
            let _held_to_the_end = (place, turn);
            verify_now(&password, &hash)
        });
        let matches = hashing.await.map_err(|_| HashingError::Interrupted)??;
        Ok(matches && exists)
    }
}

impl std::fmt::Debug for PasswordChecker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PasswordChecker").finish_non_exhaustive()
    }
}

fn verify_now(password: &SecretString, hash: &str) -> Result<bool, HashingError> {
    let hash = PasswordHash::new(hash).map_err(|_| HashingError::Damaged)?;
    #[expect(clippy::disallowed_methods, reason = "hashed here")]
    let password = password.expose_secret().as_bytes();
    match argon2().verify_password(password, &hash) {
        Ok(()) => Ok(true),
        Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
        Err(error) => Err(HashingError::Argon2(error)),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::user::UserName;

    fn secret(text: &str) -> SecretString {
        SecretString::from(text)
    }

    #[test]
    fn length_counts_and_that_it_is_not_guessed_easily() {
        let user = User {
            id: "u".to_owned(),
            name: UserName::parse("alice.miller").unwrap(),
            email: None,
            full_name: None,
        };
        let check = |password: &str| check(&secret(password), &user);
        assert_eq!(check("xK7#p2v"), Err(UnfitPassword::TooShort));
        assert_eq!(check("xK7#p2vQ9&"), Ok(()));
        assert_eq!(check("Alice.Miller"), Err(UnfitPassword::IsTheName));
        assert_eq!(check(&"xK7#p2vQ".repeat(33)), Err(UnfitPassword::TooLong));
        for trivial in ["        ", "ääääääää", "password"] {
            assert!(
                matches!(check(trivial), Err(UnfitPassword::Guessable(_))),
                "{trivial}"
            );
        }
    }

    #[tokio::test]
    async fn the_right_password_is_right_and_nothing_else_is() {
        let checker = PasswordChecker::new().await.unwrap();
        let stored = hash(secret("correct horse")).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");

        assert!(
            checker
                .is_right(secret("correct horse"), Some(stored.clone()))
                .await
                .unwrap()
        );
        assert!(
            !checker
                .is_right(secret("Correct horse"), Some(stored))
                .await
                .unwrap()
        );
        assert!(!checker.is_right(secret("correct horse"), None).await.unwrap());
    }

    #[tokio::test]
    async fn a_damaged_hash_is_reported_and_opens_nothing() {
        let checker = PasswordChecker::new().await.unwrap();
        let outcome = checker.is_right(secret("x"), Some("plain".to_owned())).await;
        assert!(matches!(outcome, Err(HashingError::Damaged)));
    }

    #[test]
    fn a_hash_keeps_its_places_when_nobody_waits_for_it_any_more() {
        // One thread for hashes, which is held up, so that the hash is surely still under way when it is looked at.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .max_blocking_threads(1)
            .build()
            .unwrap();
        runtime.block_on(async {
            let checker = PasswordChecker::with_places(2, 3).await.unwrap();
            let (open, gate) = std::sync::mpsc::channel::<()>();
            let held_up = tokio::task::spawn_blocking(move || gate.recv());
            assert!(checker.is_right(secret("x"), None).now_or_never().is_none());
            assert_eq!(checker.running.available_permits(), 1);
            assert_eq!(checker.waiting.available_permits(), 2);

            open.send(()).unwrap();
            held_up.await.unwrap().unwrap();
            let _all = checker.running.acquire_many(2).await.unwrap();
            let _all = checker.waiting.acquire_many(3).await.unwrap();
        });
    }

    #[tokio::test]
    async fn who_finds_no_place_to_wait_is_turned_away() {
        let checker = PasswordChecker::with_places(1, 0).await.unwrap();
        let outcome = checker.is_right(secret("x"), None).await;
        assert!(matches!(outcome, Err(HashingError::Busy)));
    }
}
