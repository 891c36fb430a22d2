//! The fields that an account's context must bring.

use std::fmt;

use serde_json::{Map, Value};

use super::CompileError;
use super::members::Members;
use crate::expression::{ExprError, Expression, Scope};

/// One field.
pub struct Field {
    /// Its key in the context.
    pub name: String,
    /// What people call it.
    pub label: Option<String>,
    /// What kind of input it is.
    pub kind: FieldKind,
    /// Whether a value must be there.
    pub required: bool,
    /// The value of an account that brings none.
    pub default: Option<Value>,
    /// What the value must look like.
    pub format: Option<Format>,
    /// What is done to the value before it is stored.
    pub transform: Option<Transform>,
    /// What the value must match somewhere, like a JavaScript `test`.
    pub pattern: Option<Pattern>,
    /// The only values that are allowed, when there are any.
    pub options: Vec<Value>,
}

impl fmt::Debug for Field {
    // A default may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Field").field("name", &self.name).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// What kind of input a field is. Only `Password` means anything here: its values are secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// Any input that is not a secret: `text`, `single_select` and whatever forms may know.
    Plain,
    /// A secret.
    Password,
}

/// What a value must look like. Formats with other names are the form's business and pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// An e-mail address.
    Email,
    /// A number, or text that is one.
    Number,
    /// A UUID.
    Uuid,
    /// An `http` or `https` URL.
    Url,
}

/// What is done to a value before it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transform {
    /// Lower case.
    Lowercase,
    /// Upper case.
    Uppercase,
    /// SHA-256 of the UTF-8 bytes, in lower-case hexadecimal.
    Sha256,
}

/// Compiles `fields`.
pub(super) fn compile_all(config: &Members<'_>) -> Result<Vec<Field>, CompileError> {
    let mut fields: Vec<Field> = Vec::new();
    for (index, value) in config.list("fields")?.iter().enumerate() {
        let members = Members::of(value, config.pointer("fields") + &format!("/{index}"))?;
        let field = compile(&members)?;
        if fields.iter().any(|known| known.name == field.name) {
            return Err(members.error("name", format!("another field is called `{}` already", field.name)));
        }
        fields.push(field);
    }
    Ok(fields)
}

fn compile(members: &Members<'_>) -> Result<Field, CompileError> {
    let name = members.text("name")?.filter(|name| !name.is_empty());
    let kind = match members.text("type")? {
        Some("password") => FieldKind::Password,
        _ => FieldKind::Plain,
    };
    let format = match members.text("format")? {
        Some("email") => Some(Format::Email),
        Some("number") => Some(Format::Number),
        Some("uuid") => Some(Format::Uuid),
        Some("url") => Some(Format::Url),
        _ => None,
    };
    let transforms = [
        ("lowercase", Some(Transform::Lowercase)),
        ("uppercase", Some(Transform::Uppercase)),
        ("sha256", Some(Transform::Sha256)),
    ];
    let pattern = members.text("pattern")?.filter(|pattern| !pattern.is_empty());
    Ok(Field {
        name: name.ok_or_else(|| members.error("name", "must be the field's key in the context"))?.to_owned(),
        label: members.text("label")?.map(str::to_owned),
        kind,
        required: members.flag("required")?.unwrap_or(false),
        default: members.value("default").cloned(),
        format,
        transform: members.word("transform", &transforms, None)?,
        pattern: pattern
            .map(Pattern::compile)
            .transpose()
            .map_err(|error| members.error("pattern", format!("is not a regular expression: {}", error.message)))?,
        options: options(members)?,
    })
}

/// The values of `options`: `{label, value}` objects, or the values themselves.
fn options(members: &Members<'_>) -> Result<Vec<Value>, CompileError> {
    let value = |(index, option): (usize, &Value)| match option {
        Value::Object(option) => option
            .get("value")
            .cloned()
            .ok_or_else(|| CompileError::new(members.pointer("options") + &format!("/{index}"), "must have a `value`")),
        plain => Ok(plain.clone()),
    };
    members.list("options")?.iter().enumerate().map(value).collect()
}

/// A compiled regular expression of JavaScript's flavour.
///
/// There is one regular expression engine in the program, the expression language's, and it already runs under limits
/// of time; so a pattern is an expression.
pub struct Pattern {
    source: String,
    expression: Expression,
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.source, f)
    }
}

impl Pattern {
    fn compile(source: &str) -> Result<Self, ExprError> {
        let expression = Expression::compile(&format!("$contains(value, /(?:{})/)", as_literal(source)))?;
        let pattern = Self { source: source.to_owned(), expression };
        // The engine reads the pattern itself only when it is used.
        pattern.matches("")?;
        Ok(pattern)
    }

    /// The pattern as the definition has it.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether it matches somewhere in `text`.
    ///
    /// # Errors
    /// When it takes longer than an expression may.
    pub fn matches(&self, text: &str) -> Result<bool, ExprError> {
        let mut root = Map::new();
        root.insert("value".to_owned(), Value::from(text));
        let found = self.expression.evaluate(&Scope::new(root, 0, 0))?;
        Ok(found == Some(Value::Bool(true)))
    }
}

/// A pattern as it stands between the slashes of a literal: no bare slash ends it, and no bracket inside a class and no
/// escaped backslash upsets the scanner, which counts brackets.
fn as_literal(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut in_class = false;
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('\\') => out.push_str(r"\x5c"),
                Some(escaped) => out.extend(['\\', escaped]),
                None => out.push('\\'),
            },
            '/' => out.push_str(r"\/"),
            '(' | ')' | '{' | '}' | '[' if in_class => out.extend(['\\', c]),
            '[' | ']' => {
                in_class = c == '[';
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    out
}
