//! Reading an answer: its body, whether the definition calls it an error, and which part of it is the result.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::classify::{Refusal, cut, expression_failure, provider_message, retry_after, send_failure, status_failure};
use crate::definitions::{RequestPlan, ResponsePath};
use crate::expression::{Scope, Shared};
use crate::lifecycle::{Class, Failure};
use crate::upstream::{Response, SendError};

/// An answer that is a success.
pub(super) struct Answer {
    /// What the step results in.
    pub(super) result: Arc<Value>,
    /// `{status, headers, body}`, as later steps see it.
    pub(super) response: Shared,
}

/// Reads `response`. The scope is the request's and gets the answer's names.
///
/// # Errors
/// What the answer, or an expression about it, refuses.
pub(super) fn read(
    response: Response,
    plan: &RequestPlan,
    scope: &mut Scope,
    retry_safe: bool,
    now_ms: i64,
) -> Result<Answer, Refusal> {
    let status = response.status;
    let (body, broken) = parse(&response);
    let body = Arc::new(body);
    let headers = response.headers.into_iter().map(|(name, value)| (name, Value::String(value)));
    let headers: Arc<Map<String, Value>> = Arc::new(headers.collect());
    let whole = Shared::of_parts([
        ("status", Value::from(status).into()),
        ("headers", Arc::clone(&headers).into()),
        ("body", Arc::clone(&body).into()),
    ]);
    let verdict = match &plan.error_expression {
        None => Verdict::ByStatus,
        Some(expression) => {
            scope.set("response", whole.clone());
            scope.set("headers", Arc::clone(&headers));
            scope.set("status", json!(status));
            scope.set("data", Arc::clone(&body));
            let said = expression.evaluate(scope);
            for name in ["response", "headers", "status", "data"] {
                scope.unset(name);
            }
            let said =
                said.map_err(|error| expression_failure("error_expression failed", &error).with_status(status))?;
            judge(said, status)
        }
    };
    let body = match verdict {
        Verdict::Success(Some(result)) => Arc::new(result),
        Verdict::Success(None) => body,
        Verdict::ByStatus if broken && (200..300).contains(&status) => {
            let message = "the answer calls itself JSON and is none".to_owned();
            return Err(send_failure(&SendError::BadResponse(message), retry_safe).with_status(status).into());
        }
        Verdict::ByStatus if (200..300).contains(&status) => body,
        Verdict::ByStatus => {
            let refusal = refusal(status, status, None, &body, &headers, retry_safe, now_ms);
            return Err(Refusal { answer: Some(whole), ..refusal });
        }
        Verdict::Error { status: mapped, message } => {
            let refusal = refusal(status, mapped, message, &body, &headers, retry_safe, now_ms);
            return Err(Refusal { answer: Some(whole), ..refusal });
        }
    };
    let result = match &plan.response_path {
        None => body,
        Some(path) => select(path, body).map(Arc::new).map_err(|failure| Refusal::from(failure.with_status(status)))?,
    };
    Ok(Answer { result, response: whole })
}

/// JSON if it is some, else text; nothing is null. And whether it calls itself JSON and cannot be read as such: cut off,
/// or a page for people.
fn parse(response: &Response) -> (Value, bool) {
    if response.status == 204 || response.body.is_empty() {
        return (Value::Null, false);
    }
    if let Ok(value) = serde_json::from_slice(&response.body) {
        return (value, false);
    }
    let text = String::from_utf8_lossy(&response.body).into_owned();
    (Value::String(text), is_broken_json(response))
}

fn is_broken_json(response: &Response) -> bool {
    let declared = response.headers.iter().any(|(name, value)| {
        let kind = value.split(';').next().unwrap_or_default().trim();
        name == "content-type" && (kind == "application/json" || kind.ends_with("+json"))
    });
    // What is JSON may still be no value: a number may be out of range.
    declared && serde_json::from_slice::<serde::de::IgnoredAny>(&response.body).is_err()
}

/// What an `error_expression` said.
#[derive(Debug, PartialEq)]
enum Verdict {
    /// Nothing: the status code decides.
    ByStatus,
    /// A success, perhaps with another body.
    Success(Option<Value>),
    /// An error, classified by this status.
    Error { status: u16, message: Option<String> },
}

fn judge(said: Option<Value>, upstream: u16) -> Verdict {
    let default = if upstream >= 400 { upstream } else { 502 };
    let error = |message| Verdict::Error { status: default, message };
    match said {
        None | Some(Value::Null | Value::Bool(false)) => Verdict::ByStatus,
        Some(Value::String(text)) if text.is_empty() => Verdict::ByStatus,
        Some(Value::String(text)) => error(Some(text)),
        Some(Value::Object(mut mapped)) => {
            let message = match mapped.shift_remove("message") {
                None | Some(Value::Null) => None,
                Some(Value::String(text)) => Some(text),
                Some(other) => Some(provider_message(&other).unwrap_or_else(|| other.to_string())),
            };
            match (mapped.get("status").map(status_code), &message) {
                (None, None) => Verdict::ByStatus,
                (None, Some(_)) => error(message),
                (Some(status), _) if status < 400 => Verdict::Success(mapped.shift_remove("result")),
                (Some(status), _) => Verdict::Error { status, message },
            }
        }
        // Anything else that is there is merely truthy, and zero or an empty list is not even that.
        Some(Value::Number(number)) if number.as_f64() == Some(0.0) => Verdict::ByStatus,
        Some(Value::Array(items)) if items.is_empty() => Verdict::ByStatus,
        Some(Value::Bool(true) | Value::Number(_) | Value::Array(_)) => error(None),
    }
}

/// A mapped status: a number or a text of digits; whatever is no status counts as a bad gateway.
fn status_code(value: &Value) -> u16 {
    let number = value.as_f64().or_else(|| value.as_str().and_then(|text| text.trim().parse().ok()));
    number.filter(|number| (100.0..600.0).contains(number)).map_or(502, |number| number as u16)
}

fn refusal(
    status: u16,
    mapped: u16,
    message: Option<String>,
    body: &Value,
    headers: &Map<String, Value>,
    retry_safe: bool,
    now_ms: i64,
) -> Refusal {
    let reading = if mapped == status { String::new() } else { format!(", which the definition reads as {mapped}") };
    let words = message.map(|message| cut(&message)).or_else(|| provider_message(body));
    let words = words.map(|words| format!(": {words}")).unwrap_or_default();
    let text = format!("the upstream answered {status}{reading}{words}");
    let failure = status_failure(mapped, text, retry_safe).with_status(status);
    let waits = matches!(failure.class, Class::RateLimited) || mapped == 503;
    let header = headers.get("retry-after").and_then(Value::as_str).filter(|_| waits);
    Refusal { retry_after: retry_after(header, now_ms), failure, answer: None }
}

/// The part of the body that the definition wants; nothing there is null.
fn select(path: &ResponsePath, body: Arc<Value>) -> Result<Value, Failure> {
    // Neither time nor randomness has a say in which part of an answer is wanted.
    let found = match &*body {
        Value::Object(_) => path.object.evaluate_over(&body),
        Value::Array(_) => {
            let mut scope = Scope::new(Map::new(), 0, 0);
            scope.set("data", body);
            path.array.evaluate(&scope)
        }
        _ if path.object.source().trim() == "$" => return Ok(Arc::unwrap_or_clone(body)),
        _ => return Ok(Value::Null),
    };
    found.map(Option::unwrap_or_default).map_err(|error| expression_failure("response_path failed", &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_an_error_expressions_result_is_understood() {
        let error = |status, message: Option<&str>| Verdict::Error { status, message: message.map(str::to_owned) };
        for (said, upstream, expected) in [
            (None, 200, Verdict::ByStatus),
            (Some(json!(null)), 500, Verdict::ByStatus),
            (Some(json!(false)), 500, Verdict::ByStatus),
            (Some(json!("")), 200, Verdict::ByStatus),
            (Some(json!({})), 404, Verdict::ByStatus),
            (Some(json!([])), 404, Verdict::ByStatus),
            (Some(json!(0)), 404, Verdict::ByStatus),
            (Some(json!(true)), 200, error(502, None)),
            (Some(json!(true)), 404, error(404, None)),
            (Some(json!("no")), 200, error(502, Some("no"))),
            (Some(json!("no")), 418, error(418, Some("no"))),
            (Some(json!({ "message": "m" })), 200, error(502, Some("m"))),
            (Some(json!({ "message": "m" })), 409, error(409, Some("m"))),
            (Some(json!({ "status": 401 })), 200, error(401, None)),
            (Some(json!({ "status": "401", "message": { "detail": "d" } })), 200, error(401, Some("d"))),
            (Some(json!({ "status": 9000 })), 200, error(502, None)),
            (Some(json!({ "status": 200 })), 404, Verdict::Success(None)),
            (Some(json!({ "status": 200, "message": "m", "result": [] })), 404, Verdict::Success(Some(json!([])))),
        ] {
            assert_eq!(judge(said.clone(), upstream), expected, "{said:?} {upstream}");
        }
    }

    fn selected(source: &str, body: Value) -> Value {
        let compiled = |source: &str| crate::expression::Expression::compile(source).unwrap();
        let path = ResponsePath { object: compiled(source), array: compiled(&format!("[[data]].(\n{source}\n)")) };
        select(&path, Arc::new(body)).unwrap()
    }

    #[test]
    fn a_body_that_calls_itself_json_and_is_none_is_broken() {
        let answer = |status, kind: &str, body: &[u8]| Response {
            status,
            headers: vec![("content-type".to_owned(), kind.to_owned())],
            body: body.to_vec(),
        };
        for (status, kind, body, broken) in [
            (200, "application/json; charset=utf-8", &b"{\"half\": "[..], true),
            (200, "application/problem+json", b"<html>", true),
            (200, "application/json", b"[1] ", false),
            (200, "application/json", b"", false),
            (204, "application/json", b"x", false),
            (200, "text/html", b"<html>", false),
        ] {
            assert_eq!(parse(&answer(status, kind, body)).1, broken, "{status} {kind}");
        }
    }

    #[test]
    fn a_response_path_has_the_body_as_its_input_whatever_its_shape() {
        for (source, body, expected) in [
            ("data.users", json!({ "data": { "users": [{ "id": 1 }] } }), json!([{ "id": 1 }])),
            ("data", json!({ "other": 1 }), json!(null)),
            ("id", json!([{ "id": 1 }, { "id": 2 }]), json!([1, 2])),
            ("$[0]", json!([{ "id": 1 }, { "id": 2 }]), json!({ "id": 1 })),
            ("$count($)", json!([1, 2, 3]), json!(3)),
            ("$", json!([[1], [2]]), json!([[1], [2]])),
            ("$", json!("text"), json!("text")),
            ("id", json!("text"), json!(null)),
            ("id", json!(null), json!(null)),
        ] {
            assert_eq!(selected(source, body.clone()), expected, "{source} of {body}");
        }
    }

    #[test]
    fn a_body_is_json_or_text_or_nothing() {
        let parsed = |status, body: &str| parse(&Response { status, headers: Vec::new(), body: body.into() }).0;
        assert_eq!(parsed(200, r#"{"id":9007199254740993}"#), json!({ "id": 9_007_199_254_740_993_u64 }));
        assert_eq!(parsed(200, "pong"), json!("pong"));
        assert_eq!(parsed(200, ""), json!(null));
        assert_eq!(parsed(204, "{}"), json!(null));
    }
}
