//! Deletes expired rows now and then.

use std::sync::Arc;
use std::time::Duration;

use resource_server::time::Clock;
use tokio::time::MissedTickBehavior;

use crate::store::Store;

const INTERVAL: Duration = Duration::from_secs(60);

/// Sweeps until the task is aborted. What fails is tried again a minute later.
pub(crate) async fn sweep_forever(store: Store, clock: Arc<dyn Clock>) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match store.sweep(clock.now()).await {
            Ok(0) => {}
            Ok(rows) => tracing::debug!(rows, "swept expired rows"),
            Err(error) => tracing::warn!(%error, cause = ?error, "expired rows could not be swept"),
        }
    }
}
