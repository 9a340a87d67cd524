//! What operators can count and look up: metrics, and the audit trail.
//!
//! This is the one list of names. Metrics are shown at `/metrics` of the management address; audit events are log events of
//! the target `bff::audit`, one for each login, refresh and end of a session, for each failure of these, and for whatever
//! operators do to sessions. Neither ever holds a token, a cookie, a code, an address or a name of a person: a session is named by its key, a user by the keyed
//! digest under which a store files their sessions.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};

use crate::session::SessionKey;
use crate::session::device::Device;
use crate::session::index::IndexKey;

/// Says what each metric is, for whoever reads the exposition.
pub fn describe() {
    describe_counter!("bff_logins_total", "Logins at the callback, by outcome");
    describe_counter!("bff_sessions_started_total", "Sessions that began");
    describe_counter!(
        "bff_sessions_ended_total",
        "Sessions that ended on this node, by reason"
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
    describe_histogram!(
        "bff_upstream_duration_seconds",
        Unit::Seconds,
        "From sending a request to its upstream to the beginning of the answer, by route and class of status"
    );
    describe_counter!(
        "bff_upstream_failures_total",
        "Requests that got no answer from an upstream's address, by route and reason"
    );
    describe_counter!(
        "bff_upstream_ejections_total",
        "How often an address was left out because no connection could be made, by route and address"
    );
    describe_counter!("bff_route_reloads_total", "Reloads of the routes, by outcome");
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

/// A login came to its end at the callback.
pub fn login_ended(outcome: &'static str) {
    counter!("bff_logins_total", "outcome" => outcome).increment(1);
    if outcome != "completed" {
        tracing::info!(target: "bff::audit", outcome, "login failed");
    }
}

/// New tokens are stored.
pub fn refreshed(key: &SessionKey, expires_in: u64) {
    tracing::info!(target: "bff::audit", { session.key = %key, expires_in }, "tokens refreshed");
}

/// A refresh ended otherwise; the session may live.
pub fn refresh_failed(key: &SessionKey, cause: &dyn std::fmt::Display) {
    tracing::warn!(target: "bff::audit", { session.key = %key, cause = %cause }, "tokens were not refreshed");
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

/// A session was looked for in this node's memory.
pub fn replica_asked(outcome: &'static str) {
    counter!("bff_replica_lookups_total", "outcome" => outcome).increment(1);
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

/// Somebody without the token of administrators wanted to do what they do.
pub fn operator_refused() {
    counter!("bff_admin_requests_total", "outcome" => "unauthenticated").increment(1);
    tracing::warn!(target: "bff::audit", "an operator was refused: the admin token is missing or wrong");
}

/// An upstream has begun to answer.
pub fn upstream_answered(route: &str, status: u16, took: Duration) {
    let class = match status / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    };
    histogram!("bff_upstream_duration_seconds", "route" => route.to_owned(), "status_class" => class)
        .record(took);
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
