//! lodash's functions on lists and objects. One value where a list is expected counts as a list of one.

mod fields;
mod items;
mod iteratee;
mod lists;
mod order;
mod path;

use serde_json::Value;

use super::Function;
use super::call::data;
pub(super) use order::Order;
pub(super) use path::{Path, quoted};

pub(super) const FUNCTIONS: &[Function] = &[
    ("chunk", || data(2, lists::chunk)),
    ("compact", || data(1, lists::compact)),
    ("difference", || data(2, lists::difference)),
    ("find", || data(2, items::find)),
    ("flatten", || data(1, lists::flatten)),
    ("flattenDeep", || data(1, lists::flatten_deep)),
    ("flattenDepth", || data(2, lists::flatten_depth)),
    ("groupBy", || data(2, items::group_by)),
    ("join", || data(2, lists::join)),
    ("keyBy", || data(2, items::key_by)),
    ("lofilter", || data(2, items::filter)),
    ("omit", || data(2, fields::omit)),
    ("orderBy", || data(3, items::order_by)),
    ("pick", || data(2, fields::pick)),
    ("values", || data(1, fields::values)),
    ("wrap", || data(3, lists::wrap)),
];

/// The items of a list; one value is a list of one, and so is *undefined*.
fn list(value: Option<&Value>) -> Vec<Option<&Value>> {
    match value {
        Some(Value::Array(items)) => items.iter().map(Some).collect(),
        one => vec![one],
    }
}

/// An item as JSON has it: *undefined* in a list becomes null.
fn kept(item: Option<&Value>) -> Value {
    item.cloned().unwrap_or(Value::Null)
}
