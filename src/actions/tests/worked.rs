//! The worked example of the domain reference: five imports of one definition.

use serde_json::{Value, json};

use super::{Outcome, Reply, object, run, start};
use crate::lifecycle::{AuthenticationMethod, Class, Failure, Phase, ReasonCode};

fn config() -> Value {
    json!({
        "base_url": "https://{{subdomain}}.example.test/v1",
        "credentials": { "format": "api_key", "config": { "fields": [
            { "name": "api_key", "type": "password", "required": true }, { "name": "subdomain", "type": "text" },
        ] } },
        "authorization": { "format": "header", "config": { "header_name": "X-Key", "header_value": "{{api_key}}" } },
        "error_expression": "data.ok = false ? { \"status\": 401, \"message\": data.error }",
        "actions": {
            "post_install": { "steps": [
                { "type": "request", "config": { "path": "/me", "response_path": "data" } },
                { "type": "update_context", "config": { "expression": "{ 'org_id': $previous.org.id }" } },
            ] },
            "validation": { "steps": [
                { "type": "request", "config": { "path": "/orgs/{{org_id}}/users", "query": { "limit": "1" } } },
            ] },
        },
    })
}

fn context() -> Value {
    json!({ "api_key": "k", "subdomain": "acme" })
}

fn me() -> Reply {
    Reply::Json(200, json!({ "data": { "org": { "id": "o 1" } } }))
}

#[test]
fn a_good_key_passes_both_phases_and_leaves_its_mark_in_the_context() {
    let ran = run(start(&config(), context()), &[me(), Reply::Json(200, json!([]))]);
    assert_eq!(ran.outcome, Some(Outcome::Succeeded));
    assert_eq!(
        ran.urls(),
        ["https://acme.example.test/v1/me", "https://acme.example.test/v1/orgs/o%201/users?limit=1"]
    );
    assert!(ran.sent.iter().all(|request| request.headers == [("x-key".to_owned(), "k".to_owned())]));
    assert_eq!(ran.stepper.context()["org_id"], "o 1");
    assert_eq!(ran.log, ["send", "send"], "reads need no durable point");
}

#[test]
fn a_bad_key_that_the_provider_answers_with_200_fails_the_post_install() {
    let ran = run(start(&config(), context()), &[Reply::Json(200, json!({ "ok": false, "error": "who are you" }))]);
    assert_eq!(ran.ending(), "post_install 0 unauthorized");
    assert_eq!(ran.failure().message, "the upstream answered 200, which the definition reads as 401: who are you");
    assert_eq!(ran.failure().http_status, Some(200));
}

#[test]
fn a_key_without_scope_fails_the_validation() {
    let ran = run(start(&config(), context()), &[me(), Reply::Json(403, json!({ "message": "no scope" }))]);
    assert_eq!(ran.ending(), "validation 0 forbidden");
    assert_eq!(ran.failure().message, "the upstream answered 403: no scope");
    assert_eq!(ran.stepper.context()["org_id"], "o 1", "what an earlier phase wrote stays");
}

#[test]
fn a_flaky_host_is_asked_again_inside_the_phase() {
    let ran = run(start(&config(), context()), &[Reply::Json(503, json!(null)), me(), Reply::Json(200, json!([]))]);
    assert_eq!(ran.outcome, Some(Outcome::Succeeded));
    assert_eq!(ran.log, ["send", "Backoff 500", "send", "send"]);
    let attempts: Vec<_> = (0..4).map(|entry| ran.stepper.trace().to_value()[entry]["attempt"].clone()).collect();
    assert_eq!(attempts, [json!(1), json!(2), json!(1), json!(1)]);
}

#[test]
fn a_revoked_refresh_token_is_a_refused_credential() {
    let mut config = config();
    config["credentials"] = json!({ "format": "oauth2", "config": {} });
    config["authorization"] = json!({ "format": "bearer" });
    let token = json!({ "access_token": "a", "refresh_token": "r", "expires_at": "2025-12-31T23:59:59Z" });
    let mut given = start(&config, json!({ "subdomain": "acme", "oauth": { "token": token } }));
    given.account.authentication_method = AuthenticationMethod::Oauth2;
    given.refreshable = true;
    let refused = Failure {
        class: Class::Unauthorized,
        ..Failure::permanent(ReasonCode::CredentialRefused, "the token endpoint answered invalid_grant")
    };
    let ran = run(given, &[Reply::NoToken(refused.clone())]);
    assert_eq!(ran.log, ["refresh"], "an expired token is not used");
    let step = Some("0".to_owned());
    assert_eq!(
        ran.outcome,
        Some(Outcome::CredentialRefused { phase: Some(Phase::PostInstall), step, failure: refused })
    );
}

#[test]
fn the_trace_tells_each_attempt() {
    let ran = run(start(&config(), context()), &[me(), Reply::Json(403, json!({ "message": "no scope" }))]);
    assert_eq!(
        ran.stepper.trace().to_value(),
        json!([
            { "phase": "post_install", "index": 0, "type": "request", "attempt": 1, "status": "success",
              "duration_ms": 1000, "http_status": 200, "result": { "org": { "id": "o 1" } } },
            { "phase": "post_install", "index": 1, "type": "update_context", "attempt": 1, "status": "success",
              "duration_ms": 0, "result": { "org_id": "o 1" } },
            { "phase": "validation", "index": 0, "type": "request", "attempt": 1, "status": "error",
              "duration_ms": 1000, "http_status": 403, "class": "permanent", "error": "the upstream answered 403: no scope" },
        ])
    );
    assert_eq!(ran.stepper.phase(), Some(Phase::Validation));
    assert_eq!(object(context()).len() + 1, ran.stepper.context().len());
}
