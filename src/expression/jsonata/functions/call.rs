//! From a plain function over JSON values to one of the engine's, and how the arguments are read.
//!
//! `None` is JSONata's *undefined*, as an argument and as a result. A function fails with a code of
//! [`super::failures`], never with data.

use std::borrow::Cow;

use jlens_core::{Error, HostFunction};
use serde_json::Value;

use crate::expression::text::{Nulls, push_value};

/// What a plain function gives: a value, undefined, or the code of a failure.
pub(super) type Outcome = Result<Option<Value>, &'static str>;

/// A function that sees its arguments only. `arity` is how many it declares, which `$map` and its like go by; a call may
/// give fewer and more.
pub(super) fn plain(arity: usize, function: fn(&[Option<Value>]) -> Outcome) -> HostFunction {
    HostFunction::new(arity, move |args, _| function(args).map_err(Error::new)).without_input()
}

/// Like [`plain`], for functions over data, which refuse a function as an argument: the model's own call it without
/// waiting for what it gives, and go on with a promise.
pub(super) fn data(arity: usize, function: fn(&[Option<Value>]) -> Outcome) -> HostFunction {
    HostFunction::new(arity, move |args, call| {
        let is_function = |index: usize| args[index].is_none() && call.function(index).is_some();
        if (0..args.len()).any(is_function) {
            return Err(Error::new("function_given"));
        }
        if args.iter().flatten().any(is_too_deep) {
            return Err(Error::new("nested_too_deep"));
        }
        function(args).map_err(Error::new)
    })
    .without_input()
}

/// The deepest value that the functions over data take: they call themselves for each level.
const DEEPEST: usize = 200;

fn is_too_deep(value: &Value) -> bool {
    // Without recursion, and without a list where there is nothing inside.
    let mut open = vec![(value, 0)];
    while let Some((value, depth)) = open.pop() {
        let below = |inner| (inner, depth + 1);
        match value {
            Value::Array(_) | Value::Object(_) if depth >= DEEPEST => return true,
            Value::Array(items) => open.extend(items.iter().filter(|item| is_compound(item)).map(below)),
            Value::Object(fields) => open.extend(fields.values().filter(|field| is_compound(field)).map(below)),
            _ => {}
        }
    }
    false
}

const fn is_compound(value: &Value) -> bool {
    matches!(value, Value::Array(_) | Value::Object(_))
}

/// Like [`plain`], but called without arguments it takes the context, as in `name.$base64encode()`: undefined where there
/// is none.
pub(super) fn on_context(arity: usize, function: fn(&[Option<Value>]) -> Outcome) -> HostFunction {
    HostFunction::new(arity, move |args, call| {
        if !args.is_empty() {
            return function(args).map_err(Error::new);
        }
        call.input().map_or(Ok(None), |input| function(&[Some(input)]).map_err(Error::new))
    })
}

/// The `index`th argument; none where it is undefined or not given.
pub(super) fn argument(args: &[Option<Value>], index: usize) -> Option<&Value> {
    args.get(index)?.as_ref()
}

/// The `index`th argument as text: numbers and booleans as JavaScript writes them.
///
/// # Errors
/// `not_text` for a list, an object or null, where JavaScript would go on with `[object Object]`.
pub(super) fn text(args: &[Option<Value>], index: usize) -> Result<Option<Cow<'_, str>>, &'static str> {
    match argument(args, index) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(Cow::Borrowed(text))),
        Some(value @ (Value::Bool(_) | Value::Number(_))) => {
            let mut out = String::new();
            push_value(&mut out, value, Nulls::Written);
            Ok(Some(Cow::Owned(out)))
        }
        Some(Value::Null | Value::Array(_) | Value::Object(_)) => Err("not_text"),
    }
}
