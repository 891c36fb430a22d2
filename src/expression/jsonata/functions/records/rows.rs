//! `zipSqlResponse`: rows of cells and a list of columns become objects.

use serde_json::{Map, Value};

use super::super::call::{Outcome, argument};
use super::super::js;
use crate::expression::limits;

pub(in super::super) fn zip_sql_response(args: &[Option<Value>]) -> Outcome {
    let (Some(Value::Array(columns)), Some(Value::Array(rows))) = (argument(args, 0), argument(args, 1)) else {
        return Err("wrong_type");
    };
    let key = js::text(argument(args, 2));
    if columns.iter().any(Value::is_null) {
        return Err("wrong_type");
    }
    let names: Vec<String> = columns.iter().map(|column| js::text(js::member(column, &key).as_deref())).collect();
    let (mut work, mut room) = (js::WORK, limits::STRING_BYTES);
    let mut zipped = Vec::with_capacity(rows.len());
    for row in rows {
        if row.is_null() && !names.is_empty() {
            return Err("wrong_type");
        }
        let mut fields = Map::new();
        js::spend(&mut work, names.len())?;
        for (index, name) in names.iter().enumerate() {
            let cell = match row {
                Value::Array(cells) => cells.get(index).cloned(),
                Value::Object(_) | Value::String(_) if index < row_length(row) => {
                    js::member(row, &index.to_string()).map(std::borrow::Cow::into_owned)
                }
                _ => None,
            };
            // A cell that is missing sets a column of the same name back to nothing.
            match cell {
                Some(cell) => {
                    room = room.checked_sub(name.len()).ok_or("text_too_long")?;
                    fields.insert(name.clone(), cell);
                }
                None => _ = fields.shift_remove(name),
            }
        }
        zipped.push(js::ordered(fields));
    }
    js::capped(zipped)
}

/// How many columns a row that is no list can have cells for; a text gives its letters, few of them.
fn row_length(row: &Value) -> usize {
    match row {
        Value::String(text) => text.len().min(256),
        _ => usize::MAX,
    }
}
