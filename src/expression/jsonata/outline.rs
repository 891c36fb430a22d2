//! What an expression's source says, for whoever checks a definition before it runs.

use std::collections::BTreeSet;

use jlens_core::ast::Stage;
use jlens_core::reads::Read;
use jlens_core::{Node, NodeKind, Severity};
use serde_json::Value;

use super::Expression;
use super::functions::{self, seeded};
use crate::expression::error::{ExprError, ExprKind};
use crate::expression::scope::RESERVED;

/// How deep a read path is told: `steps`, the step's name, `result`.
const DEPTH: usize = 3;

/// Functions whose value differs from call to call, or that end the evaluation.
const NEVER_CONSTANT: [&str; 6] = ["now", "millis", "random", "uuid", "error", "assert"];

/// A `$name` that stands for nothing that the expression binds itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// The name, without the `$`.
    pub name: String,
    /// Where it stands, in bytes from the start of the source.
    pub position: usize,
    /// Whether it is called.
    pub is_called: bool,
}

/// What a source says.
#[derive(Debug, Default)]
pub struct Outline {
    /// Every error of syntax, in the order of the source: the parser goes on after each.
    pub errors: Vec<ExprError>,
    /// The variables and functions that it does not bind itself, reserved names left out.
    pub variables: Vec<Variable>,
    /// The fields of the scope that it reads, at most three names deep; reserved `$names` are fields too.
    pub fields: Vec<Vec<String>>,
    /// The keys of the objects that it makes, where they are written out.
    pub keys: Vec<String>,
    /// Whether it has the same value whatever it sees.
    pub is_constant: bool,
}

impl Outline {
    /// Reads a source, however broken it is.
    #[must_use]
    pub fn of(source: &str) -> Self {
        if let Err(error) = Expression::compile(source)
            && error.kind == ExprKind::Limit
        {
            return Self { errors: vec![error], ..Self::default() };
        }
        let ast = jlens_core::parse_recover(source);
        let errors = ast.diagnostics.iter().filter(|it| it.severity == Severity::Error).map(|it| ExprError {
            kind: ExprKind::Syntax,
            code: it.code.clone(),
            message: it.message.clone(),
            position: Some(it.span.start),
        });
        let mut errors: Vec<ExprError> = errors.collect();
        // What follows at the same place is a consequence.
        errors.dedup_by_key(|error| error.position);
        let variables = variables(&ast.root);
        let fields = if errors.is_empty() { fields(source) } else { Vec::new() };
        let varies = variables.iter().any(|it| NEVER_CONSTANT.contains(&it.name.as_str()));
        let is_constant = errors.is_empty() && fields.is_empty() && !varies && !reads_all(&ast.root);
        Self { errors, variables, fields, keys: keys(&ast.root), is_constant }
    }
}

/// The value of an expression that sees nothing.
#[must_use]
pub fn constant_value(source: &str) -> Option<Value> {
    Expression::compile(source).ok()?.evaluate_over(&Value::Object(serde_json::Map::new())).ok().flatten()
}

/// Whether an expression may call `$name`.
#[must_use]
pub fn is_function(name: &str) -> bool {
    function_names().any(|known| known == name)
}

/// Why `$name` is refused although the model system has it, or the language does.
#[must_use]
pub fn unsupported(name: &str) -> Option<&'static str> {
    const EVAL: &str = "its source would not be seen by any check: write the expression out";
    if name == "eval" { Some(EVAL) } else { functions::reason(name) }
}

/// The functions that an expression may call.
pub fn function_names() -> impl Iterator<Item = &'static str> {
    jlens_core::function_catalog()
        .into_iter()
        .map(|function| function.name)
        .chain(functions::names())
        .chain([seeded::UUID])
}

fn variables(root: &Node) -> Vec<Variable> {
    let mut bound: BTreeSet<&str> = BTreeSet::new();
    let mut called: BTreeSet<usize> = BTreeSet::new();
    let mut named: Vec<(&str, usize)> = Vec::new();
    root.walk(&mut |node| {
        bound.extend(node.attrs.focus.as_deref());
        bound.extend(node.attrs.index.as_deref());
        for stage in node.attrs.stages.iter().chain(&node.attrs.predicate) {
            if let Stage::Index { var, .. } = stage {
                bound.insert(var);
            }
        }
        match &node.kind {
            NodeKind::Variable { name } => named.push((name, node.span.start)),
            NodeKind::Bind { lhs, .. } => {
                if let NodeKind::Variable { name } = &lhs.kind {
                    bound.insert(name);
                }
            }
            NodeKind::Lambda(lambda) => bound.extend(lambda.params.iter().map(String::as_str)),
            NodeKind::Function { procedure, .. } | NodeKind::Partial { procedure, .. } => {
                called.insert(procedure.span.start);
            }
            NodeKind::Apply { rhs, .. } => {
                called.insert(rhs.span.start);
            }
            _ => {}
        }
    });
    let free = |name: &str| !matches!(name, "" | "$") && !bound.contains(name) && !RESERVED.contains(&name);
    let free = named.into_iter().filter(|(name, _)| free(name));
    free.map(|(name, position)| Variable { name: name.to_owned(), position, is_called: called.contains(&position) })
        .collect()
}

fn keys(root: &Node) -> Vec<String> {
    let mut keys = Vec::new();
    root.walk(&mut |node| {
        if let NodeKind::Object { pairs } = &node.kind {
            keys.extend(pairs.iter().filter_map(|(key, _)| match &key.kind {
                NodeKind::String { value } => Some(value.clone()),
                _ => None,
            }));
        }
    });
    keys
}

/// Whether something in it takes whatever is there, which the reads tell as a read of the whole.
fn reads_all(root: &Node) -> bool {
    let mut found = false;
    root.walk(&mut |node| {
        found |= matches!(
            &node.kind,
            NodeKind::Wildcard | NodeKind::Descendant | NodeKind::Parent { .. } | NodeKind::Transform(_)
        ) || matches!(&node.kind, NodeKind::Variable { name } if name.is_empty() || name == "$");
    });
    found
}

fn fields(source: &str) -> Vec<Vec<String>> {
    let Ok(engine) = jlens_core::Expression::compile(source) else { return Vec::new() };
    let reads = engine.reads();
    let mut found = Vec::new();
    if let Some(input) = reads.input() {
        collect(input, &mut Vec::new(), &mut found);
    }
    for (name, read) in reads.bindings() {
        if RESERVED.contains(&name.as_str()) {
            collect(read, &mut vec![name.clone()], &mut found);
        }
    }
    found
}

fn collect(read: &Read, path: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    let fields = read.fields().filter(|fields| !fields.is_empty() && path.len() < DEPTH);
    let Some(fields) = fields else {
        if !path.is_empty() {
            found.push(path.clone());
        }
        return;
    };
    for (name, read) in fields {
        path.push(name.clone());
        collect(read, path, found);
        path.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parser_goes_on_after_each_error() {
        let outline = Outline::of("a[; $sum(b + ");
        assert!(outline.errors.len() > 1, "{:?}", outline.errors);
        assert!(Outline::of("a.b").errors.is_empty());
    }

    #[test]
    fn names_that_the_expression_binds_itself_are_not_told() {
        let source = "($x := 1; $f := function($y) { $y + $x }; items@$i#$n.($f($i) + $n + $other(1)) ~> $twice)";
        let free = Outline::of(source).variables;
        let free: Vec<(&str, bool)> = free.iter().map(|it| (it.name.as_str(), it.is_called)).collect();
        assert_eq!(free, [("other", true), ("twice", true)]);
        assert!(Outline::of("$steps.a.result + $previous + $.x + $$.y").variables.is_empty());
    }

    #[test]
    fn what_is_read_is_told_by_its_path() {
        for (source, fields) in [
            ("steps.me.result.id", vec!["steps.me.result"]),
            ("$steps.`0`.result & subdomain", vec!["subdomain", "steps.0.result"]),
            ("$uppercase(previous.a)", vec!["previous.a"]),
            ("1 + 1", vec![]),
        ] {
            let found: Vec<String> = Outline::of(source).fields.iter().map(|path| path.join(".")).collect();
            assert_eq!(found, fields, "{source}");
        }
    }

    #[test]
    fn a_constant_has_one_value() {
        for (source, constant) in [
            ("true", true),
            ("1 = 1 and $not(false)", true),
            ("$count([1, 2]) > 1", true),
            ("status = 200", false),
            ("$now()", false),
            ("$", false),
            ("*", false),
            ("$previous", false),
            ("[1..3].$", false),
        ] {
            assert_eq!(Outline::of(source).is_constant, constant, "{source}");
        }
        assert_eq!(constant_value("1 = 2"), Some(Value::Bool(false)));
    }

    #[test]
    fn the_languages_functions_and_ours_are_known() {
        for known in ["sum", "base64encode", "uuid", "now", "jsonParse", "xmlToJs", "keyBy"] {
            assert!(is_function(known), "{known}");
        }
        assert!(!is_function("frobnicate"));
        assert!(unsupported("eval").is_some() && unsupported("parseDocument").is_some());
    }
}
