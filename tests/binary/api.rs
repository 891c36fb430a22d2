//! The HTTP API: importing and reading.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{Answer, Place, Provider, Request, Worker, envelope, eventually, get, oauth, post};

fn up() -> (Provider, Place, Worker) {
    let provider = Provider::start();
    let place = Place::of(&provider);
    let worker = place.worker();
    (provider, place, worker)
}

/// A problem document is complete and agrees with its status.
#[track_caller]
fn problem(answer: &Answer, status: u16, reason_code: &str) -> Value {
    let problem = answer.with(status);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    for (field, value) in
        [("status", json!(status)), ("statusCode", json!(status)), ("reason_code", json!(reason_code))]
    {
        assert_eq!(problem[field], value, "{field} of {problem}");
    }
    for field in ["type", "title", "detail", "error", "message", "who_acts"] {
        assert!(problem[field].as_str().is_some_and(|text| !text.is_empty()), "{field} of {problem}");
    }
    assert!(problem["retryable"].is_boolean(), "{problem}");
    problem
}

#[test]
fn an_import_answers_201_with_the_whole_account_connecting() {
    let (_provider, _place, worker) = up();
    let answer = post(worker.api, &[], &oauth("acme", "slow-1"));
    let account = answer.with(201);
    assert_eq!(account["status"], "connecting");
    let expected = json!({
        "tenant_id": "acme", "environment_integration_id": crate::support::INSTALL, "authentication_method": "oauth2",
        "region": "eu", "is_sandbox": false, "sequence": 1, "context": { "oauth": {} }, "last_error": null,
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(account[field], *value, "{field}");
    }
    let fields = ["id", "environment_id", "integration", "reason", "last_action_result", "created_at", "updated_at"];
    assert!(fields.iter().all(|field| account.get(*field).is_some()), "{account}");
    assert_eq!(worker.settled(account["id"].as_str().unwrap())["status"], "active");
}

#[test]
fn an_import_that_prefers_to_wait_answers_the_end() {
    let (_provider, _place, worker) = up();
    for (token, status) in
        [("good", "active"), ("no-scope", "validation_error"), ("bad-post-install", "post_install_error")]
    {
        assert_eq!(post(worker.api, &[("prefer", "wait=20")], &oauth("a", token)).with(201)["status"], status);
    }
    // A wait that is over answers what there is.
    assert_eq!(post(worker.api, &[("prefer", "wait=0")], &oauth("a", "hang")).with(201)["status"], "connecting");
}

#[test]
fn an_idempotency_key_makes_one_account_however_often_it_comes() {
    let (_provider, place, worker) = up();
    let headers = [("idempotency-key", "k-1"), ("prefer", "wait=20")];
    let first = post(worker.api, &headers, &oauth("a", "good"));
    let again = post(worker.api, &headers, &oauth("a", "good"));
    assert_eq!((first.header("idempotency-replayed"), again.header("idempotency-replayed")), ("", "true"));
    assert_eq!(first.with(201), again.with(200));
    problem(&post(worker.api, &headers, &oauth("b", "good")), 422, "idempotency_conflict");
    // The key is the file's message id as well.
    assert_eq!(place.import(&[envelope("k-1", &oauth("a", "good"))]).ended(0).json()["duplicates"], 1);
    // Without a key each request is meant.
    let ids: BTreeSet<String> =
        [(); 2].map(|()| post(worker.api, &[], &oauth("a", "good")).with(201)["id"].to_string()).into();
    assert_eq!(ids.len(), 2);
    for key in ["", &"x".repeat(300)] {
        problem(&post(worker.api, &[("idempotency-key", key)], &oauth("a", "good")), 400, "invalid");
    }
}

#[test]
fn the_same_key_from_many_at_once_makes_one_account() {
    let (_provider, place, worker) = up();
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..16)
            .map(|_| scope.spawn(|| post(worker.api, &[("idempotency-key", "k")], &oauth("a", "good"))))
            .collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 15);
    assert_eq!(place.accounts().len(), 1);
}

#[test]
fn every_error_is_a_problem_document() {
    let (_provider, _place, worker) = up();
    let send =
        |method: &str, path: &str, body: &[u8]| Request { method, path, headers: &[], body }.send(worker.api).unwrap();
    problem(&send("GET", "/nothing", b""), 404, "not_found");
    problem(&send("GET", "/integrated-account/01a20ec9-0000-7000-8000-000000000000", b""), 404, "not_found");
    problem(&send("GET", "/integrated-account/01a20ec9-0000-7000-8000-000000000000/events", b""), 404, "not_found");
    problem(&send("GET", "/integrated-account/7", b""), 400, "invalid");
    problem(&send("GET", "/integrated-account/%ff", b""), 400, "invalid");
    problem(&send("GET", "/integrated-account/..%2f..", b""), 400, "invalid");
    problem(&send("PUT", "/integrated-account", b"{}"), 405, "method_not_allowed");
    problem(&send("DELETE", "/events", b""), 405, "method_not_allowed");
    problem(&send("POST", "/integrated-account", &vec![b' '; 3 << 20]), 413, "too_large");
    problem(&send("POST", "/integrated-account", b"{"), 400, "malformed");
    problem(&send("POST", "/integrated-account", b""), 415, "unsupported_media_type");
    let invalid = problem(&send("POST", "/integrated-account", b"{}"), 400, "invalid");
    assert_eq!(invalid["failures"].as_array().map(Vec::len), Some(4), "{invalid}");
    for query in ["color=red", "limit=0", "limit=1000000000", "next_cursor=x", "status=gone", "created_at[gt]=now"] {
        problem(&send("GET", &format!("/integrated-account?{query}"), b""), 400, "invalid");
    }
}

#[test]
fn the_list_pages_through_all_accounts_once() {
    let (_provider, place, worker) = up();
    let bodies: Vec<Value> = (0..7).map(|n| envelope(&format!("m-{n}"), &oauth(&format!("t-{n}"), "hang"))).collect();
    place.import(&bodies).ended(0);
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = get(worker.api, &format!("/integrated-account?limit=3{cursor}")).with(200);
        assert_eq!(page["limit"], 3);
        seen.extend(page["result"].as_array().unwrap().iter().map(|account| account["id"].to_string()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&next_cursor={next}");
    }
    assert_eq!((seen.len(), seen.iter().collect::<BTreeSet<_>>().len()), (7, 7));
}

#[test]
fn filters_narrow_the_list() {
    let (_provider, _place, worker) = up();
    let mut sandbox = oauth("b c", "no-scope");
    sandbox["is_sandbox"] = json!(true);
    sandbox["region"] = json!("apac");
    let (good, other) = (worker.import(&oauth("a", "good")), worker.import(&oauth("b c", "no-scope")));
    let boxed = worker.import(&sandbox);
    let id = |account: &Value| account["id"].as_str().unwrap().to_owned();
    let ids = |query: &str| {
        let list = get(worker.api, &format!("/integrated-account?{query}")).with(200);
        list["result"].as_array().unwrap().iter().map(id).collect::<Vec<_>>()
    };
    assert_eq!(ids("tenant_id=a"), [id(&good)]);
    assert_eq!(ids("tenant_id=b%20c&is_sandbox=false"), [id(&other)]);
    assert_eq!(ids("reason=forbidden"), [id(&other)]);
    assert_eq!(ids("region=apac"), [id(&boxed)]);
    assert_eq!(ids("integration.name=harbour").len(), 3);
    assert_eq!(ids("integration.name=zendesk"), [""; 0]);
    assert_eq!(ids(&format!("environment_integration_id={}", crate::support::DISABLED)), [""; 0]);
    let after = format!("created_at[gt]={}", good["created_at"].as_str().unwrap());
    assert_eq!(ids(&after), [id(&other), id(&boxed)]);
    assert_eq!(ids(&format!("created_at[lte]={}", good["created_at"].as_str().unwrap())), [id(&good)]);
}

#[test]
fn the_last_results_of_both_actions_are_told_step_by_step() {
    let (_provider, _place, worker) = up();
    let account = worker.import(&oauth("a", "flaky1-no-scope"));
    assert_eq!(account["status"], "validation_error");
    assert_eq!(account["reason"]["code"], "forbidden");
    assert_eq!((&account["reason"]["phase"], &account["reason"]["step"]), (&json!("validation"), &json!("validate")));
    assert_eq!((&account["reason"]["http_status"], &account["reason"]["who_acts"]), (&json!(403), &json!("end_user")));
    let result = &account["last_action_result"];
    assert_eq!(
        (&result["post_install"]["status"], &result["validation"]["status"]),
        (&json!("success"), &json!("error"))
    );
    let steps = result["post_install"]["steps"].as_array().unwrap();
    let first: Vec<_> =
        steps.iter().filter(|step| step["name"] == "userinfo").map(|step| &step["http_status"]).collect();
    assert_eq!(first, [503, 200], "the attempt that failed is told, too: {steps:?}");
    let events = get(worker.api, &format!("/integrated-account/{}/events", account["id"].as_str().unwrap())).with(200);
    let kinds: Vec<_> = events["result"].as_array().unwrap().iter().map(|event| event["type"].clone()).collect();
    assert_eq!(kinds, ["integrated_account.created", "integrated_account.validation_error"]);
}

#[test]
fn the_metrics_are_openmetrics_and_count_what_happened() {
    let (_provider, _place, worker) = up();
    worker.import(&oauth("a", "good"));
    worker.import(&oauth("b", "no-scope"));
    let answer = get(worker.probes, "/metrics");
    assert!(answer.header("content-type").starts_with("application/openmetrics-text; version=1.0.0"), "{answer:?}");
    assert!(answer.text.ends_with("# EOF\n"));
    let mut known = BTreeSet::new();
    for line in answer.text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            assert!(known.insert(rest.split(' ').next().unwrap().to_owned()), "{line} stands twice");
        } else if !line.starts_with('#') {
            let (series, value) = line.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().is_ok(), "{line}");
            let name = series.split('{').next().unwrap();
            let family = ["", "_total", "_bucket", "_count", "_sum", "_info"]
                .iter()
                .any(|suffix| name.strip_suffix(suffix).is_some_and(|family| known.contains(family)));
            assert!(family, "{line} belongs to no family");
        }
    }
    let counted = [
        (r#"tidewaiter_intake_total{channel="http",outcome="accepted",reason=""}"#, 2),
        (r#"tidewaiter_transitions_total{word="created"}"#, 2),
        (r#"tidewaiter_transitions_total{word="active"}"#, 1),
        (r#"tidewaiter_transitions_total{word="validation_error"}"#, 1),
        (r#"tidewaiter_attempts_total{outcome="permanent"}"#, 1),
        (r#"tidewaiter_upstream_request_seconds_count{answer="4xx"}"#, 1),
    ];
    for (series, count) in counted {
        assert_eq!(worker.metric(series) as u64, count, "{series}");
    }
    eventually("all four events are counted as published", || {
        (worker.metric("tidewaiter_events_published_total") as u64 == 4).then_some(())
    });
}
