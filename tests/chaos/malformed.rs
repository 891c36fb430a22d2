//! The ways in which an import of the corpus is malformed, each with what has to become of it.

use serde_json::{Value, json};
use tidewaiter::lifecycle::IntakeCode;

use crate::corpus::{Channel, Message};
use crate::ledger::Expect;

/// One way to be malformed.
pub struct Way {
    pub name: &'static str,
    pub expect: Expect,
    pub spoil: Spoil,
}

/// What of a message is spoiled.
pub enum Spoil {
    /// The text of what carries the body, made from a good message and a canary that no answer may repeat.
    Document(fn(&Message, Channel, &str) -> String),
    /// The AMQP properties.
    Properties(fn(&mut Message)),
}

const fn body(name: &'static str, code: IntakeCode, spoiled: fn(&Message, Channel, &str) -> String) -> Way {
    Way { name, expect: Expect::Refused(code), spoil: Spoil::Document(spoiled) }
}

/// All of them for a channel; a corpus takes them in turn.
pub fn ways(channel: Channel) -> Vec<&'static Way> {
    let properties: &[Way] = if channel == Channel::Broker { &PROPERTIES } else { &[] };
    properties.iter().chain(&BODIES).collect()
}

/// Malformed bodies, by every channel.
pub const BODIES: [Way; 10] = [
    body("not JSON", IntakeCode::Malformed, |_, _, canary| format!("import {canary}, please")),
    body("truncated", IntakeCode::Malformed, truncated),
    body("an array", IntakeCode::Malformed, |message, channel, _| {
        json!([message.document(channel, &message.body)]).to_string()
    }),
    body("a key twice", IntakeCode::DuplicateKey, key_twice),
    body("NUL in the tenant", IntakeCode::BadCharacter, |message, channel, _| {
        changed(message, channel, |body| body["tenant_id"] = json!("tenant\0"))
    }),
    body("nested too deep", IntakeCode::TooComplex, deep),
    body("an unknown field", IntakeCode::Invalid, |message, channel, canary| {
        changed(message, channel, |body| body["plan"] = json!(canary))
    }),
    body("an unknown install", IntakeCode::UnknownInstall, |message, channel, _| {
        changed(message, channel, |body| {
            body["environment_integration_id"] = json!("00000000-0000-4000-8000-00000000dead");
        })
    }),
    body("an unknown region", IntakeCode::Invalid, |message, channel, _| {
        changed(message, channel, |body| body["region"] = json!("mars"))
    }),
    body("an unsafe number", IntakeCode::UnsafeNumber, |message, channel, _| {
        changed(message, channel, |body| body["context"]["subdomain"] = json!(9_007_199_254_740_993_u64))
    }),
];

/// Malformed properties, on the broker only.
pub const PROPERTIES: [Way; 3] = [
    Way {
        name: "a type of another version",
        expect: Expect::Refused(IntakeCode::UnsupportedVersion),
        spoil: Spoil::Properties(|message| set(message, "type", json!("integrated_account.import.v9"))),
    },
    Way {
        name: "another content type",
        expect: Expect::Refused(IntakeCode::Invalid),
        spoil: Spoil::Properties(|message| set(message, "content_type", json!("text/csv"))),
    },
    Way {
        name: "a message id that is no text",
        expect: Expect::Unreadable,
        spoil: Spoil::Properties(|message| {
            let bytes = message.id.bytes().chain([0xff, 0xfe]);
            let hex: Vec<_> = bytes.map(|byte| format!("{byte:02x}")).collect();
            set(message, "message_id_hex", json!(hex.concat()));
        }),
    },
];

fn set(message: &mut Message, property: &str, value: Value) {
    message.properties.insert(property.to_owned(), value);
}

fn changed(message: &Message, channel: Channel, change: impl FnOnce(&mut Value)) -> String {
    let mut body = message.body.clone();
    change(&mut body);
    message.document(channel, &body).to_string()
}

fn truncated(message: &Message, channel: Channel, _canary: &str) -> String {
    let mut text = message.document(channel, &message.body).to_string();
    text.truncate(text.len() * 4 / 5);
    text
}

fn key_twice(message: &Message, channel: Channel, canary: &str) -> String {
    let text = message.document(channel, &message.body).to_string();
    text.replacen("\"tenant_id\":", &format!("\"tenant_id\":\"{canary}\",\"tenant_id\":"), 1)
}

fn deep(message: &Message, channel: Channel, canary: &str) -> String {
    let nested = (0..70).fold(json!(canary), |inner, _| json!([inner]));
    changed(message, channel, |body| body["context"]["subdomain"] = nested)
}
