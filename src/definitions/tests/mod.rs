//! Definitions that load, and what is said about those that do not.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::lifecycle::AuthenticationMethod;

mod files;
mod requests;

fn effective(config: &Value) -> Effective {
    let document = json!({ "id": Uuid::nil(), "name": "acme", "config": config });
    Effective::of(&Integration::parse(&document).unwrap())
}

fn refusal(config: &Value) -> CompileError {
    match Plan::compile(&effective(config)) {
        Err(error) => error,
        Ok(_) => panic!("compiles: {config}"),
    }
}

/// A definition with one `post_install` step.
fn with_step(step: &Value) -> Value {
    json!({ "base_url": "https://h.test", "actions": { "post_install": { "steps": [step] } } })
}

fn with_request(request: &Value) -> Value {
    with_step(&json!({ "type": "request", "config": request }))
}

#[test]
fn a_definition_of_the_model_system_loads_and_its_unused_members_are_kept() {
    let document: Value = serde_json::from_str(include_str!("model-integration.json")).unwrap();
    let integration = Integration::parse(&document).unwrap();
    assert_eq!(integration.label, "Example API Integration");
    assert_eq!(integration.category.as_deref(), Some("helpdesk"));
    let effective = Effective::of(&integration);
    let plan = Plan::compile(&effective).unwrap();
    assert!(plan.credential(AuthenticationMethod::Oauth2).is_some());
    assert!(plan.post_install.steps.is_empty() && plan.validation.steps.is_empty());
    for member in ["resources", "webhook", "pagination", "rate_limit", "actions"] {
        assert_eq!(effective.config[member], document["config"][member]);
    }
}

#[test]
fn an_action_is_a_list_of_steps_or_a_bare_step_or_nothing() {
    let step = json!({ "type": "transform", "config": "1" });
    for (action, steps) in
        [(json!(null), 0), (json!({ "steps": [] }), 0), (json!({ "steps": [step, step] }), 2), (step.clone(), 1)]
    {
        let plan = Plan::compile(&effective(&json!({ "actions": { "validation": action } }))).unwrap();
        assert_eq!(plan.validation.steps.len(), steps, "{action}");
    }
}

#[test]
fn what_a_step_may_repeat_follows_from_its_verb_unless_it_says_so() {
    for (step, on_unknown, header) in [
        (json!({ "config": { "path": "/" } }), OnUnknown::Retry, None),
        (json!({ "config": { "method": "HEAD", "path": "/" } }), OnUnknown::Retry, None),
        (json!({ "config": { "method": "post", "path": "/" } }), OnUnknown::Fail, None),
        (json!({ "config": { "method": "delete", "path": "/" }, "on_unknown": "retry" }), OnUnknown::Retry, None),
        (json!({ "config": { "path": "/" }, "on_unknown": "fail" }), OnUnknown::Fail, None),
        (
            json!({ "config": { "method": "put", "path": "/" }, "idempotency_key": true }),
            OnUnknown::Fail,
            Some("idempotency-key"),
        ),
        (json!({ "config": { "path": "/" }, "idempotency_key": "X-Key" }), OnUnknown::Retry, Some("x-key")),
        (json!({ "config": { "path": "/" }, "idempotency_key": false }), OnUnknown::Retry, None),
    ] {
        let mut step = step;
        step["type"] = json!("request");
        let plan = Plan::compile(&effective(&with_step(&step))).unwrap();
        let compiled = &plan.post_install.steps[0];
        assert_eq!(compiled.on_unknown, on_unknown, "{step}");
        assert_eq!(compiled.idempotency_header.as_deref(), header, "{step}");
    }
}

fn check_steps(cases: impl IntoIterator<Item = (Value, &'static str, &'static str)>) {
    for (step, pointer, words) in cases {
        let error = refusal(&with_step(&step));
        assert_eq!(error.pointer, format!("/config/actions/post_install/steps/0{pointer}"), "{step}");
        assert!(error.message.contains(words), "{step}: {error}");
    }
}

fn check_requests(cases: impl IntoIterator<Item = (Value, &'static str, &'static str)>) {
    for (request, pointer, words) in cases {
        let error = refusal(&with_request(&request));
        assert_eq!(error.pointer, format!("/config/actions/post_install/steps/0/config{pointer}"), "{request}");
        assert!(error.message.contains(words), "{request}: {error}");
    }
}

#[test]
fn a_step_that_cannot_be_run_is_refused_with_its_place_and_what_to_do() {
    check_steps([
        (json!({ "config": {} }), "", "`type` is missing"),
        (json!({ "type": "dance" }), "/type", "`dance` is not a type of step; known are: request, proxy, transform"),
        (json!({ "type": "form", "config": { "fields": [] } }), "/type", "nobody is there"),
        (
            json!({ "type": "unified", "resource": "crm/contacts", "method": "list" }),
            "/type",
            "mappings of a unified model",
        ),
        (
            json!({ "type": "request", "config": { "type": "unified", "resource": "x" } }),
            "/config/type",
            "mappings of a unified model",
        ),
        (json!({ "type": "transform" }), "", "`config` is missing"),
        (json!({ "type": "transform", "config": "1 +" }), "/config", "does not compile at position 3"),
        (json!({ "type": "transform", "config": { "expr": "1" } }), "/config/expr", "`expr` is not known here"),
        (
            json!({ "type": "update_context", "config": { "expression": "(" } }),
            "/config/expression",
            "does not compile",
        ),
        (json!({ "type": "set_context", "config": "text" }), "/config", "must be an object"),
        (json!({ "type": "set_context", "config": { "a": "{{= ( }}" } }), "/config", "does not compile"),
        (json!({ "type": "get_context", "config": 7 }), "/config", "must be an array"),
    ]);
}

#[test]
fn a_step_with_a_member_that_means_nothing_here_is_refused() {
    check_steps([
        (json!({ "type": "transform", "config": "1", "run_if": "(" }), "/run_if", "does not compile"),
        (json!({ "type": "transform", "config": "1", "loop_on": 7 }), "/loop_on", "must be a string"),
        (json!({ "type": "transform", "config": "1", "continue_on_error": 1 }), "/continue_on_error", "true or false"),
        (json!({ "type": "transform", "config": "1", "timeout_ms": 100 }), "/timeout_ms", "only a request takes time"),
        (json!({ "type": "transform", "config": "1", "depends_on": [{}] }), "/depends_on/0", "a step's name or index"),
        (json!({ "type": "transform", "config": "1", "depends_on": ["x"] }), "/depends_on/0", "neither the name"),
        (json!({ "type": "transform", "config": "1", "depends_on": 0 }), "/depends_on", "this step itself"),
        (
            json!({ "type": "transform", "config": "1", "name": "me", "depends_on": ["me"] }),
            "/depends_on/0",
            "this step itself",
        ),
        (
            json!({ "type": "transform", "config": "1", "on_unknwon": "retry" }),
            "/on_unknwon",
            "`on_unknwon` is not known here",
        ),
        (json!({ "type": "transform", "config": "1", "on_unknown": "probe" }), "", "`probe` is missing"),
        (
            json!({ "type": "transform", "config": "1", "on_unknown": "maybe" }),
            "/on_unknown",
            "is not one of: retry, probe, fail",
        ),
        (
            json!({ "type": "transform", "config": "1", "idempotency_key": 1 }),
            "/idempotency_key",
            "must be true or the name",
        ),
        (
            json!({ "type": "transform", "config": "1", "idempotency_key": "Host" }),
            "/idempotency_key",
            "belongs to the connection",
        ),
        (
            json!({ "type": "transform", "config": "1", "allow_in_sandbox": "yes" }),
            "/allow_in_sandbox",
            "must be true or false",
        ),
        (json!({ "type": "transform", "config": "1", "name": "12" }), "/name", "not a number"),
        (json!({ "type": "transform", "config": "1", "name": "" }), "/name", "1 to 64 characters"),
    ]);
}

#[test]
fn a_request_that_cannot_be_made_is_refused_with_its_place_and_what_to_do() {
    check_requests([
        (json!({ "path": "/", "method": "BREW" }), "/method", "known are: get, head, post, put, patch, delete"),
        (json!({ "path": "/", "headers": { "Bad Name": "x" } }), "/headers/Bad Name", "is not a header name"),
        (json!({ "path": "/", "headers": { "Host": "x" } }), "/headers/Host", "belongs to the connection"),
        (
            json!({ "path": "/", "headers": { "content-length": "1" } }),
            "/headers/content-length",
            "belongs to the connection",
        ),
        (
            json!({ "path": "/", "headers": { "Transfer-Encoding": "x" } }),
            "/headers/Transfer-Encoding",
            "belongs to the connection",
        ),
        (json!({ "path": "/", "headers": { "Connection": "x" } }), "/headers/Connection", "belongs to the connection"),
        (
            json!({ "path": "/", "headers": { "Proxy-Authorization": "x" } }),
            "/headers/Proxy-Authorization",
            "belongs to the connection",
        ),
        (json!({ "path": "/", "headers": { "X": {} } }), "/headers/X", "must be a string"),
        (
            json!({ "path": "/", "query_array_format": "csv" }),
            "/query_array_format",
            "comma, brackets, indices, repeat",
        ),
        (json!({ "path": "/", "body": {} }), "/body", "GET requests carry no body"),
        (
            json!({ "path": "/", "method": "post", "body_format": "yaml" }),
            "/body_format",
            "json, form, multipart, raw, xml",
        ),
        (json!({ "path": "/", "paginate": true }), "/paginate", "beside `config`"),
        (json!({ "path": "/", "respone_path": "x" }), "/respone_path", "`respone_path` is not known here"),
        (json!({ "path": "/", "response_path": "a[" }), "/response_path", "does not compile"),
        (json!({ "path": "/", "error_expression": "status >" }), "/error_expression", "does not compile"),
        (
            json!({ "path": "/", "authorization": { "format": "query" } }),
            "/authorization/format",
            "bearer, header, basic",
        ),
        (json!({ "path": "/", "authorization": { "format": "basic" } }), "/authorization", "`username` is missing"),
        (
            json!({ "path": "/", "authorization": { "format": "header", "config": { "header_name": "Host", "header_value": "x" } } }),
            "/authorization/config/header_name",
            "belongs to the connection",
        ),
        (json!({ "path": "/a#b" }), "/path", "fragment"),
        (json!({ "path": 7 }), "/path", "must be a string"),
    ]);
}

#[test]
fn a_url_whose_host_is_not_certain_is_refused() {
    check_requests([
        (json!({ "base_url": "ftp://h.test" }), "/base_url", "must begin with a literal `https://`"),
        (json!({ "base_url": "{{site_url}}/v1" }), "/base_url", "must begin with a literal `https://`"),
        (json!({ "base_url": "h.test" }), "/base_url", "must begin with a literal `https://`"),
        (json!({ "base_url": "https:///v1" }), "/base_url", "has no host"),
        (json!({ "base_url": "https://u:p@h.test" }), "/base_url", "user name"),
        (json!({ "base_url": "https://h.test?x=1" }), "/base_url", "use `query`"),
        (json!({ "base_url": "https://{{host}}" }), "/base_url", "lets the account choose the host"),
        (json!({ "base_url": "https://{{host}}.com" }), "/base_url", "lets the account choose the host"),
        (json!({ "base_url": "https://api.{{host}}/v1" }), "/base_url", "lets the account choose the host"),
        (json!({ "base_url": "https://h{{x}}h.test.com" }), "/base_url", "lets the account choose the host"),
        (json!({ "base_url": "https://h.test:{{port}}" }), "/base_url", "port"),
    ]);
}

#[test]
fn hosts_may_come_from_the_operator_or_where_the_definition_says_so_from_the_account() {
    for base_url in [
        "https://{{subdomain}}.h.test/v1",
        "https://{{environment_variables.host}}/v1",
        "http://{{environment_variables.host}}:8080",
        "https://h.test:8443",
    ] {
        Plan::compile(&effective(&with_request(&json!({ "base_url": base_url })))).unwrap();
    }
    let mut config = with_request(&json!({ "path": "/" }));
    config["base_url"] = json!("https://{{host}}/v1");
    config["host_from_tenant"] = json!(true);
    Plan::compile(&effective(&config)).unwrap();
}

#[test]
fn a_request_needs_to_know_where_to_go() {
    let error = refusal(&json!({ "actions": { "validation": { "type": "request", "config": { "path": "/me" } } } }));
    assert_eq!(error.pointer, "/config/actions/validation/config");
    assert!(error.message.contains("has neither a `base_url`"), "{error}");
}

#[test]
fn the_integrations_own_members_are_checked_where_they_stand() {
    for (member, value, pointer) in [
        ("headers", json!({ "Host": "x" }), "/config/headers/Host"),
        ("base_url", json!("gopher://h.test"), "/config/base_url"),
        ("error_expression", json!("("), "/config/error_expression"),
        ("query_array_format", json!("x"), "/config/query_array_format"),
        ("authorization", json!({ "format": "digest" }), "/config/authorization/format"),
        ("credentials", json!({ "password": {} }), "/config/credentials/password"),
        ("credentials", json!({ "format": "saml" }), "/config/credentials/format"),
    ] {
        let mut config = with_request(&json!({ "path": "/" }));
        config[member] = value;
        assert_eq!(refusal(&config).pointer, pointer);
    }
}

#[test]
fn credentials_are_one_or_one_for_each_format_and_oauth_1_is_passed_over() {
    let compiled = |credentials: Value| Plan::compile(&effective(&json!({ "credentials": credentials }))).unwrap();
    let one = compiled(json!({ "format": "api_key", "config": { "fields": [] } }));
    assert!(one.credential(AuthenticationMethod::ApiKey).is_some());
    let many = compiled(json!({
        "api_key": { "format": "api_key", "config": { "fields": [] } }, "oauth": { "format": "oauth", "config": {} },
        "oauth2": { "format": "oauth2", "config": {} },
    }));
    let methods: Vec<AuthenticationMethod> = many.credentials.iter().map(|(method, _)| *method).collect();
    assert_eq!(methods, [AuthenticationMethod::ApiKey, AuthenticationMethod::Oauth2]);
    assert!(many.credential(AuthenticationMethod::KekaOauth).is_none());
}

#[test]
fn names_are_unique_in_an_action_and_steps_are_counted() {
    let step = json!({ "type": "transform", "config": "1", "name": "n" });
    let error = refusal(&json!({ "actions": { "post_install": { "steps": [step, step] } } }));
    assert_eq!(error.pointer, "/config/actions/post_install/steps/1");
    assert!(error.message.contains("taken by an earlier step"), "{error}");
    let nameless = json!({ "type": "transform", "config": "1" });
    let many = json!({ "actions": { "post_install": { "steps": vec![nameless; 101] } } });
    assert!(refusal(&many).message.contains("has 101 steps; at most 100"));
}

#[test]
fn debug_output_of_a_plan_shows_no_literal_of_its_author() {
    let mut config =
        with_request(&json!({ "path": "/", "headers": { "X-Key": "canary" }, "query": { "k": "canary" } }));
    config["authorization"] = json!({ "format": "bearer", "config": { "token": "canary" } });
    assert!(!format!("{:?}", Plan::compile(&effective(&config)).unwrap()).contains("canary"));
}
