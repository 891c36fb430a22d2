//! Functions on lists that ask the items nothing: `compact`, `join`, `chunk`, `wrap`, `difference`, `flatten` and its kin.

use std::collections::HashSet;

use serde_json::Value;

use super::super::call::{Outcome, argument};
use super::super::js::{self, Text};
use super::{kept, list};

pub(super) fn compact(args: &[Option<Value>]) -> Outcome {
    let items = list(argument(args, 0)).into_iter();
    Ok(Some(items.filter(|item| js::truthy(*item)).map(kept).collect()))
}

pub(super) fn join(args: &[Option<Value>]) -> Outcome {
    let separator = argument(args, 1).map_or_else(|| ",".to_owned(), |given| js::text(Some(given)));
    joined(&list(argument(args, 0)), &separator)
}

pub(super) fn wrap(args: &[Option<Value>]) -> Outcome {
    let (value, start) = (argument(args, 0), argument(args, 1));
    let end = argument(args, 2).filter(|end| js::truthy(Some(end))).or(start);
    joined(&[start, value, end], "")
}

/// The items as text with `separator` between them; null and undefined are empty.
fn joined(items: &[Option<&Value>], separator: &str) -> Outcome {
    let mut out = Text::default();
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(separator)?;
        }
        match item {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => out.push(text)?,
            item => out.push(&js::text(*item))?,
        }
    }
    Ok(Some(out.into_value()))
}

pub(super) fn chunk(args: &[Option<Value>]) -> Outcome {
    let items = list(argument(args, 0));
    let size = argument(args, 1).map_or(1.0, |size| js::integer(Some(size)).max(0.0));
    if size < 1.0 {
        return Ok(Some(Value::Array(Vec::new())));
    }
    // A size beyond the list is the list.
    let size = (size as usize).min(items.len()).max(1);
    js::capped(items.chunks(size).map(|chunk| chunk.iter().map(|item| kept(*item)).collect()).collect())
}

/// What makes two items the same: the type and the value, of lists and objects all that they hold.
fn identity(value: &Value) -> String {
    match value {
        Value::Number(number) => js::text(Some(&js::json_number(number.as_f64().unwrap_or(f64::NAN)))),
        other => other.to_string(),
    }
}

pub(super) fn difference(args: &[Option<Value>]) -> Outcome {
    let Some(Value::Array(items)) = argument(args, 0) else { return Ok(Some(Value::Array(Vec::new()))) };
    let without: HashSet<String> = match argument(args, 1) {
        Some(Value::Array(without)) => without.iter().map(identity).collect(),
        _ => HashSet::new(),
    };
    Ok(Some(items.iter().filter(|item| !without.contains(&identity(item))).cloned().collect()))
}

pub(super) fn flatten(args: &[Option<Value>]) -> Outcome {
    flattened(&list(argument(args, 0)), 1.0)
}

pub(super) fn flatten_deep(args: &[Option<Value>]) -> Outcome {
    flattened(&list(argument(args, 0)), f64::INFINITY)
}

pub(super) fn flatten_depth(args: &[Option<Value>]) -> Outcome {
    let depth = argument(args, 1).map_or(1.0, |depth| js::integer(Some(depth)));
    flattened(&list(argument(args, 0)), depth)
}

/// Lists inside become their items, `depth` levels down. Without recursion: values nest deeper than a stack may bear.
fn flattened(items: &[Option<&Value>], depth: f64) -> Outcome {
    let mut out = Vec::new();
    let mut open: Vec<std::slice::Iter<'_, Value>> = Vec::new();
    for item in items {
        let mut at = Some(*item);
        while let Some(item) = at {
            match item {
                Some(Value::Array(inner)) if (open.len() as f64) < depth => open.push(inner.iter()),
                item => out.push(kept(item)),
            }
            at = loop {
                match open.last_mut().map(Iterator::next) {
                    None => break None,
                    Some(Some(next)) => break Some(Some(next)),
                    Some(None) => _ = open.pop(),
                }
            };
        }
    }
    js::capped(out)
}
