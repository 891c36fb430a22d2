use serde_json::json;

use super::*;
use crate::credentials::{Redactor, SecretPaths};
use crate::definitions::{Effective, Integration};
use crate::expression::Scope;
use crate::lifecycle::{AuthenticationMethod, Class, ReasonCode};
use crate::upstream::{Request, Response, SendError};

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("{other}"),
    }
}

fn plan(config: &Value) -> CredentialPlan {
    CredentialPlan::compile(AuthenticationMethod::Oauth2, &json!({"format": "oauth2", "config": config})).unwrap()
}

fn account() -> Map<String, Value> {
    object(json!({"subdomain": "acme", "oauth": {"token": {"access_token": "old-access", "refresh_token": "r+1/="}}}))
}

fn request(config: &Value) -> Result<Request, Failure> {
    let scope = Scope::of_context(account(), 0, 0);
    refresh_request(&plan(config), &account(), &scope)
}

fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

fn body(request: &Request) -> String {
    String::from_utf8(request.body.clone().unwrap()).unwrap()
}

#[test]
fn a_refresh_is_a_form_with_the_client_in_the_authorization_header() {
    let request = request(&json!({
        "client": {"id": "id 1", "secret": "se:cret"},
        "auth": {"tokenHost": "https://{{subdomain}}.example.test/ignored", "tokenPath": "/token"},
    }))
    .unwrap();
    assert_eq!((request.method.as_str(), request.url.as_str()), ("POST", "https://acme.example.test/token"));
    assert_eq!(request.timeout.as_secs(), 20);
    assert_eq!(header(&request, "content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(header(&request, "accept"), Some("application/json"));
    // base64 of `id+1:se%3Acret`
    assert_eq!(header(&request, "authorization"), Some("Basic aWQrMTpzZSUzQWNyZXQ="));
    assert_eq!(body(&request), "grant_type=refresh_token&refresh_token=r%2B1%2F%3D");
}

#[test]
fn options_move_the_client_into_a_json_body_and_parameters_join_it() {
    let request = request(&json!({
        "client": {"id": "i", "secret": "s", "idParamName": "app", "secretParamName": "app_secret"},
        "auth": {"tokenHost": "https://a.test", "refreshPath": "/renew", "tokenPath": "/token"},
        "options": {"authorizationMethod": "body", "bodyFormat": "json"},
        "refreshParams": {"site": "{{subdomain}}", "n": 1, "refresh_token": "not this", "gone": null},
    }))
    .unwrap();
    assert_eq!(request.url, "https://a.test/renew");
    assert_eq!(header(&request, "authorization"), None);
    assert_eq!(header(&request, "content-type"), Some("application/json"));
    let expected = json!({
        "site": "acme", "n": 1, "refresh_token": "r+1/=", "grant_type": "refresh_token", "app": "i", "app_secret": "s",
    });
    assert_eq!(serde_json::from_str::<Value>(&body(&request)).unwrap(), expected);
}

#[test]
fn the_token_url_is_made_as_links_are() {
    for (auth, expected) in [
        (json!({"tokenHost": "https://a.test"}), "https://a.test/oauth/token"),
        (json!({"tokenHost": "https://a.test/x/", "tokenPath": "y"}), "https://a.test/x/y"),
        (json!({"tokenPath": "https://a.test/t?x={{subdomain}}"}), "https://a.test/t?x=acme"),
        (json!({"tokenHost": "https://a.test", "tokenPath": "https://b.test/t"}), "https://b.test/t"),
    ] {
        assert_eq!(request(&json!({"auth": auth})).unwrap().url, expected, "{auth}");
    }
}

#[test]
fn a_client_without_a_secret_names_itself_in_the_body() {
    let request = request(&json!({"client": {"id": "public"}, "auth": {"tokenHost": "https://a.test"}})).unwrap();
    assert_eq!(header(&request, "authorization"), None);
    assert!(body(&request).contains("client_id=public"));
}

#[test]
fn a_loose_client_is_not_encoded() {
    let request = request(&json!({
        "client": {"id": "i", "secret": "a:b"}, "auth": {"tokenHost": "https://a.test"},
        "options": {"credentialsEncodingMode": "loose"},
    }))
    .unwrap();
    // base64 of `i:a:b`
    assert_eq!(header(&request, "authorization"), Some("Basic aTphOmI="));
}

#[test]
fn nothing_is_sent_when_a_value_is_missing() {
    for (config, code) in [
        (json!({"auth": {"tokenHost": "https://{{gone}}.x.test"}}), ReasonCode::UnresolvedPlaceholder),
        (
            json!({"auth": {"tokenHost": "https://a.test"}, "client": {"id": "{{gone}}", "secret": "s"}}),
            ReasonCode::UnresolvedPlaceholder,
        ),
        (
            json!({"auth": {"tokenHost": "https://a.test"}, "refreshParams": {"a": "{{gone}}"}}),
            ReasonCode::UnresolvedPlaceholder,
        ),
        (json!({"auth": {"tokenHost": "{{subdomain}}", "host_from_tenant": true}}), ReasonCode::ExpressionError),
        (json!({}), ReasonCode::DefinitionInvalid),
    ] {
        let failure = request(&config).unwrap_err();
        assert_eq!((failure.code, failure.class), (code, Class::Permanent), "{config}");
    }
}

#[test]
fn a_token_is_refreshable_with_a_refresh_token_and_a_token_url() {
    let with_url = definition(&json!({"oauth2": {"config": {"auth": {"tokenHost": "https://a.test"}}}}), &json!({}));
    assert!(is_refreshable(&with_url, OAUTH2, &account()));
    assert!(!is_refreshable(&definition(&json!({"oauth2": {}}), &json!({})), OAUTH2, &account()));
    for token in [json!({"access_token": "a"}), json!({"refresh_token": ""}), json!({"refresh_token": null}), json!(1)]
    {
        assert!(!is_refreshable(&with_url, OAUTH2, &object(json!({"oauth": {"token": token}}))));
    }
}

const OAUTH2: AuthenticationMethod = AuthenticationMethod::Oauth2;

fn definition(credentials: &Value, actions: &Value) -> Plan {
    let config = json!({"base_url": "https://a.test", "credentials": credentials, "actions": actions});
    let document = json!({"id": uuid::Uuid::nil(), "name": "acme", "config": config});
    Plan::compile(&Effective::of(&Integration::parse(&document).unwrap())).unwrap()
}

#[test]
fn an_action_renews_oauth_tokens_with_and_without_a_refresh_token_and_keys_where_there_is_nothing_else() {
    let action = json!({"refresh_token": {"type": "request", "config": {"path": "/token"}}});
    let without = object(json!({"oauth": {"token": {"access_token": "a"}}}));
    let key = object(json!({"api_key": "k"}));
    let both = definition(&json!({"oauth2": {}, "api_key": {}}), &action);
    assert!(is_refreshable(&both, OAUTH2, &without));
    assert!(!is_refreshable(&both, AuthenticationMethod::ApiKey, &key));
    let alone = definition(&json!({"api_key": {}}), &action);
    assert!(is_refreshable(&alone, AuthenticationMethod::ApiKey, &key));
    let empty = definition(&json!({"oauth2": {}}), &json!({"refresh_token": {"steps": []}}));
    assert!(!is_refreshable(&empty, OAUTH2, &account()));
}

fn outcome(answer: Result<Response, SendError>) -> Result<NewToken, NotRenewed> {
    let options = json!({"refusal_errors": ["bad_refresh_token"]});
    let plan = plan(&json!({"auth": {"tokenHost": "https://a.test"}, "options": options}));
    let redactor = Redactor::new(&account(), &[], &SecretPaths::of(None));
    classify(&plan, answer, &redactor)
}

fn answered(status: u16, body: &str) -> Result<NewToken, NotRenewed> {
    outcome(Ok(Response { status, headers: Vec::new(), body: body.as_bytes().to_vec() }))
}

/// The outcome's kind, class and code.
fn kind(outcome: &Result<NewToken, NotRenewed>) -> (&'static str, Option<(Class, ReasonCode)>) {
    let of = |failure: &Failure| Some((failure.class, failure.code));
    match outcome {
        Ok(_) => ("renewed", None),
        Err(NotRenewed::Refused(failure)) => ("refused", of(failure)),
        Err(NotRenewed::ClientRefused(failure)) => ("client refused", of(failure)),
        Err(NotRenewed::Transient(failure)) => ("transient", of(failure)),
        Err(NotRenewed::Unknown(failure)) => ("unknown", of(failure)),
    }
}

#[test]
fn answers_are_sorted_by_who_can_do_something_about_them() {
    let refused = ("refused", Some((Class::Unauthorized, ReasonCode::CredentialRefused)));
    let client = ("client refused", Some((Class::Permanent, ReasonCode::ClientRefused)));
    let away = ("transient", Some((Class::Transient, ReasonCode::UpstreamUnavailable)));
    let limited = ("transient", Some((Class::Transient, ReasonCode::RateLimited)));
    let rubbish = ("transient", Some((Class::Transient, ReasonCode::BadResponse)));
    let lost = ("unknown", Some((Class::Transient, ReasonCode::BadResponse)));
    for (status, body, expected) in [
        (200, r#"{"access_token": "new"}"#, ("renewed", None)),
        (201, r#"{"access_token": "new", "expires_in": "x"}"#, ("renewed", None)),
        (400, r#"{"error": "invalid_grant"}"#, refused),
        (401, r#"{"error": "invalid_grant"}"#, refused),
        (500, r#"{"error": "invalid_grant"}"#, refused),
        (200, r#"{"error": "bad_refresh_token"}"#, refused),
        (400, r#"{"error": {"code": "invalid_grant", "message": "x"}}"#, refused),
        (400, r#"{"error": "INVALID_GRANT"}"#, client),
        (401, r#"{"error": "invalid_client"}"#, client),
        (400, r#"{"error": "unauthorized_client"}"#, client),
        (400, r#"{"error": "unsupported_grant_type"}"#, client),
        (400, r#"{"error": "invalid_scope"}"#, client),
        (200, r#"{"error": "invalid_client"}"#, client),
        (401, "", client),
        (403, "<html>", client),
        (404, "<html>", client),
        (500, "<html>", away),
        (503, r#"{"error": "x"}"#, away),
        (408, "", away),
        (400, r#"{"error": "temporarily_unavailable"}"#, away),
        (400, r#"{"error": "server_error"}"#, away),
        (429, "", limited),
        (400, r#"{"error": "slow_down"}"#, limited),
        (200, "", lost),
        (200, "<html>", lost),
        (200, "[]", lost),
        (200, r#"{"access_token":"new-acc"#, lost),
        (200, r#"{"access_token": ""}"#, rubbish),
        (200, r#"{"access_token": 5}"#, rubbish),
        (200, r#"{"access_token": "a\nb"}"#, rubbish),
        (200, r#"{"error": "something else"}"#, rubbish),
        (204, "", lost),
        (200, "\u{0}\u{1}", lost),
    ] {
        assert_eq!(kind(&answered(status, body)), expected, "{status} {body}");
    }
}

#[test]
fn a_form_is_read_where_the_endpoint_says_that_it_is_one() {
    let headers = vec![("content-type".to_owned(), "application/x-www-form-urlencoded; charset=utf-8".to_owned())];
    let answer = Response { status: 200, headers, body: b"access_token=a%2Bb&expires_in=60".to_vec() };
    let expected = object(json!({"access_token": "a+b", "expires_in": "60"}));
    assert_eq!(outcome(Ok(answer)), Ok(NewToken(expected)));
}

#[test]
fn only_an_answer_that_may_be_lost_is_unknown() {
    let text = || "h".to_owned();
    for (error, expected) in [
        (SendError::Timeout(text()), ("unknown", Class::OutcomeUnknown, ReasonCode::Timeout)),
        (SendError::Broken(text()), ("unknown", Class::OutcomeUnknown, ReasonCode::UpstreamUnavailable)),
        (SendError::BadResponse(text()), ("unknown", Class::OutcomeUnknown, ReasonCode::BadResponse)),
        (SendError::Dns(text()), ("transient", Class::Transient, ReasonCode::Dns)),
        (SendError::Tls(text()), ("transient", Class::Transient, ReasonCode::Tls)),
        (SendError::Connect(text()), ("transient", Class::Transient, ReasonCode::UpstreamUnavailable)),
        (SendError::AddressRefused(text()), ("client refused", Class::Permanent, ReasonCode::AddressRefused)),
        (SendError::Unsendable(text()), ("client refused", Class::Permanent, ReasonCode::DefinitionInvalid)),
        (SendError::Redirect { status: 302 }, ("client refused", Class::Permanent, ReasonCode::RedirectRefused)),
    ] {
        let (name, class, code) = expected;
        assert_eq!(kind(&outcome(Err(error.clone()))), (name, Some((class, code))), "{error:?}");
    }
}

#[test]
fn a_message_repeats_what_the_endpoint_says_in_one_short_line_without_secrets() {
    let long = "x".repeat(500);
    let body = json!({"error": "invalid_grant", "error_description": format!("old-access\nis dead {long}")});
    let Err(NotRenewed::Refused(failure)) = answered(400, &body.to_string()) else { panic!("not refused") };
    assert!(failure.message.starts_with("the token endpoint answered 400 `invalid_grant`: [redacted] is dead xxx"));
    assert!(failure.message.chars().count() < 300);
    assert_eq!(failure.http_status, Some(400));
}

#[test]
fn a_new_token_joins_the_old_one_and_keeps_what_the_answer_omits() {
    let old = json!({
        "x": 1,
        "oauth": {"scope": "s", "token": {
            "access_token": "a1", "refresh_token": "r1", "expires_in": 5, "expires_at": "old", "instance": "i",
        }},
    });
    let after = |answer: Value, fallback| Value::Object(apply(object(old.clone()), object(answer), 1_000, fallback));
    assert_eq!(
        after(json!({"access_token": "a2", "refresh_token": "r2", "expires_in": "60", "id": 7}), None),
        json!({"x": 1, "oauth": {"scope": "s", "token": {
            "access_token": "a2", "refresh_token": "r2", "expires_in": "60", "id": 7, "instance": "i",
            "expires_at": "1970-01-01T00:01:01.000Z",
        }}})
    );
    for kept in [
        json!({"access_token": "a2"}),
        json!({"access_token": "a2", "refresh_token": null}),
        json!({"access_token": "a2", "refresh_token": ""}),
    ] {
        assert_eq!(
            after(kept, None)["oauth"]["token"],
            json!({"access_token": "a2", "refresh_token": "r1", "instance": "i"})
        );
    }
}

#[test]
fn the_expiry_of_a_new_token_is_the_answers_else_the_definitions_else_unknown() {
    let expiry = |answer: Value, fallback| {
        let mut answer = object(answer);
        answer.insert("access_token".to_owned(), json!("a2"));
        apply(Map::new(), answer, 0, fallback)["oauth"]["token"]["expires_at"].take()
    };
    for (answer, fallback, expected) in [
        (json!({"expires_in": 60}), Some(5), json!("1970-01-01T00:01:00.000Z")),
        (json!({"expires_in": 60, "expires_at": 7}), None, json!("1970-01-01T00:01:00.000Z")),
        (json!({"expires_at": 7}), Some(5), json!("1970-01-01T00:00:07.000Z")),
        (json!({}), Some(5), json!("1970-01-01T00:00:05.000Z")),
        (json!({"expires_in": "soon"}), Some(5), json!("1970-01-01T00:00:05.000Z")),
        (json!({"expires_in": -60}), None, json!("1970-01-01T00:00:00.000Z")),
        (json!({"expires_in": 1e12}), None, json!("1971-01-01T00:00:00.000Z")),
        (json!({"expires_at": "rubbish"}), None, Value::Null),
        (json!({}), None, Value::Null),
    ] {
        assert_eq!(expiry(answer.clone(), fallback), expected, "{answer}");
    }
}

#[test]
fn a_context_without_a_token_gets_one() {
    for context in [json!({}), json!({"oauth": "x"}), json!({"oauth": {"token": "x"}})] {
        let applied = apply(object(context), object(json!({"access_token": "a"})), 0, None);
        assert_eq!(Value::Object(applied), json!({"oauth": {"token": {"access_token": "a"}}}));
    }
}

#[test]
fn nothing_prints_a_secret() {
    let plan = plan(&json!({
        "client": {"id": "canary-id", "secret": "canary-secret"}, "auth": {"tokenHost": "https://a.test"},
        "refreshParams": {"key": "canary-param"},
        "fields": [{"name": "f", "type": "password", "default": "canary-default"}],
    }));
    let request = refresh_request(&plan, &account(), &Scope::of_context(account(), 0, 0)).unwrap();
    let renewed = answered(200, r#"{"access_token": "canary-token"}"#);
    let printed = format!("{plan:?} {:?} {request:?} {renewed:?}", plan.refresh.as_ref().unwrap().client);
    assert!(!printed.contains("canary"), "{printed}");
    assert!(!printed.contains("old-access") && !printed.contains("r+1"), "{printed}");
}
