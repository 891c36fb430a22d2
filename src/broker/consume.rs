//! Consuming a queue, whatever happens to the connection.
//!
//! Two halves run side by side. One keeps the session and takes deliveries, the other handles them; so a handler that
//! is at work does not notice that its connection was replaced, and only learns that its receipt is worth nothing.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::attend::Attendant;
use super::{Arrival, Broker, SessionState};

/// How long an unsettled delivery rests before it is given back, so that one that always fails does not spin.
const REST: Duration = Duration::from_secs(1);

/// Consumes a queue until it is asked to stop: owns connection, channel and consumer, and rebuilds them on any error.
///
/// Deliveries are handled concurrently, at most `prefetch` at a time, on the task that runs this.
#[derive(Debug)]
pub struct Subscription {
    /// The broker.
    pub broker: Broker,
    /// The queue.
    pub queue: String,
    /// Deliveries in hand at once.
    pub prefetch: u16,
    /// Whether to consume. False: the consumer is cancelled, and what is in hand is kept.
    pub open: watch::Receiver<bool>,
    /// How the session stands.
    pub state: watch::Sender<SessionState>,
    /// What to do about a message that cannot be read.
    pub unreadable: Unreadable,
}

/// What to do about a message that cannot be read, such as one with a property that is not UTF-8: the connection
/// breaks at each of its deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// The queue's delivery limit removes it: have it delivered, alone, until it does.
    UntilGivenUp,
    /// Nothing removes it: try again after pauses that grow up to this.
    Rest(Duration),
}

impl Subscription {
    /// Consumes until `stop`. A handler settles its arrival; one that panics, or ends without settling, has it given
    /// back after a second.
    ///
    /// At `stop` the consumer is cancelled and what was delivered is still handled, within 15 s; what is not settled
    /// by then is delivered again.
    pub async fn run<F, Fut>(self, handle: F, stop: CancellationToken)
    where
        F: Fn(Arrival) -> Fut,
        Fut: Future<Output = ()> + Send,
    {
        let room = Arc::new(Semaphore::new(self.prefetch.into()));
        let (arrivals, inbox) = mpsc::channel(1);
        let queue = self.queue.clone();
        let attendant = Attendant::new(self, arrivals, room, stop.clone());
        tokio::select! {
            () = attendant.run() => {}
            () = work(inbox, &queue, handle, &stop) => {}
        }
    }
}

/// Handles what arrives, until nothing more can.
async fn work<F, Fut>(
    mut inbox: mpsc::Receiver<(Arrival, OwnedSemaphorePermit)>,
    queue: &str,
    handle: F,
    stop: &CancellationToken,
) where
    F: Fn(Arrival) -> Fut,
    Fut: Future<Output = ()> + Send,
{
    let handle = &handle;
    let mut in_hand = FuturesUnordered::new();
    loop {
        tokio::select! {
            Some(()) = in_hand.next() => {}
            arrived = inbox.recv() => {
                let Some((arrival, permit)) = arrived else { break };
                in_hand.push(handled(arrival, permit, queue, handle, stop));
            }
        }
    }
    while in_hand.next().await.is_some() {}
}

async fn handled<F, Fut>(
    arrival: Arrival,
    permit: OwnedSemaphorePermit,
    queue: &str,
    handle: &F,
    stop: &CancellationToken,
) where
    F: Fn(Arrival) -> Fut,
    Fut: Future<Output = ()> + Send,
{
    let receipt = arrival.receipt.clone();
    // The panic's payload may quote the message, so it is not looked at; the panic hook prints the place.
    let ended = AssertUnwindSafe(async { handle(arrival).await }).catch_unwind().await;
    if ended.is_err() {
        tracing::error!(queue, "handling a delivery panicked; it goes back to the queue");
    }
    if receipt.usable() {
        let _ = stop.run_until_cancelled(tokio::time::sleep(REST)).await;
        receipt.give_back().await;
    }
    drop(permit);
}
