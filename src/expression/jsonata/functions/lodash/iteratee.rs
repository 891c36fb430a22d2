//! What lodash makes of the second argument of `groupBy`, `find` and others: a property, or a description of the items.

use std::borrow::Cow;

use serde_json::Value;

use super::super::js::{self, Fault};
use super::path::Path;

/// A question put to each item.
pub(in super::super) enum Iteratee {
    /// The item itself.
    Identity,
    /// A property of it.
    Property(Path),
    /// Whether it holds at least what is given here.
    Matches(Value),
    /// Whether the property is, or holds, the value. Without a value nothing is.
    Equals(Path, Option<Value>),
}

impl Iteratee {
    /// Reads the argument.
    pub(in super::super) fn of(value: Option<&Value>) -> Self {
        match value {
            None | Some(Value::Null) => Self::Identity,
            Some(Value::Array(pair)) => Self::Equals(Path::of(pair.first()), pair.get(1).cloned()),
            Some(fields @ Value::Object(_)) => Self::Matches(fields.clone()),
            name => Self::Property(Path::of(name)),
        }
    }

    /// Asks an item. `left` is what comparing may still cost.
    pub(in super::super) fn ask<'a>(
        &self,
        item: Option<&'a Value>,
        left: &mut usize,
    ) -> Result<Option<Cow<'a, Value>>, Fault> {
        Ok(match self {
            Self::Identity => item.map(Cow::Borrowed),
            Self::Property(path) => path.get(item),
            Self::Matches(source) => Some(Cow::Owned(Value::Bool(matches(item, source, left)?))),
            Self::Equals(path, source) => {
                let holds = match (source, path.get(item)) {
                    (Some(source), Some(found)) => holds(&found, source, left)?,
                    _ => false,
                };
                Some(Cow::Owned(Value::Bool(holds)))
            }
        })
    }
}

/// Whether an item holds at least `source`, an object. A missing item holds only the empty one.
fn matches(item: Option<&Value>, source: &Value, left: &mut usize) -> Result<bool, Fault> {
    let Value::Object(wanted) = source else { return Ok(false) };
    let item = match item {
        None | Some(Value::Null) => return Ok(wanted.is_empty()),
        Some(item) => item,
    };
    for (key, value) in wanted {
        let found = match js::member(item, key) {
            Some(found) => holds(&found, value, left)?,
            None => false,
        };
        if !found {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether `found` holds `source`: objects may have more fields, arrays more items in any order.
fn holds(found: &Value, source: &Value, left: &mut usize) -> Result<bool, Fault> {
    js::spend(left, 1)?;
    match (found, source) {
        (Value::Object(found), Value::Object(source)) => {
            for (key, value) in source {
                let inside = match found.get(key) {
                    Some(found) => holds(found, value, left)?,
                    None => false,
                };
                if !inside {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Value::Array(found), Value::Array(source)) => {
            if source.len() > found.len() {
                return Ok(false);
            }
            let mut taken = vec![false; found.len()];
            for value in source {
                let mut at = None;
                for (index, found) in found.iter().enumerate().filter(|(index, _)| !taken[*index]) {
                    if holds(found, value, left)? {
                        at = Some(index);
                        break;
                    }
                }
                match at {
                    Some(index) => taken[index] = true,
                    None => return Ok(false),
                }
                js::spend(left, found.len() / 8)?;
            }
            Ok(true)
        }
        _ => {
            if let (Value::String(found), Value::String(source)) = (found, source)
                && found.len() == source.len()
            {
                js::spend(left, source.len() / 64)?;
            }
            Ok(js::same(found, source))
        }
    }
}
