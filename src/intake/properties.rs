//! From a message's properties to a delivery: what they may be, and what is refused of them. Pure.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::message::check_id;
use super::{Delivery, FieldFailure, Refusal, traceparent};
use crate::broker::{Death, HeaderValue, Properties};
use crate::lifecycle::{IntakeCode, Region};

/// The AMQP `type` of an import request. It may be absent.
pub const IMPORT_TYPE: &str = "integrated_account.import.v1";

/// The header that carries a W3C trace context.
pub const TRACEPARENT: &str = "traceparent";

/// What came beside a message's body. Kept, sealed, with a body that is refused.
#[derive(Debug, Clone)]
pub struct Beside {
    /// The queue it came by.
    pub queue: Arc<str>,
    /// Its properties.
    pub properties: Properties,
    /// Where it was given up before, the latest first.
    pub deaths: Vec<Death>,
}

impl Beside {
    /// As JSON, the properties by their AMQP names; those that are absent are left out.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let Properties {
            message_id,
            correlation_id,
            reply_to,
            content_type,
            message_type,
            app_id,
            timestamp_s,
            headers,
        } = &self.properties;
        let texts = [
            ("message_id", message_id),
            ("correlation_id", correlation_id),
            ("reply_to", reply_to),
            ("content_type", content_type),
            ("type", message_type),
            ("app_id", app_id),
        ];
        let mut object = Map::from_iter([("queue".to_owned(), json!(&*self.queue))]);
        object.extend(texts.iter().filter_map(|(name, text)| Some(((*name).to_owned(), json!(text.as_ref()?)))));
        object.extend(timestamp_s.map(|seconds| ("timestamp".to_owned(), json!(seconds))));
        if !headers.is_empty() {
            let value = |value: &HeaderValue| match value {
                HeaderValue::Text(text) => json!(text),
                HeaderValue::Integer(number) => json!(number),
            };
            let headers: Map<_, _> = headers.iter().map(|(name, header)| (name.clone(), value(header))).collect();
            object.insert("headers".to_owned(), Value::Object(headers));
        }
        if !self.deaths.is_empty() {
            let death = |death: &Death| json!({ "reason": death.reason, "queue": death.queue });
            object.insert("x-death".to_owned(), self.deaths.iter().map(death).collect());
        }
        Value::Object(object)
    }
}

/// The delivery that a message is, and what its properties forbid. An id that cannot be used is not in the delivery.
///
/// `region` is what a body without one is for.
#[must_use]
pub fn read(body: Vec<u8>, beside: Beside, region: Region) -> (Delivery, Option<Refusal>) {
    let properties = &beside.properties;
    let mut failures = Vec::new();
    let message_id = id("message_id", properties.message_id.as_ref(), &mut failures);
    let correlation_id = id("correlation_id", properties.correlation_id.as_ref(), &mut failures);
    if !is_json(properties.content_type.as_deref()) {
        failures.push(failure("content_type", "has to be application/json, or absent"));
    }
    let refusal = if is_known(properties.message_type.as_deref()) {
        (!failures.is_empty()).then(|| Refusal::fields(failures))
    } else {
        let message = format!("this version only knows `{IMPORT_TYPE}`, which may be left out");
        Some(Refusal::field(IntakeCode::UnsupportedVersion, "type", message))
    };
    let delivery = Delivery {
        bytes: body,
        message_id,
        correlation_id,
        timestamp_ms: properties.timestamp_s.and_then(|seconds| i64::try_from(seconds).ok()?.checked_mul(1000)),
        traceparent: properties.headers.get(TRACEPARENT).and_then(|header| traceparent(header.as_text()?)),
        region: Some(region),
        beside: Some(beside),
    };
    (delivery, refusal)
}

/// Some clients send an empty text for what they do not set.
fn is_known(message_type: Option<&str>) -> bool {
    message_type.is_none_or(|kind| kind.is_empty() || kind == IMPORT_TYPE)
}

fn is_json(content_type: Option<&str>) -> bool {
    let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    essence.is_empty() || essence.eq_ignore_ascii_case("application/json")
}

fn id(name: &str, text: Option<&String>, failures: &mut Vec<FieldFailure>) -> Option<String> {
    match check_id(text?) {
        Ok(()) => text.cloned(),
        Err(message) => {
            failures.push(failure(name, message));
            None
        }
    }
}

fn failure(property: &str, message: &str) -> FieldFailure {
    FieldFailure { pointer: property.to_owned(), message: message.to_owned() }
}

/// Why a message from the queue of dead letters is not accepted: what the broker says about its latest death.
#[must_use]
pub fn gave_up(deaths: &[Death]) -> Refusal {
    let detail = deaths.first().map_or_else(
        || "it lay among the dead letters and does not say why".to_owned(),
        |death| {
            let why = match death.reason.as_str() {
                "delivery_limit" => "it was delivered as often as the queue allows, and never acknowledged",
                "rejected" => "a consumer rejected it",
                "expired" => "it waited longer than it may",
                "maxlen" => "the queue was full",
                _ => "for a reason that this version does not know",
            };
            // A producer can forge the header, so not everything in it is repeated.
            let queue: String = death.queue.chars().filter(|c| !c.is_control()).take(100).collect();
            format!("the broker took it out of queue `{queue}`: {why}")
        },
    );
    Refusal::new(IntakeCode::DeliveryLimitExceeded, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn came(properties: Properties) -> (Delivery, Option<Refusal>) {
        let beside = Beside { queue: "imports.eu".into(), properties, deaths: Vec::new() };
        read(b"{}".to_vec(), beside, Region::Eu)
    }

    #[expect(clippy::unnecessary_wraps, reason = "as properties hold it")]
    fn text(value: &str) -> Option<String> {
        Some(value.to_owned())
    }

    #[test]
    fn a_message_without_properties_is_a_body_for_the_queues_region() {
        let (delivery, refusal) = came(Properties::default());
        assert_eq!(refusal, None);
        assert_eq!((delivery.bytes.as_slice(), delivery.region), (&b"{}"[..], Some(Region::Eu)));
        assert_eq!((delivery.message_id, delivery.correlation_id, delivery.timestamp_ms), (None, None, None));
    }

    #[test]
    fn what_the_properties_say_is_in_the_delivery() {
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let (delivery, refusal) = came(Properties {
            message_id: text("m-1"),
            correlation_id: text("c-1"),
            content_type: text("Application/JSON; charset=utf-8"),
            message_type: text(IMPORT_TYPE),
            timestamp_s: Some(1_790_000_000),
            headers: [(TRACEPARENT.to_owned(), trace.into())].into(),
            ..Properties::default()
        });
        assert_eq!(refusal, None);
        assert_eq!((delivery.message_id.as_deref(), delivery.correlation_id.as_deref()), (Some("m-1"), Some("c-1")));
        assert_eq!((delivery.timestamp_ms, delivery.traceparent.as_deref()), (Some(1_790_000_000_000), Some(trace)));
    }

    #[test]
    fn what_does_not_matter_to_an_import_is_passed_over() {
        for properties in [
            Properties { content_type: text(""), message_type: text(""), ..Properties::default() },
            Properties { app_id: text("\u{0}"), reply_to: text("x"), ..Properties::default() },
            Properties { timestamp_s: Some(u64::MAX), ..Properties::default() },
            Properties { headers: [(TRACEPARENT.to_owned(), "no trace".into())].into(), ..Properties::default() },
            Properties { headers: [(TRACEPARENT.to_owned(), HeaderValue::Integer(1))].into(), ..Properties::default() },
        ] {
            let (delivery, refusal) = came(properties.clone());
            assert_eq!((refusal, delivery.timestamp_ms, delivery.traceparent), (None, None, None), "{properties:?}");
        }
    }

    #[test]
    fn wrong_properties_are_refused_by_name_and_their_ids_not_used() {
        let long = "x".repeat(256);
        let cases = [
            (Properties { message_id: text(""), ..Properties::default() }, IntakeCode::Invalid, "message_id"),
            (Properties { message_id: text(&long), ..Properties::default() }, IntakeCode::Invalid, "message_id"),
            (Properties { message_id: text("a\u{0}b"), ..Properties::default() }, IntakeCode::Invalid, "message_id"),
            (
                Properties { correlation_id: text("a\nb"), ..Properties::default() },
                IntakeCode::Invalid,
                "correlation_id",
            ),
            (
                Properties { content_type: text("text/xml"), ..Properties::default() },
                IntakeCode::Invalid,
                "content_type",
            ),
            (Properties { message_type: text("v2"), ..Properties::default() }, IntakeCode::UnsupportedVersion, "type"),
        ];
        for (properties, code, name) in cases {
            let (delivery, refusal) = came(properties.clone());
            let refusal = refusal.unwrap();
            assert_eq!((refusal.code, refusal.pointer()), (code, Some(name)), "{properties:?}");
            assert_eq!((delivery.message_id, delivery.correlation_id), (None, None), "{properties:?}");
        }
    }

    #[test]
    fn a_newer_version_is_told_before_anything_that_it_may_have_changed() {
        let (_, refusal) = came(Properties { message_id: text(""), message_type: text("v2"), ..Properties::default() });
        assert_eq!(refusal.unwrap().code, IntakeCode::UnsupportedVersion);
    }

    #[test]
    fn what_came_beside_a_body_is_kept_by_its_amqp_names() {
        let beside = Beside {
            queue: "imports.eu".into(),
            properties: Properties {
                message_id: text("m-1"),
                message_type: text("v2"),
                timestamp_s: Some(7),
                headers: [("a".to_owned(), "b".into()), ("n".to_owned(), HeaderValue::Integer(3))].into(),
                ..Properties::default()
            },
            deaths: vec![Death { reason: "rejected".to_owned(), queue: "q".to_owned() }],
        };
        assert_eq!(
            beside.to_json(),
            json!({
                "queue": "imports.eu", "message_id": "m-1", "type": "v2", "timestamp": 7,
                "headers": { "a": "b", "n": 3 }, "x-death": [{ "reason": "rejected", "queue": "q" }],
            })
        );
    }

    #[test]
    fn a_dead_letter_says_where_it_died_and_of_what() {
        let death = |reason: &str| vec![Death { reason: reason.to_owned(), queue: "im\nports".to_owned() }];
        for (deaths, expected) in [
            (death("delivery_limit"), "delivered as often"),
            (death("rejected"), "rejected"),
            (death("expired"), "waited"),
            (death("maxlen"), "full"),
            (death("x\ny"), "does not know"),
            (Vec::new(), "does not say why"),
        ] {
            let refusal = gave_up(&deaths);
            assert_eq!(refusal.code, IntakeCode::DeliveryLimitExceeded);
            assert!(refusal.message.contains(expected) && !refusal.message.contains('\n'), "{}", refusal.message);
        }
    }
}
