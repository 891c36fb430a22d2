//! A recording: what a provider answered, as a document that people write by hand or `record` makes.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::lifecycle::words;
use crate::upstream::{Response, SendError};

/// The answers of one run, and what it was about.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recording {
    /// When the run began, RFC 3339: decides which tokens have expired, and what `$now()` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// The account's id, for definitions that send it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_id: Option<Uuid>,
    /// The run's id: part of idempotency keys, and the seed of random numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<Uuid>,
    /// Laid over the install's variables, the secret ones included.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub environment_variables: Map<String, Value>,
    /// The body of the import request. A missing `environment_integration_id` is filled in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import: Option<Value>,
    /// What was asked and answered.
    pub exchanges: Vec<Exchange>,
}

/// It may hold credentials.
impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording").field("exchanges", &self.exchanges.len()).finish_non_exhaustive()
    }
}

/// One request and its answer.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// What has to be asked.
    pub request: Expected,
    /// What comes back.
    pub response: Answer,
    /// How often it may be used; once if it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").field("method", &self.request.method).finish_non_exhaustive()
    }
}

/// What of a request has to be as it is written here; what is not written may be anything.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// The verb.
    pub method: String,
    /// The whole URL.
    pub url: String,
    /// Headers; `null` for one that must not be sent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, Option<String>>,
    /// The body: text as it is, anything else as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub body: Option<Value>,
}

impl fmt::Debug for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expected").field("method", &self.method).finish_non_exhaustive()
    }
}

/// An answer, or why there was none.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The status code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The headers. Without `content-type` a body that is not text is `application/json`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The body: text as it is, anything else as JSON; `{"text"}`, `{"json"}` and `{"base64"}` say so themselves.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub body: Option<Value>,
    /// Instead of a status: why there was no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<NoAnswer>,
    /// The sentence that goes with the error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("status", &self.status).field("error", &self.error).finish_non_exhaustive()
    }
}

words! {
    /// Why a request has no answer.
    NoAnswer {
        /// The address policy forbids it.
        AddressRefused = "address_refused",
        /// A redirect, which is not followed.
        Redirect = "redirect",
        /// The host has no address.
        Dns = "dns",
        /// TLS failed.
        Tls = "tls",
        /// No connection.
        Connect = "connect",
        /// No complete answer in time.
        Timeout = "timeout",
        /// The connection broke.
        Broken = "broken",
        /// Too large, or not HTTP.
        BadResponse = "bad_response",
        /// The request cannot be sent.
        Unsendable = "unsendable",
    }
}

/// Reads a value that is there, null included.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl Recording {
    /// Reads a recording.
    ///
    /// # Errors
    /// What is wrong with it and where, without repeating anything but names.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let recording: Self = serde_json::from_slice(bytes).map_err(|error| format!("is not a recording: {error}"))?;
        recording.at_ms()?;
        for (index, exchange) in recording.exchanges.iter().enumerate() {
            let faulty = |what: String| format!("/exchanges/{index}/{what}");
            if exchange.times == Some(0) {
                return Err(faulty("times: has to be 1 or more".to_owned()));
            }
            if let Some(body) = &exchange.request.body {
                bytes_of(body).map_err(|why| faulty(format!("request/body: {why}")))?;
            }
            exchange.response.check().map_err(|why| faulty(format!("response{why}")))?;
        }
        Ok(recording)
    }

    /// When the run began, in milliseconds since the epoch, if the recording says so.
    ///
    /// # Errors
    /// When `at` is no RFC 3339 time.
    pub fn at_ms(&self) -> Result<Option<i64>, String> {
        let Some(at) = &self.at else { return Ok(None) };
        let at: jiff::Timestamp = at.parse().map_err(|_| "/at: has to be an RFC 3339 time".to_owned())?;
        Ok(Some(at.as_millisecond()))
    }
}

impl Answer {
    fn check(&self) -> Result<(), String> {
        match (self.status, self.error) {
            (None, None) => return Err(": needs a `status`, or an `error` where no answer came".to_owned()),
            (Some(_), None) if self.message.is_some() => return Err("/message: goes with an `error`".to_owned()),
            (Some(status), None) if !(100..=599).contains(&status) => {
                return Err("/status: is no HTTP status".to_owned());
            }
            (Some(_), Some(error)) if error != NoAnswer::Redirect => {
                return Err(": has a `status` and an `error`; an answer has one of them".to_owned());
            }
            (_, Some(_)) if self.body.is_some() => return Err("/body: an answer that did not come has none".to_owned()),
            _ => {}
        }
        self.body.as_ref().map_or(Ok(()), |body| bytes_of(body).map(drop).map_err(|why| format!("/body: {why}")))
    }

    /// The answer as the client gives it.
    ///
    /// # Errors
    /// Where no answer came.
    pub fn given(&self) -> Result<Response, SendError> {
        if let Some(error) = self.error {
            return Err(self.unsent(error));
        }
        let mut headers: Vec<_> =
            self.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect();
        let (body, content_type) = self.body.as_ref().and_then(|body| bytes_of(body).ok()).unwrap_or_default();
        if let Some(content_type) = content_type
            && headers.iter().all(|(name, _)| name != "content-type")
        {
            headers.push(("content-type".to_owned(), content_type.to_owned()));
        }
        Ok(Response { status: self.status.unwrap_or_default(), headers, body })
    }

    fn unsent(&self, error: NoAnswer) -> SendError {
        let said = |otherwise: &str| self.message.clone().unwrap_or_else(|| otherwise.to_owned());
        match error {
            NoAnswer::AddressRefused => SendError::AddressRefused(said("the address policy forbids the host")),
            NoAnswer::Redirect => SendError::Redirect { status: self.status.unwrap_or(302) },
            NoAnswer::Dns => SendError::Dns(said("the host name has no address")),
            NoAnswer::Tls => SendError::Tls(said("no TLS connection: the certificate or the protocol was refused")),
            NoAnswer::Connect => SendError::Connect(said("the connection was refused")),
            NoAnswer::Timeout => SendError::Timeout(said("no complete answer came within the request's time")),
            NoAnswer::Broken => SendError::Broken(said("the connection broke before the answer was complete")),
            NoAnswer::BadResponse => SendError::BadResponse(said("the answer is too large or not valid HTTP")),
            NoAnswer::Unsendable => SendError::Unsendable(said("the request cannot be built")),
        }
    }

    /// The answer of a client, to be kept.
    #[must_use]
    pub fn of(given: &Result<Response, SendError>) -> Self {
        let lost =
            |error, message: &String| Self { error: Some(error), message: Some(message.clone()), ..Self::default() };
        match given {
            Ok(response) => Self {
                status: Some(response.status),
                headers: response.headers.iter().cloned().collect(),
                body: (!response.body.is_empty()).then(|| body_of(&response.body)),
                ..Self::default()
            },
            Err(SendError::Redirect { status }) => {
                Self { status: Some(*status), error: Some(NoAnswer::Redirect), ..Self::default() }
            }
            Err(SendError::AddressRefused(message)) => lost(NoAnswer::AddressRefused, message),
            Err(SendError::Dns(message)) => lost(NoAnswer::Dns, message),
            Err(SendError::Tls(message)) => lost(NoAnswer::Tls, message),
            Err(SendError::Connect(message)) => lost(NoAnswer::Connect, message),
            Err(SendError::Timeout(message)) => lost(NoAnswer::Timeout, message),
            Err(SendError::Broken(message)) => lost(NoAnswer::Broken, message),
            Err(SendError::BadResponse(message)) => lost(NoAnswer::BadResponse, message),
            Err(SendError::Unsendable(message)) => lost(NoAnswer::Unsendable, message),
        }
    }
}

/// The words that say what a body's bytes are.
const TEXT: &str = "text";
const JSON: &str = "json";
const BASE64: &str = "base64";

/// The one member of a body that says what it is.
fn spoken(body: &Value) -> Option<(&str, &Value)> {
    let members = body.as_object().filter(|members| members.len() == 1)?;
    let (name, value) = members.iter().next()?;
    match (name.as_str(), value) {
        (JSON, _) | (TEXT | BASE64, Value::String(_)) => Some((name, value)),
        _ => None,
    }
}

/// A body's bytes, and their type where the body decides it.
///
/// # Errors
/// When it is no base64.
pub fn bytes_of(body: &Value) -> Result<(Vec<u8>, Option<&'static str>), String> {
    let json = |value: &Value| (value.to_string().into_bytes(), Some("application/json"));
    Ok(match (spoken(body), body) {
        (Some((BASE64, Value::String(text))), _) => {
            (STANDARD.decode(text).map_err(|_| "`base64` holds something else".to_owned())?, None)
        }
        (Some((TEXT, Value::String(text))), _) | (None, Value::String(text)) => (text.clone().into_bytes(), None),
        (Some((_, value)), _) | (None, value) => json(value),
    })
}

/// Bytes as a body that gives them, or for JSON its equal.
#[must_use]
pub fn body_of(bytes: &[u8]) -> Value {
    match (serde_json::from_slice::<Value>(bytes), std::str::from_utf8(bytes)) {
        (Ok(value), _) if value.is_string() || spoken(&value).is_some() => json!({ JSON: value }),
        (Ok(value), _) => value,
        (Err(_), Ok(text)) => Value::from(text),
        (Err(_), Err(_)) => json!({ BASE64: STANDARD.encode(bytes) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_comes_back_as_the_bytes_it_was_made_of() {
        for bytes in [&b"{\"a\":1}"[..], b"<a/>", b"\"text\"", b"{\"text\":\"x\"}", b"\xff\x00", b"null", b"plain"] {
            assert_eq!(bytes_of(&body_of(bytes)).unwrap().0, bytes, "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn an_answer_comes_back_as_it_was_given() {
        let sentence = || "api.example gave no answer".to_owned();
        for given in [
            Ok(Response { status: 204, headers: vec![("x-a".to_owned(), "1".to_owned())], body: Vec::new() }),
            Err(SendError::Redirect { status: 307 }),
            Err(SendError::AddressRefused(sentence())),
            Err(SendError::Dns(sentence())),
            Err(SendError::Tls(sentence())),
            Err(SendError::Connect(sentence())),
            Err(SendError::Timeout(sentence())),
            Err(SendError::Broken(sentence())),
            Err(SendError::BadResponse(sentence())),
            Err(SendError::Unsendable(sentence())),
        ] {
            let kept = serde_json::to_vec(&Answer::of(&given)).unwrap();
            let read: Answer = serde_json::from_slice(&kept).unwrap();
            assert!(read.check().is_ok());
            assert!(read.given() == given, "{given:?}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_recording_is_told_with_its_place() {
        let one = |response: Value| json!({ "exchanges": [{ "request": { "method": "GET", "url": "https://a.example" }, "response": response }] });
        for (recording, expected) in [
            (json!({}), "missing field `exchanges`"),
            (json!({ "exchanges": [], "at": "yesterday" }), "/at: has to be an RFC 3339 time"),
            (json!({ "exchanges": [], "reply": 1 }), "unknown field `reply`"),
            (one(json!({})), "/exchanges/0/response: needs a `status`"),
            (one(json!({ "status": 99 })), "/exchanges/0/response/status"),
            (one(json!({ "status": 200, "error": "timeout" })), "/exchanges/0/response: has a `status` and an `error`"),
            (one(json!({ "status": 200, "message": "x" })), "/exchanges/0/response/message"),
            (one(json!({ "error": "timeout", "body": {} })), "/exchanges/0/response/body"),
            (one(json!({ "error": "late" })), "late"),
            (one(json!({ "status": 200, "body": { "base64": "%" } })), "/exchanges/0/response/body: `base64`"),
        ] {
            let error = Recording::parse(recording.to_string().as_bytes()).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
