//! The placeholder language: `{{path:type:flag|alternative?:default}}`.
//!
//! It is the language of the npm package `@truto/replace-placeholders` (1.0.11), so that definitions written for it work
//! unchanged; `tests/data/placeholders.json` holds recorded answers of that package. Different on purpose:
//!
//! - a placeholder is resolved once. The package searches again in what it has already spliced and walks into
//!   `:json` results, so data that looks like a template would be rendered, and `$&` in data would be expanded;
//! - an unknown type or an empty path is an error when the template is compiled, not when the value happens to be found;
//! - `constructor` and its like are ordinary names, a number also names a key of an object (`{{steps.0.result}}`), and
//!   a space or a slash inside a path is part of a name (the package reads unions and patterns there), and a list has
//!   no `length`;
//! - numbers that JSON cannot hold stay text, and integers keep all digits;
//! - in a request's query and body ([`keep_structure`](Placeholder::keep_structure)) an object does not become text.

use std::borrow::Cow;

use serde_json::Value;

use super::error::{ExprError, ExprKind};
use super::shared::Place;
use super::text::{Nulls, is_space, leading_int, leading_number, push_value, trim};

/// One placeholder, parsed.
#[derive(Debug, Clone)]
pub(super) struct Placeholder {
    /// The whole text with its braces, which stays in place when nothing is found.
    pub(super) source: String,
    alternatives: Vec<Alternative>,
    default: Option<(Value, Type)>,
    ignore_empty: bool,
    missing: Missing,
    keeps_structure: bool,
}

#[derive(Debug, Clone)]
struct Alternative {
    path: Vec<Step>,
    as_type: Type,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    /// A number: an index of an array, or a key of an object.
    Index(usize, String),
    /// A negative number counts from an array's end; beyond its start it means the first item.
    FromEnd(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Str,
    Int,
    Num,
    Bool,
    Json,
    Null,
    /// `any`, and the flags where a type would stand: the value itself, text trimmed.
    Any,
}

/// What stands for a value that was not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missing {
    Kept,
    Undefined,
    Null,
}

/// What a placeholder came to.
#[derive(Debug, PartialEq)]
pub(super) enum Resolved<'a> {
    Found(Cow<'a, Value>),
    /// Nothing was found, and the author said what to do about it.
    Undefined,
    Null,
    /// Nothing was found: the placeholder's own text stays.
    Kept,
}

/// Whether `c` may stand between the braces; anything else there means that it is not a placeholder.
pub(super) const fn is_inside(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '|' | ':' | '?') || is_space(c)
}

impl Placeholder {
    /// Parses a placeholder with its braces. The error's position is relative to its start.
    pub(super) fn parse(source: &str) -> Result<Self, ExprError> {
        let inner = source.trim_start_matches('{').trim_end_matches('}');
        let mut halves = inner.split("?:");
        let lookup = halves.next().unwrap_or_default();
        let default = halves.next().filter(|text| !text.is_empty()).map(parse_default).transpose()?;
        let parts: Vec<&str> = lookup.split('|').collect();
        let flagged = |flag: &str| parts.iter().any(|part| part.contains(flag));
        let missing = match (flagged(":undefined"), flagged(":null")) {
            (true, _) => Missing::Undefined,
            (false, true) => Missing::Null,
            (false, false) => Missing::Kept,
        };
        let ignore_empty = flagged(":ignore-empty-str");
        let alternatives = parts.iter().map(|part| Alternative::parse(part)).collect::<Result<_, _>>()?;
        Ok(Self { source: source.to_owned(), alternatives, default, ignore_empty, missing, keeps_structure: false })
    }

    /// The part between the braces, for messages.
    pub(super) fn name(&self) -> &str {
        trim(self.source.trim_start_matches('{').trim_end_matches('}'))
    }

    /// The paths of its alternatives, each by its names.
    pub(super) fn paths(&self) -> Vec<Vec<String>> {
        let names = |alternative: &Alternative| alternative.path.iter().map(Step::name).collect();
        self.alternatives.iter().map(names).collect()
    }

    /// Whether it says what stands for a value that is not there.
    pub(super) fn is_optional(&self) -> bool {
        self.default.is_some() || self.missing != Missing::Kept
    }

    /// From here on a value that as a text would be `[object Object]` stays what it is where nothing stands around it.
    pub(super) const fn keep_structure(&mut self) {
        self.keeps_structure = true;
    }

    /// The value of the first alternative that has one. `whole` says that nothing stands around the placeholder.
    pub(super) fn resolve<'a>(&self, root: Place<'a>, whole: bool) -> Resolved<'a> {
        for Alternative { path, as_type } in &self.alternatives {
            match look_up(root, path).map(Place::value) {
                Some(value) if self.ignore_empty && value.as_str() == Some("") => {}
                Some(value) if whole && self.keeps_structure && holds_object(&value) => return Resolved::Found(value),
                Some(value) => return Resolved::Found(cast(value, *as_type, whole)),
                None => {}
            }
        }
        match (&self.default, self.missing) {
            (Some((value, as_type)), _) => Resolved::Found(cast(Cow::Owned(value.clone()), *as_type, whole)),
            (None, Missing::Undefined) => Resolved::Undefined,
            (None, Missing::Null) => Resolved::Null,
            (None, Missing::Kept) => Resolved::Kept,
        }
    }
}

fn holds_object(value: &Value) -> bool {
    match value {
        Value::Object(_) => true,
        Value::Array(items) => items.iter().any(holds_object),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

impl Alternative {
    fn parse(part: &str) -> Result<Self, ExprError> {
        let fields = split_types(part);
        let path = trim(fields.first().copied().unwrap_or_default());
        if path.is_empty() {
            return Err(ExprError::new(
                ExprKind::Syntax,
                "empty_path",
                "a placeholder names nothing: put a path between the braces, or `{{= \"{{\" }}` for the braces themselves",
            ));
        }
        let as_type = fields.get(1).map_or(Ok(Type::Str), |name| Type::parse(name))?;
        // A dot in front is the root itself.
        let path = path.strip_prefix('.').unwrap_or(path);
        let path = if path.is_empty() { Vec::new() } else { path.split('.').map(Step::parse).collect() };
        Ok(Self { path, as_type })
    }
}

fn parse_default(text: &str) -> Result<(Value, Type), ExprError> {
    let fields = split_types(text);
    let value = Value::from(fields.first().copied().unwrap_or_default());
    let as_type = fields.get(1).map_or(Ok(Type::Str), |name| Type::parse(name)).map_err(|mut error| {
        error.message.push_str("; a default cannot hold a colon before a letter, a digit or a space");
        error
    })?;
    Ok((value, as_type))
}

/// Splits at each colon that stands before a word character or white space.
fn split_types(part: &str) -> Vec<&str> {
    let mut fields = Vec::new();
    let mut start = 0;
    for (at, _) in part.match_indices(':') {
        let next = part[at + 1..].chars().next();
        if next.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_' || is_space(c)) {
            fields.push(&part[start..at]);
            start = at + 1;
        }
    }
    fields.push(&part[start..]);
    fields
}

impl Type {
    fn parse(name: &str) -> Result<Self, ExprError> {
        match trim(name) {
            "str" => Ok(Self::Str),
            "int" => Ok(Self::Int),
            "num" => Ok(Self::Num),
            "bool" => Ok(Self::Bool),
            "json" => Ok(Self::Json),
            "null" => Ok(Self::Null),
            "any" | "undefined" | "ignore-empty-str" => Ok(Self::Any),
            other => Err(ExprError::new(
                ExprKind::Syntax,
                "unknown_type",
                format!(
                    "`{other}` is not a type of a placeholder; the types are str, int, num, bool, json, any and null"
                ),
            )),
        }
    }
}

impl Step {
    fn name(&self) -> String {
        match self {
            Self::Key(name) | Self::Index(_, name) => name.clone(),
            Self::FromEnd(back) => format!("-{back}"),
        }
    }

    fn parse(name: &str) -> Self {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if digits(name) {
            return Self::Index(name.parse().unwrap_or(usize::MAX), name.to_owned());
        }
        match name.strip_prefix('-').filter(|rest| digits(rest)) {
            Some(rest) => Self::FromEnd(rest.parse().unwrap_or(usize::MAX)),
            None => Self::Key(name.to_owned()),
        }
    }
}

fn look_up<'a>(root: Place<'a>, path: &[Step]) -> Option<Place<'a>> {
    path.iter().try_fold(root, |place, step| match (place.items(), step) {
        (None, Step::Key(key) | Step::Index(_, key)) => place.member(key),
        (Some(items), Step::Index(index, _)) => items.get(*index).map(Place::Value),
        (Some(items), Step::FromEnd(back)) if *back > 0 => {
            items.get(items.len().saturating_sub(*back)).map(Place::Value)
        }
        _ => None,
    })
}

fn cast(value: Cow<'_, Value>, as_type: Type, whole: bool) -> Cow<'_, Value> {
    if value.is_null() || as_type == Type::Str && value.is_string() {
        return value;
    }
    let value = match (value.as_str(), as_type) {
        (Some(text), _) if trim(text).len() < text.len() => Cow::Owned(Value::from(trim(text))),
        _ => value,
    };
    let cast = match as_type {
        Type::Str => Some(Value::from(as_text(&value))),
        Type::Int if !is_integer(&value) => leading_int(&as_text(&value)),
        Type::Num if !value.is_number() => leading_number(&as_text(&value)),
        Type::Bool => value.as_str().and_then(|text| text.parse().ok()).map(Value::Bool),
        Type::Json if whole => value.as_str().and_then(|text| serde_json::from_str(text).ok()),
        // Beside other text every value of this type reads `null`.
        Type::Null if !whole || value.as_str() == Some("null") => Some(Value::Null),
        Type::Int | Type::Num | Type::Json | Type::Null | Type::Any => None,
    };
    cast.map_or(value, Cow::Owned)
}

fn is_integer(value: &Value) -> bool {
    value.is_i64() || value.is_u64()
}

fn as_text(value: &Value) -> Cow<'_, str> {
    if let Value::String(text) = value {
        return Cow::Borrowed(text);
    }
    let mut out = String::new();
    push_value(&mut out, value, Nulls::Written);
    // The one number that `toString` of lodash and `String` write differently.
    if value.as_f64().is_some_and(|float| float == 0.0 && float.is_sign_negative()) {
        out.insert(0, '-');
    }
    Cow::Owned(out)
}
