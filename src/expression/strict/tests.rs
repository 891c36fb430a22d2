use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::expression::tests::scope;

fn url(source: &str, value: &str) -> Result<String, ExprError> {
    Text::compile_url(source, false).unwrap().render(&scope(json!({ "v": value, "w": "w" })))
}

#[test]
fn values_are_encoded_for_the_part_of_the_url_they_stand_in() {
    for (source, value, expected) in [
        ("https://api.test/u/{{v}}", "a/../b?c#d", "https://api.test/u/a%2F..%2Fb%3Fc%23d"),
        ("/u/{{v}}/x", "ü &", "/u/%C3%BC%20%26/x"),
        ("u/{{v}}", "@", "u/%40"),
        ("/u?q={{v}}&r={{w}}", "a&b=c", "/u?q=a%26b%3Dc&r=w"),
        ("https://{{v}}.test/{{w}}", "acme", "https://acme.test/w"),
        ("https://{{v}}:8443/", "eu.acme", "https://eu.acme:8443/"),
        ("https://{{w}}.test?next={{v}}", "https://x", "https://w.test?next=https%3A%2F%2Fx"),
        ("{{v}}/services/{{w}}", "https://eu.acme.test", "https://eu.acme.test/services/w"),
        ("{{v}}", "https://eu.acme.test/next?page=2", "https://eu.acme.test/next?page=2"),
        ("/go?to=https://x/{{v}}", "a/b", "/go?to=https://x/a%2Fb"),
        ("/u/{{= v & '/x' }}", "a", "/u/a%2Fx"),
    ] {
        assert_eq!(url(source, value).as_deref(), Ok(expected), "{source}");
    }
    let raw = Text::compile_url("https://{{w}}/{{v}}", true).unwrap();
    assert_eq!(raw.render(&scope(json!({ "v": "a/b", "w": "w" }))).as_deref(), Ok("https://w/a/b"));
    assert!(raw.render(&scope(json!({ "v": "a/b", "w": "w/x" }))).is_err(), "raw leaves the host checked");
}

#[test]
fn a_host_is_only_labels_and_dots() {
    for bad in ["", "a/b", "a@b", "a:80", ".", "a.", ".a", "a..b", "-a", "a-", "a b", "ä", "a#", "a\\b", "a%2e"] {
        let error = url("https://{{v}}/", bad).unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (ExprKind::Failed, "invalid_host"), "{bad:?}");
    }
    assert!(url("https://{{v}}/", &"a".repeat(64)).is_err());
    assert!(url("https://{{v}}/", &"a.".repeat(127)).is_err());
    assert!(url("https://{{v}}.test/", &"a".repeat(63)).is_ok());
}

#[test]
fn a_path_segment_that_would_name_something_else_is_refused() {
    for bad in ["", ".", ".."] {
        assert_eq!(url("/u/{{v}}", bad).unwrap_err().code, "invalid_path_segment", "{bad:?}");
    }
    assert_eq!(url("/u?v={{v}}", "").as_deref(), Ok("/u?v="));
}

#[test]
fn a_missing_undefined_or_null_value_is_an_error_that_names_the_placeholder() {
    let scope = scope(json!({ "nothing": null, "text": "null", "empty": "" }));
    for source in [
        "{{gone.deep}}",
        "Bearer {{gone.deep}}",
        "{{gone.deep:undefined}}",
        "x{{gone.deep:undefined}}",
        "{{gone.deep:null}}",
        "x{{gone.deep:null}}",
        "{{nothing|gone.deep}}",
        "x{{nothing|gone.deep}}",
        "{{empty|gone.deep:ignore-empty-str}}",
        "{{text:null|gone.deep}}",
        "x{{text:null|gone.deep}}",
        "{{= gone.deep }}",
        "x{{= nothing ? 1 : gone.deep }}",
    ] {
        let error = Text::compile(source, Encoding::None).unwrap().render(&scope).unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (ExprKind::Unresolved, "unresolved_placeholder"), "{source}");
        assert!(error.message.contains("gone.deep"), "{error}");
    }
    let fallback = Text::compile("{{gone?:x}}-{{gone|text}}-{{= gone ? 1 : 'y' }}", Encoding::None).unwrap();
    assert_eq!(fallback.render(&scope).as_deref(), Ok("x-null-y"));
}

#[test]
fn objects_are_no_text_and_flat_lists_are() {
    let scope = scope(json!({ "object": { "a": "canary" }, "list": [1, null, true], "deep": [[1]], "n": 1.0 }));
    for source in ["{{object:any}}", "x{{object:json}}", "{{= object }}", "{{deep:any}}"] {
        let error = Text::compile(source, Encoding::None).unwrap().render(&scope).unwrap_err();
        assert_eq!(error.code, "not_text", "{source}");
        assert!(!error.to_string().contains("canary"));
    }
    let text = Text::compile("{{list:any}} {{= list }} {{n}}", Encoding::None).unwrap();
    assert_eq!(text.render(&scope).as_deref(), Ok("1,,true 1,,true 1"));
}

proptest! {
    #[test]
    fn a_value_never_leaves_its_part_of_the_url(value in "[a-z./?#@:%&=\\\\ é]{0,12}") {
        if let Ok(rendered) = url("https://{{v}}.vendor.test/a/{{w}}", &value) {
            let parsed = url::Url::parse(&rendered).unwrap();
            prop_assert!(parsed.host_str().unwrap().ends_with(".vendor.test"));
            prop_assert_eq!(parsed.path(), "/a/w");
        }
        if let Ok(rendered) = url("https://vendor.test/a/{{v}}/b?q={{v}}", &value) {
            let parsed = url::Url::parse(&rendered).unwrap();
            prop_assert_eq!(parsed.host_str(), Some("vendor.test"));
            prop_assert_eq!(parsed.path_segments().unwrap().count(), 3);
            prop_assert_eq!(parsed.query_pairs().collect::<Vec<_>>(), [("q".into(), value.as_str().into())]);
            prop_assert_eq!(parsed.fragment(), None);
        }
    }
}
