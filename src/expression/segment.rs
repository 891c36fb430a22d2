//! A string of a definition, cut at compile time into literal text, placeholders and `{{= expressions }}`.

use super::error::{ExprError, ExprKind};
use super::jsonata::Expression;
use super::limits;
use super::placeholder::{Placeholder, is_inside};

/// A piece of a string.
#[derive(Debug, Clone)]
pub(super) enum Segment {
    Literal(String),
    Placeholder(Placeholder),
    Expression(Expression),
}

/// Whose templates are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Placeholders and `{{= expressions }}`.
    Ours,
    /// Placeholders alone: what begins with `{{=` is text.
    Models,
}

/// Cuts `source` into pieces, literal text in one piece where nothing stands between.
///
/// `ordinal` counts the expressions of one template, so that two equal `{{= $uuid() }}` make two ids.
pub(super) fn cut(source: &str, dialect: Dialect, ordinal: &mut u64) -> Result<Vec<Segment>, ExprError> {
    let mut segments = Vec::new();
    let mut literal_from = 0;
    let mut from = 0;
    while let Some(found) = source[from..].find("{{") {
        let at = from + found;
        let inside = &source[at + 2..];
        let (segment, length) = if let (Some(body), Dialect::Ours) = (inside.strip_prefix('='), dialect) {
            let (expression, length) = cut_expression(body, *ordinal).map_err(|error| error.shifted(at + 3))?;
            *ordinal += 1;
            (Segment::Expression(expression), length + 5)
        } else {
            let length = inside.find(|c| !is_inside(c)).unwrap_or(inside.len());
            if length == 0 || !inside[length..].starts_with("}}") {
                from = at + 1;
                continue;
            }
            let whole = &source[at..at + length + 4];
            (Segment::Placeholder(Placeholder::parse(whole).map_err(|error| error.shifted(at))?), length + 4)
        };
        if literal_from < at {
            segments.push(Segment::Literal(source[literal_from..at].to_owned()));
        }
        segments.push(segment);
        from = at + length;
        literal_from = from;
    }
    if literal_from < source.len() {
        segments.push(Segment::Literal(source[literal_from..].to_owned()));
    }
    Ok(segments)
}

/// The engine's codes for a string, a name, a comment, a bracket or a pattern that does not end.
const LEFT_OPEN: [&str; 5] = ["S0101", "S0105", "S0106", "S0203", "S0302"];

/// What must still come where something was left open: no prefix without it is complete.
fn end_of_open(error: &ExprError) -> Option<&'static [char]> {
    match error.code.as_str() {
        "S0101" => Some(&['\'', '"']),
        "S0105" => Some(&['`']),
        "S0106" | "S0302" => Some(&['/']),
        "S0203" if error.message.contains("\"]\"") => Some(&[']']),
        "S0203" if error.message.contains("\")\"") => Some(&[')']),
        _ => None,
    }
}

/// The most that is compiled to find where one expression ends: with braces in nearly every place, each is tried.
const TRIED_BYTES: usize = 4 << 20;

/// The expression that `body` starts with, and its length without the closing braces.
///
/// It ends at the first `}}` before which a complete expression stands: braces inside a string, a comment, a pattern or
/// an object leave it incomplete, so the engine's own parser settles what a count of braces could not.
fn cut_expression(body: &str, ordinal: u64) -> Result<(Expression, usize), ExprError> {
    search(body, ordinal, &mut 0)
}

/// The same; adds up the bytes that were compiled.
fn search(body: &str, ordinal: u64, tried: &mut usize) -> Result<(Expression, usize), ExprError> {
    let mut told: Option<ExprError> = None;
    let mut last: Option<ExprError> = None;
    let mut from = 0;
    while let Some(at) = body[from..].find("}}").map(|found| from + found) {
        *tried += at;
        let error = match Expression::compile_nth(&body[..at], ordinal) {
            Ok(expression) => return Ok((expression, at)),
            Err(error) => error,
        };
        if at > limits::SOURCE_BYTES || *tried > TRIED_BYTES {
            return Err(told.unwrap_or(error));
        }
        // What nests too deep does so whatever follows.
        if error.kind == ExprKind::Limit {
            return Err(error);
        }
        // The parser reads from left to right: what it says twice of one place, it says whatever follows.
        let is_final = !is_left_open(&error) && last.as_ref() == Some(&error);
        last = Some(error.clone());
        // Where something was only left open, the braces may have been inside of it, and what follows says more.
        if told.as_ref().is_none_or(is_left_open) {
            told = Some(error.clone());
        }
        from = match end_of_open(&error) {
            _ if is_final => break,
            None => at + 1,
            Some(end) => match body[at..].find(end) {
                Some(found) => at + found + 1,
                None => break,
            },
        };
    }
    Err(told.unwrap_or_else(|| {
        ExprError::new(ExprKind::Syntax, "unclosed_expression", "`{{=` opens an expression that no `}}` closes").at(0)
    }))
}

fn is_left_open(error: &ExprError) -> bool {
    LEFT_OPEN.contains(&error.code.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_an_expression_ends_is_found_without_compiling_it_at_every_brace() {
        let many = "a+".repeat(200);
        let braces = "}}".repeat(20_000);
        for (left, code) in [
            ("", "S0207"),
            ("\"", "S0101"),
            ("[a", "S0203"),
            ("`", "S0105"),
            ("/* ", "S0106"),
            ("$match(a, /b", "S0302"),
        ] {
            let mut tried = 0;
            let error = search(&format!("{many}{left}{braces}"), 0, &mut tried).unwrap_err();
            assert_eq!(error.code, code, "{left}");
            assert!(tried < 4_000, "{left}: {tried}");
        }
    }

    #[test]
    fn braces_inside_of_what_closes_later_are_no_end() {
        for body in [
            "\"}}}}\" & '}} \" }}'",
            "`}}}}`",
            "1 /* }}}} ' }} */",
            "$match(a, /{{2}}'/)",
            "{\"a\":{\"b\":{\"c\":{}}}}",
            "\"\\\"}}}}\\\"}}\"",
            "[{\"a\":{\"b\":1}},{\"a\":{\"b\":1}}]",
        ] {
            let (_, length) =
                cut_expression(&format!("{body}}}}} }}}}"), 0).unwrap_or_else(|error| panic!("{body}: {error}"));
            assert_eq!(length, body.len(), "{body}");
        }
    }
}
