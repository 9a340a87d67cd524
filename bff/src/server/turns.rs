//! Which connections are read from next, when many have something to say.
//!
//! Otherwise all requests that are there would be begun before any is gone on with: of five hundred connections five hundred,
//! each with its buffers and a connection to its upstream, which is more than the caches of a core hold. So a few are begun,
//! then whatever has come for those under way is looked after, and then it is the turn of the next few. Nobody waits for
//! a request to end, only for a round of the event loop. It is about HTTP/1.1 connections that were asked before; first requests come no
//! faster than connections are accepted, and those of HTTP/2 are begun as they come.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;
use std::task::{Context, Waker};

use super::activity::Activity;

/// How many requests may be begun before a round has to pass.
const AT_ONCE: usize = 32;

/// Whose turn it is on one worker.
#[derive(Default)]
pub(super) struct Turns {
    begun: Cell<usize>,
    waiting: RefCell<VecDeque<(Rc<Activity>, Waker)>>,
    has_rounds: Cell<bool>,
}

/// Where a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Turn {
    #[default]
    NotAsked,
    Waiting,
    Called,
}

impl Turns {
    /// Whether the next request of a connection, which is there to be read, may be begun. If not, its task is woken for it.
    pub(super) fn has_come(self: &Rc<Self>, activity: &Rc<Activity>, context: &Context<'_>) -> bool {
        match activity.turn() {
            Turn::Waiting => false,
            Turn::Called => {
                activity.set_turn(Turn::NotAsked);
                true
            }
            Turn::NotAsked if self.waiting.borrow().is_empty() && self.begun.get() < AT_ONCE => {
                self.begun.set(self.begun.get() + 1);
                true
            }
            Turn::NotAsked => {
                activity.set_turn(Turn::Waiting);
                let who = (Rc::clone(activity), context.waker().clone());
                self.waiting.borrow_mut().push_back(who);
                if !self.has_rounds.replace(true) {
                    tokio::task::spawn_local(Rc::clone(self).go_round());
                }
                false
            }
        }
    }

    /// Calls the next in each round, until nobody waits.
    async fn go_round(self: Rc<Self>) {
        loop {
            // Until the event loop has asked the kernel what is new.
            tokio::task::yield_now().await;
            let called = self.call();
            self.begun.set(called);
            if called == 0 {
                break;
            }
        }
        self.has_rounds.set(false);
    }

    fn call(&self) -> usize {
        let mut waiting = self.waiting.borrow_mut();
        let next = waiting.len().min(AT_ONCE);
        for (activity, waker) in waiting.drain(..next) {
            activity.set_turn(Turn::Called);
            waker.wake();
        }
        next
    }
}

impl fmt::Debug for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = self.waiting.borrow().len();
        f.debug_struct("Turns")
            .field("begun", &self.begun)
            .field("waiting", &waiting)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Poll;

    use tokio::task::{LocalSet, yield_now};

    use super::*;

    /// Waits for its turn and says so.
    fn asks(turns: &Rc<Turns>, name: usize, begun: &Rc<RefCell<Vec<usize>>>) {
        let (turns, begun, activity) = (Rc::clone(turns), Rc::clone(begun), Activity::begin());
        tokio::task::spawn_local(async move {
            poll_fn(|context| match turns.has_come(&activity, context) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            })
            .await;
            begun.borrow_mut().push(name);
        });
    }

    #[tokio::test]
    async fn a_few_are_begun_in_each_round_and_in_the_order_in_which_they_asked() {
        let (turns, begun) = (Rc::<Turns>::default(), Rc::<RefCell<Vec<usize>>>::default());
        let stories = LocalSet::new();
        stories
            .run_until(async {
                (0..3 * AT_ONCE).for_each(|name| asks(&turns, name, &begun));
                let mut seen = Vec::new();
                while begun.borrow().len() < 3 * AT_ONCE {
                    yield_now().await;
                    let count = begun.borrow().len();
                    if seen.last() != Some(&count) {
                        seen.push(count);
                    }
                }
                assert!(seen.len() >= 3, "{seen:?}");
                assert!(seen.iter().all(|count| count % AT_ONCE == 0), "{seen:?}");
                assert!(begun.borrow().is_sorted(), "{begun:?}");

                // Who comes when nobody waits has to wait for nobody.
                asks(&turns, 3 * AT_ONCE, &begun);
                yield_now().await;
                yield_now().await;
                assert_eq!(begun.borrow().len(), 3 * AT_ONCE + 1);
            })
            .await;
        stories.await;
        assert!(!turns.has_rounds.get() && turns.begun.get() <= 1, "{turns:?}");
    }

    #[tokio::test]
    async fn who_goes_while_waiting_holds_nobody_up() {
        let (turns, begun) = (Rc::<Turns>::default(), Rc::<RefCell<Vec<usize>>>::default());
        LocalSet::new()
            .run_until(async {
                (0..AT_ONCE).for_each(|name| asks(&turns, name, &begun));
                let (waiting, gone) = (Rc::clone(&turns), Activity::begin());
                let goes = tokio::task::spawn_local(poll_fn(move |context| {
                    waiting.has_come(&gone, context);
                    Poll::<()>::Pending
                }));
                yield_now().await;
                goes.abort();
                asks(&turns, AT_ONCE, &begun);
                for _ in 0..10 {
                    yield_now().await;
                }
                assert_eq!(begun.borrow().len(), AT_ONCE + 1);
            })
            .await;
    }
}
