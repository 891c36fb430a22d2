//! Walks without a stepper: which requests are made of which answers, and that every walk ends at home.

mod properties;

use serde_json::{Value, json};

use super::*;
use crate::actions::tests::plan_of;
use crate::definitions::{Plan, StepKind};
use crate::expression::Scope;

/// One answer: its status, headers and body.
type Given = (u16, Vec<(&'static str, String)>, Value);

/// What a walk came to.
#[derive(Debug)]
struct Walk {
    /// The URLs, without the origin; behind them a `Range` header.
    asked: Vec<String>,
    bodies: Vec<Value>,
    end: Result<End, Failure>,
    results: Value,
    response: Value,
}

fn plan(pagination: &Value, query: &Value) -> Arc<Plan> {
    let config = json!({ "path": "/items", "method": "post", "query": query, "pagination": pagination });
    let step = json!({ "type": "request", "paginate": true, "config": config });
    plan_of(&json!({ "base_url": "https://api.test", "actions": { "post_install": step } }))
}

fn pagination(plan: &Plan) -> &Pagination {
    match &plan.post_install.steps[0].kind {
        StepKind::Request(request) => request.pagination.as_ref().unwrap(),
        _ => panic!("no request"),
    }
}

fn body(items: Value) -> Given {
    (200, Vec::new(), items)
}

/// Walks until the pagination ends it or the answers do. The result is `items` of an object, or the body.
fn walk(config: &Value, given: &[Given]) -> Walk {
    let plan = plan(config, &json!({}));
    let pagination = pagination(&plan);
    let mut pager = Pager::begin(pagination);
    let mut scope = Scope::new(Map::new(), 0, 1);
    let mut walk = Walk {
        asked: Vec::new(),
        bodies: Vec::new(),
        end: Err(bad("no answer any more")),
        results: Value::Null,
        response: Value::Null,
    };
    for (status, headers, body) in given {
        let request = match asked(pagination, &mut pager, &mut scope) {
            Ok(request) => request,
            Err(failure) => {
                walk.end = Err(failure);
                return walk;
            }
        };
        let range = request.headers.iter().find(|(name, _)| name == "range");
        let range = range.map(|(_, value)| format!(" {value}")).unwrap_or_default();
        walk.asked.push(format!("{}{range}", request.url.strip_prefix("https://api.test").expect("home")));
        walk.bodies.push(serde_json::from_slice(request.body.as_deref().unwrap_or(b"null")).unwrap());
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), json!(value)));
        let response = Shared::of_parts([
            ("status", json!(status).into()),
            ("headers", Arc::new(headers.collect::<Map<_, _>>()).into()),
            ("body", body.clone().into()),
        ]);
        let result = body.get("items").unwrap_or(body).clone();
        match pager.turn(pagination, &mut scope, Arc::new(result), &response) {
            Ok(Turn::More) => pager = serde_json::from_str(&serde_json::to_string(&pager).unwrap()).unwrap(),
            Ok(Turn::Last(end)) => {
                let (results, response) = pager.finish(Some(response), end);
                walk.results = Arc::unwrap_or_clone(results);
                walk.response = serde_json::to_value(response).unwrap();
                walk.end = Ok(end);
                return walk;
            }
            Err(failure) => {
                walk.end = Err(failure);
                return walk;
            }
        }
    }
    walk
}

/// The request for the present page, rendered as simply as can be.
fn asked(pagination: &Pagination, pager: &mut Pager, scope: &mut Scope) -> Result<Request, Failure> {
    let request = |_: &mut Scope| {
        Ok(Request {
            method: "POST".to_owned(),
            url: "https://api.test/items?q=1".to_owned(),
            headers: Vec::new(),
            body: None,
            timeout: std::time::Duration::ZERO,
        })
    };
    let shape = prepare(pagination, Some(pager), scope, request)?.unwrap();
    let mut request = request(scope)?;
    shape.url(&mut request.url)?;
    shape.headers(&mut request.headers);
    let mut body = Some(json!({ "filter": 1 }));
    shape.body(&mut body)?;
    request.body = body.map(|body| serde_json::to_vec(&body).unwrap());
    pager.sent(pagination, &request);
    Ok(request)
}

#[test]
fn pages_are_counted_until_one_is_empty() {
    let config = json!({ "format": "page", "config": { "page_key": "p", "limit_key": "n", "limit": 2 } });
    let ran = walk(&config, &[body(json!([1, 2])), body(json!([3])), body(json!([]))]);
    assert_eq!(ran.asked, ["/items?q=1&n=2&p=1", "/items?q=1&n=2&p=2", "/items?q=1&n=2&p=3"]);
    assert_eq!((ran.results, ran.end.unwrap()), (json!([1, 2, 3]), End::Complete));
    assert_eq!((&ran.response["pages"], &ran.response["pages_end"]), (&json!(3), &json!("complete")));
}

#[test]
fn a_first_page_has_the_number_that_the_definition_says() {
    let config = json!({ "format": "page", "config": { "start_page": 0 } });
    assert_eq!(walk(&config, &[body(json!(null))]).asked, ["/items?q=1&page=0"]);
}

#[test]
fn offsets_count_what_was_answered_and_not_what_was_asked_for() {
    let config = json!({ "format": "offset", "config": { "offset_key": "skip", "limit_key": "take" } });
    let ran = walk(&config, &[body(json!([1, 2])), body(json!([3, 4, 5])), body(json!([]))]);
    assert_eq!(ran.asked, ["/items?q=1&take=100&skip=0", "/items?q=1&take=100&skip=2", "/items?q=1&take=100&skip=5"]);
}

#[test]
fn a_flag_in_the_answer_spares_the_last_request() {
    let config = json!({ "format": "page", "config": { "has_next_path": "more" } });
    let ran =
        walk(&config, &[body(json!({ "items": [1], "more": "true" })), body(json!({ "items": [2], "more": "false" }))]);
    assert_eq!((ran.results, ran.end.unwrap()), (json!([1, 2]), End::Complete));
}

#[test]
fn what_is_no_list_is_one_item_and_nothing_is_none() {
    let config = json!({ "format": "cursor", "config": {
        "cursor_path": "c", "cursor_key": "c", "allow_empty_page_cursor": true,
    } });
    let page = |items: Value, cursor: Value| body(json!({ "items": items, "c": cursor }));
    let given =
        [page(json!([[1], 2]), json!("a")), page(json!(null), json!("b")), page(json!({ "x": 1 }), json!(null))];
    assert_eq!(walk(&config, &given).results, json!([[1], 2, { "x": 1 }]));
}

fn cursor(mut members: Value) -> Value {
    for (name, value) in [("cursor_path", "meta.next"), ("cursor_key", "after")] {
        if members.get(name).is_none() {
            members[name] = json!(value);
        }
    }
    json!({ "format": "cursor", "config": members })
}

fn cursors(cursor: &Value) -> Given {
    body(json!({ "items": [1], "meta": { "next": cursor, "prev": "p", "more": true } }))
}

#[test]
fn a_cursor_goes_where_the_definition_says() {
    for (members, next, expected) in [
        (json!({}), json!("a/b="), "/items?q=1&after=a%2Fb%3D"),
        (json!({ "is_cursor_url_encoded": true }), json!("a%2Fb%3D"), "/items?q=1&after=a%2Fb%3D"),
        (json!({}), json!(42), "/items?q=1&after=42"),
        (json!({ "limit_key": "n" }), json!("c"), "/items?q=1&n=100&after=c"),
        (json!({ "limit_key": "n", "ignore_limit_in_pagination": true }), json!("c"), "/items?q=1&after=c"),
        (json!({ "cursor_key": "q" }), json!("c"), "/items?q=c"),
        (json!({ "cursor_path": "items.-1" }), json!("c"), "/items?q=1&after=1"),
        (json!({ "is_link": true }), json!("https://api.test/elsewhere?page=2&x=y"), "/items?page=2&x=y"),
        (json!({ "is_link": true }), json!("?page=2"), "/items?page=2"),
        (json!({ "is_link": true, "include_path": true }), json!("/elsewhere?page=2"), "/elsewhere?page=2"),
    ] {
        let ran = walk(&cursor(members.clone()), &[cursors(&next), cursors(&json!(null))]);
        assert_eq!(ran.asked.get(1).map(String::as_str), Some(expected), "{members}: {:?}", ran.end);
        assert!(ran.end.is_ok(), "{members}");
    }
}

#[test]
fn values_go_into_a_body_at_their_dotted_paths() {
    let config = cursor(json!({
        "cursor_key": "page.after", "limit_key": "page.size", "add_to_body": true, "limit_data_type": "string",
    }));
    let ran = walk(&config, &[cursors(&json!({ "id": 1 })), cursors(&json!(null))]);
    assert_eq!(ran.asked, ["/items?q=1", "/items?q=1"]);
    assert_eq!(ran.bodies[0], json!({ "filter": 1, "page": { "size": "100" } }));
    assert_eq!(ran.bodies[1], json!({ "filter": 1, "page": { "size": "100", "after": { "id": 1 } } }));
}

#[test]
fn values_go_into_query_and_body_where_both_are_wanted() {
    let config = cursor(json!({ "add_to_body": true, "add_to_query": true }));
    let ran = walk(&config, &[cursors(&json!("c")), cursors(&json!(null))]);
    assert_eq!((ran.asked[1].as_str(), &ran.bodies[1]["after"]), ("/items?q=1&after=c", &json!("c")));
}

#[test]
fn a_cursor_is_found_in_a_header_and_sent_in_one() {
    let config = cursor(json!({
        "cursor_path": "X-Next", "cursor_path_object": "header", "headers": { "Range": "after={{pagination.cursor}}" },
    }));
    let first = (200, vec![("x-next", "c".to_owned())], json!([1]));
    let ran = walk(&config, &[first, body(json!([2]))]);
    assert_eq!(ran.asked, ["/items?q=1", "/items?q=1&after=c after=c"]);
    assert_eq!(ran.results, json!([1, 2]));
}

#[test]
fn a_list_ends_without_a_cursor_and_at_an_empty_page_unless_those_are_allowed() {
    for none in [json!(null), json!(""), json!(" "), json!(false), json!(0)] {
        assert_eq!(walk(&cursor(json!({})), &[cursors(&none)]).end.unwrap(), End::Complete, "{none}");
    }
    let empty = || body(json!({ "items": [], "meta": { "next": "c" } }));
    assert_eq!(walk(&cursor(json!({})), &[empty()]).end.unwrap(), End::Complete);
    let allowing = cursor(json!({ "allow_empty_page_cursor": true }));
    assert_eq!(walk(&allowing, &[empty(), cursors(&json!(null))]).results, json!([1]));
    let flagged = cursor(json!({ "has_next_path": "meta.more" }));
    assert_eq!(walk(&flagged, &[body(json!({ "items": [1], "meta": { "next": "c" } }))]).end.unwrap(), End::Complete);
}

#[test]
fn what_comes_again_ends_the_walk() {
    let pages = |cursors_: &[&str]| cursors_.iter().map(|c| cursors(&json!(c))).collect::<Vec<_>>();
    let ran = walk(&cursor(json!({})), &pages(&["a", "b", "a"]));
    assert_eq!((ran.end.unwrap(), ran.results), (End::Repeated, json!([1, 1, 1])));
    // The pages are the same and the cursors are not.
    let ran = walk(&cursor(json!({ "use_content_hash": true })), &pages(&["a", "b"]));
    assert_eq!((ran.end.unwrap(), ran.results), (End::Repeated, json!([1])));
    let linked = |target: &str| (200, vec![("link", format!("<{target}>; rel=next"))], json!([1]));
    let config = json!({ "format": "link_header" });
    let ran = walk(&config, &[linked("?page=2"), linked("/items?q=1")]);
    assert_eq!((ran.end.unwrap(), ran.response["pages_end"].clone()), (End::Repeated, json!("repeated")));
    assert_eq!(walk(&config, &[linked("https://API.test:443/items?q=1")]).end.unwrap(), End::Repeated);
}

#[test]
fn a_provider_that_ignores_the_page_is_asked_twice() {
    let page = |id: u32| body(json!([{ "id": id }]));
    let config = |format: &str, more: Value| json!({ "format": format, "config": more });
    for format in ["page", "offset"] {
        let ran = walk(&config(format, json!({})), &[page(1), page(1), page(1)]);
        assert_eq!(
            (ran.end.unwrap(), ran.asked.len(), ran.results),
            (End::Repeated, 2, json!([{ "id": 1 }])),
            "{format}"
        );
        // Only its neighbour counts.
        let ran = walk(&config(format, json!({})), &[page(1), page(2), page(1), body(json!([]))]);
        assert_eq!((ran.end.unwrap(), ran.asked.len()), (End::Complete, 4), "{format}");
        let alike = config(format, json!({ "use_content_hash": false }));
        let ran = walk(&alike, &[page(1), page(1), body(json!([]))]);
        assert_eq!((ran.end.unwrap(), ran.results), (End::Complete, json!([{ "id": 1 }, { "id": 1 }])), "{format}");
        let all = config(format, json!({ "use_content_hash": true }));
        let ran = walk(&all, &[page(1), page(2), page(1)]);
        assert_eq!((ran.end.unwrap(), ran.asked.len()), (End::Repeated, 3), "{format}");
    }
}

#[test]
fn links_are_followed_as_they_are_until_there_is_none() {
    let linked = |target: &str| (200, vec![("link", format!("<{target}>; rel=next"))], json!([1]));
    let config = json!({ "format": "link_header", "config": { "limit_key": "n" } });
    let ran = walk(&config, &[linked("/items?page=2"), linked("?page=3"), body(json!([2]))]);
    assert_eq!(ran.asked, ["/items?q=1&n=100", "/items?page=2", "/items?page=3"]);
    assert_eq!(ran.end.unwrap(), End::Complete);
}

#[test]
fn a_link_that_leads_away_fails_the_step() {
    for target in ["https://evil.test/items", "http://api.test/items", "https://api.test:8443/", "//evil.test/"] {
        let linked = (200, vec![("link", format!("<{target}>; rel=next"))], json!([1]));
        let failure = walk(&json!({ "format": "link_header" }), &[linked]).end.unwrap_err();
        assert_eq!(failure.code, ReasonCode::AddressRefused, "{target}");
        assert!(!failure.message.contains("evil"), "{}", failure.message);
        let failure = walk(&cursor(json!({ "is_link": true })), &[cursors(&json!(target))]).end.unwrap_err();
        assert_eq!(failure.code, ReasonCode::AddressRefused, "{target}");
    }
}

#[test]
fn cursors_that_cannot_be_used_fail_the_step() {
    for (members, next, words) in [
        (json!({}), json!({ "id": 1 }), "set `add_to_body`"),
        (json!({ "is_link": true }), json!(7), "is no text"),
        (json!({ "is_link": true }), json!("/a b"), "white space"),
        (json!({ "is_cursor_url_encoded": true }), json!("%FF"), "UTF-8"),
    ] {
        let failure = walk(&cursor(members.clone()), &[cursors(&next)]).end.unwrap_err();
        assert!(failure.message.contains(words), "{members}: {}", failure.message);
        assert_eq!(failure.code, ReasonCode::BadResponse);
    }
}

#[test]
fn ranges_go_on_until_the_total_is_reached() {
    let config = json!({ "format": "range", "config": { "range_unit": "users", "limit": 2 } });
    let part = |range: &str, items: Value| (206, vec![("content-range", range.to_owned())], items);
    let ran = walk(&config, &[part("users 0-1/3", json!([1, 2])), part("users 2-2/3", json!([3]))]);
    assert_eq!(ran.asked, ["/items?q=1 users=0-1", "/items?q=1 users=2-3"]);
    assert_eq!((ran.end.unwrap(), ran.results), (End::Complete, json!([1, 2, 3])));
    // Without a total only an empty part is the end.
    let open = walk(&config, &[part("users 0-0/*", json!([1])), part("users 1-1/*", json!([]))]);
    assert_eq!((open.asked[1].as_str(), open.end.unwrap()), ("/items?q=1 users=1-2", End::Complete));
    // Without `Content-Range` the items count; and whoever answers 200 knows no ranges.
    let silent = walk(&config, &[(206, vec![], json!([1, 2])), (206, vec![], json!([]))]);
    assert_eq!(silent.asked[1], "/items?q=1 users=2-3");
    assert_eq!(walk(&config, &[body(json!([1, 2]))]).end.unwrap(), End::Complete);
    // A part that does not get on.
    let stuck = [part("users 0-1/9", json!([1, 2])), part("users 0-1/9", json!([1, 2]))];
    assert_eq!(walk(&config, &stuck).end.unwrap(), End::Complete);
}

#[test]
fn a_range_behind_the_last_item_is_the_end_and_no_failure() {
    let plan = plan(&json!({ "format": "range" }), &json!({}));
    let pagination = pagination(&plan);
    let refused = Failure::permanent(ReasonCode::UpstreamRejected, "m").with_status(416);
    let mut pager = Pager::begin(pagination);
    assert!(!pager.is_past_the_end(pagination, &refused), "the first page is not past the end");
    let mut scope = Scope::new(Map::new(), 0, 1);
    let response = Shared::of_parts([("status", json!(206).into()), ("body", json!([1]).into())]);
    assert_eq!(pager.turn(pagination, &mut scope, Arc::new(json!([1])), &response).unwrap(), Turn::More);
    assert!(pager.is_past_the_end(pagination, &refused));
    let (results, response) = pager.finish(None, End::Complete);
    assert_eq!(*results, json!([1]));
    let response = serde_json::to_value(response).unwrap();
    assert_eq!(response, json!({ "status": 206, "body": [1], "pages": 1, "pages_end": "complete" }));
}

#[test]
fn expressions_say_what_each_page_is_asked_with() {
    let config = json!({ "format": "dynamic", "config": {
        "get_initial_pagination_values_expression": "{ 'from': $number(query.q), 'u': url, 'm': requestOptions.method }",
        "get_pagination_values_expression": "body.next ? { 'from': paginationValues.from + $pagination.cursor, 's': response.status }",
        "get_cursor_from_response_expression": "body.next",
    } });
    let page = |next: Value| body(json!({ "items": [1], "next": next }));
    let ran = walk(&config, &[page(json!(2)), page(json!(null))]);
    assert_eq!(
        ran.asked,
        ["/items?q=1&from=1&u=https%3A%2F%2Fapi.test%2Fitems%3Fq%3D1&m=POST", "/items?q=1&from=3&s=200"]
    );
    assert_eq!(ran.end.unwrap(), End::Complete);
}

#[test]
fn values_of_expressions_may_be_parts_of_the_request() {
    let config = json!({ "format": "dynamic", "config": {
        "get_initial_pagination_values_expression": "{ 'query': { 'q': null, 'a': 1 }, 'body': { 'p.n': 1 }, 'headers': { 'Range': 'r' } }",
        "get_pagination_values_expression": "body.next ? { 'url': body.next }",
    } });
    let page = |next: Value| body(json!({ "items": [1], "next": next }));
    let ran = walk(&config, &[page(json!("/more?x=1")), page(json!(null))]);
    assert_eq!(
        (ran.asked, &ran.bodies[0]["p"]["n"]),
        (vec!["/items?a=1 r".to_owned(), "/more?x=1".to_owned()], &json!(1))
    );
    let failure = walk(&config, &[page(json!("https://evil.test/"))]).end.unwrap_err();
    assert_eq!(failure.code, ReasonCode::AddressRefused);
}

#[test]
fn a_cursor_expression_alone_makes_the_values_and_the_same_values_end_the_walk() {
    let config = json!({ "format": "dynamic", "config": {
        "get_cursor_from_response_expression": "body.next", "cursor_key": "token",
    } });
    let page = |next: Value| body(json!({ "items": [1], "next": next }));
    let ran = walk(&config, &[page(json!("a")), page(json!("b")), page(json!("a"))]);
    assert_eq!(ran.asked, ["/items?q=1", "/items?q=1&token=a", "/items?q=1&token=b"]);
    assert_eq!(ran.end.unwrap(), End::Repeated);
    assert_eq!(walk(&config, &[page(json!(null))]).end.unwrap(), End::Complete);
    let stuck = json!({ "format": "dynamic", "config": {
        "get_initial_pagination_values_expression": "{ 'a': 1 }", "get_pagination_values_expression": "{ 'a': 1 }",
    } });
    assert_eq!(walk(&stuck, &[page(json!(null))]).end.unwrap(), End::Repeated);
}

#[test]
fn expressions_that_fail_or_give_no_object_fail_the_step() {
    for (name, source) in [
        ("get_initial_pagination_values_expression", "1 + 'a'"),
        ("get_initial_pagination_values_expression", "[1]"),
        ("get_pagination_values_expression", "1 + 'a'"),
        ("get_pagination_values_expression", "'next'"),
        ("get_cursor_from_response_expression", "1 + 'a'"),
    ] {
        let mut config = json!({ "format": "dynamic", "config": { "get_cursor_from_response_expression": "'c'" } });
        config["config"][name] = json!(source);
        let failure = walk(&config, &[body(json!([1]))]).end.unwrap_err();
        assert_eq!(failure.code, ReasonCode::ExpressionError, "{name} {source}");
    }
}

#[test]
fn no_more_pages_than_wanted_are_asked_for() {
    let config = json!({ "format": "page", "config": { "max_pages": 2 } });
    let ran = walk(&config, &[body(json!([1])), body(json!([2]))]);
    assert_eq!((ran.end.unwrap(), ran.results), (End::MaxPages, json!([1, 2])));
    assert_eq!(ran.response["pages_end"], "max_pages");
    let endless: Vec<Given> = (0..1_500).map(|page| body(json!([page]))).collect();
    let ran = walk(&json!({ "format": "page" }), &endless);
    assert_eq!((ran.end.unwrap(), ran.asked.len()), (End::MaxPages, 1_000));
}

#[test]
fn more_than_is_collected_fails_the_step_and_says_what_to_do() {
    let many: Vec<Given> = (0..3).map(|page| body(json!(vec![page; 7_000]))).collect();
    let failure = walk(&json!({ "format": "page" }), &many).end.unwrap_err();
    assert_eq!(failure.code, ReasonCode::ExpressionLimit);
    assert!(failure.message.contains("21000 items") && failure.message.contains("20000 items"), "{}", failure.message);
    let large: Vec<Given> = ["x", "y"].map(|text| body(json!([text.repeat(5 * 1024 * 1024)]))).into();
    let failure = walk(&json!({ "format": "page" }), &large).end.unwrap_err();
    assert!(failure.message.contains("8388608 bytes") && failure.message.contains("max_pages"), "{}", failure.message);
}

#[test]
fn a_request_for_one_page_sees_the_first_pages_values_and_is_not_changed() {
    let config = json!({ "format": "page", "config": { "page_key": "page", "limit_key": "per_page" } });
    let plan = plan(&config, &json!({}));
    let mut scope = Scope::new(Map::new(), 0, 1);
    let bare = |_: &mut Scope| Err(bad("not asked"));
    assert!(prepare(pagination(&plan), None, &mut scope, bare).unwrap().is_none());
    let seen = crate::expression::Expression::compile("$pagination").unwrap().evaluate(&scope).unwrap();
    assert_eq!(seen, Some(json!({ "per_page": 100, "limit": 100, "page": 1 })));
}

#[test]
fn debug_output_shows_no_answers() {
    let plan = plan(&json!({ "format": "page" }), &json!({}));
    let mut pager = Pager::begin(pagination(&plan));
    let response = Shared::of_parts([("body", json!(["canary"]).into())]);
    let mut scope = Scope::new(Map::new(), 0, 1);
    pager.turn(pagination(&plan), &mut scope, Arc::new(json!(["canary"])), &response).unwrap();
    assert_eq!(format!("{pager:?}"), "Pager { pages: 1, items: 1, .. }");
}
