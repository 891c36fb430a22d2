//! What an operator says about a run that ended without knowing what became of its last request.

use serde_json::{Value, json};

use super::{Input, NOW_MS, Output, Progress, Ran, Reply, Start, Stepper, Tick, post_install, run, start};
use crate::lifecycle::Unknown;
use crate::upstream::SendError;

const TICK: Tick = Tick { now_ms: NOW_MS, active_ms: 0, jitter: 0 };

fn config(members: &Value) -> Value {
    let mut step = json!({
        "type": "request", "name": "hook",
        "config": { "method": "post", "path": "/hooks", "body": "{{= $uuid() }}" },
    });
    step.as_object_mut().unwrap().extend(members.as_object().cloned().unwrap());
    post_install(json!([
        { "type": "update_context", "config": "{ 'before': 1 }" },
        { "type": "request", "config": { "path": "/me" } },
        step,
        { "type": "transform", "name": "seen", "config": "{ 'hook': steps.hook, 'me': steps.`1`.result }" },
    ]))
}

fn lost() -> Reply {
    Reply::Lost(SendError::Timeout("m".to_owned()))
}

fn me() -> Reply {
    Reply::Json(200, json!({ "id": "me" }))
}

/// What a run that ended left, with the operator's word; as the store keeps it.
fn told(ended: &Ran, config: &Value, word: Unknown) -> Start {
    let left = serde_json::to_string(&ended.stepper.progress().answered(word)).unwrap();
    let mut given = start(config, json!({ "before": 1, "patched": true }));
    (given.run_id, given.seed) = (uuid::Uuid::from_u128(9), 9);
    given.progress = Some(serde_json::from_str::<Progress>(&left).unwrap());
    given
}

fn seen(ran: &Ran) -> Value {
    let trace = ran.stepper.trace().to_value();
    trace.as_array().unwrap().iter().find(|entry| entry["name"] == "seen").unwrap()["result"].clone()
}

#[test]
fn the_same_bytes_are_sent_once_more_and_the_run_goes_on_behind_them() {
    let config = config(&json!({}));
    let ended = run(start(&config, json!({})), &[me(), lost()]);
    assert_eq!(ended.ending(), "post_install hook outcome_unknown");
    let ran = run(told(&ended, &config, Unknown::Resend), &[Reply::Json(201, json!({ "id": "h" }))]);
    assert_eq!(ran.ending(), "succeeded");
    assert_eq!(ran.log, ["save", "send"], "the word is used up before anything goes out");
    assert_eq!(ran.sent[0], ended.sent[1]);
    let seen = seen(&ran);
    assert_eq!((&seen["hook"]["result"], &seen["me"]), (&json!({ "id": "h" }), &json!({ "id": "me" })));
    assert_eq!(**ran.stepper.context(), super::object(json!({ "before": 1, "patched": true })));
    assert_eq!(ran.stepper.trace().to_value()[0]["attempt"], 1, "it has attempts of its own");
}

#[test]
fn a_word_holds_for_one_sending() {
    let config = config(&json!({}));
    let ended = run(start(&config, json!({})), &[me(), lost()]);
    let again = run(told(&ended, &config, Unknown::Resend), &[lost()]);
    assert_eq!(again.ending(), "post_install hook outcome_unknown");
    let crashed = run(told(&ended, &config, Unknown::Resend), &[Reply::Crash]);
    let successor = run(crashed.resumed(start(&config, json!({}))), &[]);
    assert_eq!(successor.ending(), "post_install hook outcome_unknown");
    // And an operator may say it once more.
    let third = run(told(&successor, &config, Unknown::Resend), &[Reply::Json(201, json!({}))]);
    assert_eq!((third.ending().as_str(), &third.sent[0]), ("succeeded", &ended.sent[1]));
}

#[test]
fn a_request_that_was_withdrawn_before_it_went_out_again_keeps_its_word() {
    let config = config(&json!({}));
    let ended = run(start(&config, json!({})), &[me(), lost()]);
    for saved in [false, true] {
        let mut stepper = Stepper::new(told(&ended, &config, Unknown::Resend));
        assert!(matches!(stepper.next(Input::Begin, TICK), Output::Save));
        if saved {
            assert!(matches!(stepper.next(Input::Saved, TICK), Output::Send(_)));
        }
        stepper.withdraw();
        let mut given = start(&config, json!({}));
        given.progress = Some(stepper.progress());
        let ran = run(given, &[Reply::Json(201, json!({}))]);
        assert_eq!((ran.ending().as_str(), &ran.sent[0]), ("succeeded", &ended.sent[1]));
    }
}

#[test]
fn a_request_that_is_taken_for_done_has_no_result_and_is_not_sent() {
    let probe = json!({ "on_unknown": "probe", "probe": { "request": { "path": "/hooks" }, "expression": "null" } });
    for (members, replies) in [(json!({}), vec![me(), lost()]), (probe, vec![me(), lost(), me()])] {
        let config = config(&members);
        let ended = run(start(&config, json!({})), &replies);
        assert_eq!(ended.ending(), "post_install hook outcome_unknown");
        let ran = run(told(&ended, &config, Unknown::Skip), &[]);
        assert_eq!(ran.ending(), "succeeded");
        assert_eq!(seen(&ran)["hook"], json!({ "result": null, "response": null }));
        assert_eq!(ran.stepper.trace().to_value()[0]["status"], "skipped");
        let resent = run(told(&ended, &config, Unknown::Resend), &[Reply::Json(201, json!({ "id": "h" }))]);
        assert_eq!((resent.ending().as_str(), &resent.sent[0]), ("succeeded", &ended.sent[1]));
    }
}

#[test]
fn of_a_loop_only_the_item_in_doubt_is_resent_or_skipped() {
    let config = config(&json!({ "loop_on": "[1, 2, 3]" }));
    let made = |id: i64| Reply::Json(201, json!(id));
    let ended = run(start(&config, json!({})), &[me(), made(1), lost()]);
    let skipped = run(told(&ended, &config, Unknown::Skip), &[made(3)]);
    assert_eq!(seen(&skipped)["hook"], json!({ "result": [1, null, 3] }));
    let resent = run(told(&ended, &config, Unknown::Resend), &[made(2), made(3)]);
    assert_eq!(seen(&resent)["hook"], json!({ "result": [1, 2, 3] }));
    assert_eq!(resent.sent[0], ended.sent[2]);
}

#[test]
fn a_word_about_one_request_says_nothing_about_a_later_one() {
    for word in Unknown::ALL {
        let mut config = config(&json!({}));
        let steps = config["actions"]["post_install"]["steps"].as_array_mut().unwrap();
        steps.push(json!({ "type": "request", "config": { "method": "post", "path": "/later" } }));
        let ended = run(start(&config, json!({})), &[me(), lost()]);
        let mut replies = vec![Reply::Json(201, json!({})), Reply::Crash];
        if *word == Unknown::Skip {
            replies.remove(0);
        }
        let crashed = run(told(&ended, &config, *word), &replies);
        assert_eq!(crashed.urls().last(), Some(&"https://api.example.test/later"));
        let successor = run(crashed.resumed(start(&config, json!({}))), &[]);
        assert_eq!(successor.ending(), "post_install 4 outcome_unknown");
    }
}

/// A request that is sent again under its key when its answer is lost.
fn keyed() -> Value {
    config(&json!({ "idempotency_key": true }))
}

#[test]
fn a_keyed_request_without_any_answer_is_in_doubt_since_another_run_would_have_another_key() {
    let config = keyed();
    for last in [lost(), Reply::Json(503, json!({}))] {
        let mut replies = vec![me(), lost(), lost(), lost(), lost(), last];
        let ended = run(start(&config, json!({})), &replies);
        assert_eq!(ended.ending(), "post_install hook outcome_unknown");
        let resent = run(told(&ended, &config, Unknown::Resend), &[Reply::Json(201, json!({}))]);
        assert_eq!((resent.ending().as_str(), &resent.sent[0]), ("succeeded", &ended.sent[1]), "under the same key");
        let crashed = run(start(&config, json!({})), &[me(), Reply::Crash]);
        replies.remove(0);
        let successor = run(crashed.resumed(start(&config, json!({}))), &replies);
        assert_eq!(successor.ending(), "post_install hook outcome_unknown");
    }
}

#[test]
fn a_keyed_request_that_was_refused_or_never_went_out_is_in_no_doubt() {
    let config = keyed();
    let refused = run(start(&config, json!({})), &[me(), lost(), Reply::Json(422, json!({}))]);
    assert_eq!(refused.ending(), "post_install hook upstream_rejected");
    let away = || Reply::Lost(SendError::Connect("m".to_owned()));
    let ended = run(start(&config, json!({})), &[me(), away(), away(), away(), away(), away()]);
    assert_eq!(ended.ending(), "post_install hook upstream_unavailable");
}

#[test]
fn what_the_version_before_saved_is_gone_on_from() {
    let config = config(&json!({}));
    let step = json!({
        "began_ms": 1, "attempts": 2, "failures": 1, "rate_limited": 0, "rate_limited_ms": 0, "refresh_failures": 0,
        "renewed": false, "replayed": false,
    });
    let entry = json!({
        "phase": "post_install", "index": 1, "type": "request", "attempt": 1, "status": "success", "duration_ms": 3,
        "http_status": 200, "result": { "id": "me" },
    });
    let mut saved = json!({
        "phase": "post_install", "index": 2, "step": step, "active_ms": 5, "writes": { "before": 1 },
        "steps": { "0": { "result": { "before": 1 } }, "1": { "result": { "id": "me" }, "response": null } },
        "previous": { "id": "me" }, "trace": [entry],
    });
    let resumed = |saved: &Value, replies: &[Reply]| {
        let mut given = start(&config, json!({}));
        given.progress = Some(serde_json::from_value(saved.clone()).unwrap());
        run(given, replies)
    };
    let ran = resumed(&saved, &[Reply::Json(201, json!({ "id": "h" }))]);
    assert_eq!((ran.ending().as_str(), ran.sent.len()), ("succeeded", 1));
    assert_eq!((&seen(&ran)["me"], &ran.stepper.context()["before"]), (&json!({ "id": "me" }), &json!(1)));
    saved["intent"] = json!({ "method": "POST", "url": "https://api.example.test/hooks", "headers": [], "body": null });
    let doubtful = resumed(&saved, &[]);
    assert_eq!(doubtful.ending(), "post_install hook outcome_unknown");
}
