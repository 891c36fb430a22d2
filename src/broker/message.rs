//! Messages as the rest of the program sees them.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use lapin::message::Delivery;
use lapin::protocol::basic::AMQPProperties;
use lapin::types::{AMQPValue, FieldTable};

use super::receipt::{Bond, Receipt};

/// The properties that are read or written here.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Properties {
    /// `message_id`
    pub message_id: Option<String>,
    /// `correlation_id`
    pub correlation_id: Option<String>,
    /// `reply_to`
    pub reply_to: Option<String>,
    /// `content_type`
    pub content_type: Option<String>,
    /// `type`
    pub message_type: Option<String>,
    /// `app_id`
    pub app_id: Option<String>,
    /// `timestamp`, seconds since the Unix epoch.
    pub timestamp_s: Option<u64>,
    /// Headers that are texts or integers; others are not read.
    pub headers: BTreeMap<String, HeaderValue>,
}

/// A header's value.
#[derive(Clone, PartialEq, Eq)]
pub enum HeaderValue {
    /// A text.
    Text(String),
    /// An integer.
    Integer(i64),
}

impl HeaderValue {
    /// The text, if it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Integer(_) => None,
        }
    }
}

impl From<&str> for HeaderValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl fmt::Debug for HeaderValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Producers put anything into headers.
        match self {
            Self::Text(text) => write!(f, "({} bytes)", text.len()),
            Self::Integer(_) => f.write_str("(integer)"),
        }
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.headers.keys().collect();
        f.debug_struct("Properties")
            .field("message_id", &self.message_id)
            .field("correlation_id", &self.correlation_id)
            .field("message_type", &self.message_type)
            .field("headers", &names)
            .finish_non_exhaustive()
    }
}

/// Why and where a message was given up before: an entry of `x-death`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Death {
    /// `delivery_limit`, `rejected`, `expired` or `maxlen`.
    pub reason: String,
    /// The queue that gave it up.
    pub queue: String,
}

/// A delivery that waits to be settled.
pub struct Arrival {
    /// The body.
    pub body: Vec<u8>,
    /// Its properties.
    pub properties: Properties,
    /// The routing key it was published with.
    pub routing_key: String,
    /// Whether it was delivered before.
    pub redelivered: bool,
    /// Where it was given up before, the latest first.
    pub deaths: Vec<Death>,
    pub(super) receipt: Receipt,
}

impl fmt::Debug for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arrival")
            .field("bytes", &self.body.len())
            .field("properties", &self.properties)
            .field("redelivered", &self.redelivered)
            .field("deaths", &self.deaths)
            .finish_non_exhaustive()
    }
}

impl Arrival {
    pub(super) fn of(delivery: Delivery, bond: &Bond) -> Self {
        let headers = delivery.properties.headers().clone().unwrap_or_default();
        Self {
            deaths: deaths(&headers),
            properties: read(&delivery.properties, &headers),
            routing_key: delivery.routing_key.to_string(),
            redelivered: delivery.redelivered,
            receipt: Receipt::new(delivery.acker, bond.clone()),
            body: delivery.data,
        }
    }

    /// An arrival from no broker, for tests: settling it does nothing.
    #[must_use]
    pub fn detached(body: Vec<u8>, properties: Properties) -> Self {
        let delivery = Delivery::mock(1, "".into(), "".into(), false, body);
        Self { properties, ..Self::of(delivery, &Bond::new(Duration::ZERO)) }
    }

    /// Tells the broker that it is done with. False: the channel is gone, and it will be delivered again.
    pub async fn acknowledge(self) -> bool {
        self.receipt.acknowledge().await
    }

    /// Gives it back to the queue, which counts against the delivery limit.
    pub async fn give_back(self) {
        self.receipt.give_back().await;
    }
}

fn read(properties: &AMQPProperties, headers: &FieldTable) -> Properties {
    let text = |value: &Option<lapin::types::ShortString>| value.as_ref().map(ToString::to_string);
    let kept = headers.inner().iter().filter_map(|(name, value)| Some((name.to_string(), header(value)?)));
    Properties {
        message_id: text(properties.message_id()),
        correlation_id: text(properties.correlation_id()),
        reply_to: text(properties.reply_to()),
        content_type: text(properties.content_type()),
        message_type: text(properties.kind()),
        app_id: text(properties.app_id()),
        timestamp_s: *properties.timestamp(),
        headers: kept.collect(),
    }
}

fn header(value: &AMQPValue) -> Option<HeaderValue> {
    Some(match value {
        AMQPValue::ShortString(text) => HeaderValue::Text(text.to_string()),
        AMQPValue::LongString(text) => HeaderValue::Text(std::str::from_utf8(text.as_bytes()).ok()?.to_owned()),
        AMQPValue::ShortShortInt(number) => HeaderValue::Integer((*number).into()),
        AMQPValue::ShortShortUInt(number) => HeaderValue::Integer((*number).into()),
        AMQPValue::ShortInt(number) => HeaderValue::Integer((*number).into()),
        AMQPValue::ShortUInt(number) => HeaderValue::Integer((*number).into()),
        AMQPValue::LongInt(number) => HeaderValue::Integer((*number).into()),
        AMQPValue::LongUInt(number) => HeaderValue::Integer((*number).into()),
        AMQPValue::LongLongInt(number) => HeaderValue::Integer(*number),
        _ => return None,
    })
}

fn deaths(headers: &FieldTable) -> Vec<Death> {
    let Some(AMQPValue::FieldArray(entries)) = headers.inner().get("x-death") else { return Vec::new() };
    let text = |table: &FieldTable, name: &str| match table.inner().get(name).and_then(header) {
        Some(HeaderValue::Text(text)) => text,
        _ => String::new(),
    };
    let entry = |value: &AMQPValue| match value {
        AMQPValue::FieldTable(table) => Some(Death { reason: text(table, "reason"), queue: text(table, "queue") }),
        _ => None,
    };
    entries.as_slice().iter().filter_map(entry).collect()
}

/// A message to publish; persistent.
#[derive(Clone)]
pub struct Outgoing<'a> {
    /// The exchange; empty = the default one, where the routing key is a queue's name.
    pub exchange: &'a str,
    /// The routing key.
    pub routing_key: &'a str,
    /// Whether to be told when no queue takes it.
    pub mandatory: bool,
    /// The properties.
    pub properties: Properties,
    /// The body.
    pub body: &'a [u8],
}

impl fmt::Debug for Outgoing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing")
            .field("exchange", &self.exchange)
            .field("routing_key", &self.routing_key)
            .field("mandatory", &self.mandatory)
            .field("properties", &self.properties)
            .field("bytes", &self.body.len())
            .finish()
    }
}

impl Properties {
    /// Persistent, as lapin writes them. A text longer than 255 bytes does not fit into a property and is cut.
    pub(super) fn to_amqp(&self) -> AMQPProperties {
        const PERSISTENT: u8 = 2;
        let mut out = AMQPProperties::default().with_delivery_mode(PERSISTENT);
        let short = |text: &String| lapin::types::ShortString::from(&text[..text.floor_char_boundary(255)]);
        macro_rules! texts {
            ($($text:expr => $with:ident),+) => {
                $(if let Some(text) = &$text {
                    out = out.$with(short(text));
                })+
            };
        }
        texts!(
            self.message_id => with_message_id,
            self.correlation_id => with_correlation_id,
            self.reply_to => with_reply_to,
            self.content_type => with_content_type,
            self.message_type => with_type,
            self.app_id => with_app_id
        );
        if let Some(seconds) = self.timestamp_s {
            out = out.with_timestamp(seconds);
        }
        if self.headers.is_empty() {
            return out;
        }
        let mut table = FieldTable::default();
        for (name, value) in &self.headers {
            let value = match value {
                HeaderValue::Text(text) => AMQPValue::LongString(text.as_str().into()),
                HeaderValue::Integer(number) => AMQPValue::LongLongInt(*number),
            };
            table.insert(name.as_str().into(), value);
        }
        out.with_headers(table)
    }
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// The broker has it: every queue that it was routed to has stored it.
    Confirmed,
    /// It was mandatory, and no queue took it.
    Returned,
}
