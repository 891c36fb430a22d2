//! Reading a cursor out of an answer.

use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::{Page, Position, bad, link, path};
use crate::definitions::PaginationCursor as Cursor;
use crate::lifecycle::Failure;

/// What the page behind `page` is asked with: a cursor, or where it is a link, that. `base` is the URL of the page.
pub(super) fn after(plan: &Cursor, in_query: bool, page: &Page<'_>, base: &str) -> Result<Option<Position>, Failure> {
    if page.items == 0 && !plan.empty_pages {
        return Ok(None);
    }
    let found = if plan.in_headers { page.headers.get(&plan.path) } else { path::find(page.metadata, &plan.path) };
    let Some(found) = found.filter(|cursor| path::is_cursor(cursor)) else { return Ok(None) };
    let cursor = if plan.encoded { decode(found)? } else { found.clone() };
    if plan.link.is_some() {
        let Value::String(target) = &cursor else {
            return Err(bad("the next page's link, at `cursor_path`, is no text"));
        };
        return link::resolve(base, target).map(Position::Link).map(Some);
    }
    if matches!(cursor, Value::Array(_) | Value::Object(_)) && in_query && plan.key.is_some() {
        return Err(bad("the cursor is a list or an object, which a query does not carry: set `add_to_body`"));
    }
    let prev = plan.prev.as_ref().and_then(|path| path::find(page.metadata, path));
    Ok(Some(Position::Cursor { cursor, prev: prev.filter(|prev| path::is_cursor(prev)).cloned() }))
}

fn decode(cursor: &Value) -> Result<Value, Failure> {
    let Value::String(text) = cursor else { return Ok(cursor.clone()) };
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(Value::from).map_err(|_| bad("the percent-encoded cursor does not hold UTF-8"))
}
