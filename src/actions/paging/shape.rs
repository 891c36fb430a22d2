//! What a page changes about its request: parameters, headers, body, and where it goes.

use serde_json::{Map, Value};

use super::{Pager, Position, dynamic, range};
use crate::actions::classify::expression_failure;
use crate::actions::request::check_header;
use crate::actions::url::{check_text, encode, push_pairs};
use crate::definitions::{Pagination, PaginationFormat as Format, PaginationLink as Link, QueryArrayFormat, Target};
use crate::expression::{ExprKind, Scope};
use crate::lifecycle::{Failure, ReasonCode};

/// What is laid over a page's request.
#[derive(Default)]
pub(in crate::actions) struct Shape<'a> {
    /// Another place than the request's own.
    target: Option<&'a Target>,
    /// A URL, and whether all of it is taken or its query alone.
    link: Option<(String, Link)>,
    query: Vec<(String, Change)>,
    /// Dotted paths.
    body: Vec<(String, Change)>,
    headers: Vec<(String, String)>,
    drops_body: bool,
}

/// What becomes of one parameter.
#[derive(Clone)]
enum Change {
    Set(Value),
    /// Set where the request has none of its own.
    Default(Value),
    Remove,
}

impl Pager {
    /// The shape of the present page's request. The scope has the page's `pagination`.
    ///
    /// # Errors
    /// When a header's placeholders have no value on a page that is not the first.
    pub(super) fn shape<'a>(&self, pagination: &'a Pagination, scope: &Scope) -> Result<Shape<'a>, Failure> {
        let later = self.pages > 0;
        let mut shape = Shape {
            target: pagination.later.as_ref().filter(|_| later),
            drops_body: pagination.drops_body && later,
            headers: self.headers(pagination, scope)?,
            ..Shape::default()
        };
        let limit = &pagination.limit;
        if let Some(key) = &limit.key {
            let change = if limit.first_only && later {
                Change::Remove
            } else if limit.as_text {
                Change::Default(limit.value.to_string().into())
            } else {
                Change::Default(limit.value.into())
            };
            shape.add(pagination, key, change);
        }
        match (&pagination.format, &self.at) {
            (Format::Page { key: Some(key), .. } | Format::Offset { key: Some(key) }, Position::At(number)) => {
                shape.add(pagination, key, Change::Set((*number).into()));
            }
            (Format::Range { unit }, Position::At(first)) => {
                let last = range::last(*first, limit.value);
                shape.headers.push(("range".to_owned(), format!("{unit}={first}-{last}")));
            }
            (Format::Cursor(plan), Position::Cursor { cursor, .. }) => {
                if let Some(key) = &plan.key {
                    shape.add(pagination, key, Change::Set(cursor.clone()));
                }
            }
            (Format::Cursor(plan), Position::Link(url)) => {
                shape.link = plan.link.map(|link| (url.clone(), link));
            }
            (Format::LinkHeader, Position::Link(url)) => shape.link = Some((url.clone(), Link::Whole)),
            (Format::Dynamic { .. }, Position::Values { values, url, .. }) => {
                shape.link = url.clone().map(|url| (url, Link::Whole));
                shape.take(pagination, values)?;
            }
            _ => {}
        }
        Ok(shape)
    }

    /// The headers of the present page. One whose placeholders have no value yet is left out of the first page's request.
    fn headers(&self, pagination: &Pagination, scope: &Scope) -> Result<Vec<(String, String)>, Failure> {
        let mut headers = Vec::new();
        for header in &pagination.headers {
            let Some(value) = &header.value else { continue };
            match value.render(scope) {
                Ok(text) => headers.push((header.name.clone(), check_header(&header.name, text)?)),
                Err(error) if error.kind == ExprKind::Unresolved && self.pages == 0 => {}
                Err(error) => {
                    return Err(expression_failure(&format!("the pagination's header `{}`", header.name), &error));
                }
            }
        }
        Ok(headers)
    }
}

impl<'a> Shape<'a> {
    /// Where the page is asked for, if not where the request says.
    pub(in crate::actions) const fn target(&self) -> Option<&'a Target> {
        self.target
    }

    /// Whether the page is asked for without the request's body.
    pub(in crate::actions) const fn drops_body(&self) -> bool {
        self.drops_body
    }

    /// Changes a rendered URL.
    ///
    /// # Errors
    /// When it becomes longer than URLs may be.
    pub(in crate::actions) fn url(&self, url: &mut String) -> Result<(), Failure> {
        match &self.link {
            Some((link, Link::Whole)) => url.clone_from(link),
            Some((link, Link::Query)) => {
                url.truncate(url.find('?').unwrap_or(url.len()));
                if let Some(at) = link.find('?') {
                    url.push_str(&link[at..]);
                }
            }
            None => {}
        }
        // A link has what it needs; only values are laid over it, and those come without one.
        if self.link.is_none() {
            self.query.iter().for_each(|(name, change)| change_query(url, name, change));
        }
        check_text(url)
    }

    /// Sets the page's headers over those of the request.
    pub(in crate::actions) fn headers(&self, headers: &mut Vec<(String, String)>) {
        for (name, value) in &self.headers {
            headers.retain(|(known, _)| known != name);
            headers.push((name.clone(), value.clone()));
        }
    }

    /// Changes a body's value, before it is written; makes one where the page's values go into it and there is none.
    ///
    /// # Errors
    /// When it is no object, so that nothing can be added to it.
    pub(in crate::actions) fn body(&self, body: &mut Option<Value>) -> Result<(), Failure> {
        if self.drops_body {
            *body = None;
        }
        if body.is_none() && self.body.iter().all(|(_, change)| matches!(change, Change::Remove)) {
            return Ok(());
        }
        for (path, change) in &self.body {
            let Value::Object(members) = body.get_or_insert_with(|| Value::Object(Map::new())) else {
                let message = "pagination adds its values to the body, which has to be an object for that";
                return Err(Failure::permanent(ReasonCode::ExpressionError, message));
            };
            change_member(members, path, change);
        }
        Ok(())
    }

    fn add(&mut self, pagination: &Pagination, key: &str, change: Change) {
        if pagination.place.in_body() {
            self.body.push((key.to_owned(), change.clone()));
        }
        if pagination.place.in_query() {
            self.query.push((key.to_owned(), change));
        }
    }

    /// Takes the values of the `dynamic` format: parts of a request, or parameters.
    fn take(&mut self, pagination: &Pagination, values: &Map<String, Value>) -> Result<(), Failure> {
        let change = |value: &Value| if value.is_null() { Change::Remove } else { Change::Set(value.clone()) };
        if !dynamic::are_parts(values) {
            values.iter().for_each(|(name, value)| self.add(pagination, name, change(value)));
            return Ok(());
        }
        let part = |name: &str| values.get(name).and_then(Value::as_object).into_iter().flatten();
        self.query.extend(part("query").map(|(name, value)| (name.clone(), change(value))));
        self.body.extend(part("body").map(|(name, value)| (name.clone(), change(value))));
        for (name, value) in part("headers") {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let name = crate::definitions::header_name(name).map_err(|why| {
                Failure::permanent(ReasonCode::ExpressionError, format!("the pagination's header {why}"))
            })?;
            let text = check_header(&name, text)?;
            self.headers.push((name, text));
        }
        Ok(())
    }
}

/// Changes the parameter `name` of a URL's query, in its place if it has one.
fn change_query(url: &mut String, name: &str, change: &Change) {
    let (place, query) = url.split_once('?').unwrap_or((url, ""));
    let mut pairs: Vec<String> = query.split('&').filter(|pair| !pair.is_empty()).map(str::to_owned).collect();
    let old = pairs.iter().position(|pair| is_named(pair, name));
    let new = match change {
        Change::Default(_) if old.is_some() => return,
        Change::Set(value) | Change::Default(value) => value,
        Change::Remove => &Value::Null,
    };
    pairs.retain(|pair| !is_named(pair, name));
    let mut added = Vec::new();
    push_pairs(&mut added, &encode(name), new, QueryArrayFormat::Repeat);
    let at = old.unwrap_or(pairs.len()).min(pairs.len());
    pairs.splice(at..at, added);
    let place = place.to_owned();
    *url = if pairs.is_empty() { place } else { format!("{place}?{}", pairs.join("&")) };
}

fn is_named(pair: &str, name: &str) -> bool {
    let written = pair.split('=').next().unwrap_or_default().replace('+', " ");
    percent_encoding::percent_decode_str(&written).decode_utf8().is_ok_and(|written| written == name)
}

/// Changes the member at a dotted path, with objects made on the way to what is set.
fn change_member(members: &mut Map<String, Value>, path: &str, change: &Change) {
    let Some((head, rest)) = path.split_once('.') else {
        match change {
            Change::Set(value) => {
                members.insert(path.to_owned(), value.clone());
            }
            Change::Default(value) => {
                members.entry(path).or_insert_with(|| value.clone());
            }
            Change::Remove => {
                members.shift_remove(path);
            }
        }
        return;
    };
    if matches!(change, Change::Remove) && !members.contains_key(head) {
        return;
    }
    let inner = members.entry(head).or_insert_with(|| Value::Object(Map::new()));
    if !inner.is_object() {
        *inner = Value::Object(Map::new());
    }
    if let Value::Object(inner) = inner {
        change_member(inner, rest, change);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_parameter_is_changed_in_its_place_or_added() {
        for (url, name, change, expected) in [
            ("https://a.test/u", "page", Change::Set(json!(2)), "https://a.test/u?page=2"),
            ("https://a.test/u?a=1&page=1&b=2", "page", Change::Set(json!(2)), "https://a.test/u?a=1&page=2&b=2"),
            ("https://a.test/u?page=1&page=9", "page", Change::Set(json!(2)), "https://a.test/u?page=2"),
            ("https://a.test/u?limit=5", "limit", Change::Default(json!(100)), "https://a.test/u?limit=5"),
            ("https://a.test/u?x=5", "limit", Change::Default(json!(100)), "https://a.test/u?x=5&limit=100"),
            ("https://a.test/u?limit=5", "limit", Change::Remove, "https://a.test/u"),
            (
                "https://a.test/u?page%5Bsize%5D=5",
                "page[size]",
                Change::Set(json!(6)),
                "https://a.test/u?page%5Bsize%5D=6",
            ),
            ("https://a.test/u?page[size]=5", "page[size]", Change::Remove, "https://a.test/u"),
            ("https://a.test/u", "c", Change::Set(json!("a&b=c #")), "https://a.test/u?c=a%26b%3Dc%20%23"),
        ] {
            let mut changed = url.to_owned();
            change_query(&mut changed, name, &change);
            assert_eq!(changed, expected, "{url} {name}");
        }
    }

    #[test]
    fn a_body_is_changed_at_dotted_paths() {
        for (body, path, change, expected) in [
            (json!({}), "a", Change::Set(json!(1)), json!({ "a": 1 })),
            (json!({ "v": { "x": 1 } }), "v.after", Change::Set(json!("c")), json!({ "v": { "x": 1, "after": "c" } })),
            (json!({ "v": 1 }), "v.after", Change::Set(json!("c")), json!({ "v": { "after": "c" } })),
            (json!({ "n": 5 }), "n", Change::Default(json!(9)), json!({ "n": 5 })),
            (json!({}), "p.n", Change::Default(json!(9)), json!({ "p": { "n": 9 } })),
            (json!({ "p": { "n": 9 } }), "p.n", Change::Remove, json!({ "p": {} })),
            (json!({}), "p.n", Change::Remove, json!({})),
        ] {
            let Value::Object(mut members) = body.clone() else { panic!("{body}") };
            change_member(&mut members, path, &change);
            assert_eq!(Value::Object(members), expected, "{body} {path}");
        }
    }
}
