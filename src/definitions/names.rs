//! Which members of a context a definition may read: what is large and not read need not be fetched.

use serde_json::{Map, Value};

/// The texts of a definition, to look for names in.
#[derive(Default)]
pub struct Names {
    texts: String,
    /// Whether something may read the context as a whole.
    whole: bool,
}

impl Names {
    /// Those of a definition's config.
    pub(super) fn of(config: &Map<String, Value>) -> Self {
        let mut names = Self::default();
        config.values().for_each(|value| names.collect(value));
        names
    }

    /// Whether the member `key` may be read. It may be said of one that is not.
    #[must_use]
    pub fn may_read(&self, key: &str) -> bool {
        self.whole || self.texts.contains(key)
    }

    fn collect(&mut self, value: &Value) {
        match value {
            Value::String(text) => {
                self.whole |= reads_all(text);
                self.texts.push_str(text);
                self.texts.push('\n');
            }
            Value::Array(items) => items.iter().for_each(|item| self.collect(item)),
            Value::Object(members) => members.values().for_each(|member| self.collect(member)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

/// Whether a text names no member where it could: JSONata's `$`, `$$`, `*` and `**`, and the context under its own names
/// without a dot behind. A `*` that multiplies is taken for one too, which costs a fetch and nothing else.
fn reads_all(text: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let bare = |name: &str, follows: fn(&str) -> bool| {
        text.match_indices(name).any(|(at, _)| {
            let (before, after) = (&text[..at], &text[at + name.len()..]);
            !before.ends_with(word) && !after.starts_with(word) && follows(after)
        })
    };
    let no_member = |after: &str| !after.trim_start().starts_with('.');
    text.contains('*')
        || text.match_indices('$').any(|(at, _)| !text[at + 1..].starts_with(word))
        || bare("context", no_member)
        || bare("credentials", no_member)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_member_is_read_where_it_is_named_or_everything_is() {
        for (config, key, expected) in [
            (json!({ "path": "/{{org.id}}" }), "org", true),
            (json!({ "path": "/{{org.id}}" }), "users", false),
            (json!({ "body": { "users": "{{context.users:json}}" } }), "users", true),
            (json!({ "body": { "users": "{{context.users:json}}" } }), "notes", false),
            (json!({ "body": "{{context:json}}" }), "notes", true),
            (json!({ "body": "{{= $context }}" }), "notes", true),
            (json!({ "expression": "$keys($)" }), "notes", true),
            (json!({ "expression": "$$.n" }), "notes", true),
            (json!({ "expression": "*.name" }), "notes", true),
            (json!({ "expression": "$count($previous)" }), "notes", false),
        ] {
            let config = config.as_object().unwrap();
            assert_eq!(Names::of(config).may_read(key), expected, "{config:?} {key}");
        }
    }
}
