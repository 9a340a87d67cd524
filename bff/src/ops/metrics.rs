//! `GET /metrics` on the management address, in the text format of Prometheus.

use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use crate::background::Background;
use crate::telemetry;

/// Upper bounds of the histograms, in seconds: from a look into memory to a provider that is slow to the limit.
const BUCKETS: [f64; 14] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 20.0,
];
/// How often recorded values are folded into the histograms, so that they do not pile up while nobody asks.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// The recorder is one for the whole process, as the `metrics` crate has it.
static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Begins to record; a second call changes nothing. Without a recorder nothing is counted, and `/metrics` says so.
pub fn install() {
    RECORDER.get_or_init(|| {
        let recorder = PrometheusBuilder::new()
            .set_buckets(&BUCKETS)
            .ok()?
            .build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).ok()?;
        telemetry::describe();
        Some(handle)
    });
}

/// Keeps the histograms small until the program stops.
pub fn keep_up(background: &Background) {
    background.until_stopped(async {
        loop {
            tokio::time::sleep(UPKEEP_INTERVAL).await;
            if let Some(handle) = RECORDER.get().and_then(Option::as_ref) {
                handle.run_upkeep();
            }
        }
    });
}

/// All metrics as text; `None` if nothing is recorded.
#[must_use]
pub fn text() -> Option<String> {
    RECORDER
        .get()
        .and_then(Option::as_ref)
        .map(PrometheusHandle::render)
}
