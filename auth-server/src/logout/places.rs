//! How many calls are made at a time: to one client, and in all.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Calls to one client at a time.
const PER_CLIENT: usize = 4;
/// Calls at a time in all.
const IN_ALL: usize = 64;
/// Of these, how many clients that fail may take: each of them waits for as long as a call may take, and there may be many.
const FAILING: usize = IN_ALL / 2;

/// Who may be called.
#[derive(Debug)]
pub(super) struct Places {
    own: HashMap<String, Arc<Semaphore>>,
    in_all: Arc<Semaphore>,
    failing: Arc<Semaphore>,
}

/// One call may be made as long as this is held.
#[derive(Debug)]
pub(super) struct Place {
    _held: Vec<OwnedSemaphorePermit>,
}

impl Places {
    pub(super) fn new() -> Self {
        Self {
            own: HashMap::new(),
            in_all: Arc::new(Semaphore::new(IN_ALL)),
            failing: Arc::new(Semaphore::new(FAILING)),
        }
    }

    /// The places that may be taken for a client, of which one that fails has one: none, when so many calls to it, or to all,
    /// are under way.
    pub(super) fn free(&mut self, client_id: &str, is_failing: bool) -> Vec<Place> {
        let new = || Arc::new(Semaphore::new(PER_CLIENT));
        let own = self.own.entry(client_id.to_owned()).or_insert_with(new);
        let most = if is_failing { 1 } else { PER_CLIENT };
        let taken = PER_CLIENT - own.available_permits();
        let shared = [Some(&self.in_all), is_failing.then_some(&self.failing)];
        let needed: Vec<_> = [Some(&*own)].into_iter().chain(shared).flatten().collect();
        (taken..most)
            .map_while(|_| {
                let held = needed.iter().map(|of| Arc::clone(of).try_acquire_owned().ok());
                Some(Place {
                    _held: held.collect::<Option<_>>()?,
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_that_fail_leave_half_of_all_places_to_others() {
        let mut places = Places::new();
        let of_failing = |places: &mut Places| -> Vec<_> {
            let ids = (0..2 * IN_ALL).map(|n| format!("failing {n}"));
            ids.flat_map(|id| places.free(&id, true)).collect()
        };
        let failing = of_failing(&mut places);
        assert_eq!(failing.len(), 32, "one for each");
        let well: Vec<_> = (0..IN_ALL)
            .flat_map(|n| places.free(&n.to_string(), false))
            .collect();
        assert_eq!(well.len(), 32);
        drop(failing);
        assert_eq!(places.free("another", false).len(), PER_CLIENT);
        assert_eq!(of_failing(&mut places).len(), 32);
    }

    #[test]
    fn a_client_has_a_few_places_and_one_while_it_fails() {
        let mut places = Places::new();
        let first = places.free("a", false);
        assert_eq!(first.len(), PER_CLIENT);
        for is_failing in [false, true] {
            assert!(places.free("a", is_failing).is_empty());
        }
        drop(first);
        let one = places.free("a", true);
        assert_eq!(one.len(), 1);
        assert!(places.free("a", true).is_empty());
        assert_eq!(places.free("a", false).len(), PER_CLIENT - 1);
    }
}
