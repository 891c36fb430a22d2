//! Pages as the stepper asks for them: ordinary requests, each with tries of its own, collected into one result.

#![expect(clippy::needless_pass_by_value, reason = "`json!` borrows, and tables of values read better without `&`")]

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Ran, Reply, drive, post_install, run, start};
use crate::actions::Limits;
use crate::lifecycle::{ReasonCode, RetryPolicy};
use crate::upstream::SendError;

/// A step that walks through the pages of `/users`.
fn walking(method: &str, pagination: Value) -> Value {
    json!({ "type": "request", "name": "users", "paginate": true, "config": {
        "method": method, "path": "/users", "query": { "q": "{{term?:a}}" }, "response_path": "data", "pagination": pagination,
    } })
}

fn by_page() -> Value {
    json!({ "format": "page", "config": { "page_key": "page", "limit_key": "per_page", "limit": 2 } })
}

fn by_cursor() -> Value {
    json!({ "format": "cursor", "config": { "cursor_path": "next", "cursor_key": "after" } })
}

fn page(items: Value) -> Reply {
    Reply::Json(200, json!({ "data": items }))
}

fn next(items: Value, cursor: &str) -> Reply {
    Reply::Json(200, json!({ "data": items, "next": cursor }))
}

/// What a transform behind the walk says of it.
fn told(ran: &Ran) -> Value {
    let trace = ran.stepper.trace().to_value();
    trace.as_array().unwrap().last().unwrap()["result"].clone()
}

fn seen() -> Value {
    json!({ "type": "transform", "config": "{
        'result': steps.users.result, 'previous': previous, 'pages': steps.users.response.pages,
        'end': steps.users.response.pages_end, 'last': steps.users.response.body
    }" })
}

#[test]
fn a_walk_results_in_the_items_of_all_pages_and_shows_the_last_answer() {
    let config = post_install(json!([walking("get", by_page()), seen()]));
    let ran = run(start(&config, json!({})), &[page(json!([1, 2])), page(json!([3])), page(json!([]))]);
    assert_eq!(
        ran.urls(),
        [
            "https://api.example.test/users?q=a&per_page=2&page=1",
            "https://api.example.test/users?q=a&per_page=2&page=2",
            "https://api.example.test/users?q=a&per_page=2&page=3",
        ]
    );
    assert_eq!(ran.log, ["send", "send", "send"], "reads need no durable point");
    let expected = json!({
        "result": [1, 2, 3], "previous": [1, 2, 3], "pages": 3, "end": "complete", "last": { "data": [] },
    });
    assert_eq!(told(&ran), expected);
    let pages: Vec<Value> = ran.stepper.trace().to_value().as_array().unwrap()[..3]
        .iter()
        .map(|entry| json!([entry["page"], entry["attempt"]]))
        .collect();
    assert_eq!(pages, [json!([1, 1]), json!([2, 1]), json!([3, 1])]);
}

#[test]
fn without_paginate_a_request_asks_for_the_first_page_as_its_templates_say() {
    // The model system's own example.
    let mut config = post_install(json!([
        { "type": "request", "config": {
            "path": "/users", "query": { "page": "{{pagination.page}}", "per_page": "{{pagination.per_page}}" } } },
        { "type": "request", "config": { "path": "/me" } },
        { "type": "transform", "config": "$exists(pagination)" },
    ]));
    config["pagination"] = json!({ "format": "page", "config": { "page_key": "page", "limit_key": "per_page" } });
    let ran = run(start(&config, json!({})), &[page(json!([1])), page(json!([2]))]);
    let urls = ["https://api.example.test/users?page=1&per_page=100", "https://api.example.test/me"];
    assert_eq!(ran.urls(), urls);
    assert_eq!(told(&ran), json!(false));
    let steps = &mut config["actions"]["post_install"]["steps"];
    steps[0]["paginate"] = json!(true);
    steps[0]["config"]["response_path"] = json!("data");
    let ran = run(start(&config, json!({})), &[page(json!([1])), page(json!([])), page(json!([2]))]);
    assert_eq!(ran.urls()[1], "https://api.example.test/users?page=2&per_page=100");
}

#[test]
fn each_page_has_its_own_attempts() {
    let config = post_install(json!([walking("get", by_cursor()), seen()]));
    let mut given = start(&config, json!({}));
    given.retry = RetryPolicy { attempts: 2, base_ms: 1_000, cap_ms: 30_000 };
    let failed = || Reply::Json(503, json!({}));
    let replies = [failed(), next(json!([1]), "c"), failed(), page(json!([2]))];
    let ran = run(given, &replies);
    assert_eq!(ran.log, ["send", "Backoff 500", "send", "send", "Backoff 500", "send"]);
    assert_eq!(told(&ran)["result"], json!([1, 2]));
    assert_eq!(ran.urls()[2], ran.urls()[3]);
}

#[test]
fn a_page_that_is_given_up_fails_the_step() {
    let config = post_install(json!([walking("get", by_cursor())]));
    let ran = run(start(&config, json!({})), &[next(json!([1]), "c"), Reply::Json(404, json!({}))]);
    assert_eq!(ran.ending(), "post_install users upstream_rejected");
    let mut step = walking("get", by_cursor());
    step["continue_on_error"] = json!(true);
    let config = post_install(json!([step, seen()]));
    let ran = run(start(&config, json!({})), &[next(json!([1]), "c"), Reply::Json(404, json!({}))]);
    assert_eq!((ran.ending(), told(&ran)["result"].clone()), ("succeeded".to_owned(), json!(null)));
}

#[test]
fn a_token_that_is_refused_between_pages_is_refreshed_and_the_same_page_asked_for() {
    let mut config = post_install(json!([walking("get", by_cursor()), seen()]));
    config["authorization"] = json!({ "format": "bearer", "config": { "token": "{{oauth.token.access_token}}" } });
    let token = |text: &str| json!({ "oauth": { "token": { "access_token": text } } });
    let mut given = start(&config, token("old"));
    given.refreshable = true;
    let refused = || Reply::Json(401, json!({}));
    let replies = [
        next(json!([1]), "c"),
        refused(),
        Reply::Token(token("new")),
        next(json!([2]), "d"),
        refused(),
        Reply::Token(token("newer")),
        page(json!([3])),
    ];
    let ran = run(given, &replies);
    assert_eq!(told(&ran)["result"], json!([1, 2, 3]));
    let bearers: Vec<&str> = ran.sent.iter().map(|request| request.headers[0].1.as_str()).collect();
    assert_eq!(bearers, ["Bearer old", "Bearer old", "Bearer new", "Bearer new", "Bearer newer"]);
    assert_eq!(ran.urls()[1], ran.urls()[2]);
}

#[test]
fn a_token_that_always_is_about_to_expire_is_refreshed_once_for_a_walk() {
    let mut config = post_install(json!([walking("get", by_cursor())]));
    config["authorization"] = json!({ "format": "bearer", "config": { "token": "{{oauth.token.access_token}}" } });
    let token = json!({ "oauth": { "token": { "access_token": "t", "expires_at": "2026-01-01T00:00:10Z" } } });
    let mut given = start(&config, token.clone());
    given.refreshable = true;
    let ran = run(given, &[Reply::Token(token), next(json!([1]), "c"), next(json!([2]), "d"), page(json!([3]))]);
    assert_eq!(ran.log, ["refresh", "send", "send", "send"]);
}

#[test]
fn the_time_of_the_phase_bounds_a_walk() {
    let config = post_install(json!([walking("get", by_page())]));
    let mut given = start(&config, json!({}));
    given.limits = Limits { phase: Duration::from_millis(2_500), ..Limits::default() };
    let ran = run(given, &[page(json!([1])), page(json!([2])), page(json!([3]))]);
    assert_eq!(ran.ending(), "post_install users deadline_exceeded");
}

#[test]
fn a_walk_goes_on_from_the_last_durable_point() {
    // The wait for a rate limit is a durable point of the runner; a crash repeats the reads behind it.
    let config = post_install(json!([walking("get", by_cursor()), seen()]));
    let limited = Reply::With(429, "retry-after", "60", json!({}));
    let first = run(start(&config, json!({})), &[next(json!([1]), "c"), limited, Reply::Crash]);
    assert_eq!(first.log, ["send", "send", "RateLimited 60000", "send"]);
    let mut given = start(&config, json!({}));
    given.progress = Some(serde_json::from_value(serde_json::to_value(first.stepper.progress()).unwrap()).unwrap());
    let second = run(given, &[page(json!([2]))]);
    assert_eq!(second.urls(), ["https://api.example.test/users?q=a&after=c"]);
    assert_eq!(
        told(&second),
        json!({
            "result": [1, 2], "previous": [1, 2], "pages": 2, "end": "complete", "last": { "data": [2] },
        })
    );
}

#[test]
fn a_paginated_write_follows_on_unknown_page_by_page() {
    let config = post_install(json!([walking("post", by_cursor()), seen()]));
    let first = run(start(&config, json!({})), &[next(json!([1]), "c"), Reply::Crash]);
    assert_eq!(first.log, ["save", "send", "save", "send"]);
    let second = run(first.resumed(start(&config, json!({}))), &[]);
    assert_eq!(second.ending(), "post_install users outcome_unknown");
    let mut step = walking("post", by_cursor());
    step["on_unknown"] = json!("retry");
    let config = post_install(json!([step, seen()]));
    let lost = Reply::Lost(SendError::Timeout("m".to_owned()));
    let ran = run(start(&config, json!({})), &[next(json!([1]), "c"), lost, page(json!([2]))]);
    assert_eq!(ran.log, ["send", "send", "Backoff 500", "send"]);
    assert_eq!(told(&ran)["result"], json!([1, 2]));
}

#[test]
fn each_page_of_a_write_has_a_key_of_its_own_which_its_repetitions_keep() {
    let mut step = walking("post", by_cursor());
    step["idempotency_key"] = json!(true);
    let config = post_install(json!([step, seen()]));
    let first = run(start(&config, json!({})), &[next(json!([1]), "c"), Reply::Crash]);
    let second = run(first.resumed(start(&config, json!({}))), &[next(json!([2]), "d"), page(json!([3]))]);
    assert_eq!(second.sent[0], first.sent[1], "the same bytes");
    assert_eq!(told(&second)["result"], json!([1, 2, 3]));
    let key = |request: &crate::upstream::Request| {
        request.headers.iter().find(|(name, _)| name == "idempotency-key").unwrap().1.clone()
    };
    let run = uuid::Uuid::from_u128(1);
    let keys: Vec<String> = first.sent.iter().chain(&second.sent).map(key).collect();
    let expected = [
        format!("{run}:post_install:0"),
        format!("{run}:post_install:0:page2"),
        format!("{run}:post_install:0:page2"),
        format!("{run}:post_install:0:page3"),
    ];
    assert_eq!(keys, expected);
}

#[test]
fn a_search_has_its_cursor_in_the_body_and_may_drop_it_on_later_pages() {
    let config = |drops: bool| {
        let cursor = json!({ "format": "cursor", "config": {
            "cursor_path": "next", "cursor_key": "page.after", "limit_key": "page.size", "add_to_body": true,
        } });
        let mut step = walking("post", cursor);
        step["on_unknown"] = json!("retry");
        step["config"]["body"] = json!({ "filter": "{{term?:a}}" });
        step["config"]["ignore_body_in_pagination"] = json!(drops);
        post_install(json!([step]))
    };
    let bodies = |drops: bool| {
        let ran = run(start(&config(drops), json!({})), &[next(json!([1]), "c"), page(json!([2]))]);
        let body = |request: &crate::upstream::Request| serde_json::from_slice(request.body.as_ref().unwrap()).unwrap();
        ran.sent.iter().map(body).collect::<Vec<Value>>()
    };
    let first = json!({ "filter": "a", "page": { "size": 100 } });
    assert_eq!(bodies(false), [first.clone(), json!({ "filter": "a", "page": { "size": 100, "after": "c" } })]);
    assert_eq!(bodies(true), [first, json!({ "page": { "size": 100, "after": "c" } })]);
}

#[test]
fn later_pages_may_be_asked_for_elsewhere() {
    let mut step = walking("get", by_cursor());
    step["config"]["pagination_path"] = json!("/users/more/{{pagination.cursor}}");
    let ran = run(start(&post_install(json!([step])), json!({})), &[next(json!([1]), "c/d"), page(json!([2]))]);
    assert_eq!(
        ran.urls(),
        ["https://api.example.test/users?q=a", "https://api.example.test/users/more/c%2Fd?q=a&after=c%2Fd",]
    );
    let mut step = walking("get", by_cursor());
    step["config"]["pagination_path"] = json!("meta.paging");
    let meta = Reply::Json(200, json!({ "data": [1], "meta": { "paging": { "next": "c" } } }));
    let ran = run(start(&post_install(json!([step])), json!({})), &[meta, page(json!([2]))]);
    assert_eq!(ran.urls()[1], "https://api.example.test/users?q=a&after=c");
}

#[test]
fn a_link_that_leads_away_fails_the_step_and_nothing_is_sent_there() {
    let config = post_install(json!([walking("get", json!({ "format": "link_header" }))]));
    let away = Reply::With(200, "link", "<https://evil.test/users?page=2>; rel=\"next\"", json!({ "data": [1] }));
    let ran = run(start(&config, json!({})), &[away]);
    assert_eq!(ran.ending(), "post_install users address_refused");
    assert!(ran.failure().message.contains("another scheme, host or port"), "{}", ran.failure().message);
}

#[test]
fn a_range_behind_the_end_ends_the_walk() {
    let config = post_install(json!([walking("get", json!({ "format": "range", "config": { "limit": 1 } })), seen()]));
    let part = Reply::With(206, "content-range", "items 0-0/*", json!({ "data": [1] }));
    let ran = run(start(&config, json!({})), &[part, Reply::Json(416, json!({}))]);
    assert_eq!(told(&ran)["result"], json!([1]));
    assert_eq!(told(&ran)["last"], json!({ "data": [1] }));
    let ranges: Vec<&str> = ran.sent.iter().map(|request| request.headers[0].1.as_str()).collect();
    assert_eq!(ranges, ["items=0-0", "items=1-1"]);
    let ran = run(start(&config, json!({})), &[Reply::Json(416, json!({}))]);
    assert_eq!(ran.ending(), "post_install users upstream_rejected");
}

#[test]
fn a_loop_walks_once_for_each_item() {
    let mut step = walking("get", by_cursor());
    step["loop_on"] = json!("['x', 'y']");
    step["config"]["query"] = json!({ "q": "{{item}}" });
    let config = post_install(json!([step, { "type": "transform", "config": "steps.users.result" }]));
    let ran = run(start(&config, json!({})), &[next(json!([1]), "c"), page(json!([2])), page(json!([3]))]);
    let urls = ["?q=x", "?q=x&after=c", "?q=y"].map(|query| format!("https://api.example.test/users{query}"));
    assert_eq!(ran.urls(), urls);
    assert_eq!(told(&ran), json!([[1, 2], [3]]));
}

#[test]
fn a_reference_to_a_resources_method_has_that_methods_pagination() {
    // The model system's own example.
    let mut config = post_install(json!([
        { "type": "proxy", "resource": "users", "method": "list", "query": { "q": "x" } },
        { "type": "proxy", "paginate": true, "config": { "resource": "users", "method": "list", "query": { "q": "y" } } },
    ]));
    config["pagination"] = json!({ "format": "offset" });
    config["resources"] = json!({ "users": { "list": {
        "path": "/users", "response_path": "data",
        "query": { "page": "{{pagination.page}}", "per_page": "{{pagination.per_page}}" },
        "pagination": { "format": "page", "config": { "page_key": "page", "limit_key": "per_page" } },
    } } });
    let ran = run(start(&config, json!({})), &[page(json!([1])), page(json!([1])), page(json!([]))]);
    let queries = ["page=1&per_page=100&q=x", "page=1&per_page=100&q=y", "page=2&per_page=100&q=y"];
    assert_eq!(ran.urls(), queries.map(|query| format!("https://api.example.test/users?{query}")));
}

#[test]
fn a_probe_sees_the_first_pages_values() {
    let mut config = post_install(
        json!([{ "type": "request", "on_unknown": "probe", "config": { "method": "post", "path": "/a" },
        "probe": { "request": { "path": "/a", "query": { "p": "{{pagination.page}}" } }, "expression": "status = 200" } }]),
    );
    config["pagination"] = json!({ "format": "page" });
    let lost = Reply::Lost(SendError::Timeout("m".to_owned()));
    let ran = run(start(&config, json!({})), &[lost, page(json!([1]))]);
    assert_eq!((ran.ending().as_str(), ran.urls()[1]), ("succeeded", "https://api.example.test/a?p=1"));
}

#[test]
fn expressions_page_through_the_stepper() {
    let dynamic = json!({ "format": "dynamic", "config": {
        "get_initial_pagination_values_expression": "{ 'from': 0, 'q': query.q & '!' }",
        "get_pagination_values_expression": "$count(body.data) = 2 ? { 'from': $paginationValues.from + 2 }",
    } });
    let config = post_install(json!([walking("get", dynamic), seen()]));
    let ran = run(start(&config, json!({})), &[page(json!([1, 2])), page(json!([3]))]);
    assert_eq!(
        ran.urls(),
        ["https://api.example.test/users?q=a%21&from=0", "https://api.example.test/users?q=a&from=2",]
    );
    assert_eq!(told(&ran)["result"], json!([1, 2, 3]));
}

proptest! {
    #[test]
    fn whatever_the_provider_does_a_walk_ends_and_no_page_is_sent_more_often_than_it_may_be(
        choices in prop::collection::vec((any::<u8>(), 0_u8..6), 1..30), format in any::<u8>(),
    ) {
        let pagination = match format % 3 { 0 => by_page(), 1 => by_cursor(), _ => json!({ "format": "link_header" }) };
        let mut pagination = pagination;
        pagination["config"]["max_pages"] = json!(5);
        let config = post_install(json!([walking("get", pagination)]));
        let reply = |(choice, cursor): &(u8, u8)| match choice % 8 {
            0 => Reply::Json(503, json!({})),
            1 => Reply::With(429, "retry-after", "1", json!({})),
            2 => Reply::Lost(SendError::Broken("m".to_owned())),
            3 => Reply::Json(401, json!({})),
            _ => Reply::With(200, "link", ["<?p=1>;rel=next", "<?p=2>;rel=next", "", "x", "<?p=3>;rel=next", "<//e.test>;rel=next"][usize::from(*cursor)],
                json!({ "data": [1], "next": cursor })),
        };
        let mut replies = choices.iter().cycle().take(1_000).map(reply).collect();
        let ran = drive(start(&config, json!({})), &mut replies);
        let mut counts = std::collections::HashMap::<&str, usize>::new();
        for url in ran.urls() {
            prop_assert!(url.starts_with("https://api.example.test/users"), "{url}");
            *counts.entry(url).or_default() += 1;
        }
        prop_assert!(counts.len() <= 5 && counts.values().all(|count| *count <= 5 + 100), "{counts:?}");
    }
}

#[test]
fn what_is_collected_is_bounded() {
    let config = post_install(json!([walking("get", by_page())]));
    let pages: Vec<Reply> = (0..3).map(|number| page(json!(vec![number; 8_000]))).collect();
    let ran = run(start(&config, json!({})), &pages);
    assert_eq!(ran.failure().code, ReasonCode::ExpressionLimit);
}
