//! XML and JSON for each other, in the compact mapping of the npm package `xml-js`.
//!
//! An element is an object: its attributes are `_attributes`, its text `_text`, and its children are members by their
//! names, lists where a name repeats; beside them `_cdata`, `_comment`, `_instruction`, `_declaration` and `_doctype`.
//! White space between elements is dropped. The order between elements of different names is not kept in lists.
//!
//! Stricter than the package on purpose: references are the five predefined ones and those by number; a document type
//! with declarations of its own is refused; depth and size are bounded; and nothing is written that would not be read
//! back as the same (`&` in attributes, `]]>`, names that are none).

use std::fmt::Write as _;

use quick_xml::Reader;
use quick_xml::escape::{resolve_predefined_entity, unescape};
use quick_xml::events::attributes::Attributes;
use quick_xml::events::{BytesDecl, BytesPI, BytesRef, BytesStart, Event};
use serde_json::{Map, Value};

use super::text::{Nulls, push_value, trim};

/// How deep elements may nest, how many of them and their attributes there may be, and how long a text may be.
const MAX_DEPTH: usize = 100;
const MAX_NODES: usize = 200_000;
const MAX_BYTES: usize = 8 * 1024 * 1024;

const ATTRIBUTES: &str = "_attributes";
const TEXT: &str = "_text";
const CDATA: &str = "_cdata";
const COMMENT: &str = "_comment";
const DECLARATION: &str = "_declaration";
const DOCTYPE: &str = "_doctype";
const INSTRUCTION: &str = "_instruction";

/// Why a text is not read or a value not written. None of it quotes the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum XmlError {
    /// The text is not well-formed.
    #[error("the text is not well-formed XML near byte {0}")]
    Malformed(u64),
    /// It declares entities or the like, which are never read.
    #[error("the document type holds declarations, which are not read")]
    Declarations,
    /// Too deep, too many or too long.
    #[error("the XML is nested deeper than {MAX_DEPTH} elements, or larger than is allowed")]
    TooLarge,
    /// What the value has no XML for.
    #[error("the value cannot be written as XML: {0}")]
    Unwritable(&'static str),
}

/// How a document is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct WriteOptions {
    /// Spaces an element is indented by for each level; none for no indentation at all.
    pub(crate) spaces: usize,
    /// Whether an element without content is written with both tags.
    pub(crate) full_tag_empty_element: bool,
}

/// Reads a document.
///
/// # Errors
/// When it is not well-formed, too large, or brings declarations of its own.
pub(crate) fn parse(source: &str) -> Result<Value, XmlError> {
    if source.len() > MAX_BYTES {
        return Err(XmlError::TooLarge);
    }
    let mut reader = Reader::from_str(source.strip_prefix('\u{feff}').unwrap_or(source));
    reader.config_mut().check_comments = true;
    let mut tree = Tree { open: Vec::new(), members: Map::new(), text: String::new(), nodes: 0 };
    loop {
        let event = reader.read_event().map_err(|_| XmlError::Malformed(reader.error_position()))?;
        if matches!(event, Event::Eof) {
            return tree.finish().ok_or_else(|| XmlError::Malformed(reader.buffer_position()));
        }
        tree.take(event).map_err(|fault| fault.unwrap_or(XmlError::Malformed(reader.buffer_position())))?;
    }
}

/// What is being read: the elements that are open with what encloses them, and the members of the innermost one.
struct Tree {
    open: Vec<(String, Map<String, Value>)>,
    members: Map<String, Value>,
    text: String,
    nodes: usize,
}

/// `None` stands for a text that is not well-formed.
type Fault = Option<XmlError>;

impl Tree {
    fn take(&mut self, event: Event<'_>) -> Result<(), Fault> {
        match event {
            Event::Text(text) => self.text.push_str(&text.into_inner()),
            Event::GeneralRef(reference) => self.refer(&reference)?,
            event => {
                self.flush()?;
                self.take_markup(event)?;
            }
        }
        Ok(())
    }

    fn take_markup(&mut self, event: Event<'_>) -> Result<(), Fault> {
        match event {
            Event::Start(start) => {
                let element = self.element(&start)?;
                if self.open.len() >= MAX_DEPTH {
                    return Err(Some(XmlError::TooLarge));
                }
                let name = start.name().as_ref().to_owned();
                self.open.push((name, std::mem::replace(&mut self.members, element)));
            }
            Event::Empty(start) => {
                let element = self.element(&start)?;
                add(&mut self.members, start.name().as_ref(), Value::Object(element));
            }
            Event::End(_) => {
                let (name, outer) = self.open.pop().ok_or(None)?;
                let element = std::mem::replace(&mut self.members, outer);
                add(&mut self.members, &name, Value::Object(element));
            }
            Event::CData(data) if self.open.is_empty() => drop(data),
            Event::CData(data) => self.add_text(CDATA, data.into_inner().into_owned())?,
            Event::Comment(text) => self.add_text(COMMENT, text.into_inner().into_owned())?,
            Event::DocType(text) if text.contains('[') => return Err(Some(XmlError::Declarations)),
            Event::DocType(text) => self.add_text(DOCTYPE, text.trim_start().to_owned())?,
            Event::Decl(declaration) => {
                let declaration = declared(&declaration)?;
                self.members.insert(DECLARATION.to_owned(), declaration);
            }
            Event::PI(instruction) => {
                self.count(1)?;
                add(&mut self.members, INSTRUCTION, instructed(&instruction));
            }
            Event::Text(_) | Event::GeneralRef(_) | Event::Eof => {}
        }
        Ok(())
    }

    fn element(&mut self, start: &BytesStart<'_>) -> Result<Map<String, Value>, Fault> {
        self.count(1)?;
        let mut element = Map::new();
        let attributes = self.attributes(start.attributes())?;
        if !attributes.is_empty() {
            element.insert(ATTRIBUTES.to_owned(), Value::Object(attributes));
        }
        Ok(element)
    }

    /// The first of two attributes of one name counts. (The library's own check takes quadratic time.)
    fn attributes(&mut self, mut attributes: Attributes<'_>) -> Result<Map<String, Value>, Fault> {
        let mut found = Map::new();
        for attribute in attributes.with_checks(false) {
            let attribute = attribute.map_err(|_| None)?;
            self.count(1)?;
            let value = unescape(&attribute.value).map_err(|_| None)?.into_owned();
            found.entry(attribute.key.as_ref()).or_insert(Value::String(value));
        }
        Ok(found)
    }

    fn refer(&mut self, reference: &BytesRef<'_>) -> Result<(), Fault> {
        if let Some(character) = reference.resolve_char_ref().map_err(|_| None)? {
            self.text.push(character);
        } else {
            self.text.push_str(resolve_predefined_entity(reference).ok_or(None)?);
        }
        Ok(())
    }

    /// Ends a text: other markup follows.
    fn flush(&mut self) -> Result<(), Fault> {
        let text = std::mem::take(&mut self.text);
        match (trim(&text).is_empty(), self.open.is_empty()) {
            (true, _) => Ok(()),
            (false, true) => Err(None),
            (false, false) => self.add_text(TEXT, text),
        }
    }

    fn add_text(&mut self, key: &str, text: String) -> Result<(), Fault> {
        self.count(1)?;
        add(&mut self.members, key, Value::String(text));
        Ok(())
    }

    fn count(&mut self, nodes: usize) -> Result<(), Fault> {
        self.nodes += nodes;
        if self.nodes > MAX_NODES { Err(Some(XmlError::TooLarge)) } else { Ok(()) }
    }

    fn finish(mut self) -> Option<Value> {
        self.flush().ok()?;
        self.open.is_empty().then_some(Value::Object(self.members))
    }
}

/// Adds a member; what repeats becomes a list.
fn add(members: &mut Map<String, Value>, key: &str, value: Value) {
    match members.get_mut(key) {
        None => {
            members.insert(key.to_owned(), value);
        }
        Some(Value::Array(items)) => items.push(value),
        Some(first) => {
            let items = vec![std::mem::take(first), value];
            *first = Value::Array(items);
        }
    }
}

fn declared(declaration: &BytesDecl<'_>) -> Result<Value, Fault> {
    let mut attributes = Map::new();
    let mut add = |name: &str, value: &str| attributes.insert(name.to_owned(), Value::from(value));
    add("version", &declaration.version().map_err(|_| None)?);
    if let Some(encoding) = declaration.encoding() {
        add("encoding", &encoding.map_err(|_| None)?);
    }
    if let Some(standalone) = declaration.standalone() {
        add("standalone", &standalone.map_err(|_| None)?);
    }
    Ok(Value::Object(Map::from_iter([(ATTRIBUTES.to_owned(), Value::Object(attributes))])))
}

fn instructed(instruction: &BytesPI<'_>) -> Value {
    let content = Value::from(trim(instruction.content()));
    Value::Object(Map::from_iter([(instruction.target().to_owned(), content)]))
}

/// Writes a document.
///
/// # Errors
/// When a part of the value has no XML, or the text becomes too large.
pub(crate) fn write(value: &Value, options: WriteOptions) -> Result<String, XmlError> {
    let mut writer = Writer { out: String::new(), options };
    writer.members(object(value)?, 0, true)?;
    Ok(writer.out)
}

struct Writer {
    out: String,
    options: WriteOptions,
}

impl Writer {
    fn members(&mut self, members: &Map<String, Value>, depth: usize, first: bool) -> Result<(), XmlError> {
        let mut first = first;
        for (key, value) in members.iter().filter(|(key, _)| *key != ATTRIBUTES) {
            let nodes = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
            for node in nodes {
                self.node(key, node, depth, first)?;
                first = false;
            }
        }
        Ok(())
    }

    fn node(&mut self, key: &str, node: &Value, depth: usize, first: bool) -> Result<(), XmlError> {
        // For each node: a long list deep inside is indented without end.
        if self.out.len() > MAX_BYTES {
            return Err(XmlError::TooLarge);
        }
        match key {
            TEXT => self.text(node),
            CDATA => {
                let text = plain(node)?;
                let _ = write!(self.out, "<![CDATA[{}]]>", text.replace("]]>", "]]]]><![CDATA[>"));
                Ok(())
            }
            DECLARATION => {
                self.out.push_str("<?xml");
                self.attributes(object(node)?)?;
                self.out.push_str("?>");
                Ok(())
            }
            INSTRUCTION => self.instruction(object(node)?),
            DOCTYPE | COMMENT => {
                self.indent(depth, first);
                let text = plain(node)?;
                match key {
                    DOCTYPE if text.contains(['[', '<', '>']) => Err(XmlError::Unwritable("a document type is a name")),
                    COMMENT if text.contains("--") || text.ends_with('-') => {
                        Err(XmlError::Unwritable("a comment holds `--`"))
                    }
                    DOCTYPE => {
                        let _ = write!(self.out, "<!DOCTYPE {text}>");
                        Ok(())
                    }
                    _ => {
                        let _ = write!(self.out, "<!--{text}-->");
                        Ok(())
                    }
                }
            }
            name => {
                self.indent(depth, first);
                self.element(name, node, depth)
            }
        }
    }

    fn element(&mut self, name: &str, node: &Value, depth: usize) -> Result<(), XmlError> {
        check_name(name)?;
        if depth >= MAX_DEPTH || self.out.len() > MAX_BYTES {
            return Err(XmlError::TooLarge);
        }
        let _ = write!(self.out, "<{name}");
        let empty = Map::new();
        let members = match node {
            Value::Null => &empty,
            Value::String(text) if text.is_empty() => &empty,
            Value::Object(members) => members,
            Value::Array(_) => return Err(XmlError::Unwritable("a list holds a list")),
            Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                self.out.push('>');
                self.text(node)?;
                let _ = write!(self.out, "</{name}>");
                return Ok(());
            }
        };
        self.attributes(members)?;
        let has_content = members.keys().any(|key| key != ATTRIBUTES);
        if !has_content && !self.options.full_tag_empty_element {
            self.out.push_str("/>");
            return Ok(());
        }
        self.out.push('>');
        self.members(members, depth + 1, false)?;
        // Text is not moved, so a closing tag goes to a line of its own only behind something that was.
        if members.keys().any(|key| !matches!(key.as_str(), ATTRIBUTES | TEXT | CDATA | INSTRUCTION)) {
            self.indent(depth, false);
        }
        let _ = write!(self.out, "</{name}>");
        Ok(())
    }

    fn attributes(&mut self, members: &Map<String, Value>) -> Result<(), XmlError> {
        let Some(attributes) = members.get(ATTRIBUTES) else { return Ok(()) };
        for (name, value) in object(attributes)?.iter().filter(|(_, value)| !value.is_null()) {
            check_name(name)?;
            let _ = write!(self.out, " {name}=\"");
            for character in plain(value)?.chars() {
                match character {
                    '&' => self.out.push_str("&amp;"),
                    '<' => self.out.push_str("&lt;"),
                    '"' => self.out.push_str("&quot;"),
                    // Plain white space would be read back as spaces.
                    '\t' | '\n' | '\r' => {
                        let _ = write!(self.out, "&#{};", u32::from(character));
                    }
                    _ => self.out.push(character),
                }
            }
            self.out.push('"');
        }
        Ok(())
    }

    fn instruction(&mut self, members: &Map<String, Value>) -> Result<(), XmlError> {
        let Some((name, value)) = members.iter().next() else { return Ok(()) };
        check_name(name)?;
        let _ = write!(self.out, "<?{name}");
        match value {
            Value::Object(members) => self.attributes(members)?,
            Value::Null => {}
            value => {
                let text = plain(value)?;
                if text.contains("?>") {
                    return Err(XmlError::Unwritable("an instruction holds `?>`"));
                }
                if !text.is_empty() {
                    let _ = write!(self.out, " {text}");
                }
            }
        }
        self.out.push_str("?>");
        Ok(())
    }

    fn text(&mut self, node: &Value) -> Result<(), XmlError> {
        for character in plain(node)?.chars() {
            match character {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                _ => self.out.push(character),
            }
        }
        Ok(())
    }

    fn indent(&mut self, depth: usize, first: bool) {
        if self.options.spaces == 0 {
            return;
        }
        if !first {
            self.out.push('\n');
        }
        self.out.extend(std::iter::repeat_n(' ', depth * self.options.spaces));
    }
}

fn object(value: &Value) -> Result<&Map<String, Value>, XmlError> {
    value.as_object().ok_or(XmlError::Unwritable("a document, an element's attributes and an instruction are objects"))
}

/// A value as text, of characters that XML can carry.
fn plain(value: &Value) -> Result<String, XmlError> {
    if value.is_object() || value.is_array() {
        return Err(XmlError::Unwritable("a text is an object or a list"));
    }
    let mut text = String::new();
    push_value(&mut text, value, Nulls::Written);
    let strange =
        |c: char| matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}');
    if text.contains(strange) { Err(XmlError::Unwritable("a text holds a control character")) } else { Ok(text) }
}

fn check_name(name: &str) -> Result<(), XmlError> {
    let starts = |c: char| c.is_alphabetic() || c == '_' || c == ':';
    let goes_on = |c: char| starts(c) || c.is_numeric() || c == '-' || c == '.' || c == '\u{b7}';
    if name.starts_with(starts) && name.chars().all(goes_on) {
        return Ok(());
    }
    Err(XmlError::Unwritable("a name is none in XML"))
}

#[cfg(test)]
mod tests;
