//! The two languages: what does not parse, what is not there, and one of them where the other is spoken.

use super::steps::Place;
use super::{Finding, suggestion};
use crate::expression::{
    Expression, Outline, Piece, RESERVED, first_template, function_names, is_function, pieces, unsupported,
};

/// The check whose findings are errors of syntax.
pub(super) const SYNTAX: &str = "syntax";

/// Looks at JSONata.
pub(super) fn expression(source: &str, pointer: &str, place: Option<&Place>, found: &mut Vec<Finding>) {
    let outline = Outline::of(source);
    if let Some(template) = first_template(source) {
        let is_broken = !outline.errors.is_empty();
        found.push(placeholder_in_expression(template, pointer, is_broken));
        if is_broken {
            return;
        }
    }
    for error in &outline.errors {
        let at = error.position.map(|at| format!(" at position {at}")).unwrap_or_default();
        let message = format!("the expression does not parse{at}: {} ({})", error.message, error.code);
        found.push(Finding::error(SYNTAX, pointer, message));
    }
    // A function that is refused is named below, with all others.
    if let (true, Err(error)) = (outline.errors.is_empty(), Expression::compile(source))
        && error.code != "unsupported_function"
    {
        found.push(Finding::error(
            SYNTAX,
            pointer,
            format!("the expression does not compile: {} ({})", error.message, error.code),
        ));
    }
    variables(&outline, pointer, found);
    if let Some(place) = place {
        for path in &outline.fields {
            place.refer(path, pointer, found);
        }
    }
}

fn placeholder_in_expression(template: &str, pointer: &str, is_broken: bool) -> Finding {
    let inside = template.trim_start_matches("{{").trim_end_matches("}}").trim();
    if !is_broken {
        let message = format!("`{template}` stays as it is written: nothing is filled in inside of JSONata");
        return Finding::warning("placeholder_in_expression", pointer, message)
            .fix("put the text together: `'…' & field & '…'`");
    }
    let meant = match inside.strip_prefix('=') {
        Some(expression) => expression.trim().to_owned(),
        None => inside.split(['|', ':', '?']).next().unwrap_or_default().trim().to_owned(),
    };
    let message =
        format!("`{template}` is a placeholder, and this is JSONata, where fields are written by their names");
    Finding::error("placeholder_in_expression", pointer, message).fix(format!("write `{meant}`"))
}

fn variables(outline: &Outline, pointer: &str, found: &mut Vec<Finding>) {
    for variable in &outline.variables {
        let name = &variable.name;
        if let Some(reason) = unsupported(name) {
            let message = format!("`${name}` is not supported: {reason}");
            found.push(Finding::error("unsupported_function", pointer, message));
        } else if !is_function(name) {
            found.push(unbound(name, variable.is_called, pointer, found.len()));
        }
    }
}

fn unbound(name: &str, is_called: bool, pointer: &str, told: usize) -> Finding {
    let meant = |candidate: &str| format!("did you mean `${candidate}`?");
    if is_called {
        let finding = Finding::error("unknown_function", pointer, format!("there is no function `${name}`"));
        return match suggestion(told, name, function_names()) {
            Some(candidate) => finding.fix(meant(candidate)),
            None => finding.fix("`tidewaiter eval` tries an expression; docs/functions.md lists the functions"),
        };
    }
    let finding = Finding::warning("unknown_variable", pointer, format!("`${name}` is bound nowhere: it has no value"));
    match suggestion(told, name, RESERVED.into_iter()) {
        Some(candidate) => finding.fix(meant(candidate)),
        None => finding.fix(format!("a field of the context is written without `$`: `{name}`")),
    }
}

/// Looks at a text with placeholders.
pub(super) fn text(text: &str, pointer: &str, must_be_complete: bool, place: Option<&Place>, found: &mut Vec<Finding>) {
    let pieces = match pieces(text) {
        Ok(pieces) => pieces,
        Err(error) => {
            let at = error.position.map(|at| format!(" at position {at}")).unwrap_or_default();
            let message = format!("the text does not compile{at}: {} ({})", error.message, error.code);
            found.push(Finding::error(SYNTAX, pointer, message));
            return;
        }
    };
    if let [Piece::Literal(text)] = pieces.as_slice()
        && is_call(text)
    {
        found.push(
            Finding::warning("expression_in_text", pointer, "looks like JSONata, and is sent as it is written")
                .fix(format!("write `{{{{= {text} }}}}`")),
        );
    }
    for piece in &pieces {
        match piece {
            Piece::Literal(text) => literal(text, pointer, must_be_complete, found),
            Piece::Expression(source) => expression(source, pointer, place, found),
            Piece::Placeholder { paths, .. } => {
                if let Some(place) = place {
                    for path in paths {
                        place.refer(path, pointer, found);
                    }
                }
            }
        }
    }
}

/// Whether a text is nothing but a call of a function that there is.
fn is_call(text: &str) -> bool {
    let call = text.trim().strip_prefix('$').filter(|rest| rest.ends_with(')')).and_then(|rest| rest.split_once('('));
    call.is_some_and(|(name, _)| is_function(name)) && Expression::compile(text).is_ok()
}

/// Braces that were meant as a placeholder and are none.
fn literal(text: &str, pointer: &str, must_be_complete: bool, found: &mut Vec<Finding>) {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("{{") {
        let Some((inside, after)) = after.split_once("}}") else { return };
        rest = after;
        let inside = inside.trim();
        if inside.is_empty() || Expression::compile(inside).is_err() {
            continue;
        }
        let message = format!(
            "`{{{{{inside}}}}}` is not a placeholder and stays as it is written: JSONata stands in `{{{{= … }}}}`"
        );
        let is_meant = must_be_complete || inside.starts_with('$') || inside.contains('(');
        let finding = if is_meant {
            Finding::error("expression_in_text", pointer, message)
        } else {
            Finding::warning("expression_in_text", pointer, message)
        };
        found.push(finding.fix(format!("write `{{{{= {inside} }}}}`")));
    }
}
