//! Rate limits that a definition describes, and requests that find the way to their host closed.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Reply, post_install, run, start};
use crate::actions::{GateScope, Input, Outcome, Output, Start, Stepper, Tick, WaitReason};
use crate::lifecycle::RetryPolicy;
use crate::upstream::Response;

fn get(rate_limit: &Value) -> Value {
    let mut config = post_install(json!([{ "type": "request", "name": "ask", "config": { "path": "/a" } }]));
    config["rate_limit"] = rate_limit.clone();
    config
}

fn tick(ms: u64) -> Tick {
    Tick { now_ms: super::NOW_MS + ms as i64, active_ms: ms, jitter: 0 }
}

fn answer(status: u16) -> Input {
    Input::Answered(Response { status, headers: Vec::new(), body: Vec::new() })
}

#[test]
fn the_definition_says_what_is_limited_and_for_how_long_and_no_attempt_is_used() {
    let limit = json!({
        "is_rate_limited": "status = 403 and headers.`x-left` = '0'",
        "retry_after_header_expression": "$number(headers.`x-left`) + 5",
    });
    let mut given = start(&get(&limit), json!({}));
    given.retry = RetryPolicy { attempts: 1, ..RetryPolicy::default() };
    let ran = run(given, &[Reply::With(403, "x-left", "0", json!({})), Reply::Json(200, json!({}))]);
    assert_eq!(ran.log, ["send", "RateLimited 5000", "send"]);
    let other = run(start(&get(&limit), json!({})), &[Reply::With(403, "x-left", "1", json!({}))]);
    assert_eq!(other.ending(), "post_install ask forbidden");
}

#[test]
fn a_steps_own_rate_limit_replaces_the_integrations() {
    let mut config = get(&json!({ "is_rate_limited": "status = 403" }));
    config["actions"]["post_install"]["steps"][0]["config"]["rate_limit"] =
        json!({ "is_rate_limited": "status = 420" });
    let ran = run(start(&config, json!({})), &[Reply::Json(420, json!({})), Reply::Json(403, json!({}))]);
    assert_eq!(ran.ending(), "post_install ask forbidden");
}

#[test]
fn values_that_are_no_expressions_leave_the_defaults_in_force() {
    let limit = json!({ "is_rate_limited": true, "retry_after_header_expression": "Retry-After",
        "rate_limit_header_expression": "X-RateLimit-Remaining" });
    let replies = [Reply::With(429, "retry-after", "9", json!({})), Reply::Json(200, json!({}))];
    assert_eq!(run(start(&get(&limit), json!({})), &replies).log, ["send", "RateLimited 9000", "send"]);
}

#[test]
fn only_a_limit_of_the_installs_closes_its_gate() {
    for (limit, gate) in [(json!({}), None), (json!({ "scope": "install" }), Some(GateScope::Install))] {
        let mut stepper = Stepper::new(start(&get(&limit), json!({})));
        assert!(matches!(stepper.next(Input::Begin, tick(0)), Output::Send(_)));
        let Output::Wait { reason, gate: told, .. } = stepper.next(answer(429), tick(10)) else { panic!() };
        assert_eq!((reason, told), (WaitReason::RateLimited, gate), "{limit}");
        stepper.next(Input::Waited, tick(20));
        // A failure that is no limit concerns the account alone.
        let Output::Wait { reason, gate: told, .. } = stepper.next(answer(503), tick(30)) else { panic!() };
        assert_eq!((reason, told), (WaitReason::Backoff, None));
    }
}

/// Drives to the `Send` that is next, saving what is to be saved.
fn sends(stepper: &mut Stepper, mut input: Input, at: u64) -> Output {
    loop {
        match stepper.next(input, tick(at)) {
            Output::Save => input = Input::Saved,
            output => return output,
        }
    }
}

fn post() -> Start {
    let config = post_install(json!([{ "type": "request", "config": { "method": "post", "path": "/a", "body": {} } }]));
    start(&config, json!({}))
}

#[test]
fn a_gated_request_waits_without_an_attempt_and_is_sent_when_the_way_is_open() {
    let mut given = start(&get(&json!({})), json!({}));
    given.retry = RetryPolicy { attempts: 1, ..RetryPolicy::default() };
    let mut stepper = Stepper::new(given);
    let mut input = Input::Begin;
    for at in 0..50 {
        assert!(matches!(sends(&mut stepper, input, at), Output::Send(_)));
        let gated = stepper.next(Input::Gated { after: Duration::from_secs(3) }, tick(at));
        let Output::Wait { reason, after, gate } = gated else { panic!("{gated:?}") };
        assert_eq!((reason, after, gate), (WaitReason::Gated, Duration::from_secs(3), None));
        input = Input::Waited;
    }
    assert!(matches!(sends(&mut stepper, input, 60), Output::Send(_)));
    assert!(matches!(stepper.next(answer(200), tick(70)), Output::Done(Outcome::Succeeded)));
    let trace = stepper.trace().to_value();
    assert_eq!((trace.as_array().map(Vec::len), &trace[0]["attempt"]), (Some(1), &json!(1)), "{trace}");
}

#[test]
fn a_gated_write_leaves_no_intent_behind_whenever_its_worker_dies() {
    let mut stepper = Stepper::new(post());
    assert!(matches!(sends(&mut stepper, Input::Begin, 0), Output::Send(_)));
    let saved = stepper.next(Input::Gated { after: Duration::from_mins(1) }, tick(1));
    assert!(matches!(saved, Output::Save), "the intent that was saved is taken back: {saved:?}");
    let progress = stepper.progress();
    assert!(matches!(stepper.next(Input::Saved, tick(1)), Output::Wait { .. }));
    let mut successor = Stepper::new(Start { progress: Some(progress), ..post() });
    assert!(matches!(sends(&mut successor, Input::Begin, 0), Output::Send(_)));
}

#[test]
fn a_wait_at_a_gate_is_cut_to_the_longest_wait() {
    let mut stepper = Stepper::new(start(&get(&json!({})), json!({})));
    stepper.next(Input::Begin, tick(0));
    let gated = stepper.next(Input::Gated { after: Duration::from_hours(25) }, tick(0));
    assert!(matches!(gated, Output::Wait { after, .. } if after == Duration::from_mins(15)), "{gated:?}");
}
