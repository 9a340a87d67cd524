//! Holds what passes until the test says go.

use tokio::sync::watch;

use crate::wait::within_patience;

#[derive(Debug, Clone, Copy, Default)]
struct State {
    arrived: usize,
    open: bool,
}

/// A point that requests pass one by one, or wait at.
#[derive(Debug, Clone)]
pub struct Gate(watch::Sender<State>);

impl Gate {
    /// A gate that is shut.
    #[expect(
        clippy::new_without_default,
        reason = "whether a gate starts open is not to be guessed"
    )]
    pub fn new() -> Self {
        Self(watch::Sender::new(State::default()))
    }

    /// Waits until the first request stands before the gate.
    pub async fn reached(&self) {
        self.reached_by(1).await;
    }

    /// Waits until this many requests have come to the gate.
    ///
    /// # Panics
    /// When they do not come.
    pub async fn reached_by(&self, requests: usize) {
        let mut state = self.0.subscribe();
        let arrival = state.wait_for(|state| state.arrived >= requests);
        within_patience("a request reaches the gate", arrival)
            .await
            .expect("this gate holds the sender");
    }

    /// How many requests came to the gate so far.
    pub fn arrivals(&self) -> usize {
        self.0.borrow().arrived
    }

    /// Lets everything pass, now and later.
    pub fn open(&self) {
        self.0.send_modify(|state| state.open = true);
    }

    /// Waits for the gate to open.
    pub(crate) async fn pass(&self) {
        let mut state = self.0.subscribe();
        self.0.send_modify(|state| state.arrived += 1);
        // The gate cannot close while `self` keeps its sender.
        let _ = state.wait_for(|state| state.open).await;
    }
}
