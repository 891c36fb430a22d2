//! Which parts of a context are secret, and the cut between them and the rest.
//!
//! A context is split when it is written and merged when it is used. The clear part is what events, the API and the
//! command line may show; the secret part is sealed. A secret place is known by its name; and a key that holds the value
//! of a secret, because a definition or a producer copied it there, is a secret place as well: it works as before, and
//! nobody is shown it. So is a key whose name, or the name of anything in it, is that of a secret in another spelling.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Redactor, grant};
use crate::definitions::credential::FieldKind;
use crate::definitions::{CredentialPlan, Plan};
use crate::lifecycle::AuthenticationMethod;

/// Keys of a context whose values are secret in every integration: both lists of the model system, and
/// `refresh_token`, which belongs into `oauth.token` and does not become less secret elsewhere.
pub(super) const ALWAYS: [&str; 16] = [
    "access_token",
    "api_key",
    "api_secret",
    "api_token",
    "app_key",
    "app_secret",
    "application_key",
    "auth_code",
    "client_secret",
    "password",
    "refresh_token",
    "secret",
    "token",
    "token_secret",
    "webhook_password",
    "webhook_secret",
];

/// The member of a context that is made when it is read and never stored.
const VIRTUAL: &str = "environment_variables";

/// The secret places of one integration's contexts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretPaths {
    /// Keys at the context's root, beside those that are secret everywhere.
    own: Vec<String>,
}

impl SecretPaths {
    /// The places that are secret everywhere, and the plan's fields of type `password`. `oauth.token` is one of them.
    #[must_use]
    pub fn of(plan: Option<&CredentialPlan>) -> Self {
        let fields = plan.into_iter().flat_map(|plan| &plan.fields);
        let own = fields.filter(|field| field.kind == FieldKind::Password && !ALWAYS.contains(&field.name.as_str()));
        Self { own: own.map(|field| field.name.clone()).collect() }
    }

    /// The keys at the context's root whose values are secret.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        ALWAYS.into_iter().chain(self.own())
    }

    /// Those of them that are not secret everywhere.
    pub(super) fn own(&self) -> impl Iterator<Item = &str> {
        self.own.iter().map(String::as_str)
    }
}

/// Cuts a context into its clear and its secret part. `environment_variables` goes into neither. `redactor` learns what
/// is secret by its place, and what it knows beside that, the definition's own secrets say, is looked for as well.
#[must_use]
pub fn split(
    mut context: Map<String, Value>,
    paths: &SecretPaths,
    redactor: &mut Redactor,
) -> (Map<String, Value>, Map<String, Value>) {
    context.shift_remove(VIRTUAL);
    let mut secret = Map::new();
    for key in paths.keys() {
        if let Some((key, value)) = context.shift_remove_entry(key) {
            secret.insert(key, value);
        }
    }
    if let Some(token) = context.get_mut("oauth").and_then(Value::as_object_mut).and_then(|it| it.shift_remove("token"))
    {
        let mut oauth = Map::new();
        oauth.insert("token".to_owned(), token);
        secret.insert("oauth".to_owned(), Value::Object(oauth));
    }
    redactor.learn(&secret);
    (take_copies(context, &mut secret, redactor), secret)
}

/// Moves keys that hold a secret, by its value or by the name of something in them, into the secret part; what is left.
fn take_copies(clear: Map<String, Value>, secret: &mut Map<String, Value>, redactor: &Redactor) -> Map<String, Value> {
    let (copies, clear): (Map<_, _>, _) =
        clear.into_iter().partition(|(key, value)| redactor.finds(value) || redactor.hides(key, value));
    for (key, value) in copies {
        match (secret.get_mut(&key), value) {
            (Some(Value::Object(there)), Value::Object(members)) => there.extend(members),
            (_, value) => {
                secret.insert(key, value);
            }
        }
    }
    clear
}

/// Puts the two parts of a context together again.
#[must_use]
pub fn merge(mut clear: Map<String, Value>, secret: Map<String, Value>) -> Map<String, Value> {
    for (key, value) in secret {
        match (clear.get_mut(&key), value) {
            (Some(Value::Object(there)), Value::Object(members)) => there.extend(members),
            (_, value) => {
                clear.insert(key, value);
            }
        }
    }
    clear
}

/// What a token says about itself. Those words are in every answer and hide nothing.
const ABOUT_TOKENS: [&str; 7] =
    ["token_type", "scope", "expires_in", "expires_at", "expires", "issued_at", "refresh_token_expires_in"];

/// Whether a member of this name says something about a token, and is none.
#[must_use]
pub fn is_about_token(name: &str) -> bool {
    ABOUT_TOKENS.contains(&name)
}

/// Every text and number in a secret part that is worth hiding: not a token's type, scope and times.
#[must_use]
pub fn values(secret: &Map<String, Value>) -> Vec<String> {
    let mut out = Vec::new();
    secret.iter().for_each(|(key, value)| collect(value, key == "oauth", &mut out));
    out
}

/// Every text and number in a secret value, but for what a token says about itself.
pub(super) fn values_of(secret: &Value) -> Vec<String> {
    let mut out = Vec::new();
    collect(secret, true, &mut out);
    out
}

/// The definition's own secrets: its secret environment variables and the OAuth client's.
#[must_use]
pub fn of_definition(plan: &Plan, method: AuthenticationMethod, context: &Arc<Map<String, Value>>) -> Vec<String> {
    let mut found = values(&plan.secret_environment_variables);
    if let Some(refresh) = plan.credential(method).and_then(|plan| plan.refresh.as_ref()) {
        found.extend(refresh.secrets(&grant::scope_of(plan, context, 0, 0)));
    }
    found
}

fn collect(value: &Value, in_oauth: bool, out: &mut Vec<String>) {
    match value {
        Value::String(text) => out.push(text.clone()),
        Value::Number(number) => out.push(number.to_string()),
        Value::Array(items) => items.iter().for_each(|item| collect(item, in_oauth, out)),
        Value::Object(members) => {
            let hidden = members.iter().filter(|(name, _)| !in_oauth || !is_about_token(name));
            hidden.for_each(|(_, member)| collect(member, in_oauth, out));
        }
        Value::Null | Value::Bool(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::AuthenticationMethod;
    use proptest::prelude::*;
    use serde_json::json;

    fn object(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(map) => map,
            other => panic!("{other}"),
        }
    }

    fn cut(context: Map<String, Value>, paths: &SecretPaths) -> (Map<String, Value>, Map<String, Value>) {
        split(context, paths, &mut Redactor::new(&Map::new(), &[], paths))
    }

    fn paths() -> SecretPaths {
        let entry = json!({"config": {"fields": [
            {"name": "pin", "type": "password"}, {"name": "subdomain", "type": "text"},
            {"name": "oauth", "type": "password"},
        ]}});
        SecretPaths::of(Some(&CredentialPlan::compile(AuthenticationMethod::ApiKey, &entry).unwrap()))
    }

    #[test]
    fn a_secret_is_known_by_its_name_in_any_spelling_and_at_any_depth() {
        let context = json!({
            "apiKey": "k-1", "site": { "url": "https://a", "login": [{ "Password": "p-1" }] }, "plan": "l", "token": null,
            "flags": { "password": false },
        });
        let (clear, secret) = cut(context.as_object().cloned().unwrap(), &SecretPaths::of(None));
        assert_eq!(Value::Object(clear.clone()), json!({ "plan": "l", "flags": { "password": false } }));
        assert_eq!(Value::Object(merge(clear, secret)), context);
    }

    #[test]
    fn the_clear_part_holds_no_secret_place_and_no_environment_variables() {
        let context = json!({
            "subdomain": "acme", "pin": 4711, "api_key": "k", "environment_variables": {"X": "1"},
            "oauth": {"scope": "read", "token": {"access_token": "a", "refresh_token": "r"}},
        });
        let (clear, secret) = cut(object(context), &SecretPaths::of(None));
        assert_eq!(clear, object(json!({"subdomain": "acme", "pin": 4711, "oauth": {"scope": "read"}})));
        assert_eq!(
            secret,
            object(json!({"api_key": "k", "oauth": {"token": {"access_token": "a", "refresh_token": "r"}}}))
        );
    }

    #[test]
    fn a_field_of_type_password_is_secret() {
        let (clear, secret) = cut(object(json!({"pin": 4711, "subdomain": "acme"})), &paths());
        assert_eq!(clear, object(json!({"subdomain": "acme"})));
        assert_eq!(secret, object(json!({"pin": 4711})));
    }

    #[test]
    fn a_key_that_holds_a_copy_of_a_secret_is_cut_out_and_comes_back() {
        let context = object(json!({
            "subdomain": "acme", "link": "https://x/?t=token-4711", "deep": [{ "sent": "dG9rZW4tNDcxMQ==" }],
            "oauth": { "id": "token-4711", "scope": "read", "token": { "access_token": "token-4711" } },
            "variable": "client-secret",
        }));
        let paths = SecretPaths::of(None);
        let mut redactor = Redactor::new(&Map::new(), &["client-secret".to_owned()], &paths);
        let (clear, secret) = split(context.clone(), &paths, &mut redactor);
        assert_eq!(clear, object(json!({ "subdomain": "acme" })));
        assert_eq!(merge(clear, secret), context);
    }

    #[test]
    fn every_secret_place_of_the_model_system_is_cut_out() {
        for key in ALWAYS {
            let (clear, secret) = cut(object(json!({key: "x"})), &SecretPaths::of(None));
            assert!(clear.is_empty() && secret.contains_key(key), "{key}");
        }
    }

    #[test]
    fn values_worth_hiding_are_found_at_every_depth_and_words_about_a_token_are_not() {
        let secret = json!({
            "api_key": "k1", "password": {"old": ["k2", 34567]},
            "oauth": {"token": {"access_token": "k3", "token_type": "bearer", "expires_in": 3600, "scope": "read"}},
        });
        assert_eq!(values(&object(secret)), ["k1", "k2", "34567", "k3"]);
    }

    /// JSON whose keys are often secret places.
    fn json_value() -> impl Strategy<Value = Value> {
        let leaf =
            prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), "[a-z]{0,4}".prop_map(Value::from)];
        leaf.prop_recursive(4, 24, 4, |inner| {
            let key = prop_oneof![Just("oauth"), Just("token"), Just("api_key"), Just("pin"), Just("plain")];
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                proptest::collection::btree_map(key.prop_map(str::to_owned), inner, 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn merging_what_was_split_gives_the_context_back(value in json_value()) {
            prop_assume!(value.is_object());
            let context = object(value);
            for paths in [SecretPaths::of(None), paths()] {
                let (clear, secret) = cut(context.clone(), &paths);
                prop_assert!(paths.keys().all(|key| !clear.contains_key(key)));
                prop_assert!(clear.get("oauth").and_then(|oauth| oauth.get("token")).is_none());
                prop_assert_eq!(merge(clear, secret), context.clone());
            }
        }
    }
}
