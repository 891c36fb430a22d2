//! The `dynamic` format: a definition's expressions say what each page is asked with.

use serde_json::{Map, Value, json};
use url::Url;

use super::{Page, Position, Sent, link, part, path};
use crate::actions::classify::expression_failure;
use crate::expression::{Expression, Scope};
use crate::lifecycle::{Failure, ReasonCode};

/// The expressions that are asked after a page.
pub(super) struct Asked<'a> {
    pub(super) values: Option<&'a Expression>,
    pub(super) cursor: Option<&'a Expression>,
    /// What the cursor is called among the values, where no expression makes them.
    pub(super) key: &'a str,
}

/// What the first page is asked with. `bare` is its request without pagination.
pub(super) fn begin(initial: Option<&Expression>, bare: Option<&Sent>, scope: &mut Scope) -> Result<Position, Failure> {
    let said = match initial {
        None => None,
        Some(expression) => {
            let set = show(scope, bare);
            let said = expression.evaluate(scope);
            hide(scope, &set);
            said.map_err(|error| expression_failure("get_initial_pagination_values_expression failed", &error))?
        }
    };
    position(said.unwrap_or_else(|| json!({})), None, bare)
}

/// What the page behind `page` is asked with; `present` is what that one was asked with.
pub(super) fn after(
    asked: &Asked<'_>,
    present: &Map<String, Value>,
    page: &Page<'_>,
    sent: Option<&Sent>,
    scope: &mut Scope,
) -> Result<Option<Position>, Failure> {
    let mut set = show(scope, sent);
    scope.set("response", page.response.clone());
    scope.set("body", part(page.response, "body").cloned().unwrap_or_else(|| Value::Null.into()));
    scope.set("paginationValues", Value::Object(present.clone()));
    set.extend(["response", "body", "paginationValues", "pagination"]);
    let said = ask(asked, present, scope);
    hide(scope, &set);
    match said? {
        None => Ok(None),
        Some((values, cursor)) => position(values, cursor, sent).map(Some),
    }
}

/// The values, and the cursor where one is asked for; `None` where either says that there is no more.
fn ask(
    asked: &Asked<'_>,
    present: &Map<String, Value>,
    scope: &mut Scope,
) -> Result<Option<(Value, Option<Value>)>, Failure> {
    let mut names = present.clone();
    let cursor = match asked.cursor {
        None => None,
        Some(expression) => {
            let said = expression.evaluate(scope);
            let said =
                said.map_err(|error| expression_failure("get_cursor_from_response_expression failed", &error))?;
            let Some(cursor) = said.filter(path::is_cursor) else { return Ok(None) };
            names.insert(asked.key.to_owned(), cursor.clone());
            Some(cursor)
        }
    };
    let Some(expression) = asked.values else { return Ok(Some((Value::Object(names), cursor))) };
    names.extend(cursor.iter().map(|cursor| ("cursor".to_owned(), cursor.clone())));
    scope.set("pagination", Value::Object(names));
    let said = expression.evaluate(scope);
    let said = said.map_err(|error| expression_failure("get_pagination_values_expression failed", &error))?;
    Ok(said.filter(|values| !values.is_null()).map(|values| (values, cursor)))
}

fn position(values: Value, cursor: Option<Value>, sent: Option<&Sent>) -> Result<Position, Failure> {
    let Value::Object(values) = values else {
        let message = "pagination's values have to be an object of names and values, or null where the list ends";
        return Err(Failure::permanent(ReasonCode::ExpressionError, message));
    };
    let url = match values.get("url").filter(|_| are_parts(&values)) {
        Some(Value::String(url)) => {
            let base = sent.map_or("", |sent| sent.url.as_str());
            Some(link::resolve(base, url)?)
        }
        _ => None,
    };
    Ok(Position::Values { values, url, cursor })
}

/// Whether values are parts of a request, and not parameters.
pub(super) fn are_parts(values: &Map<String, Value>) -> bool {
    let is_part = |(name, value): (&String, &Value)| match name.as_str() {
        "query" | "headers" | "body" => value.is_object() || value.is_null(),
        "url" => value.is_string() || value.is_null(),
        _ => false,
    };
    !values.is_empty() && values.iter().all(is_part)
}

/// `{method, headers, body}` of a request; a body that is no JSON as text.
pub(super) fn options(request: &crate::upstream::Request) -> Value {
    let headers: Map<String, Value> =
        request.headers.iter().map(|(name, value)| (name.clone(), Value::String(value.clone()))).collect();
    let body = request.body.as_ref().map(|bytes| {
        serde_json::from_slice(bytes).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(bytes).into_owned()))
    });
    json!({ "method": request.method, "headers": headers, "body": body })
}

/// Shows a request to the expressions. Answers the names that were set.
fn show(scope: &mut Scope, sent: Option<&Sent>) -> Vec<&'static str> {
    let Some(sent) = sent else { return Vec::new() };
    scope.set("url", Value::String(sent.url.clone()));
    scope.set("query", query(&sent.url));
    scope.set("requestOptions", sent.options.clone().unwrap_or_default());
    vec!["url", "query", "requestOptions"]
}

fn hide(scope: &mut Scope, names: &[&'static str]) {
    for name in names {
        scope.unset(name);
    }
}

/// A URL's query as an object; a name that is there several times has a list.
fn query(url: &str) -> Value {
    let mut query = Map::new();
    let Ok(url) = Url::parse(url) else { return Value::Object(query) };
    for (name, value) in url.query_pairs() {
        let value = Value::String(value.into_owned());
        match query.get_mut(name.as_ref()) {
            None => {
                query.insert(name.into_owned(), value);
            }
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = json!([first.take(), value]),
        }
    }
    Value::Object(query)
}
