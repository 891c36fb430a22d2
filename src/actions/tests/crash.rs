//! A worker dies anywhere; the next one goes on from what was durable.

use serde_json::{Value, json};

use super::{Reply, post_install, run, start};
use crate::upstream::SendError;

fn make(step: Value) -> Value {
    let mut step = step;
    step["type"] = json!("request");
    step["config"] = json!({ "method": "post", "path": "/hooks", "body": { "n": "{{= $uuid() }}", "org": "{{org}}" } });
    post_install(json!([
        { "type": "request", "name": "me", "config": { "path": "/me" } },
        { "type": "update_context", "config": { "expression": "{ 'org': $previous.org }" } },
        step,
        { "type": "update_context", "config": { "expression": "{ 'hook': $previous.id }" } },
        { "type": "request", "config": { "path": "/check/{{steps.me.result.org}}/{{hook}}" } },
    ]))
}

fn me() -> Reply {
    Reply::Json(200, json!({ "org": "o1" }))
}

#[test]
fn an_intent_without_a_key_ends_in_an_unknown_outcome() {
    let config = make(json!({ "name": "hook" }));
    let first = run(start(&config, json!({})), &[me(), Reply::Crash]);
    assert_eq!(first.log, ["send", "save", "send"]);
    let second = run(first.resumed(start(&config, json!({}))), &[]);
    assert_eq!(second.ending(), "post_install hook outcome_unknown");
    assert_eq!(second.stepper.context()["org"], "o1", "the writes before it are durable with the intent");
}

#[test]
fn an_intent_with_a_key_is_sent_again_byte_for_byte() {
    let config = make(json!({ "idempotency_key": "X-Request-Id" }));
    let first = run(start(&config, json!({})), &[me(), Reply::Crash]);
    let mut given = first.resumed(start(&config, json!({})));
    given.seed = 99;
    let second = run(given, &[Reply::Json(201, json!({ "id": "h1" })), Reply::Json(200, json!({}))]);
    assert_eq!(second.ending(), "succeeded");
    assert_eq!(second.sent[0], first.sent[1]);
    assert!(second.sent[0].headers.iter().any(|(name, _)| name == "x-request-id"));
    assert_eq!(second.urls()[1], "https://api.example.test/check/o1/h1");
    assert_eq!(second.log, ["send", "save", "send"], "the result is durable before anything else goes out");
}

#[test]
fn a_write_that_may_be_repeated_needs_no_intent_and_is_rendered_again_the_same() {
    let config = make(json!({ "on_unknown": "retry" }));
    let first = run(start(&config, json!({})), &[me(), Reply::Crash]);
    assert_eq!(first.log, ["send", "send"]);
    let second = run(first.resumed(start(&config, json!({}))), &[me(), Reply::Crash]);
    assert_eq!(second.sent[1], first.sent[1]);
}

#[test]
fn a_result_that_was_saved_is_not_asked_for_again() {
    let config = make(json!({}));
    let first = run(start(&config, json!({})), &[me(), Reply::Json(201, json!({ "id": "h1" })), Reply::Crash]);
    assert_eq!(first.log, ["send", "save", "send", "save", "send"]);
    let second = run(first.resumed(start(&config, json!({}))), &[Reply::Json(200, json!({}))]);
    assert_eq!(second.ending(), "succeeded");
    assert_eq!(second.urls(), ["https://api.example.test/check/o1/h1"]);
    assert_eq!(second.stepper.context()["hook"], "h1");
    let steps: Vec<_> =
        second.stepper.trace().to_value().as_array().unwrap().iter().map(|entry| entry["index"].clone()).collect();
    assert_eq!(steps, [0, 1, 2, 3, 4], "the trace goes on");
}

#[test]
fn a_write_that_was_certainly_refused_leaves_no_intent_behind() {
    let config = make(json!({}));
    for reply in [Reply::Json(503, json!({})), Reply::Lost(SendError::Connect("refused".to_owned()))] {
        let first = run(start(&config, json!({})), &[me(), reply, Reply::Crash]);
        assert_eq!(first.log, ["send", "save", "send", "save", "Backoff 500", "save", "send"]);
    }
    // Died in the wait: the request is simply made.
    let mut stepper_waits = run(start(&config, json!({})), &[me(), Reply::Json(503, json!({})), Reply::Crash]);
    let progress: Value = serde_json::from_str(&stepper_waits.saved.take().unwrap()).unwrap();
    assert!(progress["intent"].is_object(), "the last save is of the second intent");
}

#[test]
fn a_request_that_was_withdrawn_before_it_went_out_leaves_no_doubt() {
    let config = post_install(json!([{ "type": "request", "config": { "method": "post", "path": "/a" } }]));
    let tick = super::Tick { now_ms: super::NOW_MS, active_ms: 0, jitter: 0 };
    for sent in [false, true] {
        let mut stepper = super::Stepper::new(start(&config, json!({})));
        assert!(matches!(stepper.next(super::Input::Begin, tick), super::Output::Save));
        assert!(matches!(stepper.next(super::Input::Saved, tick), super::Output::Send(_)));
        if !sent {
            stepper.withdraw();
        }
        let mut again = start(&config, json!({}));
        again.progress = Some(stepper.progress());
        let replies: &[Reply] = if sent { &[] } else { &[Reply::Json(201, json!({}))] };
        let expected = if sent { "post_install 0 outcome_unknown" } else { "succeeded" };
        assert_eq!(run(again, replies).ending(), expected);
    }
}

#[test]
fn bytes_that_may_have_gone_out_before_are_kept_when_a_repetition_is_withdrawn() {
    let config = post_install(json!([
        { "type": "request", "idempotency_key": true, "config": { "method": "post", "path": "/a", "body": "{{= $uuid() }}" } },
    ]));
    let first = run(start(&config, json!({})), &[Reply::Crash]);
    let tick = super::Tick { now_ms: super::NOW_MS, active_ms: 0, jitter: 0 };
    let mut stepper = super::Stepper::new(first.resumed(start(&config, json!({}))));
    assert!(matches!(stepper.next(super::Input::Begin, tick), super::Output::Send(_)));
    stepper.withdraw();
    let mut again = start(&config, json!({}));
    again.seed = 99;
    again.progress = Some(stepper.progress());
    assert_eq!(run(again, &[Reply::Json(201, json!({}))]).sent[0], first.sent[0]);
}

#[test]
fn attempts_count_across_a_worker_that_was_put_away_in_a_wait() {
    let config = post_install(json!([{ "type": "request", "config": { "path": "/a" } }]));
    let mut progress = None;
    let mut sends = 0;
    for _ in 0..20 {
        let mut given = start(&config, json!({}));
        given.progress = progress.take();
        let mut stepper = super::Stepper::new(given);
        let tick = super::Tick { now_ms: super::NOW_MS, active_ms: 0, jitter: 0 };
        let output = stepper.next(super::Input::Begin, tick);
        assert!(matches!(output, super::Output::Send(_)), "{output:?}");
        sends += 1;
        let broken = super::Input::Answered(super::response(500, &[], &json!({})));
        match stepper.next(broken, tick) {
            super::Output::Wait { .. } => progress = Some(stepper.progress()),
            super::Output::Done(_) => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(sends, 5);
}

#[test]
fn undefined_and_null_results_stay_apart_across_a_crash() {
    for (expression, expected) in [("nothing", "undefined"), ("null", "null")] {
        let config = post_install(json!([
            { "type": "transform", "config": expression },
            { "type": "request", "config": { "method": "post", "path": "/a", "no_auth": true } },
            { "type": "transform", "config": "$exists(steps.`0`) ? 'ok'" },
        ]));
        let first = run(start(&config, json!({})), &[Reply::Crash]);
        let saved: Value = serde_json::from_str(first.saved.as_ref().unwrap()).unwrap();
        let found = if saved.get("previous").is_some() { "null" } else { "undefined" };
        assert_eq!(found, expected);
        let progress: super::Progress = serde_json::from_value(saved.clone()).unwrap();
        assert_eq!(serde_json::to_value(&progress).unwrap(), saved);
    }
}
