//! `$truto_merge`: objects laid over their siblings, as the npm package `deepmerge` (4.3.1) does with its defaults.

use serde_json::{Map, Value};

/// The key of an object whose value, an object or a list of objects, is merged over the other keys.
pub(super) const KEY: &str = "$truto_merge";

/// Lays `over` on `base`: objects key by key, lists one after the other, anything else replaced.
pub(super) fn value(base: &mut Value, over: &Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => object(base, over),
        (Value::Array(base), Value::Array(over)) => base.extend(over.iter().cloned()),
        (base, over) => base.clone_from(over),
    }
}

/// Lays the fields of `over` on `base`.
pub(super) fn object(base: &mut Map<String, Value>, over: &Map<String, Value>) {
    for (key, over) in over {
        match base.get_mut(key) {
            Some(base) => value(base, over),
            None => {
                base.insert(key.clone(), over.clone());
            }
        }
    }
}
