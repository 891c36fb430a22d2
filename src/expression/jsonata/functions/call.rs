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

/// Whether JavaScript takes the `index`th argument for true.
pub(super) fn is_truthy(args: &[Option<Value>], index: usize) -> bool {
    match argument(args, index) {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Number(number)) => number.as_f64() != Some(0.0),
        Some(Value::Bool(true) | Value::Array(_) | Value::Object(_)) => true,
    }
}
