//! A client's change of a context: laid over what is stored, key by key at the root.
//!
//! A nested object or list that is sent replaces the stored one. `oauth` and the token in it are merged instead, so that
//! what the client was never shown, a refresh token, is not lost by not being sent. Fields that are sent are checked and
//! transformed as an import's; those that are not stay as they were stored.

use serde_json::{Map, Value};

use super::fields::{self, FieldFailure};
use super::{large, token};
use crate::definitions::CredentialPlan;

/// Lays `patch` over a whole context. `from_ms` is the instant from which `expires_in` counts, in milliseconds since the
/// epoch.
///
/// # Errors
/// Everything that is wrong, by JSON pointers into the request's body.
pub fn lay(
    plan: &CredentialPlan,
    mut context: Map<String, Value>,
    mut patch: Map<String, Value>,
    from_ms: i64,
) -> Result<Map<String, Value>, Vec<FieldFailure>> {
    // What an answer shows in the place of a large value may come back with it.
    patch.retain(|key, value| large::object(value).is_none() || context.get(key) != Some(&*value));
    let mut failures = marks_without_data(&patch);
    let oauth = patch.shift_remove("oauth");
    fields::accept_given(plan, &mut patch, &mut failures);
    context.extend(patch);
    match oauth {
        None => {}
        Some(Value::Object(oauth)) => {
            let has_token = oauth.contains_key("token");
            lay_oauth(&mut context, oauth);
            if has_token {
                fields::accept_token_of(plan, &mut context, from_ms, &mut failures);
            }
        }
        Some(_) => failures.push(failure("/context/oauth", "has to be an object: it is merged into the stored one")),
    }
    if failures.is_empty() { Ok(context) } else { Err(failures) }
}

/// Whether the two contexts refresh with different tokens.
#[must_use]
pub fn refreshes_with_another(before: &Map<String, Value>, after: &Map<String, Value>) -> bool {
    token::refresh_token(before) != token::refresh_token(after)
}

fn marks_without_data(patch: &Map<String, Value>) -> Vec<FieldFailure> {
    let keys = patch.iter().filter(|(_, value)| large::is_empty(value)).map(|(key, _)| key);
    keys.map(|key| failure(&fields::in_context(key), "is marked with `truto_obj_store` and has no `data` to keep"))
        .collect()
}

fn lay_oauth(context: &mut Map<String, Value>, mut patch: Map<String, Value>) {
    let Some(Value::Object(oauth)) = context.get_mut("oauth") else {
        context.insert("oauth".to_owned(), Value::Object(patch));
        return;
    };
    if let (Some(Value::Object(stored)), Some(Value::Object(new))) = (oauth.get_mut("token"), patch.get("token")) {
        let is_timed = new.contains_key("expires_in") || new.contains_key("expires_at");
        let is_another = new.get("access_token").is_some_and(|token| stored.get("access_token") != Some(token));
        if is_timed || is_another {
            // They were said of the token that is replaced.
            stored.shift_remove("expires_in");
            stored.shift_remove("expires_at");
        }
        stored.extend(new.clone());
        patch.shift_remove("token");
    }
    oauth.extend(patch);
}

fn failure(pointer: &str, message: &str) -> FieldFailure {
    FieldFailure { pointer: pointer.to_owned(), message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::AuthenticationMethod;
    use serde_json::json;

    fn object(value: &Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    fn laid(method: AuthenticationMethod, context: &Value, patch: &Value) -> Result<Value, Vec<String>> {
        let fields = json!([
            { "name": "api_key", "required": true },
            { "name": "site", "format": "url" },
            { "name": "code", "transform": "uppercase" },
            { "name": "pin", "transform": "sha256" },
        ]);
        let plan = CredentialPlan::compile(method, &json!({ "config": { "fields": fields } })).unwrap();
        lay(&plan, object(context), object(patch), 1_000_000)
            .map(Value::Object)
            .map_err(|failures| failures.into_iter().map(|failure| failure.pointer).collect())
    }

    #[test]
    fn keys_at_the_root_are_merged_and_what_is_nested_is_replaced() {
        let context = json!({ "api_key": "k", "a": { "x": 1, "y": 2 }, "list": [1, 2], "pin": "stored hash", "b": 1 });
        let patch = json!({ "a": { "x": 3 }, "list": [3], "b": null, "c": true, "code": "de" });
        let expected = json!({
            "api_key": "k", "a": { "x": 3 }, "list": [3], "pin": "stored hash", "b": null, "code": "DE", "c": true,
        });
        assert_eq!(laid(AuthenticationMethod::ApiKey, &context, &patch), Ok(expected), "`pin` is not hashed twice");
    }

    #[test]
    fn the_token_is_merged_so_that_what_was_never_shown_is_not_lost() {
        let token = |token: Value| json!({ "api_key": "k", "oauth": { "scope": "read", "token": token } });
        let stored = token(
            json!({ "access_token": "a", "refresh_token": "r", "expires_in": 60, "expires_at": "1970-01-01T00:00:09Z" }),
        );
        for (patch, expected) in [
            (json!({ "scope": "write" }), {
                let mut stored = stored.clone();
                stored["oauth"]["scope"] = json!("write");
                stored
            }),
            (json!({ "token": { "access_token": "b" } }), token(json!({ "access_token": "b", "refresh_token": "r" }))),
            (
                json!({ "token": { "access_token": "b", "expires_in": 10 } }),
                token(
                    json!({ "access_token": "b", "refresh_token": "r", "expires_in": 10, "expires_at": "1970-01-01T00:16:50.000Z" }),
                ),
            ),
        ] {
            let laid = laid(AuthenticationMethod::Oauth2, &stored, &json!({ "oauth": patch })).unwrap();
            assert_eq!(laid, expected);
        }
    }

    #[test]
    fn everything_that_is_wrong_is_named_and_only_what_was_sent_is_judged() {
        let stored = json!({ "api_key": "k", "site": "no url any more" });
        assert!(laid(AuthenticationMethod::ApiKey, &stored, &json!({ "other": 1 })).is_ok());
        let patch = json!({ "api_key": "", "site": "x", "oauth": 1, "big": { "truto_obj_store": true } });
        assert_eq!(
            laid(AuthenticationMethod::ApiKey, &stored, &patch),
            Err(["/context/big", "/context/api_key", "/context/site", "/context/oauth"].map(str::to_owned).to_vec())
        );
        let token = json!({ "api_key": "k", "oauth": { "token": { "access_token": "a" } } });
        let patch = json!({ "oauth": { "token": { "access_token": "", "expires_in": -1 } } });
        assert_eq!(
            laid(AuthenticationMethod::Oauth2, &token, &patch),
            Err(["/context/oauth/token/access_token", "/context/oauth/token/expires_in"].map(str::to_owned).to_vec())
        );
    }

    #[test]
    fn a_large_value_that_comes_back_as_it_was_shown_stays() {
        let reference = large::reference(uuid::Uuid::from_u128(7));
        let stored = json!({ "api_key": "k", "big": reference });
        assert_eq!(laid(AuthenticationMethod::ApiKey, &stored, &json!({ "big": reference })), Ok(stored.clone()));
        let other = json!({ "big": large::reference(uuid::Uuid::from_u128(8)) });
        assert_eq!(laid(AuthenticationMethod::ApiKey, &stored, &other), Err(vec!["/context/big".to_owned()]));
    }
}
