//! Requests: the integration, the resource's method that a step refers to, and the step's own config, merged into one
//! [`RequestPlan`].

mod authorization;
mod body;
mod fields;
mod layers;
mod reference;

pub(crate) use fields::header_name;

use serde_json::{Map, Value};

use super::error::CompileError;
use super::node::Node;
use super::pagination;
use super::request_plan::{
    AnswerFormat, BodyFormat, Header, Inputs, Method, Parameter, QueryArrayFormat, RequestPlan, ResponsePath, Scopes,
};
use super::vocabulary::REQUEST;
use super::{rate_limit, target};
use crate::expression::Expression;
use layers::Layers;

/// Members that would change what is sent or understood, and that this version does not perform: leaving them out
/// silently would be wrong.
const NOT_YET: [&str; 1] = ["truto_static_gate_id"];

const CONTENT_TYPE: &str = "content-type";

/// What a step of type `proxy` may hold beside its config, or in place of one.
const REFERENCE: [&str; 6] = ["resource", "method", "id", "query", "headers", "body"];

/// What a step may not hold because of its type.
pub(super) fn not_for(step: &Node<'_>) -> &'static [&'static str] {
    let word = step.get("type").and_then(|word| word.value.as_str());
    if matches!(word, Some("proxy" | "unified")) { &[] } else { &REFERENCE }
}

/// A step of type `request`, `proxy` or `unified`.
pub(super) fn compile_step(step: &Node<'_>, integration: &Node<'_>) -> Result<RequestPlan, CompileError> {
    let word = step.require("type")?;
    let kind = word.text()?;
    if kind == "unified" {
        return Err(word.refuse(reference::UNIFIED));
    }
    let mut given = Map::new();
    if let ("proxy", Some(members)) = (kind, step.value.as_object()) {
        given.extend(members.iter().filter(|(key, _)| REFERENCE.contains(&key.as_str())).map(owned));
    }
    let given = Value::Object(given);
    let config = step.get("config").unwrap_or_else(|| Node::new(&given, &step.pointer));
    if kind == "proxy" && config.get("resource").is_none() {
        return Err(config.refuse("a `proxy` step needs the `resource` and the `method` that it refers to"));
    }
    compile(&config, integration)
}

fn owned((key, value): (&String, &Value)) -> (String, Value) {
    (key.clone(), value.clone())
}

/// A request's config under what it refers to and under the integration's.
pub(super) fn compile(config: &Node<'_>, integration: &Node<'_>) -> Result<RequestPlan, CompileError> {
    let referred = reference::find(config, integration)?;
    check_members(config, referred.as_ref())?;
    let layers = Layers::new(integration, referred.as_ref(), config);
    let method = method(referred.as_ref().unwrap_or(config))?;
    let host_from_tenant = integration.get("host_from_tenant").map(|flag| flag.flag()).transpose()?.unwrap_or(false);
    let base = layers.get("base_url");
    let target = target::compile(base.as_ref(), layers.own("path").as_ref(), host_from_tenant)?
        .ok_or_else(|| config.refuse("has neither a `base_url` (here or in the config) nor an absolute `path`"))?;
    let array_format = layers.get("query_array_format").map(|format| format.word()).transpose()?;
    let inputs = referred.as_ref().map(|method| reference::inputs(config, method)).transpose()?;
    let (mut headers, mut query) = (fields::headers(layers.shared())?, fields::query(layers.shared())?);
    let inputs = inputs.map(|inputs| lay_inputs(inputs, &mut headers, &mut query, config));
    let body = body::compile(&layers, config, method, inputs.is_some())?;
    let is_json = body.as_ref().is_none_or(|body| matches!(body.format, BodyFormat::Json | BodyFormat::Null));
    if !is_json && !layers.names_own_header(CONTENT_TYPE) {
        // The integration's is that of its usual bodies, which are JSON.
        headers.retain(|header| header.name != CONTENT_TYPE || header.value.is_none());
    }
    let pagination =
        pagination::compile(layers.all(), |path| target::compile(base.as_ref(), Some(path), host_from_tenant))?;
    Ok(RequestPlan {
        method,
        target,
        headers,
        query,
        array_format: array_format.unwrap_or(QueryArrayFormat::Repeat),
        body,
        authorization: authorization::compile(&layers, config)?,
        response_path: layers.own("response_path").map(|path| response_path(&path)).transpose()?,
        error_expression: layers.get("error_expression").map(|expression| expression.expression()).transpose()?,
        rate_limit: layers.get("rate_limit").and_then(|limit| rate_limit::compile(&limit).transpose()).transpose()?,
        pagination: pagination.map(Box::new),
        inputs: inputs.map(Box::new),
        answer: answer(&layers)?,
        required_headers: fields::required_headers(layers.get("required_headers").as_ref())?,
        scopes: scopes(&layers, integration)?.map(Box::new),
    })
}

/// A method's own fields are not ours to judge: what came from the model system may hold more than is documented. A
/// misspelt member of a step would be without effect, so that is refused.
fn check_members(config: &Node<'_>, referred: Option<&Node<'_>>) -> Result<(), CompileError> {
    for node in referred.into_iter().chain([config]) {
        for key in NOT_YET {
            if let Some(member) = node.get(key).filter(|member| *member.value != Value::Bool(false)) {
                return Err(member.refuse(format!("`{key}` is not supported by this version")));
            }
        }
    }
    if let Some(paginate) = config.get("paginate") {
        return Err(paginate.refuse("belongs to the step: write it beside `config`"));
    }
    if referred.is_none()
        && let Some(id) = config.get("id")
    {
        return Err(id.refuse("is for the method of a resource: name it with `resource` and `method`"));
    }
    config.only(&REQUEST.names())
}

fn method(config: &Node<'_>) -> Result<Method, CompileError> {
    let Some(method) = config.get("method") else { return Ok(Method::Get) };
    let word = method.text()?.to_ascii_uppercase();
    word.parse().map_err(|_| {
        let words = Method::ALL.iter().map(|method| method.as_str().to_ascii_lowercase()).collect::<Vec<_>>();
        method.refuse(format!("is not a method; known are: {}", words.join(", ")))
    })
}

/// Takes out of the method's fields what the step brings in their place.
fn lay_inputs(mut inputs: Inputs, headers: &mut Vec<Header>, query: &mut Vec<Parameter>, config: &Node<'_>) -> Inputs {
    // What the integration or the method removes stays removed, and what the step removes goes.
    let is_removed = |own: &Header| headers.iter().any(|known| known.name == own.name && known.value.is_none());
    inputs.headers.retain(|own| !is_removed(own));
    headers.retain(|known| inputs.headers.iter().all(|own| own.name != known.name));
    let (brought, removed) = inputs.headers.into_iter().partition(|own| own.value.is_some());
    inputs.headers = brought;
    headers.extend::<Vec<Header>>(removed);
    let given = config.value.get("query").and_then(Value::as_object);
    query.retain(|known| {
        let replaced = given.is_some_and(|given| given.contains_key(&known.name));
        !replaced || inputs.query_taken.takes(&known.name)
    });
    inputs
}

fn answer(layers: &Layers<'_>) -> Result<AnswerFormat, CompileError> {
    Ok(AnswerFormat {
        format: layers.own("api_response_format").map(|format| format.word()).transpose()?,
        strict: layers.own("throw_error_on_parse_error").map(|flag| flag.flag()).transpose()?,
    })
}

/// The scopes that the method needs, and where those that were granted are found.
fn scopes(layers: &Layers<'_>, integration: &Node<'_>) -> Result<Option<Scopes>, CompileError> {
    let Some(node) = layers.own("scopes") else { return Ok(None) };
    let needed: Vec<String> = match node.value {
        Value::String(text) => text.split_whitespace().map(str::to_owned).collect(),
        _ => node.items()?.map(|scope| scope.text().map(str::to_owned)).collect::<Result<_, _>>()?,
    };
    if needed.is_empty() {
        return Ok(None);
    }
    let granted = "$exists($context.oauth.token.scope) ? $context.oauth.token.scope : $context.oauth.scope";
    let granted = Expression::compile(granted).map_err(|error| CompileError::expression(&node.pointer, &error))?;
    Ok(Some(Scopes { needed, granted, separator: separator(integration) }))
}

/// `options.scopeSeparator` of the first credential that has one.
fn separator(integration: &Node<'_>) -> String {
    let option =
        |entry: &Value| entry.pointer("/config/options/scopeSeparator").and_then(Value::as_str).map(str::to_owned);
    let credentials = integration.get("credentials");
    let found = credentials.as_ref().and_then(|one| {
        option(one.value).or_else(|| one.value.as_object().and_then(|many| many.values().find_map(option)))
    });
    found.unwrap_or_else(|| " ".to_owned())
}

fn response_path(node: &Node<'_>) -> Result<ResponsePath, CompileError> {
    let object = node.expression()?;
    // `[[data]]` is an array with the body as its only item, so the path after the dot has the whole body as context.
    let wrapped = format!("[[data]].(\n{}\n)", object.source());
    let array = Expression::compile(&wrapped).map_err(|error| CompileError::expression(&node.pointer, &error))?;
    Ok(ResponsePath { object, array })
}
