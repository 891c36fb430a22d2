//! Each check with a definition that has it and one that has not.

use std::path::PathBuf;

use serde_json::json;
use uuid::Uuid;

use super::*;

/// An integration around a config that is sound where nothing else is said.
fn document(config: &Value) -> Value {
    let mut sound = json!({
        "base_url": "https://h.test",
        "credentials": { "api_key": { "format": "api_key", "config": { "fields": [{ "name": "api_key" }] } } },
    });
    for (key, value) in config.as_object().unwrap() {
        sound[key] = value.clone();
    }
    json!({ "id": Uuid::nil(), "name": "acme", "config": sound })
}

fn of_config(config: &Value) -> Vec<Finding> {
    integration(&document(config))
}

/// A config whose `post_install` has these steps.
fn steps(steps: &Value) -> Value {
    json!({ "actions": { "post_install": { "steps": steps } } })
}

/// A config with one request.
fn request(members: &Value) -> Value {
    let mut request = json!({ "path": "/" });
    for (key, value) in members.as_object().unwrap() {
        request[key] = value.clone();
    }
    steps(&json!([{ "type": "request", "config": request }]))
}

/// A config with a resource's method.
fn method(members: &Value) -> Value {
    let mut method = json!({ "path": "/" });
    for (key, value) in members.as_object().unwrap() {
        method[key] = value.clone();
    }
    json!({ "resources": { "users": { "list": method } } })
}

fn transform(source: &str) -> Value {
    steps(&json!([{ "type": "transform", "config": source }]))
}

const REQUEST: &str = "/config/actions/post_install/steps/0/config";

/// Every check: its word, its severity, where it is found, a config that has it and one that has not.
#[expect(clippy::too_many_lines, reason = "a table with a row a check")]
fn table() -> Vec<(&'static str, Severity, &'static str, Value, Value)> {
    use Severity::{Error, Info, Warning};
    let validation = |steps: &Value| json!({ "actions": { "validation": { "steps": steps } } });
    vec![
        (
            "unknown_member",
            Error,
            "/config/actions/post_install/steps/0/config/metod",
            request(&json!({ "metod": "get" })),
            request(&json!({ "method": "get" })),
        ),
        (
            "unknown_member",
            Warning,
            "/config/base_ulr",
            json!({ "base_ulr": "https://h.test" }),
            json!({ "logo": "https://h.test/l.png" }),
        ),
        ("syntax", Error, REQUEST, transform("a +"), transform("a + 1")),
        (
            "syntax",
            Error,
            "/config/webhook/payload_transform",
            json!({ "webhook": { "payload_transform": "(" } }),
            json!({ "webhook": { "payload_transform": "body" } }),
        ),
        (
            "syntax",
            Error,
            "/config/query/a/0",
            json!({ "query": { "a": ["{{x:nonsense}}"] } }),
            json!({ "query": { "a": ["{{x:int?:1:int}}"] } }),
        ),
        ("unknown_function", Error, REQUEST, transform("$uppercas(a)"), transform("$uppercase(a)")),
        ("unsupported_function", Error, REQUEST, transform("$eval(a)"), transform("$string(a)")),
        ("unknown_variable", Warning, REQUEST, transform("$contex.a"), transform("$context.a")),
        ("placeholder_in_expression", Error, REQUEST, transform("{{a.b}} = 1"), transform("a.b = 1")),
        ("placeholder_in_expression", Warning, REQUEST, transform("'id-{{a}}'"), transform("'id-' & a")),
        (
            "expression_in_text",
            Error,
            "/config/actions/post_install/steps/0/config/headers/x",
            request(&json!({ "headers": { "x": "{{$uppercase(api_key)}}" } })),
            request(&json!({ "headers": { "x": "{{= $uppercase(api_key) }}" } })),
        ),
        (
            "expression_in_text",
            Warning,
            "/config/actions/post_install/steps/0/config/body/a",
            request(&json!({ "method": "post", "body": { "a": "$uppercase(api_key)" } })),
            request(&json!({ "method": "post", "body": { "a": "$5 (off)" } })),
        ),
        (
            "expression_in_text",
            Warning,
            "/config/query/a",
            json!({ "query": { "a": "{{list[0]}}" } }),
            json!({ "query": { "a": "{{api_key}}" } }),
        ),
        (
            "bare_header",
            Error,
            "/config/rate_limit/retry_after_header_expression",
            json!({ "rate_limit": { "retry_after_header_expression": "Retry-After" } }),
            json!({ "rate_limit": { "retry_after_header_expression": "$number(headers.`retry-after`)" } }),
        ),
        (
            "not_an_expression",
            Error,
            "/config/resources/users/list/rate_limit/is_rate_limited",
            method(&json!({ "rate_limit": { "is_rate_limited": true } })),
            method(&json!({ "rate_limit": { "is_rate_limited": "status = 429" } })),
        ),
        (
            "unreachable",
            Warning,
            "/config/actions/ask/steps/1",
            json!({ "actions": { "ask": { "steps": [{ "type": "form" }, { "type": "transform", "config": "1" }] } } }),
            json!({ "actions": { "ask": { "steps": [{ "type": "transform", "config": "1" }, { "type": "form" }] } } }),
        ),
        (
            "not_executed",
            Info,
            "/config/actions/ask/type",
            json!({ "actions": { "ask": { "type": "form" } } }),
            json!({ "actions": { "ask": { "type": "transform", "config": "1" } } }),
        ),
        (
            "compile",
            Error,
            "/config/actions/validation/steps/0/type",
            validation(&json!([{ "type": "form" }])),
            validation(&json!([{ "type": "request", "config": { "path": "/" } }])),
        ),
        (
            "constant",
            Warning,
            "/config/actions/validation/steps/1/config",
            validation(
                &json!([{ "type": "request", "config": { "path": "/" } }, { "type": "transform", "config": "true" }]),
            ),
            validation(
                &json!([{ "type": "request", "config": { "path": "/" } }, { "type": "transform", "config": "previous.ok" }]),
            ),
        ),
        (
            "constant",
            Warning,
            "/config/actions/post_install/steps/0/run_if",
            steps(&json!([{ "type": "request", "run_if": "1 = 2", "config": { "path": "/" } }])),
            steps(&json!([{ "type": "request", "run_if": "subdomain = 'x'", "config": { "path": "/" } }])),
        ),
        (
            "unknown_step",
            Error,
            "/config/actions/post_install/steps/1/config",
            steps(
                &json!([{ "type": "request", "name": "me", "config": { "path": "/" } }, { "type": "transform", "config": "steps.mee.result" }]),
            ),
            steps(
                &json!([{ "type": "request", "name": "me", "config": { "path": "/" } }, { "type": "transform", "config": "steps.me.result & steps.`0`.result" }]),
            ),
        ),
        (
            "unknown_step",
            Error,
            "/config/actions/post_install/steps/0/config/path",
            steps(
                &json!([{ "type": "request", "config": { "path": "/{{steps.later.result.id}}" } }, { "type": "transform", "name": "later", "config": "a" }]),
            ),
            steps(
                &json!([{ "type": "transform", "name": "later", "config": "a" }, { "type": "request", "config": { "path": "/{{steps.later.result.id}}" } }]),
            ),
        ),
        (
            "no_previous",
            Warning,
            REQUEST,
            transform("$previous.a"),
            steps(&json!([{ "type": "get_context", "config": "a" }, { "type": "transform", "config": "$previous.a" }])),
        ),
        (
            "no_loop",
            Warning,
            REQUEST,
            transform("item.id"),
            steps(&json!([{ "type": "transform", "loop_on": "users", "config": "item.id" }])),
        ),
        (
            "secret",
            Warning,
            "/config/headers/X-Api-Key",
            json!({ "headers": { "X-Api-Key": "canary" } }),
            json!({ "headers": { "X-Api-Key": "{{api_key}}" } }),
        ),
        (
            "clear_text",
            Warning,
            "/config/base_url",
            json!({ "base_url": "http://h.test" }),
            json!({ "base_url": "http://localhost:8080" }),
        ),
        (
            "host_from_account",
            Info,
            "/config/host_from_tenant",
            json!({ "base_url": "https://{{api_key}}", "host_from_tenant": true }),
            json!({ "host_from_tenant": false }),
        ),
        (
            "compile",
            Error,
            "/config/base_url",
            json!({ "base_url": "https://{{site}}", "resources": { "a": { "list": { "path": "/" } } } }),
            json!({ "base_url": "https://{{api_key}}.h.test" }),
        ),
        (
            "no_token",
            Warning,
            "/config/actions/refresh_token/steps",
            json!({ "actions": { "refresh_token": { "steps": [{ "type": "transform", "config": "{ 'access_token': 'x' }" }] } } }),
            json!({ "actions": { "refresh_token": { "steps": [{ "type": "request", "config": { "path": "/token" } }] } } }),
        ),
        (
            "compile",
            Error,
            "/config/actions/refresh_token/type",
            json!({ "actions": { "refresh_token": { "type": "form", "config": {} } } }),
            json!({ "actions": { "refresh_token": { "type": "set_context", "config": { "session": "{{api_key}}" } } } }),
        ),
        (
            "unknown_name",
            Info,
            "/config/resources/users/list/query/q",
            method(&json!({ "query": { "q": "{{search}}" } })),
            method(&json!({ "query": { "q": "{{search?:all}}", "k": "{{context.api_key}}" } })),
        ),
        (
            "compile",
            Error,
            "/config/resources/users/list/body",
            method(&json!({ "body": { "a": 1 } })),
            method(&json!({ "method": "post", "body": { "a": 1 } })),
        ),
        (
            "syntax",
            Error,
            "/config/resources/users/list/response_path",
            method(&json!({ "response_path": "data." })),
            method(&json!({ "response_path": "data" })),
        ),
        (
            "alias",
            Warning,
            "/config/resources/users/list/pagination/config/page_param",
            method(&json!({ "pagination": { "format": "page", "config": { "page_key": "p", "page_param": "q" } } })),
            method(&json!({ "pagination": { "format": "page", "config": { "page_param": "q" } } })),
        ),
        (
            "example",
            Warning,
            "/config/resources/users/list/examples/response",
            method(&json!({ "examples": { "response": "{ no" } })),
            method(&json!({ "examples": { "response": "{\"a\": 1}" } })),
        ),
        (
            "kept",
            Info,
            "/config/webhook",
            json!({ "webhook": { "payload_transform": "body" } }),
            json!({ "webhook": null }),
        ),
    ]
}

#[test]
fn each_check_finds_what_it_is_for_and_nothing_else() {
    for (check, severity, pointer, with, without) in table() {
        let found = of_config(&with);
        let hit = found.iter().filter(|it| it.check == check && it.severity == severity && it.pointer == pointer);
        assert_eq!(hit.count(), 1, "{check} at {pointer} of {with}: {found:#?}");
        let found = of_config(&without);
        // A definition that is sound may still not have been made for this version, or use names of an import.
        let others = found.iter().filter(|it| it.check == check && it.pointer == pointer);
        assert_eq!(others.count(), 0, "{check} in {without}: {found:#?}");
    }
}

#[test]
fn a_mistake_is_told_once() {
    for (check, _, pointer, with, _) in table() {
        let found = of_config(&with);
        let errors = found.iter().filter(|it| it.severity == Severity::Error && it.pointer == pointer);
        assert!(errors.count() <= 1, "{check}: {found:#?}");
    }
}

#[test]
fn suggestions_name_what_was_meant() {
    for (config, fix) in [
        (request(&json!({ "metod": "get" })), "did you mean `method`?"),
        (transform("$uppercas(a)"), "did you mean `$uppercase`?"),
        (transform("{{a.b:int}} = 1"), "write `a.b`"),
        (json!({ "query": { "a": "{{$now()}}" } }), "write `{{= $now() }}`"),
        (
            json!({ "rate_limit": { "retry_after_header_expression": "Retry-After" } }),
            "write `$number(headers.`retry-after`)`",
        ),
    ] {
        let found = of_config(&config);
        assert!(found.iter().any(|it| it.fix.as_deref() == Some(fix)), "{fix}: {found:#?}");
    }
}

/// A document under a name, as if it came from a file.
fn file(name: &str, value: &Value) -> Document {
    Document::of(PathBuf::from(name), serde_json::to_string_pretty(value).unwrap())
}

fn install(overrides: &Value) -> Value {
    json!({
        "environment": { "id": Uuid::from_u128(1), "name": "production" },
        "installs": [{ "id": Uuid::from_u128(2), "integration": "acme", "override": overrides }],
    })
}

fn found_in_install(overrides: &Value) -> Vec<(&'static str, String)> {
    let config = json!({ "headers": { "x": "{{environment_variables.X}}" } });
    let found = lint(&[file("installs.json", &install(overrides))], &[file("acme.json", &document(&config))]);
    found.into_iter().map(|it| (it.finding.check, it.finding.pointer)).collect()
}

#[test]
fn an_install_is_looked_at_as_the_definition_that_it_makes() {
    let override_at = |rest: &str| format!("/installs/0/override{rest}");
    let x = json!({ "X": "1" });
    for (overrides, found) in [
        (json!({ "environment_variables": x }), vec![]),
        (json!({ "secret_environment_variables": x }), vec![]),
        (json!({}), vec![("missing_variable", override_at(""))]),
        (
            json!({ "environment_variables": x, "base_url": "https://{{site}}" }),
            vec![("override", override_at("/base_url"))],
        ),
        (
            json!({ "environment_variables": { "X": "1", "API_KEY": "k" } }),
            vec![("secret", override_at("/environment_variables/API_KEY"))],
        ),
        (
            json!({ "environment_variables": x, "error_expression": "$nope(1)", "lable": "x" }),
            vec![("unknown_function", override_at("/error_expression")), ("unknown_member", override_at("/lable"))],
        ),
    ] {
        assert_eq!(found_in_install(&overrides), found, "{overrides}");
    }
}

#[test]
fn a_member_that_is_written_twice_is_a_warning() {
    let text = document(&json!({})).to_string().replacen('{', "{ \"name\": \"older\", ", 1);
    let found = lint(&[Document::of("a.json".into(), text)], &[]);
    let told: Vec<_> = found.iter().map(|it| (it.finding.pointer.as_str(), it.finding.check)).collect();
    assert_eq!(told, [("/name", "written_twice")]);
}

#[test]
fn documents_are_held_against_each_other() {
    let one = document(&json!({}));
    let mut other = one.clone();
    other["id"] = json!(Uuid::from_u128(9));
    let found = lint(&[file("a.json", &one), file("b.json", &one), file("c.json", &other)], &[]);
    let told: Vec<_> = found.iter().map(|it| (it.file.to_str().unwrap(), it.finding.check)).collect();
    assert_eq!(told, [("b.json", "id_taken"), ("b.json", "name_taken"), ("c.json", "name_taken")]);
    let mut installs = install(&json!({}));
    installs["installs"][0]["integration"] = json!("acmee");
    let found = lint(&[file("i.json", &installs)], &[file("a.json", &one)]);
    assert_eq!(found[0].finding.fix.as_deref(), Some("did you mean `acme`?"));
}

#[test]
fn findings_come_in_the_order_of_the_document_each_with_its_line() {
    let found = lint(
        &[file(
            "a.json",
            &document(&json!({ "label": "A", "error_expression": "(", "logoo": 1, "headers": { "Host": "x" } })),
        )],
        &[],
    );
    let told: Vec<_> = found.iter().map(|it| (it.line.unwrap().0, it.finding.pointer.as_str())).collect();
    assert_eq!(told, [(19, "/config/error_expression"), (20, "/config/logoo"), (22, "/config/headers/Host")]);
    let broken = lint(&[Document::of("a.json".into(), "{ no".to_owned())], &[]);
    assert!(broken[0].finding.message.contains("is not JSON"), "{broken:?}");
    assert_eq!(broken[0].line, Some((1, 3)));
}

#[test]
fn findings_in_yaml_have_their_lines_too() {
    let text = "id: 5d2f0c1e-6a3b-4c8d-9e1f-7b6a5c4d3e2f\nname: acme\nconfig:\n  base_url: https://h.test\n  \
                error_expression: (\n  headers: { Host: x }\n";
    let found = lint(&[Document::of("a.yaml".into(), text.to_owned())], &[]);
    let told: Vec<_> = found.iter().map(|it| (it.line.unwrap(), it.finding.pointer.as_str())).collect();
    assert_eq!(told, [((5, 3), "/config/error_expression"), ((6, 14), "/config/headers/Host")]);
}

#[test]
fn a_text_that_is_no_yaml_is_told_with_its_line_and_without_what_stands_there() {
    let text = "config:\n  client_secret: canary-1\n bad: [canary-2\n";
    let found = lint(&[Document::of("a.yaml".into(), text.to_owned())], &[]);
    assert!(matches!(found[0].line, Some((3.., _))), "{found:?}");
    let message = &found[0].finding.message;
    assert!(message.starts_with("is not YAML") && !message.contains("canary") && !message.contains('\n'), "{message}");
}

#[test]
fn the_models_own_example_has_findings_only_where_it_is_inconsistent() {
    use Severity::{Error, Info, Warning};
    let document: Value = serde_json::from_str(include_str!("../tests/model-integration.json")).unwrap();
    let found = lint(&[file("model.json", &document)], &[]);
    let told: Vec<(Severity, &str, &str)> =
        found.iter().map(|it| (it.finding.severity, it.finding.check, it.finding.pointer.as_str())).collect();
    let expected = [
        (Info, "unknown_name", "/config/query/search"),
        (Info, "unknown_name", "/config/query/filter"),
        (Info, "unknown_name", "/config/actions/sync_users/config/body/users"),
        (Warning, "secret", "/config/credentials/oauth2/config/client/secret"),
        (Error, "not_an_expression", "/config/rate_limit/is_rate_limited"),
        (Error, "bare_header", "/config/rate_limit/retry_after_header_expression"),
        (Error, "bare_header", "/config/rate_limit/rate_limit_header_expression"),
        (Error, "not_an_expression", "/config/resources/users/list/rate_limit/is_rate_limited"),
        (Error, "bare_header", "/config/resources/users/list/rate_limit/retry_after_header_expression"),
        (Error, "bare_header", "/config/resources/users/list/rate_limit/rate_limit_header_expression"),
        (Info, "unknown_name", "/config/resources/orders/create/body/user_id"),
        (Info, "unknown_name", "/config/resources/orders/create/body/items"),
        (Info, "kept", "/config/webhook"),
    ];
    assert_eq!(told, expected, "{found:#?}");
}

#[test]
fn no_finding_repeats_a_secret() {
    let found = of_config(&json!({
        "headers": { "Authorization": "Bearer canary-1" },
        "base_url": "https://u:canary-2@h.test",
        "query": { "token": "canary-3" },
    }));
    assert!(found.len() >= 3 && !format!("{found:?}").contains("canary"), "{found:#?}");
}
