//! Reading a `pagination`, with what only it refuses.

use serde_json::Value;

use super::{Compared, Cursor, DEFAULT_LIMIT, Format, Limit, Link, MAX_PAGES, Pagination, Place};
use crate::definitions::error::CompileError;
use crate::definitions::node::{Node, join};
use crate::definitions::plan::{OnUnknown, StepKind};
use crate::definitions::request::header_name;
use crate::definitions::request_plan::{Header, Target};
use crate::expression::Encoding;

/// Members of every format's `config`.
const COMMON: [&str; 12] = [
    "limit_key",
    "limit_param",
    "limit",
    "max_limit",
    "limit_data_type",
    "ignore_limit_in_pagination",
    "has_next_path",
    "headers",
    "add_to_body",
    "add_to_query",
    "use_content_hash",
    "max_pages",
];

const PAGE: [&str; 3] = ["page_key", "page_param", "start_page"];
const OFFSET: [&str; 2] = ["offset_key", "offset_param"];
const CURSOR: [&str; 9] = [
    "cursor_path",
    "cursor_path_object",
    "prev_cursor_path",
    "cursor_key",
    "cursor_param",
    "is_link",
    "include_path",
    "is_cursor_url_encoded",
    "allow_empty_page_cursor",
];
const RANGE: [&str; 1] = ["range_unit"];
const DYNAMIC: [&str; 5] = [
    "get_initial_pagination_values_expression",
    "get_pagination_values_expression",
    "get_cursor_from_response_expression",
    "cursor_key",
    "cursor_param",
];

/// Where a request's templates are.
const TEMPLATES: [&str; 5] = ["base_url", "path", "headers", "query", "body"];

/// The pagination of a request whose config is made of `layers`, the later ones on top; a null takes it away. `target`
/// compiles where later pages are.
pub(in crate::definitions) fn compile(
    layers: &[Node<'_>],
    target: impl FnOnce(&Node<'_>) -> Result<Option<Target>, CompileError>,
) -> Result<Option<Pagination>, CompileError> {
    let top = |key: &str| layers.iter().rev().find(|layer| layer.value.get(key).is_some()).and_then(|on| on.get(key));
    let Some(node) = top("pagination") else { return Ok(None) };
    // What the step has is written here; what is below it came from the model system and may hold more.
    let is_own = layers.last().is_some_and(|step| step.value.get("pagination").is_some());
    if is_own {
        node.only(&["format", "config"])?;
    }
    let empty = Value::Object(serde_json::Map::new());
    let config = node.get("config").unwrap_or_else(|| Node::new(&empty, join(&node.pointer, "config")));
    let mentioned = layers
        .iter()
        .any(|layer| TEMPLATES.iter().filter_map(|key| layer.get(key)).any(|node| names_pagination(node.value)));
    let (metadata, later) = match top("pagination_path") {
        Some(path) if is_place(path.text()?) => (None, target(&path)?),
        Some(path) => (Some(dotted(&path)?), None),
        None => (None, None),
    };
    let in_body = flag(&config, "add_to_body")?;
    let in_query = config.get("add_to_query").map_or(Ok(!in_body), |flag| flag.flag())?;
    let max_pages = number(&config, "max_pages", u64::from(MAX_PAGES))?.map_or(MAX_PAGES, |pages| pages as u32);
    let format = format(&node.require("format")?, &config, mentioned, is_own)?;
    let by_hash = config.get("use_content_hash").map(|flag| flag.flag()).transpose()?;
    let compared = match (by_hash, &format) {
        (Some(true), _) => Compared::All,
        (None, Format::Page { .. } | Format::Offset { .. }) => Compared::Previous,
        _ => Compared::None,
    };
    Ok(Some(Pagination {
        format,
        limit: limit(&config)?,
        max_pages,
        has_next: config.get("has_next_path").map(|path| dotted(&path)).transpose()?,
        headers: headers(&config)?,
        place: match (in_query, in_body) {
            (true, true) => Place::Both,
            (true, false) => Place::Query,
            (false, true) => Place::Body,
            (false, false) => Place::Nowhere,
        },
        compared,
        metadata,
        later,
        drops_body: top("ignore_body_in_pagination").map(|flag| flag.flag()).transpose()?.unwrap_or(false),
        mentioned,
    }))
}

/// Whether a step asks for all pages, by its `paginate`. A pagination that has no say in it is taken out of the plan.
pub(in crate::definitions) fn choose(
    flag: Option<&Node<'_>>,
    kind: &mut StepKind,
    on_unknown: OnUnknown,
) -> Result<bool, CompileError> {
    let paginate = flag.map(Node::flag).transpose()?.unwrap_or(false);
    let StepKind::Request(request) = kind else {
        return match flag.filter(|_| paginate) {
            Some(flag) => Err(flag.refuse("only a `request` has pages")),
            None => Ok(false),
        };
    };
    let has_body = request.method.has_body();
    match (flag.filter(|_| paginate), &request.pagination) {
        (Some(flag), None) => {
            Err(flag.refuse("needs a `pagination`, in the step's `config`, its resource's method or the integration"))
        }
        (Some(flag), Some(pagination)) if pagination.place.in_body() && !has_body => {
            Err(flag.refuse(format!("does not go with `add_to_body`: {} requests carry no body", request.method)))
        }
        (Some(flag), Some(_)) if on_unknown == OnUnknown::Probe => Err(flag.refuse(
            "does not go with `on_unknown: probe`, which tells of one request and not of all pages: use `retry` for a \
             search, or `fail`",
        )),
        (None, Some(pagination)) if !pagination.mentioned => {
            request.pagination = None;
            Ok(false)
        }
        _ => Ok(paginate),
    }
}

fn names_pagination(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains("pagination"),
        Value::Array(items) => items.iter().any(names_pagination),
        Value::Object(members) => members.values().any(names_pagination),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Whether a `pagination_path` is a place to ask, and no path into an answer.
fn is_place(path: &str) -> bool {
    path.starts_with('/') || path.starts_with("{{") || path.contains("://")
}

fn format(word: &Node<'_>, config: &Node<'_>, mentioned: bool, strict: bool) -> Result<Format, CompileError> {
    let known = |own: &[&str]| if strict { config.only(&[own, &COMMON[..]].concat()) } else { Ok(()) };
    // Where the templates place the value themselves, nothing is added under a name that nobody chose.
    let or_default = |key: Option<String>, default: &str| key.or_else(|| (!mentioned).then(|| default.to_owned()));
    match word.text()? {
        "page" => {
            known(&PAGE)?;
            let start = config.get("start_page").map(|start| whole(&start, 0, u64::from(u32::MAX))).transpose()?;
            Ok(Format::Page { key: or_default(key(config, "page")?, "page"), start: start.unwrap_or(1) })
        }
        "offset" => {
            known(&OFFSET)?;
            Ok(Format::Offset { key: or_default(key(config, "offset")?, "offset") })
        }
        "cursor" => {
            known(&CURSOR)?;
            cursor(config, mentioned).map(Format::Cursor)
        }
        "link_header" => {
            known(&[])?;
            Ok(Format::LinkHeader)
        }
        "range" => {
            known(&RANGE)?;
            let unit = config.get("range_unit").map(|unit| range_unit(&unit)).transpose()?;
            Ok(Format::Range { unit: unit.unwrap_or_else(|| "items".to_owned()) })
        }
        "dynamic" => {
            known(&DYNAMIC)?;
            dynamic(config)
        }
        _ => {
            Err(word.refuse("is not a pagination format; known are: page, cursor, link_header, offset, range, dynamic"))
        }
    }
}

fn cursor(config: &Node<'_>, mentioned: bool) -> Result<Cursor, CompileError> {
    let in_headers = match config.get("cursor_path_object") {
        None => false,
        Some(object) => match object.text()? {
            "body" => false,
            "header" | "headers" => true,
            _ => return Err(object.refuse("must be `body` or `header`")),
        },
    };
    let path = dotted(&config.require("cursor_path")?)?;
    let include_path = flag(config, "include_path")?;
    let link = flag(config, "is_link")?.then_some(if include_path { Link::Whole } else { Link::Query });
    if include_path && link.is_none() {
        return Err(config.refuse("`include_path` says what is taken of a link, so it needs `is_link: true`"));
    }
    let key = key(config, "cursor")?;
    if key.is_none() && link.is_none() && !mentioned && config.get("headers").is_none() {
        return Err(config.refuse(
            "does not say where the cursor goes: name the parameter in `cursor_key`, or place `{{pagination.cursor}}` \
             in the request",
        ));
    }
    Ok(Cursor {
        path: if in_headers { path.to_ascii_lowercase() } else { path },
        in_headers,
        prev: config.get("prev_cursor_path").map(|path| dotted(&path)).transpose()?,
        key,
        link,
        encoded: flag(config, "is_cursor_url_encoded")?,
        empty_pages: flag(config, "allow_empty_page_cursor")?,
    })
}

fn dynamic(config: &Node<'_>) -> Result<Format, CompileError> {
    let expression = |name: &str| config.get(name).map(|source| source.expression()).transpose();
    let values = expression("get_pagination_values_expression")?;
    let cursor = expression("get_cursor_from_response_expression")?;
    if values.is_none() && cursor.is_none() {
        return Err(config.refuse(
            "never gets beyond its first page: give `get_pagination_values_expression` or \
             `get_cursor_from_response_expression`",
        ));
    }
    let key = key(config, "cursor")?.unwrap_or_else(|| "cursor".to_owned());
    Ok(Format::Dynamic { initial: expression("get_initial_pagination_values_expression")?, values, cursor, key })
}

fn limit(config: &Node<'_>) -> Result<Limit, CompileError> {
    const MOST: u64 = u32::MAX as u64;
    let (limit, max) = (number(config, "limit", MOST)?, number(config, "max_limit", MOST)?);
    let value = match (limit, max) {
        (Some(limit), Some(max)) => limit.min(max),
        (limit, max) => limit.or(max).unwrap_or(DEFAULT_LIMIT),
    };
    let as_text = match config.get("limit_data_type") {
        None => false,
        Some(word) => match word.text()? {
            "string" | "str" => true,
            "number" | "integer" | "int" => false,
            _ => return Err(word.refuse("must be `number` or `string`")),
        },
    };
    Ok(Limit { key: key(config, "limit")?, value, as_text, first_only: flag(config, "ignore_limit_in_pagination")? })
}

/// `<name>_key`, or `<name>_param` as another page of the model system calls it.
fn key(config: &Node<'_>, name: &str) -> Result<Option<String>, CompileError> {
    let (key, param) = (config.get(&format!("{name}_key")), config.get(&format!("{name}_param")));
    if let (Some(key), Some(param)) = (&key, &param)
        && key.value != param.value
    {
        return Err(
            param.refuse(format!("differs from `{name}_key`, which is the same by another name: keep one of them"))
        );
    }
    let Some(node) = key.or(param) else { return Ok(None) };
    match node.text()? {
        "" => Err(node.refuse("must not be empty")),
        text => Ok(Some(text.to_owned())),
    }
}

fn headers(config: &Node<'_>) -> Result<Vec<Header>, CompileError> {
    let Some(node) = config.get("headers") else { return Ok(Vec::new()) };
    let header = |(name, node): (&str, Node<'_>)| {
        let name = header_name(name).map_err(|why| node.refuse(why))?;
        let value = if node.value.is_null() { None } else { Some(node.complete(Encoding::None)?) };
        Ok(Header { name, value })
    };
    node.entries()?.map(header).collect()
}

fn range_unit(node: &Node<'_>) -> Result<String, CompileError> {
    let unit = node.text()?;
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if unit.is_empty() || !unit.bytes().all(token) {
        return Err(node.refuse("must be a word of letters, digits, `-`, `_` and `.`, such as `items`"));
    }
    Ok(unit.to_owned())
}

fn dotted(node: &Node<'_>) -> Result<String, CompileError> {
    match node.text()?.trim() {
        "" => Err(node.refuse("must not be empty")),
        path => Ok(path.to_owned()),
    }
}

fn flag(config: &Node<'_>, name: &str) -> Result<bool, CompileError> {
    config.get(name).map_or(Ok(false), |flag| flag.flag())
}

/// A count of at least one.
fn number(config: &Node<'_>, name: &str, most: u64) -> Result<Option<u64>, CompileError> {
    config.get(name).map(|node| whole(&node, 1, most)).transpose()
}

fn whole(node: &Node<'_>, least: u64, most: u64) -> Result<u64, CompileError> {
    let within = |number: &u64| (least..=most).contains(number);
    node.value
        .as_u64()
        .filter(within)
        .ok_or_else(|| node.refuse(format!("must be a whole number from {least} to {most}")))
}
