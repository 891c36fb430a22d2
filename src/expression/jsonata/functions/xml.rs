//! `xmlToJs` and `jsToXml`: XML in the compact mapping of the npm package `xml-js`.

use serde_json::{Map, Value};

use super::Function;
use super::call::{Outcome, argument, data};
use super::js::{self, Fault};
use crate::expression::text::trim;
use crate::expression::xml::{self, WriteOptions, XmlError};

pub(super) const FUNCTIONS: &[Function] = &[("jsToXml", || data(2, js_to_xml)), ("xmlToJs", || data(2, xml_to_js))];

/// The members that are no elements, and the option that leaves each out.
const IGNORED: [(&str, &str); 7] = [
    ("_attributes", "ignoreAttributes"),
    ("_cdata", "ignoreCdata"),
    ("_comment", "ignoreComment"),
    ("_declaration", "ignoreDeclaration"),
    ("_doctype", "ignoreDoctype"),
    ("_instruction", "ignoreInstruction"),
    ("_text", "ignoreText"),
];

/// Options that this does not have: the mapping that keeps an order, names of one's own, spaces elsewhere.
const MISSING: [&str; 15] = [
    "addParent",
    "attributesKey",
    "captureSpacesBetweenElements",
    "cdataKey",
    "commentKey",
    "declarationKey",
    "doctypeKey",
    "indentAttributes",
    "indentCdata",
    "indentInstruction",
    "indentText",
    "instructionHasAttributes",
    "instructionKey",
    "noQuotesForNativeAttributes",
    "textKey",
];

/// The options of a call; without any, the compact mapping and an indent of four.
struct Options<'a>(Option<&'a Map<String, Value>>);

impl<'a> Options<'a> {
    fn of(value: Option<&'a Value>) -> Result<Self, Fault> {
        let options = match value {
            None => return Ok(Self(None)),
            Some(Value::Object(options)) => options,
            Some(_) => return Err("xml_not_compact"),
        };
        if options.get("compact") != Some(&Value::Bool(true)) {
            return Err("xml_not_compact");
        }
        if MISSING.iter().any(|name| options.get(*name).is_some_and(|given| js::truthy(Some(given)))) {
            return Err("invalid_option");
        }
        Ok(Self(Some(options)))
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        self.0?.get(name)
    }

    fn flag(&self, name: &str) -> bool {
        self.get(name) == Some(&Value::Bool(true))
    }

    /// The names of the members that are left out.
    fn ignored(&self) -> Vec<&'static str> {
        IGNORED.iter().filter(|(_, option)| self.flag(option)).map(|(member, _)| *member).collect()
    }
}

fn failure(error: XmlError) -> Fault {
    match error {
        XmlError::Malformed(_) => "invalid_xml",
        XmlError::Declarations => "xml_declarations",
        XmlError::TooLarge => "xml_too_large",
        XmlError::Unwritable(_) => "xml_unwritable",
    }
}

fn xml_to_js(args: &[Option<Value>]) -> Outcome {
    let options = Options::of(argument(args, 1))?;
    let Some(Value::String(source)) = argument(args, 0) else { return Err("not_text") };
    let mut document = xml::parse(source).map_err(failure)?;
    if options.0.is_some() {
        Reshaping::of(&options).element(&mut document);
    }
    Ok(Some(document))
}

/// What the options of reading change of a document.
#[allow(clippy::struct_excessive_bools, reason = "the switches of the package's options")]
struct Reshaping<'a> {
    ignored: Vec<&'static str>,
    all_lists: bool,
    lists: &'a [Value],
    trim: bool,
    native: bool,
    native_attributes: bool,
    sanitize: bool,
}

impl<'a> Reshaping<'a> {
    fn of(options: &Options<'a>) -> Self {
        Self {
            ignored: options.ignored(),
            all_lists: options.flag("alwaysArray"),
            lists: options.get("alwaysArray").and_then(Value::as_array).map_or(&[], Vec::as_slice),
            trim: options.flag("trim"),
            native: options.flag("nativeType"),
            native_attributes: options.flag("nativeTypeAttributes"),
            sanitize: options.flag("sanitize"),
        }
    }

    fn element(&self, element: &mut Value) {
        let Value::Object(members) = element else { return };
        if !self.ignored.is_empty() {
            members.retain(|name, _| !self.ignored.contains(&name.as_str()));
        }
        for (name, value) in members.iter_mut() {
            match name.as_str() {
                "_attributes" => self.attributes(value),
                "_declaration" => {
                    if let Some(attributes) = value.get_mut("_attributes") {
                        self.attributes(attributes);
                    }
                }
                "_text" => self.each(name, value, |value| self.text(value)),
                "_instruction" => self.each(name, value, |value| {
                    if let Value::Object(members) = value {
                        members.values_mut().for_each(|value| self.trimmed(value));
                    }
                }),
                "_cdata" | "_comment" | "_doctype" => self.each(name, value, |value| self.trimmed(value)),
                _ => self.each(name, value, |value| self.element(value)),
            }
        }
    }

    /// Changes a member or each of its list, and makes it one where asked for.
    fn each(&self, name: &str, value: &mut Value, change: impl Fn(&mut Value)) {
        if let Value::Array(items) = value {
            items.iter_mut().for_each(change);
            return;
        }
        change(value);
        if self.all_lists || self.lists.iter().any(|listed| listed == name) {
            *value = Value::Array(vec![value.take()]);
        }
    }

    fn attributes(&self, attributes: &mut Value) {
        let Value::Object(attributes) = attributes else { return };
        for value in attributes.values_mut() {
            self.trimmed(value);
            if self.native_attributes {
                native(value);
            }
        }
    }

    fn text(&self, value: &mut Value) {
        self.trimmed(value);
        if self.native {
            native(value);
        }
        if let (true, Value::String(text)) = (self.sanitize, value) {
            *text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        }
    }

    fn trimmed(&self, value: &mut Value) {
        if let (true, Value::String(text)) = (self.trim, value) {
            *text = trim(text).to_owned();
        }
    }
}

/// A text that is a number, true or false, as that.
fn native(value: &mut Value) {
    let Value::String(text) = &*value else { return };
    let number = js::number(Some(value));
    *value = match text.to_lowercase().as_str() {
        _ if !number.is_nan() => js::json_number(number),
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => return,
    };
}

fn js_to_xml(args: &[Option<Value>]) -> Outcome {
    let options = Options::of(argument(args, 1))?;
    let spaces = match options.get("spaces") {
        None if options.0.is_none() => 4,
        Some(Value::Number(_)) => js::integer(options.get("spaces")).clamp(0.0, 64.0) as usize,
        Some(Value::String(text)) if text.bytes().all(|byte| byte == b' ') => text.len().min(64),
        Some(Value::String(_)) => return Err("invalid_option"),
        _ => 0,
    };
    let write = WriteOptions { spaces, full_tag_empty_element: options.flag("fullTagEmptyElement") };
    let Some(document) = argument(args, 0) else { return Ok(Some("".into())) };
    let ignored = options.ignored();
    let written = if ignored.is_empty() {
        xml::write(document, write)
    } else {
        let mut document = document.clone();
        leave_out(&mut document, &ignored);
        xml::write(&document, write)
    };
    written.map(|text| Some(text.into())).map_err(failure)
}

fn leave_out(value: &mut Value, ignored: &[&str]) {
    match value {
        Value::Object(members) => {
            members.retain(|name, _| !ignored.contains(&name.as_str()));
            members.values_mut().for_each(|value| leave_out(value, ignored));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| leave_out(item, ignored)),
        _ => {}
    }
}
