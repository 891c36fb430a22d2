//! `convertHtmlToMarkdown`: HTML as Markdown, as the npm package `turndown` (7.2) writes it with its tables, struck text and
//! lists of tasks.

mod escape;
mod rules;
mod space;
mod table;
mod tree;

use serde_json::Value;

use super::Function;
use super::call::{Outcome, argument, data};
use super::js;
use crate::expression::text::is_space;

pub(super) const FUNCTIONS: &[Function] = &[("convertHtmlToMarkdown", || data(1, to_markdown))];

fn to_markdown(args: &[Option<Value>]) -> Outcome {
    let source = match argument(args, 0) {
        None | Some(Value::Null) => String::new(),
        Some(Value::Array(_) | Value::Object(_)) => return Err("not_text"),
        scalar => js::text(scalar),
    };
    let mut document = tree::parse(&source)?;
    space::collapse(&mut document);
    let markdown = rules::Writer::new(&document).document()?;
    let markdown = markdown.trim_start_matches(['\t', '\r', '\n']).trim_end_matches(is_space);
    Ok(Some(markdown.into()))
}
