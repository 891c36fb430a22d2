//! `jsonToCsv`: rows as CSV, as the npm package `@json2csv/plainjs` (7.0) writes it.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::Value;

use super::Function;
use super::call::{Outcome, argument, data};
use super::js::{self, Fault, Text};
use super::lodash::quoted;

pub(super) const FUNCTIONS: &[Function] = &[("jsonToCsv", || data(2, json_to_csv))];

/// A column: its title, the path of its cells, and what stands where there is none.
struct Column<'a> {
    label: Cow<'a, str>,
    name: Cow<'a, str>,
    names: Vec<String>,
    default: Option<&'a Value>,
}

fn json_to_csv(args: &[Option<Value>]) -> Outcome {
    let rows: Vec<&Value> = match argument(args, 0) {
        Some(Value::Array(rows)) => rows.iter().filter(|row| js::truthy(Some(row))).collect(),
        row => row.into_iter().filter(|row| js::truthy(Some(row))).collect(),
    };
    if rows.is_empty() {
        return Ok(Some("".into()));
    }
    if rows.iter().any(|row| !row.is_object() && !row.is_array()) {
        return Err("wrong_type");
    }
    let options = Options(argument(args, 1));
    let columns = options.columns(&rows)?;
    let (delimiter, eol) = (options.text("delimiter", ","), options.text("eol", "\n"));
    let mut left = js::WORK;
    let mut body = Text::default();
    for row in rows {
        js::spend(&mut left, columns.len())?;
        let cells: Vec<String> = columns.iter().map(|column| cell(column.of(row).as_deref())).collect();
        let is_empty = cells.iter().all(String::is_empty);
        if is_empty && !(options.flag("includeEmptyRows") && cells.len() > 1 && !delimiter.is_empty()) {
            continue;
        }
        if !body.as_str().is_empty() {
            body.push(&eol)?;
        }
        push_joined(&mut body, &cells, &delimiter)?;
    }
    let mut out = Text::default();
    if options.flag("withBOM") {
        out.push("\u{feff}")?;
    }
    if options.get("header") != Some(&Value::Bool(false)) {
        let titles: Vec<String> = columns.iter().map(|column| in_quotes(&column.label)).collect();
        push_joined(&mut out, &titles, &delimiter)?;
        if !titles.is_empty() && !body.as_str().is_empty() {
            out.push(&eol)?;
        }
    }
    out.push(body.as_str())?;
    Ok(Some(out.into_value()))
}

fn push_joined(out: &mut Text, cells: &[String], delimiter: &str) -> Result<(), Fault> {
    for (index, cell) in cells.iter().enumerate() {
        if index > 0 {
            out.push(delimiter)?;
        }
        out.push(cell)?;
    }
    Ok(())
}

/// The options of a call. Formatters and transforms are functions and cannot be given.
struct Options<'a>(Option<&'a Value>);

impl<'a> Options<'a> {
    fn get(&self, name: &str) -> Option<&'a Value> {
        self.0?.get(name)
    }

    fn flag(&self, name: &str) -> bool {
        js::truthy(self.get(name))
    }

    fn text(&self, name: &str, default: &str) -> String {
        self.get(name)
            .filter(|given| js::truthy(Some(given)))
            .map_or_else(|| default.to_owned(), |it| js::text(Some(it)))
    }

    fn columns(&self, rows: &[&'a Value]) -> Result<Vec<Column<'a>>, Fault> {
        let default = self.get("defaultValue");
        if let Some(fields) = self.get("fields").filter(|fields| js::truthy(Some(fields))) {
            let fields = fields.as_array().ok_or("invalid_option")?;
            return fields.iter().map(|field| Column::read(field, default)).collect();
        }
        let mut seen = HashSet::new();
        let mut columns = Vec::new();
        for row in rows {
            for (name, _) in js::entries(row)? {
                if seen.insert(name.clone()) {
                    columns.push(Column::new(name.clone(), name, default));
                }
            }
        }
        Ok(columns)
    }
}

impl<'a> Column<'a> {
    fn new(label: Cow<'a, str>, name: Cow<'a, str>, default: Option<&'a Value>) -> Self {
        let names = split(&name);
        Self { label, name, names, default }
    }

    fn read(field: &'a Value, default: Option<&'a Value>) -> Result<Self, Fault> {
        if let Value::String(name) = field {
            return Ok(Self::new(Cow::Borrowed(name), Cow::Borrowed(name), default));
        }
        let name = field.get("value").and_then(Value::as_str).ok_or("invalid_option")?;
        let label = match field.get("label").filter(|label| js::truthy(Some(label))) {
            None => Cow::Borrowed(name),
            Some(Value::String(label)) => Cow::Borrowed(label.as_str()),
            Some(_) => return Err("invalid_option"),
        };
        Ok(Self::new(label, Cow::Borrowed(name), field.get("default").or(default)))
    }

    /// The cell's value. A member of the whole name comes before the path.
    fn of<'b>(&'b self, row: &'b Value) -> Option<Cow<'b, Value>> {
        if let Some(value) = js::member(row, &self.name) {
            return Some(value);
        }
        let mut at = Cow::Borrowed(row);
        for name in &self.names {
            let next = match at {
                Cow::Borrowed(value) => js::member(value, name),
                Cow::Owned(value) => js::member(&value, name).map(|value| Cow::Owned(value.into_owned())),
            };
            match next {
                Some(value) => at = value,
                None => return self.default.map(Cow::Borrowed),
            }
        }
        Some(at)
    }
}

/// The names of a path: `a.b[0]["c"]`, also `[b]`.
fn split(path: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = path;
    while let Some(first) = rest.chars().next() {
        if !matches!(first, '.' | '[' | ']') {
            let end = rest.find(['.', '[', ']']).unwrap_or(rest.len());
            names.push(rest[..end].to_owned());
            rest = &rest[end..];
        } else if let Some((name, after)) =
            rest.strip_prefix('[').and_then(|inside| quoted(inside).or_else(|| bare(inside)))
        {
            names.push(name);
            rest = after;
        } else {
            rest = &rest[1..];
        }
    }
    names
}

/// A name in brackets without quotes, with what follows.
fn bare(text: &str) -> Option<(String, &str)> {
    let end = text.find(['[', ']'])?;
    let after = text[end..].strip_prefix(']')?;
    (end > 0).then(|| (text[..end].trim().to_owned(), after))
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => in_quotes(text),
        Some(value @ (Value::Array(_) | Value::Object(_))) => in_quotes(&value.to_string()),
        value => js::text(value),
    }
}

fn in_quotes(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}
