//! How much a definition comes to when it is compiled: what an integration says for all requests is compiled with each.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::error::CompileError;
use super::node::Node;

/// Members that no request is made of.
pub(super) const NO_REQUESTS: [&str; 8] = [
    "credentials",
    "webhook",
    "examples",
    "description",
    "query_schema",
    "body_schema",
    "response_schema",
    "tool_tags",
];

/// Most that all requests together may come to, in bytes: 20 KiB for each of two phases of a hundred steps.
const MAX_LAID_BYTES: usize = 4 * 1024 * 1024;

/// About what a value takes as JSON, in bytes.
pub(super) fn size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
        Value::String(text) => text.len() + 2,
        Value::Array(items) => 2 + items.iter().map(size).sum::<usize>(),
        Value::Object(members) => 2 + members.iter().map(member).sum::<usize>(),
    }
}

fn member((key, value): (&String, &Value)) -> usize {
    key.len() + 4 + size(value)
}

/// What stands under every request.
pub(super) fn shared(config: &Map<String, Value>) -> usize {
    let is_shared = |key: &str| !NO_REQUESTS.contains(&key) && !matches!(key, "actions" | "resources");
    config.iter().filter(|(key, _)| is_shared(key)).map(member).sum()
}

/// The steps of all actions of a config.
fn steps(config: &Value) -> impl Iterator<Item = &Value> {
    let actions = config.get("actions").and_then(Value::as_object).into_iter().flat_map(Map::values);
    actions.flat_map(|action| match action.get("steps") {
        Some(Value::Array(steps)) => steps.as_slice(),
        _ => std::slice::from_ref(action),
    })
}

/// The resource and the method that a request refers to.
pub(super) fn reference(step: &Value) -> Option<(&str, &str)> {
    let config = step.get("config").unwrap_or(step);
    Some((config.get("resource")?.as_str()?, config.get("method")?.as_str()?))
}

/// Refuses a definition whose requests are too much in all.
pub(super) fn check(config: &Node<'_>) -> Result<(), CompileError> {
    let shared = shared(config.object()?);
    let method = |(resource, name): (&str, &str)| {
        config.value.get("resources").and_then(|it| it.get(resource)?.get(name)).map_or(0, size)
    };
    let mut known = HashMap::new();
    let (mut requests, mut laid) = (0, 0);
    for step in steps(config.value).filter(|step| matches!(step["type"].as_str(), Some("request" | "proxy"))) {
        let referred = reference(step).map_or(0, |it| *known.entry(it).or_insert_with(|| method(it)));
        let times = if step.get("probe").is_some() { 2 } else { 1 };
        requests += times;
        laid += times * shared + referred;
    }
    if laid <= MAX_LAID_BYTES {
        return Ok(());
    }
    Err(config.refuse(format!(
        "its {requests} requests come to {} KiB with what the integration and its resources say for each of them; at most \
         {} KiB are allowed: shorten `headers`, `query` and the like, or ask less often",
        laid / 1024,
        MAX_LAID_BYTES / 1024
    )))
}
