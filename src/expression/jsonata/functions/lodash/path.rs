//! Property paths (`a.b[0]["c d"]`) as lodash reads them.

use std::borrow::Cow;

use serde_json::Value;

use super::super::js;

/// A property path, read once and used for many items.
#[derive(Clone)]
pub(in super::super) struct Path {
    /// The path as one name, which wins where the item has a property of that name.
    whole: Option<String>,
    parts: Vec<String>,
}

impl Path {
    /// Reads what was given as a path: a list of names, or a text or anything that becomes one.
    pub(in super::super) fn of(value: Option<&Value>) -> Self {
        match value {
            Some(Value::Array(names)) => {
                Self { whole: None, parts: names.iter().map(|name| js::text(Some(name))).collect() }
            }
            Some(Value::String(name)) if is_deep(name) => Self { whole: Some(name.clone()), parts: split(name) },
            other => Self { whole: None, parts: vec![js::text(other)] },
        }
    }

    /// The names to follow from `item`.
    pub(in super::super) fn names(&self, item: &Value) -> &[String] {
        match &self.whole {
            Some(whole) if js::member(item, whole).is_some() => std::slice::from_ref(whole),
            _ => &self.parts,
        }
    }

    /// The value at the path; `None` when there is none.
    pub(in super::super) fn get<'a>(&self, item: Option<&'a Value>) -> Option<Cow<'a, Value>> {
        let item = item?;
        let (first, rest) = self.names(item).split_first()?;
        let mut at = js::member(item, first)?;
        for name in rest {
            at = match at {
                Cow::Borrowed(value) => js::member(value, name)?,
                Cow::Owned(value) => Cow::Owned(js::member(&value, name)?.into_owned()),
            };
        }
        Some(at)
    }
}

/// Whether a text names more than one property.
fn is_deep(text: &str) -> bool {
    text.contains('.')
        || text.match_indices('[').any(|(at, _)| {
            let inside = &text[at + 1..];
            inside.find(['[', ']']).is_some_and(|end| inside.as_bytes()[end] == b']') || quoted(inside).is_some()
        })
}

/// The names of a path. What is no name (a bracket that does not fit) is passed over.
fn split(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    if text.starts_with('.') {
        names.push(String::new());
    }
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if !matches!(first, '.' | '[' | ']') {
            let end = rest.find(['.', '[', ']']).unwrap_or(rest.len());
            names.push(rest[..end].to_owned());
            rest = &rest[end..];
            continue;
        }
        if first == '['
            && let Some((name, after)) = quoted(&rest[1..]).or_else(|| numbered(&rest[1..]))
        {
            names.push(name);
            rest = after;
            continue;
        }
        if is_gap(rest) {
            names.push(String::new());
        }
        rest = &rest[1..];
    }
    names
}

/// An empty name: a dot or `[]` before another one or the end.
fn is_gap(text: &str) -> bool {
    let after = |text: &str| ["[]", "."].into_iter().find(|gap| text.starts_with(gap)).map(str::len);
    after(text).is_some_and(|length| text.len() == length || after(&text[length..]).is_some())
}

/// A name in quotes and the bracket that closes it, with what follows.
pub(in super::super) fn quoted(text: &str) -> Option<(String, &str)> {
    let mut chars = text.char_indices();
    let (_, quote) = chars.next().filter(|(_, c)| matches!(c, '"' | '\''))?;
    let mut name = String::new();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => name.push(chars.next()?.1),
            _ if c == quote => return text[at + 1..].strip_prefix(']').map(|after| (name, after)),
            _ => name.push(c),
        }
    }
    None
}

/// A number and the bracket that closes it, with what follows.
fn numbered(text: &str) -> Option<(String, &str)> {
    let end = text.find(|c: char| !matches!(c, '0'..='9' | '-' | '.'))?;
    let (name, after) = (&text[..end], text[end..].strip_prefix(']')?);
    let (whole, fraction) = name.split_once('.').unwrap_or((name, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits(whole.strip_prefix('-').unwrap_or(whole)) && digits(fraction)).then(|| (name.to_owned(), after))
}
