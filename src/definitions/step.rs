//! What a step has beside its kind: whom it depends on, how long it may take, how a lost answer is looked into.

use std::time::Duration;

use serde_json::Value;

use super::error::CompileError;
use super::node::Node;
use super::plan::{OnUnknown, Probe, Step, StepKind};
use super::request;

/// The most that `timeout_ms` may say: what is longer outlasts every phase.
const MAX_TIMEOUT_MS: u64 = 600_000;

/// The steps that `node` depends on, by index. Array order is the order of performing, so only earlier steps can be
/// depended on, and there are no cycles.
pub(super) fn depends_on(node: &Node<'_>, earlier: &[Step], siblings: &[Node<'_>]) -> Result<Vec<usize>, CompileError> {
    let Some(list) = node.get("depends_on") else { return Ok(Vec::new()) };
    let nodes: Vec<Node<'_>> = if list.value.is_array() { list.items()?.collect() } else { vec![list] };
    let mut found = Vec::with_capacity(nodes.len());
    for node in nodes {
        let index = place(&node, siblings)?;
        if index == earlier.len() {
            return Err(node.refuse("is this step itself"));
        }
        if index > earlier.len() {
            return Err(node.refuse(
                "is a later step: steps are performed in the order in which they stand, so move it before this one",
            ));
        }
        if !found.contains(&index) {
            found.push(index);
        }
    }
    Ok(found)
}

/// The index of the step that `node` names, by its name or by its index.
fn place(node: &Node<'_>, siblings: &[Node<'_>]) -> Result<usize, CompileError> {
    let index = match node.value {
        Value::String(name) => {
            let named = siblings.iter().position(|step| step.value.get("name").and_then(Value::as_str) == Some(name));
            named.or_else(|| name.parse().ok())
        }
        Value::Number(number) => number.as_u64().and_then(|index| usize::try_from(index).ok()),
        _ => return Err(node.refuse("must be a step's name or index")),
    };
    index
        .filter(|index| *index < siblings.len())
        .ok_or_else(|| node.refuse("is neither the name nor the index of a step of this action"))
}

/// How long one request of the step may take.
pub(super) fn timeout(node: &Node<'_>, kind: &StepKind) -> Result<Option<Duration>, CompileError> {
    let Some(timeout) = node.get("timeout_ms") else { return Ok(None) };
    if !matches!(kind, StepKind::Request(_)) {
        return Err(
            timeout.refuse(format!("only a request takes time with the provider, and this is a {}", kind.word()))
        );
    }
    match timeout.value.as_u64() {
        Some(ms @ 1..=MAX_TIMEOUT_MS) => Ok(Some(Duration::from_millis(ms))),
        _ => Err(timeout.refuse(format!("must be a whole number of milliseconds from 1 to {MAX_TIMEOUT_MS}"))),
    }
}

/// The read that looks into a lost answer: there exactly where `on_unknown` asks for it.
pub(super) fn probe(
    node: &Node<'_>,
    integration: &Node<'_>,
    kind: &StepKind,
    on_unknown: OnUnknown,
) -> Result<Option<Box<Probe>>, CompileError> {
    let probe = match (on_unknown, node.get("probe")) {
        (OnUnknown::Probe, Some(probe)) => probe,
        (OnUnknown::Probe, None) => {
            return Err(node.refuse("`probe` is missing: `{\"request\": …, \"expression\": …}`"));
        }
        (_, Some(probe)) => return Err(probe.refuse("has no effect without `\"on_unknown\": \"probe\"`")),
        (_, None) => return Ok(None),
    };
    if !matches!(kind, StepKind::Request(_)) {
        return Err(probe.refuse("only a request's answer can be lost: remove it"));
    }
    probe.only(&["request", "expression"])?;
    let config = probe.require("request")?;
    let mut request = request::compile(&config, integration)?;
    request.pagination.take_if(|pagination| !pagination.mentioned);
    if !request.method.reads() {
        return Err(config.refuse("must be a GET or HEAD request: a probe changes nothing"));
    }
    Ok(Some(Box::new(Probe { request, expression: probe.require("expression")?.expression()? })))
}
