//! What a request sends, and in which form.

use super::fields;
use super::layers::Layers;
use crate::definitions::error::CompileError;
use crate::definitions::node::Node;
use crate::definitions::request_plan::{Body, BodyFormat, Method, QueryArrayFormat};

/// The widest indentation of XML.
const MAX_SPACES: u64 = 8;

/// The body of the method or, where there is no reference, of the step itself (`config`).
pub(super) fn compile(
    layers: &Layers<'_>,
    config: &Node<'_>,
    method: Method,
    refers: bool,
) -> Result<Option<Body>, CompileError> {
    let format = format(layers)?;
    if layers.flag("ignore_body")? {
        return Ok(None);
    }
    let given = config.get("body").filter(|_| refers);
    // A null of the step switches the method's body off.
    let own = if refers && config.value.get("body").is_some_and(serde_json::Value::is_null) {
        None
    } else {
        layers.shared()[1..].iter().rev().find_map(|layer| layer.get("body"))
    };
    if let Some(body) = given.as_ref().or(own.as_ref())
        && !method.has_body()
    {
        return Err(body.refuse(format!("{method} requests carry no body: remove it or use POST, PUT or PATCH")));
    }
    if !method.has_body() {
        return Ok(None);
    }
    if layers.flag("set_body_to_null")? {
        return Ok(Some(Body { format: BodyFormat::Null, value: None, query: Vec::new() }));
    }
    let query =
        if layers.flag("add_query_to_body")? { fields::query(std::slice::from_ref(config))? } else { Vec::new() };
    if own.is_none() && given.is_none() && query.is_empty() {
        return Ok(None);
    }
    Ok(Some(Body { format, value: own.map(|body| body.data()).transpose()?, query }))
}

fn format(layers: &Layers<'_>) -> Result<BodyFormat, CompileError> {
    let config = layers.own("body_format_config");
    let options = Options(config.as_ref());
    let Some(word) = layers.own("body_format") else {
        options.only(&[])?;
        return Ok(BodyFormat::Json);
    };
    match word.text()? {
        "json" => {
            options.only(&[])?;
            Ok(BodyFormat::Json)
        }
        "form" => {
            options.only(&["array_format"])?;
            Ok(BodyFormat::Form { arrays: options.arrays(QueryArrayFormat::Brackets)? })
        }
        "multipart" => {
            options.only(&["array_format"])?;
            Ok(BodyFormat::Multipart { arrays: options.arrays(QueryArrayFormat::Repeat)? })
        }
        "raw" => {
            options.only(&["content_type", "encoding"])?;
            let base64 = match options.get("encoding") {
                None => false,
                Some(encoding) => match encoding.text()? {
                    "text" => false,
                    "base64" => true,
                    _ => return Err(encoding.refuse("is not an encoding; known are: text, base64")),
                },
            };
            Ok(BodyFormat::Raw { content_type: options.content_type()?, base64 })
        }
        "xml" => {
            options.only(&["content_type", "root", "declaration", "spaces"])?;
            Ok(BodyFormat::Xml {
                content_type: options.content_type()?,
                root: options.get("root").map(|root| root.text().map(str::to_owned)).transpose()?,
                declaration: options.get("declaration").map(|flag| flag.flag()).transpose()?.unwrap_or(false),
                spaces: options.spaces()?,
            })
        }
        _ => Err(word.refuse("is not a body format; known are: json, form, multipart, raw, xml")),
    }
}

struct Options<'a, 'b>(Option<&'b Node<'a>>);

impl<'a> Options<'a, '_> {
    fn only(&self, known: &[&str]) -> Result<(), CompileError> {
        match self.0 {
            Some(node) if known.is_empty() && !node.object()?.is_empty() => {
                Err(node.refuse("`json` has no options: remove it, or choose another `body_format`"))
            }
            Some(node) => node.only(known),
            None => Ok(()),
        }
    }

    fn get(&self, key: &str) -> Option<Node<'a>> {
        self.0.and_then(|node| node.get(key))
    }

    fn arrays(&self, default: QueryArrayFormat) -> Result<QueryArrayFormat, CompileError> {
        self.get("array_format").map_or(Ok(default), |format| format.word())
    }

    fn content_type(&self) -> Result<Option<String>, CompileError> {
        let Some(node) = self.get("content_type") else { return Ok(None) };
        let text = node.text()?;
        if text.is_empty() || text.len() > 256 || !text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
            return Err(node.refuse("is not a content type"));
        }
        Ok(Some(text.to_owned()))
    }

    fn spaces(&self) -> Result<usize, CompileError> {
        let Some(node) = self.get("spaces") else { return Ok(0) };
        let spaces = node.value.as_u64().filter(|spaces| *spaces <= MAX_SPACES);
        spaces
            .map(|spaces| spaces as usize)
            .ok_or_else(|| node.refuse(format!("must be a number from 0 to {MAX_SPACES}")))
    }
}
