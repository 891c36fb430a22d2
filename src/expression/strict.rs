//! A text that must come out complete: a URL, a header, a credential.
//!
//! Whatever is missing is an error that names the placeholder, so a request never goes to a wrong place or without its
//! key. Values are encoded for the part of a URL that they are spliced into.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::error::{ExprError, ExprKind};
use super::limits;
use super::placeholder::Resolved;
use super::scope::Scope;
use super::segment::{Dialect, Segment, cut};
use super::text::{Nulls, push_value};

/// Everything but RFC 3986's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// How a value is made fit for the place it is spliced into. The literal text around it is the author's and stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// As it is: a header, a credential, or a URL that the definition marks `raw`.
    None,
    /// Percent-encoded, so that it stays within one segment of a path. An empty value, `.` and `..` are refused: they
    /// would name another resource.
    PathSegment,
    /// Percent-encoded, so that it stays one name or value of a query.
    QueryComponent,
    /// Checked: a DNS label or several with dots between, of letters, digits and inner hyphens. A port or user
    /// information can only be literal in the template.
    Host,
}

/// A compiled text.
#[derive(Clone)]
pub struct Text(Vec<(Segment, Encoding)>);

impl fmt::Debug for Text {
    // A definition may write a secret out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Text").field("pieces", &self.0.len()).finish_non_exhaustive()
    }
}

impl Text {
    /// Compiles a text whose values are all encoded in the same way.
    ///
    /// # Errors
    /// [`ExprKind::Syntax`] when `source` is not a template.
    pub fn compile(source: &str, encoding: Encoding) -> Result<Self, ExprError> {
        Ok(Self(cut(source, Dialect::Ours, &mut 0)?.into_iter().map(|segment| (segment, encoding)).collect()))
    }

    /// Compiles a URL or a path, and encodes each value for the part it stands in: host, path, query. `raw` leaves
    /// the values of path and query as they are; a host is checked all the same.
    ///
    /// A value at the very start (`{{instance_url}}/v1`, `{{previous.next}}`) is a URL of its own and is spliced as it
    /// is: where that may lead is for the address policy to say.
    ///
    /// # Errors
    /// [`ExprKind::Syntax`] when `source` is not a template.
    pub fn compile_url(source: &str, raw: bool) -> Result<Self, ExprError> {
        let mut place = None;
        let mut pieces = Vec::new();
        for segment in cut(source, Dialect::Ours, &mut 0)? {
            let encoding = match (&segment, place) {
                (Segment::Literal(text), _) => {
                    place = Some(place_after(text, place, pieces.is_empty()));
                    Encoding::None
                }
                (_, None) => {
                    place = Some(Encoding::Host);
                    Encoding::None
                }
                (_, Some(Encoding::PathSegment | Encoding::QueryComponent)) if raw => Encoding::None,
                (_, Some(encoding)) => encoding,
            };
            pieces.push((segment, encoding));
        }
        Ok(Self(pieces))
    }

    /// Renders it over the scope.
    ///
    /// # Errors
    /// [`ExprKind::Unresolved`] with the placeholder's path when a value is missing, undefined or null;
    /// [`ExprKind::Failed`] when a value does not fit its place (`invalid_host`, `invalid_path_segment`) or is not text
    /// (`not_text`); those of the expressions in it.
    pub fn render(&self, scope: &Scope) -> Result<String, ExprError> {
        let whole = self.0.len() == 1;
        let mut out = String::new();
        for (segment, encoding) in &self.0 {
            match segment {
                Segment::Literal(text) => out.push_str(text),
                Segment::Placeholder(placeholder) => match placeholder.resolve(scope.root(), whole) {
                    Resolved::Found(value) => push(&mut out, &value, *encoding, placeholder.name())?,
                    Resolved::Undefined | Resolved::Null | Resolved::Kept => {
                        return Err(unresolved(placeholder.name()));
                    }
                },
                Segment::Expression(expression) => match expression.evaluate(scope)? {
                    Some(value) => push(&mut out, &value, *encoding, expression.source())?,
                    None => return Err(unresolved(expression.source())),
                },
            }
            if out.len() > limits::STRING_BYTES {
                let message = format!("the text would get longer than {} MiB", limits::STRING_BYTES >> 20);
                return Err(ExprError::new(ExprKind::Limit, "rendered_too_large", message));
            }
        }
        Ok(out)
    }

    /// Whether it is a single placeholder that finds nothing and says `:undefined`, so that what holds it goes away.
    #[must_use]
    pub fn is_undefined(&self, scope: &Scope) -> bool {
        let [(Segment::Placeholder(placeholder), _)] = self.0.as_slice() else { return false };
        matches!(placeholder.resolve(scope.root(), true), Resolved::Undefined)
    }
}

/// Which part of a URL follows after the literal `text`.
fn place_after(text: &str, before: Option<Encoding>, first: bool) -> Encoding {
    let place = before.unwrap_or(Encoding::PathSegment);
    let (mut place, rest) = match text.split_once("://").filter(|_| first) {
        Some((_, rest)) => (Encoding::Host, rest),
        None => (place, text),
    };
    for c in rest.chars() {
        place = match (place, c) {
            (Encoding::Host, '/') => Encoding::PathSegment,
            (_, '?' | '#') => Encoding::QueryComponent,
            (place, _) => place,
        };
    }
    place
}

/// The start of a name or an expression, long enough to find it by.
fn start_of(name: &str) -> String {
    const SHOWN: usize = 80;
    let name = name.trim();
    name.char_indices().nth(SHOWN).map_or_else(|| name.to_owned(), |(end, _)| format!("{}…", &name[..end]))
}

pub(super) fn unresolved(name: &str) -> ExprError {
    let name = start_of(name);
    ExprError::new(
        ExprKind::Unresolved,
        "unresolved_placeholder",
        format!("`{name}` has no value: set it in the account's context, or give the placeholder a default"),
    )
}

fn push(out: &mut String, value: &Value, encoding: Encoding, name: &str) -> Result<(), ExprError> {
    match value {
        Value::Null => Err(unresolved(name)),
        Value::String(text) => push_text(out, text, encoding, name),
        Value::Object(_) => Err(not_text(name)),
        Value::Array(items) if items.iter().any(|item| item.is_array() || item.is_object()) => Err(not_text(name)),
        Value::Array(_) | Value::Bool(_) | Value::Number(_) => {
            let mut text = String::new();
            push_value(&mut text, value, Nulls::Empty);
            push_text(out, &text, encoding, name)
        }
    }
}

fn not_text(name: &str) -> ExprError {
    let name = start_of(name);
    ExprError::new(
        ExprKind::Failed,
        "not_text",
        format!("`{name}` is an object or a nested list, which is no text: name a field of it, or use `$string`"),
    )
}

fn push_text(out: &mut String, text: &str, encoding: Encoding, name: &str) -> Result<(), ExprError> {
    match encoding {
        Encoding::None => out.push_str(text),
        Encoding::Host if is_host(text) => out.push_str(text),
        Encoding::Host => {
            return Err(ExprError::new(
                ExprKind::Failed,
                "invalid_host",
                format!(
                    "the value of `{}` is not part of a host name (letters, digits, hyphens, dots between)",
                    start_of(name)
                ),
            ));
        }
        Encoding::PathSegment if matches!(text, "" | "." | "..") => {
            return Err(ExprError::new(
                ExprKind::Failed,
                "invalid_path_segment",
                format!(
                    "the value of `{}` is empty or only dots, and the path would name something else",
                    start_of(name)
                ),
            ));
        }
        Encoding::PathSegment | Encoding::QueryComponent => out.extend(utf8_percent_encode(text, RESERVED)),
    }
    Ok(())
}

fn is_host(text: &str) -> bool {
    text.len() <= limits::HOST_LENGTH
        && text.split('.').all(|label| {
            (1..=limits::LABEL_LENGTH).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
}

#[cfg(test)]
mod tests;
