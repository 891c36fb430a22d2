//! Events as messages on RabbitMQ's topic exchange, each safe with its confirm.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{EventSink, Sent, SinkError};
use crate::broker::{HeaderValue, Outgoing, Properties, PublishError, Published, Publisher, SessionState};
use crate::config::ContentMode;
use crate::events::{Outline, outline, parts};
use crate::store::Unpublished;

/// Publishes to an exchange, mandatory: what no queue is bound for comes back and is told of.
#[derive(Debug)]
pub struct ExchangeSink {
    /// The session; somebody runs it.
    pub publisher: Publisher,
    /// The exchange.
    pub exchange: String,
    /// The form of the messages.
    pub mode: ContentMode,
}

#[async_trait]
impl EventSink for ExchangeSink {
    async fn publish(&self, event: &Unpublished) -> Result<Sent, SinkError> {
        let outline = outline(&event.envelope);
        let routing_key = routing_key(event, &outline);
        let (properties, body) = match self.mode {
            ContentMode::Structured => structured(event, outline),
            ContentMode::Binary => binary(event, outline),
        };
        let message =
            Outgoing { exchange: &self.exchange, routing_key: &routing_key, mandatory: true, properties, body };
        match self.publisher.publish(message).await {
            Ok(Published::Confirmed) => Ok(Sent::Confirmed),
            Ok(Published::Returned) => Ok(Sent::Unroutable),
            Err(error @ PublishError::Away(_)) => Err(SinkError::Away(error.to_string())),
            Err(error @ PublishError::Refused) => Err(SinkError::Refused(error.to_string())),
            Err(error @ PublishError::TimedOut) => Err(SinkError::TimedOut(error.to_string())),
        }
    }

    fn trouble(&self) -> Option<String> {
        // A session that is rebuilding is about to work again; what it does not take in time is the event's own trouble.
        match &*self.publisher.state().borrow() {
            SessionState::Failing(why) => Some(why.clone()),
            SessionState::Connecting | SessionState::Attached | SessionState::Rebuilding(_) | SessionState::Closed => {
                None
            }
        }
    }
}

/// `integrated_account.<word>.<region>.<integration>`. A word that is not known keeps its place.
fn routing_key(event: &Unpublished, outline: &Outline<'_>) -> String {
    let known = |word: &str| if word.is_empty() { "unknown" } else { word }.to_owned();
    format!("{}.{}.{}", event.event_type, known(&outline.region), known(&outline.integration))
}

fn structured<'a>(event: &'a Unpublished, outline: Outline<'a>) -> (Properties, &'a [u8]) {
    let content_type = "application/cloudevents+json".to_owned();
    (properties(event, outline, content_type, BTreeMap::new()), event.envelope.as_bytes())
}

/// The attributes as headers, the data as the body. What cannot be taken apart goes out as it is.
fn binary<'a>(event: &'a Unpublished, outline: Outline<'a>) -> (Properties, &'a [u8]) {
    let Some(parts) = parts(&event.envelope) else { return structured(event, outline) };
    let mut content_type = "application/json".to_owned();
    let mut headers = BTreeMap::new();
    for (name, value) in parts.attributes {
        // Its place is the property of that name.
        if name == "datacontenttype" {
            content_type = value.into_owned();
        } else {
            headers.insert(format!("cloudEvents:{name}"), HeaderValue::from(&*value));
        }
    }
    (properties(event, outline, content_type, headers), parts.data.as_bytes())
}

fn properties(
    event: &Unpublished,
    outline: Outline<'_>,
    content_type: String,
    headers: BTreeMap<String, HeaderValue>,
) -> Properties {
    Properties {
        message_id: Some(format!("{}/{}", event.account, event.sequence)),
        correlation_id: outline.correlation_id.map(std::borrow::Cow::into_owned),
        content_type: Some(content_type),
        message_type: Some(event.event_type.clone()),
        app_id: Some("tidewaiter".to_owned()),
        timestamp_s: outline.time_s,
        headers,
        ..Properties::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn event(envelope: &str) -> Unpublished {
        Unpublished {
            account: Uuid::from_u128(7),
            sequence: 2,
            event_type: "integrated_account.active".to_owned(),
            envelope: envelope.to_owned(),
        }
    }

    const ENVELOPE: &str = r#"{"specversion":"1.0","type":"integrated_account.active","source":"/tidewaiter/eu/accounts/7",
        "time":"2026-09-21T14:13:20.123Z","datacontenttype":"application/json","traceparent":"00-1-2-01",
        "data":{"cause":{"correlation_id":"c-1"},"account":{"integration":{"name":"zendesk"}}}}"#;

    #[test]
    fn an_event_is_routed_by_word_region_and_integration() {
        let event = event(ENVELOPE);
        assert_eq!(routing_key(&event, &outline(ENVELOPE)), "integrated_account.active.eu.zendesk");
        assert_eq!(routing_key(&event, &outline("{}")), "integrated_account.active.unknown.unknown");
    }

    #[test]
    fn a_structured_message_is_the_envelope() {
        let event = event(ENVELOPE);
        let (properties, body) = structured(&event, outline(ENVELOPE));
        assert_eq!(body, ENVELOPE.as_bytes());
        let expected = Properties {
            message_id: Some("00000000-0000-0000-0000-000000000007/2".to_owned()),
            correlation_id: Some("c-1".to_owned()),
            content_type: Some("application/cloudevents+json".to_owned()),
            message_type: Some("integrated_account.active".to_owned()),
            app_id: Some("tidewaiter".to_owned()),
            timestamp_s: Some(1_790_000_000),
            ..Properties::default()
        };
        assert!(properties == expected, "{properties:?}");
    }

    #[test]
    fn a_binary_message_has_every_attribute_as_a_header_and_the_data_as_its_body() {
        let event = event(ENVELOPE);
        let (properties, body) = binary(&event, outline(ENVELOPE));
        assert_eq!(properties.content_type.as_deref(), Some("application/json"));
        let names: Vec<&str> = properties.headers.keys().map(String::as_str).collect();
        let expected =
            ["source", "specversion", "time", "traceparent", "type"].map(|name| format!("cloudEvents:{name}"));
        assert_eq!(names, expected);
        assert_eq!(properties.headers["cloudEvents:traceparent"].as_text(), Some("00-1-2-01"));
        assert_eq!(body, br#"{"cause":{"correlation_id":"c-1"},"account":{"integration":{"name":"zendesk"}}}"#);
    }
}
