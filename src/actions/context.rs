//! The scope of a step, and what steps write to the account's context.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::model::AccountFacts;
use crate::credentials::large;
use crate::expression::{Scope, Shared};

/// One scope: the context at the root, overlaid by the reserved names that are the same for all steps of a phase, and by
/// `steps`. Its time and seed are set for each step.
pub(super) fn scope(
    context: &Arc<Map<String, Value>>,
    account: &AccountFacts,
    environment_variables: &Arc<Map<String, Value>>,
    steps: Shared,
) -> Scope {
    let mut scope = Scope::of_context(Arc::clone(context), 0, 0);
    scope.set("id", json!(account.id));
    scope.set(
        "account",
        json!({
            "id": account.id,
            "tenant_id": account.tenant_id,
            "region": account.region,
            "is_sandbox": account.is_sandbox,
            "authentication_method": account.authentication_method,
        }),
    );
    scope.set("environment_variables", Arc::clone(environment_variables));
    scope.set("steps", steps);
    scope
}

/// Lays `writes` over the context that steps see: a large value is seen as it is, not as it will be kept.
pub(super) fn lay(context: &mut Map<String, Value>, writes: &Map<String, Value>) {
    write(context, writes);
    for (key, value) in writes {
        if let Some(data) = large::data(value) {
            context.insert(key.clone(), data.clone());
        }
    }
}

/// Merges `writes` into a context: shallowly, but `oauth` is merged deeply, so that writing a part of a token does not
/// lose its refresh token. `environment_variables` are virtual and dropped.
pub(super) fn write(context: &mut Map<String, Value>, writes: &Map<String, Value>) {
    for (key, value) in writes.iter().filter(|(key, _)| *key != "environment_variables") {
        match (context.get_mut(key), value) {
            (Some(Value::Object(oauth)), Value::Object(over)) if key == "oauth" => merge(oauth, over),
            _ => {
                context.insert(key.clone(), value.clone());
            }
        }
    }
}

fn merge(base: &mut Map<String, Value>, over: &Map<String, Value>) {
    for (key, value) in over {
        match (base.get_mut(key), value) {
            (Some(Value::Object(base)), Value::Object(over)) => merge(base, over),
            _ => {
                base.insert(key.clone(), value.clone());
            }
        }
    }
}

/// A token that a step wrote is older than one that was refreshed since. Answers whether there was one.
pub(super) fn forget_token(writes: &mut Map<String, Value>) -> bool {
    match writes.get_mut("oauth") {
        Some(Value::Object(oauth)) => oauth.shift_remove("token").is_some(),
        _ => false,
    }
}

/// The value at a dotted path; numbers index arrays.
pub(super) fn lookup<'a>(context: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    let mut segments = path.split('.').map(str::trim);
    let mut value = context.get(segments.next()?)?;
    for segment in segments {
        value = match value {
            Value::Object(members) => members.get(segment)?,
            Value::Array(items) => items.get(segment.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    Some(value)
}

/// When the access token expires, milliseconds since the epoch: RFC 3339 text, or a number of seconds or milliseconds.
pub(super) fn token_expiry_ms(context: &Map<String, Value>) -> Option<i64> {
    match lookup(context, "oauth.token.expires_at")? {
        Value::String(text) => match text.trim().parse::<f64>() {
            Ok(number) => epoch_ms(number),
            Err(_) => text.trim().parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond),
        },
        Value::Number(number) => epoch_ms(number.as_f64()?),
        _ => None,
    }
}

fn epoch_ms(number: f64) -> Option<i64> {
    // 10^11 seconds are in the year 5138, 10^11 milliseconds in 1973.
    let ms = if number < 1e11 { number * 1000.0 } else { number };
    (ms.is_finite() && ms > 0.0).then_some(ms as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn writes_are_shallow_but_for_oauth_and_never_touch_environment_variables() {
        let mut context =
            object(json!({ "a": { "x": 1 }, "oauth": { "token": { "refresh_token": "r" }, "scope": "s" } }));
        write(
            &mut context,
            &object(json!({
                "a": { "y": 2 }, "environment_variables": { "E": 1 }, "oauth": { "token": { "access_token": "t" } },
            })),
        );
        let oauth = json!({ "token": { "refresh_token": "r", "access_token": "t" }, "scope": "s" });
        assert_eq!(Value::Object(context), json!({ "a": { "y": 2 }, "oauth": oauth }));
    }

    #[test]
    fn an_expiry_is_read_as_text_seconds_or_milliseconds_and_garbage_is_no_expiry() {
        for (expires_at, expected) in [
            (json!("2026-01-01T00:00:00Z"), Some(1_767_225_600_000)),
            (json!("2026-01-01T01:00:00+01:00"), Some(1_767_225_600_000)),
            (json!(1_767_225_600), Some(1_767_225_600_000)),
            (json!(1_767_225_600_000_i64), Some(1_767_225_600_000)),
            (json!("1767225600"), Some(1_767_225_600_000)),
            (json!("soon"), None),
            (json!(-5), None),
            (json!(null), None),
            (json!({}), None),
        ] {
            let context = object(json!({ "oauth": { "token": { "expires_at": expires_at } } }));
            assert_eq!(token_expiry_ms(&context), expected, "{expires_at}");
        }
    }

    #[test]
    fn a_path_goes_through_objects_and_arrays() {
        let context = object(json!({ "a": { "list": [{ "id": 7 }] } }));
        assert_eq!(lookup(&context, "a.list.0.id"), Some(&json!(7)));
        assert_eq!(lookup(&context, "a.list.1.id"), None);
        assert_eq!(lookup(&context, "a.x"), None);
    }
}
