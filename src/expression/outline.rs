//! What a string with placeholders says, for whoever checks a definition before it runs.

use super::error::ExprError;
use super::placeholder::Placeholder;
use super::segment::{Dialect, Segment, cut};

/// A piece of a string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// A placeholder.
    Placeholder {
        /// As it is written, braces and all.
        source: String,
        /// The paths that it tries, one after the other.
        paths: Vec<Vec<String>>,
        /// Whether it says what to do where none of them has a value.
        is_optional: bool,
    },
    /// The source of a `{{= expression }}`.
    Expression(String),
    /// Text between them.
    Literal(String),
}

/// The pieces of a string.
///
/// # Errors
/// When it is not a template.
pub fn pieces(source: &str) -> Result<Vec<Piece>, ExprError> {
    let pieces = cut(source, Dialect::Ours, &mut 0)?.into_iter().map(|segment| match segment {
        Segment::Literal(text) => Piece::Literal(text),
        Segment::Expression(expression) => Piece::Expression(expression.source().to_owned()),
        Segment::Placeholder(placeholder) => Piece::of(&placeholder),
    });
    Ok(pieces.collect())
}

/// The first well-formed placeholder or `{{= }}` in a text, as it is written.
#[must_use]
pub fn first_template(source: &str) -> Option<&str> {
    let mut from = 0;
    while let Some(at) = source[from..].find("{{").map(|at| at + from) {
        let rest = &source[at..];
        let inside = &rest[2..];
        if inside.starts_with('=') {
            // Without an end for this one there is none for a later one.
            return inside.find("}}").map(|end| &rest[..end + 4]);
        }
        let length = inside.find(|c| !super::placeholder::is_inside(c)).unwrap_or(inside.len());
        if length > 0 && inside[length..].starts_with("}}") {
            return Some(&rest[..length + 4]);
        }
        from = at + 1;
    }
    None
}

impl Piece {
    fn of(placeholder: &Placeholder) -> Self {
        Self::Placeholder {
            source: placeholder.source.clone(),
            paths: placeholder.paths(),
            is_optional: placeholder.is_optional(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_falls_into_its_pieces() {
        let found = pieces("a{{x.0.y:int|z?:1}}b{{= $f(1) }}{{steps.me.result}}").unwrap();
        let placeholder = |source: &str, paths: &[&[&str]], is_optional| Piece::Placeholder {
            source: source.to_owned(),
            paths: paths.iter().map(|path| path.iter().map(|step| (*step).to_owned()).collect()).collect(),
            is_optional,
        };
        assert_eq!(
            found,
            [
                Piece::Literal("a".to_owned()),
                placeholder("{{x.0.y:int|z?:1}}", &[&["x", "0", "y"], &["z"]], true),
                Piece::Literal("b".to_owned()),
                Piece::Expression(" $f(1) ".to_owned()),
                placeholder("{{steps.me.result}}", &[&["steps", "me", "result"]], false),
            ]
        );
    }

    #[test]
    fn a_template_is_found_where_one_stands() {
        for (source, found) in [
            ("x = '{{a.b}}'", Some("{{a.b}}")),
            ("{{= a }}", Some("{{= a }}")),
            ("{\"a\": {\"b\": 1}}", None),
            ("{{$f(a)}} {{b}}", Some("{{b}}")),
            ("{{", None),
        ] {
            assert_eq!(first_template(source), found, "{source}");
        }
    }
}
