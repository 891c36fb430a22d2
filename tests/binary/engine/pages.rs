//! Every pagination format, to its end.

use serde_json::{Value, json};

use super::{Case, keep, play};

/// A list of `pages/<how>` from its first page to its last: its items and why it ended.
fn list(name: &'static str, how: &str, format: &str, config: Value) -> Case {
    listed(name, json!({ "path": format!("/pages/{how}"), "response_path": "items" }), format, config)
}

/// The same of a request.
fn listed(name: &'static str, mut request: Value, format: &str, config: Value) -> Case {
    request["pagination"] = json!({ "format": format, "config": config });
    let step = json!({ "type": "request", "name": "it", "paginate": true, "on_unknown": "retry", "config": request });
    let told = "{ 'got': { 'is': [$join(steps.it.result, ''), steps.it.response.pages_end] } }";
    Case::of(name, json!([step, keep(told)]))
}

fn gets(queries: &[&str], path: &str) -> Vec<String> {
    queries.iter().map(|query| format!("GET /pages/{path}{query}")).collect()
}

fn posts(bodies: &[Value], path: &str) -> Vec<String> {
    bodies.iter().map(|body| format!("POST /pages/{path} {body}")).collect()
}

fn counted() -> Vec<Case> {
    let all = json!(["abcde", "complete"]);
    let pages = ["?page=1", "?page=2", "?page=3", "?page=4"];
    vec![
        list("page", "page", "page", json!({})).gets(all.clone()).sees(gets(&pages, "page")),
        list("page-more", "page", "page", json!({ "has_next_path": "more" })).gets(all.clone()).sees(gets(&pages[..3], "page")),
        list("page-size", "page", "page", json!({ "page_param": "page", "limit_key": "size", "limit": 4, "max_limit": 3, "has_next_path": "more" }))
            .gets(all.clone())
            .sees(gets(&["?size=3&page=1", "?size=3&page=2"], "page")),
        list("page-first-size", "page", "page", json!({ "limit_key": "size", "limit": 2, "ignore_limit_in_pagination": true, "has_next_path": "more" }))
            .gets(all.clone())
            .sees(gets(&["?size=2&page=1", "?page=2", "?page=3"], "page")),
        list("page-late", "page", "page", json!({ "start_page": 2 })).gets(json!(["cde", "complete"])).sees(gets(&pages[1..], "page")),
        list("page-bound", "page", "page", json!({ "max_pages": 2 })).gets(json!(["abcd", "max_pages"])).sees(gets(&pages[..2], "page")),
        listed("offset", json!({ "path": "/pages/offset" }), "offset", json!({ "limit_key": "limit", "limit": 50 }))
            .gets(all.clone())
            .sees(gets(&["?limit=50&offset=0", "?limit=50&offset=2", "?limit=50&offset=4", "?limit=50&offset=5"], "offset")),
        list("link-header", "link", "link_header", json!({})).gets(all.clone()).sees(gets(&["", "?from=2", "?from=4"], "link")),
        listed("range", json!({ "path": "/pages/range" }), "range", json!({ "range_unit": "things", "limit": 3 }))
            .gets(all.clone())
            .sees(gets(&[" things=0-2", " things=3-5", " things=5-7"], "range")),
        listed("range-total", json!({ "path": "/pages/range-total" }), "range", json!({ "range_unit": "things", "limit": 3 }))
            .gets(all.clone())
            .sees(gets(&[" things=0-2", " things=3-5"], "range-total")),
        listed("no-range", json!({ "path": "/pages/no-range" }), "range", json!({ "limit": 3 }))
            .gets(all.clone())
            .sees(gets(&[" items=0-2"], "no-range")),
        list("dynamic", "days", "dynamic", json!({
            "get_initial_pagination_values_expression": "{ 'day': 1 }",
            "get_pagination_values_expression": "body.last > paginationValues.day ? { 'day': paginationValues.day + 1 }",
        }))
        .gets(all.clone())
        .sees(gets(&["?day=1", "?day=2", "?day=3"], "days")),
        list("dynamic-cursor", "cursor", "dynamic", json!({
            "get_cursor_from_response_expression": "response.body.meta.next", "cursor_key": "after",
        }))
        .gets(all)
        .sees(gets(&["", "?after=c2", "?after=c4"], "cursor")),
    ]
}

fn cursors() -> Vec<Case> {
    let all = json!(["abcde", "complete"]);
    let walked = ["", "?after=c2", "?after=c4"];
    let with = |more: Value| {
        let mut config = json!({ "cursor_path": "meta.next", "cursor_key": "after" });
        config.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        config
    };
    let body = |after: Value| json!({ "q": "x", "page": { "size": "2", "after": after } });
    let bodies = [json!({ "q": "x", "page": { "size": "2" } }), body(json!("c2")), body(json!("c4"))];
    let search = json!({ "path": "/pages/cursor", "method": "post", "response_path": "items", "body": { "q": "x" } });
    vec![
        list("cursor", "cursor", "cursor", with(json!({}))).gets(all.clone()).sees(gets(&walked, "cursor")),
        list("cursor-header", "cursor-header", "cursor", json!({ "cursor_path": "X-Next", "cursor_path_object": "header", "cursor_param": "after" }))
            .gets(all.clone())
            .sees(gets(&walked, "cursor-header")),
        list("cursor-encoded", "cursor-encoded", "cursor", with(json!({ "is_cursor_url_encoded": true })))
            .gets(all.clone())
            .sees(gets(&["", "?after=c2%2F%3D", "?after=c4%2F%3D"], "cursor-encoded")),
        list("cursor-link", "cursor-link", "cursor", json!({ "cursor_path": "meta.next", "is_link": true }))
            .gets(all.clone())
            .sees(gets(&["", "?after=c2&of=5", "?after=c4&of=5"], "cursor-link")),
        list("cursor-path", "cursor-path", "cursor", json!({ "cursor_path": "meta.next", "is_link": true, "include_path": true }))
            .gets(all.clone())
            .sees(gets(&walked, "cursor-path")),
        list("cursor-gap", "cursor-gap", "cursor", with(json!({}))).gets(json!(["ab", "complete"])).sees(gets(&["", "?after=c7"], "cursor-gap")),
        list("cursor-over-gap", "cursor-gap", "cursor", with(json!({ "allow_empty_page_cursor": true })))
            .gets(json!(["abcd", "complete"]))
            .sees(gets(&["", "?after=c7", "?after=c2"], "cursor-gap")),
        list("cursor-own-header", "cursor", "cursor", json!({ "cursor_path": "meta.next", "headers": { "X-After": "{{pagination.cursor}}" } }))
            .gets(all.clone())
            .sees(gets(&["", "", ""], "cursor")),
        listed("cursor-body", search.clone(), "cursor", json!({
            "cursor_path": "meta.next", "cursor_key": "page.after", "add_to_body": true, "limit_key": "page.size",
            "limit": 2, "limit_data_type": "string",
        }))
        .gets(all.clone())
        .sees(posts(&bodies, "cursor")),
        listed("cursor-without-body", {
            let mut search = search;
            search["ignore_body_in_pagination"] = json!(true);
            search
        }, "cursor", with(json!({})))
        .gets(all.clone())
        .sees(["POST /pages/cursor {\"q\":\"x\"}", "POST /pages/cursor?after=c2", "POST /pages/cursor?after=c4"]),
        listed("cursor-metadata", json!({ "path": "/pages/cursor", "response_path": "items", "pagination_path": "meta" }), "cursor",
            json!({ "cursor_path": "next", "cursor_key": "after" }))
        .gets(all.clone())
        .sees(gets(&walked, "cursor")),
        listed("cursor-elsewhere", json!({ "path": "/pages/page", "response_path": "items", "pagination_path": "/pages/cursor", "query": { "q": "x" } }), "page",
            json!({ "page_key": "after" }))
        .gets(json!(["ab", "complete"]))
        .sees(["GET /pages/page?q=x&after=1", "GET /pages/cursor?q=x&after=2"]),
        list("content", "again", "cursor", json!({ "cursor_path": "next", "cursor_key": "after", "use_content_hash": true }))
            .gets(json!(["abcd", "repeated"]))
            .sees(gets(&["", "?after=c2", "?after=c4"], "again")),
        list("circle", "circle", "cursor", json!({ "cursor_path": "next", "cursor_key": "after" }))
            .gets(json!(["abab", "repeated"]))
            .sees(gets(&["", "?after=c2"], "circle")),
        list("foreign", "foreign", "cursor", json!({ "cursor_path": "next", "is_link": true, "include_path": true }))
            .fails("address_refused")
            .sees(gets(&[""], "foreign")),
        Case::ask("one-page", json!({
            "path": "/pages/page", "query": { "page": "{{pagination.page}}" }, "response_path": "items",
            "pagination": { "format": "page", "config": { "start_page": 2 } },
        }))
        .gets(json!(["c", "d"]))
        .times(1, "GET /pages/page?page=2"),
    ]
}

#[test]
fn every_format_of_pages_is_walked_to_its_end_and_no_further() {
    let cases: Vec<Case> = counted().into_iter().chain(cursors()).collect();
    play(&cases).1.stop();
}
