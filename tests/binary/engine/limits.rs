//! Every way in which a provider asks for time.

use std::time::Duration;

use serde_json::json;

use super::{Case, play};

fn limit(style: &'static str) -> Case {
    Case::ask(style, json!({ "path": format!("/limit/{style}") }))
        .gets(json!({ "ok": true }))
        .times(2, &format!("GET /limit/{style}"))
}

#[test]
fn a_limited_account_waits_as_long_as_it_was_asked_to_and_asks_again() {
    let quota = json!({
        "is_rate_limited": "status = 403 and headers.`x-quota-left` = '0'",
        "rate_limit_header_expression": "{ 'reset': $number(headers.`x-quota-reset`) }",
    });
    let epoch = json!({ "rate_limit_header_expression": "$number(headers.`x-ratelimit-reset`)" });
    let body = "data.ok = false ? { 'status': 429, 'message': data.error, 'headers': { 'Retry-After': data.wait } }";
    // Beside each style the least time between both requests, in milliseconds.
    let cases = [
        (1000, limit("seconds")),
        (1000, limit("date")),
        // A minute, cut to what this worker waits at most.
        (3000, limit("untold")),
        (0, limit("zero")),
        (1000, limit("reset")),
        (2000, limit("both")),
        (1000, limit("epoch").config("rate_limit", epoch)),
        (1000, limit("body").config("error_expression", json!(body))),
        (1000, limit("quota").config("rate_limit", quota)),
        (1000, limit("unavailable")),
    ];
    let install = Case::ask("install", json!({ "path": "/limit/seconds" }))
        .config("rate_limit", json!({ "scope": "install" }))
        .gets(json!({ "ok": true }))
        .times(2, "GET /limit/seconds");
    let bare = Case::ask("bare", json!({ "path": "/limit/seconds" }))
        .config("rate_limit", json!({ "is_rate_limited": "X-Limited", "retry_after_header_expression": "Retry-After" }))
        .gets(json!({ "ok": true }))
        .times(2, "GET /limit/seconds");
    // Three waits of a second are within what one step may wait, the fourth is not. None of them uses an attempt:
    // there are two.
    let always = Case::ask("always", json!({ "path": "/limit/always" }))
        .fails("rate_limited")
        .says("slow down")
        .times(4, "GET /limit/always");
    let forbidden = Case::ask("forbidden", json!({ "path": "/limit/quota" }))
        .fails("forbidden")
        .says("no")
        .times(1, "GET /limit/quota");
    let (least, mut all): (Vec<u64>, Vec<Case>) = cases.into_iter().unzip();
    all.extend([install, bare, always, forbidden]);
    let (upstream, worker, _place) = play(&all);
    let names = all.iter().map(|case| case.name);
    for (name, least) in names.zip(least.into_iter().chain([1000, 1000])) {
        let times = upstream.times(name);
        let waited = times[1] - times[0];
        assert!(waited >= Duration::from_millis(least), "{name} waited {waited:?} and was asked for {least} ms");
    }
    assert_eq!(worker.count("tidewaiter_rate_limited_total{scope=\"install\"}"), 1);
    worker.stop();
}
