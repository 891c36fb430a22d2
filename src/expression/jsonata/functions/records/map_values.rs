//! `mapValues`: texts and numbers replaced by what a table says.

use std::collections::HashMap;

use serde_json::Value;

use super::super::call::{Outcome, argument};
use super::super::js::{self, Fault};
use crate::expression::limits;

pub(in super::super) fn map_values(args: &[Option<Value>]) -> Outcome {
    let original = argument(args, 0).filter(|value| !value.is_null());
    let default = argument(args, 3).filter(|value| !value.is_null());
    let mapping = argument(args, 1).filter(|mapping| !mapping.is_null());
    let Some(original) = original else {
        return Ok(default.or(argument(args, 0)).cloned());
    };
    let Some(mapping) = mapping else { return Ok(Some(original.clone())) };
    let is_lower_case = js::truthy(argument(args, 2));
    let table = js::entries(mapping)?.into_iter().map(|(key, value)| {
        let key = if is_lower_case { key.into_owned() } else { key.to_lowercase() };
        let size = size(&value);
        (key, (value.into_owned(), size))
    });
    let mut left = limits::STRING_BYTES;
    Table(table.collect()).map(original, &mut left).map(Some)
}

/// About how large a value is as JSON.
fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(_) | Value::Object(_) => value.to_string().len(),
        _ => 4,
    }
}

/// Replacements by lower-case name, each with its size.
struct Table(HashMap<String, (Value, usize)>);

impl Table {
    fn map(&self, value: &Value, left: &mut usize) -> Result<Value, Fault> {
        match value {
            Value::String(_) | Value::Number(_) => match self.0.get(&js::text(Some(value)).to_lowercase()) {
                None | Some((Value::Null, _)) => Ok(value.clone()),
                Some((replacement, size)) => {
                    *left = left.checked_sub(*size).ok_or("text_too_long")?;
                    Ok(replacement.clone())
                }
            },
            Value::Array(items) => items.iter().map(|item| self.map(item, left)).collect(),
            Value::Object(fields) => {
                let fields = fields.iter().map(|(key, value)| Ok((key.clone(), self.map(value, left)?)));
                fields.collect::<Result<_, Fault>>().map(Value::Object)
            }
            other => Ok(other.clone()),
        }
    }
}
