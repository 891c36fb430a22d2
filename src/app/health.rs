//! Looking at the database regularly, for `readyz` and the gauges.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::store::{Backlog, Store};
use crate::telemetry::Metrics;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// Tells whether the database is usable, until `stop`.
pub(super) async fn watch_database(
    store: Arc<dyn Store>,
    problem: watch::Sender<Option<String>>,
    metrics: Metrics,
    stop: CancellationToken,
) {
    let mut down_since: Option<Instant> = None;
    while !stop.is_cancelled() {
        let found = store.check().await.err().map(|error| error.to_string());
        match (&found, down_since) {
            (Some(why), None) => {
                tracing::warn!(error = %why, "not ready: the database is not usable; looking again every second");
                down_since = Some(Instant::now());
            }
            (None, Some(since)) => {
                tracing::info!(outage.seconds = since.elapsed().as_secs(), "ready: the database is usable again");
                down_since = None;
            }
            (Some(_), Some(_)) | (None, None) => {}
        }
        metrics.database_usable.set(found.is_none().into());
        problem.send_replace(found);
        let _ = tokio::time::timeout(LOOK, stop.cancelled()).await;
    }
}

/// Between two samples: counting costs more than looking.
const SAMPLE: Duration = Duration::from_secs(2);

/// Keeps the gauges of what there is to do, until `stop`.
pub(super) async fn sample(store: Arc<dyn Store>, metrics: Metrics, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if let Ok(backlog) = store.backlog().await {
            set(&metrics, &backlog);
        }
        let _ = tokio::time::timeout(SAMPLE, stop.cancelled()).await;
    }
}

fn set(metrics: &Metrics, backlog: &Backlog) {
    let seconds = |ms: Option<i64>| ms.unwrap_or(0) as f64 / 1000.0;
    metrics.set_runs("queued", backlog.queued);
    metrics.set_runs("running", backlog.running);
    metrics.set_runs("waiting", backlog.waiting);
    metrics.outbox_events.set(backlog.outbox);
    metrics.quarantine_held.set(backlog.quarantined);
    metrics.oldest_queued_age.set(seconds(backlog.oldest_queued_ms));
    metrics.oldest_connecting_age.set(seconds(backlog.oldest_connecting_ms));
    metrics.oldest_outbox_age.set(seconds(backlog.oldest_outbox_ms));
}
