//! From a JSON value to an import request: which fields there are, what they may be, and what is refused by name.
//!
//! Pure. What only the install's definition knows (its credential fields) is checked afterwards, in `receive`.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::json::unsafe_number_in;
use super::traceparent::traceparent;
use super::{FieldFailure, Refusal};
use crate::accounts::ImportRequest;
use crate::lifecycle::{AuthenticationMethod, IntakeCode, Region};

/// A line of a file: a body, with or without the properties that a message would carry.
#[derive(Clone, PartialEq)]
pub struct Envelope {
    /// The deduplication key.
    pub message_id: Option<String>,
    /// What the producer wants to see again in every event.
    pub correlation_id: Option<String>,
    /// When the producer made it, milliseconds since the epoch.
    pub timestamp_ms: Option<i64>,
    /// The producer's trace context, valid.
    pub traceparent: Option<String>,
    /// The request's body.
    pub body: Value,
}

impl std::fmt::Debug for Envelope {
    // The body holds credentials.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Envelope")
            .field("message_id", &self.message_id)
            .field("correlation_id", &self.correlation_id)
            .field("timestamp_ms", &self.timestamp_ms)
            .finish_non_exhaustive()
    }
}

impl Envelope {
    /// A body that comes alone.
    #[must_use]
    pub const fn bare(body: Value) -> Self {
        Self { message_id: None, correlation_id: None, timestamp_ms: None, traceparent: None, body }
    }
}

/// The longest message or correlation id, in characters.
const MAX_ID: usize = 255;

/// Tells an envelope line from a bare body, by the field `body`.
///
/// # Errors
/// A [`Refusal`] when the envelope's own fields are wrong.
pub fn read_line(line: Value) -> Result<Envelope, Refusal> {
    let mut fields = match line {
        Value::Object(fields) if fields.contains_key("body") => fields,
        body => return Ok(Envelope::bare(body)),
    };
    let body = fields.remove("body").unwrap_or(Value::Null);
    let mut failures = Vec::new();
    let message_id = take_id(&mut fields, "message_id", &mut failures);
    let correlation_id = take_id(&mut fields, "correlation_id", &mut failures);
    let timestamp_ms = match fields.remove("timestamp") {
        None | Some(Value::Null) => None,
        Some(value) => {
            let read = timestamp(&value);
            if read.is_none() {
                failures.push(failure("/timestamp", "has to be an RFC 3339 time or seconds since 1970"));
            }
            read
        }
    };
    let traceparent = take_traceparent(&mut fields, &mut failures);
    failures.extend(fields.keys().map(|key| failure(&pointer_to(key), "is not a field of an envelope line")));
    if failures.is_empty() {
        Ok(Envelope { message_id, correlation_id, timestamp_ms, traceparent, body })
    } else {
        Err(Refusal::fields(failures))
    }
}

fn timestamp(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond),
        Value::Number(seconds) => seconds.as_i64().and_then(|seconds| seconds.checked_mul(1000)),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn take_id(fields: &mut Map<String, Value>, name: &str, failures: &mut Vec<FieldFailure>) -> Option<String> {
    match fields.remove(name) {
        None | Some(Value::Null) => None,
        Some(Value::String(id)) => match check_id(&id) {
            Ok(()) => Some(id),
            Err(message) => {
                failures.push(failure(&pointer_to(name), message));
                None
            }
        },
        Some(_) => {
            failures.push(failure(&pointer_to(name), "has to be text"));
            None
        }
    }
}

/// One that is not valid is passed over: nobody's account depends on a trace.
fn take_traceparent(fields: &mut Map<String, Value>, failures: &mut Vec<FieldFailure>) -> Option<String> {
    match fields.remove("traceparent") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => traceparent(&text),
        Some(_) => {
            failures.push(failure("/traceparent", "has to be text"));
            None
        }
    }
}

/// Judges a message or correlation id.
///
/// # Errors
/// What is wrong with it.
pub fn check_id(id: &str) -> Result<(), &'static str> {
    if id.is_empty() || id.chars().count() > MAX_ID {
        Err("has to have 1 to 255 characters")
    } else if id.chars().any(char::is_control) {
        Err("holds a control character")
    } else {
        Ok(())
    }
}

/// Reads the body of an import request, which without a region is one for `region`.
///
/// # Errors
/// A [`Refusal`] that names every field at fault.
pub fn read_body(body: Value, region: Region) -> Result<ImportRequest, Refusal> {
    let Value::Object(mut fields) = body else {
        return Err(Refusal::new(IntakeCode::Malformed, "the body has to be a JSON object"));
    };
    refuse_unsupported(&fields)?;
    let mut reader = Reader { fields: &mut fields, failures: Vec::new() };
    let tenant_id = reader.tenant_id()?;
    let install = reader.install();
    let authentication_method = reader.word::<AuthenticationMethod>("authentication_method", None);
    let region = reader.word("region", Some(region));
    let is_sandbox = reader.flag("is_sandbox");
    let context = reader.context();
    let mut failures = reader.failures;
    failures.extend(fields.keys().map(|key| failure(&pointer_to(key), "is not a field of an import request")));
    match (tenant_id, install, authentication_method, region, context) {
        (Some(tenant_id), Some(install), Some(authentication_method), Some(region), Some(context))
            if failures.is_empty() =>
        {
            let mut pointer = String::from("/context");
            if unsafe_number_in(&context, &mut pointer) {
                let message = "a number beyond 2^53 (or -0) would be changed by expressions: send it as text";
                return Err(Refusal::field(IntakeCode::UnsafeNumber, pointer, message));
            }
            Ok(ImportRequest { tenant_id, install, authentication_method, region, is_sandbox, context })
        }
        _ => Err(Refusal::fields(failures)),
    }
}

/// What a later version does; refused by name, so that nobody believes it happened.
fn refuse_unsupported(fields: &Map<String, Value>) -> Result<(), Refusal> {
    let unsupported =
        [("account_id", "reconnecting an account"), ("persist_previous_context", "reconnecting an account")];
    for (name, what) in unsupported {
        if fields.get(name).is_some_and(|value| !value.is_null()) {
            let message = format!("{what} is not supported yet");
            return Err(Refusal::field(IntakeCode::NotSupported, pointer_to(name), message));
        }
    }
    if fields.get("context").and_then(|context| context.get("sealed")).is_some() {
        let message = "sealed contexts are not supported yet";
        return Err(Refusal::field(IntakeCode::NotSupported, "/context/sealed", message));
    }
    Ok(())
}

struct Reader<'a> {
    fields: &'a mut Map<String, Value>,
    failures: Vec<FieldFailure>,
}

impl Reader<'_> {
    fn fail(&mut self, name: &str, message: impl Into<String>) {
        self.failures.push(failure(&pointer_to(name), message));
    }

    fn tenant_id(&mut self) -> Result<Option<String>, Refusal> {
        let checked = self.fields.remove("tenant_id").map_or(Ok(Err("is required")), check_tenant)?;
        if let Err(message) = checked {
            self.fail("tenant_id", message);
        }
        Ok(checked.ok())
    }

    fn install(&mut self) -> Option<Uuid> {
        const NAME: &str = "environment_integration_id";
        match self.fields.remove(NAME) {
            Some(Value::String(text)) => match Uuid::try_parse(&text) {
                Ok(id) => return Some(id),
                Err(_) => self.fail(NAME, "has to be a UUID"),
            },
            Some(_) => self.fail(NAME, "has to be a UUID"),
            None => self.fail(NAME, "is required"),
        }
        None
    }

    fn word<T>(&mut self, name: &str, default: Option<T>) -> Option<T>
    where
        T: std::str::FromStr<Err = crate::lifecycle::UnknownWord>,
    {
        match self.fields.remove(name) {
            Some(Value::String(text)) => match text.parse() {
                Ok(word) => return Some(word),
                Err(unknown) => self.fail(name, format!("has to be one of: {}", unknown.expected)),
            },
            None if default.is_some() => return default,
            Some(Value::Null) | None => self.fail(name, "is required"),
            Some(_) => self.fail(name, "has to be text"),
        }
        None
    }

    fn flag(&mut self, name: &str) -> bool {
        match self.fields.remove(name) {
            None => false,
            Some(Value::Bool(flag)) => flag,
            Some(_) => {
                self.fail(name, "has to be true or false");
                false
            }
        }
    }

    fn context(&mut self) -> Option<Map<String, Value>> {
        match self.fields.remove("context") {
            Some(Value::Object(context)) => return Some(context),
            Some(_) => self.fail("context", "has to be an object"),
            None => self.fail("context", "is required"),
        }
        None
    }
}

/// Judges a tenant's id.
///
/// # Errors
/// A [`Refusal`] where it cannot be stored; inside it, what is wrong with it otherwise.
pub(super) fn check_tenant(value: Value) -> Result<Result<String, &'static str>, Refusal> {
    match value {
        Value::String(text) if text.chars().any(char::is_control) => {
            Err(Refusal::field(IntakeCode::BadCharacter, "/tenant_id", "holds a control character"))
        }
        Value::String(text) if (1..=MAX_ID).contains(&text.chars().count()) => Ok(Ok(text)),
        Value::String(_) => Ok(Err("has to have 1 to 255 characters")),
        _ => Ok(Err("has to be text")),
    }
}

fn failure(pointer: &str, message: impl Into<String>) -> FieldFailure {
    FieldFailure { pointer: pointer.to_owned(), message: message.into() }
}

/// The JSON pointer of a top-level field; a key from outside is cut, for it is repeated in messages.
pub(super) fn pointer_to(key: &str) -> String {
    let shown: String = key.chars().filter(|c| !c.is_control()).take(64).collect();
    format!("/{}", shown.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn body() -> Value {
        json!({
            "tenant_id": "acme-1", "environment_integration_id": "b179ad55-db02-4bd4-b7a4-d2c173eee9ae",
            "authentication_method": "oauth2", "region": "eu", "context": { "subdomain": "acme" },
        })
    }

    fn with(name: &str, value: Value) -> Value {
        let mut body = body();
        body[name] = value;
        body
    }

    fn without(name: &str) -> Value {
        let mut body = body();
        body.as_object_mut().unwrap().remove(name);
        body
    }

    fn refused(body: Value) -> (IntakeCode, String) {
        let refusal = read_body(body, Region::Wnam).unwrap_err();
        (refusal.code, refusal.pointer().unwrap_or_default().to_owned())
    }

    #[test]
    fn a_complete_body_is_read_and_defaults_fill_in() {
        let request = read_body(body(), Region::Wnam).unwrap();
        assert_eq!((request.tenant_id.as_str(), request.region, request.is_sandbox), ("acme-1", Region::Eu, false));
        assert_eq!(read_body(without("region"), Region::Apac).unwrap().region, Region::Apac);
        assert!(read_body(with("is_sandbox", json!(true)), Region::Wnam).unwrap().is_sandbox);
    }

    #[test]
    fn each_field_at_fault_is_named() {
        let cases = [
            (without("tenant_id"), "/tenant_id"),
            (with("tenant_id", json!("")), "/tenant_id"),
            (with("tenant_id", json!("x".repeat(256))), "/tenant_id"),
            (with("tenant_id", json!(7)), "/tenant_id"),
            (without("environment_integration_id"), "/environment_integration_id"),
            (with("environment_integration_id", json!("b179")), "/environment_integration_id"),
            (without("authentication_method"), "/authentication_method"),
            (with("authentication_method", json!("magic")), "/authentication_method"),
            (with("region", json!("mars")), "/region"),
            (without("context"), "/context"),
            (with("context", json!([])), "/context"),
            (with("is_sandbox", json!("yes")), "/is_sandbox"),
            (with("color/~", json!(1)), "/color~1~0"),
        ];
        for (body, pointer) in cases {
            assert_eq!(refused(body), (IntakeCode::Invalid, pointer.to_owned()));
        }
        let both = read_body(
            with("color", json!(1))
                .as_object()
                .map(|body| {
                    let mut body = body.clone();
                    body.remove("tenant_id");
                    Value::Object(body)
                })
                .unwrap(),
            Region::Wnam,
        )
        .unwrap_err();
        assert_eq!(both.failures.len(), 2, "all faults are told at once: {both}");
    }

    #[test]
    fn faults_with_a_code_of_their_own_have_it() {
        let cases = [
            (with("tenant_id", json!("a\u{7}b")), IntakeCode::BadCharacter, "/tenant_id"),
            (with("context", json!({"a": [9_007_199_254_740_993_i64]})), IntakeCode::UnsafeNumber, "/context/a/0"),
            (with("context", json!({"sealed": "x"})), IntakeCode::NotSupported, "/context/sealed"),
            (with("account_id", json!("b179")), IntakeCode::NotSupported, "/account_id"),
            (json!([1]), IntakeCode::Malformed, ""),
        ];
        for (body, code, pointer) in cases {
            assert_eq!(refused(body), (code, pointer.to_owned()));
        }
    }

    #[test]
    fn an_envelope_line_is_told_apart_by_its_body() {
        let bare = read_line(body()).unwrap();
        assert_eq!((bare.message_id, bare.body), (None, body()));
        let line =
            json!({"message_id": "m-1", "correlation_id": "c", "timestamp": "2026-11-24T10:00:00Z", "body": body()});
        let envelope = read_line(line).unwrap();
        assert_eq!(envelope.message_id.as_deref(), Some("m-1"));
        assert_eq!(envelope.timestamp_ms, Some(1_795_514_400_000));
        assert_eq!(read_line(json!({"timestamp": 12, "body": {}})).unwrap().timestamp_ms, Some(12_000));
    }

    #[test]
    fn an_envelope_may_continue_a_trace() {
        let line = |trace: Value| read_line(json!({ "traceparent": trace, "body": {} }));
        let valid = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(line(json!(valid)).unwrap().traceparent.as_deref(), Some(valid));
        assert_eq!(line(json!("no trace")).unwrap().traceparent, None);
        assert_eq!(line(json!(7)).unwrap_err().pointer(), Some("/traceparent"));
    }

    #[test]
    fn an_envelope_refuses_what_it_does_not_know() {
        for (line, pointer) in [
            (json!({"body": {}, "id": "x"}), "/id"),
            (json!({"body": {}, "message_id": ""}), "/message_id"),
            (json!({"body": {}, "message_id": 5}), "/message_id"),
            (json!({"body": {}, "correlation_id": "a\nb"}), "/correlation_id"),
            (json!({"body": {}, "timestamp": "yesterday"}), "/timestamp"),
        ] {
            assert_eq!(read_line(line).unwrap_err().pointer(), Some(pointer));
        }
    }
}
