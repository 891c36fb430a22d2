//! Large values of a context: which members are to be kept in the object store, and what stands for them.
//!
//! A member at the root written as `{"truto_obj_store": true, "data": …}` is kept there; `{"truto_obj_store": true,
//! "object": ID}` stands for it in the database, in events and in answers. An object never changes: a new value is a new
//! object, so that a commit that fails leaves the account with the value it had.

use serde_json::{Map, Value, json};
use uuid::Uuid;

/// The member that marks a large value.
const MARK: &str = "truto_obj_store";
/// The member with the value, before it is kept.
const DATA: &str = "data";
/// The member with the object's id, after that.
const OBJECT: &str = "object";

fn marked(value: &Value) -> Option<&Map<String, Value>> {
    value.as_object().filter(|members| members.get(MARK) == Some(&Value::Bool(true)))
}

/// The value of a member that is to be kept in the object store.
#[must_use]
pub fn data(value: &Value) -> Option<&Value> {
    marked(value)?.get(DATA)
}

/// The object that a member stands for.
#[must_use]
pub fn object(value: &Value) -> Option<Uuid> {
    marked(value)?.get(OBJECT)?.as_str()?.parse().ok()
}

/// What stands for an object.
#[must_use]
pub fn reference(object: Uuid) -> Value {
    json!({ MARK: true, OBJECT: object })
}

/// An object with bare marks where large values are; `None` when it has none.
#[must_use]
pub fn without_data(value: &Value) -> Option<Value> {
    let members = value.as_object().filter(|members| members.values().any(|value| data(value).is_some()))?;
    let bare = |value: &Value| if data(value).is_some() { json!({ MARK: true }) } else { value.clone() };
    Some(members.iter().map(|(key, value)| (key.clone(), bare(value))).collect())
}

/// Takes the values that are to be kept, by key, and leaves bare marks.
pub fn take(context: &mut Map<String, Value>) -> Map<String, Value> {
    let mut values = Map::new();
    for (key, value) in context.iter_mut() {
        if let Some(data) = data(value).cloned() {
            values.insert(key.clone(), data);
            *value = json!({ MARK: true });
        }
    }
    values
}

/// The members that stand for objects, as `object_store_context_fields`.
pub fn fields(context: &Map<String, Value>) -> impl Iterator<Item = &str> {
    context.iter().filter(|(_, value)| object(value).is_some()).map(|(key, _)| key.as_str())
}

/// Whether a value is marked and has nothing to keep.
#[must_use]
pub fn is_empty(value: &Value) -> bool {
    marked(value).is_some_and(|it| !it.contains_key(DATA))
}

/// The first member that is marked and has no value to keep.
#[must_use]
pub fn empty(context: &Map<String, Value>) -> Option<&str> {
    context.iter().find(|(_, value)| is_empty(value)).map(|(key, _)| key.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_marked_member_is_large_and_its_reference_holds_no_value() {
        let kept = reference(Uuid::nil());
        for (value, has_data, has_object) in [
            (json!({ "truto_obj_store": true, "data": [1] }), true, false),
            (json!({ "truto_obj_store": true, "data": null }), true, false),
            (json!({ "truto_obj_store": false, "data": 1 }), false, false),
            (json!({ "truto_obj_store": "true", "data": 1 }), false, false),
            (json!({ "data": 1 }), false, false),
            (json!([{ "truto_obj_store": true, "data": 1 }]), false, false),
            (json!({ "truto_obj_store": true, "object": "no id" }), false, false),
            (kept.clone(), false, true),
        ] {
            assert_eq!((data(&value).is_some(), object(&value).is_some()), (has_data, has_object), "{value}");
        }
        let context = json!({ "a": kept, "b": { "truto_obj_store": true }, "c": 1 });
        let context = context.as_object().unwrap();
        assert_eq!(fields(context).collect::<Vec<_>>(), ["a"]);
        assert_eq!(empty(&Map::from_iter([("b".to_owned(), context["b"].clone())])), Some("b"));
        assert_eq!(empty(&Map::from_iter([("x".to_owned(), json!({ "truto_obj_store": true, "data": 1 }))])), None);
    }
}
