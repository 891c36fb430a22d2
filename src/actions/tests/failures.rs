//! What follows from each failure of a request, for requests that may be repeated and for those that may not.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Reply, post_install, run, start};
use crate::lifecycle::RetryPolicy;
use crate::upstream::SendError;

fn get() -> Value {
    post_install(json!([{ "type": "request", "name": "ask", "config": { "path": "/a" } }]))
}

fn post() -> Value {
    post_install(json!([{ "type": "request", "name": "make", "config": { "method": "post", "path": "/a" } }]))
}

fn keyed() -> Value {
    post_install(json!([
        { "type": "request", "name": "make", "idempotency_key": true, "config": { "method": "post", "path": "/a" } },
    ]))
}

fn text() -> String {
    "lost".to_owned()
}

#[test]
fn a_failure_that_no_repetition_mends_ends_the_phase_at_once() {
    for (reply, code) in [
        (Reply::Json(400, json!({})), "upstream_rejected"),
        (Reply::Json(401, json!({})), "unauthorized"),
        (Reply::Json(403, json!({})), "forbidden"),
        (Reply::Json(404, json!({})), "upstream_rejected"),
        (Reply::Json(302, json!({})), "redirect_refused"),
        (Reply::Lost(SendError::AddressRefused(text())), "address_refused"),
        (Reply::Lost(SendError::Redirect { status: 302 }), "redirect_refused"),
        (Reply::Lost(SendError::Tls(text())), "tls"),
        (Reply::Lost(SendError::Unsendable(text())), "expression_error"),
    ] {
        let ran = run(start(&get(), json!({})), std::slice::from_ref(&reply));
        assert_eq!(ran.ending(), format!("post_install ask {code}"), "{reply:?}");
    }
}

#[test]
fn a_read_is_repeated_on_transient_failures_until_its_attempts_are_used_up() {
    for (reply, code) in [
        (Reply::Json(500, json!({})), "upstream_unavailable"),
        (Reply::Json(503, json!({})), "upstream_unavailable"),
        (Reply::Lost(SendError::Dns(text())), "dns"),
        (Reply::Lost(SendError::Connect(text())), "upstream_unavailable"),
        (Reply::Lost(SendError::Timeout(text())), "timeout"),
        (Reply::Lost(SendError::Broken(text())), "upstream_unavailable"),
        (Reply::Lost(SendError::BadResponse(text())), "bad_response"),
    ] {
        let ran = run(start(&get(), json!({})), &vec![reply.clone(); 5]);
        assert_eq!(ran.ending(), format!("post_install ask {code}"), "{reply:?}");
        let waits = ["Backoff 500", "Backoff 1000", "Backoff 2000", "Backoff 4000"];
        assert_eq!(ran.log.iter().filter(|entry| *entry != "send").collect::<Vec<_>>(), waits, "{reply:?}");
    }
}

#[test]
fn a_write_without_a_key_is_repeated_only_when_it_certainly_had_no_effect() {
    for (reply, code) in [
        (Reply::Json(500, json!({})), "upstream_unavailable"),
        (Reply::Json(502, json!({})), "upstream_unavailable"),
        (Reply::Lost(SendError::Timeout(text())), "outcome_unknown"),
        (Reply::Lost(SendError::Broken(text())), "outcome_unknown"),
        (Reply::Lost(SendError::BadResponse(text())), "bad_response"),
    ] {
        let ran = run(start(&post(), json!({})), std::slice::from_ref(&reply));
        assert_eq!(ran.ending(), format!("post_install make {code}"), "{reply:?}");
    }
    for reply in
        [Reply::Json(503, json!({})), Reply::Lost(SendError::Connect(text())), Reply::Lost(SendError::Dns(text()))]
    {
        let ran = run(start(&post(), json!({})), &[reply.clone(), Reply::Json(201, json!({}))]);
        assert_eq!(ran.ending(), "succeeded", "{reply:?}");
        assert_eq!(ran.log, ["save", "send", "save", "Backoff 500", "save", "send"], "{reply:?}");
    }
}

#[test]
fn a_write_with_a_key_is_repeated_with_the_same_bytes() {
    for reply in [Reply::Json(500, json!({})), Reply::Lost(SendError::Timeout(text()))] {
        let ran = run(start(&keyed(), json!({})), &[reply, Reply::Json(201, json!({}))]);
        assert_eq!(ran.ending(), "succeeded");
        assert_eq!(ran.log, ["save", "send", "Backoff 500", "send"]);
        assert_eq!(ran.sent[0], ran.sent[1]);
        let key = format!("{}:post_install:0", uuid::Uuid::from_u128(1));
        assert!(ran.sent[0].headers.contains(&("idempotency-key".to_owned(), key)));
    }
}

#[test]
fn a_rate_limit_is_waited_for_without_using_an_attempt() {
    let limited = |value| Reply::With(429, "retry-after", value, json!({}));
    let mut given = start(&post(), json!({}));
    given.retry = RetryPolicy { attempts: 1, ..RetryPolicy::default() };
    let replies = [
        limited("7"),
        limited("Thu, 01 Jan 2026 00:01:00 GMT"),
        limited("whenever"),
        Reply::Json(429, json!({})),
        Reply::Json(200, json!({})),
    ];
    let ran = run(given, &replies);
    assert_eq!(ran.ending(), "succeeded");
    let waits: Vec<&String> = ran.log.iter().filter(|entry| entry.starts_with("RateLimited")).collect();
    // The date is 60 s after the start, of which 9 s have passed; who says nothing gets a minute and jitter.
    assert_eq!(waits, ["RateLimited 7000", "RateLimited 51000", "RateLimited 63000", "RateLimited 63000"]);
}

#[test]
fn retry_after_zero_still_waits_and_ever_longer() {
    let ran = run(
        start(&get(), json!({})),
        &[
            Reply::With(429, "retry-after", "0", json!({})),
            Reply::With(429, "retry-after", "0", json!({})),
            Reply::Json(200, json!({})),
        ],
    );
    assert_eq!(ran.log, ["send", "RateLimited 500", "send", "RateLimited 1000", "send"]);
}

#[test]
fn one_long_wait_is_cut_to_the_limit_and_a_second_one_fails() {
    let limited = || Reply::With(429, "retry-after", "86400", json!({ "message": "tomorrow" }));
    let ran = run(start(&get(), json!({})), &[limited(), limited()]);
    assert_eq!(ran.log, ["send", "RateLimited 900000", "send"]);
    assert_eq!(ran.ending(), "post_install ask rate_limited");
    assert_eq!(ran.failure().message, "the upstream answered 429: tomorrow");
}

#[test]
fn a_503_says_when_to_come_back() {
    let ran = run(
        start(&get(), json!({})),
        &[
            Reply::With(503, "retry-after", "12", json!({})),
            Reply::With(503, "retry-after", "99999", json!({})),
            Reply::Json(200, json!({})),
        ],
    );
    assert_eq!(ran.log, ["send", "Backoff 12000", "send", "Backoff 900000", "send"]);
}

#[test]
fn a_proven_credential_that_is_refused_without_refresh_is_refused_for_good() {
    let mut given = start(&get(), json!({}));
    given.proven = true;
    assert_eq!(run(given, &[Reply::Json(401, json!({}))]).ending(), "refused credential_refused");
    let mut anonymous = post_install(json!([{ "type": "request", "config": { "path": "/a", "no_auth": true } }]));
    anonymous["authorization"] = json!({ "format": "bearer" });
    let mut given = start(&anonymous, json!({}));
    given.proven = true;
    assert_eq!(run(given, &[Reply::Json(401, json!({}))]).ending(), "post_install 0 unauthorized");
}

#[test]
fn an_error_expression_turns_answers_into_errors_and_errors_into_answers() {
    for (expression, reply, ending) in [
        ("status = 404 ? { 'status': 200, 'result': [] }", Reply::Json(404, json!({})), "succeeded"),
        ("data.ok = false ? { 'status': 403 }", Reply::Json(200, json!({ "ok": false })), "post_install 0 forbidden"),
        (
            "response.body.ok = false ? 'no'",
            Reply::Json(409, json!({ "ok": false })),
            "post_install 0 upstream_rejected",
        ),
        (
            "headers.`x-error` = 'y' ? { 'status': 400 }",
            Reply::With(200, "x-error", "y", json!({})),
            "post_install 0 upstream_rejected",
        ),
        ("null", Reply::Json(404, json!({})), "post_install 0 upstream_rejected"),
        ("$error('boom')", Reply::Json(200, json!({})), "post_install 0 expression_error"),
        ("(1/0)", Reply::Json(200, json!({})), "post_install 0 expression_error"),
    ] {
        let mut config = post_install(json!([{ "type": "request", "config": { "path": "/a" } }]));
        config["error_expression"] = json!(expression);
        let ran = run(start(&config, json!({})), std::slice::from_ref(&reply));
        assert_eq!(ran.ending(), ending, "{expression}");
    }
}

#[test]
fn a_steps_error_expression_replaces_the_integrations() {
    let mut config = post_install(json!([
        { "type": "request", "config": { "path": "/a", "error_expression": "status = 418 ? { 'status': 200 }" } },
    ]));
    config["error_expression"] = json!("{ 'status': 403 }");
    assert_eq!(run(start(&config, json!({})), &[Reply::Json(418, json!({}))]).ending(), "succeeded");
}

#[test]
fn a_failing_host_is_given_up_when_the_phase_is_out_of_time() {
    let mut given = start(&get(), json!({}));
    given.retry.attempts = 1_000;
    given.limits.phase = Duration::from_secs(10);
    let ran = run(given, &vec![Reply::Json(500, json!({})); 10]);
    assert_eq!(ran.ending(), "post_install ask upstream_unavailable");
}
