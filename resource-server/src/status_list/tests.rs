mod fake;
mod following;
mod outages;
mod polling;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use serde_json::{Value, json};
use url::Url;

use self::fake::FakeLists;
use super::{Fail, ListPlaces, StatusError, StatusLists, StatusPolicy};
use crate::claims::Claims;
use crate::error::{FetchKeysError, TokenError};
use crate::key_cache::{FetchKeys, KeyCache};
use crate::test_log::TestLog;
use crate::test_support::{ISSUER, NOW, TestKey, TestStatusList, claims_with, jwks, key_set, verifier};
use crate::time::ManualClock;

const URI: &str = TestStatusList::URI;

/// The keys that the issuer of these tests publishes.
#[derive(Debug)]
struct Keys {
    document: std::sync::Mutex<Vec<u8>>,
    hang: AtomicBool,
}

impl Keys {
    fn publish(&self, keys: &[&TestKey]) {
        let keys: Vec<Value> = keys.iter().map(|key| key.jwk()).collect();
        *self.document.lock().unwrap() = jwks(&keys);
    }

    /// From now on whoever asks for them gets no answer.
    fn hang(&self) {
        self.hang.store(true, Ordering::SeqCst);
    }
}

#[async_trait]
impl FetchKeys for Keys {
    async fn fetch(&self) -> Result<Vec<u8>, FetchKeysError> {
        if self.hang.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        Ok(self.document.lock().unwrap().clone())
    }
}

/// The lists of an issuer that serves one, in which nobody has logged out yet.
struct Stage {
    clock: ManualClock,
    key: TestKey,
    keys: Arc<Keys>,
    source: Arc<FakeLists>,
    lists: StatusLists,
}

type Verdict = Result<(), StatusError>;

const ENDED: Verdict = Err(StatusError::Token(TokenError::GrantEnded));

impl Stage {
    fn new() -> Self {
        Self::with(StatusPolicy::default())
    }

    fn with(policy: StatusPolicy) -> Self {
        let clock = ManualClock::new(NOW);
        let key = TestKey::es256("k1");
        let keys = Arc::new(Keys {
            document: jwks(&[key.jwk()]).into(),
            hang: AtomicBool::new(false),
        });
        let source = Arc::new(FakeLists::new());
        source.publish(&TestStatusList::default(), &key);
        let cache = KeyCache::new(keys.clone(), Arc::new(clock.clone()));
        let places = ListPlaces::at_issuer(&Url::parse(ISSUER).unwrap());
        let lists = StatusLists::new(&verifier(), places, source.clone(), cache, policy);
        Self {
            clock,
            key,
            keys,
            source,
            lists,
        }
    }

    /// The same with the list in memory.
    async fn warm(policy: StatusPolicy) -> Self {
        let stage = Self::with(policy);
        assert_eq!(stage.check(7).await, Ok(()));
        assert_eq!(stage.source.fetches(), 1);
        stage
    }

    /// With a list in memory in which grant 7 has ended.
    async fn new_ended(policy: StatusPolicy) -> Self {
        let stage = Self::with(policy);
        stage.publish_ended(&[7]);
        assert_eq!(stage.check(7).await, ENDED);
        stage
    }

    async fn check(&self, index: u64) -> Verdict {
        self.lists.check(&self.token(index)).await
    }

    /// The verdict if it comes without any waiting.
    fn check_at_once(&self, index: u64) -> Option<Verdict> {
        self.check(index).now_or_never()
    }

    /// A token of the grant with this index, issued before the clock was touched.
    fn token(&self, index: u64) -> Claims {
        token_of(&self.key, json!({"status_list": {"idx": index, "uri": URI}}))
    }

    /// Serves a list in which these grants have ended.
    fn publish_ended(&self, ended: &[usize]) {
        let list = ended
            .iter()
            .fold(self.list_of_now(), |list, &index| list.end(index));
        self.source.publish(&list, &self.key);
    }

    /// A list in which nobody has logged out.
    fn list_of_now(&self) -> TestStatusList {
        TestStatusList {
            issued_at: crate::time::Clock::now(&self.clock).as_secs(),
            ..TestStatusList::default()
        }
    }

    /// Whether a look is under way.
    fn is_looking(&self) -> bool {
        let followed = self.lists.0.followed.load();
        let looks = followed.values().map(|list| &list.looks);
        looks
            .into_iter()
            .any(|looks| looks.begun.load(Ordering::SeqCst) > *looks.ended.borrow())
    }

    fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

fn token_of(key: &TestKey, status: Value) -> Claims {
    claims_of(key, &claims_with("status", status))
}

fn claims_of(key: &TestKey, claims: &Value) -> Claims {
    let token = key.access_token(claims);
    verifier().verify(&token, &key_set(&[key]), NOW).unwrap()
}

fn refused(error: TokenError) -> Verdict {
    Err(StatusError::Token(error))
}

#[tokio::test]
async fn a_list_is_fetched_at_its_first_token_and_then_used() {
    let stage = Stage::new();
    assert_eq!(
        stage
            .lists
            .check(&claims_of(&stage.key, &crate::test_support::good_claims()))
            .await,
        Ok(())
    );
    assert_eq!(stage.source.fetches(), 0, "nobody needed one");
    for index in 0..100 {
        assert_eq!(stage.check(index).await, Ok(()));
    }
    assert_eq!(stage.source.fetches(), 1);
    assert_eq!(stage.source.last_question(), (URI.to_owned(), None));
    for index in 0..100 {
        assert_eq!(stage.check_at_once(index), Some(Ok(())), "without waiting");
    }
}

#[tokio::test]
async fn a_grant_that_has_ended_is_refused_within_the_ttl_and_others_go_on() {
    let stage = Stage::warm(StatusPolicy::default()).await;
    stage.publish_ended(&[7]);
    stage.advance(5);
    assert_eq!(stage.check_at_once(7), Some(Ok(())), "as old as it may be");
    stage.advance(1);
    assert_eq!(stage.check(7).await, ENDED);
    assert_eq!(stage.check_at_once(7), Some(ENDED));
    for other in [0, 6, 8, 127] {
        assert_eq!(stage.check_at_once(other), Some(Ok(())));
    }
    assert_eq!(stage.source.fetches(), 2);
    let figures = stage.lists.figures();
    assert_eq!((figures.renewed, figures.failed, figures.refused), (2, 0, 2));
}

#[tokio::test]
async fn a_list_that_says_less_than_we_allow_is_asked_for_more_often() {
    let stage = Stage::new();
    let hasty = TestStatusList {
        ttl: 2,
        ..TestStatusList::default()
    };
    stage.source.publish(&hasty, &stage.key);
    assert_eq!(stage.check(7).await, Ok(()));
    stage.publish_ended(&[7]);
    stage.advance(3);
    assert_eq!(stage.check(7).await, ENDED);

    // The list now in force allows five seconds; one that allows an hour gets no more than that.
    let lazy = TestStatusList {
        ttl: 3600,
        ..stage.list_of_now()
    };
    stage.source.publish(&lazy, &stage.key);
    stage.advance(6);
    assert_eq!(stage.check(8).await, Ok(()));
    stage.publish_ended(&[8]);
    stage.advance(6);
    assert_eq!(stage.check(8).await, ENDED);
}

#[tokio::test]
async fn every_status_but_valid_is_refused() {
    let stage = Stage::new();
    let list = TestStatusList {
        bits: 4,
        statuses: vec![0x10, 0x32, 0xf4],
        ..TestStatusList::default()
    };
    stage.source.publish(&list, &stage.key);
    assert_eq!(stage.check(0).await, Ok(()));
    assert_eq!(stage.check(1).await, ENDED);
    for index in 2..6 {
        assert_eq!(
            stage.check(index).await,
            refused(TokenError::StatusNotValid),
            "{index}"
        );
    }
    assert_eq!(stage.check(6).await, refused(TokenError::StatusUnknown));
}

#[tokio::test]
async fn a_token_without_status_is_refused_if_one_is_required() {
    let lenient = Stage::new();
    let strict = Stage::with(StatusPolicy {
        require: true,
        ..StatusPolicy::default()
    });
    let plain = claims_of(&strict.key, &crate::test_support::good_claims());
    let other = token_of(&strict.key, json!({"another_way": {"id": 1}}));
    for token in [plain, other] {
        assert_eq!(lenient.lists.check(&token).await, Ok(()));
        let verdict = strict.lists.check(&token).await;
        assert_eq!(verdict, refused(TokenError::MissingClaim("status")));
    }
    assert_eq!(strict.check(7).await, Ok(()));
}

#[tokio::test]
async fn a_status_that_cannot_be_read_is_no_status_that_is_good() {
    let (log, _guard) = TestLog::begin();
    let stage = Stage::new();
    for status in [json!("active"), json!({"status_list": {"idx": -1, "uri": URI}})] {
        let token = token_of(&stage.key, status);
        let verdict = stage.lists.check(&token).await;
        assert_eq!(verdict, refused(TokenError::MalformedClaim("status")));
    }
    assert_eq!(stage.source.fetches(), 0);
    let told = log.text();
    assert_eq!(
        told.matches("none that refers to a status list").count(),
        1,
        "{told}"
    );
    assert!(told.contains(ISSUER), "{told}");
}

#[tokio::test]
async fn nobody_is_asked_whom_only_a_token_names() {
    let stage = Stage::new();
    for uri in [
        "http://169.254.169.254/latest/meta-data",
        "https://evil.example/statuslists/1",
        "https://issuer.example.evil.example/statuslists/1",
        "https://issuer.example/a/../statuslists/1",
        "file:///etc/passwd",
    ] {
        let token = token_of(&stage.key, json!({"status_list": {"idx": 1, "uri": uri}}));
        let verdict = stage.lists.check(&token).await;
        assert_eq!(verdict, refused(TokenError::ForeignStatusList), "{uri}");
    }
    assert_eq!(stage.source.fetches(), 0);
    assert_eq!(stage.lists.figures().lists, 0);
}
