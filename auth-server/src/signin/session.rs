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
    /// The session that begins with a right password.
    pub(crate) fn begin(user_id: &str, now: UnixTime) -> Self {
        Self {
            user_id: user_id.to_owned(),
            sid: random_handle(),
            auth_time: now,
        }
    }

    /// The same, going on under the `sid` that the browser had before: typing the password again is the same session
    /// with a newer `auth_time`. `None` for another user, whose session is another one.
    pub(crate) fn going_on(&self, former: &Self) -> Option<Self> {
        (former.user_id == self.user_id).then(|| Self {
            sid: former.sid.clone(),
            ..self.clone()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sid_stays_with_the_user() {
        let first = SignedIn::begin("alice", UnixTime::from_secs(1));
        let again = SignedIn::begin("alice", UnixTime::from_secs(2));
        assert_ne!(again.sid, first.sid);
        assert_eq!(
            again.going_on(&first).unwrap(),
            SignedIn {
                auth_time: UnixTime::from_secs(2),
                ..first.clone()
            }
        );
        let other = SignedIn::begin("bob", UnixTime::from_secs(3));
        assert_eq!(other.going_on(&first), None);
    }
}
