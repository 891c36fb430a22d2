//! Sessions with a real broker: consuming, publishing, and what happens to them.

mod connect;
mod consume;
mod outage;
mod publish;
mod topology;
mod unreadable;

use std::time::Duration;

use lapin::BasicProperties;
use tidewaiter::broker::{Arrival, Broker, SessionState, Subscription, Unreadable};
use tidewaiter::config::{self, Settings, Sources};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::shared::client::{Client, Said};
use crate::shared::wait::comes_true;

/// No test waits longer for anything.
const SOON: Duration = Duration::from_secs(20);

fn settings(url: &str, more: &[(&str, &str)]) -> config::Broker {
    let mut environment = vec![("AMQP_URL".into(), url.into())];
    environment
        .extend(more.iter().map(|(name, value)| (format!("TIDEWAITER__BROKER__{name}").into(), (*value).into())));
    let sources = Sources { environment, ..Sources::default() };
    Settings::load(&sources).unwrap().settings.broker.unwrap()
}

fn broker(url: &str) -> Broker {
    Broker::new(&settings(url, &[])).unwrap()
}

/// Publishes messages with these ids into a queue.
async fn fill(client: &Client, queue: &str, ids: impl IntoIterator<Item = String>) {
    for id in ids {
        let properties = BasicProperties::default().with_message_id(id.as_str().into());
        assert_eq!(client.publish("", queue, properties, b"{}").await, Said::Confirmed);
    }
}

fn ids(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{prefix}{number:04}")).collect()
}

/// A delivery in hand. Dropped without being settled, its handler ends without having settled it.
struct Seen {
    arrival: Arrival,
    _handler: oneshot::Sender<()>,
}

impl Seen {
    fn id(&self) -> &str {
        self.arrival.properties.message_id.as_deref().unwrap_or_default()
    }

    async fn acknowledge(self) -> bool {
        self.arrival.acknowledge().await
    }
}

/// A subscription at work; its deliveries come out of `next`.
struct Consuming {
    state: watch::Receiver<SessionState>,
    open: watch::Sender<bool>,
    stop: CancellationToken,
    seen: mpsc::UnboundedReceiver<Seen>,
    task: JoinHandle<()>,
}

impl Consuming {
    fn start(broker: Broker, queue: &str, prefetch: u16) -> Self {
        Self::start_with(broker, queue, prefetch, Unreadable::UntilGivenUp)
    }

    fn start_with(broker: Broker, queue: &str, prefetch: u16, unreadable: Unreadable) -> Self {
        let (sender, seen) = mpsc::unbounded_channel();
        let handle = move |arrival| {
            let (handler, done) = oneshot::channel();
            let _ = sender.send(Seen { arrival, _handler: handler });
            async move { drop(done.await) }
        };
        Self { seen, ..Self::handling(broker, queue, prefetch, unreadable, handle) }
    }

    /// With a handler of the test's own.
    fn handling<Fut: Future<Output = ()> + Send + 'static>(
        broker: Broker,
        queue: &str,
        prefetch: u16,
        unreadable: Unreadable,
        handle: impl Fn(Arrival) -> Fut + Send + Sync + 'static,
    ) -> Self {
        let (open, gate) = watch::channel(true);
        let (sender, state) = watch::channel(SessionState::Connecting);
        let queue = queue.to_owned();
        let subscription = Subscription { broker, queue, prefetch, open: gate, state: sender, unreadable };
        let stop = CancellationToken::new();
        let task = spawn(subscription.run(handle, stop.clone()));
        Self { state, open, stop, seen: mpsc::unbounded_channel().1, task }
    }

    async fn next(&mut self) -> Seen {
        timeout(SOON, self.seen.recv()).await.expect("a delivery comes").expect("it consumes")
    }

    /// Acknowledges the next `count` deliveries; their ids in the order in which they came.
    async fn acknowledge(&mut self, count: usize) -> Vec<String> {
        let mut seen = Vec::new();
        for _ in 0..count {
            let next = self.next().await;
            seen.push(next.id().to_owned());
            assert!(next.acknowledge().await);
        }
        seen
    }

    async fn becomes(&self, wanted: impl FnMut(&SessionState) -> bool) -> SessionState {
        becomes(&self.state, wanted).await
    }

    async fn end(self) {
        self.stop.cancel();
        timeout(SOON, self.task).await.expect("it stops").unwrap();
    }
}

async fn becomes(state: &watch::Receiver<SessionState>, wanted: impl FnMut(&SessionState) -> bool) -> SessionState {
    let mut state = state.clone();
    let reached = timeout(SOON, state.wait_for(wanted)).await.map(|reached| reached.unwrap().clone());
    reached.unwrap_or_else(|_| panic!("it stays {:?}", state.borrow()))
}

fn attached(state: &SessionState) -> bool {
    *state == SessionState::Attached
}

/// Waits until the queue has `ready` messages that nobody has in hand. A consumer counts there until what it has in hand
/// is settled, cancelled or not.
async fn holds(client: &Client, queue: &str, ready: u32) {
    let mut found = None;
    let reached = comes_true(SOON, async || {
        found = client.count(queue).await.map(|(ready, _)| ready);
        found == Some(ready)
    });
    assert!(reached.await, "{queue} holds {found:?}");
}

#[expect(clippy::disallowed_methods, reason = "a test's task ends with its runtime")]
fn spawn<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    tokio::spawn(task)
}
