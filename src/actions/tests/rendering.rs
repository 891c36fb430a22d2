//! Requests as they go out, and those that must not.

use serde_json::{Value, json};

use super::{Ran, Reply, drive, post_install, run, start};
use crate::lifecycle::AuthenticationMethod;

pub(super) fn ask(base_url: &str, request: Value, context: Value) -> Ran {
    let mut step = json!({ "type": "request" });
    step["config"] = request;
    let mut config = post_install(json!([step]));
    config["base_url"] = json!(base_url);
    // A request that is refused before it goes out leaves its reply unused.
    drive(start(&config, context), &mut [Reply::Json(200, json!({}))].into())
}

#[test]
fn base_and_path_are_joined_with_one_slash_and_values_are_encoded_for_their_place() {
    let context = || json!({ "sub": "acme", "org": "a/b c?d", "n": 7 });
    for (base, path, expected) in [
        ("https://h.test", "/a", "https://h.test/a"),
        ("https://h.test/", "a", "https://h.test/a"),
        ("https://h.test/v1/", "/a", "https://h.test/v1/a"),
        ("https://h.test/v1", "", "https://h.test/v1"),
        ("https://{{sub}}.h.test/v1", "/x/{{org}}", "https://acme.h.test/v1/x/a%2Fb%20c%3Fd"),
        ("https://h.test", "/x/{{n}}?q={{org}}", "https://h.test/x/7?q=a%2Fb%20c%3Fd"),
        ("https://h.test/v1", "https://other.test/z", "https://other.test/z"),
        ("https://h.test:8443/v1", "/a", "https://h.test:8443/v1/a"),
        ("http://[::1]:8080", "/a", "http://[::1]:8080/a"),
        ("https://{{environment_variables.zone}}.h.test", "/a", "https://z1.h.test/a"),
    ] {
        assert_eq!(ask(base, json!({ "path": path }), context()).urls(), [expected], "{base} {path}");
    }
}

#[test]
fn a_header_whose_placeholder_may_find_nothing_is_left_out_then() {
    let headers = json!({ "X-Org": "{{org:undefined}}", "X-Trace": "t-1" });
    let names = |context: Value| -> Vec<(String, String)> {
        ask("https://h.test", json!({ "path": "/a", "headers": headers.clone() }), context).sent[0].headers.clone()
    };
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(names(json!({})), [pair("x-trace", "t-1")]);
    assert_eq!(names(json!({ "org": "o-7" })), [pair("x-org", "o-7"), pair("x-trace", "t-1")]);
    // In the middle of a text something would be missing.
    let request = json!({ "path": "/a", "headers": { "X-Org": "org {{org:undefined}}" } });
    assert_eq!(ask("https://h.test", request, json!({})).ending(), "post_install 0 unresolved_placeholder");
}

#[test]
fn a_url_that_would_lead_elsewhere_is_not_sent() {
    for (base, path, context, code) in [
        ("https://{{sub}}.h.test", "/a", json!({ "sub": "a.b" }), "address_refused"),
        ("https://{{sub}}.h.test", "/a", json!({ "sub": "evil.test/" }), "expression_error"),
        ("https://{{sub}}.h.test", "/a", json!({ "sub": "evil.test#" }), "expression_error"),
        ("https://{{sub}}.h.test", "/a", json!({ "sub": "u@evil" }), "expression_error"),
        ("https://{{sub}}.h.test", "/a", json!({ "sub": "" }), "expression_error"),
        ("https://{{sub}}.h.test", "/a", json!({}), "unresolved_placeholder"),
        ("https://h.test", "/x/{{id2}}/y", json!({}), "unresolved_placeholder"),
        ("https://h.test", "/x/{{id2}}/y", json!({ "id2": null }), "unresolved_placeholder"),
        ("https://h.test", "/x/{{id2}}/y", json!({ "id2": ".." }), "expression_error"),
        ("https://h.test", "/x/../y", json!({}), "address_refused"),
        ("https://h.test", "/x/%2e%2E/y", json!({}), "address_refused"),
        ("https://h.test", "/x y", json!({}), "address_refused"),
        ("https://h.test", "/x\\y", json!({}), "address_refused"),
        ("https://h.test", "/ä", json!({}), "address_refused"),
        ("https://h.test", "/{{a[0]}}", json!({}), "unresolved_placeholder"),
    ] {
        let ran = ask(base, json!({ "path": path }), context.clone());
        assert_eq!(ran.ending(), format!("post_install 0 {code}"), "{base}{path} {context}");
        assert!(ran.sent.is_empty());
    }
    let long = ask("https://h.test", json!({ "path": "/{{x}}" }), json!({ "x": "y".repeat(9_000) }));
    assert_eq!(long.ending(), "post_install 0 address_refused");
}

#[test]
fn queries_are_written_in_the_format_the_definition_chose() {
    let query = json!({ "ids": "{{ids:json}}", "f": { "a": { "b": "x y" } }, "none": null, "gone": "{{no:undefined}}", "t": true });
    for (format, expected) in [
        (None, "ids=1&ids=2%263&f[a][b]=x%20y&t=true"),
        (Some("repeat"), "ids=1&ids=2%263&f[a][b]=x%20y&t=true"),
        (Some("comma"), "ids=1,2%263&f[a][b]=x%20y&t=true"),
        (Some("brackets"), "ids[]=1&ids[]=2%263&f[a][b]=x%20y&t=true"),
        (Some("indices"), "ids[0]=1&ids[1]=2%263&f[a][b]=x%20y&t=true"),
    ] {
        let request = json!({ "path": "/a", "query": query, "query_array_format": format });
        let ran = ask("https://h.test", request, json!({ "ids": [1, "2&3"] }));
        assert_eq!(ran.urls(), [format!("https://h.test/a?{expected}")], "{format:?}");
    }
    let both = ask("https://h.test", json!({ "path": "/a?x=1", "query": { "y": 2 } }), json!({}));
    assert_eq!(both.urls(), ["https://h.test/a?x=1&y=2"]);
}

#[test]
fn a_query_parameter_without_a_value_is_not_sent_as_its_placeholder() {
    let ran = ask("https://h.test", json!({ "path": "/a", "query": { "q": "x {{search}}" } }), json!({}));
    assert_eq!(ran.ending(), "post_install 0 unresolved_placeholder");
    let data = ask("https://h.test", json!({ "path": "/a", "query": { "q": "{{x}}" } }), json!({ "x": "{{other}}" }));
    assert_eq!(data.urls(), ["https://h.test/a?q=%7B%7Bother%7D%7D"], "text that only looks like a template is data");
}

#[test]
fn headers_merge_by_name_and_null_removes() {
    let mut config = post_install(json!([{ "type": "request", "config": {
        "path": "/a", "headers": { "ACCEPT": "text/plain", "X-Gone": "step", "X-Base": null, "X-Id": "{{account.tenant_id}}" },
    } }]));
    config["headers"] = json!({ "Accept": "application/json", "X-Gone": null, "X-Base": "b", "X-Kept": "k" });
    let ran = run(start(&config, json!({ "api_key": "s" })), &[Reply::Json(200, json!({}))]);
    let mut headers = ran.sent[0].headers.clone();
    headers.sort();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        headers,
        [pair("accept", "text/plain"), pair("authorization", "Bearer s"), pair("x-id", "acme-1"), pair("x-kept", "k")]
    );
}

#[test]
fn a_header_that_lacks_a_value_or_would_break_the_line_is_not_sent() {
    for (context, code) in [
        (json!({}), "unresolved_placeholder"),
        (json!({ "x": "a\r\nEvil: 1" }), "expression_error"),
        (json!({ "x": "a\u{0}" }), "expression_error"),
        (json!({ "x": "ünïcode" }), "expression_error"),
        (json!({ "x": "y".repeat(9_000) }), "expression_error"),
    ] {
        let ran = ask("https://h.test", json!({ "path": "/a", "headers": { "X-A": "{{x}}" } }), context);
        assert_eq!(ran.ending(), format!("post_install 0 {code}"));
        assert!(!ran.failure().message.contains("Evil"), "no value in the message");
    }
}

#[test]
fn bodies_are_json_or_forms() {
    let body = json!({ "users": "{{context.users:json}}", "n": 1, "none": null, "gone": "{{no:undefined}}" });
    let context = || json!({ "users": [{ "id": 9_007_199_254_740_993_u64, "q": "\"}" }] });
    let json = ask("https://h.test", json!({ "path": "/a", "method": "put", "body": body }), context());
    let sent: Value = serde_json::from_slice(json.sent[0].body.as_ref().unwrap()).unwrap();
    assert_eq!(sent, json!({ "users": context()["users"], "n": 1, "none": null }));
    assert!(json.sent[0].headers.contains(&("content-type".to_owned(), "application/json".to_owned())));
    let request = json!({ "path": "/a", "method": "patch", "body": body, "body_format": "form" });
    let form = ask("https://h.test", request, json!({ "users": [{ "id": "a b" }] }));
    assert_eq!(form.sent[0].body.as_deref(), Some(&b"users[][id]=a%20b&n=1"[..]));
    let own =
        json!({ "path": "/a", "method": "post", "body": {}, "headers": { "Content-Type": "application/vnd.x+json" } });
    let own = ask("https://h.test", own, json!({}));
    assert_eq!(own.sent[0].headers, [("content-type".to_owned(), "application/vnd.x+json".to_owned())]);
}

fn authorized(method: AuthenticationMethod, authorization: Value, context: Value) -> Vec<(String, String)> {
    let mut config = post_install(json!([{ "type": "request", "config": { "path": "/a" } }]));
    config["authorization"] = authorization;
    let mut given = start(&config, context);
    given.account.authentication_method = method;
    run(given, &[Reply::Json(200, json!({}))]).sent[0].headers.clone()
}

#[test]
fn every_form_of_authorization_gives_its_header() {
    use AuthenticationMethod::{ApiKey, Oauth2};
    let oauth =
        || json!({ "oauth": { "token": { "access_token": "t" } }, "api_key": "k", "user": "ü", "deep": { "x": "d" } });
    for (method, authorization, name, value) in [
        (Oauth2, json!(null), "authorization", "Bearer t"),
        (ApiKey, json!(null), "authorization", "Bearer k"),
        (ApiKey, json!({ "format": "bearer" }), "authorization", "Bearer t"),
        (ApiKey, json!({ "format": "bearer", "config": { "token": "{{api_key}}" } }), "authorization", "Bearer k"),
        (ApiKey, json!({ "format": "bearer", "config": { "value": "v" } }), "authorization", "Bearer v"),
        (ApiKey, json!({ "format": "bearer", "config": { "path": "deep.x" } }), "authorization", "Bearer d"),
        (
            ApiKey,
            json!({ "format": "basic", "config": { "username": "{{user}}", "password": "p" } }),
            "authorization",
            "Basic w7w6cA==",
        ),
        (ApiKey, json!({ "format": "basic", "config": { "username": "{{api_key}}" } }), "authorization", "Basic azo="),
        (
            ApiKey,
            json!({ "format": "header", "config": { "header_name": "X-Key", "header_value": "k={{api_key}}" } }),
            "x-key",
            "k=k",
        ),
        (
            ApiKey,
            json!({ "format": "header", "config": { "expression": "{ 'X-Sig': $context.api_key & requestOptions.method & url, 'X-No': null }" } }),
            "x-sig",
            "kGEThttps://api.example.test/a",
        ),
    ] {
        let headers = authorized(method, authorization.clone(), oauth());
        assert_eq!(headers, [(name.to_owned(), value.to_owned())], "{authorization}");
    }
    assert_eq!(authorized(ApiKey, json!(null), json!({})), [], "not every API key is a bearer token");
}

#[test]
fn a_credential_that_is_not_there_is_never_sent_empty() {
    for authorization in [
        json!({ "format": "bearer" }),
        json!({ "format": "basic", "config": { "username": "{{user}}" } }),
        json!({ "format": "header", "config": { "header_name": "X-Key", "header_value": "{{api_key}}" } }),
    ] {
        let mut config = post_install(json!([{ "type": "request", "config": { "path": "/a" } }]));
        config["authorization"] = authorization.clone();
        assert_eq!(
            run(start(&config, json!({})), &[]).ending(),
            "post_install 0 unresolved_placeholder",
            "{authorization}"
        );
    }
    for expression in ["'text'", "{ 'Host': 'evil.test' }", "{ 'X-A': 'a\nb' }", "{ 'X-A': {} }"] {
        let mut config = post_install(json!([{ "type": "request", "config": { "path": "/a" } }]));
        config["authorization"] = json!({ "format": "header", "config": { "expression": expression } });
        assert_eq!(run(start(&config, json!({})), &[]).ending(), "post_install 0 expression_error", "{expression}");
    }
}
