//! The way through a document, along the table of its members.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::steps::{self, Place};
use super::{Finding, KEPT, join, language, request, secrets, suggestion};
use crate::definitions::vocabulary::{INSTALL, INTEGRATION, Object, Others, Shape};

/// What is found in an integration's document.
pub(super) fn integration(document: &Value) -> Vec<Finding> {
    let mut walk = Walk { found: Vec::new(), step: None };
    if !document.is_object() {
        return vec![Finding::error("shape", "", "must be an object")];
    }
    walk.shape(&Shape::Object(&INTEGRATION), document, "");
    if let Some(config) = document.get("config") {
        walk.found.extend(secrets::written_out(config, "/config"));
        walk.actions(config, "/config");
    }
    walk.found
}

/// What is found in one install.
pub(super) fn install(install: &Value, pointer: &str) -> Vec<Finding> {
    let mut walk = Walk { found: Vec::new(), step: None };
    walk.shape(&Shape::Object(&INSTALL), install, pointer);
    if let Some(overrides) = install.get("override") {
        let pointer = join(pointer, "override");
        walk.found.extend(secrets::written_out(overrides, &pointer));
        walk.actions(overrides, &pointer);
    }
    walk.found
}

/// The findings so far, and the step that is looked at.
pub(super) struct Walk {
    pub(super) found: Vec<Finding>,
    /// Set while a step's own members are walked: what it may refer to.
    pub(super) step: Option<Place>,
}

impl Walk {
    pub(super) fn shape(&mut self, shape: &'static Shape, value: &Value, pointer: &str) {
        match (shape, value) {
            (_, Value::Null) | (Shape::Any, _) => {}
            (Shape::Expression, Value::String(source)) => self.expression(source, pointer),
            (Shape::Text, Value::String(text)) => self.text(text, pointer, true),
            (Shape::Template, _) => self.template(value, pointer),
            (Shape::List(item), Value::Array(items)) => {
                for (index, value) in items.iter().enumerate() {
                    self.shape(item, value, &format!("{pointer}/{index}"));
                }
            }
            (Shape::Map(inner), Value::Object(members)) => {
                for (key, value) in members {
                    self.shape(inner, value, &join(pointer, key));
                }
            }
            (Shape::Object(object), Value::Object(members)) => self.object(object, members, pointer),
            (Shape::Either(shapes), _) => {
                if let Some(shape) = shapes.iter().find(|shape| fits(shape, value)) {
                    self.shape(shape, value, pointer);
                }
            }
            // A value of the wrong type is the compiler's to name where the member is used.
            _ => {}
        }
    }

    fn object(&mut self, object: &'static Object, members: &Map<String, Value>, pointer: &str) {
        if object.name == "step" && self.step.is_none() {
            // Steps are walked with their action, which knows what came before each.
            return;
        }
        request::object(object.name, members, pointer, &mut self.found);
        for (key, value) in members {
            let at = join(pointer, key);
            match object.shape(key, members) {
                None => self.found.extend(unknown(object, members, key, at, self.found.len())),
                // These are not executed, so nobody fills them in: only whether they can be read is looked at.
                Some(shape) if object.name == "webhook" => {
                    let step = self.step.take();
                    self.shape(shape, value, &at);
                    self.step = step;
                }
                Some(Shape::Expression) if object.name == "rate_limit" => {
                    if let Some(source) = value.as_str().filter(|source| !request::is_bare_header(source)) {
                        self.expression(source, &at);
                    }
                }
                Some(shape) => self.shape(shape, value, &at),
            }
        }
        if object.name == "config" {
            for key in ["webhook", "tool_tags"] {
                if members.get(key).is_some_and(|value| !value.is_null()) {
                    let message = format!("`{key}` is kept, and is not executed here");
                    self.found.push(Finding::info(KEPT, join(pointer, key), message));
                }
            }
        }
    }

    /// The actions of a config or an override, each step with what stands before it.
    fn actions(&mut self, config: &Value, pointer: &str) {
        let pointer = join(pointer, "actions");
        for (name, action) in config.get("actions").and_then(Value::as_object).into_iter().flatten() {
            steps::action(self, name, action, &join(&pointer, name));
        }
    }

    pub(super) fn expression(&mut self, source: &str, pointer: &str) {
        language::expression(source, pointer, self.step.as_ref(), &mut self.found);
    }

    fn text(&mut self, text: &str, pointer: &str, must_be_complete: bool) {
        language::text(text, pointer, must_be_complete, self.step.as_ref(), &mut self.found);
    }

    fn template(&mut self, value: &Value, pointer: &str) {
        match value {
            Value::String(text) => self.text(text, pointer, false),
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(index, item)| self.template(item, &format!("{pointer}/{index}")));
            }
            Value::Object(members) => {
                members.iter().for_each(|(key, member)| self.template(member, &join(pointer, key)));
            }
            _ => {}
        }
    }
}

/// Whether a value is meant to have this shape.
fn fits(shape: &Shape, value: &Value) -> bool {
    match shape {
        Shape::Any | Shape::Template => true,
        Shape::Plain | Shape::Id | Shape::Words(_) | Shape::Expression => value.is_string(),
        Shape::Text => value.is_string() || value.is_number() || value.is_boolean(),
        Shape::Number => value.is_number(),
        Shape::Flag => value.is_boolean(),
        Shape::List(_) => value.is_array(),
        Shape::Map(_) => value.is_object(),
        Shape::Either(shapes) => shapes.iter().any(|shape| fits(shape, value)),
        // `credentials` and actions are one object, or several by name; the word that it must have tells which.
        Shape::Object(object) => match (object.name, value) {
            ("credential", Value::Object(members)) => members.get("format").is_some_and(Value::is_string),
            ("steps", Value::Object(members)) => !members.contains_key("type"),
            (_, value) => value.is_object(),
        },
    }
}

fn unknown(
    object: &'static Object,
    members: &Map<String, Value>,
    key: &str,
    pointer: String,
    told: usize,
) -> Option<Finding> {
    let finding = match object.others {
        Others::Allowed => return None,
        Others::Refused => Finding::error("unknown_member", pointer, format!("`{key}` is not known here")),
        Others::Ignored => {
            Finding::warning("unknown_member", pointer, format!("`{key}` is not known here and has no effect"))
        }
    };
    let free: BTreeSet<&str> = object.names().into_iter().filter(|name| !members.contains_key(*name)).collect();
    Some(match suggestion(told, key, free.into_iter()) {
        Some(meant) => finding.fix(format!("did you mean `{meant}`?")),
        None => finding.fix(format!("known are: {}", object.names().join(", "))),
    })
}
