//! Templates that grow without bound, and values that would break out of their place.

use serde_json::{Value, json};

use super::{Case, ENDLESS, ok};

/// An expression that makes 6 MiB, within what an expression may make; two of them are too much for a URL or a header.
const BOMB: &str = "{{= $pad('', 6291456, 'x') }}";

/// A place where a template may stand, and what of a config has it there.
fn places(template: &str) -> Vec<(&'static str, Case)> {
    let path = format!("/a/{template}");
    let header = json!({ "x-a": template });
    let key = json!({ "format": "header", "config": { "header_name": "x-key", "header_value": template } });
    let bearer = json!({ "format": "bearer", "config": { "token": template } });
    let basic = json!({ "format": "basic", "config": { "username": template, "password": "p" } });
    let of = |config: Value| Case::ask(String::new(), &config);
    let set = json!([{ "type": "set_context", "config": { "a": template } }]);
    vec![
        ("a path", of(json!({ "path": path }))),
        ("a query", of(json!({ "query": { "a": template } }))),
        ("a header", of(json!({ "headers": header }))),
        ("an authorization", of(json!({ "authorization": key }))),
        ("a bearer", of(json!({ "authorization": bearer }))),
        ("a basic authorization", of(json!({ "authorization": basic }))),
        ("a body", of(json!({ "method": "post", "body": { "a": template } }))),
        ("a form", of(json!({ "method": "post", "body_format": "form", "body": { "a": template } }))),
        ("a base URL", of(json!({})).config("base_url", json!(format!("https://h.test/{template}")))),
        ("the integration's headers", of(json!({})).config("headers", header)),
        ("a context", Case::of("", set)),
    ]
}

fn everywhere() -> Vec<Case> {
    let mut cases = Vec::new();
    let two = BOMB.repeat(2);
    let six = BOMB.repeat(6);
    for (template, what, code, says) in [
        (two.as_str(), "12 MiB", "expression_limit", ""),
        ("{{= $error('on purpose') }}", "an error", "expression_error", "on purpose"),
        ("{{= [1..1000000] }}", "a million", "expression_limit", ""),
        ("{{gone}}", "nothing", "unresolved_placeholder", "gone"),
    ] {
        for (place, mut case) in places(template) {
            // A body and a context may hold more, and keep what finds nothing as it is written.
            let lenient = matches!(place, "a body" | "a form" | "a context");
            case.name = format!("{what} in {place}");
            if lenient && (what == "12 MiB" || what == "nothing") {
                continue;
            }
            // The query is a template, which may hold more than a URL.
            let is_too_long = what == "12 MiB" && place == "a query";
            cases.push(if is_too_long {
                case.fails("address_refused", "at most 8192")
            } else {
                case.fails(code, says)
            });
        }
    }
    for (place, mut case) in places(&six) {
        case.name = format!("36 MiB in {place}");
        cases.push(case.fails("expression_limit", "").offline());
    }
    for (place, mut case) in places(&format!("{{{{= {ENDLESS} }}}}")) {
        case.name = format!("what never ends in {place}");
        cases.push(case.fails("expression_limit", ""));
    }
    cases
}

fn with(name: &str, config: Value, value: Value) -> Case {
    Case::ask(name, &config).context("v", value)
}

/// Values of the account, where the definition puts them.
fn values() -> Vec<Case> {
    let mut cases = Vec::new();
    for value in ["..", ".", ""] {
        let case = with(&format!("`{value}` in a path"), json!({ "path": "/a/{{v}}" }), json!(value));
        cases.push(case.fails("expression_error", "only dots"));
    }
    for (name, value) in
        [("a way up", "../admin"), ("an encoded way up", "%2e%2e"), ("a backslash", "a\\..\\b"), ("a slash", "a/b")]
    {
        cases.push(
            with(&format!("{name} in a path"), json!({ "path": "/a/{{v}}" }), json!(value))
                .fails("address_refused", ""),
        );
    }
    for (name, value) in [("a line", "a\nb: c"), ("two lines", "a\r\n\r\nb"), ("a bell", "a\u{7}b"), ("DEL", "a\u{7f}")]
    {
        let header = with(&format!("{name} in a header"), json!({ "headers": { "x-a": "{{v}}" } }), json!(value));
        cases.push(header.fails("expression_error", "header"));
        let key = json!({ "authorization": { "format": "bearer", "config": { "token": "{{v}}" } } });
        cases.push(with(&format!("{name} in a token"), key, json!(value)).fails("expression_error", "header"));
        let path = with(&format!("{name} in a path"), json!({ "path": "/a/{{v}}" }), json!(value));
        cases.push(path.fails("address_refused", "control character"));
    }
    cases.extend(sizes());
    cases
}

/// Values of hosts, and those that are too long.
fn sizes() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, value) in [
        ("another host", "evil.test/"),
        ("a fragment", "evil.test#"),
        ("user information", "a@evil"),
        ("a port", "a:80"),
        ("nothing", ""),
        ("300 letters", "x300"),
        ("a line", "a\nb"),
        ("dots", ".."),
    ] {
        let value = if value == "x300" { "x".repeat(300) } else { value.to_owned() };
        let case = with(&format!("{name} in a host"), json!({}), json!(value));
        cases.push(
            case.config("base_url", json!("https://{{v}}.h.test"))
                .fails("expression_error", "not part of a host name")
                .offline(),
        );
    }
    cases.push(
        with("a host of an expression", json!({}), json!("x"))
            .config("base_url", json!("https://{{= $pad('', 300, 'x') }}.h.test"))
            .fails("expression_error", "not part of a host name")
            .offline(),
    );
    let labels =
        with("two labels in a host", json!({}), json!("evil.test")).config("base_url", json!("https://{{v}}.h.test"));
    cases.push(labels.fails("address_refused", "more than one label"));
    let long = "x".repeat(200_000);
    let query = json!({ "query": { "a": "{{v}}" } });
    cases.push(with("a URL of 200,000 letters", query, json!(long)).fails("address_refused", "at most 8192"));
    let header = json!({ "headers": { "x-a": "{{v}}" } });
    cases.push(with("a header of 200,000 letters", header, json!(long)).fails("expression_error", "longer than 8192"));
    let merged = json!({ "method": "post", "body": { "$truto_merge": "{{v:json}}", "a": 1 } });
    cases.push(
        with("a template in a value", merged, json!({ "b": "{{api_key}}", "$truto_merge": "{{v:json}}" })).hears(
            "POST",
            "/x",
            &ok(&json!({})),
            1,
        ),
    );
    cases
}

pub(super) fn cases() -> Vec<Case> {
    [everywhere(), values()].concat()
}
