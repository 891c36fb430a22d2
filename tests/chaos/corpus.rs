//! An import file with everything in it that producers send, and the ledger of what has to become of each line.
//!
//! Of the lines 5 % repeat an earlier id with the same body (half of them with the keys in another order), 1 % an
//! earlier id with another body, and 2 % are malformed in one of ten ways. Seed, size and time give the same bytes
//! again.

use serde_json::{Map, Value, json};
use tidewaiter::clock::rfc3339;

use crate::ledger::{Entry, Expect, Ledger};
use crate::malformed;
use crate::markers::{Marker, canary, tokens};
use crate::rng::Rng;

/// The install of every good line (tests/fixtures/installs).
pub const INSTALL: &str = "b179ad55-db02-4bd4-b7a4-d2c173eee9ae";

/// The file and its ledger.
pub struct Corpus {
    pub lines: Vec<String>,
    pub ledger: Ledger,
}

/// A message: what a good line says.
#[derive(Clone)]
pub struct Message {
    pub id: String,
    pub correlation_id: String,
    pub timestamp: String,
    pub tenant: String,
    pub marker: Marker,
    pub body: Value,
}

enum Kind {
    Original,
    Duplicate,
    Conflict,
    Malformed,
}

/// Makes a corpus of `count` lines, of which at least the first is good.
///
/// `base_ms` is the producer's time: a token's life counts from it, so runs take the present.
pub fn make(seed: u64, count: usize, base_ms: i64) -> Corpus {
    let mut rng = Rng::new(seed);
    let mut corpus = Corpus { lines: Vec::with_capacity(count), ledger: Ledger::default() };
    let mut originals: Vec<Message> = Vec::new();
    let mut malformed_kinds = malformed::KINDS.iter().cycle();
    for (index, kind) in plan(&mut rng, count).into_iter().enumerate() {
        let line = index + 1;
        match kind {
            Kind::Original => {
                let message = original(&mut rng, line, base_ms);
                let text = message.envelope(&message.body).to_string();
                corpus.add(&message, "good", Expect::Account, text);
                originals.push(message);
            }
            Kind::Duplicate => {
                let message = earlier(&mut rng, &originals).clone();
                let reordered = rng.below(2) == 0;
                let body = if reordered { reversed(&message.body) } else { message.body.clone() };
                corpus.add(&message, "duplicate", Expect::Duplicate, message.envelope(&body).to_string());
            }
            Kind::Conflict => {
                let message =
                    Message { id: earlier(&mut rng, &originals).id.clone(), ..original(&mut rng, line, base_ms) };
                corpus.add(&message, "conflict", Expect::Conflict, message.envelope(&message.body).to_string());
            }
            Kind::Malformed => {
                if let Some(way) = malformed_kinds.next() {
                    let message = original(&mut rng, line, base_ms);
                    let text = (way.line)(&message, &canary(&mut rng));
                    corpus.add(&message, way.name, Expect::Refused(way.code), text);
                }
            }
        }
    }
    corpus
}

fn plan(rng: &mut Rng, count: usize) -> Vec<Kind> {
    let mut kinds = Vec::with_capacity(count);
    kinds.extend((0..count * 5 / 100).map(|_| Kind::Duplicate));
    kinds.extend((0..count / 100).map(|_| Kind::Conflict));
    kinds.extend((0..count * 2 / 100).map(|_| Kind::Malformed));
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

fn original(rng: &mut Rng, line: usize, base_ms: i64) -> Message {
    let marker = if rng.below(100) < 90 { Marker::Good } else { *rng.pick(&Marker::TROUBLED) };
    let tenant = format!("tenant-{line:06}-{:06x}", rng.next() >> 40);
    let (access, refresh) = tokens(marker, rng);
    let region = *rng.pick(&["wnam", "enam", "apac", "eu"]);
    let body = json!({
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
    Message {
        id: format!("msg-{}", rng.uuid()),
        correlation_id: format!("corr-{}", rng.uuid()),
        timestamp: rfc3339(base_ms + line as i64),
        tenant,
        marker,
        body,
    }
}

impl Message {
    /// The line's object around `body`.
    pub fn envelope(&self, body: &Value) -> Value {
        json!({
            "message_id": self.id,
            "correlation_id": self.correlation_id,
            "timestamp": self.timestamp,
            "body": body,
        })
    }
}

impl Corpus {
    fn add(&mut self, message: &Message, kind: &'static str, expect: Expect, text: String) {
        self.lines.push(text);
        self.ledger.entries.push(Entry {
            line: self.lines.len(),
            kind,
            message_id: message.id.clone(),
            correlation_id: message.correlation_id.clone(),
            tenant: message.tenant.clone(),
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
