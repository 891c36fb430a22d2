//! Rendering a request: the definition's templates over the scope, strict wherever a wrong value would go somewhere.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::body::{self, Rendered};
use super::caller::Caller;
use super::classify::expression_failure;
use super::paging::Shape;
use super::url;
use crate::definitions::{Authorization, RequestPlan, header_name};
use crate::expression::{ExprKind, Scope, Text};
use crate::lifecycle::{AuthenticationMethod, Failure, ReasonCode};
use crate::upstream::Request;

/// The longest header value and the longest body, in bytes.
const MAX_HEADER_BYTES: usize = 8 * 1024;
const MAX_BODY_BYTES: usize = 5 * 1024 * 1024;

/// What a rendering needs beside the plan.
pub(super) struct Rendering<'a> {
    pub(super) scope: &'a mut Scope,
    pub(super) method: AuthenticationMethod,
    /// The idempotency key and its header.
    pub(super) key: Option<(&'a str, String)>,
    pub(super) timeout: Duration,
    /// What one page of a list changes.
    pub(super) page: Option<&'a Shape<'a>>,
}

/// Renders `plan`.
///
/// # Errors
/// The failure that ends the phase; nothing was sent.
pub(super) fn render(plan: &RequestPlan, with: Rendering<'_>) -> Result<Request, Failure> {
    let Some(inputs) = &plan.inputs else { return build(plan, with, &Caller::default()) };
    let caller = Caller::render(inputs, with.scope)?;
    // The method's templates see what the step brings; the step's own scope stays as it is.
    let mut scope = with.scope.clone();
    caller.show(&mut scope);
    let with = Rendering { scope: &mut scope, ..with };
    build(plan, with, &caller)
}

fn build(plan: &RequestPlan, with: Rendering<'_>, caller: &Caller) -> Result<Request, Failure> {
    let scope = with.scope;
    let more: Vec<(&str, &Value)> = match &plan.inputs {
        None => Vec::new(),
        Some(inputs) => caller.query_beside(&inputs.query_taken).collect(),
    };
    let target = with.page.and_then(Shape::target).unwrap_or(&plan.target);
    let mut url = url::render(target, &plan.query, &more, plan.array_format, scope)?;
    let mut headers = Vec::new();
    for header in &plan.headers {
        if let Some(value) = header.value.as_ref().filter(|value| !value.is_undefined(scope)) {
            headers.push((header.name.clone(), header_text(&header.name, value, scope)?));
        }
    }
    headers.extend(caller.headers.iter().cloned());
    if let Some(page) = with.page {
        page.url(&mut url)?;
        page.headers(&mut headers);
    }
    let page = with.page.filter(|_| plan.method.has_body());
    let body = body::render(plan.body.as_ref(), caller.body_beside(plan.inputs.as_deref()), page, scope)?;
    let sent = body.map(|body| settle(body, plan, &mut headers)).transpose()?;
    let mut request =
        Request { method: plan.method.as_str().to_owned(), url, headers, body: None, timeout: with.timeout };
    authorize(&plan.authorization, &mut request, sent.as_ref().map(|(_, value)| value), with.method, scope)?;
    if let Some((header, key)) = with.key {
        set(&mut request.headers, header.to_owned(), key);
    }
    request.body = sent.map(|(bytes, _)| bytes);
    match plan
        .required_headers
        .iter()
        .find(|name| !request.headers.iter().any(|(known, value)| known == *name && !value.is_empty()))
    {
        None => Ok(request),
        Some(name) => Err(Failure::permanent(
            ReasonCode::DefinitionInvalid,
            format!("the request has no header `{name}`, which `required_headers` names: give it a value"),
        )),
    }
}

/// The bytes and the value of a body that may be sent; its type goes to the headers, unless the definition has one.
fn settle(
    body: Rendered,
    plan: &RequestPlan,
    headers: &mut Vec<(String, String)>,
) -> Result<(Vec<u8>, Value), Failure> {
    const NAME: &str = "content-type";
    if body.bytes.len() > MAX_BODY_BYTES {
        let message = format!("the body has {} bytes; at most {MAX_BODY_BYTES} are allowed", body.bytes.len());
        return Err(Failure::permanent(ReasonCode::ExpressionLimit, message));
    }
    let removed = || plan.headers.iter().any(|header| header.name == NAME);
    if body.fixed_type {
        set(headers, NAME.to_owned(), body.content_type.into_owned());
    } else if !headers.iter().any(|(name, _)| name == NAME) && !removed() {
        headers.push((NAME.to_owned(), body.content_type.into_owned()));
    }
    Ok((body.bytes, body.value))
}

pub(super) fn header_text(name: &str, value: &Text, scope: &Scope) -> Result<String, Failure> {
    let text = value.render(scope).map_err(|error| expression_failure(&format!("the header `{name}`"), &error))?;
    check_header(name, text)
}

/// A value that a header can carry: printable ASCII, so that no value ends the line or means another thing elsewhere.
pub(super) fn check_header(name: &str, text: String) -> Result<String, Failure> {
    let sound = |byte: u8| byte == b'\t' || (0x20..0x7f).contains(&byte);
    if text.len() > MAX_HEADER_BYTES || !text.bytes().all(sound) {
        return Err(Failure::permanent(
            ReasonCode::ExpressionError,
            format!(
                "the header `{name}` is longer than {MAX_HEADER_BYTES} bytes or has characters beside printable ASCII"
            ),
        ));
    }
    if text.contains("{{") {
        return Err(Failure::permanent(
            ReasonCode::UnresolvedPlaceholder,
            format!("the header `{name}` holds `{{{{`: a placeholder in it has no value or is misspelt"),
        ));
    }
    Ok(text)
}

fn set(headers: &mut Vec<(String, String)>, name: String, value: String) {
    headers.retain(|(known, _)| *known != name);
    headers.push((name, value));
}

fn authorize(
    authorization: &Authorization,
    request: &mut Request,
    body: Option<&Value>,
    method: AuthenticationMethod,
    scope: &mut Scope,
) -> Result<(), Failure> {
    const NAME: &str = "authorization";
    let (name, value) = match authorization {
        Authorization::None => return Ok(()),
        Authorization::Bearer(token) => (NAME.to_owned(), format!("Bearer {}", header_text(NAME, token, scope)?)),
        Authorization::Header { name, value } => (name.clone(), header_text(name, value, scope)?),
        Authorization::Basic { username, password } => {
            let render = |text: &Text| text.render(scope).map_err(|error| expression_failure("the credential", &error));
            let pair = format!("{}:{}", render(username)?, render(password)?);
            (NAME.to_owned(), format!("Basic {}", STANDARD.encode(pair)))
        }
        Authorization::Expression(expression) => {
            scope.set("url", Value::String(request.url.clone()));
            let headers: Map<String, Value> =
                request.headers.iter().map(|(name, value)| (name.clone(), Value::String(value.clone()))).collect();
            scope.set("requestOptions", json!({ "method": request.method, "headers": headers, "body": body }));
            let result = expression.evaluate(scope);
            scope.unset("url");
            scope.unset("requestOptions");
            let result = result.map_err(|error| expression_failure("the authorization's expression", &error))?;
            return authorize_with(result, &mut request.headers);
        }
        Authorization::Default { token, api_key } => {
            if request.headers.iter().any(|(name, _)| name == NAME) {
                return Ok(());
            }
            let text = if method == AuthenticationMethod::ApiKey { api_key } else { token };
            match text.render(scope) {
                // Not every API key is a bearer token: some definitions put it into the query.
                Err(error) if error.kind == ExprKind::Unresolved && method == AuthenticationMethod::ApiKey => {
                    return Ok(());
                }
                Err(error) => return Err(expression_failure("the credential", &error)),
                Ok(token) => (NAME.to_owned(), check_header(NAME, format!("Bearer {token}"))?),
            }
        }
    };
    set(&mut request.headers, name, value);
    Ok(())
}

/// The headers that an expression gave.
fn authorize_with(result: Option<Value>, headers: &mut Vec<(String, String)>) -> Result<(), Failure> {
    let failed = |message: String| Failure::permanent(ReasonCode::ExpressionError, message);
    let Some(Value::Object(given)) = result else {
        return Err(failed(
            "the authorization's expression has to give an object of header names and values".to_owned(),
        ));
    };
    for (name, value) in given {
        let text = match value {
            Value::Null => continue,
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            _ => return Err(failed(format!("the authorization's expression gave `{name}` a value that is not text"))),
        };
        let name = header_name(&name).map_err(|why| failed(format!("the authorization's header {why}")))?;
        let text = check_header(&name, text)?;
        set(headers, name, text);
    }
    Ok(())
}
