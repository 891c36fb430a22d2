//! The layers of a request's config: the integration, the resource's method, the step.

use crate::definitions::error::CompileError;
use crate::definitions::node::Node;

/// The layers, the lowest first.
pub(super) struct Layers<'a> {
    nodes: Vec<Node<'a>>,
    /// How many of them are what the step refers to, and not its own.
    shared: usize,
}

impl<'a> Layers<'a> {
    pub(super) fn new(integration: &Node<'a>, method: Option<&Node<'a>>, step: &Node<'a>) -> Self {
        let nodes: Vec<Node<'a>> = [Some(integration), method, Some(step)].into_iter().flatten().cloned().collect();
        // Without a reference the step's own fields are the request's; with one they are laid over it when it is rendered.
        let shared = if method.is_some() { 2 } else { nodes.len() };
        Self { nodes, shared }
    }

    /// The layers whose headers, query and body make the request.
    pub(super) fn shared(&self) -> &[Node<'a>] {
        &self.nodes[..self.shared]
    }

    /// All layers.
    pub(super) fn all(&self) -> &[Node<'a>] {
        &self.nodes
    }

    /// A member of the uppermost layer that has it. An explicit null switches off what is below.
    pub(super) fn get(&self, key: &str) -> Option<Node<'a>> {
        uppermost(&self.nodes, key)
    }

    /// The same of the method and the step alone: what an integration cannot say for all its requests.
    pub(super) fn own(&self, key: &str) -> Option<Node<'a>> {
        uppermost(&self.nodes[1..], key)
    }

    /// Whether the method or the step itself says something of the header `name` (lower case).
    pub(super) fn names_own_header(&self, name: &str) -> bool {
        let headers = self.nodes[1..].iter().filter_map(|node| node.value.get("headers")?.as_object());
        headers.flat_map(|headers| headers.keys()).any(|known| known.eq_ignore_ascii_case(name))
    }

    /// A yes or no of the method or the step.
    pub(super) fn flag(&self, key: &str) -> Result<bool, CompileError> {
        self.own(key).map(|flag| flag.flag()).transpose().map(Option::unwrap_or_default)
    }
}

fn uppermost<'a>(nodes: &[Node<'a>], key: &str) -> Option<Node<'a>> {
    nodes.iter().rev().find(|node| node.value.get(key).is_some()).and_then(|node| node.get(key))
}
