//! How a request proves who it is for.

use serde_json::{Map, Value};

use super::fields::header_name;
use super::layers::Layers;
use crate::definitions::error::CompileError;
use crate::definitions::node::Node;
use crate::definitions::request_plan::Authorization;
use crate::expression::{Encoding, Text};

/// The uppermost layer's; `config` is the place of what no layer says.
pub(super) fn compile(layers: &Layers<'_>, config: &Node<'_>) -> Result<Authorization, CompileError> {
    if layers.flag("no_auth")? {
        return Ok(Authorization::None);
    }
    let Some(node) = layers.get("authorization") else {
        return Ok(Authorization::Default {
            token: config.compile("{{oauth.token.access_token|access_token}}", Encoding::None)?,
            api_key: config.compile("{{api_key}}", Encoding::None)?,
        });
    };
    let format = node.require("format")?;
    let empty = Value::Object(Map::new());
    let options = node.get("config").unwrap_or_else(|| Node::new(&empty, &node.pointer));
    match format.text()? {
        "bearer" => Ok(Authorization::Bearer(bearer(&options)?)),
        "basic" => Ok(Authorization::Basic {
            username: options.require("username")?.complete(Encoding::None)?,
            password: match options.get("password") {
                Some(password) => password.complete(Encoding::None)?,
                None => options.compile("", Encoding::None)?,
            },
        }),
        "header" => header(&options),
        _ => Err(format.refuse("is not an authorization format; known are: bearer, header, basic")),
    }
}

fn bearer(options: &Node<'_>) -> Result<Text, CompileError> {
    if let Some(token) = options.get("token").or_else(|| options.get("value")) {
        return token.complete(Encoding::None);
    }
    match options.get("path") {
        Some(path) => path.compile(&format!("{{{{{}}}}}", path.text()?), Encoding::None),
        None => options.compile("{{oauth.token.access_token|access_token}}", Encoding::None),
    }
}

fn header(options: &Node<'_>) -> Result<Authorization, CompileError> {
    if let Some(expression) = options.get("expression") {
        return Ok(Authorization::Expression(expression.expression()?));
    }
    let name = options.require("header_name")?;
    Ok(Authorization::Header {
        name: header_name(name.text()?).map_err(|why| name.refuse(why))?,
        value: options.require("header_value")?.complete(Encoding::None)?,
    })
}
