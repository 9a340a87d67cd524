//! The rule of rotation (RFC 9700 §4.14.2): which refresh token is good, which one is forgiven, which one ends all.

use std::time::Duration;

use resource_server::time::UnixTime;

use super::claims::AskedClaims;
use super::status::StatusIndex;
use super::target::Named;
use crate::secret::Digest;

/// A family as it is stored. What never changes comes first; the rest moves with each rotation.
#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) client_id: String,
    pub(crate) user_id: String,
    pub(crate) sid: String,
    pub(crate) scope: String,
    pub(crate) resources: Named,
    pub(crate) claims: AskedClaims,
    pub(crate) auth_time: UnixTime,
    /// `None`: it began before there were status lists.
    pub(crate) status_index: Option<StatusIndex>,

    pub(crate) current: Option<Digest>,
    pub(crate) previous: Option<Digest>,
    pub(crate) sealed_successor: Option<Vec<u8>>,
    pub(crate) rotated_at: Option<UnixTime>,
    pub(crate) idle_ends: UnixTime,
    pub(crate) absolute_ends: UnixTime,
    pub(crate) has_ended: bool,
}

/// What a presented refresh token is to its family.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Standing<'f> {
    /// The current one: rotate.
    Current,
    /// The one before, whose successor nobody has used: the answer was lost, give the same successor again.
    Repeated {
        /// The successor, sealed under the presented token.
        sealed_successor: &'f [u8],
    },
    /// An older one, or the one before when it is too late: somebody else may hold the current one.
    Reused,
    /// The family was revoked, signed out or ran out.
    Over,
    /// The family belongs to another client, which must not suffer from this.
    Foreign,
}

impl Family {
    /// Judges a token that names this family.
    ///
    /// Generations are told apart by digests alone. The clock only says whether the grace is over, never which token
    /// is the newer one: three rotations within a second are three generations. That the successor is unused needs
    /// no mark: once it is used, it is the predecessor itself.
    pub(crate) fn judge(
        &self,
        presented: &Digest,
        client_id: &str,
        grace: Duration,
        now: UnixTime,
    ) -> Standing<'_> {
        if self.client_id != client_id {
            return Standing::Foreign;
        }
        if self.has_ended || now >= self.idle_ends || now >= self.absolute_ends {
            return Standing::Over;
        }
        let is = |digest: &Option<Digest>| digest.as_ref().is_some_and(|digest| digest.matches(presented));
        if is(&self.current) {
            return Standing::Current;
        }
        match (&self.sealed_successor, self.rotated_at) {
            (Some(sealed_successor), Some(rotated_at)) if is(&self.previous) && now < rotated_at + grace => {
                Standing::Repeated { sealed_successor }
            }
            _ => Standing::Reused,
        }
    }
}

/// Why a family ended; stored for whoever investigates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndReason {
    /// A refresh token came a second time.
    Reuse,
    /// The code it was made from came a second time.
    CodeReplay,
    /// The client revoked it (RFC 7009).
    Revoked,
    /// The user took back what the client was allowed.
    TakenBack,
    /// The user signed out.
    SignedOut,
    /// An operator ended the sign-in.
    Operator,
    /// An operator disabled the client.
    ClientDisabled,
    /// An operator removed the client.
    ClientRemoved,
    /// An operator disabled the user.
    UserDisabled,
    /// The password that it began with is no longer the user's.
    PasswordChanged,
}

impl EndReason {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Reuse => "reuse",
            Self::CodeReplay => "code_replay",
            Self::Revoked => "revoked",
            Self::TakenBack => "taken_back",
            Self::SignedOut => "signed_out",
            Self::Operator => "operator",
            Self::ClientDisabled => "client_disabled",
            Self::ClientRemoved => "client_removed",
            Self::UserDisabled => "user_disabled",
            Self::PasswordChanged => "password_changed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(30);

    fn at(seconds: i64) -> UnixTime {
        UnixTime::from_secs(seconds)
    }

    /// Rotated from "one" to "two" at 100.
    fn family() -> Family {
        Family {
            client_id: "bff".to_owned(),
            user_id: "u".to_owned(),
            sid: "s".to_owned(),
            scope: "openid".to_owned(),
            resources: Named::default(),
            claims: AskedClaims::default(),
            auth_time: at(0),
            status_index: None,
            current: Some(Digest::of(b"two")),
            previous: Some(Digest::of(b"one")),
            sealed_successor: Some(vec![7]),
            rotated_at: Some(at(100)),
            idle_ends: at(1_000),
            absolute_ends: at(2_000),
            has_ended: false,
        }
    }

    fn standing(family: &Family, token: &[u8], now: i64) -> String {
        format!("{:?}", family.judge(&Digest::of(token), "bff", GRACE, at(now)))
    }

    #[test]
    fn the_current_token_rotates_until_the_second_of_its_expiry() {
        assert_eq!(standing(&family(), b"two", 999), "Current");
        assert_eq!(standing(&family(), b"two", 1_000), "Over");
        let sliding = Family {
            idle_ends: at(5_000),
            ..family()
        };
        assert_eq!(standing(&sliding, b"two", 1_999), "Current");
        assert_eq!(standing(&sliding, b"two", 2_000), "Over");
    }

    #[test]
    fn the_predecessor_is_forgiven_within_the_grace_only() {
        assert_eq!(
            standing(&family(), b"one", 100),
            "Repeated { sealed_successor: [7] }"
        );
        assert_eq!(
            standing(&family(), b"one", 129),
            "Repeated { sealed_successor: [7] }"
        );
        assert_eq!(standing(&family(), b"one", 130), "Reused");
    }

    #[test]
    fn the_predecessor_is_reuse_once_its_successor_was_used() {
        let later = Family {
            current: Some(Digest::of(b"three")),
            previous: Some(Digest::of(b"two")),
            ..family()
        };
        assert_eq!(standing(&later, b"one", 100), "Reused");
        assert_eq!(
            standing(&later, b"two", 100),
            "Repeated { sealed_successor: [7] }"
        );
    }

    #[test]
    fn another_client_is_turned_away_before_anything_else() {
        let standing = |token: &[u8]| {
            let family = family();
            let foreign = family.judge(&Digest::of(token), "other", GRACE, at(100)) == Standing::Foreign;
            assert!(foreign);
        };
        standing(b"two");
        standing(b"zero");
    }

    #[test]
    fn nothing_revives_an_ended_family() {
        let ended = Family {
            has_ended: true,
            ..family()
        };
        for token in [&b"one"[..], b"two", b"zero"] {
            assert_eq!(standing(&ended, token, 100), "Over");
        }
    }

    #[test]
    fn a_family_without_refresh_token_takes_any_for_reuse() {
        let none = Family {
            current: None,
            previous: None,
            sealed_successor: None,
            rotated_at: None,
            ..family()
        };
        assert_eq!(standing(&none, b"two", 100), "Reused");
    }
}
