//! Requests: integration and step merged into one [`RequestPlan`].

use serde_json::Value;

use super::error::CompileError;
use super::node::Node;
use super::plan::{
    Authorization, Body, BodyFormat, Header, Method, Parameter, QueryArrayFormat, RequestPlan, ResponsePath,
};
use super::target;
use crate::expression::{Encoding, Expression};
use crate::upstream::is_reserved_header;

/// Members of a request that are performed, and those that only describe it.
const KNOWN: [&str; 25] = [
    "method",
    "path",
    "base_url",
    "headers",
    "query",
    "query_array_format",
    "body",
    "body_format",
    "response_path",
    "authorization",
    "no_auth",
    "error_expression",
    "pagination",
    "pagination_path",
    "rate_limit",
    "scopes",
    "description",
    "api_documentation_url",
    "examples",
    "query_schema",
    "body_schema",
    "response_schema",
    "ignore_credentials_on_redirect",
    "ignore_body_in_pagination",
    "api_response_format",
];

/// Members that would change what is sent or understood, and that this version does not perform: leaving them out
/// silently would be wrong.
const NOT_YET: [&str; 7] = [
    "paginate",
    "body_format_config",
    "add_query_to_body",
    "ignore_body",
    "set_body_to_null",
    "throw_error_on_parse_error",
    "truto_static_gate_id",
];

/// The members that a request may have.
#[cfg(test)]
pub(super) fn members() -> impl Iterator<Item = &'static str> {
    KNOWN.into_iter()
}

/// A request step's config under the integration's.
pub(super) fn compile(config: &Node<'_>, integration: &Node<'_>) -> Result<RequestPlan, CompileError> {
    check_members(config)?;
    let method = method(config)?;
    let host_from_tenant = integration.get("host_from_tenant").map(|flag| flag.flag()).transpose()?.unwrap_or(false);
    let base = config.get("base_url").or_else(|| integration.get("base_url"));
    let target = target::compile(base.as_ref(), config.get("path").as_ref(), host_from_tenant)?
        .ok_or_else(|| config.refuse("has neither a `base_url` (here or in the config) nor an absolute `path`"))?;
    let inherited = |key: &str| config.get(key).or_else(|| integration.get(key));
    let array_format = inherited("query_array_format").map(|format| format.word()).transpose()?;
    Ok(RequestPlan {
        method,
        target,
        headers: headers(integration.get("headers").as_ref(), config.get("headers").as_ref())?,
        query: query(integration.get("query").as_ref(), config.get("query").as_ref())?,
        array_format: array_format.unwrap_or(QueryArrayFormat::Repeat),
        body: body(config, method)?,
        authorization: authorization(config, integration)?,
        response_path: config.get("response_path").map(|path| response_path(&path)).transpose()?,
        error_expression: inherited("error_expression").map(|expression| expression.expression()).transpose()?,
    })
}

fn check_members(config: &Node<'_>) -> Result<(), CompileError> {
    if let Some(resource) = config.get("resource") {
        return Err(resource.refuse(
            "a step that refers to a resource (`unified` or `proxy`) is not supported by this version: write the \
             request itself, with `method` and `path`",
        ));
    }
    for key in NOT_YET {
        if let Some(member) = config.get(key).filter(|member| *member.value != Value::Bool(false)) {
            return Err(member.refuse(format!("`{key}` is not supported by this version")));
        }
    }
    config.only(&[&KNOWN[..], &NOT_YET[..]].concat())?;
    match config.get("api_response_format") {
        Some(format) if !matches!(format.text()?, "json" | "text") => {
            Err(format.refuse("only `json` and `text` answers are understood by this version"))
        }
        _ => Ok(()),
    }
}

fn method(config: &Node<'_>) -> Result<Method, CompileError> {
    let Some(method) = config.get("method") else { return Ok(Method::Get) };
    let word = method.text()?.to_ascii_uppercase();
    word.parse().map_err(|_| {
        let words = Method::ALL.iter().map(|method| method.as_str().to_ascii_lowercase()).collect::<Vec<_>>();
        method.refuse(format!("is not a method; known are: {}", words.join(", ")))
    })
}

/// The integration's headers under the step's. What the integration removes stays removed.
fn headers(integration: Option<&Node<'_>>, step: Option<&Node<'_>>) -> Result<Vec<Header>, CompileError> {
    let mut headers: Vec<Header> = Vec::new();
    for (layer, own) in [(integration, true), (step, false)] {
        let Some(layer) = layer else { continue };
        for (name, node) in layer.entries()? {
            let name = header_name(name).map_err(|why| node.refuse(why))?;
            let value = if node.value.is_null() { None } else { Some(node.complete(Encoding::None)?) };
            match headers.iter_mut().find(|header| header.name == name) {
                Some(header) if own || header.value.is_some() => header.value = value,
                Some(_) => {}
                None => headers.push(Header { name, value }),
            }
        }
    }
    Ok(headers)
}

/// The lower-case form of a name that a definition may set.
pub(crate) fn header_name(name: &str) -> Result<String, String> {
    let lower = name.to_ascii_lowercase();
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if lower.is_empty() || lower.len() > 128 || !lower.bytes().all(token) {
        return Err("is not a header name".to_owned());
    }
    if is_reserved_header(&lower) {
        return Err(format!("`{name}` belongs to the connection and cannot be set by a definition: remove it"));
    }
    Ok(lower)
}

fn query(integration: Option<&Node<'_>>, step: Option<&Node<'_>>) -> Result<Vec<Parameter>, CompileError> {
    let mut query: Vec<Parameter> = Vec::new();
    for layer in [integration, step].into_iter().flatten() {
        for (name, node) in layer.entries()? {
            query.retain(|parameter| parameter.name != name);
            if !node.value.is_null() {
                let mut placeholders = Vec::new();
                collect_placeholders(node.value, &mut placeholders);
                query.push(Parameter { name: name.to_owned(), value: node.template()?, placeholders });
            }
        }
    }
    Ok(query)
}

fn collect_placeholders(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.extend(target::placeholder_texts(text)),
        Value::Array(items) => items.iter().for_each(|item| collect_placeholders(item, found)),
        Value::Object(members) => members.values().for_each(|member| collect_placeholders(member, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn body(config: &Node<'_>, method: Method) -> Result<Option<Body>, CompileError> {
    let format = match config.get("body_format") {
        None => BodyFormat::Json,
        Some(format) => match format.text()? {
            word @ ("multipart" | "raw" | "xml") => {
                return Err(format.refuse(format!("`{word}` bodies are not supported by this version")));
            }
            _ => format.word()?,
        },
    };
    let Some(body) = config.get("body") else { return Ok(None) };
    if !method.has_body() {
        return Err(body.refuse(format!("{method} requests carry no body: remove it or use POST, PUT or PATCH")));
    }
    Ok(Some(Body { format, value: body.template()? }))
}

fn authorization(config: &Node<'_>, integration: &Node<'_>) -> Result<Authorization, CompileError> {
    if config.get("no_auth").map(|flag| flag.flag()).transpose()?.unwrap_or(false) {
        return Ok(Authorization::None);
    }
    let Some(node) = config.get("authorization").or_else(|| integration.get("authorization")) else {
        return Ok(Authorization::Default {
            token: config.compile("{{oauth.token.access_token|access_token}}", Encoding::None)?,
            api_key: config.compile("{{api_key}}", Encoding::None)?,
        });
    };
    let format = node.require("format")?;
    let empty = Value::Object(serde_json::Map::new());
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
        "header" => header_authorization(&options),
        _ => Err(format.refuse("is not an authorization format; known are: bearer, header, basic")),
    }
}

fn bearer(options: &Node<'_>) -> Result<crate::expression::Text, CompileError> {
    if let Some(token) = options.get("token").or_else(|| options.get("value")) {
        return token.complete(Encoding::None);
    }
    match options.get("path") {
        Some(path) => path.compile(&format!("{{{{{}}}}}", path.text()?), Encoding::None),
        None => options.compile("{{oauth.token.access_token|access_token}}", Encoding::None),
    }
}

fn header_authorization(options: &Node<'_>) -> Result<Authorization, CompileError> {
    if let Some(expression) = options.get("expression") {
        return Ok(Authorization::Expression(expression.expression()?));
    }
    let name = options.require("header_name")?;
    Ok(Authorization::Header {
        name: header_name(name.text()?).map_err(|why| name.refuse(why))?,
        value: options.require("header_value")?.complete(Encoding::None)?,
    })
}

fn response_path(node: &Node<'_>) -> Result<ResponsePath, CompileError> {
    let object = node.expression()?;
    // `[[data]]` is an array with the body as its only item, so the path after the dot has the whole body as context.
    let wrapped = format!("[[data]].(\n{}\n)", object.source());
    let array = Expression::compile(&wrapped).map_err(|error| CompileError::expression(&node.pointer, &error))?;
    Ok(ResponsePath { object, array })
}
