//! The steps that need nobody, what they see, and what a validation says.

use serde_json::{Value, json};

use super::{Reply, object, post_install, run, start};
use crate::lifecycle::{Phase, Task};

fn transform(expression: &str) -> Value {
    json!({ "type": "transform", "config": expression })
}

/// Evaluates an expression as a step of its own and answers what came of it.
fn seen(expression: &str, context: Value) -> Value {
    let config = post_install(json!([transform(expression)]));
    run(start(&config, context), &[]).stepper.trace().to_value()[0]["result"].clone()
}

#[test]
fn expressions_see_the_context_the_account_and_the_environment() {
    for (expression, expected) in [
        ("api_key", json!("k")),
        ("context.api_key", json!("k")),
        ("credentials.api_key", json!("k")),
        ("$context.api_key", json!("k")),
        ("account.tenant_id & '/' & account.region", json!("acme-1/eu")),
        ("account.is_sandbox", json!(false)),
        ("account.authentication_method", json!("api_key")),
        ("environment_variables.zone", json!("z1")),
        ("environment_variables.secret", json!("canary-env")),
        ("step.index", json!(0)),
        ("id = account.id", json!(true)),
        ("$exists(previous)", json!(false)),
    ] {
        assert_eq!(seen(expression, json!({ "api_key": "k" })), expected, "{expression}");
    }
}

#[test]
fn reserved_names_win_over_context_keys() {
    let context = json!({ "account": "mine", "steps": "mine", "environment_variables": { "zone": "mine" } });
    assert_eq!(seen("account.region", context.clone()), json!("eu"));
    assert_eq!(seen("environment_variables.zone", context.clone()), json!("z1"));
    assert_eq!(seen("context.account", context), json!("mine"));
}

#[test]
fn later_steps_see_earlier_ones_by_name_and_index_and_the_previous_result() {
    let config = post_install(json!([
        { "type": "request", "name": "me", "config": { "path": "/me", "response_path": "data" } },
        { "type": "update_context", "config": { "expression": "{ 'org_id': $previous.org }" } },
        transform("[steps.me.result.org, $steps.`0`.response.headers.etag, steps.me.response.body.data.org, org_id, context.org_id, previous.org]"),
    ]));
    let reply = Reply::With(200, "etag", "e", json!({ "data": { "org": "o" } }));
    let ran = run(start(&config, json!({})), &[reply]);
    assert_eq!(ran.stepper.trace().to_value()[2]["result"], json!(["o", "e", "o", "o", "o", "o"]));
}

#[test]
fn context_steps_write_and_read() {
    let config = post_install(json!([
        { "type": "set_context", "config": { "a": "{{api_key}}-1", "list": [1, 2], "gone": "{{nothing:undefined}}" } },
        { "type": "get_context", "config": "list.1" },
        { "type": "get_context", "config": ["a", "nothing"] },
        { "type": "get_context", "config": { "path": "nothing" } },
        transform("{ 'b': a }"),
        { "type": "update_context" },
    ]));
    let ran = run(start(&config, json!({ "api_key": "k" })), &[]);
    assert_eq!(ran.ending(), "succeeded");
    let results: Vec<Value> = (1..4).map(|index| ran.stepper.trace().to_value()[index]["result"].clone()).collect();
    assert_eq!(results, [json!(2), json!(["k-1", null]), json!(null)]);
    assert_eq!(**ran.stepper.context(), object(json!({ "api_key": "k", "a": "k-1", "list": [1, 2], "b": "k-1" })));
}

#[test]
fn only_objects_can_be_merged_into_the_context() {
    for (expression, found) in [("'text'", "a text"), ("[1]", "a list"), ("nothing", "undefined"), ("null", "null")] {
        let config =
            post_install(json!([{ "type": "update_context", "name": "w", "config": { "expression": expression } }]));
        let ran = run(start(&config, json!({})), &[]);
        assert_eq!(ran.ending(), "post_install w expression_error");
        assert!(ran.failure().message.contains(found), "{}", ran.failure().message);
    }
}

#[test]
fn an_expression_that_fails_or_runs_away_fails_its_step() {
    for (expression, code) in
        [("1 + 'a'", "expression_error"), ("($f := function($n) { 1 + $f($n) }; $f(1))", "expression_limit")]
    {
        let ran = run(start(&post_install(json!([transform(expression)])), json!({})), &[]);
        assert_eq!(ran.ending(), format!("post_install 0 {code}"));
        assert_eq!(ran.stepper.trace().to_value()[0]["status"], "error");
    }
}

#[test]
fn a_validation_says_no_with_its_last_transform() {
    for (expression, message) in [
        ("false", Some("the validation's last step said no")),
        ("null", Some("the validation's last step said no")),
        ("nothing", Some("the validation's last step said no")),
        ("{ 'valid': false, 'message': 'no seats' }", Some("no seats")),
        ("{ 'valid': false }", Some("the validation's last step said no")),
        ("true", None),
        ("{ 'valid': true, 'message': 'fine' }", None),
        ("0", None),
        ("'text'", None),
        ("{}", None),
    ] {
        let config = json!({ "actions": { "validation": { "steps": [transform(expression)] } } });
        let ran = run(start(&config, json!({})), &[]);
        match message {
            None => assert_eq!(ran.ending(), "succeeded", "{expression}"),
            Some(message) => {
                assert_eq!(ran.ending(), "validation 0 validation_false", "{expression}");
                assert_eq!(ran.failure().message, message);
            }
        }
    }
    // Only the last step of a validation has a say.
    let no = transform("false");
    let config = json!({ "actions": { "post_install": no, "validation": { "steps": [no, transform("true")] } } });
    assert_eq!(run(start(&config, json!({})), &[]).ending(), "succeeded");
}

#[test]
fn a_run_can_begin_with_the_validation_and_phases_do_not_see_each_others_steps() {
    let config = json!({ "actions": {
        "post_install": transform("1"),
        "validation": transform("$exists(steps.`0`) or $exists(previous) ? false : true"),
    } });
    assert_eq!(run(start(&config, json!({})), &[]).ending(), "succeeded");
    let mut given = start(&config, json!({}));
    given.task = Task::Phases(Phase::Validation);
    let ran = run(given, &[]);
    assert_eq!(ran.ending(), "succeeded");
    assert_eq!(ran.stepper.trace().to_value().as_array().unwrap().len(), 1);
}

#[test]
fn sandbox_accounts_read_but_do_not_write_unless_a_step_says_so() {
    let write = |allowed: bool| json!({ "type": "request", "allow_in_sandbox": allowed, "config": { "method": "delete", "path": "/a" } });
    let read = json!({ "type": "request", "config": { "path": "/b" } });
    let head = json!({ "type": "request", "config": { "method": "HEAD", "path": "/c" } });
    let mut given = start(&post_install(json!([write(false), read, head, write(true)])), json!({}));
    given.account.is_sandbox = true;
    let ok = || Reply::Json(200, json!({}));
    let ran = run(given, &[ok(), ok(), ok()]);
    assert_eq!(ran.ending(), "succeeded");
    assert_eq!(ran.sent.iter().map(|request| request.method.as_str()).collect::<Vec<_>>(), ["GET", "HEAD", "DELETE"]);
    let trace = ran.stepper.trace().to_value();
    assert_eq!((&trace[0]["status"], &trace[0]["why"]), (&json!("skipped"), &json!("sandbox")));
}
