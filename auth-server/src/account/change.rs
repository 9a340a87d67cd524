//! What can be changed on the account page, and when the password has to be typed again for it.

use std::time::Duration;

use resource_server::time::UnixTime;

use crate::client::is_client_id;
use crate::params::Params;
use crate::signin::session::SignedIn;

/// How long after typing the password changes are made without typing it again: whoever finds an open browser changes
/// nothing (OWASP ASVS 5.0 §7.5.1).
const RECENT: Duration = Duration::from_secs(15 * 60);

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// Ends the sign-in of this `sid`.
    EndSession(String),
    /// Ends every sign-in but the one that it is wanted in.
    EndOthers,
    /// Ends every sign-in, this one, too.
    EndAll,
    /// Takes back what this client was allowed, and ends what it holds.
    TakeBack(String),
}

impl Change {
    /// Reads what a form says; `None` when that is nothing.
    pub(crate) fn parse(form: &Params) -> Option<Self> {
        // A `sid` is of the same characters.
        let is_target = |target: &&str| is_client_id(target);
        let target = || form.get("target").filter(is_target).map(str::to_owned);
        match form.get("action")? {
            "end" => target().map(Self::EndSession),
            "end-others" => Some(Self::EndOthers),
            "end-all" => Some(Self::EndAll),
            "take-back" => target().map(Self::TakeBack),
            _ => None,
        }
    }

    /// The text that another form carries while the password is asked for; [`Change::parse`] reads it.
    pub(crate) fn encode(&self) -> String {
        let mut text = url::form_urlencoded::Serializer::new(String::new());
        match self {
            Self::EndSession(sid) => text.append_pair("action", "end").append_pair("target", sid),
            Self::EndOthers => text.append_pair("action", "end-others"),
            Self::EndAll => text.append_pair("action", "end-all"),
            Self::TakeBack(client_id) => text
                .append_pair("action", "take-back")
                .append_pair("target", client_id),
        };
        text.finish()
    }
}

/// Whether the password was typed so recently that changes may be made.
pub(crate) fn may_change(signed_in: &SignedIn, now: UnixTime) -> bool {
    now.since(signed_in.auth_time) < RECENT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_comes_through_a_form_as_it_is() {
        for change in [
            Change::EndSession("a&b=c".to_owned()),
            Change::EndOthers,
            Change::EndAll,
            Change::TakeBack("other: 100%".to_owned()),
        ] {
            let form = Params::parse(change.encode().as_bytes());
            assert_eq!(Change::parse(&form), Some(change));
        }
    }

    #[test]
    fn what_is_no_change_is_none() {
        for text in [
            "",
            "action=",
            "action=end",
            "action=take-back&target=",
            "action=x&target=y",
            "action=end&target=%00",
            "action=take-back&target=a%00",
            "action=take-back&target=%C3%A4",
            "action=end-others&action=end",
        ] {
            assert_eq!(Change::parse(&Params::parse(text.as_bytes())), None, "{text}");
        }
        for (length, is_one) in [(255, true), (256, false)] {
            let text = format!("action=take-back&target={}", "a".repeat(length));
            assert_eq!(Change::parse(&Params::parse(text.as_bytes())).is_some(), is_one);
        }
    }

    #[test]
    fn the_password_counts_for_a_quarter_of_an_hour() {
        let signed_in = SignedIn::begin("alice", UnixTime::from_secs(1_000));
        assert!(may_change(&signed_in, UnixTime::from_secs(1_000 + 899)));
        assert!(!may_change(&signed_in, UnixTime::from_secs(1_000 + 900)));
    }
}
