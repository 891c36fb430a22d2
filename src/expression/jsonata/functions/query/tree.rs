//! What a query string has become so far: objects, lists with holes, and lists that grew too long and became objects.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::super::js::{self, Fault};

/// A value in the making.
#[derive(Debug, Clone)]
pub(super) enum Node {
    /// A text, null, or whatever was given instead of a query string.
    Leaf(Value),
    /// A list; what is between its items is missing.
    List(List),
    /// An object.
    Object(Fields),
}

/// Items by index, and the length.
#[derive(Debug, Clone, Default)]
pub(super) struct List {
    items: BTreeMap<usize, Node>,
    length: usize,
}

/// Members by name in the order they came, and the last index if this is a list that grew too long.
#[derive(Debug, Clone, Default)]
pub(super) struct Fields {
    members: HashMap<String, (usize, Node)>,
    last_index: Option<usize>,
}

/// How values of one name are put together.
#[derive(Clone, Copy)]
pub(super) struct Merging {
    pub(super) array_limit: usize,
    pub(super) is_strict: bool,
    pub(super) allow_prototypes: bool,
}

impl List {
    pub(super) fn at(index: usize, node: Node) -> Self {
        Self { items: BTreeMap::from([(index, node)]), length: index + 1 }
    }

    pub(super) fn push(&mut self, node: Node) {
        self.items.insert(self.length, node);
        self.length += 1;
    }

    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// Appends what `concat` would: the items of a list, or the value.
    fn concat(&mut self, node: Node) {
        match node {
            Node::List(other) => {
                let start = self.length;
                self.items.extend(other.items.into_iter().map(|(index, item)| (start + index, item)));
                self.length += other.length;
            }
            node => self.push(node),
        }
    }

    fn into_fields(self) -> Fields {
        let mut fields = Fields::default();
        self.items.into_iter().for_each(|(index, item)| fields.set(index.to_string(), item));
        fields
    }

    /// The list, or an object once it is longer than allowed.
    fn limited(self, limit: usize) -> Node {
        if self.length <= limit {
            return Node::List(self);
        }
        let last_index = Some(self.length - 1);
        Node::Object(Fields { last_index, ..self.into_fields() })
    }
}

impl Fields {
    pub(super) fn one(name: String, node: Node, last_index: Option<usize>) -> Self {
        Self { members: HashMap::from([(name, (0, node))]), last_index }
    }

    pub(super) fn set(&mut self, name: String, node: Node) {
        let order = self.members.len();
        self.members.entry(name).or_insert((order, Node::Leaf(Value::Null))).1 = node;
    }

    fn into_members(self) -> Vec<(String, Node)> {
        let mut members: Vec<_> = self.members.into_iter().collect();
        members.sort_by_key(|(_, (order, _))| *order);
        members.into_iter().map(|(name, (_, node))| (name, node)).collect()
    }

    fn append(&mut self, last: usize, node: Node) {
        self.set((last + 1).to_string(), node);
        self.last_index = Some(last + 1);
    }
}

impl Node {
    /// Takes a value that is already one.
    pub(super) fn of(value: Value) -> Self {
        match value {
            Value::Array(items) => {
                let mut list = List::default();
                for item in items {
                    list.push(Self::of(item));
                }
                Self::List(list)
            }
            Value::Object(fields) => {
                let mut members = Fields::default();
                fields.into_iter().for_each(|(name, value)| members.set(name, Self::of(value)));
                Self::Object(members)
            }
            leaf => Self::Leaf(leaf),
        }
    }

    pub(super) fn is_long_list(&self) -> bool {
        matches!(self, Self::Object(Fields { last_index: Some(_), .. }))
    }

    fn is_truthy(&self) -> bool {
        match self {
            Self::Leaf(value) => js::truthy(Some(value)),
            _ => true,
        }
    }

    /// Two values of one name.
    pub(super) fn combine(self, other: Self, limit: usize) -> Self {
        match self {
            Self::Object(Fields { members, last_index: Some(last) }) => {
                let mut fields = Fields { members, last_index: None };
                fields.append(last, other);
                Self::Object(fields)
            }
            Self::List(mut list) => {
                list.concat(other);
                list.limited(limit)
            }
            first => {
                let mut list = List::default();
                list.push(first);
                list.concat(other);
                list.limited(limit)
            }
        }
    }

    /// Puts `source` into this value.
    pub(super) fn merge(self, source: Self, how: Merging) -> Self {
        if !source.is_truthy() {
            return self;
        }
        match (self, source) {
            (Self::List(mut list), leaf @ Self::Leaf(_)) => {
                let length = list.length;
                list.push(leaf);
                // One item longer than elsewhere, as the package has it.
                if length > how.array_limit { list.limited(how.array_limit) } else { Self::List(list) }
            }
            (Self::Object(fields), Self::Leaf(leaf)) => fields.merge_leaf(leaf, how),
            (Self::Leaf(leaf), Self::Object(Fields { members, last_index: Some(last) })) => {
                let mut fields = Fields::one("0".to_owned(), Self::Leaf(leaf), Some(last + 1));
                for (name, node) in (Fields { members, last_index: None }).into_members() {
                    fields.set(js::index(&name).map_or(name, |index| (index + 1).to_string()), node);
                }
                Self::Object(fields)
            }
            (leaf @ Self::Leaf(_), source @ Self::Leaf(_)) => {
                let mut list = List::default();
                list.push(leaf);
                list.push(source);
                Self::List(list)
            }
            (leaf @ Self::Leaf(_), source) => {
                let mut list = List::default();
                list.push(leaf);
                list.concat(source);
                list.limited(how.array_limit)
            }
            (Self::List(mut list), Self::List(source)) => {
                for (index, item) in source.items {
                    match list.items.remove(&index) {
                        None => {
                            list.items.insert(index, item);
                            list.length = list.length.max(index + 1);
                        }
                        Some(old) if matches!((&old, &item), (Self::Leaf(_), _) | (_, Self::Leaf(_))) => {
                            list.items.insert(index, old);
                            list.push(item);
                        }
                        Some(old) => _ = list.items.insert(index, old.merge(item, how)),
                    }
                }
                Self::List(list)
            }
            (Self::List(list), Self::Object(source)) => Self::Object(list.into_fields().merge_fields(source, how)),
            (Self::Object(fields), Self::List(source)) => Self::Object(fields.merge_fields(source.into_fields(), how)),
            (Self::Object(fields), Self::Object(source)) => Self::Object(fields.merge_fields(source, how)),
        }
    }

    /// The value as JSON. Holes are closed, or null if `sparse`; `left` is what they may cost.
    pub(super) fn into_value(self, sparse: bool, left: &mut usize) -> Result<Value, Fault> {
        match self {
            Self::Leaf(value) => Ok(value),
            Self::List(list) if sparse => {
                js::spend(left, list.length)?;
                let mut items = vec![Value::Null; list.length];
                for (index, item) in list.items {
                    items[index] = item.into_value(sparse, left)?;
                }
                Ok(Value::Array(items))
            }
            Self::List(list) => list.items.into_values().map(|item| item.into_value(sparse, left)).collect(),
            Self::Object(fields) => {
                let members = fields.into_members().into_iter();
                let members = members.map(|(name, node)| Ok((name, node.into_value(sparse, left)?)));
                members.collect::<Result<_, Fault>>().map(js::ordered)
            }
        }
    }
}

impl Fields {
    fn merge_leaf(mut self, leaf: Value, how: Merging) -> Node {
        if let Some(last) = self.last_index {
            self.append(last, Node::Leaf(leaf));
        } else if how.is_strict {
            let mut list = List::default();
            list.push(Node::Object(self));
            list.push(Node::Leaf(leaf));
            return Node::List(list);
        } else {
            let name = js::text(Some(&leaf));
            if how.allow_prototypes || !is_of_every_object(&name) {
                self.set(name, Node::Leaf(Value::Bool(true)));
            }
        }
        Node::Object(self)
    }

    fn merge_fields(mut self, source: Self, how: Merging) -> Self {
        let last_of_source = source.last_index;
        for (name, node) in source.into_members() {
            let merged = match self.members.remove(&name) {
                Some((order, old)) => (order, old.merge(node, how)),
                None => (self.members.len(), node),
            };
            self.last_index = self.last_index.or(last_of_source);
            if let (Some(last), Some(index)) = (self.last_index, js::index(&name)) {
                self.last_index = Some(last.max(index));
            }
            self.members.insert(name, merged);
        }
        self
    }
}

/// Names that every object of JavaScript has, and that a query string may not set.
pub(super) fn is_of_every_object(name: &str) -> bool {
    matches!(
        name,
        "constructor"
            | "hasOwnProperty"
            | "isPrototypeOf"
            | "propertyIsEnumerable"
            | "toLocaleString"
            | "toString"
            | "valueOf"
            | "__proto__"
            | "__defineGetter__"
            | "__defineSetter__"
            | "__lookupGetter__"
            | "__lookupSetter__"
    )
}
