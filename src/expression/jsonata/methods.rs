//! Calls of methods, compiled: `$dtFromIso(x).toISO()` is not JSONata's, so the bare name `toISO` becomes the name of a
//! function, which finds the date in its context.
//!
//! Only where an object with methods can be: in a source that mentions what makes one. A bare name that is called is
//! otherwise an error in JSONata, but for a function in a field of the same name; such a source is left alone.

use jlens_core::{Ast, Node, NodeKind};

use super::functions::objects;
use crate::expression::error::{ExprError, ExprKind};

/// What a method's name gets in front.
pub(super) const PREFIX: &str = "$method_";

/// What was put into a source, by its place in the source.
#[derive(Debug, Default)]
pub(super) struct Edits(Vec<usize>);

impl Edits {
    /// The calls of methods in a source that makes objects with methods, and the names of the methods.
    ///
    /// # Errors
    /// [`ExprKind::Syntax`] for a method of the reference that there is not here.
    pub(super) fn of(ast: &Ast) -> Result<(Self, Vec<&'static str>), ExprError> {
        let (mut places, mut names, mut own, mut refused) = (Vec::new(), Vec::new(), Vec::new(), None);
        ast.root.walk(&mut |node| match &node.kind {
            NodeKind::Function { procedure, .. } => {
                let Some((name, at)) = bare(procedure, &ast.source) else { return };
                if let Some(method) = objects::method(name) {
                    places.push(at);
                    names.push(method);
                } else if refused.is_none() {
                    refused = objects::reason(name).map(|reason| (name.to_owned(), reason, at));
                }
            }
            NodeKind::Object { pairs } => {
                let functions = pairs.iter().filter(|(_, value)| matches!(value.kind, NodeKind::Lambda(_)));
                own.extend(functions.filter_map(|(key, _)| match &key.kind {
                    NodeKind::String { value } => Some(value.as_str()),
                    _ => None,
                }));
            }
            _ => {}
        });
        if let Some((name, reason, at)) = refused {
            let message = format!(".{name}() is not available here: {reason}");
            return Err(ExprError::new(ExprKind::Syntax, "unsupported_function", message).at(at));
        }
        let is_own = |name: &&str| own.contains(name);
        let (mut places, names): (Vec<usize>, Vec<&'static str>) =
            places.into_iter().zip(names).filter(|(_, name)| !is_own(name)).unzip();
        places.sort_unstable();
        places.dedup();
        Ok((Self(places), names))
    }

    /// The source with the edits made.
    pub(super) fn applied(&self, source: &str) -> String {
        let mut out = String::with_capacity(source.len() + self.0.len() * PREFIX.len());
        let mut from = 0;
        for at in &self.0 {
            out.push_str(&source[from..*at]);
            out.push_str(PREFIX);
            from = *at;
        }
        out.push_str(&source[from..]);
        out
    }

    /// The place in the author's source of a place in the edited one.
    pub(super) fn original(&self, position: usize) -> usize {
        let mut shift = 0;
        for at in &self.0 {
            if position <= at + shift {
                break;
            }
            // Within the prefix the name itself is meant.
            if position < at + shift + PREFIX.len() {
                return *at;
            }
            shift += PREFIX.len();
        }
        position - shift
    }
}

/// The name that is called, when it is a bare one, and where it stands.
fn bare<'a>(procedure: &'a Node, source: &str) -> Option<(&'a str, usize)> {
    let name = match &procedure.kind {
        NodeKind::Path { steps, .. } => match steps.as_slice() {
            [step] => step,
            _ => return None,
        },
        _ => procedure,
    };
    let NodeKind::Name { name: text } = &name.kind else { return None };
    // A name in quotes is left alone.
    source[name.span.start..].starts_with(text.as_str()).then_some((text.as_str(), name.span.start))
}
