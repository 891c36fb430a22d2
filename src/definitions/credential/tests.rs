use serde_json::json;

use super::*;
use crate::expression::Scope;

fn compiled(entry: &Value) -> Result<CredentialPlan, CompileError> {
    CredentialPlan::compile(AuthenticationMethod::Oauth2, entry)
}

#[test]
fn what_cannot_be_compiled_is_named_by_its_pointer() {
    for (entry, pointer) in [
        (json!("x"), ""),
        (json!({"format": "api_key"}), "/format"),
        (json!({"config": 1}), "/config"),
        (json!({"config": {"fields": {}}}), "/config/fields"),
        (json!({"config": {"fields": [1]}}), "/config/fields/0"),
        (json!({"config": {"fields": [{"name": ""}]}}), "/config/fields/0/name"),
        (json!({"config": {"fields": [{"name": "a"}, {"name": "a"}]}}), "/config/fields/1/name"),
        (json!({"config": {"fields": [{"name": "a", "required": "yes"}]}}), "/config/fields/0/required"),
        (json!({"config": {"fields": [{"name": "a", "transform": "rot13"}]}}), "/config/fields/0/transform"),
        (json!({"config": {"fields": [{"name": "a", "pattern": "(["}]}}), "/config/fields/0/pattern"),
        (json!({"config": {"fields": [{"name": "a", "options": [{"label": "x"}]}]}}), "/config/fields/0/options/0"),
        (json!({"config": {"auth": {"tokenPath": "/token"}}}), "/config/auth/tokenPath"),
        (json!({"config": {"auth": {"tokenHost": "{{= ( }}"}}}), "/config/auth/tokenHost"),
        (
            json!({"config": {"auth": {"tokenHost": "https://a.test"}, "options": {"authorizationMethod": "query"}}}),
            "/config/options/authorizationMethod",
        ),
        (
            json!({"config": {"auth": {"tokenHost": "https://a.test"}, "options": {"bodyFormat": "xml"}}}),
            "/config/options/bodyFormat",
        ),
        (
            json!({"config": {"auth": {"tokenHost": "https://a.test"}, "options": {"refusal_errors": [1]}}}),
            "/config/options/refusal_errors/0",
        ),
        (json!({"config": {"auth": {"tokenHost": "https://a.test"}, "client": {"secret": "s"}}}), "/config/client/id"),
        (
            json!({"config": {"auth": {"tokenHost": "https://a.test"}, "refreshParams": {"a/b": []}}}),
            "/config/refreshParams/a~1b",
        ),
        (
            json!({"config": {"auth": {"tokenHost": "https://a.test"}, "tokenExpiryDuration": "soon"}}),
            "/config/tokenExpiryDuration",
        ),
    ] {
        let error = compiled(&entry).unwrap_err();
        assert_eq!(error.pointer, pointer, "{entry}: {error}");
    }
}

#[test]
fn an_error_can_be_seen_from_the_whole_document() {
    let error = CompileError::new("/config", "must be an object").under("/credentials/oauth2");
    assert_eq!(error.to_string(), "/credentials/oauth2/config: must be an object");
}

#[test]
fn members_that_are_not_used_do_not_matter() {
    let plan = compiled(&json!({"format": "oauth2", "config": {
        "auth": {"tokenHost": "https://a.test", "authorizePath": "/x"}, "scope": ["a"], "pkce": {"method": "S256"},
        "tokenParams": {"x": 1}, "documentation_link": "y", "tokenExpiryDuration": "3600", "options": null,
        "fields": [{"name": "a", "type": "single_select", "placeholder": "p", "help_text": "h", "transform": null}],
    }}))
    .unwrap();
    let refresh = plan.refresh.unwrap();
    assert_eq!(plan.fallback_expiry_s, Some(3600));
    assert_eq!((refresh.client_auth, refresh.body_format), (ClientAuth::Header, BodyFormat::Form));
    assert_eq!(plan.fields.len(), 1);
}

#[test]
fn a_method_with_static_credentials_refreshes_nothing() {
    let entry = json!({"config": {"auth": {"tokenHost": "https://a.test"}}});
    assert!(CredentialPlan::compile(AuthenticationMethod::ApiKey, &entry).unwrap().refresh.is_none());
    assert!(compiled(&json!({})).unwrap().refresh.is_none());
}

fn url(auth: &Value, context: &Value) -> Result<String, String> {
    let plan = compiled(&json!({"config": {"auth": auth}})).map_err(|error| error.to_string())?;
    let url = plan.refresh.unwrap().url.render(&Scope::of_context(context.as_object().cloned().unwrap(), 0, 0));
    url.map(String::from).map_err(|error| error.message)
}

#[test]
fn a_value_stays_in_its_part_of_the_url() {
    let context = json!({"v": "a/b?c=d", "host": "evil.test/"});
    for (auth, expected) in [
        (json!({"tokenHost": "https://x.test", "tokenPath": "/t/{{v}}"}), "https://x.test/t/a%2Fb%3Fc%3Dd"),
        (json!({"tokenPath": "https://x.test/t?v={{v}}"}), "https://x.test/t?v=a%2Fb%3Fc%3Dd"),
        (json!({"tokenHost": "https://x.test", "tokenPath": "/{{host}}"}), "https://x.test/evil.test%2F"),
    ] {
        assert_eq!(url(&auth, &context).unwrap(), expected, "{auth}");
    }
    for value in ["evil.test/", "a@evil.test", "a:80", "evil.test#"] {
        let refused = url(&json!({"tokenHost": "https://{{v}}.x.test"}), &json!({"v": value}));
        assert!(refused.is_err(), "{value}: {refused:?}");
    }
}

#[test]
fn the_definition_decides_about_the_host_that_gets_the_clients_secret() {
    for host in [
        "{{site}}",
        "https://{{site}}",
        "https://{{site}}.test",
        "https://{{site}}/x.y.z",
        "https://a.{{site}}",
        "https://x.test:{{port}}",
        "https://{{environment_variables.host|site}}",
        "https://user@x.test",
        "https:///{{site}}",
        "ftp://x.test",
        "x.test",
    ] {
        let error = compiled(&json!({"config": {"auth": {"tokenHost": host}}})).unwrap_err();
        assert_eq!(error.pointer, "/config/auth/tokenHost", "{host}");
    }
    for path in ["{{v}}", "//{{v}}/x"] {
        let auth = json!({"tokenHost": "https://x.test", "tokenPath": path});
        assert_eq!(
            compiled(&json!({"config": {"auth": auth}})).unwrap_err().pointer,
            "/config/auth/tokenPath",
            "{path}"
        );
    }
    for host in ["https://{{site}}.x.test", "https://{{environment_variables.host}}", "{{environment_variables.url}}"] {
        assert!(compiled(&json!({"config": {"auth": {"tokenHost": host}}})).is_ok(), "{host}");
    }
}

#[test]
fn an_account_brings_its_whole_url_where_the_definition_says_so() {
    let auth = json!({"tokenHost": "{{site}}", "tokenPath": "/t", "host_from_tenant": true});
    assert_eq!(url(&auth, &json!({"site": "https://eu.x.test/base"})).unwrap(), "https://eu.x.test/t");
    for bad in ["file:///etc/passwd", "https://u:p@x.test", "x.test", ""] {
        assert!(url(&auth, &json!({"site": bad})).is_err(), "{bad}");
    }
}
