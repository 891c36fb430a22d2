//! Which requests are not accepted, and by which code. Each is refused alike from a file and over HTTP.

use serde_json::{Value, json};

use crate::support::{DISABLED, Place, Request, oauth};

/// A body, the code it is refused with, and the pointer that is named.
fn refusals() -> Vec<(Vec<u8>, &'static str, &'static str)> {
    let with = |pointer: &str, value: Value| {
        let mut body = oauth("a", "t");
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        body.pointer_mut(parent).unwrap()[key] = value;
        body.to_string().into_bytes()
    };
    let deep = format!("{}1{}", "[".repeat(80), "]".repeat(80));
    let deep = oauth("a", "t").to_string().replace("3600", &deep).into_bytes();
    let token = "/context/oauth/token/access_token";
    vec![
        (b"nonsense".to_vec(), "malformed", ""),
        (b"[1]".to_vec(), "malformed", ""),
        (b"{\"tenant_id\":\"a\"".to_vec(), "malformed", ""),
        (b"\xff\xfe{}".to_vec(), "malformed", ""),
        (br#"{"tenant_id":"a","tenant_id":"b"}"#.to_vec(), "duplicate_key", ""),
        (with("/tenant_id", json!("")), "invalid", "/tenant_id"),
        (with("/tenant_id", json!("a\u{7}b")), "bad_character", "/tenant_id"),
        (with("/tenant_id", json!("x".repeat(256))), "invalid", "/tenant_id"),
        (with("/environment_integration_id", json!("x")), "invalid", "/environment_integration_id"),
        (
            with("/environment_integration_id", json!(uuid::Uuid::nil())),
            "unknown_install",
            "/environment_integration_id",
        ),
        (with("/environment_integration_id", json!(DISABLED)), "disabled_install", "/environment_integration_id"),
        (with("/authentication_method", json!("keka_oauth")), "invalid", "/authentication_method"),
        (with("/region", json!("atlantis")), "invalid", "/region"),
        (with("/color", json!("red")), "invalid", "/color"),
        (with("/context", json!([])), "invalid", "/context"),
        (with("/context", json!({})), "invalid", "/context/oauth/token"),
        (with(token, json!("")), "invalid", token),
        (with(token, json!("a\r\nb")), "invalid", token),
        (with("/context/number", json!(9_007_199_254_740_993_i64)), "unsafe_number", "/context/number"),
        (with("/context/text", json!("x".repeat(300_000))), "too_complex", ""),
        (deep, "too_complex", ""),
        (with("/account_id", json!(uuid::Uuid::nil())), "not_supported", "/account_id"),
        (with("/context/sealed", json!("x")), "not_supported", "/context/sealed"),
    ]
}

#[test]
fn each_fault_has_its_code_and_names_its_place_in_a_file_and_over_http() {
    let place = Place::offline();
    let worker = place.worker();
    let cases = refusals();
    let mut text = Vec::new();
    for (body, _, _) in &cases {
        text.extend_from_slice(body);
        text.push(b'\n');
    }
    let ran = place.import_bytes(&text).ended(1).json();
    let refused = ran["refused"].as_array().unwrap();
    assert_eq!(refused.len(), cases.len());
    for (number, (body, code, pointer)) in cases.iter().enumerate() {
        let shown = String::from_utf8_lossy(&body[..body.len().min(200)]);
        let by_file = &refused[number];
        assert_eq!(by_file["line"], number + 1);
        assert_eq!(by_file["code"], *code, "{shown}: {by_file}");
        let answer =
            Request { method: "POST", path: "/integrated-account", headers: &[], body }.send(worker.api).unwrap();
        assert_eq!(answer.header("content-type"), "application/problem+json");
        let problem = answer.with(400);
        assert_eq!(problem["reason_code"], *code, "{shown}: {problem}");
        if !pointer.is_empty() {
            assert_eq!(by_file["pointer"], *pointer, "{shown}: {by_file}");
            assert_eq!(problem["failures"][0]["pointer"], *pointer, "{shown}: {problem}");
        }
    }
    assert_eq!(place.accounts(), [Value::Null; 0]);
    worker.stop();
}

#[test]
fn an_envelope_is_read_strictly() {
    let place = Place::offline();
    let lines = [
        json!({ "message_id": "", "body": oauth("a", "t") }),
        json!({ "message_id": 7, "body": oauth("a", "t") }),
        json!({ "timestamp": "yesterday", "body": oauth("a", "t") }),
        json!({ "priority": 9, "body": oauth("a", "t") }),
        json!({ "message_id": "m", "body": "text" }),
    ];
    let refused = place.import(&lines).ended(1).json()["refused"].clone();
    let pointers: Vec<_> = refused.as_array().unwrap().iter().map(|line| line["pointer"].clone()).collect();
    assert_eq!(pointers[..4], ["/message_id", "/message_id", "/timestamp", "/priority"]);
    assert_eq!(refused[4]["code"], "malformed");
}
