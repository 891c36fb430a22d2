//! Small functions over values of any kind: the first that is there, what is empty, text to JSON and to a number.

use serde_json::Value;

use super::Function;
use super::call::{Outcome, argument, plain};
use super::js::truthy;
use crate::expression::text::{Nulls, push_value, trim};

pub(super) const FUNCTIONS: &[Function] = &[
    ("firstNonEmpty", || plain(0, first_non_empty)),
    ("getMimeType", || plain(1, mime_type)),
    ("jsonParse", || plain(1, json_parse)),
    ("removeEmpty", || plain(1, remove_empty)),
    ("removeEmptyItems", || plain(1, remove_empty_items)),
    ("toNumber", || plain(1, to_number)),
];

/// The first argument that is neither undefined nor null; an empty text counts.
fn first_non_empty(args: &[Option<Value>]) -> Outcome {
    Ok(args.iter().flatten().find(|value| !value.is_null()).cloned())
}

/// A list or a text as it is, and nothing of an empty one.
fn remove_empty(args: &[Option<Value>]) -> Outcome {
    let is_empty = match argument(args, 0) {
        None | Some(Value::Null) => return Err("not_a_list"),
        Some(Value::Array(items)) => items.is_empty(),
        Some(Value::String(text)) => text.is_empty(),
        // What JavaScript asks for is the length, which other values have only as a member.
        Some(Value::Object(members)) => !members.get("length").is_some_and(|length| truthy(Some(length))),
        Some(Value::Bool(_) | Value::Number(_)) => true,
    };
    Ok(argument(args, 0).filter(|_| !is_empty).cloned())
}

/// A list without what JavaScript takes for false and without empty lists and objects; anything else as it is.
fn remove_empty_items(args: &[Option<Value>]) -> Outcome {
    let kept = |value: &&Value| match value {
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
        other => truthy(Some(other)),
    };
    Ok(argument(args, 0).map(|value| match value {
        Value::Array(items) => Value::Array(items.iter().filter(kept).cloned().collect()),
        other => other.clone(),
    }))
}

/// What a JSON text says; null where it is none.
fn json_parse(args: &[Option<Value>]) -> Outcome {
    let Some(value) = argument(args, 0) else { return Ok(Some(Value::Null)) };
    let parsed = match value {
        Value::String(text) => serde_json::from_str(text).ok(),
        // Other values are written out first.
        other => serde_json::from_str(&js_text(other)).ok(),
    };
    Ok(Some(parsed.unwrap_or_default()))
}

fn js_text(value: &Value) -> String {
    let mut out = String::new();
    push_value(&mut out, value, Nulls::Empty);
    out
}

/// A number as lodash reads it: the whole text must be one (decimal, `0x`, `0b`, `0o`); null stands for JavaScript's NaN.
fn to_number(args: &[Option<Value>]) -> Outcome {
    let number = match argument(args, 0) {
        None | Some(Value::Object(_)) => None,
        Some(Value::Null | Value::Bool(false)) => Some(0.0),
        Some(Value::Bool(true)) => Some(1.0),
        Some(Value::Number(number)) => number.as_f64(),
        Some(Value::String(text)) => number_of(text),
        Some(list @ Value::Array(_)) => number_of(&js_text(list)),
    };
    Ok(Some(number.map_or(Value::Null, Value::from)))
}

pub(super) fn number_of(text: &str) -> Option<f64> {
    let text = trim(text);
    if text.is_empty() {
        return Some(0.0);
    }
    let radix = match text.get(..2).map(str::to_ascii_lowercase).as_deref() {
        Some("0x") => 16,
        Some("0b") => 2,
        Some("0o") => 8,
        _ => {
            // Rust reads words (`inf`, `nan`) that are no numbers in JSON.
            let plain = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
            return text.parse().ok().filter(|number: &f64| plain && number.is_finite());
        }
    };
    let digits = &text[2..];
    let valid = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
    let add = |sum, digit: char| sum * f64::from(radix) + f64::from(digit.to_digit(radix).unwrap_or(0));
    valid.then(|| digits.chars().fold(0.0, add))
}

/// The MIME type of a file name or an extension; null where none is known.
fn mime_type(args: &[Option<Value>]) -> Outcome {
    let Some(Value::String(name)) = argument(args, 0) else { return Ok(Some(Value::Null)) };
    let last = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let extension = last.rsplit('.').next().unwrap_or(last);
    // In a path a name without a dot has no extension; alone it is one.
    if extension.len() + 1 >= last.len() && last.len() < name.len() {
        return Ok(Some(Value::Null));
    }
    let extension = extension.to_ascii_lowercase();
    let newer = NEWER.iter().find(|(known, _)| *known == extension).map(|(_, mime)| *mime);
    Ok(Some(newer.or_else(|| mime_guess::from_ext(&extension).first_raw()).map_or(Value::Null, Value::from)))
}

/// Where the reference's table is newer, for the kinds of files that people send.
const NEWER: &[(&str, &str)] = &[
    ("aif", "audio/x-aiff"),
    ("aiff", "audio/x-aiff"),
    ("c", "text/x-c"),
    ("cab", "application/vnd.ms-cab-compressed"),
    ("cer", "application/pkix-cert"),
    ("cpp", "text/x-c"),
    ("dtd", "application/xml-dtd"),
    ("dwg", "image/vnd.dwg"),
    ("dxf", "image/vnd.dxf"),
    ("emf", "image/emf"),
    ("flac", "audio/x-flac"),
    ("h", "text/x-c"),
    ("ico", "image/vnd.microsoft.icon"),
    ("java", "text/x-java-source"),
    ("jsx", "text/jsx"),
    ("m3u8", "application/vnd.apple.mpegurl"),
    ("m4a", "audio/mp4"),
    ("map", "application/json"),
    ("mid", "audio/midi"),
    ("midi", "audio/midi"),
    ("mjs", "text/javascript"),
    ("otf", "font/otf"),
    ("psd", "image/vnd.adobe.photoshop"),
    ("rar", "application/vnd.rar"),
    ("sql", "application/sql"),
    ("stl", "model/stl"),
    ("toml", "application/toml"),
    ("ts", "video/mp2t"),
    ("vcs", "text/x-vcalendar"),
    ("wmf", "image/wmf"),
    ("woff", "font/woff"),
    ("wsdl", "application/wsdl+xml"),
    ("xlsm", "application/vnd.ms-excel.sheet.macroenabled.12"),
    ("xml", "application/xml"),
    ("xsd", "application/xml"),
    ("xsl", "application/xml"),
    ("xslt", "application/xslt+xml"),
    ("yaml", "text/yaml"),
    ("yml", "text/yaml"),
];
