//! `$distinct` and `$keys` in time that grows with their input and not with its square: the engine compares each item
//! with all that it kept, out of the reach of its time limit. It still does where that is little, since only it knows
//! whether one item that remains is a list, and of one object, whose members it may count (`$spread` makes a list of them).

use std::collections::HashSet;

use jlens_core::{Error, HostFunction};
use serde_json::Value;

use super::call::{Outcome, argument};
use crate::expression::limits;

/// A function that goes before one of the engine's: the engine's name, our own's, and the text that puts it there.
pub(in super::super) struct Before {
    pub(in super::super) name: &'static str,
    pub(in super::super) own: &'static str,
    pub(in super::super) prelude: &'static str,
    function: fn(&[Option<Value>]) -> Outcome,
}

/// Each gives undefined where the engine may go on.
pub(in super::super) const BEFORE: [&Before; 2] = [
    &Before {
        name: "distinct",
        own: "__distinct",
        prelude: "$__engines_distinct:=$distinct;\
            $distinct:=function($a)<x:x>{($b:=$count($a)>400?$__distinct($a);\
            $exists($b)?$b:$__engines_distinct($a))};",
        function: distinct,
    },
    &Before {
        name: "keys",
        own: "__keys",
        prelude: "$__engines_keys:=$keys;\
            $keys:=function($a)<x-:a<s>>{($b:=$type($a)='array'?$__keys($a):$count($spread($a));\
            $type($b)='array'?$b:$__engines_keys($a))};",
        function: keys,
    },
];

impl Before {
    pub(in super::super) fn function(&self) -> HostFunction {
        let function = self.function;
        HostFunction::new(1, move |args, _| function(args).map_err(Error::new)).without_input()
    }
}

/// How many comparisons the engine may make: some milliseconds' worth, also of objects.
const FEW: usize = 200_000;

/// Whether the engine is quick to find these: it compares each of `all` with up to `kept` others.
const fn is_little(all: usize, kept: usize) -> bool {
    kept <= 1 || all.saturating_mul(kept) <= FEW
}

fn distinct(args: &[Option<Value>]) -> Outcome {
    let Some(Value::Array(items)) = argument(args, 0) else { return Ok(None) };
    if is_little(items.len(), items.len()) {
        return Ok(None);
    }
    let mut seen = HashSet::new();
    let mut kept = Vec::new();
    for item in items {
        if seen.insert(written(item)) {
            kept.push(item);
        }
    }
    list(items.len(), kept.len(), || kept.into_iter().cloned().collect())
}

fn keys(args: &[Option<Value>]) -> Outcome {
    let (mut all, mut seen, mut kept) = (0, HashSet::new(), Vec::new());
    let mut open: Vec<std::slice::Iter<'_, Value>> = Vec::new();
    let Some(mut next) = argument(args, 0) else { return Ok(None) };
    loop {
        match next {
            Value::Array(items) => open.push(items.iter()),
            Value::Object(members) => {
                all += members.len();
                kept.extend(members.keys().filter(|key| seen.insert(key.as_str())));
            }
            _ => {}
        }
        next = loop {
            let Some(items) = open.last_mut() else {
                return list(all, kept.len(), || kept.into_iter().map(|key| Value::from(key.as_str())).collect());
            };
            match items.next() {
                Some(item) => break item,
                None => drop(open.pop()),
            }
        };
    }
}

fn list(all: usize, kept: usize, make: impl FnOnce() -> Value) -> Outcome {
    if is_little(all, kept) {
        return Ok(None);
    }
    if kept > limits::ARRAY_ITEMS { Err("list_too_long") } else { Ok(Some(make())) }
}

/// The value as text that equal values have in common: members by name, numbers as doubles.
fn written(value: &Value) -> String {
    let mut out = String::new();
    write(&mut out, value);
    out
}

fn write(out: &mut String, value: &Value) {
    match value {
        Value::Array(items) => {
            out.push('[');
            for item in items {
                write(out, item);
                out.push(',');
            }
            out.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            out.push('{');
            for (name, member) in members {
                out.push_str(&Value::from(name.as_str()).to_string());
                out.push(':');
                write(out, member);
                out.push(',');
            }
            out.push('}');
        }
        // 0 and -0 are equal, and so are 1 and 1.0.
        Value::Number(number) => out.push_str(&(number.as_f64().unwrap_or_default() + 0.0).to_string()),
        plain => out.push_str(&plain.to_string()),
    }
}
