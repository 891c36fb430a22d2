//! Which OAuth scopes a refused request lacked.

use serde_json::Value;

use crate::definitions::Scopes;
use crate::expression::Scope;

/// How many missing scopes are named, and how much of each.
const MAX_NAMED: usize = 10;
const MAX_NAME_BYTES: usize = 200;

/// What to say of a 403: the scopes that the method needs and the account is known not to have. Nothing where it is not
/// known which scopes were granted, or where all of them were.
pub(super) fn missing(scopes: &Scopes, scope: &Scope) -> Option<String> {
    let granted = scopes.granted.evaluate(scope).ok()??;
    let words = |text: &str| -> Vec<String> {
        let pieces = text.split(scopes.separator.as_str()).flat_map(str::split_whitespace);
        pieces.map(str::to_owned).collect()
    };
    let granted: Vec<String> = match &granted {
        Value::String(text) => words(text),
        Value::Array(items) => items.iter().filter_map(Value::as_str).flat_map(words).collect(),
        _ => return None,
    };
    let missing: Vec<&String> = scopes.needed.iter().filter(|needed| !granted.contains(needed)).collect();
    let named: Vec<String> = missing
        .iter()
        .take(MAX_NAMED)
        .map(|name| format!("`{}`", &name[..name.floor_char_boundary(MAX_NAME_BYTES)]))
        .collect();
    let more = missing.len() - named.len();
    match (named.is_empty(), more) {
        (true, _) => None,
        (false, 0) => Some(format!("the account was not granted {}", named.join(", "))),
        (false, more) => Some(format!("the account was not granted {} and {more} more scopes", named.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::Expression;
    use serde_json::json;

    fn said(granted: &Value, separator: &str, needed: &[&str]) -> Option<String> {
        let context = json!({ "oauth": { "scope": granted } });
        let scopes = Scopes {
            needed: needed.iter().map(|scope| (*scope).to_owned()).collect(),
            granted: Expression::compile("$context.oauth.scope").unwrap(),
            separator: separator.to_owned(),
        };
        missing(&scopes, &Scope::of_context(context.as_object().cloned().unwrap(), 0, 0))
    }

    #[test]
    fn what_was_granted_is_a_text_or_a_list() {
        let needed = &["read", "write"];
        for (granted, separator, expected) in [
            (json!("read write"), " ", None),
            (json!("read,write"), ",", None),
            (json!("read, write"), ",", None),
            (json!(["read", "write"]), " ", None),
            (json!("read"), " ", Some("the account was not granted `write`")),
            (json!(["admin"]), " ", Some("the account was not granted `read`, `write`")),
            (json!("readwrite"), "", Some("the account was not granted `read`, `write`")),
            (json!(null), " ", None),
            (json!({}), " ", None),
        ] {
            assert_eq!(said(&granted, separator, needed).as_deref(), expected, "{granted}");
        }
    }

    #[test]
    fn what_is_said_is_bounded() {
        let long = "s".repeat(5_000);
        let needed: Vec<&str> = vec![long.as_str(); 100];
        let said = said(&json!("x"), " ", &needed).unwrap();
        assert!(said.len() < 3_000 && said.ends_with("and 90 more scopes"), "{}", said.len());
    }
}
