//! `parseQuery`.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::super::call::{Outcome, argument};
use super::super::js::{self, Fault};
use super::Options;
use super::decode::{decode, numeric_entities, unescape_brackets};
use super::tree::{Fields, List, Merging, Node, is_of_every_object};
use crate::expression::limits;

/// How deep names may nest, whatever the options say.
const DEEPEST: usize = 200;

#[allow(clippy::struct_excessive_bools, reason = "the switches of the package's options")]
struct Reader {
    allow_dots: bool,
    allow_empty_arrays: bool,
    comma: bool,
    decode_dots: bool,
    delimiter: String,
    depth: usize,
    duplicates: Duplicates,
    ignore_prefix: bool,
    is_latin1: bool,
    numeric_entities: bool,
    merging: Merging,
    /// No limit when it is none.
    parameter_limit: Option<usize>,
    parse_arrays: bool,
    sentinel: bool,
    strict_depth: bool,
    strict_nulls: bool,
    fails_beyond_limits: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Duplicates {
    Combine,
    First,
    Last,
}

pub(in super::super) fn parse_query(args: &[Option<Value>]) -> Outcome {
    let options = Options::of(argument(args, 1));
    let reader = Reader::of(&options)?;
    let (pairs, is_text) = match argument(args, 0) {
        Some(Value::String(text)) if !text.is_empty() => (reader.pairs(text)?, true),
        Some(value) => {
            let entries = js::entries(value)?.into_iter();
            (entries.map(|(name, value)| (name.into_owned(), Node::of(value.into_owned()))).collect(), false)
        }
        None => (Vec::new(), true),
    };
    let mut tree = Node::Object(Fields::default());
    for (name, value) in pairs {
        let value = if is_text { value } else { reader.split(value) };
        if let Some(node) = reader.nested(&name, value)? {
            tree = tree.merge(node, reader.merging);
        }
    }
    let mut left = js::WORK;
    match tree.into_value(options.flag("allowSparse", false), &mut left)? {
        Value::Object(fields) => Ok(Some(Value::Object(fields))),
        _ => Ok(Some(Value::Object(Map::new()))),
    }
}

impl Reader {
    fn of(options: &Options<'_>) -> Result<Self, Fault> {
        let number = |name: &str| options.get(name).and_then(Value::as_f64);
        let decode_dots = options.strict_flag("decodeDotInKeys")?;
        let allow_prototypes = options.flag("allowPrototypes", false) || options.flag("plainObjects", false);
        Ok(Self {
            allow_dots: options.allow_dots(decode_dots),
            allow_empty_arrays: options.strict_flag("allowEmptyArrays")?,
            comma: options.flag("comma", false),
            decode_dots,
            delimiter: options.get("delimiter").and_then(Value::as_str).unwrap_or("&").to_owned(),
            depth: match options.get("depth") {
                Some(Value::Bool(false)) => 0,
                _ => number("depth").map_or(5, |depth| depth.max(0.0).ceil() as usize),
            },
            duplicates: match options.get("duplicates").map(Value::as_str) {
                None | Some(Some("combine")) => Duplicates::Combine,
                Some(Some("first")) => Duplicates::First,
                Some(Some("last")) => Duplicates::Last,
                Some(_) => return Err("invalid_option"),
            },
            ignore_prefix: options.flag("ignoreQueryPrefix", false),
            is_latin1: options.is_latin1()?,
            numeric_entities: options.flag("interpretNumericEntities", false),
            merging: Merging {
                array_limit: number("arrayLimit").map_or(20, |limit| limit.max(0.0) as usize),
                is_strict: options.flag("strictMerge", true),
                allow_prototypes,
            },
            parameter_limit: match number("parameterLimit") {
                None => Some(1000),
                Some(limit) if limit < 0.0 => None,
                Some(limit) => Some(limit as usize),
            },
            parse_arrays: options.get("parseArrays") != Some(&Value::Bool(false)),
            sentinel: options.flag("charsetSentinel", false),
            strict_depth: options.flag("strictDepth", false),
            strict_nulls: options.flag("strictNullHandling", false),
            fails_beyond_limits: options.strict_flag("throwOnLimitExceeded")?,
        })
    }

    /// Names and values, in the order of the names.
    fn pairs(&self, text: &str) -> Result<Vec<(String, Node)>, Fault> {
        let text = if self.ignore_prefix { text.strip_prefix('?').unwrap_or(text) } else { text };
        let text = unescape_brackets(text);
        let mut parts: Vec<&str> = if self.delimiter.is_empty() {
            text.split("").filter(|part| !part.is_empty()).take(limits::ARRAY_ITEMS + 1).collect()
        } else {
            text.split(&self.delimiter).take(limits::ARRAY_ITEMS + 1).collect()
        };
        if let Some(limit) = self.parameter_limit {
            if self.fails_beyond_limits && parts.len() > limit {
                return Err("query_limit");
            }
            parts.truncate(limit);
        }
        if parts.len() > limits::ARRAY_ITEMS {
            return Err("query_limit");
        }
        let mut is_latin1 = self.is_latin1;
        if self.sentinel
            && let Some(at) = parts.iter().position(|part| part.starts_with("utf8="))
        {
            match parts.remove(at) {
                "utf8=%E2%9C%93" => is_latin1 = false,
                "utf8=%26%2310003%3B" => is_latin1 = true,
                _ => {}
            }
        }
        let mut order: Vec<String> = Vec::new();
        let mut found: HashMap<String, Option<Node>> = HashMap::new();
        for part in parts {
            let known = |name: &str| match found.get(name) {
                Some(Some(Node::List(list))) => list.len(),
                _ => 0,
            };
            let (name, value) = self.pair(part, is_latin1, known)?;
            match found.get_mut(&name) {
                None => {
                    order.push(name.clone());
                    found.insert(name, Some(value));
                }
                Some(old) if self.duplicates == Duplicates::Combine || part.contains("[]=") => {
                    *old = old.take().map(|old| old.combine(value, self.merging.array_limit));
                }
                Some(old) if self.duplicates == Duplicates::Last => *old = Some(value),
                Some(_) => {}
            }
        }
        Ok(order.into_iter().filter_map(|name| Some((name.clone(), found.remove(&name)??))).collect())
    }

    /// One name with its value. `known` says how many values a name has already.
    fn pair(&self, part: &str, is_latin1: bool, known: impl Fn(&str) -> usize) -> Result<(String, Node), Fault> {
        let Some(at) = part.find("]=").map(|at| at + 1).or_else(|| part.find('=')) else {
            let value = if self.strict_nulls { Value::Null } else { "".into() };
            return Ok((decode(part, is_latin1), Node::Leaf(value)));
        };
        let (name, value) = (decode(&part[..at], is_latin1), &part[at + 1..]);
        let read = |text: &str| {
            let text = decode(text, is_latin1);
            Node::Leaf(if self.numeric_entities && is_latin1 { numeric_entities(&text) } else { text }.into())
        };
        if !(self.comma && value.contains(',')) {
            if self.fails_beyond_limits && known(&name) >= self.merging.array_limit {
                return Err("query_limit");
            }
            return Ok((name, read(value)));
        }
        let mut list = List::default();
        value.split(',').for_each(|item| list.push(read(item)));
        if part.contains("[]=") {
            let mut outer = List::default();
            outer.push(Node::List(list));
            return Ok((name, Node::List(outer)));
        }
        if list.len() > self.merging.array_limit {
            if self.fails_beyond_limits {
                return Err("query_limit");
            }
            let empty = Node::List(List::default());
            return Ok((name, empty.combine(Node::List(list), self.merging.array_limit)));
        }
        Ok((name, Node::List(list)))
    }

    /// A value that was given as JSON: texts with commas are lists too, if asked for.
    fn split(&self, value: Node) -> Node {
        match value {
            Node::Leaf(Value::String(text)) if self.comma && text.contains(',') => {
                Node::of(text.split(',').map(Value::from).collect())
            }
            value => value,
        }
    }

    /// The value inside of what its name says.
    fn nested(&self, name: &str, value: Node) -> Result<Option<Node>, Fault> {
        if name.is_empty() {
            return Ok(None);
        }
        let Some(segments) = self.segments(name)? else { return Ok(None) };
        if segments.len() > DEEPEST {
            return Err("query_limit");
        }
        let mut node = value;
        for segment in segments.iter().rev() {
            node = self.inside(segment, node)?;
        }
        Ok(Some(node))
    }

    fn inside(&self, segment: &str, node: Node) -> Result<Node, Fault> {
        let limit = self.merging.array_limit;
        if segment == "[]" && self.parse_arrays {
            let is_empty = match &node {
                Node::Leaf(Value::String(text)) => text.is_empty(),
                Node::Leaf(Value::Null) => self.strict_nulls,
                _ => false,
            };
            return Ok(match node {
                node if node.is_long_list() => node,
                _ if self.allow_empty_arrays && is_empty => Node::List(List::default()),
                node => Node::List(List::default()).combine(node, limit),
            });
        }
        let bare = segment.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let name = bare.unwrap_or(segment);
        let name = if self.decode_dots { name.replace("%2E", ".") } else { name.to_owned() };
        let index = if self.parse_arrays && bare.is_some() { js::index(&name) } else { None };
        Ok(match index {
            _ if !self.parse_arrays && name.is_empty() => Node::Object(Fields::one("0".to_owned(), node, None)),
            Some(index) if index < limit => Node::List(List::at(index, node)),
            Some(_) if self.fails_beyond_limits => return Err("query_limit"),
            Some(index) => Node::Object(Fields::one(name, node, Some(index))),
            None if name == "__proto__" => Node::Object(Fields::default()),
            None => Node::Object(Fields::one(name, node, None)),
        })
    }

    /// `a[b][c]` in pieces: `a`, `[b]`, `[c]`. None when a piece is a name that may not be set.
    fn segments(&self, name: &str) -> Result<Option<Vec<String>>, Fault> {
        let dotted;
        let name = if self.allow_dots {
            dotted = undotted(name);
            dotted.as_str()
        } else {
            name
        };
        let is_refused = |name: &str| !self.merging.allow_prototypes && is_of_every_object(name);
        if self.depth == 0 {
            return Ok(if is_refused(name) { None } else { Some(vec![name.to_owned()]) });
        }
        let mut open = name.find('[');
        let parent = &name[..open.unwrap_or(name.len())];
        if is_refused(parent) {
            return Ok(None);
        }
        let mut segments = Vec::new();
        if !parent.is_empty() {
            segments.push(parent.to_owned());
        }
        let mut collected = 0;
        while let Some(at) = open
            && collected < self.depth
        {
            let Some(close) = closing(&name[at..]) else {
                segments.push(format!("[{}]", &name[at..]));
                return Ok(Some(segments));
            };
            let segment = &name[at..=at + close];
            if is_refused(&segment[1..segment.len() - 1]) {
                return Ok(None);
            }
            segments.push(segment.to_owned());
            collected += 1;
            let after = at + close + 1;
            open = name[after..].find('[').map(|found| after + found);
        }
        if let Some(at) = open {
            if self.strict_depth {
                return Err("query_limit");
            }
            segments.push(format!("[{}]", &name[at..]));
        }
        Ok(Some(segments))
    }
}

/// Where the bracket that a text begins with is closed.
fn closing(text: &str) -> Option<usize> {
    let mut level = 0_usize;
    text.bytes().position(|byte| {
        level = match byte {
            b'[' => level + 1,
            b']' => level - 1,
            _ => level,
        };
        level == 0
    })
}

/// `.b` as `[b]`.
fn undotted(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 8);
    let mut rest = name;
    while let Some(at) = rest.find('.') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        if end == 0 {
            out.push('.');
        } else {
            out.extend(["[", &rest[..end], "]"]);
        }
        rest = &rest[end..];
    }
    out + rest
}
