//! `convertMarkdownToHtml`: Markdown as GitHub reads it, in the shape that the npm package `marked` (14.1) writes.
//!
//! Nothing is made safe: HTML inside the text is passed through, as there.

mod autolink;
mod blocks;
mod escape;

use serde_json::Value;

use super::Function;
use super::call::{Outcome, argument, data};

pub(super) const FUNCTIONS: &[Function] = &[("convertMarkdownToHtml", || data(2, to_html))];

fn to_html(args: &[Option<Value>]) -> Outcome {
    match argument(args, 0) {
        Some(Value::String(source)) => {
            let breaks = argument(args, 1).and_then(|options| options.get("breaks")) == Some(&Value::Bool(true));
            blocks::html(source, breaks)
        }
        _ => Err("not_text"),
    }
}
