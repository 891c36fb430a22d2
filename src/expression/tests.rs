//! Templates and texts against tables, recorded answers and properties.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{Encoding, ExprKind, Scope, Template, Text};

pub(super) fn scope(root: Value) -> Scope {
    match root {
        Value::Object(root) => Scope::new(root, 1_700_000_000_000, 7),
        _ => panic!("a scope is an object"),
    }
}

fn render(template: &Value, root: &Value) -> Option<Value> {
    Template::compile(template).unwrap().render(&scope(root.clone())).unwrap()
}

#[test]
fn the_recorded_answers_of_the_reference_are_given() {
    let file: Value = serde_json::from_str(include_str!("../../tests/data/placeholders.json")).unwrap();
    let scope = scope(file["data"].clone());
    let mut wrong = Vec::new();
    for case in file["cases"].as_array().unwrap() {
        let got = Template::compile(&case[0]).and_then(|template| template.render(&scope));
        if got.as_ref().ok() != Some(&case.get(1).cloned()) {
            wrong.push(format!("{case} gave {got:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of the cases:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn where_the_reference_errs_at_run_time_compiling_errs() {
    for (source, code, position) in [
        ("{{ }}", "empty_path", 0),
        ("{{|a}}", "empty_path", 0),
        ("x {{a|}}", "empty_path", 2),
        ("{{:json}}", "empty_path", 0),
        ("é {{a:text}}", "unknown_type", 3),
        ("{{a: }}", "unknown_type", 0),
        ("{{a?:http://h:8080}}", "unknown_type", 0),
        ("{{= 1", "unclosed_expression", 0),
        ("ab {{= 1 + }}", "S0207", 9),
    ] {
        let error = Template::compile(&json!([source])).unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (ExprKind::Syntax, code), "{source}: {error}");
        assert!(error.position.unwrap() >= position, "{source}: {error}");
    }
}

#[test]
fn our_differences_from_the_reference_hold() {
    let root = json!({
        "cash": "$& $1 $$", "braces": "{{other}}", "other": "seen", "steps": { "0": { "result": 5 } },
        "nested": r#"{"q":"{{other}}"}"#, "infinite": "Infinity", "id": "9007199254740993", "constructor": "built",
        "a/b": "slash",
    });
    for (template, expected) in [
        ("a {{cash}} b", json!("a $& $1 $$ b")),
        ("{{braces}} {{other}}", json!("{{other}} seen")),
        ("{{nested:json}}", json!({ "q": "{{other}}" })),
        ("{{steps.0.result:int}}", json!(5)),
        ("{{infinite:num}}", json!("Infinity")),
        ("{{id:int}}", json!(9_007_199_254_740_993_u64)),
        ("{{constructor}}", json!("built")),
        ("{{a/b}}", json!("slash")),
        ("{{other and more}}", json!("{{other and more}}")),
    ] {
        assert_eq!(render(&json!(template), &root), Some(expected), "{template}");
    }
}

#[test]
fn a_merge_differs_from_the_reference_where_it_is_written_out() {
    let root = json!({ "o": { "k": 1 } });
    for (template, expected) in [
        // The reference leaves the inner key in place.
        (json!({ "$truto_merge": { "$truto_merge": "{{o:json}}" } }), json!({ "k": 1 })),
        // The reference takes the field away.
        (json!({ "a": 1, "$truto_merge": { "a": "{{gone:undefined}}" } }), json!({ "a": 1 })),
        // The reference refuses numbers, booleans and null in a list at the top.
        (json!([1, "{{o.k}}", null]), json!([1, "1", null])),
    ] {
        assert_eq!(render(&template, &root), Some(expected), "{template}");
    }
}

#[test]
fn an_expression_keeps_its_type_alone_and_is_text_beside_text() {
    let root = json!({ "user": { "id": 7, "tags": ["a"] }, "status": "x", "nothing": null });
    for (template, expected) in [
        ("{{= user.id + 1 }}", Some(json!(8))),
        ("{{= {\"a\": {\"b\": user.id}} }}", Some(json!({ "a": { "b": 7 } }))),
        ("{{={\"a\":{\"b\":1}}}}", Some(json!({ "a": { "b": 1 } }))),
        ("{{= '}}' & user.id }}", Some(json!("}}7"))),
        ("{{= user.id /* }} */ }}", Some(json!(7))),
        ("{{= $contains('a}}', '}}') }}", Some(json!(true))),
        ("{{= missing }}", None),
        ("{{= nothing }}", Some(Value::Null)),
        (
            "n={{= user.id }}/{{= missing }}/{{= nothing }}/{{= user }}",
            Some(json!("n=7//null/{\"id\":7,\"tags\":[\"a\"]}")),
        ),
        ("{{= user.id }}{{status}}{{= 1 }}", Some(json!("7x1"))),
        ("{{{= user.id }}}", Some(json!("{7}"))),
    ] {
        assert_eq!(render(&json!(template), &root), expected, "{template}");
    }
    assert_eq!(render(&json!({ "a": "{{= missing }}", "b": ["{{= missing }}"] }), &root), Some(json!({ "b": [null] })));
}

#[test]
fn equal_expressions_of_one_template_draw_their_own_numbers_and_draw_them_again() {
    let template = Template::compile(&json!(["{{= $uuid() }}", "{{= $uuid() }}", "{{= $random() }}"])).unwrap();
    let mut scope = scope(json!({}));
    let first = template.render(&scope).unwrap().unwrap();
    assert_ne!(first[0], first[1]);
    assert_eq!(template.render(&scope).unwrap().unwrap(), first);
    scope.restart(0, 8);
    assert_ne!(template.render(&scope).unwrap().unwrap()[0], first[0]);
}

pub(super) fn json_value() -> impl Strategy<Value = Value> {
    let text = prop_oneof!["[{}a-z:|?$&.= ]{0,12}", "\\PC{0,8}", Just("{{secret}}".to_owned())];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-(1_i64 << 53) + 1..1 << 53).prop_map(Value::from),
        text.prop_map(Value::from)
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[a-z]{1,4}", inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

proptest! {
    #[test]
    fn data_that_looks_like_a_template_comes_out_as_it_is(value in json_value()) {
        let root = json!({ "value": value, "secret": "canary" });
        for template in ["{{value:any}}", "{{= value }}"] {
            let got = render(&json!([template]), &root).unwrap();
            let expected = match &value {
                Value::String(text) if template.contains("any") => json!([super::text::trim(text)]),
                _ => json!([value]),
            };
            prop_assert_eq!(got, expected);
        }
    }

    #[test]
    fn spliced_text_comes_out_as_it_is(value in "[{}a-z:|?$&.= ]{0,12}") {
        let root = json!({ "value": value, "secret": "canary", "a": "b" });
        prop_assert_eq!(render(&json!("<{{value}}|{{= value }}>"), &root), Some(json!(format!("<{value}|{value}>"))));
    }

    #[test]
    fn a_template_without_placeholders_renders_to_itself(value in json_value()) {
        let text = value.to_string();
        prop_assume!(!text.contains("{{"));
        prop_assert_eq!(render(&value, &json!({ "a": 1 })), Some(value));
    }

    #[test]
    fn compiling_and_rendering_any_text_never_panics(source in "[{}a-c:|?$&.=/ ]{0,24}") {
        let root = json!({ "a": { "b": [1, "c"] }, "c": "x" });
        if let Ok(template) = Template::compile(&json!(source)) {
            let _ = template.render(&scope(root.clone()));
        }
        if let Ok(text) = Text::compile(&source, Encoding::Host) {
            let _ = text.render(&scope(root));
        }
    }
}

#[test]
fn what_a_template_fills_in_is_bounded_however_short_it_is() {
    let root = json!({ "a": "x".repeat(1 << 20), "l": [["x".repeat(1 << 20)]] });
    for template in [
        json!("{{a}}".repeat(40)),
        json!(vec!["{{a}}"; 40]),
        json!(vec!["{{= a }}"; 40]),
        json!({ "$truto_merge": vec!["{{l}}"; 40] }),
    ] {
        for compiled in [Template::compile(&template), Template::compile_for_the_model(&template)] {
            let rendered = compiled.unwrap().render(&scope(root.clone()));
            let literal = template.to_string().contains("{{=");
            assert!(
                rendered.as_ref().is_err_and(|error| error.code == "rendered_too_large")
                    || (literal && rendered.is_ok())
            );
        }
    }
    let few = Template::compile(&json!("{{a}}".repeat(8))).unwrap().render(&scope(root.clone())).unwrap();
    assert_eq!(few.unwrap().as_str().unwrap().len(), 8 << 20);
    let error = Text::compile(&"{{a}}".repeat(9), Encoding::None).unwrap().render(&scope(root)).unwrap_err();
    assert_eq!((error.code.as_str(), error.kind), ("rendered_too_large", ExprKind::Limit));
}
