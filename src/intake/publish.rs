//! Lines of a file to the broker: each is read as strictly as it will be on arrival, published, and confirmed.
//!
//! What only a worker knows (the install, its definition, what came before) is decided there. A line may reach the broker
//! twice when its confirm is lost; its id, or its body's fingerprint, makes one account of it.

use tokio::io::AsyncBufRead;

use super::Refusal;
use super::json;
use super::lines::{LinesError, each_line};
use super::message::{Envelope, read_body, read_line};
use super::properties::{IMPORT_TYPE, TRACEPARENT};
use crate::broker::{Broker, HeaderValue, Outgoing, Properties, PublishError, Published, Publisher};
use crate::config::{self, QueueTemplate};
use crate::lifecycle::{IntakeCode, Region};
use crate::reconnect::Reconnect;

/// Bytes of the longest text that a property of a message can hold.
const LONGEST_PROPERTY: usize = 255;

/// Where imports are published.
#[derive(Debug, Clone)]
pub struct Address {
    to: To,
    default_region: Region,
}

#[derive(Debug, Clone)]
enum To {
    Exchange(String),
    Queues(QueueTemplate),
}

impl Address {
    /// Where these settings have imports published; `None` when they name neither an exchange nor a queue for them.
    #[must_use]
    pub fn of(settings: &config::Broker) -> Option<Self> {
        let exchange = settings.imports_exchange.clone().map(To::Exchange);
        let to = exchange.or_else(|| settings.imports_queue.clone().map(To::Queues))?;
        Some(Self { to, default_region: settings.default_region })
    }

    /// A publisher for this address: while its exchange is missing the session is failing, and says so once.
    #[must_use]
    pub fn publisher(&self, broker: Broker, name: &str) -> Publisher {
        let publisher = Publisher::new(broker, name);
        match &self.to {
            To::Exchange(exchange) => publisher.expecting(exchange),
            To::Queues(_) => publisher,
        }
    }

    fn exchange(&self) -> &str {
        match &self.to {
            To::Exchange(exchange) => exchange,
            To::Queues(_) => "",
        }
    }

    fn routing_key(&self, region: Region) -> String {
        match &self.to {
            To::Exchange(_) => region.to_string(),
            To::Queues(template) => template.for_region(region),
        }
    }
}

/// A line and whether the broker has it.
#[derive(Debug)]
pub struct SentLine {
    /// Its number, from 1.
    pub line: u64,
    /// Why it was not sent, if it was not.
    pub sent: Result<(), Refusal>,
}

/// A line that can be published.
#[derive(Debug)]
struct Message {
    region: Region,
    properties: Properties,
    body: Vec<u8>,
}

/// Publishes every line of `input` and tells `done` of each, in the order of the lines. Waits for a broker that does not
/// answer.
///
/// # Errors
/// When the input cannot be read to its end.
pub async fn publish_lines<R>(
    publisher: &Publisher,
    address: &Address,
    input: R,
    done: impl FnMut(SentLine),
) -> Result<u64, LinesError>
where
    R: AsyncBufRead + Unpin,
{
    let send = async |line, bytes| Ok(SentLine { line, sent: publish_one(publisher, address, line, bytes).await });
    each_line(input, send, done).await
}

async fn publish_one(publisher: &Publisher, address: &Address, line: u64, bytes: Vec<u8>) -> Result<(), Refusal> {
    let message = read_message(&bytes, address.default_region)?;
    let routing_key = address.routing_key(message.region);
    let mut pauses = Reconnect::default();
    loop {
        let outgoing = Outgoing {
            exchange: address.exchange(),
            routing_key: &routing_key,
            mandatory: true,
            properties: message.properties.clone(),
            body: &message.body,
        };
        match publisher.publish(outgoing).await {
            Ok(Published::Confirmed) => return Ok(()),
            Ok(Published::Returned) => return Err(unroutable(address, &routing_key)),
            // The publisher says why it has no session.
            Err(PublishError::Away(_)) => {}
            Err(error @ (PublishError::Refused | PublishError::TimedOut)) => {
                tracing::debug!(line, %error, "a line is published again");
            }
        }
        tokio::time::sleep(pauses.pause()).await;
    }
}

fn unroutable(address: &Address, routing_key: &str) -> Refusal {
    let message = match &address.to {
        To::Exchange(exchange) => format!(
            "exchange `{exchange}` has no queue for the routing key `{routing_key}`: nothing was published; \
             `tidewaiter broker apply` makes the queues"
        ),
        To::Queues(_) => format!(
            "there is no queue `{routing_key}`: nothing was published; `tidewaiter broker apply` makes the queues"
        ),
    };
    Refusal::new(IntakeCode::Unroutable, message)
}

/// Publishes one request, once; answers the routing key.
///
/// # Errors
/// When the broker did not confirm it; publishing it again is safe, since its id makes one account of it. A [`Refusal`]
/// when it cannot go through the broker, or no queue takes it.
pub async fn publish_envelope(
    publisher: &Publisher,
    address: &Address,
    envelope: Envelope,
    region: Region,
) -> Result<Result<String, Refusal>, PublishError> {
    let message = match message_of(envelope, region) {
        Ok(message) => message,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let routing_key = address.routing_key(message.region);
    let outgoing = Outgoing {
        exchange: address.exchange(),
        routing_key: &routing_key,
        mandatory: true,
        properties: message.properties,
        body: &message.body,
    };
    match publisher.publish(outgoing).await? {
        Published::Confirmed => Ok(Ok(routing_key)),
        Published::Returned => Ok(Err(unroutable(address, &routing_key))),
    }
}

/// Reads a line as a worker will read its message.
fn read_message(bytes: &[u8], default_region: Region) -> Result<Message, Refusal> {
    message_of(read_line(json::parse(bytes)?)?, default_region)
}

fn message_of(envelope: Envelope, default_region: Region) -> Result<Message, Refusal> {
    for (name, id) in [("/message_id", &envelope.message_id), ("/correlation_id", &envelope.correlation_id)] {
        if id.as_ref().is_some_and(|id| id.len() > LONGEST_PROPERTY) {
            let message = format!("has to have at most {LONGEST_PROPERTY} bytes to go through the broker");
            return Err(Refusal::field(IntakeCode::Invalid, name, message));
        }
    }
    let Envelope { message_id, correlation_id, timestamp_ms, traceparent, body } = envelope;
    // Keys keep their order and numbers their value, so the body has the same fingerprint.
    let written =
        serde_json::to_vec(&body).map_err(|error| Refusal::new(IntakeCode::Malformed, format!("not JSON: {error}")))?;
    let region = read_body(body, default_region)?.region;
    let headers = traceparent.map(|trace| (TRACEPARENT.to_owned(), HeaderValue::Text(trace)));
    let properties = Properties {
        message_id,
        correlation_id,
        content_type: Some("application/json".to_owned()),
        message_type: Some(IMPORT_TYPE.to_owned()),
        app_id: Some("tidewaiter".to_owned()),
        timestamp_s: timestamp_ms.and_then(|ms| u64::try_from(ms / 1000).ok()),
        headers: headers.into_iter().collect(),
        ..Properties::default()
    };
    Ok(Message { region, properties, body: written })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn body() -> Value {
        json!({
            "tenant_id": "acme-1", "environment_integration_id": "b179ad55-db02-4bd4-b7a4-d2c173eee9ae",
            "authentication_method": "oauth2", "context": { "z": 1, "a": 1.5 },
        })
    }

    fn message(line: &Value) -> Result<Message, Refusal> {
        read_message(line.to_string().as_bytes(), Region::Apac)
    }

    #[test]
    fn a_bare_body_is_its_own_id_and_goes_to_the_default_region() {
        let sent = message(&body()).unwrap();
        assert_eq!((sent.region, sent.properties.message_id.as_deref()), (Region::Apac, None));
        assert_eq!(sent.properties.message_type.as_deref(), Some(IMPORT_TYPE));
        assert_eq!(serde_json::from_slice::<Value>(&sent.body).unwrap(), body());
    }

    #[test]
    fn what_an_envelope_says_goes_into_the_properties() {
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let mut inner = body();
        inner["region"] = json!("eu");
        let line = json!({
            "message_id": "m", "correlation_id": "c", "timestamp": 1_790_000_000, "traceparent": trace, "body": inner,
        });
        let sent = message(&line).unwrap();
        let properties = &sent.properties;
        assert_eq!((sent.region, properties.timestamp_s), (Region::Eu, Some(1_790_000_000)));
        assert_eq!((properties.message_id.as_deref(), properties.correlation_id.as_deref()), (Some("m"), Some("c")));
        assert_eq!(properties.headers[TRACEPARENT].as_text(), Some(trace));
        assert_eq!(serde_json::from_slice::<Value>(&sent.body).unwrap(), inner);
    }

    #[test]
    fn what_a_worker_would_refuse_is_not_sent() {
        let long = json!({ "message_id": "\u{e9}".repeat(200), "body": body() });
        for (line, code) in [
            (json!([]), IntakeCode::Malformed),
            (json!({ "body": body(), "extra": 1 }), IntakeCode::Invalid),
            (json!({ "body": { "tenant_id": "a" } }), IntakeCode::Invalid),
            (long, IntakeCode::Invalid),
        ] {
            assert_eq!(message(&line).unwrap_err().code, code);
        }
        assert_eq!(read_message(b"{", Region::Eu).unwrap_err().code, IntakeCode::Malformed);
    }
}
