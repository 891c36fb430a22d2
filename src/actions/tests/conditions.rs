//! Steps that are performed only sometimes, and steps whose failure is not the end.

use serde_json::{Value, json};

use super::{Reply, post_install, run, start};
use crate::lifecycle::{Class, Failure, ReasonCode};
use crate::upstream::SendError;

fn transform(expression: &str) -> Value {
    json!({ "type": "transform", "config": expression })
}

/// A step with further members.
fn with(mut step: Value, members: &Value) -> Value {
    step.as_object_mut().unwrap().extend(members.as_object().cloned().unwrap());
    step
}

/// The trace's words for each entry, `<index> <status>`.
fn marks(trace: &Value) -> Vec<String> {
    let entries = trace.as_array().unwrap().iter();
    entries.map(|entry| format!("{} {}", entry["index"], entry["status"].as_str().unwrap())).collect()
}

#[test]
fn a_condition_holds_as_jsonata_casts_it() {
    for (condition, performed) in [
        ("true", true),
        ("1", true),
        ("-0.5", true),
        ("'no'", true),
        ("{ 'a': null }", true),
        ("[0, 1]", true),
        ("[[], ['x']]", true),
        ("flag", true),
        ("false", false),
        ("null", false),
        ("nothing", false),
        ("0", false),
        ("''", false),
        ("{}", false),
        ("[]", false),
        ("[0, false, '']", false),
        ("$exists(previous) and previous", false),
    ] {
        let steps = json!([with(transform("'done'"), &json!({ "run_if": condition })), transform("steps.`0`.result")]);
        let ran = run(start(&post_install(steps), json!({ "flag": "y" })), &[]);
        let trace = ran.stepper.trace().to_value();
        let expected = if performed { (json!("success"), json!("done")) } else { (json!("skipped"), Value::Null) };
        assert_eq!((trace[0]["status"].clone(), trace[1]["result"].clone()), expected, "{condition}");
    }
}

#[test]
fn a_step_whose_dependency_was_skipped_or_failed_is_skipped_too() {
    let request = json!({ "type": "request", "name": "me", "config": { "path": "/me" } });
    let steps = json!([
        with(transform("1"), &json!({ "name": "off", "run_if": "false" })),
        with(request, &json!({ "continue_on_error": true })),
        with(transform("2"), &json!({ "name": "a", "depends_on": ["off"] })),
        with(transform("3"), &json!({ "name": "b", "depends_on": 1 })),
        with(transform("4"), &json!({ "depends_on": ["a"] })),
        with(transform("5"), &json!({ "name": "c" })),
        with(transform("6"), &json!({ "depends_on": ["c", "5"] })),
    ]);
    let config = post_install(steps);
    let failed = run(start(&config, json!({})), &[Reply::Json(404, json!({}))]);
    let skipped = ["0 skipped", "1 error", "2 skipped", "3 skipped", "4 skipped", "5 success", "6 success"];
    let trace = failed.stepper.trace().to_value();
    assert_eq!(marks(&trace), skipped);
    assert_eq!(
        (&trace[0]["why"], &trace[2]["why"], &trace[5]["why"]),
        (&json!("run_if"), &json!("depends_on"), &Value::Null)
    );
    let fine = run(start(&config, json!({})), &[Reply::Json(200, json!({}))]);
    assert_eq!(marks(&fine.stepper.trace().to_value())[3], "3 success");
}

#[test]
fn a_condition_sees_what_the_step_sees_and_a_broken_one_fails_it() {
    let steps =
        json!([transform("{ 'plan': 'pro' }"), with(transform("1"), &json!({ "run_if": "$previous.plan = 'pro'" }))]);
    assert_eq!(marks(&run(start(&post_install(steps), json!({})), &[]).stepper.trace().to_value())[1], "1 success");
    for member in ["run_if", "loop_on"] {
        let steps = json!([with(transform("1"), &json!({ member: "1 + 'a'", "name": "s" }))]);
        let ran = run(start(&post_install(steps), json!({})), &[]);
        assert_eq!(ran.ending(), "post_install s expression_error");
        assert!(ran.failure().message.starts_with(member), "{}", ran.failure().message);
    }
}

#[test]
fn a_validations_verdict_that_was_skipped_says_nothing() {
    let verdict = with(transform("false"), &json!({ "run_if": "plan = 'pro'" }));
    let config = json!({ "actions": { "validation": { "steps": [verdict] } } });
    assert_eq!(run(start(&config, json!({ "plan": "free" })), &[]).ending(), "succeeded");
    assert_eq!(run(start(&config, json!({ "plan": "pro" })), &[]).ending(), "validation 0 validation_false");
}

#[test]
fn after_a_failure_that_may_happen_the_run_goes_on_and_later_steps_see_it() {
    let look = "[steps.me.result, steps.me.error.code, steps.me.error.status, $exists(previous), previous]";
    for (step, replies, code, status) in [
        (
            json!({ "config": { "path": "/me" } }),
            vec![Reply::Json(404, json!({ "message": "no" }))],
            "upstream_rejected",
            json!(404),
        ),
        (
            json!({ "config": { "path": "/me" } }),
            vec![Reply::Json(500, json!({})); 5],
            "upstream_unavailable",
            json!(500),
        ),
        (
            json!({ "config": { "path": "/me", "method": "post" } }),
            vec![Reply::Lost(SendError::Tls("m".to_owned()))],
            "tls",
            Value::Null,
        ),
        (json!({ "config": { "path": "/{{nothing}}" } }), vec![], "unresolved_placeholder", Value::Null),
        (
            json!({ "config": { "path": "/", "no_auth": true } }),
            vec![Reply::Json(401, json!({}))],
            "unauthorized",
            json!(401),
        ),
        (json!({ "type": "transform", "config": "1 + 'a'" }), vec![], "expression_error", Value::Null),
        (json!({ "type": "update_context", "config": "1" }), vec![], "expression_error", Value::Null),
    ] {
        let step = with(json!({ "type": "request", "name": "me", "continue_on_error": true }), &step);
        let ran = run(start(&post_install(json!([step, transform(look)])), json!({})), &replies);
        assert_eq!(ran.ending(), "succeeded", "{step}");
        let trace = ran.stepper.trace().to_value();
        let last = trace.as_array().unwrap().last().unwrap();
        let kept = step["type"] == "update_context";
        let seen = if status.is_null() { json!([null, code, null, !kept]) } else { json!([null, code, status, !kept]) };
        let mut seen = seen;
        if !kept {
            seen.as_array_mut().unwrap().push(Value::Null);
        }
        assert_eq!(last["result"], seen, "{step}");
        let failed = &trace[trace.as_array().unwrap().len() - 2];
        assert_eq!((&failed["status"], &failed["continued"]), (&json!("error"), &json!(true)));
    }
}

#[test]
fn a_write_that_failed_for_certain_leaves_no_doubt_when_the_run_goes_on() {
    let steps = json!([
        { "type": "request", "continue_on_error": true, "config": { "path": "/w", "method": "post" } },
        { "type": "request", "config": { "path": "/r" } },
    ]);
    let config = post_install(steps);
    let first = run(start(&config, json!({})), &[Reply::Json(400, json!({})), Reply::Crash]);
    assert_eq!(first.log, ["save", "send", "save", "send"]);
    let second = run(first.resumed(start(&config, json!({}))), &[Reply::Json(200, json!({}))]);
    assert_eq!((second.ending().as_str(), second.urls()[0]), ("succeeded", "https://api.example.test/r"));
}

#[test]
fn a_refused_credential_and_an_unknown_outcome_end_the_run_whatever_a_step_says() {
    let step = |method: &str| {
        post_install(json!([{ "type": "request", "continue_on_error": true,
            "config": { "path": "/a", "method": method, "headers": { "authorization": "x" } } }]))
    };
    let lost = run(start(&step("post"), json!({})), &[Reply::Lost(SendError::Timeout("m".to_owned()))]);
    assert_eq!(lost.ending(), "post_install 0 outcome_unknown");
    let refused = [Reply::Json(401, json!({}))];
    assert_eq!(run(start(&step("get"), json!({})), &refused).ending(), "post_install 0 unauthorized");
    let mut proven = start(&step("get"), json!({}));
    proven.proven = true;
    assert_eq!(run(proven, &refused).ending(), "refused credential_refused");
    let mut refreshable = start(&step("get"), json!({}));
    refreshable.refreshable = true;
    let dead = Failure { class: Class::Unauthorized, ..Failure::permanent(ReasonCode::CredentialRefused, "m") };
    let ran = run(refreshable, &[Reply::Json(401, json!({})), Reply::NoToken(dead)]);
    assert_eq!(ran.ending(), "refused credential_refused");
}

#[test]
fn a_steps_own_time_bounds_its_requests_and_never_lengthens_them() {
    for (timeout_ms, expected) in [(json!(null), 30_000), (json!(1_500), 1_500), (json!(120_000), 30_000)] {
        let steps = json!([{ "type": "request", "timeout_ms": timeout_ms, "config": { "path": "/a" } }]);
        let ran = run(start(&post_install(steps), json!({})), &[Reply::Json(200, json!({}))]);
        assert_eq!(ran.sent[0].timeout.as_millis(), expected, "{timeout_ms}");
    }
}
