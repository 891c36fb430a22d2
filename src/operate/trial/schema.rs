//! A recording as JSON Schema (2020-12), for editors.

use serde_json::{Value, json};

use super::NoAnswer;

/// The schema of a recording.
#[must_use]
pub fn recording_schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A Tidewaiter recording",
        "description": "What a provider answered, for `tidewaiter definitions try`.",
        "type": "object",
        "properties": {
            "at": {
                "type": ["string", "null"],
                "format": "date-time",
                "description": "When the run begins, RFC 3339: decides which tokens have expired, and what `$now()` says; the first of January 2026 when it is absent.",
            },
            "account_id": id("The account's id, for definitions that send it."),
            "run_id": id("The run's id: part of idempotency keys, and the seed of random numbers."),
            "environment_variables": {
                "type": "object",
                "description": "Laid over the install's variables, the secret ones included.",
            },
            "import": {
                "type": ["object", "null"],
                "description": "The body of the import request, or an envelope with one. A missing `environment_integration_id` is filled in.",
            },
            "exchanges": {
                "type": "array",
                "items": { "$ref": "#/$defs/exchange" },
                "description": "What is asked and answered: a request gets the first answer that fits and is not used up.",
            },
        },
        "required": ["exchanges"],
        "additionalProperties": false,
        "$defs": { "exchange": exchange(), "request": request(), "response": response(), "body": body() },
    })
}

fn id(about: &str) -> Value {
    json!({ "type": ["string", "null"], "format": "uuid", "description": about })
}

fn exchange() -> Value {
    json!({
        "type": "object",
        "properties": {
            "request": { "$ref": "#/$defs/request", "description": "What has to be asked." },
            "response": { "$ref": "#/$defs/response", "description": "What comes back." },
            "times": {
                "type": ["integer", "null"], "minimum": 1, "maximum": u32::MAX,
                "description": "How often the answer may be used; once when it is absent.",
            },
        },
        "required": ["request", "response"],
        "additionalProperties": false,
    })
}

fn request() -> Value {
    json!({
        "type": "object",
        "properties": {
            "method": { "type": "string", "description": "The verb." },
            "url": { "type": "string", "description": "The whole URL, with its query." },
            "headers": {
                "type": "object",
                "additionalProperties": { "type": ["string", "null"] },
                "description": "Those that are compared; `null` for one that must not be sent.",
            },
            "body": { "$ref": "#/$defs/body", "description": "The whole body; any one when it is absent." },
        },
        "required": ["method", "url"],
        "additionalProperties": false,
    })
}

fn response() -> Value {
    let words: Vec<&str> = NoAnswer::ALL.iter().map(|word| word.as_str()).collect();
    json!({
        "type": "object",
        "properties": {
            "status": { "type": "integer", "minimum": 100, "maximum": 599, "description": "The status code." },
            "headers": {
                "type": "object",
                "additionalProperties": { "type": "string" },
                "description": "Without `content-type` a body that is not text is `application/json`.",
            },
            "body": { "$ref": "#/$defs/body", "description": "The body; empty when it is absent." },
            "error": { "enum": words, "description": "Instead of a status: why there was no answer." },
            "message": { "type": "string", "description": "The sentence that goes with `error`." },
        },
        "additionalProperties": false,
        "anyOf": [{ "required": ["status"] }, { "required": ["error"] }],
        "dependentSchemas": {
            "error": {
                "properties": { "body": false },
                // A redirect has a status, since it came and is not followed.
                "anyOf": [
                    { "properties": { "status": false } },
                    { "properties": { "error": { "const": NoAnswer::Redirect.as_str() } } },
                ],
            },
            "message": { "required": ["error"] },
        },
    })
}

fn body() -> Value {
    json!({
        "description": "Text as it is, anything else as JSON; an object of nothing but `text`, `json` or `base64` says what it is.",
        "if": { "type": "object", "required": ["base64"], "properties": { "base64": { "type": "string" } }, "maxProperties": 1 },
        "then": { "properties": { "base64": { "contentEncoding": "base64" } } },
    })
}

#[cfg(test)]
mod tests {
    use super::super::Recording;
    use super::*;

    /// The members that a reader of recordings knows at `pointer` of a recording in which they are unknown.
    fn known(recording: &Value) -> Vec<String> {
        let error = Recording::parse(recording.to_string().as_bytes()).unwrap_err();
        let (_, names) = error.split_once("expected one of ").unwrap_or_else(|| panic!("{error}"));
        names.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    }

    #[test]
    fn every_member_of_a_recording_is_explained_and_no_other() {
        let schema = recording_schema();
        let exchange = |of: &str, value: Value| {
            let mut one = json!({ "request": { "method": "GET", "url": "https://a.example" }, "response": {} });
            one[of] = value;
            json!({ "exchanges": [one] })
        };
        for (pointer, recording) in [
            ("", json!({ "unknown": 1 })),
            ("/$defs/exchange", exchange("unknown", json!(1))),
            ("/$defs/request", exchange("request", json!({ "unknown": 1 }))),
            ("/$defs/response", exchange("response", json!({ "unknown": 1 }))),
        ] {
            let members = schema.pointer(&format!("{pointer}/properties")).unwrap().as_object().unwrap();
            let mut explained: Vec<_> = members.keys().cloned().collect();
            let mut known = known(&recording);
            explained.sort();
            known.sort();
            assert_eq!(explained, known, "{pointer}");
            assert!(members.values().all(|member| member["description"].is_string()), "{pointer}");
        }
    }
}
