//! Rendering where a request goes, and the checks on the finished text.
//!
//! A URL parser silently drops or converts control characters, backslashes and the like, so whatever a value or a
//! definition brings of them is refused before any parser sees it. The address behind the host is the business of
//! `upstream`.

use serde_json::Value;

use super::classify::expression_failure;
use crate::definitions::{Parameter, QueryArrayFormat, Target, unresolved};
use crate::expression::{Scope, Text};
use crate::lifecycle::{Failure, ReasonCode};

/// The longest URL, in bytes.
const MAX_URL_BYTES: usize = 8 * 1024;

/// The whole URL of a request. `more` are parameters that are rendered already.
///
/// # Errors
/// The failure that ends the phase: nothing is sent to a place that is not certain.
pub(super) fn render(
    target: &Target,
    query: &[Parameter],
    more: &[(&str, &Value)],
    format: QueryArrayFormat,
    scope: &Scope,
) -> Result<String, Failure> {
    let text = |text: &Text| text.render(scope).map_err(|error| expression_failure("the URL", &error));
    let authority = text(&target.authority)?;
    check_authority(&authority, target.labels)?;
    let mut url = format!("{}://{authority}", target.scheme);
    for part in &target.path {
        let part = text(part)?;
        url.truncate(url.trim_end_matches('/').len().max(target.scheme.len() + 3));
        url.push('/');
        url.push_str(part.trim_start_matches('/'));
    }
    check_path(&url[target.scheme.len() + 3 + authority.len()..])?;
    let mut pairs = Vec::new();
    if let Some(fixed) = &target.query {
        pairs.push(text(fixed)?);
    }
    for own in query {
        if let Some(value) = parameter(own, "query parameter", scope)? {
            push_pairs(&mut pairs, &encode(&own.name), &value, format);
        }
    }
    for (name, value) in more {
        push_pairs(&mut pairs, &encode(name), value, format);
    }
    pairs.retain(|pair| !pair.is_empty());
    if !pairs.is_empty() {
        url.push('?');
        url.push_str(&pairs.join("&"));
    }
    check_text(&url)?;
    Ok(url)
}

fn refused(message: impl Into<String>) -> Failure {
    Failure::permanent(ReasonCode::AddressRefused, message)
}

/// Host and port, nothing else; and as many labels as the definition has.
fn check_authority(authority: &str, labels: Option<usize>) -> Result<(), Failure> {
    let (host, port) = if authority.starts_with('[') {
        let end = authority.find(']').map_or(0, |end| end + 1);
        authority.split_at(end)
    } else {
        authority.split_at(authority.find(':').unwrap_or(authority.len()))
    };
    let literal = |byte: u8| byte.is_ascii_hexdigit() || b"[]:.".contains(&byte);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.' || byte == b'_';
    let sound = if host.starts_with('[') {
        host.bytes().all(literal)
    } else {
        host.bytes().all(plain) && host.strip_suffix('.').unwrap_or(host).split('.').all(|label| !label.is_empty())
    };
    if host.is_empty() || !sound {
        return Err(refused("the URL's host has characters that no host name has, or a part of it is empty"));
    }
    let port_ok = port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    if !port_ok {
        return Err(refused("the URL's port is not a number"));
    }
    if labels.is_some_and(|labels| host.split('.').count() != labels) {
        return Err(refused("a value filled in more than one label of the URL's host, which the definition has fixed"));
    }
    Ok(())
}

/// A path that means what it says: no `.` and `..`, however they are written.
fn check_path(path: &str) -> Result<(), Failure> {
    let dots = |segment: &str| matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..");
    if path.split('/').any(dots) {
        return Err(refused("the URL's path holds a `.` or `..` segment, which would lead elsewhere"));
    }
    Ok(())
}

pub(super) fn check_text(url: &str) -> Result<(), Failure> {
    if url.len() > MAX_URL_BYTES {
        return Err(refused(format!("the URL has {} bytes; at most {MAX_URL_BYTES} are allowed", url.len())));
    }
    if url.contains("{{") {
        return Err(Failure::permanent(
            ReasonCode::UnresolvedPlaceholder,
            "the URL holds `{{`: a placeholder in it has no value or is misspelt",
        ));
    }
    let strange = |c: char| c.is_control() || c.is_whitespace() || c == '\\' || !c.is_ascii();
    if url.contains(strange) {
        return Err(refused(
            "the URL holds white space, a control character, a backslash or a character that is not ASCII: encode it",
        ));
    }
    Ok(())
}

/// The value of a parameter; `None` leaves it out. `what` names it.
///
/// # Errors
/// When a placeholder in it has no value, or an expression fails.
pub(super) fn parameter(parameter: &Parameter, what: &str, scope: &Scope) -> Result<Option<Value>, Failure> {
    let what = || format!("the {what} `{}`", parameter.name);
    let Some(value) = parameter.value.render(scope).map_err(|error| expression_failure(&what(), &error))? else {
        return Ok(None);
    };
    if let Some(placeholder) = first_unresolved(&value, &parameter.placeholders) {
        return Err(Failure::permanent(
            ReasonCode::UnresolvedPlaceholder,
            format!("{}: `{placeholder}` has no value; add `:undefined` to leave it out", what()),
        ));
    }
    Ok(Some(value))
}

fn first_unresolved<'a>(value: &Value, placeholders: &'a [String]) -> Option<&'a str> {
    match value {
        Value::String(text) => unresolved(text, placeholders),
        Value::Array(items) => items.iter().find_map(|item| first_unresolved(item, placeholders)),
        Value::Object(members) => members.values().find_map(|member| first_unresolved(member, placeholders)),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// `key` and `value` as `name=value` pairs; null is left out, objects nest with brackets.
pub(super) fn push_pairs(pairs: &mut Vec<String>, key: &str, value: &Value, format: QueryArrayFormat) {
    match value {
        Value::Null => {}
        Value::Object(members) => {
            for (name, member) in members {
                push_pairs(pairs, &format!("{key}[{}]", encode(name)), member, format);
            }
        }
        Value::Array(items) if format == QueryArrayFormat::Comma => {
            let items: Vec<String> =
                items.iter().filter(|item| !item.is_null()).map(|item| encode(&plain(item))).collect();
            if !items.is_empty() {
                pairs.push(format!("{key}={}", items.join(",")));
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let key = match format {
                    QueryArrayFormat::Brackets => format!("{key}[]"),
                    QueryArrayFormat::Indices => format!("{key}[{index}]"),
                    QueryArrayFormat::Comma | QueryArrayFormat::Repeat => key.to_owned(),
                };
                push_pairs(pairs, &key, item, format);
            }
        }
        _ => pairs.push(format!("{key}={}", encode(&plain(value)))),
    }
}

/// A single value as text.
pub(super) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Percent-encodes everything but RFC 3986's unreserved characters.
pub(super) fn encode(text: &str) -> String {
    const RESERVED: &percent_encoding::AsciiSet =
        &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    percent_encoding::utf8_percent_encode(text, RESERVED).to_string()
}
