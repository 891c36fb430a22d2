//! Answers in other formats, and what is said of those that are errors.

use serde_json::{Value, json};

use super::{Ran, Reply, drive, post_install, start};

fn asked(request: Value, context: Value, replies: Vec<Reply>) -> Ran {
    let mut request = request;
    request["path"] = json!("/a");
    let config = post_install(json!([
        { "type": "request", "name": "a", "config": request },
        { "type": "update_context", "config": "{ 'got': steps.a.result, 'raw': steps.a.response.body }" },
    ]));
    drive(start(&config, context), &mut replies.into())
}

#[test]
fn an_answer_in_xml_or_csv_is_a_value_with_a_path() {
    let soap = json!("<env><body><user id=\"1\">Ann</user><user id=\"2\">Bo</user></body></env>");
    let ran = asked(
        json!({ "response_path": "env.body.user.{ 'id': _attributes.id, 'name': _text }", "api_response_format": "xml" }),
        json!({}),
        vec![Reply::Text(200, "text/xml", soap.as_str().unwrap().to_owned())],
    );
    assert_eq!(ran.stepper.context()["got"], json!([{ "id": "1", "name": "Ann" }, { "id": "2", "name": "Bo" }]));
    let ran = asked(
        json!({ "response_path": "$[role = 'admin'].name", "api_response_format": "csv" }),
        json!({}),
        vec![Reply::Text(200, "text/csv", "name,role\nAnn,admin\nBo,guest\n".to_owned())],
    );
    assert_eq!(ran.stepper.context()["got"], json!("Ann"));
}

#[test]
fn an_answer_that_cannot_be_read_is_an_error_or_text_as_the_definition_says() {
    for (request, ending) in [
        (json!({}), "post_install a bad_response"),
        (json!({ "throw_error_on_parse_error": false }), "succeeded"),
        (
            json!({ "throw_error_on_parse_error": true, "error_expression": "{ 'status': 200 }" }),
            "post_install a bad_response",
        ),
        (json!({ "error_expression": "{ 'status': 200 }" }), "succeeded"),
        (json!({ "api_response_format": "text" }), "succeeded"),
    ] {
        let replies = vec![Reply::Text(200, "application/json", "{ half".to_owned()); 5];
        let ran = asked(request.clone(), json!({}), replies);
        assert_eq!(ran.ending(), ending, "{request}");
        if ending == "succeeded" {
            assert_eq!(ran.stepper.context()["got"], json!("{ half"));
        }
    }
    let ran = asked(
        json!({ "throw_error_on_parse_error": true }),
        json!({}),
        vec![Reply::Text(404, "application/json", "<html>".to_owned())],
    );
    assert_eq!(ran.ending(), "post_install a upstream_rejected", "the status says more");
}

#[test]
fn a_403_names_the_scopes_that_are_known_to_be_missing() {
    for (oauth, expected) in [
        (
            json!({ "token": { "scope": "read" }, "scope": "read write" }),
            "answered 403; the account was not granted `write`: no",
        ),
        (json!({ "token": {}, "scope": ["read"] }), "answered 403; the account was not granted `write`: no"),
        (json!({ "token": { "scope": "read write" } }), "answered 403: no"),
        (json!({ "token": {} }), "answered 403: no"),
    ] {
        let request = json!({ "scopes": ["read", "write"] });
        let ran = asked(request, json!({ "oauth": oauth }), vec![Reply::Json(403, json!({ "message": "no" }))]);
        assert_eq!(ran.ending(), "post_install a forbidden");
        assert!(ran.failure().message.ends_with(expected), "{}", ran.failure().message);
    }
    let mapped = json!({ "scopes": ["write"], "error_expression": "data.code = 7 ? { 'status': 403 }" });
    let ran = asked(mapped, json!({ "oauth": { "scope": "read" } }), vec![Reply::Json(200, json!({ "code": 7 }))]);
    assert!(ran.failure().message.contains("not granted `write`"), "{}", ran.failure().message);
    let other =
        asked(json!({ "scopes": ["write"] }), json!({ "oauth": { "scope": "r" } }), vec![Reply::Json(404, json!({}))]);
    assert!(!other.failure().message.contains("granted"));
}

#[test]
fn an_error_expression_may_say_how_long_to_wait() {
    for (expression, pause) in [
        ("status = 403 ? { 'status': 429, 'headers': { 'Retry-After': 7 } }", "RateLimited 7000"),
        ("status = 403 ? { 'status': 429, 'headers': { 'retry-after': '8' } }", "RateLimited 8000"),
        ("status = 403 ? { 'status': 429, 'metadata': { 'x': 1 } }", "RateLimited 9000"),
    ] {
        let limited = Reply::With(403, "retry-after", "9", json!({}));
        let request = json!({ "error_expression": expression });
        let ran = asked(request, json!({}), vec![limited, Reply::Json(200, json!({}))]);
        assert_eq!(ran.log, ["send", pause, "send"], "{expression}");
    }
}

#[test]
fn an_error_in_xml_has_words_too() {
    let body = "<Error><Code>7</Code><Message>bad key</Message></Error>".to_owned();
    let ran = asked(json!({}), json!({}), vec![Reply::Text(400, "application/xml", body)]);
    assert!(ran.failure().message.ends_with("answered 400: bad key"), "{}", ran.failure().message);
}
