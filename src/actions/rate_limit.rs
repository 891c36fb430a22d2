//! Which answers are limited ones, and how long they ask to wait.
//!
//! A definition's expression that gives nothing usable (nothing, another type, an error) counts as not there: a bare
//! header name, which is a difference of things that are not there, does no harm then.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::classify::{Refusal, retry_after};
use crate::definitions::RateLimit;
use crate::expression::{Expression, Scope};
use crate::lifecycle::Class;

/// The wait that a limited answer asks for which does not say how long.
pub(super) const UNTOLD: Duration = Duration::from_mins(1);

/// A larger number of seconds is a time since the epoch.
const EPOCH_FROM: f64 = 1e9;

type Headers = Arc<Map<String, Value>>;

/// Whether the definition calls an answer limited. What it does not know is left to the status code.
pub(super) fn is_limited(plan: Option<&RateLimit>, status: u16, headers: &Headers, scope: &mut Scope) -> bool {
    let Some(expression) = plan.and_then(|plan| plan.is_rate_limited.as_ref()) else { return false };
    said(expression, status, headers, scope) == Some(Value::Bool(true))
}

/// A refusal with the time that a limited answer asks for: the longer of what the two kinds of headers say.
pub(super) fn timed(
    refusal: Refusal,
    plan: Option<&RateLimit>,
    headers: &Headers,
    scope: &mut Scope,
    now_ms: i64,
) -> Refusal {
    if refusal.failure.class != Class::RateLimited {
        return refusal;
    }
    let status = refusal.failure.http_status.unwrap_or_default();
    let mut ask = |expression: Option<&Expression>| said(expression?, status, headers, scope);
    let pause = ask(plan.and_then(|plan| plan.retry_after.as_ref())).and_then(|said| seconds(&said, now_ms));
    let reset = ask(plan.and_then(|plan| plan.limits.as_ref())).and_then(|said| reset(&said, now_ms));
    let header = |name: &str| headers.get(name).and_then(|value| seconds(value, now_ms));
    // What an `error_expression` gave in its place is in the refusal already.
    let pause = pause.or(refusal.retry_after).or_else(|| header("retry-after"));
    let reset = reset.or_else(|| header("ratelimit-reset"));
    Refusal { retry_after: pause.max(reset), ..refusal }
}

/// What an expression says of an answer; nothing if it fails.
fn said(expression: &Expression, status: u16, headers: &Headers, scope: &mut Scope) -> Option<Value> {
    scope.set("status", json!(status));
    scope.set("headers", Arc::clone(headers));
    let said = expression.evaluate(scope);
    scope.unset("status");
    scope.unset("headers");
    said.ok().flatten()
}

/// The time until a reset: of an object its member, else the value itself.
fn reset(said: &Value, now_ms: i64) -> Option<Duration> {
    match said {
        Value::Object(members) => seconds(members.get("reset")?, now_ms),
        other => seconds(other, now_ms),
    }
}

/// A number of seconds, or a time since the epoch; as a number, as text, or as the date that `Retry-After` may hold.
fn seconds(value: &Value, now_ms: i64) -> Option<Duration> {
    let number = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => match text.trim().parse::<f64>() {
            Ok(number) => number,
            Err(_) => return retry_after(Some(text), now_ms),
        },
        _ => return None,
    };
    let from_now = if number > EPOCH_FROM { number - now_ms as f64 / 1000.0 } else { number };
    // Whoever lies before now is over; who asks for more than can be said asks for very long. No number is neither.
    if from_now.is_nan() { None } else { Some(Duration::try_from_secs_f64(from_now.max(0.0)).unwrap_or(Duration::MAX)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::{Failure, ReasonCode};

    const NOW_MS: i64 = 1_445_412_420_000; // Wed, 21 Oct 2015 07:27:00 GMT

    fn plan(document: &Value) -> RateLimit {
        RateLimit::compile(document, "").unwrap().0
    }

    fn headers(given: &Value) -> Headers {
        Arc::new(given.as_object().cloned().unwrap())
    }

    fn asked(document: &Value, given: &Value) -> Option<u64> {
        let failure = Failure { class: Class::RateLimited, ..Failure::transient(ReasonCode::RateLimited, "m") };
        let mut scope = Scope::new(Map::new(), NOW_MS, 1);
        let timed = timed(failure.with_status(429).into(), Some(&plan(document)), &headers(given), &mut scope, NOW_MS);
        timed.retry_after.map(|wait| wait.as_secs())
    }

    #[test]
    fn the_longer_of_both_headers_is_waited_for() {
        for (given, expected) in [
            (json!({}), None),
            (json!({ "retry-after": "7" }), Some(7)),
            (json!({ "retry-after": "Wed, 21 Oct 2015 07:28:00 GMT" }), Some(60)),
            (json!({ "ratelimit-reset": "30" }), Some(30)),
            (json!({ "retry-after": "7", "ratelimit-reset": "30" }), Some(30)),
            (json!({ "retry-after": "40", "ratelimit-reset": "30" }), Some(40)),
            (json!({ "retry-after": "soon", "ratelimit-reset": "30" }), Some(30)),
            (json!({ "retry-after": "-3" }), Some(0)),
            (json!({ "retry-after": "NaN" }), None),
            (json!({ "retry-after": "1e300" }), Some(u64::MAX)),
            (json!({ "ratelimit-reset": "1445412425" }), Some(5)),
            (json!({ "ratelimit-reset": "1445412000" }), Some(0)),
        ] {
            assert_eq!(asked(&json!({}), &given), expected, "{given}");
        }
    }

    #[test]
    fn expressions_stand_before_the_headers_unless_they_give_nothing_usable() {
        let given = json!({ "retry-after": "7", "x-reset": "1445412430", "x-pause": "20", "x-ms": "1500" });
        for (document, expected) in [
            (json!({ "retry_after_header_expression": "$number(headers.`x-pause`)" }), Some(20)),
            (json!({ "retry_after_header_expression": "headers.`x-pause`" }), Some(20)),
            (json!({ "retry_after_header_expression": "$number(headers.`x-ms`) / 1000" }), Some(1)),
            // A bare name, an error, another type: the header.
            (json!({ "retry_after_header_expression": "Retry-After" }), Some(7)),
            (json!({ "retry_after_header_expression": "$error('no')" }), Some(7)),
            (json!({ "retry_after_header_expression": "[1]" }), Some(7)),
            (json!({ "rate_limit_header_expression": "$number(headers.`x-reset`)" }), Some(10)),
            (json!({ "rate_limit_header_expression": "{ 'limit': 5, 'reset': headers.`x-reset` }" }), Some(10)),
            (json!({ "rate_limit_header_expression": "{ 'reset': 90 }" }), Some(90)),
            (json!({ "rate_limit_header_expression": "{ 'remaining': 0 }" }), Some(7)),
            (json!({ "rate_limit_header_expression": "X-RateLimit-Remaining" }), Some(7)),
        ] {
            assert_eq!(asked(&document, &given), expected, "{document}");
        }
    }

    #[test]
    fn an_answer_is_limited_where_the_expression_says_true_and_nothing_else() {
        for (expression, expected) in [
            ("status = 403 and headers.`x-left` = '0'", true),
            ("status = 429", false),
            ("headers.`x-left`", false),
            ("1", false),
            ("$error('no')", false),
            ("X-RateLimit-Remaining", false),
        ] {
            let plan = plan(&json!({ "is_rate_limited": expression }));
            let mut scope = Scope::new(Map::new(), NOW_MS, 1);
            let limited = is_limited(Some(&plan), 403, &headers(&json!({ "x-left": "0" })), &mut scope);
            assert_eq!(limited, expected, "{expression}");
        }
    }

    #[test]
    fn another_failure_is_left_as_it_is() {
        let refusal =
            Refusal { failure: Failure::transient(ReasonCode::Timeout, "m"), retry_after: None, answer: None };
        let mut scope = Scope::new(Map::new(), NOW_MS, 1);
        let given = headers(&json!({ "ratelimit-reset": "9" }));
        assert_eq!(timed(refusal.clone(), None, &given, &mut scope, NOW_MS), refusal);
    }
}
