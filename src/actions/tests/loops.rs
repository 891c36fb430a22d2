//! Steps that are performed for each item of a list.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::{Input, NOW_MS, Output, Ran, Reply, Stepper, Tick, object, post_install, response, run, start};
use crate::actions::turn::MAX_ITEMS;
use crate::upstream::SendError;

/// A loop that posts each of `items`, and a step that looks at what came of it.
fn posts(members: Value) -> Value {
    let mut step = json!({
        "type": "request", "name": "post", "loop_on": "items",
        "config": { "method": "post", "path": "/hooks/{{item}}", "body": { "n": "{{index:int}}", "id": "{{= $uuid() }}" } },
    });
    step.as_object_mut().unwrap().extend(object(members));
    post_install(json!([step, { "type": "transform", "config": "steps.post" }]))
}

fn items(count: usize) -> Value {
    json!({ "items": (0..count).map(|item| format!("i{item}")).collect::<Vec<_>>() })
}

fn made(id: i64) -> Reply {
    Reply::Json(201, json!({ "id": id }))
}

/// The last result of a step.
fn result(ran: &Ran, index: usize) -> Value {
    let trace = ran.stepper.trace().to_value();
    let mut entries = trace.as_array().unwrap().iter().rev();
    entries.find(|entry| entry["index"] == index).unwrap()["result"].clone()
}

#[test]
fn whatever_an_expression_gives_is_a_list_of_items() {
    let look =
        "{ 'list': steps.each.result, 'same': previous = steps.each.result, 'item': $exists(item) or $exists(index) }";
    for (source, expected) in [
        ("[1, 2, 3]", json!([10, 20, 30])),
        ("7", json!([70])),
        ("[]", json!([])),
        ("nothing", json!([])),
        ("null", json!([])),
        ("[1..3][$ > 1]", json!([20, 30])),
        ("context.list", json!([50])),
    ] {
        let steps = json!([
            { "type": "transform", "name": "each", "loop_on": source, "config": "$item * 10" },
            { "type": "transform", "config": look },
        ]);
        let ran = run(start(&post_install(steps), json!({ "list": [5] })), &[]);
        assert_eq!(ran.ending(), "succeeded");
        assert_eq!(result(&ran, 1), json!({ "list": expected, "same": true, "item": false }), "{source}");
    }
}

#[test]
fn a_loop_has_a_bound() {
    let looped = |count: usize| {
        let steps = json!([
            { "type": "transform", "loop_on": format!("[1..{count}]"), "config": "index" },
            { "type": "transform", "config": "previous[-1]" },
        ]);
        run(start(&post_install(steps), json!({})), &[])
    };
    assert_eq!(result(&looped(MAX_ITEMS), 1), MAX_ITEMS - 1);
    let over = looped(MAX_ITEMS + 1);
    assert_eq!(over.ending(), "post_install 0 expression_limit");
    assert!(over.failure().message.contains("1001 items; at most 1000"), "{}", over.failure().message);
}

#[test]
fn the_results_of_a_loop_have_a_bound_together() {
    let steps = json!([{ "type": "transform", "loop_on": "[1..20]", "config": "$pad('', 900000, 'x')" }]);
    let ran = run(start(&post_install(steps), json!({})), &[]);
    assert_eq!(ran.ending(), "post_install 0 expression_limit");
    assert!(ran.failure().message.starts_with("the loop's results have"), "{}", ran.failure().message);
}

#[test]
fn each_item_is_a_request_of_its_own_with_its_key_and_its_attempts() {
    let config = posts(json!({ "idempotency_key": true }));
    let mut replies = Vec::new();
    for id in 0..3 {
        replies.extend([
            Reply::Json(503, json!({})),
            Reply::Json(503, json!({})),
            Reply::Json(503, json!({})),
            made(id),
        ]);
    }
    let ran = run(start(&config, items(3)), &replies);
    assert_eq!(ran.ending(), "succeeded");
    assert_eq!(result(&ran, 1), json!({ "result": [{ "id": 0 }, { "id": 1 }, { "id": 2 }] }));
    for (at, request) in ran.sent.iter().enumerate() {
        let item = at / 4;
        let key = request.headers.iter().find(|(name, _)| name == "idempotency-key").map(|(_, key)| key.clone());
        assert_eq!(key, Some(format!("00000000-0000-0000-0000-000000000001:post_install:0:{item}")));
        assert_eq!(request.url, format!("https://api.example.test/hooks/i{item}"));
        let body: Value = serde_json::from_slice(request.body.as_ref().unwrap()).unwrap();
        assert_eq!(body["n"], item);
        assert_eq!(request.body, ran.sent[item * 4].body, "all attempts send the same");
    }
    let bodies: HashSet<_> = ran.sent.iter().map(|request| request.body.clone()).collect();
    assert_eq!(bodies.len(), 3, "each item draws its own random numbers");
    let trace = ran.stepper.trace().to_value();
    let seen: Vec<_> = trace.as_array().unwrap().iter().map(|entry| (&entry["item"], &entry["attempt"])).collect();
    assert_eq!(seen[3..5], [(&json!(0), &json!(4)), (&json!(1), &json!(1))]);
    assert_eq!(seen[12].0, &Value::Null);
}

#[test]
fn items_that_are_done_are_not_done_again_after_a_crash() {
    let config = posts(json!({}));
    let first = run(start(&config, items(3)), &[made(0), made(1), Reply::Crash]);
    assert_eq!(first.log, ["save", "send", "save", "send", "save", "send"]);
    let lost = run(first.resumed(start(&config, items(3))), &[]);
    assert_eq!(lost.ending(), "post_install post outcome_unknown");
    let keyed = posts(json!({ "idempotency_key": true }));
    let first = run(start(&keyed, items(3)), &[made(0), made(1), Reply::Crash]);
    // The context has other items by now; the loop's own were settled when it began.
    let second = run(first.resumed(start(&keyed, items(9))), &[made(2)]);
    assert_eq!(second.sent[0], first.sent[2]);
    assert_eq!(result(&second, 1), json!({ "result": [{ "id": 0 }, { "id": 1 }, { "id": 2 }] }));
}

#[test]
fn a_run_that_is_taken_up_again_at_every_save_does_the_same() {
    let mut config = posts(json!({ "idempotency_key": true, "continue_on_error": true }));
    let steps = config["actions"]["post_install"]["steps"].as_array_mut().unwrap();
    steps.push(json!({ "type": "update_context", "loop_on": "steps.post.result", "config": "{ 'last': $item.id, 'seen': $append(seen, $item.id) }" }));
    steps.push(json!({ "type": "request", "idempotency_key": "X-Key", "config": { "method": "put", "path": "/end", "body": "{{seen:json}}" } }));
    let unbroken = at_every_save(&config, false);
    assert_eq!(unbroken, at_every_save(&config, true));
    let (sent, context) = unbroken;
    assert_eq!(sent.len(), 5);
    assert_eq!(context["seen"], json!([0, 1, 3]));
}

/// A request's URL and body.
type Sent = (String, Option<Vec<u8>>);

/// What is sent, and the context in the end. With `reborn` a stepper lives until the first thing it has saved.
fn at_every_save(config: &Value, reborn: bool) -> (Vec<Sent>, Value) {
    let mut stepper = Stepper::new(start(config, items(4)));
    let tick = Tick { now_ms: NOW_MS, active_ms: 0, jitter: 0 };
    let (mut input, mut sent) = (Input::Begin, Vec::new());
    loop {
        input = match stepper.next(input, tick) {
            Output::Send(request) => {
                let status = if request.url.ends_with("i2") { 422 } else { 200 };
                let id = sent.len();
                sent.push((request.url, request.body));
                Input::Answered(response(status, &[], &json!({ "id": id })))
            }
            Output::Save if reborn => {
                let saved = serde_json::to_string(&stepper.progress()).unwrap();
                let mut again = start(config, items(0));
                again.progress = Some(serde_json::from_str(&saved).unwrap());
                stepper = Stepper::new(again);
                Input::Begin
            }
            Output::Save => Input::Saved,
            Output::Done(outcome) => {
                assert_eq!(outcome, super::Outcome::Succeeded);
                let mut context = Value::Object((**stepper.context()).clone());
                context.as_object_mut().unwrap().shift_remove("items");
                return (sent, context);
            }
            other => panic!("{other:?}"),
        };
    }
}

#[test]
fn an_item_that_may_fail_is_null_and_the_others_are_done() {
    let config = posts(json!({ "continue_on_error": true }));
    let no = || Reply::Json(422, json!({ "message": "no" }));
    let ran = run(start(&config, items(4)), &[made(0), no(), made(2), no()]);
    let error =
        json!({ "code": "upstream_rejected", "message": "the upstream answered 422: no", "status": 422, "index": 1 });
    assert_eq!(result(&ran, 1), json!({ "result": [{ "id": 0 }, null, { "id": 2 }, null], "error": error }));
    let ends = run(start(&posts(json!({})), items(4)), &[made(0), no()]);
    assert_eq!(ends.ending(), "post_install post upstream_rejected");
}

#[test]
fn a_loop_that_writes_the_context_sees_what_it_wrote_and_leaves_the_previous_result() {
    let steps = json!([
        { "type": "transform", "config": "'before'" },
        { "type": "update_context", "loop_on": "[1, 2, 3]", "config": "{ 'sum': (sum ? sum : 0) + item }" },
        { "type": "transform", "config": "[sum, previous]" },
    ]);
    let ran = run(start(&post_install(steps), json!({})), &[]);
    assert_eq!(result(&ran, 2), json!([6, "before"]));
}

#[test]
fn a_sandbox_account_skips_a_writing_loop_as_a_whole() {
    let mut given = start(&posts(json!({})), items(3));
    given.account.is_sandbox = true;
    let ran = run(given, &[]);
    assert_eq!(result(&ran, 1), json!({ "result": null, "response": null }));
    assert_eq!(ran.stepper.trace().to_value()[0]["status"], "skipped");
}

#[test]
fn a_refresh_between_items_is_made_once_for_each_of_them_at_most() {
    let config = post_install(json!([{ "type": "request", "loop_on": "[1, 2]",
        "config": { "path": "/{{item}}", "authorization": { "format": "bearer", "config": { "token": "{{t}}" } } } }]));
    let mut given = start(&config, json!({ "t": "old" }));
    given.refreshable = true;
    let (no, yes) = (|| Reply::Json(401, json!({})), || Reply::Json(200, json!({})));
    let ran =
        run(given, &[no(), Reply::Token(json!({ "t": "new" })), yes(), no(), Reply::Token(json!({ "t": "x" })), yes()]);
    assert_eq!(ran.ending(), "succeeded");
}

#[test]
fn a_lost_answer_of_an_item_ends_the_run_in_doubt_about_that_item() {
    let ran = run(
        start(&posts(json!({ "continue_on_error": true })), items(3)),
        &[made(0), Reply::Lost(SendError::Timeout("m".to_owned()))],
    );
    assert_eq!(ran.ending(), "post_install post outcome_unknown");
    assert!(ran.stepper.doubt().is_some());
}

#[test]
fn a_loop_that_asks_nobody_lets_its_driver_look_up_now_and_then_and_loses_nothing_by_it() {
    let config = post_install(json!([
        { "type": "transform", "name": "each", "loop_on": "items", "config": "index * 2" },
        { "type": "transform", "config": "$sum(steps.each.result)" },
    ]));
    let mut stepper = Stepper::new(start(&config, items(100)));
    let tick = Tick { now_ms: NOW_MS, active_ms: 0, jitter: 0 };
    let mut input = Input::Begin;
    let mut looks = 0;
    while let Output::Wait { after, .. } = stepper.next(input, tick) {
        assert!(after.is_zero());
        looks += 1;
        // It may be put away in between.
        let saved = serde_json::to_string(&stepper.progress()).unwrap();
        let mut given = start(&config, items(100));
        given.progress = Some(serde_json::from_str(&saved).unwrap());
        stepper = Stepper::new(given);
        input = Input::Begin;
    }
    assert!(looks >= 5, "{looks}");
    let trace = stepper.trace().to_value();
    assert_eq!(trace.as_array().unwrap().last().unwrap()["result"], json!(9900));
}
