//! A lost answer, and the read that looks into it.

use serde_json::{Value, json};

use super::{Reply, post_install, run, start};
use crate::lifecycle::{Class, Failure, ReasonCode};
use crate::upstream::SendError;

fn config(members: &Value) -> Value {
    let mut step = json!({
        "type": "request", "name": "hook", "on_unknown": "probe",
        "config": { "method": "post", "path": "/hooks", "body": { "url": "https://x.test" } },
        "probe": {
            "request": { "path": "/hooks", "query": { "url": "https://x.test" }, "response_path": "data" },
            "expression": "status = 404 ? false : $count(data.data) = 1 ? { 'happened': true, 'result': data.data[0] } : $count(data.data) = 0 ? false",
        },
    });
    step.as_object_mut().unwrap().extend(members.as_object().cloned().unwrap());
    post_install(
        json!([step, { "type": "transform", "config": "{ 'was': steps.hook.result, 'response': steps.hook.response }" }]),
    )
}

fn lost() -> Reply {
    Reply::Lost(SendError::Broken("m".to_owned()))
}

fn found(hooks: &Value) -> Reply {
    Reply::Json(200, json!({ "data": hooks }))
}

#[test]
fn a_probe_that_finds_the_effect_stands_for_the_answer() {
    for (expression, expected) in [
        (None, json!({ "id": 7 })),
        (Some("true"), json!([{ "id": 7 }])),
        (Some("{ 'happened': true }"), json!([{ "id": 7 }])),
        (
            Some("{ 'happened': $exists(response.headers) and status = 200, 'result': headers.nothing ? 1 : 2 }"),
            json!(2),
        ),
    ] {
        let mut config = config(&json!({}));
        if let Some(expression) = expression {
            config["actions"]["post_install"]["steps"][0]["probe"]["expression"] = json!(expression);
        }
        let ran = run(start(&config, json!({})), &[lost(), found(&json!([{ "id": 7 }]))]);
        assert_eq!(ran.ending(), "succeeded", "{expression:?}");
        let trace = ran.stepper.trace().to_value();
        assert_eq!(trace[2]["result"], json!({ "was": expected, "response": null }));
        assert_eq!(ran.log, ["save", "send", "Backoff 29000", "send"]);
        assert_eq!(ran.sent[1].method, "GET");
        assert_eq!((trace[0]["class"].clone(), trace[1]["type"].clone()), (json!("outcome_unknown"), json!("probe")));
        // The probe is asked, and nobody has to decide.
        assert!(!trace[0]["error"].as_str().unwrap().contains("--resend"), "{}", trace[0]["error"]);
    }
}

#[test]
fn a_probe_that_finds_none_lets_the_request_be_made_again_as_often_as_the_policy_allows() {
    for none in [found(&json!([])), Reply::Json(404, json!({}))] {
        let ran =
            run(start(&config(&json!({})), json!({})), &[lost(), none.clone(), Reply::Json(201, json!({ "id": 8 }))]);
        assert_eq!(ran.ending(), "succeeded");
        assert_eq!(ran.log, ["save", "send", "Backoff 29000", "send", "save", "Backoff 500", "save", "send"]);
        assert_eq!(ran.sent[2], ran.sent[0]);
        let mut replies = Vec::new();
        for _ in 0..5 {
            replies.extend([lost(), none.clone()]);
        }
        let ran = run(start(&config(&json!({})), json!({})), &replies);
        assert_eq!(ran.ending(), "post_install hook upstream_unavailable");
        assert!(ran.stepper.doubt().is_none());
        let goes_on = run(start(&config(&json!({ "continue_on_error": true })), json!({})), &replies);
        assert_eq!(goes_on.ending(), "succeeded");
    }
}

#[test]
fn a_probe_that_does_not_tell_leaves_the_outcome_unknown() {
    let unavailable = vec![Reply::Json(503, json!({})); 5];
    let dead = Failure { class: Class::Permanent, ..Failure::permanent(ReasonCode::ClientRefused, "m") };
    for (refreshable, proven, replies, ending) in [
        (false, false, vec![found(&json!([1, 2]))], "post_install hook outcome_unknown"),
        (false, false, unavailable, "post_install hook outcome_unknown"),
        (false, false, vec![Reply::Lost(SendError::Tls("m".to_owned()))], "post_install hook outcome_unknown"),
        (false, false, vec![Reply::Json(401, json!({}))], "post_install hook outcome_unknown"),
        (false, true, vec![Reply::Json(401, json!({}))], "post_install hook outcome_unknown"),
        (true, true, vec![Reply::Json(401, json!({})), Reply::NoToken(dead)], "post_install hook outcome_unknown"),
    ] {
        let mut given = start(&config(&json!({ "continue_on_error": true })), json!({}));
        (given.refreshable, given.proven) = (refreshable, proven);
        let replies: Vec<Reply> = std::iter::once(lost()).chain(replies).collect();
        let ran = run(given, &replies);
        assert_eq!(ran.ending(), ending, "{replies:?}");
        assert!(ran.stepper.doubt().is_some(), "the intent is kept for whoever decides");
        assert_eq!(ran.sent.iter().filter(|request| request.method == "POST").count(), 1);
    }
}

#[test]
fn a_probe_whose_expression_or_placeholder_fails_leaves_the_outcome_unknown() {
    for (member, value) in [("expression", json!("1 + 'a'")), ("request", json!({ "path": "/{{nothing}}" }))] {
        let mut config = config(&json!({}));
        config["actions"]["post_install"]["steps"][0]["probe"][member] = value;
        let replies: &[Reply] = if member == "request" { &[lost()] } else { &[lost(), found(&json!([]))] };
        let ran = run(start(&config, json!({})), replies);
        assert_eq!(ran.ending(), "post_install hook outcome_unknown");
        assert!(ran.failure().message.contains("its probe failed"), "{}", ran.failure().message);
    }
}

#[test]
fn a_probe_is_tried_and_its_token_refreshed_like_any_read() {
    let mut given = start(&config(&json!({})), json!({}));
    given.refreshable = true;
    let replies = [
        lost(),
        Reply::Json(401, json!({})),
        Reply::Token(json!({})),
        Reply::Json(503, json!({})),
        Reply::Json(429, json!({})),
        found(&json!([{ "id": 7 }])),
    ];
    let ran = run(given, &replies);
    assert_eq!(ran.ending(), "succeeded");
    assert_eq!(ran.sent.iter().filter(|request| request.method == "POST").count(), 1);
}

#[test]
fn a_probe_waits_as_long_as_the_lost_request_may_still_be_at_work() {
    for (members, pause) in [(json!({}), 29_000), (json!({ "timeout_ms": 5_000 }), 4_000)] {
        let ran = run(start(&config(&members), json!({})), &[lost(), found(&json!([{ "id": 7 }]))]);
        assert_eq!(ran.log, ["save", "send", &format!("Backoff {pause}"), "send"]);
    }
    let mut given = start(&config(&json!({})), json!({}));
    given.limits.request_timeout = std::time::Duration::from_secs(1);
    let ran = run(given, &[lost(), found(&json!([{ "id": 7 }]))]);
    assert_eq!(ran.log[2], "Backoff 500", "it was waited for to the end");
}

#[test]
fn a_successor_asks_the_probe_once_the_lost_request_cannot_be_under_way_any_more() {
    let first = run(start(&config(&json!({})), json!({})), &[Reply::Crash]);
    let second = run(first.resumed(start(&config(&json!({})), json!({}))), &[found(&json!([{ "id": 7 }]))]);
    assert_eq!(second.log, ["Backoff 30000", "send"]);
    assert_eq!(second.ending(), "succeeded");
    // Dead again while the probe is under way: the answer is still asked for, and nothing is sent on a guess.
    let third = run(first.resumed(start(&config(&json!({})), json!({}))), &[Reply::Crash]);
    let fourth =
        run(first.resumed(start(&config(&json!({})), json!({}))), &[found(&json!([])), Reply::Json(201, json!({}))]);
    assert_eq!((third.sent[0].method.as_str(), fourth.ending().as_str()), ("GET", "succeeded"));
}

#[test]
fn a_run_that_is_put_away_while_it_waits_for_its_probe_does_not_wait_again() {
    let first = run(start(&config(&json!({})), json!({})), &[Reply::Crash]);
    let mut stepper = super::Stepper::new(first.resumed(start(&config(&json!({})), json!({}))));
    let tick = super::Tick { now_ms: super::NOW_MS, active_ms: 0, jitter: 0 };
    assert!(matches!(stepper.next(super::Input::Begin, tick), super::Output::Wait { .. }));
    let mut again = start(&config(&json!({})), json!({}));
    again.progress = Some(serde_json::from_value(serde_json::to_value(stepper.progress()).unwrap()).unwrap());
    let ran = run(again, &[found(&json!([{ "id": 7 }]))]);
    assert_eq!(ran.log, ["send"]);
    assert_eq!(ran.ending(), "succeeded");
}
