//! What a source refers to by name, so that an expression binds only that.

use jlens_core::ast::Span;
use jlens_core::{Ast, Bindings, NodeKind};
use serde_json::{Map, Value};

use super::functions::each_once::{BEFORE, Before};
use super::functions::{self, OfARun, objects, replace};
use crate::expression::error::{ExprError, ExprKind};
use crate::expression::scope::RESERVED;

/// What a source refers to. A local variable of the same name counts too, which costs little and harms nothing.
#[derive(Default)]
pub(super) struct Mentions {
    reserved: Vec<&'static str>,
    functions: Bindings,
    /// Whether it uses `$replace`, which then has its length checked first.
    replaces: bool,
    /// What goes before functions of the engine that are slow over much.
    before: Vec<&'static Before>,
    /// The first function that there is not, and why.
    unsupported: Option<(String, &'static str, Span)>,
    /// The functions that depend on the run.
    pub(super) of_a_run: Vec<OfARun>,
    /// Whether it makes objects with methods.
    pub(super) objects: bool,
    /// Whether it uses what is quadratic in its input.
    pub(super) quadratic: bool,
}

impl Mentions {
    pub(super) fn of(ast: &Ast) -> Self {
        let mut found = Self::default();
        let own = own_names(ast);
        ast.root.walk(&mut |node| {
            found.quadratic |= node.attrs.group.is_some();
            if let NodeKind::Variable { name } = &node.kind {
                found.name(name, node.span, own.contains(&name.as_str()));
            }
        });
        found
    }

    fn name(&mut self, name: &str, span: Span, is_own: bool) {
        self.objects |= objects::MAKERS.contains(&name);
        if let Some(function) = functions::find_of_a_run(name)
            && self.of_a_run.iter().all(|(known, _)| *known != name)
        {
            self.of_a_run.push(function);
        }
        if name == "replace" && !self.replaces {
            self.replaces = true;
            self.functions = std::mem::take(&mut self.functions).function(replace::NAME, replace::check());
        }
        if let Some(before) = BEFORE.into_iter().find(|before| before.name == name)
            && self.before.iter().all(|known| known.name != name)
        {
            self.before.push(before);
            self.functions = std::mem::take(&mut self.functions).function(before.own, before.function());
        }
        self.quadratic |= matches!(name, "distinct" | "merge");
        if let Some(known) = RESERVED.into_iter().find(|known| *known == name)
            && !self.reserved.contains(&known)
        {
            self.reserved.push(known);
        }
        if self.functions.get_function(name).is_none()
            && let Some(function) = functions::find(name)
        {
            self.functions = std::mem::take(&mut self.functions).function(name, function);
        }
        if self.unsupported.is_none() && !is_own {
            self.unsupported = functions::reason(name).map(|reason| (name.to_owned(), reason, span));
        }
    }

    /// Binds the reserved names that are used as `$name` inside the expression, where binding costs no copy of the
    /// value and reads none of it (`$lookup` would read a list whole). A variable of the caller's wins over such a name.
    pub(super) fn prelude(&self, variables: &Map<String, Value>) -> String {
        let mut prelude = String::new();
        if self.replaces && !variables.contains_key("replace") {
            prelude.push('(');
            prelude.push_str(replace::PRELUDE);
        }
        for before in self.before.iter().filter(|before| !variables.contains_key(before.name)) {
            prelude.push_str(if prelude.is_empty() { "(" } else { "" });
            prelude.push_str(before.prelude);
        }
        for name in self.reserved.iter().filter(|name| !variables.contains_key(**name)) {
            prelude.push_str(if prelude.is_empty() { "($" } else { "$" });
            prelude.push_str(name);
            prelude.push_str(":=$$.");
            prelude.push_str(name);
            prelude.push(';');
        }
        prelude
    }

    /// The functions of the pack that it uses.
    ///
    /// # Errors
    /// [`ExprKind::Syntax`] when it uses one of the model's that there is not here.
    pub(super) fn bindings(&mut self) -> Result<Bindings, ExprError> {
        let Some((name, reason, span)) = &self.unsupported else { return Ok(std::mem::take(&mut self.functions)) };
        let message = format!("${name} is not available here: {reason}");
        Err(ExprError::new(ExprKind::Syntax, "unsupported_function", message).at(span.start))
    }
}

/// The names that the author binds: variables and parameters.
fn own_names(ast: &Ast) -> Vec<&str> {
    let mut names = Vec::new();
    ast.root.walk(&mut |node| match &node.kind {
        NodeKind::Bind { lhs, .. } => {
            if let NodeKind::Variable { name } = &lhs.kind {
                names.push(name.as_str());
            }
        }
        NodeKind::Lambda(definition) => names.extend(definition.params.iter().map(String::as_str)),
        _ => {}
    });
    names
}
