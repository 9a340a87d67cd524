//! What operators can count: `GET /metrics` on the management address, in the text format of Prometheus. This is the one
//! list of names; docs/operations.md explains it.
//!
//! No label holds a name, an id or an address: each has few values, and none is about somebody.

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

const REQUESTS: &str = "auth_server_request_duration_seconds";
const PASSWORD_CHECKS: &str = "auth_server_password_check_duration_seconds";
const TOKEN_ERRORS: &str = "auth_server_token_errors_total";
const AUDIT_EVENTS: &str = "auth_server_audit_events_total";
const LOGOUT_ATTEMPTS: &str = "auth_server_logout_attempts_total";
const LOGOUTS_WAITING: &str = "auth_server_logout_notifications_waiting";
const STATUS_LISTS: &str = "auth_server_status_lists";
const STATUS_BITS: &str = "auth_server_status_list_invalid_grants";
const STATUS_LISTS_SIGNED: &str = "auth_server_status_lists_signed_total";

/// Upper bounds of the histograms, in seconds: from a page without a database to a sign-in that waited for its turn.
const BUCKETS: [f64; 12] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];
/// How often recorded values are folded into the histograms, so that they do not pile up while nobody asks.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// The recorder is one for the whole process, as the `metrics` crate has it.
static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Begins to record, for the program; a second call changes nothing. Without a recorder, or beside one that somebody else
/// installed in this process, `/metrics` answers 503.
pub fn install() {
    RECORDER.get_or_init(|| {
        let recorder = PrometheusBuilder::new()
            .set_buckets(&BUCKETS)
            .ok()?
            .build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).ok()?;
        describe();
        Some(handle)
    });
}

fn describe() {
    describe_histogram!(
        REQUESTS,
        Unit::Seconds,
        "From the head of a request to that of its answer, by endpoint and class of status"
    );
    describe_histogram!(
        PASSWORD_CHECKS,
        Unit::Seconds,
        "How long sign-ins took for their passwords, waiting for a core included"
    );
    describe_counter!(
        TOKEN_ERRORS,
        "Refusals of the endpoints of clients, by OAuth error code"
    );
    describe_counter!(AUDIT_EVENTS, "Events of the audit trail, by event and reason");
    describe_counter!(
        LOGOUT_ATTEMPTS,
        "Attempts to tell a client of a sign-out, by what came of them"
    );
    describe_gauge!(
        LOGOUTS_WAITING,
        "Notifications of sign-outs in the database that clients have not taken yet, as of the last minute"
    );
    describe_gauge!(
        STATUS_LISTS,
        "Status lists that there are grants in, when this node looked last"
    );
    describe_gauge!(
        STATUS_BITS,
        "Grants that the status lists call invalid, when this node looked last"
    );
    describe_counter!(
        STATUS_LISTS_SIGNED,
        "Status lists that this node has compressed and signed"
    );
}

/// Keeps the histograms small for as long as it runs.
pub(crate) async fn keep_up() {
    loop {
        tokio::time::sleep(UPKEEP_INTERVAL).await;
        if let Some(handle) = handle() {
            handle.run_upkeep();
        }
    }
}

/// All metrics as text; `None` if nothing is recorded.
pub(crate) fn text() -> Option<String> {
    handle().map(PrometheusHandle::render)
}

fn handle() -> Option<&'static PrometheusHandle> {
    RECORDER.get().and_then(Option::as_ref)
}

/// A request has been answered. `endpoint` is the path as the table of paths has it, if it is in there.
pub(crate) fn answered(endpoint: Option<String>, status: u16, took: Duration) {
    let endpoint = endpoint.unwrap_or_else(|| "none".to_owned());
    let class = match status {
        ..200 => "1xx",
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        500.. => "5xx",
    };
    histogram!(REQUESTS, "endpoint" => endpoint, "status_class" => class).record(took);
}

/// A password has been judged.
pub(crate) fn password_checked(took: Duration) {
    histogram!(PASSWORD_CHECKS).record(took);
}

/// A client got an error.
pub(crate) fn token_error(code: &'static str) {
    counter!(TOKEN_ERRORS, "error" => code).increment(1);
}

/// Something of the audit trail has happened, whatever the log shows of it.
pub(crate) fn audited(event: &'static str, reason: &'static str) {
    counter!(AUDIT_EVENTS, "event" => event, "reason" => reason).increment(1);
}

/// A client was sent a notification.
pub(crate) fn logout_attempted(outcome: &'static str) {
    counter!(LOGOUT_ATTEMPTS, "outcome" => outcome).increment(1);
}

/// So many notifications wait, for all clients together.
pub(crate) fn logouts_waiting(waiting: u64) {
    #[expect(clippy::cast_precision_loss, reason = "there are never so many")]
    gauge!(LOGOUTS_WAITING).set(waiting as f64);
}

/// What a look at the ended grants has found.
pub(crate) fn status_lists(lists: u64, invalid: usize) {
    #[expect(clippy::cast_precision_loss, reason = "there are never so many")]
    let (lists, invalid) = (lists as f64, invalid as f64);
    gauge!(STATUS_LISTS).set(lists);
    gauge!(STATUS_BITS).set(invalid);
}

/// A status list was made anew.
pub(crate) fn status_list_signed() {
    counter!(STATUS_LISTS_SIGNED).increment(1);
}
