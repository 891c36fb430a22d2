//! Actions beside the phases, performed on demand.

use serde_json::{Value, json};

use super::{Ran, Reply, plan_of, run, start};
use crate::lifecycle::{Class, Failure, ReasonCode, Task};
use crate::upstream::SendError;

fn config() -> Value {
    json!({
        "base_url": "https://api.example.test",
        "actions": {
            "validation": { "type": "transform", "config": "false" },
            "sync_users": { "steps": [
                { "type": "request", "name": "users", "config": { "path": "/users" } },
                { "type": "request", "loop_on": "steps.users.result", "idempotency_key": true,
                  "config": { "method": "post", "path": "/seen", "body": "{{item:json}}" } },
                { "type": "transform", "config": "{ 'users': $count(steps.users.result), 'first': steps.users.result[0] }" },
                { "type": "set_context", "config": { "synced": true } },
            ] },
            "bare": { "type": "transform", "config": "42" },
            "refresh_token": { "type": "transform", "config": "{ 'access_token': 'x' }" },
            "post_connect_user_form": { "steps": [{ "type": "form", "config": { "fields": [] } }] },
            "nothing": null,
        },
    })
}

fn action(name: &str, replies: &[Reply]) -> Ran {
    let mut given = start(&config(), json!({}));
    given.task = Task::Action(name.to_owned());
    run(given, replies)
}

fn users() -> Reply {
    Reply::Json(200, json!([{ "id": 1 }]))
}

#[test]
fn an_action_is_performed_instead_of_the_phases_and_has_a_result() {
    let ran = action("sync_users", &[users(), Reply::Json(201, json!({}))]);
    assert_eq!(ran.ending(), "succeeded");
    assert_eq!(ran.stepper.phase(), None);
    assert_eq!(ran.stepper.result(), Some(&json!({ "users": 1, "first": { "id": 1 } })));
    assert_eq!(ran.stepper.context()["synced"], true);
    assert_eq!(ran.stepper.trace().to_value()[0]["phase"], "action");
    let key = ran.sent[1].headers.iter().find(|(name, _)| name == "idempotency-key").map(|(_, key)| key.as_str());
    assert_eq!(key, Some("00000000-0000-0000-0000-000000000001:action:1:0"));
    assert_eq!(action("bare", &[]).stepper.result(), Some(&json!(42)));
}

#[test]
fn an_action_fails_as_a_phase_does() {
    assert_eq!(action("sync_users", &[Reply::Json(404, json!({}))]).ending(), "action users upstream_rejected");
    for (proven, ending) in [(true, "refused credential_refused"), (false, "action users unauthorized")] {
        let mut given = start(&config(), json!({ "api_key": "k" }));
        (given.task, given.proven) = (Task::Action("sync_users".to_owned()), proven);
        assert_eq!(run(given, &[Reply::Json(401, json!({}))]).ending(), ending);
    }
}

#[test]
fn an_action_goes_on_where_a_worker_died() {
    let first = action("sync_users", &[users(), Reply::Crash]);
    let mut given = start(&config(), json!({}));
    given.task = Task::Action("sync_users".to_owned());
    let second = run(first.resumed(given), &[Reply::Json(201, json!({}))]);
    assert_eq!((second.ending().as_str(), &second.sent[0]), ("succeeded", &first.sent[1]));
}

#[test]
fn an_unknown_outcome_of_an_action_is_told_with_what_can_be_done_about_it() {
    let mut config = config();
    config["actions"]["push"] = json!({ "type": "request", "config": { "method": "post", "path": "/push" } });
    let mut given = start(&config, json!({}));
    given.task = Task::Action("push".to_owned());
    let ran = run(given, &[Reply::Lost(SendError::Timeout("no answer".to_owned()))]);
    assert_eq!(ran.ending(), "action 0 outcome_unknown");
    let message = &ran.failure().message;
    assert!(message.contains("before the action is asked for again") && !message.contains("--resend"), "{message}");
}

#[test]
fn an_action_that_cannot_be_run_keeps_nobody_from_loading_the_definition() {
    let plan = plan_of(&config());
    assert_eq!(plan.actions.len(), 4, "{:?}", plan.actions);
    assert!(plan.actions["refresh_token"].is_ok());
    for (name, words) in [
        ("post_connect_user_form", "/steps/0/type: a form needs a person"),
        ("sync", "it has no action `sync`; there is: "),
    ] {
        let ran = action(name, &[]);
        assert_eq!(ran.ending(), "action - definition_invalid");
        assert!(ran.failure().message.contains(words), "{}", ran.failure().message);
    }
}

#[test]
fn an_action_proves_the_credential_by_an_answered_request_that_brought_it_and_by_nothing_else() {
    let mut config = config();
    config["authorization"] = json!({ "format": "bearer", "config": { "token": "{{api_key}}" } });
    config["actions"]["ask"] = json!({ "type": "request", "config": { "path": "/me" } });
    config["actions"]["ask_openly"] = json!({ "type": "request", "config": { "path": "/status", "no_auth": true } });
    config["actions"]["ask_and_go_on"] =
        json!({ "type": "request", "continue_on_error": true, "config": { "path": "/me" } });
    let cases = [
        ("ask", Reply::Json(200, json!({})), true),
        ("ask_openly", Reply::Json(200, json!({})), false),
        ("ask_and_go_on", Reply::Json(503, json!({})), false),
    ];
    for (name, reply, proves) in cases {
        let mut given = start(&config, json!({ "api_key": "k" }));
        given.task = Task::Action(name.to_owned());
        given.retry.attempts = 1;
        let ran = run(given, &[reply]);
        assert_eq!((ran.ending().as_str(), ran.stepper.proves()), ("succeeded", proves), "{name}");
    }
    let bare = action("bare", &[]);
    assert_eq!((bare.ending().as_str(), bare.stepper.proves()), ("succeeded", false));
    assert!(run(start(&json!({}), json!({})), &[]).stepper.proves(), "what passed its phases works");
}

fn refresh(replies: &[Reply]) -> Ran {
    let mut given = start(&config(), json!({}));
    (given.task, given.refreshable) = (Task::Refresh, true);
    run(given, replies)
}

#[test]
fn a_refresh_alone_is_one_refresh_and_its_outcome_is_the_run_s() {
    let renewed = refresh(&[Reply::Token(json!({ "oauth": { "token": { "access_token": "new" } } }))]);
    assert_eq!((renewed.ending().as_str(), renewed.stepper.proves()), ("succeeded", true));
    assert_eq!(renewed.log, ["refresh"]);
    let failure = |class| Failure { class, ..Failure::permanent(ReasonCode::UpstreamUnavailable, "no".to_owned()) };
    let refused = refresh(&[Reply::NoToken(failure(Class::Unauthorized))]);
    assert_eq!(refused.ending(), "refused upstream_unavailable");
    let given_up = refresh(&vec![Reply::NoToken(failure(Class::Transient)); 5]);
    assert_eq!(given_up.ending(), "action - upstream_unavailable");
    let waits = given_up.log.iter().filter(|said| said.starts_with("RefreshBackoff")).count();
    assert_eq!((waits, given_up.stepper.phase()), (4, None));
    let trace = given_up.stepper.trace().to_value();
    assert_eq!(trace.as_array().unwrap().len(), 5);
    let told =
        json!([trace[4]["phase"], trace[4]["type"], trace[4]["attempt"], trace[4]["error"], trace[4]["duration_ms"]]);
    assert_eq!(told, json!(["refresh", "refresh", 5, "no", 1_000]));
    let mended = refresh(&[Reply::NoToken(failure(Class::Transient)), Reply::Token(json!({}))]);
    assert_eq!(mended.ending(), "succeeded");
    let lost = refresh(&[Reply::NoToken(failure(Class::OutcomeUnknown))]);
    assert_eq!(lost.ending(), "action - upstream_unavailable");
}
