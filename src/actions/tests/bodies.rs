//! Bodies, byte for byte.

use serde_json::{Value, json};

use super::rendering::ask;
use super::{Ran, Reply, object, post_install, run, start};

fn send(request: Value, context: Value) -> Ran {
    let mut request = request;
    request["path"] = json!("/a");
    if request.get("method").is_none() {
        request["method"] = json!("post");
    }
    ask("https://h.test", request, context)
}

fn sent(ran: &Ran) -> (Option<String>, Option<String>) {
    let request = ran.sent.first().unwrap_or_else(|| panic!("nothing sent: {}", ran.ending()));
    let content_type = request.headers.iter().find(|(name, _)| name == "content-type").map(|(_, value)| value.clone());
    let body = request.body.as_ref().map(|body| String::from_utf8_lossy(body).into_owned());
    (body, content_type)
}

fn check(cases: impl IntoIterator<Item = (Value, &'static str, &'static str)>) {
    for (request, body, content_type) in cases {
        let ran = send(request.clone(), json!({ "users": [{ "id": 1 }], "sub": "acme", "ids": [1, 2] }));
        assert_eq!(sent(&ran), (Some(body.to_owned()), Some(content_type.to_owned())), "{request}");
    }
}

#[test]
fn each_format_has_its_bytes_and_its_type() {
    check([
        (json!({ "body": { "a": 1, "n": null } }), "{\"a\":1,\"n\":null}", "application/json"),
        (json!({ "body": "{{users:json}}" }), "[{\"id\":1}]", "application/json"),
        (json!({ "body": { "users": "{{context.users}}" } }), "{\"users\":[{\"id\":1}]}", "application/json"),
        (
            json!({ "body": { "u": "{{users.0}}", "t": "a {{users.0}}" } }),
            "{\"u\":{\"id\":1},\"t\":\"a [object Object]\"}",
            "application/json",
        ),
        (
            json!({ "body": { "ids": "{{ids}}", "n": "{{ids.0}}" } }),
            "{\"ids\":\"1,2\",\"n\":\"1\"}",
            "application/json",
        ),
        (json!({ "body": { "users": "{{context.users:json}}" } }), "{\"users\":[{\"id\":1}]}", "application/json"),
        (
            json!({ "body": { "l": [1, 2], "o": { "x": "a b" }, "n": null }, "body_format": "form" }),
            "l[]=1&l[]=2&o[x]=a%20b",
            "application/x-www-form-urlencoded",
        ),
        (
            json!({ "body": { "l": [1, 2] }, "body_format": "form", "body_format_config": { "array_format": "repeat" } }),
            "l=1&l=2",
            "application/x-www-form-urlencoded",
        ),
        (
            json!({ "body": { "l": [1, 2] }, "body_format": "form", "body_format_config": { "array_format": "comma" } }),
            "l=1,2",
            "application/x-www-form-urlencoded",
        ),
        (json!({ "body": "q={{sub}}\n", "body_format": "raw" }), "q=acme\n", "text/plain; charset=utf-8"),
        (json!({ "body": 7, "body_format": "raw" }), "7", "text/plain; charset=utf-8"),
        (
            json!({ "body": "aGk=", "body_format": "raw", "body_format_config": { "encoding": "base64" } }),
            "hi",
            "application/octet-stream",
        ),
        (
            json!({ "body": "a: 1", "body_format": "raw", "body_format_config": { "content_type": "text/yaml" } }),
            "a: 1",
            "text/yaml",
        ),
    ]);
}

#[test]
fn xml_null_and_a_query_in_the_body_have_their_bytes_too() {
    let xml = "application/xml";
    check([
        (
            json!({ "body": { "req": { "_attributes": { "v": "1" }, "name": "<{{sub}}>", "id": [1, 2] } }, "body_format": "xml" }),
            "<req v=\"1\"><name>&lt;acme&gt;</name><id>1</id><id>2</id></req>",
            xml,
        ),
        (
            json!({ "body": { "a": 1 }, "body_format": "xml",
                "body_format_config": { "root": "req", "declaration": true, "spaces": 2, "content_type": "text/xml" } }),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<req>\n  <a>1</a>\n</req>",
            "text/xml",
        ),
        (json!({ "body": "<req>{{sub}}</req>", "body_format": "xml" }), "<req>acme</req>", xml),
        (json!({ "body": { "a": 1 }, "set_body_to_null": true }), "null", "application/json"),
        (json!({ "set_body_to_null": true }), "null", "application/json"),
        (
            json!({ "body": { "a": 1 }, "query": { "a": 2, "b": [3] }, "add_query_to_body": true }),
            "{\"a\":1,\"b\":[3]}",
            "application/json",
        ),
        (json!({ "query": { "b": "{{sub}}" }, "add_query_to_body": true }), "{\"b\":\"acme\"}", "application/json"),
    ]);
}

#[test]
fn the_integrations_content_type_is_for_json_and_a_steps_own_for_whatever_it_sends() {
    for (own, format, expected) in [
        (json!({}), "json", "application/vnd.x+json"),
        (json!({}), "form", "application/x-www-form-urlencoded"),
        (json!({ "content-TYPE": "text/x" }), "form", "text/x"),
        (json!({ "Content-Type": "text/x" }), "json", "text/x"),
    ] {
        let step = json!({ "type": "request", "config": {
            "path": "/a", "method": "post", "body": { "a": 1 }, "headers": own, "body_format": format,
        } });
        let mut config = post_install(json!([step]));
        config["headers"] = json!({ "Content-Type": "application/vnd.x+json" });
        let ran = run(start(&config, json!({})), &[Reply::Json(200, json!({}))]);
        assert_eq!(sent(&ran).1.as_deref(), Some(expected), "{own} {format}");
    }
}

#[test]
fn a_request_may_have_no_body() {
    for request in [
        json!({}),
        json!({ "body": { "a": 1 }, "ignore_body": true }),
        json!({ "ignore_body": true, "set_body_to_null": true }),
        json!({ "body": "{{gone:undefined}}" }),
        json!({ "body": "{{gone:null}}", "body_format": "raw" }),
        json!({ "method": "get", "query": { "a": 1 }, "add_query_to_body": true }),
        json!({ "method": "delete", "set_body_to_null": true }),
    ] {
        assert_eq!(sent(&send(request.clone(), json!({}))), (None, None), "{request}");
    }
}

#[test]
fn a_value_that_the_format_cannot_carry_is_not_sent() {
    for request in [
        json!({ "body": [1], "body_format": "form" }),
        json!({ "body": "x", "body_format": "multipart" }),
        json!({ "body": { "a": 1 }, "body_format": "raw" }),
        json!({ "body": "?", "body_format": "raw", "body_format_config": { "encoding": "base64" } }),
        json!({ "body": { "a": 1, "b": 2 }, "body_format": "xml" }),
        json!({ "body": { "a b": 1 }, "body_format": "xml" }),
        json!({ "body": "<a>", "body_format": "xml" }),
        json!({ "body": [1], "query": { "a": 1 }, "add_query_to_body": true }),
        json!({ "body": { "f": { "filename": "x", "data": 7 } }, "body_format": "multipart" }),
        json!({ "body": { "f": { "filename": "x", "data": "?", "encoding": "base64" } }, "body_format": "multipart" }),
        json!({ "body": { "f": { "content_type": "a\r\nb", "data": "x" } }, "body_format": "multipart" }),
    ] {
        assert_eq!(send(request.clone(), json!({})).ending(), "post_install 0 expression_error", "{request}");
    }
}

#[test]
fn a_forms_parts_are_values_and_files_and_a_repeated_rendering_gives_the_same_bytes() {
    let request = json!({
        "body_format": "multipart",
        "headers": { "Content-Type": "application/json" },
        "body": {
            "name": "{{sub}}", "tags": ["a", "b"], "deep": { "x": 1 }, "none": null,
            "doc": { "filename": "a\"b.txt", "content_type": "text/csv", "data": "x,y\r\n" },
            "bytes": { "filename": "b.bin", "data": "AAE=", "encoding": "base64" },
        },
    });
    let expected = "--B\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nacme\r\n\
        --B\r\nContent-Disposition: form-data; name=\"tags\"\r\n\r\na\r\n\
        --B\r\nContent-Disposition: form-data; name=\"tags\"\r\n\r\nb\r\n\
        --B\r\nContent-Disposition: form-data; name=\"deep[x]\"\r\n\r\n1\r\n\
        --B\r\nContent-Disposition: form-data; name=\"doc\"; filename=\"a%22b.txt\"\r\nContent-Type: text/csv\r\n\r\nx,y\r\n\r\n\
        --B\r\nContent-Disposition: form-data; name=\"bytes\"; filename=\"b.bin\"\r\n\
        Content-Type: application/octet-stream\r\n\r\n\u{0}\u{1}\r\n--B--\r\n";
    let first = send(request.clone(), json!({ "sub": "acme" }));
    let (body, content_type) = sent(&first);
    let content_type = content_type.unwrap();
    let boundary = content_type.strip_prefix("multipart/form-data; boundary=").unwrap();
    assert_eq!(body.unwrap().replace(boundary, "B"), expected);
    assert_eq!(sent(&first), sent(&send(request, json!({ "sub": "acme" }))));
}

#[test]
fn a_boundary_is_never_part_of_what_it_bounds() {
    let write = |text: &str| {
        let members = object(json!({ "a": text }));
        super::super::multipart::write(&members, crate::definitions::QueryArrayFormat::Repeat, 9).unwrap().1
    };
    assert_eq!(write("x"), "multipart/form-data; boundary=tidewaiter-0000000000000009");
    assert_eq!(write("--tidewaiter-0000000000000009"), "multipart/form-data; boundary=tidewaiter-000000000000000a");
}

#[test]
fn a_header_that_every_request_needs_is_missed_before_anything_is_sent() {
    let step = json!([{ "type": "request", "config": { "path": "/a" } }]);
    for (headers, ending) in [
        (json!({ "X-Trace": "t" }), "succeeded"),
        (json!({}), "post_install 0 definition_invalid"),
        (json!({ "X-Trace": "" }), "post_install 0 definition_invalid"),
    ] {
        let mut config = post_install(step.clone());
        config["headers"] = headers.clone();
        config["required_headers"] = json!(["X-Trace"]);
        let replies: &[Reply] = if ending == "succeeded" { &[Reply::Json(200, json!({}))] } else { &[] };
        let ran = run(start(&config, json!({})), replies);
        assert_eq!(ran.ending(), ending, "{headers}");
        if ending != "succeeded" {
            assert!(ran.failure().message.contains("`x-trace`"), "{}", ran.failure().message);
        }
    }
}
