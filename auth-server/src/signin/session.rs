//! What a browser's sign-in session says.

use resource_server::time::UnixTime;
use serde::{Deserialize, Serialize};

use crate::secret::random_handle;

/// Somebody who is signed in here. Written at sign-in, read-only afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SignedIn {
    /// The user's `sub`.
    pub(crate) user_id: String,
    /// The `sid` of this session's ID tokens.
    pub(crate) sid: String,
    /// When the password was last typed.
    pub(crate) auth_time: UnixTime,
}

impl SignedIn {
    /// The session after a right password. Typing it again is the same session with a newer `auth_time`; another
    /// user begins another session.
    pub(crate) fn after_password(earlier: Option<&Self>, user_id: &str, now: UnixTime) -> Self {
        let sid = match earlier {
            Some(earlier) if earlier.user_id == user_id => earlier.sid.clone(),
            _ => random_handle(),
        };
        Self {
            user_id: user_id.to_owned(),
            sid,
            auth_time: now,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sid_stays_with_the_user() {
        let first = SignedIn::after_password(None, "alice", UnixTime::from_secs(1));
        let again = SignedIn::after_password(Some(&first), "alice", UnixTime::from_secs(2));
        let other = SignedIn::after_password(Some(&again), "bob", UnixTime::from_secs(3));

        assert_eq!(
            again,
            SignedIn {
                auth_time: UnixTime::from_secs(2),
                ..first.clone()
            }
        );
        assert_ne!(other.sid, first.sid);
    }
}
