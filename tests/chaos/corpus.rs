//! Everything that producers send, as lines of a file or as messages for the broker, and the ledger of what has to
//! become of each.
//!
//! Of the lines 5 % repeat an earlier id with the same body (half of them with the keys in another order), 1 % an
//! earlier id with another body, and 2 % are malformed in turn in each of the ways that there are. Of the messages
//! another 1 % is for a region that no worker serves. Seed, size and time give the same bytes again.

use serde_json::{Map, Value, json};
use tidewaiter::clock::rfc3339;
use tidewaiter::lifecycle::IntakeCode;

use crate::ledger::{Entry, Expect, Ledger};
use crate::malformed::{self, Spoil};
use crate::markers::{Marker, canary, tokens};
use crate::rng::Rng;

/// The install of every good line (tests/fixtures/installs).
pub const INSTALL: &str = "b179ad55-db02-4bd4-b7a4-d2c173eee9ae";

/// The regions that the workers of a fault run with a broker serve, and one that none of them serves.
pub const SERVED: [&str; 3] = ["wnam", "enam", "apac"];
const NOT_SERVED: &str = "eu";

/// The way that the imports take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// A line of a file is an object around the body.
    File,
    /// The body is the message's, and what else is said of it are properties.
    Broker,
}

/// The lines and their ledger. For the broker a line is what `clients/producer.py` reads.
pub struct Corpus {
    pub channel: Channel,
    pub lines: Vec<String>,
    pub ledger: Ledger,
}

/// A message: what a good line says.
#[derive(Clone)]
pub struct Message {
    pub id: String,
    pub correlation_id: String,
    pub at_ms: i64,
    pub tenant: String,
    pub region: &'static str,
    pub marker: Marker,
    pub body: Value,
    /// AMQP properties that a good message does not have, or has otherwise.
    pub properties: Map<String, Value>,
}

enum Kind {
    Original,
    Duplicate,
    Conflict,
    Malformed,
    NotServed,
}

/// Makes a corpus of `count` lines, of which at least the first is good.
///
/// `base_ms` is the producer's time: a token's life counts from it, so runs take the present.
pub fn make(channel: Channel, seed: u64, count: usize, base_ms: i64) -> Corpus {
    let mut rng = Rng::new(seed);
    let mut corpus = Corpus { channel, lines: Vec::with_capacity(count), ledger: Ledger::default() };
    let mut originals: Vec<Message> = Vec::new();
    let mut ways = malformed::ways(channel).into_iter().cycle();
    for (index, kind) in plan(channel, &mut rng, count).into_iter().enumerate() {
        let new = |rng: &mut Rng| original(channel, rng, index + 1, base_ms);
        match kind {
            Kind::Original => {
                let message = new(&mut rng);
                corpus.add(&message, "good", Expect::Account, &message.document(channel, &message.body).to_string());
                originals.push(message);
            }
            Kind::Duplicate => {
                let message = earlier(&mut rng, &originals).clone();
                let reordered = rng.below(2) == 0;
                let body = if reordered { reversed(&message.body) } else { message.body.clone() };
                corpus.add(&message, "duplicate", Expect::Duplicate, &message.document(channel, &body).to_string());
            }
            Kind::Conflict => {
                let message = Message { id: earlier(&mut rng, &originals).id.clone(), ..new(&mut rng) };
                let text = message.document(channel, &message.body).to_string();
                corpus.add(&message, "conflict", Expect::Conflict, &text);
            }
            Kind::Malformed => {
                let (way, mut message) = (ways.next().unwrap_or(&malformed::BODIES[0]), new(&mut rng));
                let mut text = message.document(channel, &message.body).to_string();
                match way.spoil {
                    Spoil::Document(spoiled) => text = spoiled(&message, channel, &canary(&mut rng)),
                    Spoil::Properties(spoil) => spoil(&mut message),
                }
                corpus.add(&message, way.name, way.expect, &text);
            }
            Kind::NotServed => {
                let mut message = Message { region: NOT_SERVED, ..new(&mut rng) };
                message.body["region"] = json!(NOT_SERVED);
                let text = message.document(channel, &message.body).to_string();
                corpus.add(&message, "a region not served", Expect::Refused(IntakeCode::WrongRegion), &text);
            }
        }
    }
    corpus
}

fn plan(channel: Channel, rng: &mut Rng, count: usize) -> Vec<Kind> {
    let mut kinds = Vec::with_capacity(count);
    kinds.extend((0..count * 5 / 100).map(|_| Kind::Duplicate));
    kinds.extend((0..count / 100).map(|_| Kind::Conflict));
    kinds.extend((0..count * 2 / 100).map(|_| Kind::Malformed));
    if channel == Channel::Broker {
        kinds.extend((0..count / 100).map(|_| Kind::NotServed));
    }
    while kinds.len() < count {
        kinds.push(Kind::Original);
    }
    // The last one is an original; it goes first, since the others need one before them.
    rng.shuffle(&mut kinds[..count.saturating_sub(1)]);
    kinds.rotate_right(1);
    kinds
}

/// An earlier message: often one just before, which may still be on its way into the store, else any.
fn earlier<'a>(rng: &mut Rng, originals: &'a [Message]) -> &'a Message {
    let near = originals.len().saturating_sub(8);
    if rng.below(2) == 0 { rng.pick(&originals[near..]) } else { rng.pick(originals) }
}

fn original(channel: Channel, rng: &mut Rng, line: usize, base_ms: i64) -> Message {
    let marker = if rng.below(100) < 90 { Marker::Good } else { *rng.pick(&Marker::TROUBLED) };
    let tenant = format!("tenant-{line:06}-{:06x}", rng.next() >> 40);
    let (access, refresh) = tokens(marker, rng);
    let region = match channel {
        Channel::File => *rng.pick(&["wnam", "enam", "apac", "eu"]),
        Channel::Broker => *rng.pick(&SERVED),
    };
    let mut body = json!({
        "tenant_id": tenant,
        "environment_integration_id": INSTALL,
        "authentication_method": "oauth2",
        "region": region,
        "context": {
            "subdomain": format!("acme-{line}"),
            "oauth": { "token": {
                "access_token": access,
                "refresh_token": refresh,
                "expires_in": 86_400,
            } },
        },
    });
    if channel == Channel::Broker && rng.below(4) == 0 {
        // The queue says it too.
        body.as_object_mut().and_then(|fields| fields.remove("region"));
    }
    Message {
        id: format!("msg-{}", rng.uuid()),
        correlation_id: format!("corr-{}", rng.uuid()),
        at_ms: base_ms + line as i64,
        tenant,
        region,
        marker,
        body,
        properties: Map::new(),
    }
}

impl Message {
    /// What carries `body`: the line's object around it, or nothing.
    pub fn document(&self, channel: Channel, body: &Value) -> Value {
        match channel {
            Channel::File => json!({
                "message_id": self.id,
                "correlation_id": self.correlation_id,
                "timestamp": rfc3339(self.at_ms),
                "body": body,
            }),
            Channel::Broker => body.clone(),
        }
    }

    /// The producer's line for message `number` with this body.
    fn publication(&self, number: usize, body: &str) -> Value {
        let mut properties = json!({
            "message_id": self.id,
            "correlation_id": self.correlation_id,
            "timestamp": self.at_ms / 1000,
            "content_type": "application/json",
        });
        for (name, value) in &self.properties {
            properties[name] = value.clone();
        }
        json!({ "number": number, "routing_key": self.region, "body": body, "properties": properties })
    }
}

impl Corpus {
    fn add(&mut self, message: &Message, kind: &'static str, expect: Expect, document: &str) {
        self.lines.push(match self.channel {
            Channel::File => document.to_owned(),
            Channel::Broker => message.publication(self.lines.len() + 1, document).to_string(),
        });
        self.ledger.entries.push(Entry {
            line: self.lines.len(),
            kind,
            message_id: message.id.clone(),
            correlation_id: message.correlation_id.clone(),
            tenant: message.tenant.clone(),
            region: message.region,
            expect,
            ending: message.marker.ending(),
        });
    }

    /// The file's text.
    pub fn text(&self) -> String {
        self.lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
    }
}

/// The same value with the keys of every object in the opposite order.
fn reversed(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            Value::Object(object.iter().rev().map(|(key, inner)| (key.clone(), reversed(inner))).collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}
