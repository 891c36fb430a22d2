//! HTML as a tree: the parser's tree builder writes it into one list of nodes.
//!
//! The parser does what browsers do with any input, which for hostile input takes quadratic time and memory. So it is fed in
//! pieces, and stopped when there are too many nodes, too deep, or when one tag goes on and on.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

use html5ever::interface::{ElementFlags, NodeOrText, QuirksMode, TreeSink};
use html5ever::tendril::{StrTendril, TendrilSink};
use html5ever::{Attribute, ExpandedName, ParseOpts, QualName, local_name, ns, parse_document};

use super::super::js::Fault;

const MAX_NODES: usize = 100_000;
const MAX_DEPTH: u32 = 100;
/// Signs that may separate attributes, in one tag.
const MAX_SEPARATORS: usize = 30_000;
/// Bytes that the parser gets at a time.
const PIECE: usize = 1024;

/// A node; the first one is the document.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) parent: Option<usize>,
    pub(super) children: Vec<usize>,
    depth: u32,
}

#[derive(Debug, Default)]
pub(super) enum Kind {
    /// The document, and what is written nowhere.
    #[default]
    Other,
    Text(String),
    /// Its name in small letters, and its attributes.
    Element(String, Vec<(String, String)>),
}

/// The nodes of a document.
pub(super) struct Document(pub(super) Vec<Node>);

impl Document {
    /// The name of an element; empty for everything else.
    pub(super) fn name(&self, id: usize) -> &str {
        match &self.0[id].kind {
            Kind::Element(name, _) => name,
            _ => "",
        }
    }

    pub(super) fn parent_name(&self, id: usize) -> &str {
        self.0[id].parent.map_or("", |parent| self.name(parent))
    }

    pub(super) fn attribute(&self, id: usize, name: &str) -> Option<&str> {
        match &self.0[id].kind {
            Kind::Element(_, attributes) => {
                attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
            }
            _ => None,
        }
    }

    /// All text inside of a node.
    pub(super) fn text(&self, id: usize) -> String {
        let mut out = String::new();
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            if let Kind::Text(text) = &self.0[id].kind {
                out.push_str(text);
            }
            open.extend(self.0[id].children.iter().rev());
        }
        out
    }
}

/// Reads a document.
pub(super) fn parse(source: &str) -> Result<Document, Fault> {
    let mut parser = parse_document(Builder::default(), ParseOpts::default());
    let (mut rest, mut separators, mut events) = (source, 0, 0);
    while !rest.is_empty() {
        let mut end = rest.len().min(PIECE);
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        let (piece, after) = rest.split_at(end);
        rest = after;
        parser.process(StrTendril::from_slice(piece));
        let builder = &parser.tokenizer.sink.sink;
        // Nothing came out: the tag that was begun is not at its end.
        let count = piece.bytes().filter(|byte| matches!(byte, b' ' | b'\n' | b'\t' | b'/' | b'"' | b'\'')).count();
        separators = if builder.events.get() == events { separators + count } else { count };
        events = builder.events.get();
        if builder.is_full() || separators > MAX_SEPARATORS {
            return Err("html_too_large");
        }
    }
    let nodes = parser.finish();
    let document = Document(nodes);
    if is_too_deep(&document) { Err("html_too_large") } else { Ok(document) }
}

/// Moved nodes are not counted anew while parsing.
fn is_too_deep(document: &Document) -> bool {
    let mut open = vec![(0, 0)];
    while let Some((id, depth)) = open.pop() {
        if depth > MAX_DEPTH {
            return true;
        }
        open.extend(document.0[id].children.iter().map(|child| (*child, depth + 1)));
    }
    false
}

/// A node, and its name as the parser wants to see it.
#[derive(Clone)]
struct Handle(usize, Rc<QualName>);

struct Builder {
    nodes: RefCell<Vec<Node>>,
    nameless: Rc<QualName>,
    deepest: Cell<u32>,
    events: Cell<usize>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            nodes: RefCell::new(vec![Node::default()]),
            nameless: Rc::new(QualName::new(None, ns!(), local_name!(""))),
            deepest: Cell::new(0),
            events: Cell::new(0),
        }
    }
}

impl Builder {
    fn is_full(&self) -> bool {
        self.nodes.borrow().len() > MAX_NODES || self.deepest.get() > MAX_DEPTH
    }

    fn event(&self) {
        self.events.set(self.events.get() + 1);
    }

    fn create(&self, kind: Kind) -> usize {
        self.event();
        let mut nodes = self.nodes.borrow_mut();
        nodes.push(Node { kind, ..Node::default() });
        nodes.len() - 1
    }

    /// Puts a node or text before the child at `place`, which is the end without one.
    fn insert(&self, parent: usize, place: Option<usize>, child: NodeOrText<Handle>) {
        self.event();
        let place = place.unwrap_or_else(|| self.nodes.borrow()[parent].children.len());
        let id = match child {
            NodeOrText::AppendNode(Handle(id, _)) => {
                self.detach(id);
                id
            }
            NodeOrText::AppendText(text) => {
                let mut nodes = self.nodes.borrow_mut();
                let before = place.checked_sub(1).map(|place| nodes[parent].children[place]);
                if let Some(Kind::Text(known)) = before.map(|before| &mut nodes[before].kind) {
                    known.push_str(&text);
                    return;
                }
                drop(nodes);
                self.create(Kind::Text(text.to_string()))
            }
        };
        let mut nodes = self.nodes.borrow_mut();
        let depth = nodes[parent].depth + 1;
        self.deepest.set(self.deepest.get().max(depth));
        nodes[id].depth = depth;
        nodes[id].parent = Some(parent);
        let place = place.min(nodes[parent].children.len());
        nodes[parent].children.insert(place, id);
    }

    /// Where a node stands among its parent's children.
    fn place(&self, id: usize) -> Option<(usize, usize)> {
        let nodes = self.nodes.borrow();
        let parent = nodes[id].parent?;
        let place = nodes[parent].children.iter().rposition(|child| *child == id)?;
        Some((parent, place))
    }

    fn detach(&self, id: usize) {
        if let Some((parent, place)) = self.place(id) {
            let mut nodes = self.nodes.borrow_mut();
            nodes[parent].children.remove(place);
            nodes[id].parent = None;
        }
    }
}

fn attributes(attributes: Vec<Attribute>) -> impl Iterator<Item = (String, String)> {
    attributes.into_iter().map(|attribute| (attribute.name.local.to_string(), attribute.value.to_string()))
}

impl TreeSink for Builder {
    type Handle = Handle;
    type Output = Vec<Node>;
    type ElemName<'a> = ExpandedName<'a>;

    fn finish(self) -> Vec<Node> {
        self.nodes.into_inner()
    }

    fn parse_error(&self, _: Cow<'static, str>) {}

    fn get_document(&self) -> Handle {
        Handle(0, self.nameless.clone())
    }

    fn elem_name<'a>(&'a self, target: &'a Handle) -> ExpandedName<'a> {
        target.1.expanded()
    }

    fn create_element(&self, name: QualName, given: Vec<Attribute>, _: ElementFlags) -> Handle {
        let kind = Kind::Element(name.local.to_ascii_lowercase().to_string(), attributes(given).collect());
        Handle(self.create(kind), Rc::new(name))
    }

    fn create_comment(&self, _: StrTendril) -> Handle {
        Handle(self.create(Kind::Other), self.nameless.clone())
    }

    fn create_pi(&self, _: StrTendril, _: StrTendril) -> Handle {
        Handle(self.create(Kind::Other), self.nameless.clone())
    }

    fn append(&self, parent: &Handle, child: NodeOrText<Handle>) {
        self.insert(parent.0, None, child);
    }

    fn append_based_on_parent_node(&self, element: &Handle, previous: &Handle, child: NodeOrText<Handle>) {
        match self.place(element.0) {
            Some((parent, place)) => self.insert(parent, Some(place), child),
            None => self.insert(previous.0, None, child),
        }
    }

    fn append_doctype_to_document(&self, _: StrTendril, _: StrTendril, _: StrTendril) {
        self.event();
    }

    fn pop(&self, _: &Handle) {
        self.event();
    }

    /// What is in a template is written nowhere.
    fn get_template_contents(&self, _: &Handle) -> Handle {
        Handle(self.create(Kind::Other), self.nameless.clone())
    }

    fn same_node(&self, one: &Handle, other: &Handle) -> bool {
        one.0 == other.0
    }

    fn set_quirks_mode(&self, _: QuirksMode) {}

    fn append_before_sibling(&self, sibling: &Handle, child: NodeOrText<Handle>) {
        if let NodeOrText::AppendNode(Handle(id, _)) = &child {
            self.detach(*id);
        }
        if let Some((parent, place)) = self.place(sibling.0) {
            self.insert(parent, Some(place), child);
        }
    }

    fn add_attrs_if_missing(&self, target: &Handle, given: Vec<Attribute>) {
        if let Kind::Element(_, known) = &mut self.nodes.borrow_mut()[target.0].kind {
            for (name, value) in attributes(given) {
                if !known.iter().any(|(known, _)| *known == name) {
                    known.push((name, value));
                }
            }
        }
    }

    fn remove_from_parent(&self, target: &Handle) {
        self.detach(target.0);
    }

    fn reparent_children(&self, node: &Handle, new_parent: &Handle) {
        let mut nodes = self.nodes.borrow_mut();
        let children = std::mem::take(&mut nodes[node.0].children);
        for child in &children {
            nodes[*child].parent = Some(new_parent.0);
        }
        nodes[new_parent.0].children.extend(children);
    }
}
