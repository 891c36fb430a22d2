//! The broker of a run: a virtual host of its own, what the workers are to find in it, and what is left there.

use std::time::Duration;

use anyhow::Context as _;
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties};
use tokio::time::timeout;

use super::options::BrokerAt;
use super::upstream::Upstream;
use crate::corpus::SERVED;
use crate::shared::services::Services;
use crate::shared::vhost::Vhost;

/// The exchanges and queues as they are called without configuration.
pub const IMPORTS: &str = "tidewaiter.imports";
pub const EVENTS: &str = "tidewaiter.events";
const DEAD: &str = "tidewaiter.dead";
/// The consumers' queues.
pub const EVERYTHING: &str = "everything";
pub const ACTIVE: &str = "active";

/// How long the broker may take to say how many messages are in a queue.
const PATIENCE: Duration = Duration::from_secs(10);

/// A virtual host.
pub struct Broker {
    pub vhost: Vhost,
}

impl Broker {
    /// `services` are the run's private servers.
    pub fn make(at: &BrokerAt, services: Option<&Services>) -> anyhow::Result<Self> {
        let vhost = match at {
            BrokerAt::Private => {
                let services = services.context("no RabbitMQ was started")?;
                Vhost::of(&services.variable("AMQP_URL"), &services.variable("TIDEWAITER_TEST_RABBITMQ_MANAGEMENT"))
            }
            BrokerAt::Shared { amqp, management } => Vhost::of(amqp, management),
        };
        Ok(Self { vhost })
    }

    /// The messages that wait in each queue but that of the dead letters, and in that one.
    pub fn waiting(&self, upstream: &Upstream) -> anyhow::Result<(Vec<(String, u64)>, u64)> {
        let imports = SERVED.iter().map(|region| format!("{IMPORTS}.{region}"));
        let mut queues: Vec<_> =
            imports.chain([EVERYTHING, ACTIVE, DEAD].map(str::to_owned)).map(|name| (name, 0)).collect();
        upstream.block_on(async {
            timeout(PATIENCE, count(&self.vhost.url(), &mut queues)).await.context("the broker does not answer")?
        })?;
        let (_, dead) = queues.pop().unwrap_or_default();
        Ok((queues, dead))
    }
}

async fn count(url: &str, queues: &mut [(String, u64)]) -> anyhow::Result<()> {
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    for (name, waiting) in queues {
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let queue = channel.queue_declare(name.as_str().into(), passive, FieldTable::default()).await;
        *waiting = u64::from(queue.with_context(|| format!("the queue {name}"))?.message_count());
    }
    connection.close(200, "counted".into()).await?;
    Ok(())
}
