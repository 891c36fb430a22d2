//! A JSON value of a definition whose strings may hold placeholders and `{{= expressions }}`.
//!
//! Lenient: what is not found stays as its own text, becomes null or goes away, as the author wrote. Where a text must be
//! complete (a URL, a header, a credential), use [`Text`](super::Text). Keys are never rendered, and results are never
//! templates again.

use std::cell::Cell;
use std::fmt;

use serde_json::{Map, Value};

use super::error::{ExprError, ExprKind};
use super::limits;
use super::merge;
use super::placeholder::Resolved;
use super::scope::Scope;
use super::segment::{Dialect, Segment, cut};
use super::strict;
use super::text::{Nulls, push_json, push_value};

/// A compiled template. Parts without anything to render are kept as they are and cloned.
#[derive(Clone)]
pub struct Template(Node);

impl fmt::Debug for Template {
    // A definition may write a secret out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Template").finish_non_exhaustive()
    }
}

#[derive(Clone)]
enum Node {
    Literal(Value),
    /// The whole string is one placeholder or expression: its value keeps its type.
    Typed(Segment),
    Spliced(Vec<Segment>),
    Array(Vec<Node>),
    Object {
        fields: Vec<(String, Node)>,
        merged: Option<Box<Node>>,
    },
}

impl Template {
    /// Compiles a value of a definition.
    ///
    /// # Errors
    /// [`ExprKind::Syntax`](super::ExprKind::Syntax) for the first string that is not a template; the position is
    /// within that string.
    pub fn compile(value: &Value) -> Result<Self, ExprError> {
        Ok(Self(Node::compile(value, Dialect::Ours, &mut 0)?))
    }

    /// Compiles a value as the model's engine reads it: without `{{= expressions }}`, which stay text.
    ///
    /// # Errors
    /// As [`Template::compile`].
    pub fn compile_for_the_model(value: &Value) -> Result<Self, ExprError> {
        Ok(Self(Node::compile(value, Dialect::Models, &mut 0)?))
    }

    /// The same for a place where JSON goes out: a string that is nothing but a placeholder keeps an object, or a list
    /// that holds one. As a text, which is what placeholders make of them elsewhere, it would be `[object Object]`.
    #[must_use]
    pub fn keeping_structure(mut self) -> Self {
        self.0.keep_structure();
        self
    }

    /// Renders it over the scope. `None` means that the whole value is undefined: whoever holds it leaves it out.
    ///
    /// # Errors
    /// Those of the expressions in it.
    pub fn render(&self, scope: &Scope) -> Result<Option<Value>, ExprError> {
        self.0.render(&Rendering { scope, left: Cell::new(limits::RENDERED_BYTES) }, &[])
    }

    /// Renders it over the scope, where every placeholder must find something, or say what then.
    ///
    /// # Errors
    /// [`ExprKind::Unresolved`](super::ExprKind::Unresolved) with the first placeholder that does not; those of
    /// [`Template::render`].
    pub fn render_complete(&self, scope: &Scope) -> Result<Option<Value>, ExprError> {
        match self.0.unresolved(scope) {
            Some(name) => Err(strict::unresolved(name)),
            None => self.render(scope),
        }
    }
}

/// One rendering: over what, and how many bytes may still be filled in. A placeholder is short and its value long, so a
/// template's own size says nothing about that of what it makes.
struct Rendering<'a> {
    scope: &'a Scope,
    left: Cell<usize>,
}

impl Rendering<'_> {
    fn spend(&self, bytes: usize) -> Result<(), ExprError> {
        let left = self.left.get().checked_sub(bytes).ok_or_else(|| {
            let message = format!("the values filled in come to more than {} MiB", limits::RENDERED_BYTES >> 20);
            ExprError::new(ExprKind::Limit, "rendered_too_large", message)
        })?;
        self.left.set(left);
        Ok(())
    }
}

/// What a copy of the value takes, about.
fn size(value: &Value) -> usize {
    const EACH: usize = size_of::<Value>();
    EACH + match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Object(members) => members.iter().map(|(name, member)| name.len() + EACH + size(member)).sum(),
    }
}

impl Node {
    fn compile(value: &Value, dialect: Dialect, ordinal: &mut u64) -> Result<Self, ExprError> {
        match value {
            Value::String(source) => Self::compile_string(source, dialect, ordinal),
            Value::Array(items) => {
                let nodes =
                    items.iter().map(|item| Self::compile(item, dialect, ordinal)).collect::<Result<Vec<_>, _>>()?;
                let literal = nodes.iter().all(Self::is_literal);
                Ok(if literal { Self::Literal(value.clone()) } else { Self::Array(nodes) })
            }
            Value::Object(members) => {
                let mut fields = Vec::with_capacity(members.len());
                let mut merged = None;
                for (key, member) in members {
                    let node = Self::compile(member, dialect, ordinal)?;
                    if key == merge::KEY {
                        merged = Some(Box::new(node));
                    } else {
                        fields.push((key.clone(), node));
                    }
                }
                let literal = merged.is_none() && fields.iter().all(|(_, node)| node.is_literal());
                Ok(if literal { Self::Literal(value.clone()) } else { Self::Object { fields, merged } })
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => Ok(Self::Literal(value.clone())),
        }
    }

    fn compile_string(source: &str, dialect: Dialect, ordinal: &mut u64) -> Result<Self, ExprError> {
        let mut segments = cut(source, dialect, ordinal)?;
        Ok(match (segments.len(), segments.pop()) {
            (_, None) => Self::Literal(Value::from(source)),
            (1, Some(Segment::Literal(text))) => Self::Literal(Value::String(text)),
            (1, Some(segment)) => Self::Typed(segment),
            (_, Some(last)) => {
                segments.push(last);
                Self::Spliced(segments)
            }
        })
    }

    fn keep_structure(&mut self) {
        match self {
            Self::Typed(Segment::Placeholder(placeholder)) => placeholder.keep_structure(),
            Self::Array(items) => items.iter_mut().for_each(Self::keep_structure),
            Self::Object { fields, .. } => fields.iter_mut().for_each(|(_, node)| node.keep_structure()),
            Self::Literal(_) | Self::Typed(_) | Self::Spliced(_) => {}
        }
    }

    const fn is_literal(&self) -> bool {
        matches!(self, Self::Literal(_))
    }

    /// The first placeholder that would stay as it is written.
    fn unresolved(&self, scope: &Scope) -> Option<&str> {
        let segments = match self {
            Self::Literal(_) => return None,
            Self::Typed(segment) => std::slice::from_ref(segment),
            Self::Spliced(segments) => segments,
            Self::Array(items) => return items.iter().find_map(|item| item.unresolved(scope)),
            Self::Object { fields, merged } => {
                let nodes = fields.iter().map(|(_, node)| node).chain(merged.as_deref());
                return nodes.into_iter().find_map(|node| node.unresolved(scope));
            }
        };
        segments.iter().find_map(|segment| match segment {
            Segment::Placeholder(placeholder) if placeholder.resolve(scope.root(), true) == Resolved::Kept => {
                Some(placeholder.name())
            }
            _ => None,
        })
    }

    /// Renders the node with `over` laid on it: objects that an enclosing `$truto_merge` brought for this place.
    /// They come before this node's own, which therefore win.
    fn render(&self, at: &Rendering<'_>, over: &[&Map<String, Value>]) -> Result<Option<Value>, ExprError> {
        let mut rendered = match self {
            Self::Object { fields, merged } => return render_object(fields, merged.as_deref(), at, over).map(Some),
            Self::Literal(value) => Some(value.clone()),
            Self::Typed(segment) => render_typed(segment, at)?,
            Self::Spliced(segments) => Some(Value::String(splice(segments, at)?)),
            Self::Array(items) => Some(Value::Array(
                // A list keeps its places, so what is undefined in it is null, as in JSON text made by JavaScript.
                items
                    .iter()
                    .map(|item| Ok(item.render(at, &[])?.unwrap_or(Value::Null)))
                    .collect::<Result<_, ExprError>>()?,
            )),
        };
        for object in over {
            lay(&mut rendered, &Value::Object((*object).clone()));
        }
        Ok(rendered)
    }
}

fn lay(base: &mut Option<Value>, over: &Value) {
    match base {
        Some(base) => merge::value(base, over),
        None => *base = Some(over.clone()),
    }
}

fn render_object(
    fields: &[(String, Node)],
    merged: Option<&Node>,
    at: &Rendering<'_>,
    over: &[&Map<String, Value>],
) -> Result<Value, ExprError> {
    let own = merged.map_or(Ok(None), |node| node.render(at, &[]))?;
    let own = match &own {
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_object).collect(),
        Some(Value::Object(object)) => vec![object],
        _ => Vec::new(),
    };
    let over: Vec<&Map<String, Value>> = over.iter().copied().chain(own).collect();
    let mut out = Map::with_capacity(fields.len());
    for (key, node) in fields {
        // Objects go down to where the field may merge more over them; from the first other value on it is settled.
        let mut pending = Vec::new();
        let mut settled: Option<Option<Value>> = None;
        for value in over.iter().filter_map(|object| object.get(key)) {
            match (&mut settled, value.as_object()) {
                (Some(base), _) => lay(base, value),
                (None, Some(object)) => pending.push(object),
                (None, None) => {
                    let mut base = node.render(at, &pending)?;
                    lay(&mut base, value);
                    settled = Some(base);
                }
            }
        }
        let value = settled.map_or_else(|| node.render(at, &pending), Ok)?;
        out.extend(value.map(|value| (key.clone(), value)));
    }
    for object in over {
        for (key, value) in object.iter().filter(|(key, _)| fields.iter().all(|(field, _)| field != *key)) {
            match out.get_mut(key) {
                Some(base) => merge::value(base, value),
                None => out.extend([(key.clone(), value.clone())]),
            }
        }
    }
    Ok(Value::Object(out))
}

fn render_typed(segment: &Segment, at: &Rendering<'_>) -> Result<Option<Value>, ExprError> {
    match segment {
        Segment::Literal(text) => Ok(Some(Value::from(text.as_str()))),
        Segment::Expression(expression) => {
            let value = expression.evaluate(at.scope)?;
            at.spend(value.as_ref().map_or(0, size))?;
            Ok(value)
        }
        Segment::Placeholder(placeholder) => Ok(match placeholder.resolve(at.scope.root(), true) {
            Resolved::Found(value) => {
                at.spend(size(&value))?;
                Some(value.into_owned())
            }
            Resolved::Undefined => None,
            Resolved::Null => Some(Value::Null),
            Resolved::Kept => Some(Value::from(placeholder.source.as_str())),
        }),
    }
}

fn splice(segments: &[Segment], at: &Rendering<'_>) -> Result<String, ExprError> {
    let mut out = String::new();
    for segment in segments {
        let before = out.len();
        match segment {
            Segment::Literal(text) => out.push_str(text),
            Segment::Expression(expression) => {
                expression.evaluate(at.scope)?.iter().for_each(|value| push_json(&mut out, value));
            }
            Segment::Placeholder(placeholder) => match placeholder.resolve(at.scope.root(), false) {
                Resolved::Found(value) => push_value(&mut out, &value, Nulls::Empty),
                Resolved::Undefined => {}
                Resolved::Null => out.push_str("null"),
                Resolved::Kept => out.push_str(&placeholder.source),
            },
        }
        at.spend(out.len() - before)?;
    }
    Ok(out)
}
