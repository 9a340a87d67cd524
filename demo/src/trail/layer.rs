use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use resource_server::time::Clock;
use tracing::field::{Field, Visit};
use tracing::{Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::{Trail, What};

/// The log targets under which the BFF tells what it does for a session: what became of it, and what it was used for.
const TARGETS: [(&str, Level); 2] = [("bff::audit", Level::INFO), ("bff::trail", Level::DEBUG)];
/// A path comes from the browser and may be as long as a request line.
const PATH_LIMIT: usize = 200;

impl Trail {
    /// A layer for the program's log subscriber that fills this trail and hears nothing but the BFF's trail.
    #[must_use]
    pub fn layer<S>(&self, clock: Arc<dyn Clock>) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let layer = TrailLayer {
            trail: self.clone(),
            clock,
        };
        layer.with_filter(Targets::new().with_targets(TARGETS))
    }
}

struct TrailLayer {
    trail: Trail,
    clock: Arc<dyn Clock>,
}

impl<S: Subscriber> Layer<S> for TrailLayer {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        if let Some((session_key, what)) = fields.into_event() {
            self.trail.add(session_key, what, self.clock.now());
        }
    }
}

/// The fields of a log event as texts; whole numbers read back as such.
#[derive(Default)]
struct Fields(HashMap<&'static str, String>);

impl Fields {
    /// `None` for what concerns no session and for what this page does not know.
    fn into_event(mut self) -> Option<(String, What)> {
        let session_key = self.take("session.key")?;
        let what = match self.take("message")?.as_str() {
            "request proxied" => What::Proxied {
                method: self.take("method")?,
                path: shortened(self.take("path")?),
                status: self.number("status")?,
            },
            "tokens refreshed" => What::Refreshed {
                expires_in: self.number("expires_in"),
            },
            "session started" => What::Started {
                reason: self.take("reason"),
            },
            "session ended" => What::Ended {
                reason: self.take("reason"),
            },
            _ => return None,
        };
        Some((session_key, what))
    }

    fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    fn number(&mut self, name: &str) -> Option<u64> {
        self.take(name)?.parse().ok()
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

fn shortened(mut path: String) -> String {
    if path.len() > PATH_LIMIT {
        path.truncate(path.floor_char_boundary(PATH_LIMIT));
        path.push('…');
    }
    path
}

#[cfg(test)]
mod tests {
    use resource_server::time::{ManualClock, UnixTime};
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    /// What a trail holds for the session `k1` after some logging.
    fn told_after(log: impl FnOnce()) -> Vec<What> {
        let trail = Trail::new();
        let clock = Arc::new(ManualClock::new(UnixTime::from_secs(1_000)));
        let subscriber = tracing_subscriber::registry().with(trail.layer(clock));
        tracing::subscriber::with_default(subscriber, log);
        trail
            .of_session("k1")
            .into_iter()
            .map(|event| event.what)
            .collect()
    }

    #[test]
    fn the_four_events_are_understood_however_their_fields_are_written() {
        let key = "k1";
        let told = told_after(|| {
            tracing::info!(target: "bff::audit", reason = "login", session.key = %key, "session started");
            tracing::info!(
                target: "bff::trail", method = %"POST", path = "/api/notes", status = 201_u16, route = "/api",
                session.key = key, "request proxied"
            );
            tracing::info!(target: "bff::audit", expires_in = 60_i64, session.key = %key, "tokens refreshed");
            tracing::info!(target: "bff::audit", reason = %"logout", session.key = %key, "session ended");
        });
        let expected = [
            What::Started {
                reason: Some("login".to_owned()),
            },
            What::Proxied {
                method: "POST".to_owned(),
                path: "/api/notes".to_owned(),
                status: 201,
            },
            What::Refreshed { expires_in: Some(60) },
            What::Ended {
                reason: Some("logout".to_owned()),
            },
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn other_targets_levels_and_messages_leave_no_trace() {
        let told = told_after(|| {
            tracing::info!(target: "bff::proxy", reason = "x", session.key = "k1", "session ended");
            tracing::trace!(target: "bff::trail", reason = "x", session.key = "k1", "session ended");
            tracing::info!(target: "bff::trail", reason = "x", session.key = "k1", "something new");
            tracing::info!(target: "bff::trail", method = "GET", session.key = "k1", "request proxied");
        });
        assert_eq!(told, []);
    }

    #[test]
    fn a_request_without_session_leaves_no_trace() {
        let told = told_after(|| {
            tracing::info!(
                target: "bff::trail", method = "GET", path = "/demo/events", status = 200, "request proxied"
            );
        });
        assert_eq!(told, []);
    }

    #[test]
    fn a_long_path_is_shortened_at_a_character() {
        let path = format!("/a{}", "ü".repeat(5_000));
        let told = told_after(|| {
            tracing::info!(
                target: "bff::trail", method = "GET", path, status = 404, session.key = "k1", "request proxied"
            );
        });
        let [What::Proxied { path, .. }] = told.as_slice() else {
            panic!("{told:?}")
        };
        assert!(
            path.starts_with("/aüü") && path.ends_with("ü…") && path.len() <= PATH_LIMIT + 3,
            "{path}"
        );
    }
}
