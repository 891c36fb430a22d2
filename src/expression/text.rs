//! Numbers and values as text, and text as numbers, as JavaScript has them: the placeholder language is defined by it.

use std::fmt::Write as _;

use serde_json::{Number, Value};

/// Integers up to here are exact in a double (2^53).
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Whether JavaScript counts `c` as white space (ECMAScript, `WhiteSpace` and `LineTerminator`).
pub(super) const fn is_space(c: char) -> bool {
    matches!(c, '\u{9}'..='\u{d}' | ' ' | '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{2028}' | '\u{2029}'
        | '\u{202f}' | '\u{205f}' | '\u{3000}' | '\u{feff}')
}

/// `text` without JavaScript's white space at both ends.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// Whether a null inside an array is written (`toString` of lodash, the `str` type) or left out (`String(x)`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Nulls {
    Written,
    Empty,
}

/// Appends a value as JavaScript would write it into a string.
pub(super) fn push_value(out: &mut String, value: &Value, nulls: Nulls) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(bool) => out.push_str(if *bool { "true" } else { "false" }),
        Value::Number(number) => push_number(out, number),
        Value::String(text) => out.push_str(text),
        Value::Object(_) => out.push_str("[object Object]"),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                if nulls == Nulls::Written || !item.is_null() {
                    push_value(out, item, nulls);
                }
            }
        }
    }
}

/// Appends a value as JSONata's `&` operator would: text as it is, arrays and objects as JSON.
pub(super) fn push_json(out: &mut String, value: &Value) {
    match value {
        Value::Array(_) | Value::Object(_) => {
            // Writing to a string cannot fail.
            let _ = write!(out, "{value}");
        }
        _ => push_value(out, value, Nulls::Empty),
    }
}

/// Appends a number. An integer beyond 2^53 keeps all its digits, which JavaScript would have rounded on reading it.
fn push_number(out: &mut String, number: &Number) {
    let float = match number.as_f64() {
        Some(float) if number.is_f64() => float,
        _ => {
            let _ = write!(out, "{number}");
            return;
        }
    };
    let size = float.abs();
    if size == 0.0 {
        out.push('0');
    } else if (1e-6..1e21).contains(&size) {
        let _ = write!(out, "{float}");
    } else {
        let text = format!("{float:e}");
        out.push_str(&if size >= 1.0 { text.replace('e', "e+") } else { text });
    }
}

/// A number as JSON: an integer where it is one.
pub(super) fn json_number(float: f64) -> Option<Value> {
    if float.fract() == 0.0 && float.abs() <= EXACT {
        return Some(Value::from(float as i64));
    }
    Number::from_f64(float).map(Value::Number)
}

/// The integer that `text` starts with, as `parseInt` reads it (decimal, or hexadecimal after `0x`).
pub(super) fn leading_int(text: &str) -> Option<Value> {
    let text = text.trim_start_matches(is_space);
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(rest) => (16, rest),
        None => (10, digits),
    };
    let digits = &digits[..digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len())];
    if digits.is_empty() {
        return None;
    }
    if let Some(exact) = exact(negative, digits, radix) {
        return Some(exact);
    }
    let size = match radix {
        10 => digits.parse().ok()?,
        _ => digits.chars().filter_map(|c| c.to_digit(16)).fold(0.0, |sum, digit| sum * 16.0 + f64::from(digit)),
    };
    json_number(if negative { -size } else { size })
}

/// The number that `text` starts with, as `parseFloat` reads it. Infinity is not a JSON number, so it is none here.
pub(super) fn leading_number(text: &str) -> Option<Value> {
    let text = text.trim_start_matches(is_space);
    let bytes = text.as_bytes();
    let digits_from = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let sign = usize::from(matches!(bytes.first(), Some(b'-' | b'+')));
    let whole = digits_from(sign);
    let mut end = sign + whole;
    let mut fraction = 0;
    if bytes.get(end) == Some(&b'.') {
        fraction = digits_from(end + 1);
        if whole + fraction > 0 {
            end += 1 + fraction;
        }
    }
    if whole + fraction == 0 {
        return None;
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let signed = end + 1 + usize::from(matches!(bytes.get(end + 1), Some(b'-' | b'+')));
        let exponent = digits_from(signed.min(bytes.len()));
        if exponent > 0 {
            end = signed + exponent;
        }
    }
    exact(sign == 1 && bytes[0] == b'-', &text[sign..end], 10).or_else(|| json_number(text[..end].parse().ok()?))
}

/// An integer of at most 64 bits, with all its digits: JavaScript would round it beyond 2^53 and name another record.
fn exact(negative: bool, digits: &str, radix: u32) -> Option<Value> {
    let size = u64::from_str_radix(digits, radix).ok()?;
    if negative { 0_i64.checked_sub_unsigned(size).map(Value::from) } else { Some(Value::from(size)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn text(value: &Value) -> String {
        let mut out = String::new();
        push_value(&mut out, value, Nulls::Empty);
        out
    }

    #[test]
    fn numbers_are_written_as_javascript_writes_them() {
        for (value, expected) in [
            (json!(1.0), "1"),
            (json!(-0.0), "0"),
            (json!(1.5), "1.5"),
            (json!(1e21), "1e+21"),
            (json!(1e20), "100000000000000000000"),
            (json!(-1.5e300), "-1.5e+300"),
            (json!(0.000_001), "0.000001"),
            (json!(0.000_000_15), "1.5e-7"),
            (json!(u64::MAX), "18446744073709551615"),
        ] {
            assert_eq!(text(&value), expected);
        }
    }

    #[test]
    fn leading_integers_and_numbers_are_read_and_the_rest_is_ignored() {
        for (source, int, num) in [
            ("12.7abc", json!(12), json!(12.7)),
            ("  -3 ", json!(-3), json!(-3)),
            ("0x1F", json!(31), json!(0)),
            ("1e3", json!(1), json!(1000)),
            ("1e", json!(1), json!(1)),
            ("1e+", json!(1), json!(1)),
            ("5.", json!(5), json!(5)),
            ("-0", json!(0), json!(0)),
            ("9007199254740993", json!(9_007_199_254_740_993_u64), json!(9_007_199_254_740_993_u64)),
            ("99999999999999999999", json!(1e20), json!(1e20)),
        ] {
            assert_eq!(leading_int(source), Some(int), "{source}");
            assert_eq!(leading_number(source), Some(num), "{source}");
        }
        assert_eq!(leading_number("-.5x"), Some(json!(-0.5)));
        for source in ["", "abc", "-", ".", "e5", "Infinity", "1e999"] {
            assert_eq!(leading_number(source), None, "{source}");
        }
        for source in ["", "abc", "-", "0x", ".5"] {
            assert_eq!(leading_int(source), None, "{source}");
        }
    }
}
