//! Replies to whoever set `reply_to`: best effort, after the commit, and never in the way of an acknowledgement.
//!
//! They wait in a bounded queue and go out on a connection of their own. A reply that cannot be published is dropped
//! and counted: a producer that hears nothing sends its message again and is told that it came before.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Disposition, PROBLEM_JSON, ProblemDocument};
use crate::accounts::{Accounts, account_answer, new_account_answer};
use crate::broker::{Outgoing, Properties, PublishError, Published, Publisher, SessionState};
use crate::telemetry::Metrics;
use crate::telemetry::metrics::ReplyEnd;

/// Replies that wait. More are dropped.
const WAITING: usize = 256;
/// Replies that are published at once.
const UNDER_WAY: usize = 64;
/// How long a reply waits for a connection that is being made.
const CONNECTION: Duration = Duration::from_secs(5);
/// After a stop, the replies that wait have this long.
const LAST_REPLIES: Duration = Duration::from_secs(2);

/// How the names begin that RabbitMQ gives to askers without a queue (direct reply-to).
const DIRECT: &str = "amq.rabbitmq.reply-to.";

/// Where a reply is wanted.
#[derive(Debug)]
pub struct Asked {
    queue: String,
    correlation_id: Option<String>,
}

/// A reply to be published.
#[derive(Debug)]
pub struct Reply {
    asked: Asked,
    disposition: Disposition,
}

/// Where replies are put. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Replies {
    waiting: mpsc::Sender<Reply>,
    own: Arc<HashSet<String>>,
    told: Arc<AtomicBool>,
    metrics: Metrics,
}

impl Replies {
    /// A queue of replies and its other end, for [`publish_replies`]. Nothing is sent to the queues in `own`.
    #[must_use]
    pub fn new(own: HashSet<String>, metrics: Metrics) -> (Self, mpsc::Receiver<Reply>) {
        let (waiting, receiver) = mpsc::channel(WAITING);
        (Self { waiting, own: Arc::new(own), told: Arc::default(), metrics }, receiver)
    }

    /// The reply that a message asks for. None to one of our own queues: it would be taken for a request.
    #[must_use]
    pub fn asked(&self, properties: &Properties) -> Option<Asked> {
        let queue = properties.reply_to.as_ref().filter(|queue| !queue.is_empty())?;
        if self.own.contains(queue) {
            self.metrics.count_reply(ReplyEnd::OwnQueue);
            if !self.told.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    queue,
                    "a message has one of Tidewaiter's own queues in `reply_to`; such messages are taken and get no reply; this is told once"
                );
            }
            return None;
        }
        let correlation_id = properties.correlation_id.as_ref().or(properties.message_id.as_ref()).cloned();
        Some(Asked { queue: queue.clone(), correlation_id })
    }

    /// Puts a reply into the queue; drops it when the queue is full.
    pub fn send(&self, asked: Asked, disposition: Disposition) {
        if self.waiting.try_send(Reply { asked, disposition }).is_err() {
            self.metrics.count_reply(ReplyEnd::Dropped);
        }
    }
}

/// Publishes replies until `stop`, then those that still wait.
pub async fn publish_replies(
    accounts: Accounts,
    publisher: Publisher,
    mut waiting: mpsc::Receiver<Reply>,
    stop: CancellationToken,
) {
    let mut under_way = FuturesUnordered::new();
    let last = async {
        stop.cancelled().await;
        tokio::time::sleep(LAST_REPLIES).await;
    };
    tokio::pin!(last);
    let mut open = true;
    while open || !under_way.is_empty() {
        tokio::select! {
            Some(end) = under_way.next() => accounts.metrics.count_reply(end),
            reply = waiting.recv(), if open && under_way.len() < UNDER_WAY => match reply {
                Some(reply) => under_way.push(publish(&accounts, &publisher, reply)),
                None => open = false,
            },
            () = stop.cancelled(), if open && !waiting.is_closed() => waiting.close(),
            () = &mut last => return,
        }
    }
    stop.cancelled().await;
}

async fn publish(accounts: &Accounts, publisher: &Publisher, reply: Reply) -> ReplyEnd {
    let Reply { asked, disposition } = reply;
    let Some((word, content_type, body)) = written(accounts, disposition).await else { return ReplyEnd::Dropped };
    let properties = Properties {
        correlation_id: asked.correlation_id,
        content_type: Some(content_type.to_owned()),
        message_type: Some(format!("integrated_account.import.{word}")),
        app_id: Some("tidewaiter".to_owned()),
        timestamp_s: u64::try_from(accounts.clock.now_ms() / 1000).ok(),
        ..Properties::default()
    };
    // The broker says of a direct reply that no queue took it, although its asker has it.
    let mandatory = !asked.queue.starts_with(DIRECT);
    let (queue, body) = (asked.queue.as_str(), body.as_slice());
    let outgoing = || Outgoing { exchange: "", routing_key: queue, mandatory, properties: properties.clone(), body };
    let mut published = publisher.publish(outgoing()).await;
    if matches!(published, Err(PublishError::Away(_))) && connected(publisher).await {
        published = publisher.publish(outgoing()).await;
    }
    match published {
        Ok(Published::Confirmed) => ReplyEnd::Sent,
        Ok(Published::Returned) => ReplyEnd::Unroutable,
        Err(error) => {
            tracing::debug!(%error, "a reply was dropped");
            ReplyEnd::Dropped
        }
    }
}

async fn connected(publisher: &Publisher) -> bool {
    let mut state = publisher.state();
    let attached = state.wait_for(|state| matches!(state, SessionState::Attached));
    matches!(tokio::time::timeout(CONNECTION, attached).await, Ok(Ok(_)))
}

/// The disposition's word, and the media type and bytes of what is told of it. `None` when the account cannot be read.
async fn written(accounts: &Accounts, disposition: Disposition) -> Option<(&'static str, &'static str, Vec<u8>)> {
    const JSON: &str = "application/json";
    let (word, media_type, body) = match disposition {
        Disposition::Accepted(account) => ("accepted", JSON, serde_json::to_vec(&new_account_answer(&account))),
        Disposition::Duplicate(id) => {
            let account = accounts.store.account(id).await.ok()??;
            let answer = account_answer(accounts, &account).await.ok()?;
            ("duplicate", JSON, serde_json::to_vec(&answer))
        }
        Disposition::Refused(refusal) => ("refused", PROBLEM_JSON, serde_json::to_vec(&ProblemDocument::from(refusal))),
    };
    Some((word, media_type, body.ok()?))
}
