//! What differs between two documents.

use serde_json::Value;

/// One place at which two documents differ.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Where, as a JSON pointer.
    pub pointer: String,
    /// What was there, if anything.
    pub before: Option<Value>,
    /// What is there, if anything.
    pub after: Option<Value>,
}

/// Every place at which `before` and `after` differ: objects member by member, everything else whole.
#[must_use]
pub fn of(before: &Value, after: &Value) -> Vec<Change> {
    let mut changes = Vec::new();
    compare(String::new(), Some(before), Some(after), &mut changes);
    changes
}

fn compare(pointer: String, before: Option<&Value>, after: Option<&Value>, changes: &mut Vec<Change>) {
    match (before, after) {
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            let added = after.keys().filter(|key| !before.contains_key(*key));
            for key in before.keys().chain(added) {
                let inside = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
                compare(inside, before.get(key), after.get(key), changes);
            }
        }
        _ if before == after => {}
        _ => changes.push(Change { pointer, before: before.cloned(), after: after.cloned() }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_are_compared_member_by_member_and_the_rest_whole() {
        let before = json!({ "a": { "b/c": 1, "d": [1] }, "gone": null, "same": 1 });
        let after = json!({ "a": { "b/c": 2, "d": [2] }, "new": {}, "same": 1 });
        let told: Vec<_> = of(&before, &after).into_iter().map(|it| (it.pointer, it.before, it.after)).collect();
        assert_eq!(
            told,
            [
                ("/a/b~1c".to_owned(), Some(json!(1)), Some(json!(2))),
                ("/a/d".to_owned(), Some(json!([1])), Some(json!([2]))),
                ("/gone".to_owned(), Some(json!(null)), None),
                ("/new".to_owned(), None, Some(json!({}))),
            ]
        );
    }
}
