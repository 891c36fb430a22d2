//! `multipart/form-data` (RFC 7578), the same bytes for the same value and seed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::body::failed;
use super::url::plain;
use crate::definitions::QueryArrayFormat;
use crate::lifecycle::Failure;

/// A value of a form: a text, or a file.
struct Part<'a> {
    name: String,
    file: Option<File<'a>>,
    bytes: Vec<u8>,
}

struct File<'a> {
    name: Option<&'a str>,
    content_type: &'a str,
}

/// The body, and its type with the boundary that `seed` chose.
///
/// # Errors
/// When a file is not described as one.
pub(super) fn write(
    members: &Map<String, Value>,
    arrays: QueryArrayFormat,
    seed: u64,
) -> Result<(Vec<u8>, String), Failure> {
    let mut parts = Vec::new();
    for (name, value) in members {
        push(&mut parts, name.clone(), value, arrays)?;
    }
    let boundary = boundary(&parts, seed);
    let mut out = Vec::new();
    for part in &parts {
        out.extend(format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"", quoted(&part.name)).bytes());
        if let Some(file) = &part.file {
            if let Some(name) = file.name {
                out.extend(format!("; filename=\"{}\"", quoted(name)).bytes());
            }
            out.extend(format!("\r\nContent-Type: {}", file.content_type).bytes());
        }
        out.extend(b"\r\n\r\n");
        out.extend(&part.bytes);
        out.extend(b"\r\n");
    }
    out.extend(format!("--{boundary}--\r\n").bytes());
    Ok((out, format!("multipart/form-data; boundary={boundary}")))
}

/// A boundary that no part holds.
fn boundary(parts: &[Part<'_>], seed: u64) -> String {
    let mut number = seed;
    loop {
        let boundary = format!("tidewaiter-{number:016x}");
        let is_in = |part: &Part<'_>| part.bytes.windows(boundary.len()).any(|window| window == boundary.as_bytes());
        if !parts.iter().any(is_in) {
            return boundary;
        }
        number = number.wrapping_add(1);
    }
}

fn push<'a>(
    parts: &mut Vec<Part<'a>>,
    name: String,
    value: &'a Value,
    arrays: QueryArrayFormat,
) -> Result<(), Failure> {
    match value {
        Value::Null => {}
        Value::Object(file) if is_file(file) => parts.push(self::file(name, file)?),
        Value::Object(members) => {
            for (key, member) in members {
                push(parts, format!("{name}[{key}]"), member, arrays)?;
            }
        }
        Value::Array(items) if arrays == QueryArrayFormat::Comma && items.iter().all(|item| !item.is_object()) => {
            let items: Vec<String> = items.iter().filter(|item| !item.is_null()).map(plain).collect();
            if !items.is_empty() {
                parts.push(Part { name, file: None, bytes: items.join(",").into_bytes() });
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let name = match arrays {
                    QueryArrayFormat::Brackets => format!("{name}[]"),
                    QueryArrayFormat::Indices => format!("{name}[{index}]"),
                    QueryArrayFormat::Comma | QueryArrayFormat::Repeat => name.clone(),
                };
                push(parts, name, item, arrays)?;
            }
        }
        _ => parts.push(Part { name, file: None, bytes: plain(value).into_bytes() }),
    }
    Ok(())
}

/// An object is a file if it has `data` and says what that is.
fn is_file(members: &Map<String, Value>) -> bool {
    members.contains_key("data") && (members.contains_key("filename") || members.contains_key("content_type"))
}

fn file(name: String, members: &Map<String, Value>) -> Result<Part<'_>, Failure> {
    let text = |key: &str| match members.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(failed(&format!("the file's `{key}` has to be a text"))),
    };
    let base64 = match text("encoding")? {
        None | Some("text") => false,
        Some("base64") => true,
        Some(_) => return Err(failed("the file's `encoding` has to be `text` or `base64`")),
    };
    let data = text("data")?.unwrap_or_default();
    let default = if base64 { "application/octet-stream" } else { "text/plain; charset=utf-8" };
    let content_type = text("content_type")?.unwrap_or(default);
    if content_type.is_empty() || !content_type.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return Err(failed("the file's `content_type` has characters beside printable ASCII"));
    }
    let bytes = if base64 {
        STANDARD.decode(data.trim()).map_err(|_| failed("the file's `data` is not base64"))?
    } else {
        data.as_bytes().to_vec()
    };
    Ok(Part { name, file: Some(File { name: text("filename")?, content_type }), bytes })
}

/// A name between quotes, as browsers write it: what would end it is escaped.
fn quoted(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}
