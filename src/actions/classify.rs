//! Sorting what went wrong: a lost connection, a status code, an expression, into the class that decides what follows.

use std::time::Duration;

use jiff::fmt::rfc2822::DateTimeParser;
use serde_json::Value;

use crate::expression::{ExprError, ExprKind, Shared};
use crate::lifecycle::{Class, Failure, ReasonCode};
use crate::upstream::SendError;

/// How much of a provider's words is kept, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 4096;

/// Where providers put what they have to say, best first.
const MESSAGE_NAMES: [&str; 14] = [
    "message",
    "msg",
    "errorMessage",
    "error_message",
    "error_description",
    "description",
    "detail",
    "summary",
    "title",
    "error",
    "errors",
    "fault",
    "_text",
    "_cdata",
];

/// A failed attempt, and how long the provider asked to wait.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refusal {
    pub(super) failure: Failure,
    pub(super) retry_after: Option<Duration>,
    /// The answer, `{status, headers, body}`, where it was a refusal and no fault of reading it.
    pub(super) answer: Option<Shared>,
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self { failure, retry_after: None, answer: None }
    }
}

/// An expression or template that gave nothing usable. `what` names the place.
pub(super) fn expression_failure(what: &str, error: &ExprError) -> Failure {
    let code = match error.kind {
        ExprKind::Syntax | ExprKind::Failed => ReasonCode::ExpressionError,
        ExprKind::Limit => ReasonCode::ExpressionLimit,
        ExprKind::Unresolved => ReasonCode::UnresolvedPlaceholder,
    };
    Failure::permanent(code, format!("{what}: {error}"))
}

/// A request without an answer. `retry_safe` says whether making it again does no harm.
pub(super) fn send_failure(error: &SendError, retry_safe: bool) -> Failure {
    let message = error.to_string();
    let code = match error {
        SendError::AddressRefused(_) => return Failure::permanent(ReasonCode::AddressRefused, message),
        SendError::Redirect { status } => {
            return Failure::permanent(ReasonCode::RedirectRefused, message).with_status(*status);
        }
        SendError::Tls(_) => return Failure::permanent(ReasonCode::Tls, message),
        SendError::Unsendable(_) => return Failure::permanent(ReasonCode::ExpressionError, message),
        SendError::BadResponse(_) if !retry_safe => return Failure::permanent(ReasonCode::BadResponse, message),
        SendError::BadResponse(_) => ReasonCode::BadResponse,
        SendError::Dns(_) => ReasonCode::Dns,
        SendError::Connect(_) | SendError::Broken(_) => ReasonCode::UpstreamUnavailable,
        SendError::Timeout(_) => ReasonCode::Timeout,
    };
    if retry_safe || !error.may_have_been_sent() {
        return Failure::transient(code, message);
    }
    super::probe::unknown(&format!("the answer to a request with side effects was lost: {message}"))
}

/// A status that is an error (or was declared one by the definition).
pub(super) fn status_failure(status: u16, message: String, retry_safe: bool) -> Failure {
    use ReasonCode::{BadResponse, Forbidden, RateLimited, RedirectRefused, Unauthorized, UpstreamRejected};
    let unavailable = ReasonCode::UpstreamUnavailable;
    let (class, code) = match status {
        401 => (Class::Unauthorized, Unauthorized),
        403 => (Class::Permanent, Forbidden),
        429 => (Class::RateLimited, RateLimited),
        400..=499 => (Class::Permanent, UpstreamRejected),
        503 => (Class::Transient, unavailable),
        500..=599 if retry_safe => (Class::Transient, unavailable),
        500..=599 => (Class::Permanent, unavailable),
        300..=399 => (Class::Permanent, RedirectRefused),
        _ => (Class::Permanent, BadResponse),
    };
    Failure { class, code, message, http_status: None }
}

/// How long `Retry-After` asks to wait: seconds, or a date; `None` when it is absent or neither.
pub(super) fn retry_after(value: Option<&str>, now_ms: i64) -> Option<Duration> {
    let value = value?.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let at = DateTimeParser::new().parse_timestamp(value).ok()?.as_millisecond();
    Some(Duration::from_millis(u64::try_from(at.saturating_sub(now_ms)).unwrap_or(0)))
}

/// What the provider has to say, dug out of its answer.
pub(super) fn provider_message(body: &Value) -> Option<String> {
    match body {
        // An HTML page is for browsers.
        Value::String(text) if text.trim_start().starts_with('<') => None,
        Value::String(_) | Value::Object(_) | Value::Array(_) => {
            dig(body, 4).or_else(|| dig(only_member(body)?, 4)).map(cut)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// What stands in a document with one root, whatever that is called. An XML declaration and the like are no roots.
fn only_member(body: &Value) -> Option<&Value> {
    let mut roots = body.as_object()?.iter().filter(|(name, _)| !name.starts_with('_'));
    let (_, root) = roots.next()?;
    (root.is_object() && roots.next().is_none()).then_some(root)
}

fn dig(value: &Value, depth: u8) -> Option<&str> {
    match value {
        Value::String(text) => Some(text.trim()).filter(|text| !text.is_empty()),
        Value::Array(items) if depth > 0 => items.iter().find_map(|item| dig(item, depth - 1)),
        Value::Object(members) if depth > 0 => {
            let named = |name: &&str| {
                // XML writes `Message`, and the text of an element is a member of it.
                let found = members.get(*name).or_else(|| {
                    members.iter().find(|(member, _)| member.eq_ignore_ascii_case(name)).map(|(_, found)| found)
                });
                found.and_then(|found| dig(found, depth - 1))
            };
            MESSAGE_NAMES.iter().find_map(named)
        }
        _ => None,
    }
}

/// At most so much as is kept, on one line. The caller redacts it before it shortens it further: a part of a secret is not
/// recognised.
pub(super) fn cut(text: &str) -> String {
    let end = text.floor_char_boundary(MAX_MESSAGE_BYTES);
    text[..end].chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_status_has_its_class_and_code() {
        use Class::{Permanent, RateLimited, Transient, Unauthorized};
        for (status, retry_safe, class, code) in [
            (400, true, Permanent, ReasonCode::UpstreamRejected),
            (401, true, Unauthorized, ReasonCode::Unauthorized),
            (403, true, Permanent, ReasonCode::Forbidden),
            (404, true, Permanent, ReasonCode::UpstreamRejected),
            (429, false, RateLimited, ReasonCode::RateLimited),
            (500, true, Transient, ReasonCode::UpstreamUnavailable),
            (500, false, Permanent, ReasonCode::UpstreamUnavailable),
            (502, false, Permanent, ReasonCode::UpstreamUnavailable),
            (503, false, Transient, ReasonCode::UpstreamUnavailable),
            (302, true, Permanent, ReasonCode::RedirectRefused),
            (999, true, Permanent, ReasonCode::BadResponse),
        ] {
            let failure = status_failure(status, String::new(), retry_safe);
            assert_eq!((failure.class, failure.code), (class, code), "{status} {retry_safe}");
        }
    }

    #[test]
    fn a_lost_answer_is_unknown_only_where_the_request_may_have_had_its_effect() {
        use Class::{OutcomeUnknown, Permanent, Transient};
        let text = || "m".to_owned();
        for (error, retry_safe, class, code) in [
            (SendError::AddressRefused(text()), true, Permanent, ReasonCode::AddressRefused),
            (SendError::Redirect { status: 302 }, true, Permanent, ReasonCode::RedirectRefused),
            (SendError::Dns(text()), false, Transient, ReasonCode::Dns),
            (SendError::Tls(text()), true, Permanent, ReasonCode::Tls),
            (SendError::Connect(text()), false, Transient, ReasonCode::UpstreamUnavailable),
            (SendError::Timeout(text()), true, Transient, ReasonCode::Timeout),
            (SendError::Timeout(text()), false, OutcomeUnknown, ReasonCode::OutcomeUnknown),
            (SendError::Broken(text()), true, Transient, ReasonCode::UpstreamUnavailable),
            (SendError::Broken(text()), false, OutcomeUnknown, ReasonCode::OutcomeUnknown),
            (SendError::BadResponse(text()), true, Transient, ReasonCode::BadResponse),
            (SendError::BadResponse(text()), false, Permanent, ReasonCode::BadResponse),
            (SendError::Unsendable(text()), true, Permanent, ReasonCode::ExpressionError),
        ] {
            let failure = send_failure(&error, retry_safe);
            assert_eq!((failure.class, failure.code), (class, code), "{error:?} {retry_safe}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_garbage_is_nothing() {
        let now_ms = 1_445_412_420_000; // Wed, 21 Oct 2015 07:27:00 GMT
        for (value, seconds) in [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("Wed, 21 Oct 2015 07:28:00 GMT", Some(60)),
            ("Wed, 21 Oct 2015 07:26:00 GMT", Some(0)),
            ("-1", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(retry_after(Some(value), now_ms), seconds.map(Duration::from_secs), "{value}");
        }
        assert_eq!(retry_after(None, now_ms), None);
    }

    #[test]
    fn a_providers_words_are_dug_out_and_cut() {
        for (body, expected) in [
            (json!({ "message": "no" }), Some("no")),
            (json!({ "error": { "message": "deep" } }), Some("deep")),
            (json!({ "errors": [{ "detail": "first" }, { "detail": "second" }] }), Some("first")),
            (json!({ "error": "invalid_grant", "error_description": "token\nrevoked" }), Some("token revoked")),
            (json!("plain words"), Some("plain words")),
            (json!("<html>login</html>"), None),
            (json!({ "message": "" }), None),
            (json!({ "Error": { "Code": { "_text": "7" }, "Message": { "_text": "in XML" } } }), Some("in XML")),
            (
                json!({ "_declaration": { "_attributes": { "version": "1.0" } }, "Refusal": {
                    "_attributes": { "id": "7" }, "RequestId": { "_text": "r-1" }, "Message": { "_text": "in any root" },
                } }),
                Some("in any root"),
            ),
            (json!({ "Refusal": { "Cause": { "Message": { "_text": "two below" } } } }), None),
            (json!({ "Refusal": { "Message": { "_text": "one" } }, "Other": {} }), None),
            (json!({ "Refusal": { "_text": "its own text" } }), Some("its own text")),
            (json!({ "code": "no_words" }), None),
            (json!({ "code": 7 }), None),
            (json!(null), None),
        ] {
            assert_eq!(provider_message(&body).as_deref(), expected, "{body}");
        }
        let long = provider_message(&json!({ "message": "ä".repeat(6000) })).unwrap();
        assert_eq!(long.len(), MAX_MESSAGE_BYTES);
    }
}
