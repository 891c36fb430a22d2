//! The relay: publishes each account's events in order, then takes them out of the outbox.
//!
//! Sixteen shards by account are shared out among the live workers by rank. An account's next event goes out when the
//! one before is confirmed; accounts do not wait for each other. Two relays on one shard can send the same event twice,
//! but never a later one before it: first receipts are in order. A crash between publishing and taking out sends once
//! more, with the same id and bytes.
//!
//! What this process commits is told to its relay and sent from memory; what others commit, and what was left by a
//! crash, is found in the outbox.

mod exchange;
mod ledger;
mod ndjson;
mod pace;
mod run;
mod tail;

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use exchange::ExchangeSink;
pub use ndjson::NdjsonSink;
pub use tail::{Tail, resume_times};

use crate::accounts::Outlet;
use crate::store::{Store, Unpublished};
use crate::telemetry::Metrics;

/// Why an event was not published. It stays in the outbox and is sent again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SinkError {
    /// Nothing can be published for now.
    #[error("{0}")]
    Away(String),
    /// This event was refused; others may fare better.
    #[error("{0}")]
    Refused(String),
    /// No answer came in time, for this event's sake or for everybody's.
    #[error("{0}")]
    TimedOut(String),
}

/// Where a published event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// The sink has it for certain.
    Confirmed,
    /// Nobody had asked for it, so nobody has it; the database keeps it.
    Unroutable,
}

/// Where events go.
#[async_trait]
pub trait EventSink: std::fmt::Debug + Send + Sync {
    /// Publishes an event; returns when it is safe. Many are published at once, at most one of each account, and a sink
    /// may do together what is cheaper so. Nothing depends on the caller's patience: an event whose caller has gone may
    /// be published or not.
    ///
    /// # Errors
    /// When the event may not be safe. It is sent again.
    async fn publish(&self, event: &Unpublished) -> Result<Sent, SinkError>;

    /// Why nothing can be published right now, if the sink knows before anything is tried.
    fn trouble(&self) -> Option<String> {
        None
    }
}

/// Events are kept in the database only, for the API and `events tail`.
#[derive(Debug)]
pub struct NoSink;

#[async_trait]
impl EventSink for NoSink {
    async fn publish(&self, _event: &Unpublished) -> Result<Sent, SinkError> {
        Ok(Sent::Confirmed)
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
    /// would send events twice.
    pub worker: Uuid,
    /// Where this process tells of what it commits.
    pub outlet: Outlet,
    /// Counters.
    pub metrics: Metrics,
    /// Whether events go out.
    pub healthy: watch::Sender<bool>,
}

impl Relay {
    /// Publishes until `stop`, and what is committed by then.
    pub async fn run(self, stop: CancellationToken) {
        run::Running::new(self).until(stop).await;
    }
}

#[cfg(test)]
mod tests;
