//! What the page shows of the server side: the last events of each session, taken from the BFF's log.
//!
//! The BFF reports what it does for a session under the log targets `bff::audit` and `bff::trail`. A [`Trail`] listens there, keeps the
//! last few hundred events in memory and tells those of one session to whoever can name it. The name, the session key,
//! is in no event that is handed out: a page learns the key of its own session from `/bff/user`, and no other.

mod layer;
mod server;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use resource_server::time::UnixTime;
use serde::Serialize;

pub(crate) use server::TrailServer;

/// How many events are kept, those of all sessions together.
const KEPT: usize = 500;
/// How many of its own events a session is told.
const TOLD: usize = 50;

/// The recent events. Copies share them.
#[derive(Debug, Clone, Default)]
pub struct Trail(Arc<Mutex<Recent>>);

#[derive(Debug, Default)]
struct Recent {
    last_id: u64,
    events: VecDeque<Event>,
}

/// Something the server side did for a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Event {
    /// Grows with time, so that a page knows whether it has seen the newest.
    id: u64,
    at: UnixTime,
    /// Whose it is. Never handed out.
    #[serde(skip)]
    session_key: String,
    #[serde(flatten)]
    what: What,
}

/// The kinds of events, each with what the log says of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum What {
    /// A request came with the cookie and went on with the access token.
    Proxied {
        method: String,
        path: String,
        status: u64,
    },
    /// The provider gave new tokens.
    Refreshed { expires_in: Option<u64> },
    /// Somebody signed in.
    Started { reason: Option<String> },
    /// The session is over.
    Ended { reason: Option<String> },
}

impl Trail {
    /// An empty trail.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an event; the oldest makes room.
    fn add(&self, session_key: String, what: What, at: UnixTime) {
        let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        recent.last_id += 1;
        let id = recent.last_id;
        if recent.events.len() == KEPT {
            recent.events.pop_front();
        }
        recent.events.push_back(Event {
            id,
            at,
            session_key,
            what,
        });
    }

    /// The last events of a session, the oldest first.
    fn of_session(&self, session_key: &str) -> Vec<Event> {
        let recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = recent
            .events
            .iter()
            .filter(|event| event.session_key == session_key);
        let skipped = own.clone().count().saturating_sub(TOLD);
        own.skip(skipped).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(path: &str) -> What {
        What::Proxied {
            method: "GET".to_owned(),
            path: path.to_owned(),
            status: 200,
        }
    }

    fn at(seconds: i64) -> UnixTime {
        UnixTime::from_secs(seconds)
    }

    #[test]
    fn a_session_is_told_its_own_events_and_no_others() {
        let trail = Trail::new();
        trail.add("mine".to_owned(), call("/api/notes"), at(1));
        trail.add("another".to_owned(), call("/api/secret"), at(2));
        trail.add("mine".to_owned(), What::Refreshed { expires_in: Some(60) }, at(3));

        let told: Vec<What> = trail
            .of_session("mine")
            .into_iter()
            .map(|event| event.what)
            .collect();
        assert_eq!(
            told,
            [call("/api/notes"), What::Refreshed { expires_in: Some(60) }]
        );
        assert!(trail.of_session("").is_empty());
    }

    #[test]
    fn memory_is_bounded_and_the_newest_events_stay() {
        let trail = Trail::new();
        for second in 0..2_000 {
            trail.add("mine".to_owned(), call("/api/notes"), at(second));
        }
        assert_eq!(trail.0.lock().unwrap().events.len(), KEPT);
        let told = trail.of_session("mine");
        assert_eq!(told.len(), TOLD);
        assert_eq!((told[0].id, told[TOLD - 1].id), (1_951, 2_000));
    }

    #[test]
    fn what_is_handed_out_does_not_name_the_session() {
        let trail = Trail::new();
        trail.add("its-key".to_owned(), call("/api/notes"), at(7));
        trail.add(
            "its-key".to_owned(),
            What::Ended {
                reason: Some("logout".to_owned()),
            },
            at(8),
        );
        let told = serde_json::to_value(trail.of_session("its-key")).unwrap();
        let expected = serde_json::json!([
            { "id": 1, "at": 7, "kind": "proxied", "method": "GET", "path": "/api/notes", "status": 200 },
            { "id": 2, "at": 8, "kind": "ended", "reason": "logout" },
        ]);
        assert_eq!(told, expected);
    }
}
