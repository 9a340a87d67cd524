use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt as _;
use futures_util::future::join_all;

use super::super::db::PooledConnection;
use super::super::sqlite::tests::fresh;
use super::super::{Store, StoreError};
use super::{Gather, MOST};

/// Answers with the question, and with how many were asked together.
async fn echo(
    connection: PooledConnection,
    questions: Vec<usize>,
) -> Result<(Vec<(usize, usize)>, PooledConnection), StoreError> {
    let together = questions.len();
    let answers = questions.into_iter().map(|question| (question, together));
    Ok((answers.collect(), connection))
}

#[tokio::test]
async fn who_waits_for_the_connection_is_answered_together_and_each_by_its_own_answer() {
    let (config, _folder) = fresh();
    let store = Store::open(&config).await.unwrap();
    let gather = Arc::new(Gather::default());
    let busy = store.writer.acquire().await.unwrap();
    let many = MOST + 8;
    let mut asked = pin!(join_all((0..many).map(|number| gather.ask(
        number,
        &store.writer,
        echo
    ))));
    assert!(asked.as_mut().now_or_never().is_none());
    drop(busy);
    let answers: Vec<_> = asked.await.into_iter().map(Result::unwrap).collect();
    for (number, (answer, together)) in answers.into_iter().enumerate() {
        assert_eq!(answer, number);
        assert_eq!(together, if number < MOST { MOST } else { 8 });
    }
    assert_eq!(
        gather.ask(7, &store.writer, echo).await.unwrap(),
        (7, 1),
        "it begins anew"
    );
}

#[tokio::test]
async fn who_has_gone_away_is_not_asked_for_and_takes_nobody_along() {
    let (config, _folder) = fresh();
    let store = Store::open(&config).await.unwrap();
    let gather = Arc::new(Gather::default());
    let busy = store.writer.acquire().await.unwrap();
    let mut first = Box::pin(gather.ask(1, &store.writer, echo));
    let mut second = pin!(gather.ask(2, &store.writer, echo));
    assert!(first.as_mut().now_or_never().is_none());
    assert!(second.as_mut().now_or_never().is_none());
    drop(first);
    drop(busy);
    assert_eq!(second.await.unwrap(), (2, 1));
}

#[tokio::test]
async fn a_failure_reaches_all_who_were_to_be_answered() {
    let (config, _folder) = fresh();
    let store = Store::open(&config).await.unwrap();
    let gather = Arc::new(Gather::<usize, usize>::default());
    let fail = async |_: PooledConnection, _: Vec<usize>| Err(StoreError::Damaged("answer"));
    let failures = join_all((0..3).map(|number| gather.ask(number, &store.reader, fail))).await;
    for failure in failures {
        let Err(StoreError::Together(cause)) = failure else {
            panic!("{failure:?}");
        };
        assert!(matches!(*cause, StoreError::Damaged("answer")));
    }
}

#[test]
fn a_runtime_that_ends_leaves_nobody_waiting() {
    let (config, _folder) = fresh();
    let gather = Arc::new(Gather::<usize, (usize, usize)>::default());
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let first = runtime();
    let store = first.block_on(Store::open(&config)).unwrap();
    let busy = first.block_on(store.writer.acquire()).unwrap();
    let second = runtime();
    let mut leads = Box::pin(gather.ask(1, &store.writer, echo));
    second.block_on(async {
        assert!(leads.as_mut().now_or_never().is_none());
        tokio::task::yield_now().await;
    });
    let mut left = Box::pin(gather.ask(2, &store.writer, echo));
    first.block_on(async { assert!(left.as_mut().now_or_never().is_none()) });
    drop(leads);
    drop(second);
    first.block_on(async { drop(busy) });
    // It asks once more, by a task of its own thread.
    let answer = first.block_on(left);
    assert_eq!(answer.unwrap(), (2, 1));
}

#[tokio::test]
async fn who_gets_no_answer_in_time_is_told_so_and_leaves_the_queue() {
    let (config, _folder) = fresh();
    let store = Store::open(&config).await.unwrap();
    let gather = Arc::new(Gather::default());
    let hangs = Arc::new(AtomicBool::new(true));
    let work = {
        let hangs = hangs.clone();
        move |connection: PooledConnection, questions: Vec<usize>| {
            let hangs = hangs.load(Ordering::Relaxed);
            async move {
                if hangs {
                    std::future::pending::<()>().await;
                }
                Ok((questions, connection))
            }
        }
    };
    // Until it goes on, nothing here waits for anything real.
    tokio::time::pause();
    let asked = (0..3).map(|number| gather.ask(number, &store.reader, work.clone()));
    for failure in join_all(asked).await {
        assert!(
            matches!(failure, Err(StoreError::Query(_) | StoreError::Together(_))),
            "{failure:?}"
        );
    }
    hangs.store(false, Ordering::Relaxed);
    tokio::time::resume();
    let next = gather.ask(4, &store.reader, work).await;
    assert_eq!(next.unwrap(), 4, "a statement that hangs is given up");
}
