//! What operators can count and look up: metrics, and the audit trail.
//!
//! This is the one list of names. Metrics are shown at `/metrics` of the management address; audit events are log events of
//! the target `bff::audit`: one for each start and end of a session, for each login that failed, for each refresh that
//! asked the provider, whatever came of it, for each session that turned up on another device, and for whatever operators
//! do to sessions. Neither ever holds a token, a cookie, a code, an address or a name of a person: a session is named by its key, a user by the keyed
//! digest under which a store files their sessions.

use std::sync::LazyLock;
use std::time::Duration;

use metrics::{
    Counter, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

use crate::session::SessionKey;
use crate::session::device::Device;
use crate::session::index::IndexKey;

/// Says what each metric is, for whoever reads the exposition.
pub fn describe() {
    describe_counter!("bff_logins_total", "Logins at the callback, by outcome");
    describe_counter!(
        "bff_logout_calls_total",
        "Logouts asked for from outside, by channel and outcome"
    );
    describe_counter!(
        "bff_problems_total",
        "Refusals and failures that were answered, by code"
    );
    describe_counter!(
        "bff_devices_changed_total",
        "Sessions that turned up on another device"
    );
    describe_gauge!(
        "bff_changes_heard",
        "Whether this node hears of sessions that change elsewhere"
    );
    describe_histogram!(
        "bff_upstream_duration_seconds",
        Unit::Seconds,
        "From sending a request to its upstream to the beginning of the answer, by route and class of status"
    );
    describe_sessions();
    describe_traffic();
}

fn describe_sessions() {
    describe_counter!("bff_sessions_started_total", "Sessions that began");
    describe_counter!(
        "bff_sessions_ended_total",
        "Sessions that ended on this node, by reason"
    );
    describe_counter!(
        "bff_sessions_swept_total",
        "Sessions that ended by time and were removed from the embedded file unasked"
    );
    describe_counter!(
        "bff_token_refreshes_total",
        "Attempts at a token that serves, by outcome"
    );
    describe_histogram!(
        "bff_token_refresh_duration_seconds",
        Unit::Seconds,
        "From the start of such an attempt to its end, waiting for other nodes included"
    );
    describe_histogram!(
        "bff_lease_wait_seconds",
        Unit::Seconds,
        "How long refreshes waited for another node that was refreshing the same session"
    );
    describe_counter!(
        "bff_replica_lookups_total",
        "Sessions looked for in this node's memory: hit or miss"
    );
    describe_histogram!(
        "bff_invalidation_lag_seconds",
        Unit::Seconds,
        "From publishing a beat to hearing it on this node, as a change would be"
    );
    describe_histogram!(
        "bff_store_duration_seconds",
        Unit::Seconds,
        "Calls of the session store, by operation and outcome"
    );
    describe_counter!(
        "bff_records_unopenable_total",
        "Records that this node left alone because it could not open them, by cause"
    );
    describe_counter!(
        "bff_key_ring_reloads_total",
        "Reloads of the key ring, by outcome"
    );
    describe_counter!(
        "bff_admin_requests_total",
        "Requests to administer sessions, by outcome"
    );
}

fn describe_traffic() {
    describe_counter!(
        "bff_upstream_failures_total",
        "Requests that got no answer from an upstream's address, by route and reason"
    );
    describe_counter!(
        "bff_upstream_ejections_total",
        "How often an address was left out because no connection could be made, by route and address"
    );
    describe_counter!("bff_route_reloads_total", "Reloads of the routes, by outcome");
    describe_counter!(
        "bff_certificate_reloads_total",
        "Reloads of the public address's certificate, by outcome"
    );
    describe_gauge!("bff_connections", "Connections of clients that are open");
    describe_counter!(
        "bff_connections_given_up_total",
        "Connections that were closed because of what their clients did not do, by reason"
    );
    describe_counter!(
        "bff_streams_ended_total",
        "Streams that the BFF ended although both ends would have gone on, by kind and cause"
    );
    describe_counter!(
        "bff_rate_limited_total",
        "Requests that were one too many, by limit"
    );
}

/// A session began.
pub fn session_started(key: &SessionKey, user: &IndexKey, device: &Device) {
    counter!("bff_sessions_started_total").increment(1);
    tracing::info!(
        target: "bff::audit",
        { session.key = %key, user = user.as_str(), device.browser = device.browser.as_deref(),
          device.platform = device.platform.as_deref() },
        "session started"
    );
}

/// A session ended by something that this node did.
pub fn session_ended(key: &SessionKey, reason: &'static str) {
    counter!("bff_sessions_ended_total", "reason" => reason).increment(1);
    tracing::info!(target: "bff::audit", { session.key = %key, reason }, "session ended");
}

/// A sweep of the embedded file removed sessions that had ended by time without anybody coming to learn of it.
pub fn sessions_swept(sessions: u64) {
    counter!("bff_sessions_swept_total").increment(sessions);
}

/// How a login came to its end at the callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginOutcome {
    /// A session began.
    Completed,
    /// Nobody is signed in at the provider, and that was the question (`prompt=none`).
    NobodySignedIn,
    /// No login of this browser waited for the callback.
    NoTransaction,
    /// The user or the provider said no.
    Denied,
    /// The answer did not prove who signed in.
    Invalid,
    /// The provider could not be used.
    ProviderUnavailable,
    /// The store could not be used.
    StoreUnavailable,
    /// As many logins as allowed were being completed.
    Busy,
    /// The user has as many sessions as allowed.
    TooManySessions,
    /// The provider signed the user out while the login was under way.
    LoggedOutMeanwhile,
}

impl LoginOutcome {
    /// The word of the metrics and the trail.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::NobodySignedIn => "nobody_signed_in",
            Self::NoTransaction => "no_transaction",
            Self::Denied => "denied",
            Self::Invalid => "invalid",
            Self::ProviderUnavailable => "provider_unavailable",
            Self::StoreUnavailable => "store_unavailable",
            Self::Busy => "busy",
            Self::TooManySessions => "too_many_sessions",
            Self::LoggedOutMeanwhile => "logged_out_meanwhile",
        }
    }

    const fn is_failure(self) -> bool {
        !matches!(self, Self::Completed | Self::NobodySignedIn)
    }
}

/// A login came to its end at the callback.
pub fn login_ended(outcome: LoginOutcome) {
    let word = outcome.as_str();
    counter!("bff_logins_total", "outcome" => word).increment(1);
    if outcome.is_failure() {
        tracing::info!(target: "bff::audit", outcome = word, "login failed");
    }
}

/// A session turned up on another device than the one on which it began.
pub fn device_changed(key: &SessionKey, began_on: &Device, device: &Device) {
    let named = |name: &Option<String>| name.clone().unwrap_or_else(|| "unknown".to_owned());
    counter!("bff_devices_changed_total").increment(1);
    tracing::warn!(
        target: "bff::audit",
        {
            session.key = %key,
            login.browser = named(&began_on.browser),
            login.platform = named(&began_on.platform),
            browser = named(&device.browser),
            platform = named(&device.platform),
        },
        "a session turned up on another device"
    );
}

/// Somebody from outside asked for a logout: the provider by `back` or `front` channel, or a browser that came back from it
/// (`return`). Whoever likes may ask, so what is refused is counted and not logged.
pub fn logout_asked(channel: &'static str, outcome: &'static str) {
    counter!("bff_logout_calls_total", "channel" => channel, "outcome" => outcome).increment(1);
}

/// A refusal or failure was answered.
pub fn problem_answered(code: &'static str) {
    counter!("bff_problems_total", "code" => code).increment(1);
}

/// Whether this node hears of sessions that change elsewhere.
pub fn changes_heard(are_heard: bool) {
    gauge!("bff_changes_heard").set(if are_heard { 1.0 } else { 0.0 });
}

/// How long a route's upstream took until its answer began, by the class of its status. The handles are made once, so that
/// a request looks nothing up.
#[derive(Debug)]
pub struct UpstreamTimes {
    classes: [Histogram; 5],
    none: Histogram,
}

impl UpstreamTimes {
    /// Of the route with this prefix. Made after the recorder.
    #[must_use]
    pub fn of_route(prefix: &str) -> Self {
        let of = |class: &'static str| histogram!("bff_upstream_duration_seconds", "route" => prefix.to_owned(), "status_class" => class);
        Self {
            classes: ["1xx", "2xx", "3xx", "4xx", "5xx"].map(of),
            none: of("none"),
        }
    }

    /// An upstream answered with this status, or not at all.
    pub fn answered(&self, status: Option<u16>, took: Duration) {
        let class = status.and_then(|status| usize::from(status / 100).checked_sub(1));
        let times = class.and_then(|class| self.classes.get(class));
        times.unwrap_or(&self.none).record(took);
    }
}

/// A span of time as a field of the log.
#[must_use]
pub fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// New tokens are stored.
pub fn refreshed(key: &SessionKey, expires_in: u64) {
    tracing::info!(target: "bff::audit", { session.key = %key, expires_in }, "tokens refreshed");
}

/// The provider was asked and no new tokens are stored; the session may live.
pub fn refresh_failed(key: &SessionKey, cause: &dyn std::fmt::Display, oauth_error: Option<&str>) {
    tracing::warn!(
        target: "bff::audit",
        { session.key = %key, cause = %cause, oauth.error = oauth_error },
        "tokens were not refreshed"
    );
}

/// An attempt to get a token that serves came to its end, by this node's call or another's.
pub fn refresh_ended(outcome: &'static str, took: Duration) {
    counter!("bff_token_refreshes_total", "outcome" => outcome).increment(1);
    histogram!("bff_token_refresh_duration_seconds", "outcome" => outcome).record(took);
}

/// A refresh waited for another node.
pub fn lease_waited(waited: Duration) {
    histogram!("bff_lease_wait_seconds").record(waited);
}

/// A session was looked for in this node's memory. The handles are made once: most requests come by here.
pub fn replica_asked(is_hit: bool) {
    static HITS: LazyLock<Counter> =
        LazyLock::new(|| counter!("bff_replica_lookups_total", "outcome" => "hit"));
    static MISSES: LazyLock<Counter> =
        LazyLock::new(|| counter!("bff_replica_lookups_total", "outcome" => "miss"));
    let asked = if is_hit { &HITS } else { &MISSES };
    asked.increment(1);
}

/// A round of beats took this long from this node to itself by way of the store; a change takes about as long.
pub fn round_heard(lag: Duration) {
    histogram!("bff_invalidation_lag_seconds").record(lag);
}

/// The store was asked to do something.
pub fn store_asked(operation: &'static str, is_ok: bool, took: Duration) {
    let outcome = if is_ok { "ok" } else { "error" };
    histogram!("bff_store_duration_seconds", "operation" => operation, "outcome" => outcome).record(took);
}

/// A record was left alone.
pub fn record_unopenable(cause: &'static str) {
    counter!("bff_records_unopenable_total", "cause" => cause).increment(1);
}

/// The key ring was read again.
pub fn key_ring_reloaded(outcome: &'static str) {
    counter!("bff_key_ring_reloads_total", "outcome" => outcome).increment(1);
}

/// An operator looked at a page of sessions: `of` names the user or the session as everywhere in the trail.
pub fn sessions_listed(by: &'static str, of: Option<&str>, shown: usize) {
    counter!("bff_admin_requests_total", "outcome" => "listed").increment(1);
    tracing::info!(target: "bff::audit", by, of, shown, "an operator listed sessions");
}

/// An operator had sessions ended, all that were meant or some of them.
pub fn sessions_ended_by_operator(by: &'static str, of: Option<&str>, ended: usize, complete: bool) {
    let outcome = if complete { "ended" } else { "incomplete" };
    counter!("bff_admin_requests_total", "outcome" => outcome).increment(1);
    tracing::info!(target: "bff::audit", by, of, ended, complete, "an operator ended sessions");
}

/// A stream had to end before its time. It `is_one_of_many` where all of a node's streams end for the same cause: then the log is
/// told of them together, by [`streams_ended`].
pub fn stream_ended(kind: &'static str, cause: &'static str, key: Option<&SessionKey>, is_one_of_many: bool) {
    counter!("bff_streams_ended_total", "kind" => kind, "cause" => cause).increment(1);
    let key = key.map(SessionKey::as_str);
    if is_one_of_many {
        tracing::debug!(kind, cause, session.key = key, "a stream was ended");
    } else {
        tracing::info!(kind, cause, session.key = key, "a stream was ended");
    }
}

/// So many streams had to end for one cause.
pub fn streams_ended(cause: &'static str, streams: u64) {
    tracing::info!(cause, streams, "streams were ended");
}

/// Somebody without the token of administrators wanted to do what they do.
pub fn operator_refused() {
    counter!("bff_admin_requests_total", "outcome" => "unauthenticated").increment(1);
    tracing::warn!(target: "bff::audit", "an operator was refused: the admin token is missing or wrong");
}

/// An upstream's address gave no answer.
pub fn upstream_failed(route: &str, reason: &'static str) {
    counter!("bff_upstream_failures_total", "route" => route.to_owned(), "reason" => reason).increment(1);
}

/// An address is left out for a while.
pub fn upstream_ejected(route: &str, upstream: &str) {
    counter!("bff_upstream_ejections_total", "route" => route.to_owned(), "upstream" => upstream.to_owned())
        .increment(1);
}

/// The routes were read again.
pub fn routes_reloaded(outcome: &'static str) {
    counter!("bff_route_reloads_total", "outcome" => outcome).increment(1);
}

/// The certificate of the public address was read again.
pub fn certificate_reloaded(outcome: &'static str) {
    counter!("bff_certificate_reloads_total", "outcome" => outcome).increment(1);
}

/// A client has connected, or its connection ended.
pub fn connections_changed(by: f64) {
    gauge!("bff_connections").increment(by);
}

/// A connection was closed because of what its client did not do.
pub fn connection_given_up(reason: &'static str) {
    counter!("bff_connections_given_up_total", "reason" => reason).increment(1);
}

/// A request was one too many.
pub fn rate_limited(limit: &'static str) {
    counter!("bff_rate_limited_total", "limit" => limit).increment(1);
}
