//! Leaves a provider alone that asked for it.
//!
//! `429` and `503` with `Retry-After` are about our client, not about one session. If each session found out for itself, a
//! thousand sessions that expire at once would be a thousand more requests to a provider that cannot serve one. What a
//! person waits for, the exchange of a code, is tried all the same.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::error::ProviderError;

/// Until when the provider is not asked by those who can wait.
#[derive(Debug, Default)]
pub(super) struct HoldOff(Mutex<Option<Instant>>);

impl HoldOff {
    /// Takes note of an answer.
    pub(super) fn note(&self, status: u16, retry_after: Option<Duration>, now: Instant) {
        let Some(length) = retry_after.filter(|_| matches!(status, 429 | 503)) else {
            return;
        };
        let until = now + length;
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *held = (*held).max(Some(until));
    }

    /// # Errors
    /// While the provider is to be left alone.
    pub(super) fn pass(&self, now: Instant) -> Result<(), ProviderError> {
        let held = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let left = held.map(|until| until.saturating_duration_since(now));
        match left.filter(|left| !left.is_zero()) {
            Some(retry_after) => Err(ProviderError::HeldOff { retry_after }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_provider_is_left_alone_for_as_long_as_it_asked_for() {
        let (held, now) = (HoldOff::default(), Instant::now());
        assert!(held.pass(now).is_ok());
        held.note(503, Some(MINUTE), now);
        held.note(429, Some(Duration::from_secs(1)), now);
        let Err(ProviderError::HeldOff { retry_after }) = held.pass(now) else {
            panic!("it was asked");
        };
        assert_eq!(retry_after, MINUTE);
        assert!(held.pass(now + MINUTE).is_ok());
    }

    #[test]
    fn other_answers_hold_nobody_off() {
        let (held, now) = (HoldOff::default(), Instant::now());
        held.note(503, None, now);
        held.note(500, Some(MINUTE), now);
        held.note(400, Some(MINUTE), now);
        assert!(held.pass(now).is_ok());
    }
}
