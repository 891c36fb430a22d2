//! Objects with methods: dates, lengths of time, URLs and their parameters.
//!
//! The engine knows no methods. A call of a known name, `x.plus({'days': 1})`, is compiled as the call of a function whose
//! context is `x` (see `jsonata/methods.rs`), and this is that function: what it does is up to what `x` is.

use jlens_core::{Error, HostFunction};
use serde_json::Value;

use super::seeded::Run;
use super::{dates, urls};

/// The functions that make objects with methods.
pub(in super::super) const MAKERS: [&str; 3] = ["dtFromFormat", "dtFromIso", "parseUrl"];

/// Methods of the reference that there are not here, and why.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("reconfigure", "dates are in English"),
    ("setLocale", "dates are in English"),
    ("toLocaleString", "dates are written with toFormat"),
    ("toRelative", "dates are compared with diff and diffNow"),
    ("toRelativeCalendar", "dates are compared with diff and diffNow"),
    ("until", "spans are made with diff"),
];

/// Whether a bare name is a method's, and whose name then.
pub(in super::super) fn method(name: &str) -> Option<&'static str> {
    [dates::DATE, dates::DURATION, urls::METHODS].into_iter().flatten().find(|known| **known == name).copied()
}

/// Why there is no method of this name, where the reference has one.
pub(in super::super) fn reason(name: &str) -> Option<&'static str> {
    UNSUPPORTED.iter().find(|(known, _)| *known == name).map(|(_, reason)| *reason)
}

/// The function that a method's call becomes.
pub(in super::super) fn function(name: &'static str, run: Run) -> HostFunction {
    HostFunction::new(2, move |args, call| {
        let outcome = match call.input() {
            None => return Ok(None),
            Some(Value::Object(members)) => {
                if let Some(outcome) = dates::call(&members, name, args, run.now_ms) {
                    outcome
                } else if let Some(query) = urls::query(&members) {
                    urls::call(query, name, args)
                } else if urls::is_one(&members) && name == "toString" {
                    Ok(Some(members["href"].clone()))
                } else if dates::is_length(&members) {
                    dates::call_length(&members, name, args)
                } else {
                    Err("no_such_method")
                }
            }
            Some(_) => Err("no_such_method"),
        };
        outcome.map_err(Error::new)
    })
}

/// What leaves the expression: the objects with methods in it become the texts that they are in JSON.
pub(in super::super) fn leave(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(leave),
        Value::Object(members) => {
            if let Some(text) = dates::text_of(members).or_else(|| urls::text_of(members)) {
                *value = text;
            } else {
                members.values_mut().for_each(leave);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
