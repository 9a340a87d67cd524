//! What many requests ask of an SQLite file at the same moment is asked together.
//!
//! A statement costs a change of threads there and back, and a commit a wait for the disk, whether one row moves or
//! forty. So while one statement is under way the next questions gather, and one statement answers them all. Who is
//! alone waits for nobody. PostgreSQL needs none of this: it gathers the commits of its connections itself.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::StoreError;
use super::db::{Pool, PooledConnection, in_time};

/// How many are answered by one statement: no more than rows of an answer that sqlx lets wait without stopping the database
/// (50).
pub(super) const MOST: usize = 48;

/// How many statements one connection is kept for while questions gather: to give it back costs another change of threads, in
/// which sqlx looks whether it still works. Others want it, too.
const IN_A_ROW: usize = 4;

/// A thread of requests that ends, since nobody is connected to it, takes the task along that asks for others, too. These ask
/// once more, by another one.
const ATTEMPTS: usize = 2;

/// The requests that wait for one kind of statement.
pub(super) struct Gather<Q, A>(Mutex<Gathering<Q, A>>);

struct Gathering<Q, A> {
    waiting: Vec<Waiting<Q, A>>,
    /// Whether a task is there that answers them.
    is_led: bool,
}

struct Waiting<Q, A> {
    question: Q,
    asker: oneshot::Sender<Result<A, Arc<StoreError>>>,
}

impl<Q, A> Default for Gather<Q, A> {
    fn default() -> Self {
        Self(Mutex::new(Gathering {
            waiting: Vec::new(),
            is_led: false,
        }))
    }
}

impl<Q: Clone + Send + 'static, A: Send + 'static> Gather<Q, A> {
    /// The answer to one question. `work` answers some of them, in their order, by a connection of the pool, and returns that;
    /// it is the same for all who ask here, and may be given a question a second time. Questions of those who have gone away meanwhile are
    /// not asked.
    ///
    /// # Errors
    /// That of the statement, for all who were to be answered by it; and when there was no answer in time.
    pub(super) async fn ask<W, F>(
        self: &Arc<Self>,
        question: Q,
        pool: &Pool,
        work: W,
    ) -> Result<A, StoreError>
    where
        W: Fn(PooledConnection, Vec<Q>) -> F + Clone + Send + 'static,
        F: Future<Output = Result<(Vec<A>, PooledConnection), StoreError>> + Send + 'static,
    {
        in_time(async {
            for _ in 0..ATTEMPTS {
                let answer = self.stand_in_line(question.clone(), pool, &work);
                if let Ok(outcome) = answer.await {
                    return outcome.map_err(StoreError::Together);
                }
            }
            Err(sqlx::Error::WorkerCrashed.into())
        })
        .await
    }

    fn stand_in_line<W, F>(
        self: &Arc<Self>,
        question: Q,
        pool: &Pool,
        work: &W,
    ) -> oneshot::Receiver<Result<A, Arc<StoreError>>>
    where
        W: Fn(PooledConnection, Vec<Q>) -> F + Clone + Send + 'static,
        F: Future<Output = Result<(Vec<A>, PooledConnection), StoreError>> + Send + 'static,
    {
        let (asker, answer) = oneshot::channel();
        let is_led = {
            let mut gathering = self.lock();
            gathering.waiting.push(Waiting { question, asker });
            std::mem::replace(&mut gathering.is_led, true)
        };
        if !is_led {
            // In a task of its own: who asked first may go away, and others wait for the same statement. On this thread: it
            // gets its turn when the other requests here have asked, too.
            tokio::spawn(Lead::new(self.clone()).run(pool.clone(), work.clone()));
        }
        answer
    }
}

impl<Q, A> Gather<Q, A> {
    fn lock(&self) -> MutexGuard<'_, Gathering<Q, A>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers until nobody waits. However it ends, the next who asks is answered by another one.
struct Lead<Q, A> {
    gather: Arc<Gather<Q, A>>,
    is_over: bool,
}

impl<Q: Send + 'static, A: Send + 'static> Lead<Q, A> {
    fn new(gather: Arc<Gather<Q, A>>) -> Self {
        Self {
            gather,
            is_over: false,
        }
    }

    async fn run<W, F>(mut self, pool: Pool, work: W)
    where
        W: Fn(PooledConnection, Vec<Q>) -> F + Send,
        F: Future<Output = Result<(Vec<A>, PooledConnection), StoreError>> + Send,
    {
        let mut kept = Kept::default();
        while self.is_needed() {
            let connection = kept.or_acquired(&pool).await;
            // Not before there is a connection: until then others join.
            let most = if connection.is_ok() { MOST } else { usize::MAX };
            let taken = self.take(most);
            let (questions, askers): (Vec<Q>, Vec<_>) = taken
                .into_iter()
                .map(|waiting| (waiting.question, waiting.asker))
                .unzip();
            let outcome = match connection {
                Ok(_) if questions.is_empty() => continue,
                Ok(connection) => in_time(work(connection, questions)).await,
                Err(error) => Err(error.into()),
            };
            match outcome {
                Ok((answers, connection)) => {
                    kept.keep(connection);
                    for (asker, answer) in askers.into_iter().zip(answers) {
                        asker.send(Ok(answer)).ok();
                    }
                }
                Err(error) => {
                    let error = Arc::new(error);
                    for asker in askers {
                        asker.send(Err(error.clone())).ok();
                    }
                }
            }
        }
    }

    fn is_needed(&mut self) -> bool {
        let mut gathering = self.gather.lock();
        self.is_over = gathering.waiting.is_empty();
        gathering.is_led = !self.is_over;
        !self.is_over
    }

    fn take(&self, most: usize) -> Vec<Waiting<Q, A>> {
        let mut gathering = self.gather.lock();
        gathering.waiting.retain(|waiting| !waiting.asker.is_closed());
        let taken = gathering.waiting.len().min(most);
        gathering.waiting.drain(..taken).collect()
    }
}

/// The connection between one statement and the next.
#[derive(Default)]
struct Kept {
    connection: Option<PooledConnection>,
    statements: usize,
}

impl Kept {
    async fn or_acquired(&mut self, pool: &Pool) -> Result<PooledConnection, sqlx::Error> {
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => pool.acquire().await,
        }
    }

    fn keep(&mut self, connection: PooledConnection) {
        self.statements += 1;
        let is_kept = !self.statements.is_multiple_of(IN_A_ROW);
        self.connection = is_kept.then_some(connection);
    }
}

impl<Q, A> Drop for Lead<Q, A> {
    fn drop(&mut self) {
        if !self.is_over {
            let mut gathering = self.gather.lock();
            gathering.is_led = false;
            // Whoever waits hears that there is no answer.
            gathering.waiting.clear();
        }
    }
}

impl<Q, A> fmt::Debug for Gather<Q, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gather").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
