//! What is sent: a value in the form that the definition chose.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::classify::expression_failure;
use super::paging::Shape;
use super::{multipart, url};
use crate::definitions::{Body, BodyFormat, QueryArrayFormat};
use crate::expression::Scope;
use crate::expression::xml::{self, WriteOptions};
use crate::lifecycle::{Failure, ReasonCode};

/// A body as it goes out.
pub(super) struct Rendered {
    pub(super) bytes: Vec<u8>,
    pub(super) content_type: Cow<'static, str>,
    /// Whether no other type would do, whatever the definition says.
    pub(super) fixed_type: bool,
    /// What it was made from.
    pub(super) value: Value,
}

/// Renders `body` with `over`, which a step brings, laid on it, and with what a page changes. `None` when it is undefined.
///
/// # Errors
/// When an expression fails, or the value has no such form.
pub(super) fn render(
    body: Option<&Body>,
    over: Option<Value>,
    page: Option<&Shape<'_>>,
    scope: &Scope,
) -> Result<Option<Rendered>, Failure> {
    let mut value = match body.and_then(|body| body.value.as_ref()) {
        Some(template) => template.render(scope).map_err(|error| expression_failure("the body", &error))?,
        None => None,
    };
    if let Some(over) = over {
        lay(&mut value, over);
    }
    if let Some(body) = body.filter(|body| !body.query.is_empty()) {
        value = Some(with_query(body, value, scope)?);
    }
    if let Some(page) = page {
        page.body(&mut value)?;
    }
    match body.map_or(&BodyFormat::Json, |body| &body.format) {
        BodyFormat::Null if !page.is_some_and(Shape::drops_body) => Ok(Some(json(Value::Null))),
        format => value.map(|value| write(format, value, scope)).transpose().map(Option::flatten),
    }
}

fn write(format: &BodyFormat, value: Value, scope: &Scope) -> Result<Option<Rendered>, Failure> {
    Ok(Some(match format {
        BodyFormat::Json | BodyFormat::Null => json(value),
        BodyFormat::Form { arrays } => form(value, *arrays)?,
        BodyFormat::Multipart { arrays } => {
            let (bytes, content_type) = multipart::write(members(&value)?, *arrays, scope.seed())?;
            Rendered { bytes, content_type: Cow::Owned(content_type), fixed_type: true, value }
        }
        BodyFormat::Raw { .. } if value.is_null() => return Ok(None),
        BodyFormat::Raw { content_type, base64 } => raw(value, content_type.as_deref(), *base64)?,
        BodyFormat::Xml { content_type, root, declaration, spaces } => {
            let text = document(&value, root.as_deref(), *declaration, *spaces)?;
            let content_type = content_type.clone().map_or(Cow::Borrowed("application/xml"), Cow::Owned);
            Rendered { bytes: text.into_bytes(), content_type, fixed_type: false, value }
        }
    }))
}

fn json(value: Value) -> Rendered {
    let bytes = serde_json::to_vec(&value).unwrap_or_default();
    Rendered { bytes, content_type: Cow::Borrowed("application/json"), fixed_type: false, value }
}

fn form(value: Value, arrays: QueryArrayFormat) -> Result<Rendered, Failure> {
    let mut pairs = Vec::new();
    for (name, member) in members(&value)? {
        url::push_pairs(&mut pairs, &url::encode(name), member, arrays);
    }
    let content_type = Cow::Borrowed("application/x-www-form-urlencoded");
    Ok(Rendered { bytes: pairs.join("&").into_bytes(), content_type, fixed_type: false, value })
}

fn raw(value: Value, content_type: Option<&str>, base64: bool) -> Result<Rendered, Failure> {
    if value.is_object() || value.is_array() {
        return Err(failed("a raw body has to be a text; use `json` for objects and lists"));
    }
    let text = url::plain(&value);
    let (bytes, default) = if base64 {
        let bytes = STANDARD.decode(text.trim()).map_err(|_| failed("the raw body is not base64"))?;
        (bytes, "application/octet-stream")
    } else {
        (text.into_bytes(), "text/plain; charset=utf-8")
    };
    let content_type = content_type.map_or(Cow::Borrowed(default), |own| Cow::Owned(own.to_owned()));
    Ok(Rendered { bytes, content_type, fixed_type: false, value })
}

/// An XML document of the value: compact form, or a text that is a document already.
fn document(value: &Value, root: Option<&str>, declaration: bool, spaces: usize) -> Result<String, Failure> {
    let refused = |error: xml::XmlError| failed(&format!("the XML body: {error}"));
    if let Value::String(text) = value {
        xml::parse(text).map_err(refused)?;
        return Ok(text.clone());
    }
    let wrapped;
    let document = match root {
        None => value,
        Some(root) => {
            wrapped = Value::Object(Map::from_iter([(root.to_owned(), value.clone())]));
            &wrapped
        }
    };
    let elements = document.as_object().into_iter().flatten().filter(|(name, _)| !name.starts_with('_'));
    let roots: usize = elements.map(|(_, node)| node.as_array().map_or(1, Vec::len)).sum();
    if roots != 1 {
        return Err(failed(
            "the XML body has to be an object with exactly one element; `body_format_config.root` names one",
        ));
    }
    let text = xml::write(document, WriteOptions { spaces, ..WriteOptions::default() }).map_err(refused)?;
    Ok(match declaration && document.get("_declaration").is_none() {
        true if spaces > 0 => format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{text}"),
        true => format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>{text}"),
        false => text,
    })
}

/// The body with the query's parameters below its own members.
fn with_query(body: &Body, value: Option<Value>, scope: &Scope) -> Result<Value, Failure> {
    let mut whole = Map::new();
    for own in &body.query {
        if let Some(value) = url::parameter(own, "query parameter", scope)? {
            whole.insert(own.name.clone(), value);
        }
    }
    match value {
        None | Some(Value::Null) => {}
        Some(Value::Object(members)) => whole.extend(members),
        Some(_) => return Err(failed("`add_query_to_body` needs a body that is an object")),
    }
    Ok(Value::Object(whole))
}

/// Lays `over` on `base`: objects merge, everything else replaces. A null is a value.
fn lay(base: &mut Option<Value>, over: Value) {
    match (base, over) {
        (Some(Value::Object(base)), Value::Object(over)) => merge(base, over),
        (base, over) => *base = Some(over),
    }
}

fn merge(base: &mut Map<String, Value>, over: Map<String, Value>) {
    for (name, value) in over {
        match (base.get_mut(&name), value) {
            (Some(Value::Object(base)), Value::Object(over)) => merge(base, over),
            (_, value) => {
                base.insert(name, value);
            }
        }
    }
}

fn members(value: &Value) -> Result<&Map<String, Value>, Failure> {
    value.as_object().ok_or_else(|| failed("a form's body has to be an object of names and values"))
}

pub(super) fn failed(message: &str) -> Failure {
    Failure::permanent(ReasonCode::ExpressionError, message)
}
