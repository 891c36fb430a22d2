//! Headers and queries of several layers.

use std::collections::HashMap;

use serde_json::Value;

use crate::definitions::error::CompileError;
use crate::definitions::node::Node;
use crate::definitions::request_plan::{Header, Parameter};
use crate::definitions::target;
use crate::expression::Encoding;
use crate::upstream::is_reserved_header;

/// The headers of `layers`, later ones on top. What one of them removes stays removed.
pub(super) fn headers(layers: &[Node<'_>]) -> Result<Vec<Header>, CompileError> {
    let mut headers: Vec<Header> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for layer in layers.iter().filter_map(|layer| layer.get("headers")) {
        let below = headers.len();
        for (name, node) in layer.entries()? {
            let name = header_name(name).map_err(|why| node.refuse(why))?;
            let value = if node.value.is_null() { None } else { Some(node.complete(Encoding::None)?) };
            match places.get(&name).copied() {
                Some(at) if at < below && headers[at].value.is_none() => {}
                Some(at) => headers[at].value = value,
                None => {
                    places.insert(name.clone(), headers.len());
                    headers.push(Header { name, value });
                }
            }
        }
    }
    Ok(headers)
}

/// The lower-case form of a name that a definition may set.
pub(crate) fn header_name(name: &str) -> Result<String, String> {
    let lower = name.to_ascii_lowercase();
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if lower.is_empty() || lower.len() > 128 || !lower.bytes().all(token) {
        return Err("is not a header name".to_owned());
    }
    if is_reserved_header(&lower) {
        return Err(format!("`{name}` belongs to the connection and cannot be set by a definition: remove it"));
    }
    Ok(lower)
}

/// Names of headers that no request goes without: a list, or the names of an object.
pub(super) fn required_headers(node: Option<&Node<'_>>) -> Result<Vec<String>, CompileError> {
    let Some(node) = node else { return Ok(Vec::new()) };
    let names: Vec<(&str, Node<'_>)> = match node.value {
        Value::Object(_) => node.entries()?.collect(),
        _ => node.items()?.map(|name| Ok((name.text()?, name))).collect::<Result<_, CompileError>>()?,
    };
    names.into_iter().map(|(name, place)| header_name(name).map_err(|why| place.refuse(why))).collect()
}

/// The queries of `layers`, later ones on top.
pub(super) fn query(layers: &[Node<'_>]) -> Result<Vec<Parameter>, CompileError> {
    let mut query: Vec<Parameter> = Vec::new();
    for layer in layers.iter().filter_map(|layer| layer.get("query")) {
        let replaced = layer.object()?;
        query.retain(|parameter| !replaced.contains_key(&parameter.name));
        for (name, node) in layer.entries()? {
            if !node.value.is_null() {
                query.push(parameter(name, &node)?);
            }
        }
    }
    Ok(query)
}

/// A value that has to come out complete, whatever its shape.
pub(super) fn parameter(name: &str, node: &Node<'_>) -> Result<Parameter, CompileError> {
    let mut placeholders = Vec::new();
    collect_placeholders(node.value, &mut placeholders);
    Ok(Parameter { name: name.to_owned(), value: node.data()?, placeholders })
}

fn collect_placeholders(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.extend(target::placeholder_texts(text)),
        Value::Array(items) => items.iter().for_each(|item| collect_placeholders(item, found)),
        Value::Object(members) => members.values().for_each(|member| collect_placeholders(member, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
