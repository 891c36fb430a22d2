//! Providers whose lists never end, go round, or lead elsewhere.

use serde_json::{Value, json};

use super::{Case, ENDLESS, keep, ok};

/// The most pages that one walk has.
const MOST: u32 = 1000;

/// All pages of `/l`.
fn list(name: &str, format: &str, config: &Value) -> Case {
    let pagination = json!({ "format": format, "config": config });
    let config = json!({ "path": "/l", "pagination": pagination, "response_path": "$exists(items) ? items : $" });
    let step = json!({ "type": "request", "name": "it", "paginate": true, "config": config });
    Case::of(name, json!([step, keep("{ 'n': $count(steps.it.result), 'end': steps.it.response.pages_end }")]))
}

fn cursor() -> Value {
    json!({ "cursor_path": "next", "cursor_key": "after" })
}

/// A walk that goes on for ever: the query and the answer of each page.
fn endless(case: Case, page: impl Fn(u32) -> (String, Value)) -> Case {
    let pages = (0..MOST).map(page);
    let case = pages.fold(case, |case, (query, answer)| case.hears("GET", &format!("/l{query}"), &answer, 1));
    case.keeps(json!({ "n": MOST, "end": "max_pages" })).offline()
}

fn one(index: u32, next: &Value) -> Value {
    ok(&json!({ "items": [index], "next": next }))
}

fn without_end() -> Vec<Case> {
    let query = |name: &'static str| move |at: u32| if at == 0 { String::new() } else { format!("?{name}={at}") };
    let (after, n, day) = (query("after"), query("n"), query("cursor"));
    let dynamic = json!({ "get_cursor_from_response_expression": "body.next" });
    let linked =
        |at: u32| json!({ "status": 200, "body": [at], "headers": { "link": format!("</l?n={}>; rel=next", at + 1) } });
    let part =
        |at: u32| json!({ "status": 206, "body": [at], "headers": { "content-range": format!("items {at}-{at}/*") } });
    vec![
        endless(list("pages without end", "page", &json!({})), |at| (format!("?page={}", at + 1), one(at, &json!(1)))),
        endless(list("offsets without end", "offset", &json!({})), |at| (format!("?offset={at}"), one(at, &json!(1)))),
        endless(list("cursors without end", "cursor", &cursor()), |at| (after(at), one(at, &json!(at + 1)))),
        endless(list("links without end", "link_header", &json!({})), |at| (n(at), linked(at))),
        endless(list("ranges without end", "range", &json!({ "limit": 1 })), |at| (String::new(), part(at))),
        endless(list("cursors of an expression without end", "dynamic", &dynamic), |at| {
            (day(at), one(at, &json!(at + 1)))
        }),
        endless(
            list(
                "empty pages without end",
                "cursor",
                &json!({ "cursor_path": "next", "cursor_key": "after", "allow_empty_page_cursor": true }),
            ),
            |at| (after(at), ok(&json!({ "items": [], "next": at + 1 }))),
        )
        .keeps(json!({ "n": 0, "end": "max_pages" })),
    ]
}

fn going_round() -> Vec<Case> {
    let same = ok(&json!({ "items": [1], "next": "a" }));
    let back = |range: &str| json!({ "status": 206, "body": [1], "headers": { "content-range": range } });
    vec![
        list("a cursor that alternates", "cursor", &cursor())
            .hears("GET", "/l", &one(0, &json!("a")), 1)
            .hears("GET", "/l?after=a", &one(1, &json!("b")), 1)
            .hears("GET", "/l?after=b", &one(2, &json!("a")), 1)
            .keeps(json!({ "n": 3, "end": "repeated" })),
        list("a cursor that stays", "cursor", &cursor())
            .hears("GET", "/l", &same, 1)
            .hears("GET", "/l?after=a", &same, 1)
            .keeps(json!({ "n": 2, "end": "repeated" })),
        list("a link to itself", "link_header", &json!({}))
            .hears("GET", "/l", &json!({ "status": 200, "body": [1], "headers": { "link": "</l>; rel=next" } }), 2)
            .keeps(json!({ "end": "repeated" }))
            .offline(),
        list("a page that stays", "page", &json!({}))
            .hears("GET", "/l?page=1", &same, 1)
            .hears("GET", "/l?page=2", &same, 1)
            .keeps(json!({ "n": 1, "end": "repeated" })),
        list("an offset that stays", "offset", &json!({}))
            .hears("GET", "/l?offset=0", &same, 1)
            .hears("GET", "/l?offset=1", &same, 1)
            .keeps(json!({ "n": 1, "end": "repeated" })),
        list("a range that stays", "range", &json!({ "limit": 1 }))
            .hears("GET", "/l", &back("items 0-0/*"), 2)
            .keeps(json!({ "end": "complete" })),
        list("a range beyond numbers", "range", &json!({ "limit": 1 }))
            .hears("GET", "/l", &back("items 18446744073709551614-18446744073709551615/*"), 1)
            .hears("GET", "/l", &json!({ "status": 416 }), 1)
            .keeps(json!({ "end": "complete" })),
        list("values that stay", "dynamic", &json!({ "get_pagination_values_expression": "{ 'a': 1 }" }))
            .hears("GET", "/l", &same, 1)
            .hears("GET", "/l?a=1", &same, 1)
            .keeps(json!({ "end": "repeated" })),
    ]
}

fn elsewhere() -> Vec<Case> {
    let mut cases = Vec::new();
    for link in [
        "https://evil.test/l",
        "//evil.test/l",
        "http://h.test/l",
        "https://h.test:8443/l",
        "https://h.test@evil.test/l",
        "https://h.test.evil.test/l",
        "javascript:alert(1)",
        "file:///etc/passwd",
    ] {
        let header = json!({ "status": 200, "body": [1], "headers": { "link": format!("<{link}>; rel=\"next\"") } });
        cases.push(list(&format!("a link header to {link}"), "link_header", &json!({})).hears("GET", "/l", &header, 1));
        let config = json!({ "cursor_path": "next", "is_link": true, "include_path": true });
        let body = one(1, &json!(link));
        cases.push(list(&format!("a cursor that is a link to {link}"), "cursor", &config).hears("GET", "/l", &body, 1));
        let config = json!({ "get_pagination_values_expression": "{ 'url': body.next }" });
        cases.push(list(&format!("a URL of an expression to {link}"), "dynamic", &config).hears("GET", "/l", &body, 1));
    }
    let mut cases: Vec<Case> = cases.into_iter().map(|case| case.fails("address_refused", "")).collect();
    let config = json!({ "cursor_path": "next", "is_link": true, "include_path": true });
    let link = one(1, &json!("\\\\evil.test\\l"));
    let backslash = list("a link of backslashes", "cursor", &config).hears("GET", "/l", &link, 1);
    cases.push(backslash.fails("bad_response", "backslash"));
    cases
}

fn too_much() -> Vec<Case> {
    let first = |case: Case, items: &Value| case.hears("GET", "/l", &ok(&json!({ "items": items, "next": "a" })), 1);
    let large = json!("x".repeat(3 << 20));
    let mut cases = vec![
        first(list("a page of 20,001 items", "cursor", &cursor()), &json!(vec![1; 20_001]))
            .fails("expression_limit", "20000"),
        first(list("pages of 9 MiB", "cursor", &cursor()), &json!([large]))
            .hears("GET", "/l?after=a", &ok(&json!({ "items": [large], "next": "b" })), 1)
            .hears("GET", "/l?after=b", &ok(&json!({ "items": [large], "next": "c" })), 1)
            .fails("expression_limit", "8388608"),
    ];
    for (name, config, code, says) in [
        ("throws", json!("$error('on purpose')"), "expression_error", "on purpose"),
        ("never ends", json!(ENDLESS), "expression_limit", ""),
        ("gives a number", json!("7"), "expression_error", "object"),
        ("gives a list", json!("[1, 2]"), "expression_error", "object"),
        ("gives a text", json!("'next'"), "expression_error", "object"),
        ("gives a million", json!("[1..1000000]"), "expression_limit", ""),
    ] {
        let config = json!({ "get_pagination_values_expression": config });
        let case = list(&format!("an expression for the next page that {name}"), "dynamic", &config);
        cases.push(first(case, &json!([1])).fails(code, says));
    }
    for (name, next) in [("an object", json!({ "a": 1 })), ("a list", json!([1, 2]))] {
        let case = list(&format!("a cursor that is {name}"), "cursor", &cursor());
        let answer = ok(&json!({ "items": [1], "next": next }));
        cases.push(case.hears("GET", "/l", &answer, 1).fails("bad_response", "cursor"));
    }
    let answer = ok(&json!({ "items": [1], "next": "x".repeat(1 << 20) }));
    cases.push(
        list("a cursor of 1 MiB", "cursor", &cursor())
            .hears("GET", "/l", &answer, 1)
            .fails("address_refused", "at most 8192"),
    );
    cases
}

pub(super) fn cases() -> Vec<Case> {
    [without_end(), going_round(), elsewhere(), too_much()].concat()
}
