//! Which values of a definition are secrets written out: what the linter warns of, and what no command prints.

use serde_json::{Map, Value};

use super::{Finding, join};
use crate::definitions::effective::SECRET_VARIABLES;
use crate::expression::{Piece, first_template, pieces};

/// What a masked value reads.
pub(crate) const MASK: &str = "[secret]";

/// The ends of names whose values are secrets, in plain letters.
const NAMES: [&str; 20] = [
    "accesskey",
    "apikey",
    "appkey",
    "applicationkey",
    "authcode",
    "authorization",
    "clientassertion",
    "cookie",
    "credential",
    "credentials",
    "encryptionkey",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "pwd",
    "secret",
    "secretkey",
    "signingkey",
    "token",
];

/// Beginnings by which issuers mark their keys, and the least length of one.
const MARKS: [(&str, usize); 14] = [
    ("-----BEGIN ", 20),
    ("AIza", 35),
    ("AKIA", 20),
    ("SG.", 40),
    ("eyJ", 40),
    ("ghp_", 30),
    ("gho_", 30),
    ("github_pat_", 30),
    ("glpat-", 20),
    ("sk-", 24),
    ("sk_live_", 16),
    ("sk_test_", 16),
    ("xoxb-", 20),
    ("xoxp-", 20),
];

/// Members in which nothing is sent: words for people, and examples.
const WORDS: [&str; 16] = [
    "api_documentation_url",
    "body_schema",
    "category",
    "description",
    "documentation_link",
    "examples",
    "help_text",
    "icon",
    "id",
    "label",
    "logo",
    "name",
    "permissions_text",
    "placeholder",
    "query_schema",
    "response_schema",
];

/// Whether a value under this name is a secret.
pub(crate) fn is_secret_name(name: &str) -> bool {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    NAMES.iter().any(|end| plain.ends_with(end))
}

/// Whether a text looks like a key or a token.
pub(crate) fn looks_like_key(text: &str) -> bool {
    let text = text.strip_prefix("Bearer ").or_else(|| text.strip_prefix("Basic ")).unwrap_or(text).trim();
    if MARKS.iter().any(|(mark, length)| text.starts_with(mark) && text.len() >= *length) {
        return true;
    }
    let has = |test: fn(&char) -> bool| text.chars().any(|c| test(&c));
    text.len() >= 32
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=_-".contains(&byte))
        && has(char::is_ascii_uppercase)
        && has(char::is_ascii_lowercase)
        && has(char::is_ascii_digit)
}

/// User information in a URL.
fn user_information(text: &str) -> bool {
    text.split_once("://").is_some_and(|(_, rest)| {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        authority.split_once('@').is_some_and(|(user, _)| user.contains(':') && !user.contains("{{"))
    })
}

/// Whether this text, under this name, is a secret that is written out.
fn is_written_out(name: &str, text: &str) -> bool {
    if text.is_empty() || first_template(text).is_some() {
        return false;
    }
    looks_like_key(text) || (is_secret_name(name) && !is_scheme(text))
}

/// Words that stand under names of secrets and are none: `grant_type`-like values, booleans, paths of placeholders.
fn is_scheme(text: &str) -> bool {
    matches!(text, "true" | "false" | "none" | "null" | "bearer" | "Bearer" | "basic" | "Basic")
}

/// Whether a text is made of placeholders and at most a scheme's word.
fn is_plain_template(text: &str) -> bool {
    let is_word = |text: &str| text.len() <= 10 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    pieces(text).is_ok_and(|pieces| {
        pieces.iter().all(|piece| match piece {
            Piece::Placeholder { .. } => true,
            Piece::Expression(source) => !source.contains(['\'', '"']),
            Piece::Literal(text) => is_word(text.trim()),
        })
    })
}

/// The secrets that a config or an override writes out.
pub(super) fn written_out(config: &Value, pointer: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    for (key, value) in config.as_object().into_iter().flatten() {
        match key.as_str() {
            SECRET_VARIABLES => {}
            "environment_variables" => {
                for (name, value) in value.as_object().into_iter().flatten() {
                    if value.as_str().is_some_and(|text| is_written_out(name, text)) {
                        let pointer = join(&join(pointer, key), name);
                        found.push(
                            Finding::warning(
                                "secret",
                                pointer,
                                format!("`{name}` looks like a secret, and these variables are shown"),
                            )
                            .fix("move it to `secret_environment_variables`"),
                        );
                    }
                }
            }
            _ => look(value, key, &join(pointer, key), &mut found),
        }
    }
    found
}

fn look(value: &Value, name: &str, pointer: &str, found: &mut Vec<Finding>) {
    if WORDS.contains(&name) {
        return;
    }
    match value {
        Value::String(text) if user_information(text) => {
            found.push(
                Finding::warning("secret", pointer, "the URL holds a user name and a password")
                    .fix("use `authorization` with `format: \"basic\"`"),
            );
        }
        Value::String(text) if is_written_out(name, text) => {
            let variable = variable_name(name);
            found.push(
                Finding::warning("secret", pointer, format!("`{name}` holds a secret that is written out")).fix(format!(
                    "write `{{{{environment_variables.{variable}}}}}`, and the value into an install's `secret_environment_variables`"
                )),
            );
        }
        // A step's or a credential field's own name is no name of a value, but its default is one.
        Value::Object(members) => {
            let own = members.get("name").and_then(Value::as_str);
            for (key, value) in members {
                let name = if key == "default" { own.unwrap_or(key) } else { key };
                look(value, name, &join(pointer, key), found);
            }
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| look(item, name, &format!("{pointer}/{index}"), found));
        }
        _ => {}
    }
}

fn variable_name(name: &str) -> String {
    let upper = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    let name: String = name.chars().map(upper).collect();
    if name == "SECRET" { "CLIENT_SECRET".to_owned() } else { name }
}

/// The shortest secret variable that is looked for in other texts, in bytes: a shorter one is in ordinary words.
const SHORTEST: usize = 6;

/// A copy of a definition, or of a layer over one, in which no secret can be read. A secret variable's value is hidden
/// wherever else it stands.
pub(crate) fn masked(document: &Map<String, Value>) -> Value {
    let config = document.get("config").and_then(Value::as_object);
    let mut variables = Vec::new();
    for layer in [Some(document), config].into_iter().flatten() {
        texts(layer.get(SECRET_VARIABLES).unwrap_or(&Value::Null), &mut variables);
    }
    let masked = document.iter().map(|(key, value)| (key.clone(), mask(key, value, false)));
    let mut masked = Value::Object(masked.collect());
    hide(&mut masked, &variables);
    masked
}

fn texts<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::String(text) if text.len() >= SHORTEST => found.push(text),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(members) => members.values().for_each(|member| texts(member, found)),
        _ => {}
    }
}

fn hide(value: &mut Value, secrets: &[&str]) {
    match value {
        Value::String(text) if secrets.iter().any(|secret| text.contains(secret)) => *value = Value::from(MASK),
        Value::Array(items) => items.iter_mut().for_each(|item| hide(item, secrets)),
        Value::Object(members) => members.values_mut().for_each(|member| hide(member, secrets)),
        _ => {}
    }
}

fn mask(name: &str, value: &Value, everything: bool) -> Value {
    let everything = everything || name == SECRET_VARIABLES;
    match value {
        Value::Object(members) => {
            let own = members.get("name").and_then(Value::as_str);
            let is_password = members.get("type").and_then(Value::as_str) == Some("password");
            let masked = members.iter().map(|(key, value)| {
                let is_default = key == "default" || key == "options";
                let name = if is_default { own.unwrap_or(key) } else { key };
                (key.clone(), mask(name, value, everything || (is_default && is_password)))
            });
            Value::Object(masked.collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(|item| mask(name, item, everything)).collect()),
        Value::String(text) if everything || is_written_out(name, text) || user_information(text) => Value::from(MASK),
        Value::Number(_) | Value::Bool(_) if everything => Value::from(MASK),
        // A secret beside a placeholder, as in `Basic abc{{x}}`.
        Value::String(text) if is_secret_name(name) && !is_plain_template(text) => Value::from(MASK),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pointers(config: &Value) -> Vec<String> {
        written_out(config, "/config").into_iter().map(|finding| finding.pointer).collect()
    }

    #[test]
    fn a_secret_is_known_by_its_name_or_its_looks() {
        for (config, found) in [
            (json!({ "credentials": { "client": { "secret": "abc" } } }), Some("/config/credentials/client/secret")),
            (json!({ "credentials": { "client": { "secret": "{{environment_variables.S}}" } } }), None),
            (json!({ "headers": { "Authorization": "Bearer abc" } }), Some("/config/headers/Authorization")),
            (json!({ "headers": { "Authorization": "Bearer {{api_key}}" } }), None),
            (json!({ "headers": { "X-Api-Key": "k" } }), Some("/config/headers/X-Api-Key")),
            (json!({ "query": { "v": ["AKIAABCDEFGHIJKLMNOP"] } }), Some("/config/query/v/0")),
            (json!({ "query": { "v": "2024-01" } }), None),
            (json!({ "base_url": "https://u:p@h.test" }), Some("/config/base_url")),
            (json!({ "base_url": "https://{{user}}:{{pass}}@h.test" }), None),
            (json!({ "auth": { "tokenHost": "https://h.test", "tokenPath": "/token" } }), None),
            (json!({ "fields": [{ "name": "api_key", "type": "password" }] }), None),
            (json!({ "fields": [{ "name": "api_key", "default": "k" }] }), Some("/config/fields/0/default")),
            (json!({ "examples": { "response": "{\"token\": \"abc\"}" } }), None),
            (json!({ "environment_variables": { "API_KEY": "k" } }), Some("/config/environment_variables/API_KEY")),
            (json!({ "environment_variables": { "REGION": "eu" } }), None),
            (json!({ "secret_environment_variables": { "API_KEY": "k" } }), None),
        ] {
            assert_eq!(pointers(&config).first().map(String::as_str), found, "{config}");
        }
    }

    #[test]
    fn a_masked_document_has_no_secret_and_all_the_rest() {
        let document = json!({
            "base_url": "https://{{subdomain}}.h.test",
            "headers": { "Authorization": "Bearer canary-1", "Accept": "application/json" },
            "client": { "id": "tidewaiter", "secret": "canary-2" },
            "fields": [{ "name": "pin", "type": "password", "default": "canary-3" }],
            "secret_environment_variables": { "A": "canary-4", "N": 5, "L": ["canary-6"] },
            "query": { "v": "x-canary-4" },
            "url": "https://u:canary-7@h.test",
            "templated": { "secret": "{{environment_variables.S}}", "token": "canary-8{{x}}" },
        });
        let masked = masked(document.as_object().unwrap());
        assert!(!masked.to_string().contains("canary"), "{masked}");
        assert_eq!(masked["headers"]["Accept"], "application/json");
        assert_eq!(masked["client"], json!({ "id": "tidewaiter", "secret": MASK }));
        assert_eq!(masked["secret_environment_variables"]["N"], MASK);
        assert_eq!(masked["templated"]["secret"], "{{environment_variables.S}}");
        assert_eq!(masked["base_url"], document["base_url"]);
    }
}
