//! The ten ways in which a line of the corpus is malformed, each with the code that has to name it.

use serde_json::{Value, json};
use tidewaiter::lifecycle::IntakeCode;

use crate::corpus::Message;

/// One way to be malformed.
pub struct Way {
    pub name: &'static str,
    pub code: IntakeCode,
    /// The line, made from a good message and a canary that no answer may repeat.
    pub line: fn(&Message, &str) -> String,
}

/// All of them; a corpus takes them in turn.
pub const KINDS: [Way; 10] = [
    Way { name: "not JSON", code: IntakeCode::Malformed, line: |_, canary| format!("import {canary}, please") },
    Way { name: "truncated", code: IntakeCode::Malformed, line: truncated },
    Way {
        name: "an array",
        code: IntakeCode::Malformed,
        line: |message, _| json!([message.envelope(&message.body)]).to_string(),
    },
    Way { name: "a key twice", code: IntakeCode::DuplicateKey, line: key_twice },
    Way {
        name: "NUL in the tenant",
        code: IntakeCode::BadCharacter,
        line: |message, _| changed(message, "/tenant_id", json!("tenant\0")),
    },
    Way { name: "nested too deep", code: IntakeCode::TooComplex, line: deep },
    Way { name: "an unknown field", code: IntakeCode::Invalid, line: unknown_field },
    Way {
        name: "an unknown install",
        code: IntakeCode::UnknownInstall,
        line: |message, _| {
            changed(message, "/environment_integration_id", json!("00000000-0000-4000-8000-00000000dead"))
        },
    },
    Way {
        name: "an unknown region",
        code: IntakeCode::Invalid,
        line: |message, _| changed(message, "/region", json!("mars")),
    },
    Way {
        name: "an unsafe number",
        code: IntakeCode::UnsafeNumber,
        line: |message, _| changed(message, "/context/subdomain", json!(9_007_199_254_740_993_u64)),
    },
];

fn changed(message: &Message, pointer: &str, value: Value) -> String {
    let mut body = message.body.clone();
    if let Some(place) = body.pointer_mut(pointer) {
        *place = value;
    }
    message.envelope(&body).to_string()
}

fn truncated(message: &Message, _canary: &str) -> String {
    let mut text = message.envelope(&message.body).to_string();
    text.truncate(text.len() * 4 / 5);
    text
}

fn key_twice(message: &Message, canary: &str) -> String {
    let text = message.envelope(&message.body).to_string();
    text.replacen("\"tenant_id\":", &format!("\"tenant_id\":\"{canary}\",\"tenant_id\":"), 1)
}

fn deep(message: &Message, canary: &str) -> String {
    let nested = (0..70).fold(json!(canary), |inner, _| json!([inner]));
    changed(message, "/context/subdomain", nested)
}

fn unknown_field(message: &Message, canary: &str) -> String {
    let mut body = message.body.clone();
    if let Some(object) = body.as_object_mut() {
        object.insert("plan".to_owned(), json!(canary));
    }
    message.envelope(&body).to_string()
}
