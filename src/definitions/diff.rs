//! What is different between two definitions, without their secrets.

use serde_json::{Map, Value};

use super::Effective;
use super::lint::secrets::masked;
use super::node::join;
use crate::lifecycle::words;

words! {
    /// What became of a value.
    Kind {
        /// It is new.
        Added = "added",
        /// It is gone.
        Removed = "removed",
        /// It is another.
        Changed = "changed",
    }
}

/// One difference.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// What became of the value.
    pub kind: Kind,
    /// A JSON pointer to it.
    pub pointer: String,
    /// What it was; secrets are masked.
    pub from: Option<Value>,
    /// What it is; secrets are masked. Two secrets that differ look alike here.
    pub to: Option<Value>,
}

/// What is different, in the order of `to` and then of `from`.
#[must_use]
pub fn differences(from: &Effective, to: &Effective) -> Vec<Difference> {
    differences_of(&from.document(), &to.document())
}

/// The same of two documents.
pub(super) fn differences_of(from: &Map<String, Value>, to: &Map<String, Value>) -> Vec<Difference> {
    let (shown_from, shown_to) = (masked(from), masked(to));
    let mut found = Vec::new();
    compare(from, to, "", &mut |kind, pointer| {
        let shown = |document: &Value| document.pointer(pointer).cloned();
        found.push(Difference {
            kind,
            pointer: pointer.to_owned(),
            from: shown(&shown_from).filter(|_| kind != Kind::Added),
            to: shown(&shown_to).filter(|_| kind != Kind::Removed),
        });
    });
    found
}

fn compare(from: &Map<String, Value>, to: &Map<String, Value>, pointer: &str, tell: &mut impl FnMut(Kind, &str)) {
    for (key, new) in to {
        let at = join(pointer, key);
        match from.get(key) {
            None => tell(Kind::Added, &at),
            Some(old) => compare_values(old, new, &at, tell),
        }
    }
    for key in from.keys().filter(|key| !to.contains_key(*key)) {
        tell(Kind::Removed, &join(pointer, key));
    }
}

fn compare_values(from: &Value, to: &Value, pointer: &str, tell: &mut impl FnMut(Kind, &str)) {
    match (from, to) {
        (Value::Object(from), Value::Object(to)) => compare(from, to, pointer, tell),
        (Value::Array(from), Value::Array(to)) => {
            for index in 0..from.len().max(to.len()) {
                let at = format!("{pointer}/{index}");
                match (from.get(index), to.get(index)) {
                    (Some(from), Some(to)) => compare_values(from, to, &at, tell),
                    (Some(_), None) => tell(Kind::Removed, &at),
                    (None, _) => tell(Kind::Added, &at),
                }
            }
        }
        (from, to) if from != to => tell(Kind::Changed, pointer),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::definitions::Integration;

    fn effective(config: &Value) -> Effective {
        let document = json!({ "id": uuid::Uuid::nil(), "name": "acme", "config": config });
        Effective::of(&Integration::parse(&document).unwrap())
    }

    #[test]
    fn every_difference_is_told_by_its_place_and_no_secret_is_shown() {
        let from = effective(&json!({
            "base_url": "https://a.test", "gone": 1, "list": [1, 2],
            "client": { "secret": "canary-1" }, "secret_environment_variables": { "A": "canary-2" },
        }));
        let to = effective(&json!({
            "base_url": "https://b.test", "list": [1, 3, 4], "new": { "x": true },
            "client": { "secret": "canary-3" }, "secret_environment_variables": { "A": "canary-4" },
        }));
        let found = differences(&from, &to);
        assert!(!format!("{found:?}").contains("canary"), "{found:?}");
        let told: Vec<String> = found.iter().map(|it| format!("{} {}", it.kind, it.pointer)).collect();
        assert_eq!(
            told,
            [
                "changed /config/base_url",
                "changed /config/list/1",
                "added /config/list/2",
                "added /config/new",
                "changed /config/client/secret",
                "changed /config/secret_environment_variables/A",
                "removed /config/gone",
            ]
        );
        assert_eq!(found[0].from, Some(json!("https://a.test")));
        assert_eq!((&found[2].from, &found[2].to), (&None, &Some(json!(4))));
        assert_eq!(differences(&from, &from), []);
    }
}
