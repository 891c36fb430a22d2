//! Whatever a provider answers, a walk ends within its bounds and never leaves its origin.

use std::collections::HashMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Given, link, walk};

/// A definition of any format, as a number.
fn any_format(choice: u8) -> Value {
    let mut config = match choice % 8 {
        0 => json!({ "format": "page", "config": {} }),
        1 => json!({ "format": "offset", "config": {} }),
        2 => json!({ "format": "cursor", "config": { "cursor_path": "next", "cursor_key": "c" } }),
        3 => json!({ "format": "cursor", "config": { "cursor_path": "next", "is_link": true, "include_path": true } }),
        4 => {
            json!({ "format": "cursor", "config": { "cursor_path": "link", "cursor_path_object": "header", "is_link": true } })
        }
        5 => json!({ "format": "link_header", "config": {} }),
        6 => json!({ "format": "range", "config": {} }),
        _ => json!({ "format": "dynamic", "config": {
            "get_pagination_values_expression": "body.next ? ($type(body.next) = 'string' ? { 'url': body.next } : { 'c': body.next })",
        } }),
    };
    config["config"]["max_pages"] = json!(30);
    config["config"]["allow_empty_page_cursor"] = json!(true);
    if config["format"] != "cursor" {
        config["config"].as_object_mut().unwrap().shift_remove("allow_empty_page_cursor");
    }
    config["config"]["use_content_hash"] = json!(choice % 16 > 7);
    config
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,10}",
        "(https?:)?(//)?(api\\.test|evil\\.test|user@api\\.test|\\[::1\\])?(:[0-9]{1,5})?[/?&=a-z0-9.@:\\\\%#]{0,12}",
        "</[a-z0-9?=]{0,6}>; ?rel=\"?next\"?",
        "<[ -~]{0,12}>[;= a-z\",]{0,12}rel=next",
        "[a-z]{0,8} ?[0-9]{0,20}-[0-9]{0,20}/[0-9*]{0,4}",
    ]
}

fn any_answer() -> impl Strategy<Value = (u16, Vec<(&'static str, String)>, Value)> {
    let next = prop_oneof![
        any_text().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        Just(Value::Null),
        Just(json!({ "a": 1 })),
        Just(json!([])),
    ];
    let items = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..4).prop_map(Value::from),
        Just(Value::Null),
        any_text().prop_map(Value::from),
    ];
    let status = prop_oneof![Just(200), Just(206)];
    (status, any_text(), any_text(), next, items).prop_map(|(status, link, range, next, items)| {
        (status, vec![("link", link), ("content-range", range)], json!({ "items": items, "next": next }))
    })
}

proptest! {
    #[test]
    fn whatever_is_answered_a_walk_ends_within_its_bounds_and_never_leaves_its_origin(
        choice in any::<u8>(), answers in prop::collection::vec(any_answer(), 1..6),
    ) {
        let answers: Vec<Given> = answers.iter().cycle().take(60).cloned().collect();
        // `walk` expects every URL at home.
        let ran = walk(&any_format(choice), &answers);
        prop_assert!(ran.asked.len() <= 30, "{} pages", ran.asked.len());
        let ended = !matches!(&ran.end, Err(failure) if failure.message == "no answer any more");
        prop_assert!(ended, "still going after 60 answers");
        let places: HashMap<&String, usize> = ran.asked.iter().fold(HashMap::new(), |mut count, url| {
            *count.entry(url).or_default() += 1;
            count
        });
        prop_assert!(places.values().all(|count| *count == 1) || choice % 8 == 4, "asked twice: {:?}", ran.asked);
    }

    #[test]
    fn whatever_a_link_header_holds_it_is_read_without_a_fault(header in "[<>;,=\" \\\\a-z/]{0,40}|\\PC{0,40}") {
        if let Some(target) = link::next(&header) {
            prop_assert!(header.contains(target.as_ref()));
        }
    }
}
