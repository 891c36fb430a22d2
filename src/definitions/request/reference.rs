//! Steps that refer to a resource's method, and what they bring for its templates.

use serde_json::Value;

use super::fields;
use crate::definitions::error::CompileError;
use crate::definitions::node::Node;
use crate::definitions::request_plan::{Inputs, Taken};
use crate::definitions::target;

/// Why a unified model is no target.
pub(super) const UNIFIED: &str = "a `unified` request needs the mappings of a unified model, and this worker has none: \
    refer to a resource of the integration with `proxy`, or write the request itself";

/// The method that `config` refers to, if it refers to one.
pub(super) fn find<'a>(config: &Node<'a>, integration: &Node<'a>) -> Result<Option<Node<'a>>, CompileError> {
    if let Some(kind) = config.get("type") {
        match kind.text()? {
            "proxy" if config.get("resource").is_some() => {}
            "proxy" => return Err(config.refuse("`resource` is missing: `proxy` refers to one of the integration's")),
            "unified" => return Err(kind.refuse(UNIFIED)),
            other => return Err(kind.refuse(format!("`{other}` is not a kind of request; known is: proxy"))),
        }
    }
    let Some(resource) = config.get("resource") else { return Ok(None) };
    let name = config.require("method")?;
    let resources = integration.get("resources");
    let methods = entry(resources.as_ref(), &resource, "resource")?;
    entry(Some(&methods), &name, "method").map(Some)
}

fn entry<'a>(of: Option<&Node<'a>>, name: &Node<'_>, what: &str) -> Result<Node<'a>, CompileError> {
    let key = name.text()?;
    if let Some(found) = of.and_then(|of| of.get(key)) {
        found.object()?;
        return Ok(found);
    }
    let known: Vec<&str> =
        of.and_then(|of| of.value.as_object()).into_iter().flat_map(|of| of.keys().map(String::as_str)).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Err(name.refuse(format!("there is no {what} `{key}` here; known are: {known}")))
}

/// What `config` brings for `method`.
pub(super) fn inputs(config: &Node<'_>, method: &Node<'_>) -> Result<Inputs, CompileError> {
    let mut query_taken = Taken::default();
    for key in ["path", "base_url", "headers", "query", "body"] {
        note_reads(method.value.get(key).unwrap_or(&Value::Null), "query", &mut query_taken);
    }
    let mut body_taken = Taken::default();
    note_reads(method.value.get("body").unwrap_or(&Value::Null), "body", &mut body_taken);
    let complete = |key: &str| config.get(key).map(|node| fields::parameter(key, &node)).transpose();
    let own = std::slice::from_ref(config);
    Ok(Inputs {
        id: complete("id")?,
        query: fields::query(own)?,
        query_taken,
        headers: fields::headers(own)?,
        body: complete("body")?,
        body_taken,
    })
}

/// Notes which members of the root `root` the templates in `value` read.
fn note_reads(value: &Value, root: &str, taken: &mut Taken) {
    match value {
        Value::String(text) => {
            for placeholder in target::placeholder_texts(text) {
                note_reads_of(&placeholder, root, taken);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| note_reads(item, root, taken)),
        Value::Object(members) => members.values().for_each(|member| note_reads(member, root, taken)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn note_reads_of(placeholder: &str, root: &str, taken: &mut Taken) {
    let in_name = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    for (at, _) in placeholder.match_indices(root) {
        let (before, after) = (&placeholder[..at], &placeholder[at + root.len()..]);
        if before.ends_with(|c: char| in_name(c) || c == '.') || after.starts_with(in_name) {
            continue;
        }
        match after.strip_prefix('.') {
            Some(path) => {
                let end = path.find(|c| !in_name(c)).unwrap_or(path.len());
                taken.members.push(path[..end].to_owned());
            }
            None => taken.all = true,
        }
    }
}
