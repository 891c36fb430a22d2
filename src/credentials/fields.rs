//! Whether an import's context holds a complete credential, and the form in which it is stored.
//!
//! All that is wrong is reported at once, by JSON pointers into the request body. A message never repeats a value.

use aws_lc_rs::digest;
use serde_json::{Map, Value};
use url::Url;
use uuid::Uuid;

use super::token;
use crate::definitions::CredentialPlan;
use crate::definitions::credential::{Field, Format, Transform};
use crate::lifecycle::AuthenticationMethod;
use crate::seal::hex;

/// One field of a request that has to change.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FieldFailure {
    /// Where, as a JSON pointer from the request body.
    pub pointer: String,
    /// What is wrong and what it should be.
    pub message: String,
}

/// Checks a context and brings it into its stored form: defaults and transforms applied, the token's expiry absolute.
///
/// `from_ms` is the instant from which `expires_in` counts, in milliseconds since the epoch. A token that names its own
/// `expires_at` keeps it, at most a year away; `expires_in` stays as it came and is never used again.
///
/// # Errors
/// Everything that is wrong, in the order of the plan's fields, the token last.
pub fn accept(
    plan: &CredentialPlan,
    mut context: Map<String, Value>,
    from_ms: i64,
) -> Result<Map<String, Value>, Vec<FieldFailure>> {
    let mut failures = Vec::new();
    accept_fields(plan.fields.iter(), &mut context, &mut failures);
    accept_token_of(plan, &mut context, from_ms, &mut failures);
    if failures.is_empty() { Ok(context) } else { Err(failures) }
}

/// The same of the fields that `patch` gives; those that it leaves out are none of its business.
pub(super) fn accept_given(plan: &CredentialPlan, patch: &mut Map<String, Value>, failures: &mut Vec<FieldFailure>) {
    let given: Vec<&Field> = plan.fields.iter().filter(|field| patch.contains_key(&field.name)).collect();
    accept_fields(given.into_iter(), patch, failures);
}

fn accept_fields<'a>(
    fields: impl Iterator<Item = &'a Field>,
    context: &mut Map<String, Value>,
    failures: &mut Vec<FieldFailure>,
) {
    for field in fields {
        match accept_field(field, context.get(&field.name)) {
            Ok(Some(value)) => {
                context.insert(field.name.clone(), value);
            }
            Ok(None) => {}
            Err(message) => failures.push(FieldFailure { pointer: in_context(&field.name), message }),
        }
    }
}

/// Checks the token and makes its expiry absolute, where accounts of the plan have one.
pub(super) fn accept_token_of(
    plan: &CredentialPlan,
    context: &mut Map<String, Value>,
    from_ms: i64,
    failures: &mut Vec<FieldFailure>,
) {
    match plan.method {
        AuthenticationMethod::ApiKey => {}
        AuthenticationMethod::Oauth2
        | AuthenticationMethod::Oauth2ClientCredentials
        | AuthenticationMethod::KekaOauth => accept_token(context, from_ms, failures),
    }
}

/// The pointer to a key at the context's root.
pub(super) fn in_context(key: &str) -> String {
    format!("/context/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// The value to store, or `None` to leave the context as it is.
fn accept_field(field: &Field, given: Option<&Value>) -> Result<Option<Value>, String> {
    let is_there = |value: &&Value| !matches!(value, Value::Null) && value.as_str() != Some("");
    let Some(value) = given.filter(is_there).or(field.default.as_ref()).filter(is_there) else {
        return if field.required { Err("is required".to_owned()) } else { Ok(None) };
    };
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        _ => return Err("must be text, a number, true or false".to_owned()),
    };
    if let Some(format) = field.format.filter(|format| !has_format(*format, &text)) {
        return Err(format!("must be {}", format_name(format)));
    }
    if let Some(pattern) = &field.pattern {
        let matches = pattern
            .matches(&text)
            .map_err(|error| format!("could not be compared with its pattern: {}", error.message))?;
        if !matches {
            return Err(format!("must match {}", pattern.source()));
        }
    }
    if !field.options.is_empty()
        && !field.options.iter().any(|option| option == value || option.as_str() == Some(&text))
    {
        return Err("is not one of the values that the integration offers".to_owned());
    }
    Ok(Some(field.transform.map_or_else(|| value.clone(), |transform| Value::from(transformed(transform, &text)))))
}

fn has_format(format: Format, text: &str) -> bool {
    match format {
        Format::Email => text.split_once('@').is_some_and(|(name, host)| {
            !name.is_empty()
                && !host.is_empty()
                && !host.contains('@')
                && !text.chars().any(|c| c.is_whitespace() || c.is_control())
        }),
        Format::Number => text.trim().parse::<f64>().is_ok_and(f64::is_finite),
        Format::Uuid => text.len() == 36 && Uuid::try_parse(text).is_ok(),
        Format::Url => Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host()),
    }
}

const fn format_name(format: Format) -> &'static str {
    match format {
        Format::Email => "an e-mail address",
        Format::Number => "a number",
        Format::Uuid => "a UUID",
        Format::Url => "an http or https URL",
    }
}

fn transformed(transform: Transform, text: &str) -> String {
    match transform {
        Transform::Lowercase => text.to_lowercase(),
        Transform::Uppercase => text.to_uppercase(),
        Transform::Sha256 => hex(digest::digest(&digest::SHA256, text.as_bytes()).as_ref()),
    }
}

/// Checks `oauth.token` and gives it an absolute expiry.
fn accept_token(context: &mut Map<String, Value>, from_ms: i64, failures: &mut Vec<FieldFailure>) {
    let mut fail = |member: &str, message: &str| {
        let pointer = format!("/context/oauth/token{member}");
        failures.push(FieldFailure { pointer, message: message.to_owned() });
    };
    let oauth = context.get_mut("oauth").and_then(|oauth| oauth.get_mut("token"));
    let Some(token) = oauth.and_then(Value::as_object_mut) else {
        return fail("", "must be an object with the account's `access_token`");
    };
    if !token.get("access_token").is_some_and(token::is_sendable) {
        fail("/access_token", "must be text, not empty, without line breaks or NUL");
    }
    // Empty means none, as in exports of systems that keep one column for it.
    let refresh = token.get("refresh_token").filter(|value| !value.is_null() && value.as_str() != Some(""));
    if refresh.is_some_and(|value| !token::is_sendable(value)) {
        fail("/refresh_token", "must be text without line breaks or NUL");
    }
    let expires_in = match token.get("expires_in").filter(|value| !value.is_null()).map(token::seconds) {
        Some(Some(seconds)) if seconds >= 0 => Some(token::expiry(from_ms, seconds)),
        None => None,
        Some(_) => return fail("/expires_in", "must be a number of seconds, 0 or more"),
    };
    let expires_at = match token.get("expires_at").filter(|value| !value.is_null()).map(token::instant_ms) {
        Some(Some(instant)) => Some(token::named_expiry(from_ms, instant)),
        None => None,
        Some(None) => return fail("/expires_at", "must be an RFC 3339 time or seconds since the epoch"),
    };
    if let Some(expires_at) = expires_at.or(expires_in) {
        token.insert("expires_at".to_owned(), expires_at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn accepted(method: AuthenticationMethod, fields: &Value, context: &Value) -> Result<Value, Vec<(String, String)>> {
        let plan = CredentialPlan::compile(method, &json!({"config": {"fields": fields}})).unwrap();
        accept(&plan, context.as_object().unwrap().clone(), 1_000_000)
            .map(Value::Object)
            .map_err(|all| all.into_iter().map(|failure| (failure.pointer, failure.message)).collect())
    }

    fn one_field(mut field: Value, value: &Value) -> Result<Value, String> {
        field["name"] = json!("f");
        accepted(AuthenticationMethod::ApiKey, &json!([field]), &json!({"f": value}))
            .map(|mut context| context["f"].take())
            .map_err(|all| format!("{} {}", all[0].0, all[0].1))
    }

    #[test]
    fn every_failure_is_reported_at_once_with_its_pointer_and_without_values() {
        let fields = json!([
            {"name": "api_key", "required": true}, {"name": "a/b", "required": true},
            {"name": "mail", "format": "email"}, {"name": "plan", "options": [{"label": "Pro", "value": "pro"}]},
        ]);
        let context = json!({"api_key": "", "mail": "canary mail", "plan": "canary"});
        let failures = accepted(AuthenticationMethod::ApiKey, &fields, &context).unwrap_err();
        let pointers: Vec<&str> = failures.iter().map(|(pointer, _)| pointer.as_str()).collect();
        assert_eq!(pointers, ["/context/api_key", "/context/a~1b", "/context/mail", "/context/plan"]);
        assert!(!format!("{failures:?}").contains("canary"));
    }

    #[test]
    fn formats_are_checked() {
        for (format, good, bad) in [
            (
                "email",
                vec![json!("a@b.c")],
                vec![json!("a"), json!("@b.c"), json!("a@"), json!("a@b@c"), json!("a @b")],
            ),
            ("number", vec![json!(1.5), json!("12"), json!("-1e3")], vec![json!("x"), json!("inf"), json!(true)]),
            (
                "uuid",
                vec![json!("b179ad55-db02-4bd4-b7a4-d2c173eee9ae")],
                vec![json!("b179ad55"), json!("b179ad55db024bd4b7a4d2c173eee9ae")],
            ),
            ("url", vec![json!("https://a.test/x")], vec![json!("a.test"), json!("ftp://a.test"), json!("https://")]),
            ("phone", vec![json!("anything")], vec![]),
        ] {
            for value in good {
                assert_eq!(one_field(json!({"format": format}), &value), Ok(value.clone()), "{format}");
            }
            for value in bad {
                assert!(one_field(json!({"format": format}), &value).is_err(), "{format} {value}");
            }
        }
    }

    #[test]
    fn patterns_match_anywhere_unless_they_are_anchored() {
        for (pattern, value, matches) in [
            ("[0-9]{3}", "a123b", true),
            ("^[0-9]{3}$", "a123b", false),
            ("^[a-z]+/[a-z]+$", "team/repo", true),
            (r"^[^()/]+\\x$", r"ab\x", true),
            (r"^\(\d+\)[)}\]]$", "(12)]", true),
            (r"^(a|b)\/c$", "b/c", true),
            ("^a$", "A", false),
        ] {
            let result = one_field(json!({"pattern": pattern}), &json!(value));
            assert_eq!(result.is_ok(), matches, "{pattern} {value} {result:?}");
        }
    }

    #[test]
    fn a_pattern_that_never_comes_to_an_end_is_a_failure_of_its_field() {
        let result = one_field(json!({"pattern": "^(a+)+$"}), &json!(format!("{}!", "a".repeat(60))));
        assert!(result.unwrap_err().starts_with("/context/f "));
    }

    #[test]
    fn defaults_fill_what_is_missing_and_transforms_come_last() {
        let field = json!({"required": true, "default": "EU", "options": ["EU", "US"], "transform": "lowercase"});
        for (value, expected) in [(json!(null), "eu"), (json!(""), "eu"), (json!("US"), "us")] {
            assert_eq!(one_field(field.clone(), &value), Ok(json!(expected)));
        }
        assert!(one_field(field, &json!("us")).is_err());
        assert_eq!(one_field(json!({"transform": "uppercase"}), &json!("ab")), Ok(json!("AB")));
        assert_eq!(
            one_field(json!({"transform": "sha256"}), &json!("abc")),
            Ok(json!("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"))
        );
    }

    #[test]
    fn values_keep_their_type_and_lists_are_refused() {
        assert_eq!(one_field(json!({}), &json!(12)), Ok(json!(12)));
        assert_eq!(one_field(json!({"options": [{"value": 1}, {"value": 2}]}), &json!(2)), Ok(json!(2)));
        assert!(one_field(json!({}), &json!(["x"])).unwrap_err().starts_with("/context/f must be text"));
    }

    #[test]
    fn methods_with_tokens_need_one_that_can_be_sent() {
        for (context, pointer) in [
            (json!({}), "/context/oauth/token"),
            (json!({"oauth": {"token": "t"}}), "/context/oauth/token"),
            (json!({"oauth": {"token": {}}}), "/context/oauth/token/access_token"),
            (json!({"oauth": {"token": {"access_token": ""}}}), "/context/oauth/token/access_token"),
            (json!({"oauth": {"token": {"access_token": "a\r\nX: y"}}}), "/context/oauth/token/access_token"),
            (
                json!({"oauth": {"token": {"access_token": "a", "refresh_token": 5}}}),
                "/context/oauth/token/refresh_token",
            ),
            (json!({"oauth": {"token": {"access_token": "a", "expires_in": -1}}}), "/context/oauth/token/expires_in"),
            (
                json!({"oauth": {"token": {"access_token": "a", "expires_in": "soon"}}}),
                "/context/oauth/token/expires_in",
            ),
            (
                json!({"oauth": {"token": {"access_token": "a", "expires_at": "soon"}}}),
                "/context/oauth/token/expires_at",
            ),
        ] {
            for method in [
                AuthenticationMethod::Oauth2,
                AuthenticationMethod::Oauth2ClientCredentials,
                AuthenticationMethod::KekaOauth,
            ] {
                let failures = accepted(method, &json!([]), &context).unwrap_err();
                assert_eq!(failures.len(), 1, "{failures:?}");
                assert_eq!(failures[0].0, pointer, "{context}");
            }
            assert!(accepted(AuthenticationMethod::ApiKey, &json!([]), &context).is_ok());
        }
    }

    #[test]
    fn the_expiry_becomes_absolute_and_what_came_stays() {
        let token = |token: Value| {
            let context = json!({"oauth": {"token": token}});
            accepted(AuthenticationMethod::Oauth2, &json!([]), &context).unwrap()["oauth"]["token"].take()
        };
        for (expires_in, expires_at) in [
            (json!(60), "1970-01-01T00:17:40.000Z"),
            (json!("60"), "1970-01-01T00:17:40.000Z"),
            (json!(0), "1970-01-01T00:16:40.000Z"),
            (json!(1e12), "1971-01-01T00:16:40.000Z"),
        ] {
            let stored = token(json!({"access_token": "a", "expires_in": expires_in}));
            assert_eq!(stored, json!({"access_token": "a", "expires_in": expires_in, "expires_at": expires_at}));
        }
        let named = token(json!({"access_token": "a", "expires_in": 3600, "expires_at": "1970-01-01T00:00:00Z"}));
        assert_eq!(named["expires_at"], "1970-01-01T00:00:00.000Z");
        let far = token(json!({"access_token": "a", "expires_at": 4_000_000_000_i64}));
        assert_eq!(far["expires_at"], "1971-01-01T00:16:40.000Z");
        assert_eq!(
            token(json!({"access_token": "a", "refresh_token": ""})),
            json!({"access_token": "a", "refresh_token": ""})
        );
    }
}
