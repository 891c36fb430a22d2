//! What carries an event needs to know of it, read from its envelope: the envelope is all that is stored.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

/// What an event is routed and labelled by. What an envelope does not tell is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outline<'a> {
    /// Where the account lives.
    pub region: Cow<'a, str>,
    /// The name of its integration.
    pub integration: Cow<'a, str>,
    /// What the producer of the request wants to see again.
    pub correlation_id: Option<Cow<'a, str>>,
    /// The event's time, in seconds since the epoch.
    pub time_s: Option<u64>,
}

/// An envelope taken apart.
#[derive(Debug)]
pub struct Parts<'a> {
    /// Every attribute but `data`, with its value as text, in order.
    pub attributes: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// The data, as it stands in the envelope.
    pub data: &'a str,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    source: Cow<'a, str>,
    #[serde(borrow)]
    time: Cow<'a, str>,
    #[serde(borrow)]
    data: Data<'a>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    cause: Cause<'a>,
    #[serde(borrow)]
    account: Account<'a>,
}

#[derive(Deserialize)]
struct Cause<'a> {
    #[serde(borrow)]
    correlation_id: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Account<'a> {
    #[serde(borrow)]
    integration: Integration<'a>,
}

#[derive(Deserialize)]
struct Integration<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
}

/// Reads an envelope's outline without making anything of the rest; an empty one from what is no envelope of ours.
#[must_use]
pub fn outline(envelope: &str) -> Outline<'_> {
    let Ok(Envelope { source, time, data }) = serde_json::from_str::<Envelope<'_>>(envelope) else {
        return Outline::default();
    };
    let seconds = time.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second);
    Outline {
        region: source.split('/').nth(2).map_or(Cow::Borrowed(""), |region| Cow::Owned(region.to_owned())),
        integration: data.account.integration.name,
        correlation_id: data.cause.correlation_id,
        time_s: seconds.and_then(|seconds| u64::try_from(seconds).ok()),
    }
}

/// Takes an envelope apart; `None` when it is none.
#[must_use]
pub fn parts(envelope: &str) -> Option<Parts<'_>> {
    let members: Members<'_> = serde_json::from_str(envelope).ok()?;
    let mut parts = Parts { attributes: Vec::with_capacity(members.0.len()), data: "null" };
    for (name, value) in members.0 {
        if name == "data" {
            parts.data = value.get();
        } else {
            let text: Result<Text<'_>, _> = serde_json::from_str(value.get());
            parts.attributes.push((name, text.map_or(Cow::Borrowed(value.get()), |text| text.0)));
        }
    }
    Some(parts)
}

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The members of an object in order, their values untouched.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(16);
                while let Some((Text(name), value)) = map.next_entry()? {
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENVELOPE: &str = r#"{"specversion":"1.0","type":"integrated_account.active","id":"7/2",
        "source":"/tidewaiter/eu/accounts/7","time":"2026-09-21T14:13:20.123Z","traceparent":"00-1-2-01",
        "data":{"event":"x","cause":{"trigger":"import","correlation_id":"c \"1\""},
        "account":{"id":"7","context":{"integration":{"name":"not this"}},"integration":{"id":"3","name":"zendesk"}}}}"#;

    #[test]
    fn an_outline_tells_what_an_event_is_routed_by() {
        let outline = outline(ENVELOPE);
        assert_eq!((&*outline.region, &*outline.integration), ("eu", "zendesk"));
        assert_eq!(outline.correlation_id.as_deref(), Some("c \"1\""));
        assert_eq!(outline.time_s, Some(1_790_000_000));
    }

    #[test]
    fn what_is_no_envelope_has_an_empty_outline_and_no_parts() {
        for text in ["", "[]", "{}", r#"{"id":"1"}"#] {
            assert_eq!(outline(text), Outline::default(), "{text}");
        }
        assert!(parts("[]").is_none());
    }

    #[test]
    fn parts_keep_every_attribute_and_the_bytes_of_the_data() {
        let parts = parts(ENVELOPE).unwrap();
        let names: Vec<&str> = parts.attributes.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["specversion", "type", "id", "source", "time", "traceparent"]);
        assert_eq!(parts.attributes[5].1, "00-1-2-01");
        assert!(parts.data.starts_with(r#"{"event":"x""#) && ENVELOPE.contains(parts.data));
    }
}
