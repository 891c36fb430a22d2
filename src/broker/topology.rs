//! Exchanges, queues and bindings: what there should be, whether it is there, and declaring it.

use std::fmt;

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, ErrorKind, ExchangeKind};
use serde::Serialize;

use super::session::Session;
use super::{Broker, BrokerError};
use crate::config;
use crate::lifecycle::Region;

/// The delivery limit of the queue of dead letters: none, but RabbitMQ 4 takes 20 where none is given, and what is
/// dead-lettered there would be lost.
const DEAD_QUEUE_LIMIT: u32 = 1_000_000;

/// What should be there, in the order in which it is declared. Everything is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan(Vec<Object>);

/// One thing at the broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "object", rename_all = "lowercase")]
pub enum Object {
    /// An exchange.
    Exchange {
        /// Its name.
        name: String,
        /// `direct`, `fanout` or `topic`.
        #[serde(rename = "type")]
        kind: &'static str,
        /// Where it sends what it cannot route.
        #[serde(skip_serializing_if = "Option::is_none")]
        alternate_exchange: Option<String>,
    },
    /// A quorum queue.
    Queue {
        /// Its name.
        name: String,
        /// Deliveries of one message before it is given up.
        delivery_limit: u32,
        /// The queue of dead letters.
        #[serde(skip_serializing_if = "Option::is_none")]
        dead_letter_queue: Option<String>,
    },
    /// A binding.
    Binding {
        /// From this exchange
        exchange: String,
        /// to this queue
        queue: String,
        /// for this routing key.
        routing_key: String,
    },
}

/// Whether an object of the plan was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Found {
    /// It is there.
    There,
    /// It is not.
    Missing,
    /// Bindings cannot be asked for.
    Unknown,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::There => "there",
            Self::Missing => "missing",
            Self::Unknown => "unknown",
        })
    }
}

impl Plan {
    /// Its objects, in the order in which they are declared.
    #[must_use]
    pub fn objects(&self) -> &[Object] {
        &self.0
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|object| writeln!(f, "{object}: {}", object.details()))
    }
}

impl Object {
    /// Its properties, for people.
    #[must_use]
    pub fn details(&self) -> String {
        match self {
            Self::Exchange { kind, alternate_exchange: None, .. } => format!("{kind}, durable"),
            Self::Exchange { kind, alternate_exchange: Some(other), .. } => {
                format!("{kind}, durable, what it cannot route goes to `{other}`")
            }
            Self::Queue { delivery_limit, dead_letter_queue: Some(dead), .. } => {
                format!("quorum, after {delivery_limit} deliveries to `{dead}`, at least once; refuses when full")
            }
            Self::Queue { delivery_limit: DEAD_QUEUE_LIMIT, .. } => "quorum, gives nothing up".to_owned(),
            Self::Queue { delivery_limit, .. } => format!("quorum, drops after {delivery_limit} deliveries"),
            Self::Binding { routing_key, .. } => format!("routing key `{routing_key}`"),
        }
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exchange { name, .. } => write!(f, "exchange `{name}`"),
            Self::Queue { name, .. } => write!(f, "queue `{name}`"),
            Self::Binding { exchange, queue, .. } => write!(f, "binding `{exchange}` to `{queue}`"),
        }
    }
}

/// What the settings ask for, for a process that serves `regions`.
#[must_use]
pub fn plan(settings: &config::Broker, regions: &[Region]) -> Plan {
    let mut objects = Vec::new();
    let dead_letter_queue = settings.dead_queue.clone();
    if let Some(name) = &dead_letter_queue {
        let (name, delivery_limit) = (name.clone(), DEAD_QUEUE_LIMIT);
        objects.push(Object::Queue { name, delivery_limit, dead_letter_queue: None });
    }
    if settings.imports_queue.is_some() {
        imports(settings, regions, &mut objects);
    }
    if let Some(name) = &settings.events_exchange {
        objects.push(Object::Exchange { name: name.clone(), kind: "topic", alternate_exchange: None });
    }
    Plan(objects)
}

fn imports(settings: &config::Broker, regions: &[Region], objects: &mut Vec<Object>) {
    let Some(template) = &settings.imports_queue else { return };
    let default_exchange = settings.default_exchange.as_ref().filter(|_| settings.imports_exchange.is_some());
    let mut queues: Vec<(String, Region)> =
        regions.iter().map(|region| (template.for_region(*region), *region)).collect();
    if default_exchange.is_some() && !regions.contains(&settings.default_region) {
        queues.push((template.for_region(settings.default_region), settings.default_region));
    }
    if let Some(name) = default_exchange {
        objects.push(Object::Exchange { name: name.clone(), kind: "fanout", alternate_exchange: None });
    }
    if let Some(name) = &settings.imports_exchange {
        let alternate_exchange = default_exchange.cloned();
        objects.push(Object::Exchange { name: name.clone(), kind: "direct", alternate_exchange });
    }
    for (at, (name, _)) in queues.iter().enumerate() {
        if queues[..at].iter().all(|(other, _)| other != name) {
            let (delivery_limit, dead_letter_queue) = (settings.delivery_limit, settings.dead_queue.clone());
            objects.push(Object::Queue { name: name.clone(), delivery_limit, dead_letter_queue });
        }
    }
    if let Some(exchange) = default_exchange {
        let queue = template.for_region(settings.default_region);
        objects.push(Object::Binding { exchange: exchange.clone(), queue, routing_key: String::new() });
    }
    if let Some(exchange) = &settings.imports_exchange {
        let binding = |(queue, region): (String, Region)| Object::Binding {
            exchange: exchange.clone(),
            queue,
            routing_key: region.to_string(),
        };
        objects.extend(queues.into_iter().map(binding));
    }
}

/// Declares what the plan holds. Each object with whether it was there before.
///
/// # Errors
/// [`BrokerError::Topology`] names what is there with other properties: then nothing was changed.
pub async fn apply(broker: &Broker, plan: &Plan) -> Result<Vec<(Object, Found)>, BrokerError> {
    let session = broker.open("topology").await?;
    let found = broker.within(declare_all(broker, &session, plan)).await;
    session.close().await;
    found
}

/// Asks which exchanges and queues are there, and changes nothing. It cannot tell their type and arguments.
///
/// # Errors
/// When the broker cannot be asked.
pub async fn check(broker: &Broker, plan: &Plan) -> Result<Vec<(Object, Found)>, BrokerError> {
    let session = broker.open("topology").await?;
    let found = broker.within(find_all(broker, &session, plan)).await;
    session.close().await;
    found
}

/// Declares what the plan holds on a session that is there.
pub(super) async fn ensure(broker: &Broker, session: &Session, plan: &Plan) -> Result<(), BrokerError> {
    broker.within(declare_all(broker, session, plan)).await.map(drop)
}

async fn find_all(broker: &Broker, session: &Session, plan: &Plan) -> Result<Vec<(Object, Found)>, BrokerError> {
    let mut found = Vec::new();
    for object in &plan.0 {
        found.push((object.clone(), find(broker, session, object).await?));
    }
    Ok(found)
}

async fn declare_all(broker: &Broker, session: &Session, plan: &Plan) -> Result<Vec<(Object, Found)>, BrokerError> {
    let found = find_all(broker, session, plan).await?;
    // What is there is declared first: that changes nothing, and is refused where the properties differ.
    for wanted in [Found::There, Found::Missing, Found::Unknown] {
        for (object, _) in found.iter().filter(|(_, found)| *found == wanted) {
            declare(broker, session, object).await?;
        }
    }
    Ok(found)
}

async fn find(broker: &Broker, session: &Session, object: &Object) -> Result<Found, BrokerError> {
    // A refusal closes the channel.
    let channel = session.channel().await.map_err(|error| broker.away(&error))?;
    let asked = match object {
        Object::Exchange { name, .. } => exchange_is_there(&channel, name).await,
        Object::Queue { name, .. } => {
            let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
            channel.queue_declare(name.as_str().into(), options, FieldTable::default()).await.map(drop)
        }
        Object::Binding { .. } => return Ok(Found::Unknown),
    };
    match asked {
        Ok(()) => Ok(Found::There),
        Err(error) if is_not_found(&error) => Ok(Found::Missing),
        Err(error) => Err(broker.away(&error)),
    }
}

/// Passive; the channel is closed when it is not there.
pub(super) async fn exchange_is_there(channel: &Channel, name: &str) -> lapin::Result<()> {
    let options = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
    channel.exchange_declare(name.into(), ExchangeKind::Topic, options, FieldTable::default()).await
}

async fn declare(broker: &Broker, session: &Session, object: &Object) -> Result<(), BrokerError> {
    let channel = session.channel().await.map_err(|error| broker.away(&error))?;
    let declared = match object {
        Object::Exchange { name, kind, alternate_exchange } => {
            let mut arguments = FieldTable::default();
            if let Some(other) = alternate_exchange {
                arguments.insert("alternate-exchange".into(), text(other));
            }
            let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
            channel.exchange_declare(name.as_str().into(), exchange_kind(kind), options, arguments).await
        }
        Object::Queue { name, delivery_limit, dead_letter_queue } => {
            let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
            let arguments = queue_arguments(*delivery_limit, dead_letter_queue.as_deref());
            channel.queue_declare(name.as_str().into(), options, arguments).await.map(drop)
        }
        Object::Binding { exchange, queue, routing_key } => {
            let (queue, exchange, key) = (queue.as_str().into(), exchange.as_str().into(), routing_key.as_str().into());
            channel.queue_bind(queue, exchange, key, QueueBindOptions::default(), FieldTable::default()).await
        }
    };
    declared.map_err(|error| match error.kind() {
        ErrorKind::ProtocolError(_) => BrokerError::Topology(format!(
            "{object} cannot be declared: {}",
            super::error::explain(&error, broker.place())
        )),
        _ => broker.away(&error),
    })
}

fn exchange_kind(kind: &str) -> ExchangeKind {
    match kind {
        "direct" => ExchangeKind::Direct,
        "fanout" => ExchangeKind::Fanout,
        _ => ExchangeKind::Topic,
    }
}

fn queue_arguments(delivery_limit: u32, dead_letter_queue: Option<&str>) -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), text("quorum"));
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongLongInt(delivery_limit.into()));
    if let Some(dead) = dead_letter_queue {
        arguments.insert("x-dead-letter-exchange".into(), text(""));
        arguments.insert("x-dead-letter-routing-key".into(), text(dead));
        arguments.insert("x-dead-letter-strategy".into(), text("at-least-once"));
        arguments.insert("x-overflow".into(), text("reject-publish"));
    }
    arguments
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

fn is_not_found(error: &lapin::Error) -> bool {
    const NOT_FOUND: u16 = 404;
    matches!(error.kind(), ErrorKind::ProtocolError(answer) if answer.get_id() == NOT_FOUND)
}
