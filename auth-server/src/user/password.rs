//! Passwords: Argon2id, a cap on parallel hashes, and the same work whether or not the user exists.

mod thread;

use std::sync::{Arc, PoisonError, RwLock};

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::User;
use super::strength::{self, Weakness};
use crate::config::PasswordConfig;
use crate::secret::random_bytes;

/// OWASP ASVS 5.0 §6.2.1: at least 8, with 15 recommended. Which kinds of characters there are is no rule.
pub const SHORTEST: usize = 8;
/// Longer ones are refused, so that nobody believes that its end counts when a form would cut it off.
pub const LONGEST: usize = 256;

/// Why a text is not taken for a password.
#[derive(Debug, PartialEq, thiserror::Error)]
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
    /// Guessed in no time, and why.
    #[error("is too easy to guess. {0}")]
    Guessable(Weakness),
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
    /// There was no thread for it, or it panicked.
    #[error("the hash was given up half-way")]
    Interrupted,
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

/// What a hash costs to compute, whoever the password is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Cost {
    /// What is configured for new hashes.
    pub(crate) fn of(config: &PasswordConfig) -> Self {
        Self {
            memory_kib: config.memory_mib * 1024,
            passes: config.passes,
            lanes: 1,
        }
    }

    /// What a stored hash was computed with.
    fn read(hash: &str) -> Result<Self, HashingError> {
        let hash = PasswordHash::new(hash).map_err(|_| HashingError::Damaged)?;
        let params = Params::try_from(&hash).map_err(|_| HashingError::Damaged)?;
        Ok(Self {
            memory_kib: params.m_cost(),
            passes: params.t_cost(),
            lanes: params.p_cost(),
        })
    }

    fn argon2(self) -> Result<Argon2<'static>, HashingError> {
        let params = Params::new(self.memory_kib, self.passes, self.lanes, None)
            .map_err(|error| HashingError::Argon2(error.into()))?;
        Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
    }
}

/// Hashes a new password, off the threads that serve requests.
pub(crate) async fn hash(password: SecretString, cost: Cost) -> Result<String, HashingError> {
    thread::run((), move || hash_now(&password, cost)).await
}

fn hash_now(password: &SecretString, cost: Cost) -> Result<String, HashingError> {
    #[expect(clippy::disallowed_methods, reason = "hashed here")]
    let password = password.expose_secret().as_bytes();
    let hash = cost
        .argon2()?
        .hash_password_with_salt(password, &random_bytes::<16>())
        .map_err(HashingError::Argon2)?;
    Ok(hash.to_string())
}

/// Checks passwords, a few at a time.
///
/// Whether there is a user, and how old the hash is, must not be seen in the time that it takes. So each check compares with
/// one hash of every cost that some stored hash has: the real one among them if there is a user, and decoys for the
/// rest. There is one cost only, unless it has been configured anew.
pub(crate) struct PasswordChecker {
    running: Arc<Semaphore>,
    places: Arc<Semaphore>,
    /// Of new hashes.
    cost: Cost,
    in_use: RwLock<Vec<Decoy>>,
}

/// What looks like a stored hash of this cost, and is that of no password: to compare with it takes the same steps.
#[derive(Clone)]
struct Decoy {
    cost: Cost,
    hash: Arc<str>,
}

impl Decoy {
    fn of(cost: Cost) -> Self {
        let Cost {
            memory_kib,
            passes,
            lanes,
        } = cost;
        let salt = STANDARD_NO_PAD.encode(random_bytes::<16>());
        let output = STANDARD_NO_PAD.encode(random_bytes::<32>());
        Self {
            cost,
            hash: format!("$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${salt}${output}").into(),
        }
    }
}

/// The right to have one password checked, now or in a while. Holding one costs nothing yet.
#[derive(Debug)]
pub(crate) struct Place {
    _held: OwnedSemaphorePermit,
}

/// What a password turned out to be.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Checked {
    /// Not the one that was hashed, or there is none.
    Wrong,
    /// The one that was hashed.
    Right {
        /// Its hash at today's cost, if the stored one has another.
        renewed: Option<String>,
    },
}

impl PasswordChecker {
    /// A checker for hashes of which these are some, one at least of each cost. Those that cannot be read say nothing.
    pub(crate) fn new(config: &PasswordConfig, stored: &[String]) -> Self {
        let checker = Self {
            running: Arc::new(Semaphore::new(config.cores)),
            places: Arc::new(Semaphore::new(config.cores + config.queue)),
            cost: Cost::of(config),
            in_use: RwLock::new(vec![Decoy::of(Cost::of(config))]),
        };
        for cost in stored.iter().filter_map(|hash| Cost::read(hash).ok()) {
            checker.decoys_beside(Some(cost));
        }
        checker
    }

    /// A place among those whose password is checked; `None` when all are taken.
    pub(crate) fn take_place(&self) -> Option<Place> {
        let held = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(Place { _held: held })
    }

    /// Checks a password against a hash. Without one it is wrong, after the same work. Only for whoever is let in then it may be
    /// hashed anew: for others, that it takes longer would tell that it is right.
    pub(crate) async fn check(
        &self,
        place: Place,
        password: SecretString,
        stored: Option<String>,
        may_renew: bool,
    ) -> Result<Checked, HashingError> {
        let real = stored.as_deref().map(Cost::read).transpose()?;
        let decoys = self.decoys_beside(real);
        let today = self.cost;
        let turn = Arc::clone(&self.running)
            .acquire_owned()
            .await
            .map_err(|_| HashingError::Interrupted)?;
        // The hash goes on when the client hangs up, and so does its claim to a core and a place.
        let hashing = thread::run((place, turn), move || {
            let is_right = match &stored {
                Some(stored) => verify_now(&password, stored)?,
                None => false,
            };
            for decoy in decoys {
                std::hint::black_box(verify_now(&password, &decoy.hash)?);
            }
            if !is_right {
                return Ok(Checked::Wrong);
            }
            let renewed = match real {
                Some(cost) if cost == today || !may_renew => None,
                _ => Some(hash_now(&password, today)?),
            };
            Ok(Checked::Right { renewed })
        });
        hashing.await
    }

    /// Hashes a new password, in its turn among those that are checked.
    pub(crate) async fn hash(&self, place: Place, password: SecretString) -> Result<String, HashingError> {
        let cost = self.cost;
        let turn = Arc::clone(&self.running)
            .acquire_owned()
            .await
            .map_err(|_| HashingError::Interrupted)?;
        thread::run((place, turn), move || hash_now(&password, cost)).await
    }

    /// What to compare with beside the real hash, so that each cost is paid. A cost that was not known before,
    /// from another node say, is from now on.
    fn decoys_beside(&self, real: Option<Cost>) -> Vec<Decoy> {
        let known = self.in_use.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(new) = real.filter(|cost| known.iter().all(|decoy| decoy.cost != *cost)) {
            let mut in_use = self.in_use.write().unwrap_or_else(PoisonError::into_inner);
            if in_use.iter().all(|decoy| decoy.cost != new) {
                in_use.push(Decoy::of(new));
            }
        }
        let mut decoys = known;
        decoys.retain(|decoy| Some(decoy.cost) != real);
        decoys
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
    // The cost is read from the hash.
    match Argon2::default().verify_password(password, &hash) {
        Ok(()) => Ok(true),
        Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
        Err(error) => Err(HashingError::Argon2(error)),
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::user::UserName;

    const TODAY: PasswordConfig = PasswordConfig {
        cores: 1,
        queue: 1,
        memory_mib: 7,
        passes: 5,
    };
    const EARLIER: Cost = Cost {
        memory_kib: 19 * 1024,
        passes: 2,
        lanes: 1,
    };

    fn secret(text: &str) -> SecretString {
        SecretString::from(text)
    }

    async fn check_once(checker: &PasswordChecker, password: &str, stored: Option<&str>) -> Checked {
        let place = checker.take_place().unwrap();
        checker
            .check(place, secret(password), stored.map(str::to_owned), true)
            .await
            .unwrap()
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
        let checker = PasswordChecker::new(&TODAY, &[]);
        let stored = hash(secret("correct horse"), Cost::of(&TODAY)).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=7168,t=5,p=1$"), "{stored}");

        let right = Checked::Right { renewed: None };
        assert_eq!(check_once(&checker, "correct horse", Some(&stored)).await, right);
        let wrong = check_once(&checker, "Correct horse", Some(&stored)).await;
        assert_eq!(wrong, Checked::Wrong);
        assert_eq!(check_once(&checker, "correct horse", None).await, Checked::Wrong);
    }

    #[tokio::test]
    async fn a_right_password_is_hashed_anew_when_the_cost_has_changed() {
        let checker = PasswordChecker::new(&TODAY, &[]);
        let stored = hash(secret("correct horse"), EARLIER).await.unwrap();
        assert_eq!(
            check_once(&checker, "wrong horse", Some(&stored)).await,
            Checked::Wrong
        );
        let checked = check_once(&checker, "correct horse", Some(&stored)).await;
        let Checked::Right {
            renewed: Some(renewed),
        } = checked
        else {
            panic!("{checked:?}")
        };
        assert_eq!(Cost::read(&renewed).unwrap(), Cost::of(&TODAY));
        let again = check_once(&checker, "correct horse", Some(&renewed)).await;
        assert_eq!(again, Checked::Right { renewed: None });

        // Of who is not let in, it would tell that the password is right.
        let place = checker.take_place().unwrap();
        let checked = checker
            .check(place, secret("correct horse"), Some(stored), false)
            .await;
        assert_eq!(checked.unwrap(), Checked::Right { renewed: None });
    }

    #[tokio::test]
    async fn whoever_signs_in_the_same_hashes_are_computed() {
        let today = Cost::of(&TODAY);
        let stored = hash(secret("correct horse"), EARLIER).await.unwrap();
        for checker in [
            PasswordChecker::new(&TODAY, &[stored.clone(), stored.clone(), "damaged".to_owned()]),
            {
                // An old hash that comes from elsewhere is noticed with its first use.
                let checker = PasswordChecker::new(&TODAY, &[]);
                let _ = check_once(&checker, "wrong horse", Some(&stored)).await;
                checker
            },
        ] {
            let work = |real: Option<Cost>| {
                let decoys = checker.decoys_beside(real);
                // What is computed is what the text says.
                let computed = decoys.iter().map(|decoy| Cost::read(&decoy.hash).unwrap());
                let mut work: Vec<_> = computed.chain(real).collect();
                work.sort_by_key(|cost| cost.memory_kib);
                work
            };
            assert_eq!(work(None), [today, EARLIER]);
            assert_eq!(work(Some(today)), [today, EARLIER]);
            assert_eq!(work(Some(EARLIER)), [today, EARLIER]);
        }
    }

    #[tokio::test]
    async fn a_damaged_hash_is_reported_and_opens_nothing() {
        let checker = PasswordChecker::new(&TODAY, &[]);
        let place = checker.take_place().unwrap();
        let outcome = checker
            .check(place, secret("x"), Some("plain".to_owned()), true)
            .await;
        assert!(matches!(outcome, Err(HashingError::Damaged)));
    }

    #[test]
    fn who_finds_no_place_to_wait_is_turned_away() {
        let checker = PasswordChecker::new(&TODAY, &[]);
        let taken = [checker.take_place(), checker.take_place()];
        assert!(taken.iter().all(Option::is_some));
        assert!(checker.take_place().is_none());
        drop(taken);
        assert!(checker.take_place().is_some());
    }
}
