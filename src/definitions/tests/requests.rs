//! The layers of a request, references to resources, and the options of bodies: what compiles and what is refused.

use serde_json::{Value, json};

use super::{check_requests, check_steps, effective, refusal, with_request, with_step};
use crate::definitions::{BodyFormat, CompileError, Effective, Install, Integration, Plan, RequestPlan, StepKind};

fn plan_of(config: &Value) -> RequestPlan {
    let mut plan = Plan::compile(&effective(config)).unwrap();
    match plan.post_install.steps.remove(0).kind {
        StepKind::Request(request) => *request,
        _ => panic!("no request"),
    }
}

fn refers(step: &Value, methods: &Value) -> Value {
    let mut config = with_step(step);
    config["resources"] = json!({ "users": methods, "orders": {} });
    config
}

#[test]
fn a_reference_that_leads_nowhere_is_refused_with_what_is_known() {
    let methods = json!({ "list": { "path": "/users" }, "get": { "path": "/users/{{id}}" } });
    for (step, pointer, words) in [
        (json!({ "config": { "resource": "user", "method": "list" } }), "/config/resource", "known are: users, orders"),
        (json!({ "config": { "resource": "users", "method": "lst" } }), "/config/method", "known are: list, get"),
        (json!({ "config": { "resource": "orders", "method": "list" } }), "/config/method", "known are: none"),
        (json!({ "config": { "resource": "users" } }), "/config", "`method` is missing"),
        (json!({ "config": { "type": "proxy", "method": "list" } }), "/config", "`resource` is missing"),
        (
            json!({ "config": { "type": "ftp", "resource": "users", "method": "list" } }),
            "/config/type",
            "known is: proxy",
        ),
        (json!({ "type": "proxy", "method": "list" }), "", "needs the `resource` and the `method`"),
        (json!({ "type": "proxy", "resource": "users", "method": "list", "path": "/x" }), "/path", "not known here"),
        (json!({ "config": { "path": "/x", "id": "1" } }), "/config/id", "name it with `resource` and `method`"),
        (
            json!({ "config": { "resource": "users", "method": "list", "body": {} } }),
            "/config/body",
            "GET requests carry",
        ),
    ] {
        let mut step = step;
        if step.get("type").is_none() {
            step["type"] = json!("request");
        }
        let error = refusal(&refers(&step, &methods));
        assert_eq!(error.pointer, format!("/config/actions/post_install/steps/0{pointer}"), "{step}");
        assert!(error.message.contains(words), "{step}: {error}");
    }
}

#[test]
fn a_method_matters_to_whoever_refers_to_it_and_to_nobody_else() {
    let methods = json!({
        "list": { "path": "/users", "surprise": true },
        "broken": { "path": "/users", "response_path": "a[" },
    });
    let fine = json!({ "type": "request", "config": { "resource": "users", "method": "list" } });
    Plan::compile(&effective(&refers(&fine, &methods))).unwrap();
    let broken = json!({ "type": "request", "config": { "resource": "users", "method": "broken" } });
    let error = refusal(&refers(&broken, &methods));
    assert_eq!(error.pointer, "/config/resources/users/broken/response_path");
}

#[test]
fn an_explicit_null_switches_off_what_a_lower_layer_says() {
    let mut config = with_request(&json!({ "path": "/" }));
    config["error_expression"] = json!("status > 300");
    assert!(plan_of(&config).error_expression.is_some());
    let mut off = with_request(&json!({ "path": "/", "error_expression": null }));
    off["error_expression"] = json!("status > 300");
    assert!(plan_of(&off).error_expression.is_none());
}

#[test]
fn what_only_describes_a_request_is_accepted_and_what_is_kept_for_later_is_on_the_plan() {
    let config = with_request(&json!({
        "path": "/", "description": "d", "api_documentation_url": "u", "examples": { "response": "{}" },
        "query_schema": {}, "body_schema": {}, "response_schema": {}, "ignore_credentials_on_redirect": true,
        "pagination_path": "next", "ignore_body_in_pagination": true, "scopes": "read  write",
        "required_headers": { "X-Trace": "of every request" },
    }));
    let plan = plan_of(&config);
    assert_eq!(plan.scopes.unwrap().needed, ["read", "write"]);
    assert_eq!(plan.required_headers, ["x-trace"]);
}

#[test]
fn the_separator_of_scopes_is_the_credentials() {
    for (credentials, separator) in [
        (json!({}), " "),
        (json!({ "format": "oauth2", "config": { "options": { "scopeSeparator": "," } } }), ","),
        (json!({ "oauth2": { "format": "oauth2", "config": { "options": { "scopeSeparator": "+" } } } }), "+"),
    ] {
        let mut config = with_request(&json!({ "path": "/", "scopes": ["a"] }));
        config["credentials"] = credentials;
        assert_eq!(plan_of(&config).scopes.unwrap().separator, separator);
    }
}

#[test]
fn each_body_format_has_its_options_and_no_others() {
    let post = |format: &str, options: Value| json!({ "path": "/", "method": "post", "body": {}, "body_format": format, "body_format_config": options });
    check_requests([
        (post("json", json!({ "root": "a" })), "/body_format_config", "`json` has no options"),
        (post("form", json!({ "array": "comma" })), "/body_format_config/array", "known are: array_format"),
        (post("form", json!({ "array_format": "x" })), "/body_format_config/array_format", "comma, brackets"),
        (post("multipart", json!({ "boundary": "x" })), "/body_format_config/boundary", "known are: array_format"),
        (post("raw", json!({ "encoding": "utf-16" })), "/body_format_config/encoding", "text, base64"),
        (post("raw", json!({ "content_type": "a\nb" })), "/body_format_config/content_type", "not a content type"),
        (post("xml", json!({ "spaces": 9 })), "/body_format_config/spaces", "from 0 to 8"),
        (post("xml", json!({ "root": 1 })), "/body_format_config/root", "must be a string"),
        (json!({ "path": "/", "api_response_format": "yaml" }), "/api_response_format", "json, xml, text, csv"),
        (json!({ "path": "/", "throw_error_on_parse_error": "yes" }), "/throw_error_on_parse_error", "true or false"),
        (json!({ "path": "/", "required_headers": ["Host"] }), "/required_headers/0", "belongs to the connection"),
        (json!({ "path": "/", "truto_static_gate_id": "g" }), "/truto_static_gate_id", "not supported"),
    ]);
    let xml = plan_of(&with_request(&post("xml", json!({ "root": "r", "declaration": true, "spaces": 2 })))).body;
    assert!(matches!(xml.unwrap().format, BodyFormat::Xml { declaration: true, spaces: 2, .. }));
}

#[test]
fn a_body_that_is_ignored_may_stand_anywhere() {
    let get = plan_of(&with_request(&json!({ "path": "/", "body": {}, "ignore_body": true })));
    assert!(get.body.is_none());
    check_steps([(
        json!({ "type": "request", "config": { "path": "/", "body": {}, "ignore_body": false } }),
        "/config/body",
        "GET requests carry no body",
    )]);
}

fn layered(config: &Value, layers: &[Value]) -> Value {
    let document = json!({ "id": uuid::Uuid::nil(), "name": "acme", "config": config });
    let integration = Integration::parse(&document).unwrap();
    let layers: Vec<_> = layers.iter().map(|layer| layer.as_object().unwrap()).collect();
    Value::Object(Effective::layered(&integration, &layers).config)
}

#[test]
fn an_install_and_an_account_are_laid_over_the_integration_in_that_order() {
    let config =
        json!({ "base_url": "https://a.test", "headers": { "A": "1", "B": "1", "C": "1" }, "query": { "x": 1 } });
    let install =
        json!({ "headers": { "A": "2", "B": null, "D": "2" }, "resources": { "r": { "get": { "path": "/i" } } } });
    let account = json!({ "headers": { "A": "3", "B": "3" }, "query": null, "resources": { "r": { "get": { "method": "post" } } } });
    assert_eq!(
        layered(&config, &[install, account]),
        json!({
            "base_url": "https://a.test", "headers": { "A": "3", "C": "1", "D": "2", "B": "3" },
            "resources": { "r": { "get": { "path": "/i", "method": "post" } } },
        })
    );
}

#[test]
fn a_method_that_an_install_overrides_is_the_one_that_steps_refer_to() {
    let document = json!({ "id": uuid::Uuid::nil(), "name": "acme", "config": refers(
        &json!({ "type": "proxy", "resource": "users", "method": "list" }),
        &json!({ "list": { "path": "/v1/users", "error_expression": "status > 1" } }),
    ) });
    let integration = Integration::parse(&document).unwrap();
    let overrides = json!({ "resources": { "users": { "list": { "method": "post", "error_expression": null } } } });
    let install = Install {
        id: uuid::Uuid::nil(),
        environment_id: uuid::Uuid::nil(),
        integration: "acme".to_owned(),
        is_enabled: true,
        overrides: overrides.as_object().unwrap().clone(),
    };
    let compiled: Result<Plan, CompileError> = Plan::compile(&Effective::merge(&integration, &install));
    let plan = compiled.unwrap();
    let StepKind::Request(request) = &plan.post_install.steps[0].kind else { panic!("no request") };
    assert_eq!(request.method.as_str(), "POST");
    assert!(request.error_expression.is_none());
}
