//! What a `pagination` may be, and what is refused of it.

use serde_json::{Value, json};

use super::{Compared, Format, Link, Pagination, Place};
use crate::definitions::{Effective, Integration, Plan, StepKind};

/// The pagination of a step, and whether the step walks; or the complaint.
fn compiled(integration: &Value, step: &Value) -> Result<(Option<Pagination>, bool), String> {
    let mut config = json!({ "base_url": "https://api.test", "actions": { "post_install": step } });
    if !integration.is_null() {
        config["pagination"] = integration.clone();
    }
    let document = json!({ "id": uuid::Uuid::nil(), "name": "acme", "config": config });
    let effective = Effective::of(&Integration::parse(&document).unwrap());
    let mut plan = Plan::compile(&effective).map_err(|error| error.to_string())?;
    let step = plan.post_install.steps.remove(0);
    match step.kind {
        StepKind::Request(request) => Ok((request.pagination.map(|pagination| *pagination), step.paginate)),
        _ => Ok((None, step.paginate)),
    }
}

fn walking(pagination: &Value) -> Result<Pagination, String> {
    let step = json!({ "type": "request", "paginate": true, "config": { "path": "/a", "pagination": pagination } });
    compiled(&Value::Null, &step).map(|(pagination, _)| pagination.unwrap())
}

#[test]
fn a_request_has_the_pagination_of_its_topmost_layer_where_it_is_used() {
    let page = json!({ "format": "page", "config": { "page_key": "p" } });
    let offset = json!({ "format": "offset" });
    let request = |paginate: bool, config: Value| json!({ "type": "request", "paginate": paginate, "config": config });
    let named = json!({ "path": "/a", "query": { "n": "{{pagination.page}}" } });
    for (integration, step, expected) in [
        (Value::Null, request(false, json!({ "path": "/a" })), None),
        (page.clone(), request(false, json!({ "path": "/a" })), None),
        (page.clone(), request(true, json!({ "path": "/a" })), Some("page")),
        (page.clone(), request(false, named), Some("page")),
        (page.clone(), request(true, json!({ "path": "/a", "pagination": offset })), Some("offset")),
        (page, request(false, json!({ "path": "/a/{{pagination.page}}", "pagination": null })), None),
    ] {
        let (pagination, _) = compiled(&integration, &step).unwrap();
        let format = pagination.map(|pagination| match pagination.format {
            Format::Page { .. } => "page",
            Format::Offset { .. } => "offset",
            _ => "another",
        });
        assert_eq!(format, expected, "{step}");
    }
}

#[test]
fn keys_have_two_names_and_a_default_where_the_templates_do_not_place_the_value() {
    for config in [
        json!({ "page_key": "p", "limit_key": "n" }),
        json!({ "page_param": "p", "limit_param": "n" }),
        json!({ "page_key": "p", "page_param": "p", "limit_param": "n" }),
    ] {
        let pagination = walking(&json!({ "format": "page", "config": config })).unwrap();
        assert!(matches!(pagination.format, Format::Page { key: Some(ref key), start: 1 } if key == "p"));
        assert_eq!(pagination.limit.key.as_deref(), Some("n"));
    }
    let plain = walking(&json!({ "format": "offset" })).unwrap();
    assert!(matches!(plain.format, Format::Offset { key: Some(ref key) } if key == "offset"));
    let step = json!({ "type": "request", "paginate": true, "config": {
        "path": "/a", "query": { "from": "{{pagination.offset}}" }, "pagination": { "format": "offset" },
    } });
    let (placed, _) = compiled(&Value::Null, &step).unwrap();
    assert!(matches!(placed.unwrap().format, Format::Offset { key: None }));
}

#[test]
fn the_limit_is_the_smaller_of_what_is_wanted_and_allowed() {
    for (config, expected) in [
        (json!({}), 100),
        (json!({ "max_limit": 50 }), 50),
        (json!({ "limit": 20 }), 20),
        (json!({ "limit": 20, "max_limit": 50 }), 20),
        (json!({ "limit": 200, "max_limit": 50 }), 50),
    ] {
        let pagination = walking(&json!({ "format": "page", "config": config })).unwrap();
        assert_eq!(pagination.limit.value, expected, "{config}");
    }
}

#[test]
fn all_of_a_cursors_seventeen_members_are_understood() {
    let pagination = walking(&json!({ "format": "cursor", "config": {
        "cursor_path": "Meta.Next", "prev_cursor_path": "meta.prev", "cursor_key": "after", "has_next_path": "meta.more",
        "limit_key": "n", "max_limit": 7, "is_link": true, "include_path": true, "headers": { "X-Page": "{{pagination.cursor}}" },
        "add_to_body": false, "add_to_query": true, "limit_data_type": "string", "ignore_limit_in_pagination": true,
        "cursor_path_object": "header", "use_content_hash": true, "is_cursor_url_encoded": true,
        "allow_empty_page_cursor": true,
    } }))
    .unwrap();
    let Format::Cursor(cursor) = &pagination.format else { panic!("another format") };
    assert_eq!((cursor.path.as_str(), cursor.in_headers, cursor.link), ("meta.next", true, Some(Link::Whole)));
    assert!(cursor.encoded && cursor.empty_pages && pagination.compared == Compared::All);
    assert!(pagination.limit.as_text && pagination.limit.first_only && pagination.place == Place::Query);
    assert_eq!((pagination.headers[0].name.as_str(), pagination.limit.value), ("x-page", 7));
}

#[test]
fn what_cannot_be_meant_is_refused_with_its_place() {
    let cursor = |config: Value| json!({ "format": "cursor", "config": config });
    let page = |config: Value| json!({ "format": "page", "config": config });
    for (pagination, pointer, words) in [
        (json!({}), "", "`format` is missing"),
        (json!({ "format": "pages" }), "/format", "is not a pagination format"),
        (json!({ "format": "page", "page_key": "p" }), "/page_key", "not known here"),
        (page(json!({ "cursor_path": "x" })), "/config/cursor_path", "not known here"),
        (page(json!({ "page_key": "a", "page_param": "b" })), "/config/page_param", "differs from `page_key`"),
        (page(json!({ "limit_key": "a", "limit_param": "b" })), "/config/limit_param", "differs from `limit_key`"),
        (page(json!({ "page_key": "" })), "/config/page_key", "must not be empty"),
        (page(json!({ "max_pages": 1001 })), "/config/max_pages", "from 1 to 1000"),
        (page(json!({ "max_pages": 0 })), "/config/max_pages", "from 1 to 1000"),
        (page(json!({ "max_limit": "many" })), "/config/max_limit", "must be a whole number"),
        (page(json!({ "limit_data_type": "float" })), "/config/limit_data_type", "`number` or `string`"),
        (page(json!({ "add_to_body": true })), "", "carry no body"),
        (cursor(json!({ "cursor_key": "c" })), "/config", "`cursor_path` is missing"),
        (cursor(json!({ "cursor_path": "c" })), "/config", "does not say where the cursor goes"),
        (cursor(json!({ "cursor_path": "c", "cursor_key": "c", "include_path": true })), "/config", "needs `is_link"),
        (
            cursor(json!({ "cursor_path": "c", "cursor_key": "c", "cursor_path_object": "x" })),
            "/config/cursor_path_object",
            "`body` or `header`",
        ),
        (cursor(json!({ "cursor_path": "c", "headers": { "Host": "x" } })), "/config/headers/Host", "cannot be set"),
        (json!({ "format": "range", "config": { "range_unit": "a b" } }), "/config/range_unit", "a word"),
        (json!({ "format": "dynamic" }), "/config", "never gets beyond its first page"),
        (
            json!({ "format": "dynamic", "config": { "get_pagination_values_expression": "1 +" } }),
            "/config/get_pagination_values_expression",
            "does not compile",
        ),
    ] {
        let said = walking(&pagination).map(|_| ()).unwrap_err();
        assert!(said.contains(&format!("{pointer}:")) && said.contains(words), "{pagination}: {said}");
    }
}

#[test]
fn what_an_integration_has_beside_what_is_documented_is_left_alone() {
    let exported = json!({ "format": "page", "note": 1, "config": { "page_key": "p", "page_style": "x" } });
    let step = json!({ "type": "request", "paginate": true, "config": { "path": "/a" } });
    assert!(compiled(&exported, &step).unwrap().0.is_some());
    let wrong = json!({ "format": "page", "config": { "max_limit": "x" } });
    assert!(compiled(&wrong, &step).is_err());
}

#[test]
fn only_requests_with_a_pagination_have_pages() {
    for (step, words) in [
        (json!({ "type": "transform", "paginate": true, "config": "1" }), "only a `request` has pages"),
        (json!({ "type": "request", "paginate": true, "config": { "path": "/a" } }), "needs a `pagination`"),
        (json!({ "type": "request", "paginate": "yes", "config": { "path": "/a" } }), "true or false"),
    ] {
        let said = compiled(&Value::Null, &step).map(|_| ()).unwrap_err();
        assert!(said.contains("/paginate:") && said.contains(words), "{said}");
    }
}

#[test]
fn a_pagination_path_is_a_place_to_ask_or_a_place_in_the_answer() {
    let step = |path: &str| {
        json!({ "type": "request", "paginate": true, "config": {
            "path": "/a", "pagination": { "format": "page" }, "pagination_path": path, "ignore_body_in_pagination": true,
        } })
    };
    let place = |path: &str| compiled(&Value::Null, &step(path)).unwrap().0.unwrap();
    assert!(place("/a/more").later.is_some() && place("https://api.test/a/more").metadata.is_none());
    let inside = place("meta.paging");
    assert_eq!(
        (inside.metadata.as_deref(), inside.later.is_none(), inside.drops_body),
        (Some("meta.paging"), true, true)
    );
}
