//! The broker as a test sees it: a virtual host of its own, and a client in it.

use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt as _;
use lapin::message::BasicGetMessage;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection, ConnectionProperties};
use serde_json::Value;
use sqlx::Connection as _;
use tokio::runtime::{Builder, Runtime};

use super::{Place, Provider, eventually};
use crate::shared::client::{Client, Said};
use crate::shared::vhost::Vhost;

/// How long a message may take to come.
const SOON: Duration = Duration::from_secs(30);

/// A virtual host and a client in it.
#[derive(Debug)]
pub struct Mq {
    pub vhost: Vhost,
    client: Client,
    runtime: Runtime,
}

impl Mq {
    /// `None` without a broker to test on.
    pub fn make() -> Option<Self> {
        Vhost::make().map(Self::of)
    }

    pub fn of(vhost: Vhost) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let client = runtime.block_on(Client::open(&vhost.url()));
        Self { vhost, client, runtime }
    }

    /// Connects once more, after the broker was away.
    pub fn reopen(&mut self) {
        self.client = self.runtime.block_on(Client::open(&self.vhost.url()));
    }

    /// A place whose workers consume here and declare what they need.
    pub fn place(&self, provider: &Provider, more: &[&str]) -> Place {
        let url = format!("broker.url = \"{}\"", self.vhost.url());
        let settings = [&[url.as_str(), "broker.declare = true", r#"events.sink = "stdout""#][..], more].concat();
        Place::with(provider, &settings)
    }

    /// Publishes to a queue.
    #[track_caller]
    pub fn send(&self, queue: &str, properties: BasicProperties, body: impl AsRef<[u8]>) {
        let said = self.runtime.block_on(self.client.publish("", queue, properties, body.as_ref()));
        assert_eq!(said, Said::Confirmed, "{queue}");
    }

    pub fn declare(&self, queue: &str, arguments: &[(&str, lapin::types::AMQPValue)]) {
        self.runtime.block_on(self.client.declare(queue, arguments));
    }

    pub fn bind(&self, queue: &str, exchange: &str, key: &str) {
        self.runtime.block_on(self.client.bind(queue, exchange, key));
    }

    pub fn unbind(&self, queue: &str, exchange: &str, key: &str) {
        self.runtime.block_on(self.client.unbind(queue, exchange, key));
    }

    pub fn delete(&self, queue: &str) {
        self.runtime.block_on(self.client.delete(queue));
    }

    /// The next message of a queue.
    #[track_caller]
    pub fn next(&self, queue: &str) -> BasicGetMessage {
        self.runtime.block_on(self.client.next(queue, SOON)).unwrap_or_else(|| panic!("nothing in {queue}"))
    }

    /// Publishes to a queue and waits for the reply on the same channel, without a queue of one's own (RabbitMQ's direct
    /// reply-to): the reply's type.
    #[track_caller]
    pub fn ask(&self, queue: &str, properties: BasicProperties, body: impl AsRef<[u8]>) -> String {
        const DIRECT: &str = "amq.rabbitmq.reply-to";
        let asked = async {
            let connection = Connection::connect(&self.vhost.url(), ConnectionProperties::default()).await?;
            let channel = connection.create_channel().await?;
            let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
            let mut replies = channel.basic_consume(DIRECT.into(), "".into(), options, FieldTable::default()).await?;
            let (options, properties) = (BasicPublishOptions::default(), properties.with_reply_to(DIRECT.into()));
            channel.basic_publish("".into(), queue.into(), options, body.as_ref(), properties).await?.await?;
            replies.next().await.unwrap()
        };
        let reply = self.runtime.block_on(async { tokio::time::timeout(SOON, asked).await.unwrap().unwrap() });
        reply.properties.kind().as_ref().map(ToString::to_string).unwrap_or_default()
    }

    /// The next reply in a queue: its type, its correlation id and its body.
    #[track_caller]
    pub fn reply(&self, queue: &str) -> (String, String, Value) {
        let message = self.next(queue);
        let text =
            |text: &Option<lapin::types::ShortString>| text.as_ref().map(ToString::to_string).unwrap_or_default();
        let properties = &message.properties;
        let body = serde_json::from_slice(&message.data).unwrap();
        (text(properties.kind()), text(properties.correlation_id()), body)
    }

    /// Messages that are ready in a queue and its consumers.
    pub fn count(&self, queue: &str) -> (u32, u32) {
        self.runtime.block_on(self.client.count(queue)).unwrap_or_else(|| panic!("there is no {queue}"))
    }

    /// Changes a SQLite database beside the worker that has it.
    pub fn sqlite(&self, file: &Path, statement: &'static str) {
        let url = format!("sqlite://{}", file.display());
        self.runtime.block_on(async {
            let mut database = sqlx::SqliteConnection::connect(&url).await.unwrap();
            sqlx::query(statement).execute(&mut database).await.unwrap();
            database.close().await.unwrap();
        });
    }

    /// Waits until a queue is empty.
    #[track_caller]
    pub fn emptied(&self, queue: &str) {
        eventually("the queue is empty", || (self.count(queue).0 == 0).then_some(()));
    }
}

/// Properties with a message id.
pub fn with_id(id: &str) -> BasicProperties {
    BasicProperties::default().with_message_id(id.into())
}
