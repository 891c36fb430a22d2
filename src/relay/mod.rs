//! The relay: publishes each account's oldest unpublished event, then takes it out of the outbox.
//!
//! Sixteen shards by account are shared out among the live workers by rank. Only an account's lowest event is ever
//! sent, so two relays on one shard can send the same event twice, but never a later one before it: first receipts are
//! in order. A crash between publishing and taking out sends once more, with the same id and bytes.

mod ndjson;
mod tail;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use ndjson::NdjsonSink;
pub use tail::{Tail, resume_times};

use crate::reconnect::Reconnect;
use crate::store::{SHARDS, Standing, Store, Unpublished};
use crate::telemetry::Metrics;

/// The most events of one pass.
const BATCH: u32 = 256;

/// How long the relay rests when nobody wakes it: only a lost wake-up waits this long.
const FALLBACK: Duration = Duration::from_secs(1);

/// A sink that takes longer is stuck: a pipe that nobody reads, say.
const SINK_PATIENCE: Duration = Duration::from_secs(10);

/// Why a batch was not published. The relay tries it again.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SinkError(pub String);

/// Where events go.
#[async_trait]
pub trait EventSink: std::fmt::Debug + Send + Sync {
    /// Publishes the events, at most one of each account; returns when all of them are safe.
    ///
    /// # Errors
    /// When any of them may not be safe. All of them are sent again.
    async fn publish(&self, events: &[Unpublished]) -> Result<(), SinkError>;
}

/// Events are kept in the database only, for the API and `events tail`.
#[derive(Debug)]
pub struct NoSink;

#[async_trait]
impl EventSink for NoSink {
    async fn publish(&self, _events: &[Unpublished]) -> Result<(), SinkError> {
        Ok(())
    }
}

/// The publishing loop.
#[derive(Debug)]
pub struct Relay {
    /// Where the outbox is.
    pub store: Arc<dyn Store>,
    /// Where events go.
    pub sink: Arc<dyn EventSink>,
    /// This worker. Its place among the live ones is asked for at each pass: two workers that had another idea of it
    /// would send each event twice.
    pub worker: Uuid,
    /// Rung by commits of this process.
    pub committed: Arc<Notify>,
    /// Counters.
    pub metrics: Metrics,
    /// Whether the last pass went well.
    pub healthy: watch::Sender<bool>,
}

impl Relay {
    /// Publishes until `stop`, and once more after it: what is committed by then goes out.
    pub async fn run(self, stop: CancellationToken) {
        let mut pauses = Reconnect::default();
        let mut changes = self.store.changes();
        loop {
            // What changes from here on is looked at again, however short the rest.
            changes.borrow_and_update();
            let stopping = stop.is_cancelled();
            match self.pass().await {
                Ok(0) if stopping => return,
                Ok(0) => self.rest(&mut changes, &stop).await,
                Ok(_) => pauses.succeeded(),
                Err(error) if stopping => {
                    tracing::warn!(%error, "events are left in the outbox; the next worker publishes them");
                    return;
                }
                Err(error) => {
                    let pause = pauses.pause();
                    self.metrics.event_publish_failures.inc();
                    if self.healthy.send_replace(false) {
                        tracing::warn!(%error, "events cannot be published; they are kept and tried again");
                    }
                    let _ = tokio::time::timeout(pause, stop.cancelled()).await;
                    continue;
                }
            }
            if !self.healthy.send_replace(true) {
                tracing::info!("events are published again");
            }
        }
    }

    async fn rest(&self, changes: &mut watch::Receiver<u64>, stop: &CancellationToken) {
        tokio::select! {
            () = self.committed.notified() => {}
            _ = changes.changed() => {}
            () = tokio::time::sleep(FALLBACK) => {}
            () = stop.cancelled() => {}
        }
    }

    /// One batch: read, publish, take out. Answers how many events it had.
    async fn pass(&self) -> Result<usize, SinkError> {
        let told = |error: crate::store::StoreError| SinkError(error.to_string());
        let shards = shards_of(self.store.standing(self.worker).await.map_err(told)?);
        let events = self.store.unpublished(&shards, BATCH).await.map_err(told)?;
        if events.is_empty() {
            return Ok(0);
        }
        tokio::time::timeout(SINK_PATIENCE, self.sink.publish(&events))
            .await
            .map_err(|_| SinkError(format!("the sink did not take events within {} s", SINK_PATIENCE.as_secs())))??;
        let keys: Vec<(Uuid, i64)> = events.iter().map(|event| (event.account, event.sequence)).collect();
        self.store.published(&keys).await.map_err(told)?;
        self.metrics.events_published.inc_by(events.len() as u64);
        Ok(events.len())
    }
}

/// The shards of a worker: those whose number falls on its rank.
fn shards_of(standing: Standing) -> Vec<u8> {
    (0..SHARDS).filter(|shard| u32::from(*shard) % standing.live.max(1) == standing.rank).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shard_has_exactly_one_worker_however_many_there_are() {
        for live in 1..20 {
            let mut all: Vec<u8> = (0..live).flat_map(|rank| shards_of(Standing { rank, live })).collect();
            all.sort_unstable();
            assert_eq!(all, (0..SHARDS).collect::<Vec<_>>(), "{live} workers");
        }
    }
}
