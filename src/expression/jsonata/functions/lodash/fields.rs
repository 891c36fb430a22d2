//! Functions on the fields of an object: `pick`, `omit`, `values`.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::super::call::{Outcome, argument};
use super::super::js;
use super::path::Path;

/// The paths that the argument names: one, or a list of them.
fn paths(value: Option<&Value>) -> Vec<Path> {
    match value {
        Some(Value::Array(list)) => list.iter().map(|one| Path::of(Some(one))).collect(),
        one => vec![Path::of(one)],
    }
}

pub(super) fn values(args: &[Option<Value>]) -> Outcome {
    let values = argument(args, 0).map(js::entries).transpose()?.unwrap_or_default();
    js::capped(values.into_iter().map(|(_, value)| value.into_owned()).collect())
}

pub(super) fn pick(args: &[Option<Value>]) -> Outcome {
    let mut picked = Value::Object(Map::new());
    if let Some(from) = argument(args, 0) {
        let (mut left, mut seen) = (js::WORK, HashSet::new());
        for path in paths(argument(args, 1)) {
            // A value named over and over would be copied over and over.
            if !seen.insert(path.names(from).to_vec()) {
                continue;
            }
            if let Some(value) = path.get(Some(from)).map(Cow::into_owned) {
                set(&mut picked, path.names(from), value, &mut left)?;
            }
        }
    }
    match picked {
        Value::Object(fields) => Ok(Some(js::ordered(fields))),
        other => Ok(Some(other)),
    }
}

/// Puts `value` at a path of `at`, and makes what is missing on the way: a list where the next name is an index.
fn set(mut at: &mut Value, names: &[String], value: Value, left: &mut usize) -> Result<(), js::Fault> {
    for (index, name) in names.iter().enumerate() {
        let slot = match at {
            Value::Array(items) => {
                let place = js::index(name).ok_or("too_much_work")?;
                if place >= items.len() {
                    js::spend(left, place + 1 - items.len())?;
                    items.resize(place + 1, Value::Null);
                }
                &mut items[place]
            }
            Value::Object(fields) => fields.entry(name.as_str()).or_insert(Value::Null),
            // A value that stands in the way is left as it is.
            _ => return Ok(()),
        };
        let Some(next) = names.get(index + 1) else {
            *slot = value;
            return Ok(());
        };
        if !slot.is_array() && !slot.is_object() {
            *slot = if js::index(next).is_some() { Value::Array(Vec::new()) } else { Value::Object(Map::new()) };
        }
        at = slot;
    }
    Ok(())
}

/// The paths to leave out, as a tree of names.
#[derive(Default)]
struct Omitted {
    here: bool,
    below: HashMap<String, Omitted>,
}

impl Omitted {
    fn add(&mut self, names: &[String]) {
        let last = names.iter().fold(self, |at, name| at.below.entry(name.clone()).or_default());
        last.here = true;
    }

    fn copy(&self, value: &Value) -> Value {
        match value {
            Value::Object(fields) if !self.below.is_empty() => {
                self.fields(fields.iter().map(|(key, value)| (Cow::Borrowed(key.as_str()), Cow::Borrowed(value))))
            }
            // A hole in a list is null in JSON.
            Value::Array(items) if !self.below.is_empty() => (items.iter().enumerate())
                .map(|(index, item)| match self.below.get(&index.to_string()) {
                    Some(omitted) if omitted.here => Value::Null,
                    Some(omitted) => omitted.copy(item),
                    None => item.clone(),
                })
                .collect(),
            other => other.clone(),
        }
    }

    fn fields<'a>(&self, fields: impl Iterator<Item = (Cow<'a, str>, Cow<'a, Value>)>) -> Value {
        let mut kept = Map::new();
        for (key, value) in fields {
            match self.below.get(&*key) {
                Some(omitted) if omitted.here => {}
                Some(omitted) => _ = kept.insert(key.into_owned(), omitted.copy(&value)),
                None => _ = kept.insert(key.into_owned(), value.into_owned()),
            }
        }
        js::ordered(kept)
    }
}

pub(super) fn omit(args: &[Option<Value>]) -> Outcome {
    let Some(from) = argument(args, 0) else { return Ok(Some(Value::Object(Map::new()))) };
    let mut omitted = Omitted::default();
    for path in paths(argument(args, 1)) {
        omitted.add(path.names(from));
    }
    Ok(Some(omitted.fields(js::entries(from)?.into_iter())))
}
