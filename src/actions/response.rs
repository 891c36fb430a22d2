//! Reading an answer: its body, whether the definition calls it an error, and which part of it is the result.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::classify::{Refusal, cut, expression_failure, provider_message, retry_after, send_failure, status_failure};
use super::parse::{self, Parsed};
use super::{rate_limit, scopes};
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
    let Parsed { body, broken } = parse::body(&response, plan.answer);
    let body = Arc::new(body);
    let headers = response.headers.into_iter().map(|(name, value)| (name, Value::String(value)));
    let headers: Arc<Map<String, Value>> = Arc::new(headers.collect());
    let whole = Shared::of_parts([
        ("status", Value::from(status).into()),
        ("headers", Arc::clone(&headers).into()),
        ("body", Arc::clone(&body).into()),
    ]);
    let limits = plan.rate_limit.as_ref();
    let verdict = match &plan.error_expression {
        _ if rate_limit::is_limited(limits, status, &headers, scope) => {
            Verdict::Error { status: 429, message: None, headers: None }
        }
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
    let is_success = (200..300).contains(&status);
    // What the definition calls a success is one, unless it insists on what it can read.
    let matters = match &verdict {
        Verdict::ByStatus => is_success,
        Verdict::Success(None) => plan.answer.strict == Some(true),
        Verdict::Success(Some(_)) | Verdict::Error { .. } => false,
    };
    if let Some(why) = broken.filter(|_| matters) {
        let error = SendError::BadResponse(why.to_owned());
        return Err(send_failure(&error, retry_safe).with_status(status).into());
    }
    let (mapped, said) = match verdict {
        Verdict::Success(Some(result)) => (None, Said { result: Some(result), ..Said::default() }),
        Verdict::Success(None) => (None, Said::default()),
        Verdict::ByStatus => ((!is_success).then_some(status), Said::default()),
        Verdict::Error { status: mapped, message, headers } => {
            (Some(mapped), Said { message, headers, ..Said::default() })
        }
    };
    if let Some(mapped) = mapped {
        let lacks = plan.scopes.as_ref().filter(|_| mapped == 403).and_then(|needed| scopes::missing(needed, scope));
        let answer = Refused { status, mapped, said, lacks, body: &body, headers: &headers };
        let refusal = rate_limit::timed(answer.refusal(retry_safe, now_ms), limits, &headers, scope, now_ms);
        return Err(Refusal { answer: Some(whole), ..refusal });
    }
    let body = said.result.map_or(body, Arc::new);
    let result = match &plan.response_path {
        None => body,
        Some(path) => select(path, body).map(Arc::new).map_err(|failure| Refusal::from(failure.with_status(status)))?,
    };
    Ok(Answer { result, response: whole })
}

/// What an `error_expression` said.
#[derive(Debug, PartialEq)]
enum Verdict {
    /// Nothing: the status code decides.
    ByStatus,
    /// A success, perhaps with another body.
    Success(Option<Value>),
    /// An error, classified by this status, with what was said of it.
    Error { status: u16, message: Option<String>, headers: Option<Value> },
}

fn judge(said: Option<Value>, upstream: u16) -> Verdict {
    let default = if upstream >= 400 { upstream } else { 502 };
    let error = |message| Verdict::Error { status: default, message, headers: None };
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
            let status = mapped.get("status").filter(|status| !status.is_null()).map(status_code);
            match (status, &message) {
                (None, None) => Verdict::ByStatus,
                (Some(status), _) if status < 400 => Verdict::Success(mapped.shift_remove("result")),
                (status, _) => Verdict::Error {
                    status: status.unwrap_or(default),
                    message,
                    headers: mapped.shift_remove("headers"),
                },
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

/// What a definition said of an answer.
#[derive(Default)]
struct Said {
    result: Option<Value>,
    message: Option<String>,
    headers: Option<Value>,
}

/// An answer that is an error.
struct Refused<'a> {
    status: u16,
    mapped: u16,
    said: Said,
    /// The scopes that were missing.
    lacks: Option<String>,
    body: &'a Value,
    headers: &'a Map<String, Value>,
}

impl Refused<'_> {
    fn refusal(self, retry_safe: bool, now_ms: i64) -> Refusal {
        let Self { status, mapped, said, lacks, body, headers } = self;
        let reading =
            if mapped == status { String::new() } else { format!(", which the definition reads as {mapped}") };
        let lacks = lacks.map(|lacks| format!("; {lacks}")).unwrap_or_default();
        let words = said.message.map(|message| cut(&message)).or_else(|| provider_message(body));
        let words = words.map(|words| format!(": {words}")).unwrap_or_default();
        let text = format!("the upstream answered {status}{reading}{lacks}{words}");
        let failure = status_failure(mapped, text, retry_safe).with_status(status);
        let waits = matches!(failure.class, Class::RateLimited) || mapped == 503;
        let header = said.headers.as_ref().and_then(asked_to_wait);
        let header = header.or_else(|| Some(headers.get("retry-after")?.as_str()?.to_owned())).filter(|_| waits);
        Refusal { retry_after: retry_after(header.as_deref(), now_ms), failure, answer: None }
    }
}

/// `Retry-After` as a definition gives it, in place of the provider's.
fn asked_to_wait(headers: &Value) -> Option<String> {
    let (_, value) = headers.as_object()?.iter().find(|(name, _)| name.eq_ignore_ascii_case("retry-after"))?;
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(seconds) => seconds.as_f64().map(|seconds| seconds.ceil().to_string()),
        _ => None,
    }
}

/// The part of the body that the definition wants; nothing there is null.
fn select(path: &ResponsePath, body: Arc<Value>) -> Result<Value, Failure> {
    // Neither time nor randomness has a say in which part of an answer is wanted.
    let found = match &*body {
        Value::Null => return Ok(Value::Null),
        Value::Array(_) => {
            let mut scope = Scope::new(Map::new(), 0, 0);
            scope.set("data", body);
            path.array.evaluate(&scope)
        }
        _ => path.object.evaluate_over(&body),
    };
    found.map(Option::unwrap_or_default).map_err(|error| expression_failure("response_path failed", &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_an_error_expressions_result_is_understood() {
        let error = |status, message: Option<&str>| Verdict::Error {
            status,
            message: message.map(str::to_owned),
            headers: None,
        };
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
            ("$split($, ' ')", json!("two words"), json!(["two", "words"])),
            ("$ + 1", json!(1), json!(2)),
            ("id", json!(null), json!(null)),
        ] {
            assert_eq!(selected(source, body.clone()), expected, "{source} of {body}");
        }
    }
}
