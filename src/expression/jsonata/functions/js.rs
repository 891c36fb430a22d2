//! JSON values as JavaScript treats them: what the functions of the pack were defined by. *undefined* is `None`.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::{Map, Number, Value};

use crate::expression::limits;
use crate::expression::text::{Nulls, push_value, trim};

/// The code of a failure.
pub(super) type Fault = &'static str;

/// The most comparisons and cells of one call whose cost is a product of two of its arguments.
pub(super) const WORK: usize = 4_000_000;

/// Takes `cost` off what one call may do.
pub(super) fn spend(left: &mut usize, cost: usize) -> Result<(), Fault> {
    *left = left.checked_sub(cost).ok_or("too_much_work")?;
    Ok(())
}

/// `String(value)`.
pub(super) fn text(value: Option<&Value>) -> String {
    let mut out = String::new();
    match value {
        None => out.push_str("undefined"),
        Some(value) => push_value(&mut out, value, Nulls::Empty),
    }
    out
}

/// `!!value`.
pub(super) fn truthy(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::Number(number)) => number.as_f64().is_some_and(|number| number != 0.0 && !number.is_nan()),
        Some(Value::String(text)) => !text.is_empty(),
        Some(_) => true,
    }
}

/// `Number(value)`.
pub(super) fn number(value: Option<&Value>) -> f64 {
    match value {
        None => f64::NAN,
        Some(Value::Null | Value::Bool(false)) => 0.0,
        Some(Value::Bool(true)) => 1.0,
        Some(Value::Number(number)) => number.as_f64().unwrap_or(f64::NAN),
        Some(Value::String(text)) => number_of(text),
        Some(value) => number_of(&text(Some(value))),
    }
}

fn number_of(text: &str) -> f64 {
    let text = trim(text);
    let radix = match text.get(..2) {
        Some("0x" | "0X") => 16,
        Some("0o" | "0O") => 8,
        Some("0b" | "0B") => 2,
        _ => 10,
    };
    if radix != 10 {
        let digits = &text[2..];
        let value = |sum: f64, c: char| c.to_digit(radix).map(|digit| sum * f64::from(radix) + f64::from(digit));
        return if digits.is_empty() { f64::NAN } else { digits.chars().try_fold(0.0, value).unwrap_or(f64::NAN) };
    }
    match text {
        "" => 0.0,
        "Infinity" | "+Infinity" => f64::INFINITY,
        "-Infinity" => f64::NEG_INFINITY,
        // Rust reads words ("inf", "nan") that JavaScript does not.
        _ if text.bytes().any(|byte| byte.is_ascii_alphabetic() && !matches!(byte, b'e' | b'E')) => f64::NAN,
        _ => text.parse().unwrap_or(f64::NAN),
    }
}

/// A whole number, as lodash's `toInteger` makes one.
pub(super) fn integer(value: Option<&Value>) -> f64 {
    let number = number(value);
    if number.is_nan() { 0.0 } else { number.trunc() }
}

/// A double as JSON: an integer where it is one, null where JSON has no such number.
pub(super) fn json_number(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0 {
        return Value::from(number as i64);
    }
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}

/// `value[key]`, of an object, an array or a text.
pub(super) fn member<'a>(value: &'a Value, key: &str) -> Option<Cow<'a, Value>> {
    match value {
        Value::Object(fields) => fields.get(key).map(Cow::Borrowed),
        Value::Array(items) if key == "length" => Some(Cow::Owned(Value::from(items.len()))),
        Value::Array(items) => items.get(index(key)?).map(Cow::Borrowed),
        Value::String(text) if key == "length" => Some(Cow::Owned(Value::from(text.encode_utf16().count()))),
        Value::String(text) => Some(Cow::Owned(Value::from(text.chars().nth(index(key)?)?.to_string()))),
        _ => None,
    }
}

/// The index that a property name is, if it is one.
pub(super) fn index(key: &str) -> Option<usize> {
    let plain = key == "0" || (!key.starts_with('0') && key.bytes().all(|byte| byte.is_ascii_digit()));
    if plain && !key.is_empty() { key.parse().ok() } else { None }
}

/// A name and its value.
pub(super) type Entry<'a> = (Cow<'a, str>, Cow<'a, Value>);

/// `Object.entries(value)`; empty for what has none. Those of a text are its letters.
pub(super) fn entries(value: &Value) -> Result<Vec<Entry<'_>>, Fault> {
    Ok(match value {
        Value::Object(fields) => {
            fields.iter().map(|(key, value)| (Cow::Borrowed(key.as_str()), Cow::Borrowed(value))).collect()
        }
        Value::Array(items) => numbered(items.iter().map(Cow::Borrowed)),
        Value::String(text) if text.chars().nth(limits::ARRAY_ITEMS).is_some() => return Err("list_too_long"),
        Value::String(text) => numbered(text.chars().map(|c| Cow::Owned(Value::from(c.to_string())))),
        _ => Vec::new(),
    })
}

fn numbered<'a>(items: impl Iterator<Item = Cow<'a, Value>>) -> Vec<Entry<'a>> {
    items.enumerate().map(|(index, item)| (Cow::Owned(index.to_string()), item)).collect()
}

/// An object with its keys in the order of JavaScript: those that are indexes first, by size.
pub(super) fn ordered(fields: Map<String, Value>) -> Value {
    let place = |key: &str| index(key).filter(|index| u32::try_from(*index).is_ok_and(|index| index < u32::MAX));
    if fields.keys().all(|key| place(key).is_none()) {
        return Value::Object(fields);
    }
    let mut fields: Vec<(String, Value)> = fields.into_iter().collect();
    fields.sort_by_key(|(key, _)| place(key).unwrap_or(usize::MAX));
    Value::Object(fields.into_iter().collect())
}

/// `{...value}`.
pub(super) fn spread(value: &Value) -> Result<Map<String, Value>, Fault> {
    Ok(entries(value)?.into_iter().map(|(key, value)| (key.into_owned(), value.into_owned())).collect())
}

/// `a === b` for what JSON has, except that arrays and objects are compared by what they hold.
pub(super) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        _ => a == b,
    }
}

/// `a < b`, `a > b` or neither, which is `None`.
pub(super) fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::String(a), Value::String(b)) => Some(utf16(a, b)),
        (
            Value::Array(_) | Value::Object(_) | Value::String(_),
            Value::Array(_) | Value::Object(_) | Value::String(_),
        ) => Some(utf16(&text(Some(a)), &text(Some(b)))),
        _ => number(Some(a)).partial_cmp(&number(Some(b))),
    }
}

/// The order of UTF-16 units, which is that of the bytes except between the last planes.
fn utf16(a: &str, b: &str) -> Ordering {
    if a.is_ascii() && b.is_ascii() { a.cmp(b) } else { a.encode_utf16().cmp(b.encode_utf16()) }
}

/// A text that stops growing where the engine's own functions stop.
#[derive(Default)]
pub(super) struct Text(String);

impl Text {
    /// Appends `part`, or fails when the text would be too long.
    pub(super) fn push(&mut self, part: &str) -> Result<(), Fault> {
        if self.0.len() + part.len() > limits::STRING_BYTES {
            return Err("text_too_long");
        }
        self.0.push_str(part);
        Ok(())
    }

    /// Appends `part` `times` over.
    pub(super) fn repeat(&mut self, part: &str, times: usize) -> Result<(), Fault> {
        if self.0.len().saturating_add(part.len().saturating_mul(times)) > limits::STRING_BYTES {
            return Err("text_too_long");
        }
        (0..times).for_each(|_| self.0.push_str(part));
        Ok(())
    }

    /// What was appended.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The text as a value.
    pub(super) fn into_value(self) -> Value {
        Value::String(self.0)
    }

    /// The text.
    pub(super) fn into_string(self) -> String {
        self.0
    }
}

/// Fails when there are more items than an expression may build.
pub(super) fn capped(items: Vec<Value>) -> Result<Option<Value>, Fault> {
    if items.len() > limits::ARRAY_ITEMS { Err("list_too_long") } else { Ok(Some(Value::Array(items))) }
}
