//! Whether a server still holds what it held: its era (`beat.lua`) is lost together with the sessions.

use std::collections::HashMap;

/// The eras that one subscription has heard of.
#[derive(Debug, Default)]
pub(super) struct Eras(HashMap<u16, String>);

impl Eras {
    /// A server said in which era it is. `false` when it was in another one before: then it has lost what it held.
    #[must_use]
    pub(super) fn goes_on(&mut self, place: u16, era: &str) -> bool {
        match self.0.get_mut(&place) {
            None => {
                self.0.insert(place, era.to_owned());
                true
            }
            Some(known) if known == era => true,
            Some(known) => {
                era.clone_into(known);
                false
            }
        }
    }

    /// Begins anew, as a subscription does.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_era_at_a_known_place_is_a_loss_and_is_told_once() {
        let mut eras = Eras::default();
        assert!(eras.goes_on(0, "a"));
        assert!(eras.goes_on(1, "b"));
        assert!(eras.goes_on(0, "a"));
        assert!(!eras.goes_on(0, "c"));
        assert!(eras.goes_on(0, "c"));
        assert!(eras.goes_on(1, "b"));
    }

    #[test]
    fn a_new_subscription_knows_no_era() {
        let mut eras = Eras::default();
        assert!(eras.goes_on(0, "a"));
        eras.clear();
        assert!(eras.goes_on(0, "b"));
    }
}
