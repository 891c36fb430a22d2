//! Actions beside the phases, performed on demand.

use serde_json::{Value, json};

use super::{Ran, Reply, plan_of, run, start};

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
    given.action = Some(name.to_owned());
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
        (given.action, given.proven) = (Some("sync_users".to_owned()), proven);
        assert_eq!(run(given, &[Reply::Json(401, json!({}))]).ending(), ending);
    }
}

#[test]
fn an_action_goes_on_where_a_worker_died() {
    let first = action("sync_users", &[users(), Reply::Crash]);
    let mut given = start(&config(), json!({}));
    given.action = Some("sync_users".to_owned());
    let second = run(first.resumed(given), &[Reply::Json(201, json!({}))]);
    assert_eq!((second.ending().as_str(), &second.sent[0]), ("succeeded", &first.sent[1]));
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
