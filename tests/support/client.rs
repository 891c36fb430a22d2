//! An AMQP client as a producer or a consumer has one, with a bound on each wait.

use std::time::Duration;

use lapin::message::BasicGetMessage;
use lapin::options::{
    BasicAckOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueBindOptions, QueueDeclareOptions,
    QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use tokio::time::{Instant, sleep, timeout};

/// How long the broker may take for one answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the broker said to a published message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    Confirmed,
    /// No queue took it.
    Returned,
    Refused,
}

/// A connection with one channel, on which publishing is confirmed. It works inside a tokio runtime.
#[derive(Debug)]
pub struct Client {
    connection: Connection,
    channel: Channel,
}

impl Client {
    pub async fn open(url: &str) -> Self {
        let properties = ConnectionProperties::default().with_connection_name("test".into());
        let connection = bounded("connect", Connection::connect(url, properties)).await;
        let channel = bounded("open a channel", connection.create_channel()).await;
        bounded("select confirms", channel.confirm_select(ConfirmSelectOptions::default())).await;
        Self { connection, channel }
    }

    /// Publishes to an exchange, `""` for a queue of the key's name.
    pub async fn publish(&self, exchange: &str, key: &str, properties: BasicProperties, body: &[u8]) -> Said {
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let sent = self.channel.basic_publish(exchange.into(), key.into(), options, body, properties);
        let confirmation = bounded("be confirmed", async { sent.await?.await }).await;
        match (confirmation.is_ack(), confirmation.take_message()) {
            (true, None) => Said::Confirmed,
            (true, Some(_)) => Said::Returned,
            (false, _) => Said::Refused,
        }
    }

    /// Declares a durable queue: a quorum queue, unless the arguments say otherwise.
    pub async fn declare(&self, queue: &str, arguments: &[(&str, AMQPValue)]) {
        let mut table = FieldTable::default();
        table.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        for (name, value) in arguments {
            table.insert((*name).into(), value.clone());
        }
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        bounded("declare a queue", self.channel.queue_declare(queue.into(), options, table)).await;
    }

    pub async fn bind(&self, queue: &str, exchange: &str, key: &str) {
        let (options, arguments) = (QueueBindOptions::default(), FieldTable::default());
        let bound = self.channel.queue_bind(queue.into(), exchange.into(), key.into(), options, arguments);
        bounded("bind a queue", bound).await;
    }

    pub async fn unbind(&self, queue: &str, exchange: &str, key: &str) {
        let unbound = self.channel.queue_unbind(queue.into(), exchange.into(), key.into(), FieldTable::default());
        bounded("unbind a queue", unbound).await;
    }

    pub async fn delete(&self, queue: &str) {
        bounded("delete a queue", self.channel.queue_delete(queue.into(), QueueDeleteOptions::default())).await;
    }

    /// Messages that are ready in a queue and its consumers; `None` where there is no such queue.
    pub async fn count(&self, queue: &str) -> Option<(u32, u32)> {
        // A refusal closes the channel, so it is one of its own.
        let channel = bounded("open a channel", self.connection.create_channel()).await;
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let asked = channel.queue_declare(queue.into(), options, FieldTable::default());
        let queue = timeout(PATIENCE, asked).await.expect("the broker answers").ok()?;
        Some((queue.message_count(), queue.consumer_count()))
    }

    /// Takes the next message out of a queue, when one comes in time.
    pub async fn next(&self, queue: &str, within: Duration) -> Option<BasicGetMessage> {
        let until = Instant::now() + within;
        loop {
            let asked = self.channel.basic_get(queue.into(), BasicGetOptions::default());
            if let Some(message) = bounded("get a message", asked).await {
                bounded("acknowledge", message.ack(BasicAckOptions::default())).await;
                return Some(message);
            }
            if Instant::now() >= until {
                return None;
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Takes `wanted` messages out of a queue, or those that came in time.
    pub async fn take(&self, queue: &str, wanted: usize, within: Duration) -> Vec<BasicGetMessage> {
        let until = Instant::now() + within;
        let mut taken = Vec::new();
        while taken.len() < wanted {
            match self.next(queue, until.saturating_duration_since(Instant::now())).await {
                Some(message) => taken.push(message),
                None => break,
            }
        }
        taken
    }
}

async fn bounded<T>(what: &str, answer: impl Future<Output = lapin::Result<T>>) -> T {
    let answer = timeout(PATIENCE, answer).await.unwrap_or_else(|_| panic!("the broker did not let us {what}"));
    answer.unwrap_or_else(|error| panic!("could not {what}: {error}"))
}
