//! An answer's bytes as a value.

use serde_json::{Map, Value};

use crate::definitions::{AnswerFormat, ResponseFormat};
use crate::expression::xml;
use crate::upstream::Response;

/// The most cells of a table; the message below repeats it.
const MAX_CELLS: usize = 500_000;

/// A body that was read.
pub(super) struct Parsed {
    pub(super) body: Value,
    /// Why it is not what it should be, where that makes an error of a success.
    pub(super) broken: Option<&'static str>,
}

/// Reads a body: as the definition says, else JSON if it is some, XML if it calls itself that, else text. Nothing is null.
pub(super) fn body(response: &Response, format: AnswerFormat) -> Parsed {
    // Some servers begin with a byte order mark, which is no part of what they say.
    let bytes = response.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&response.body);
    if response.status == 204 || bytes.is_empty() {
        return Parsed { body: Value::Null, broken: None };
    }
    let read = match format.format {
        Some(ResponseFormat::Json) => {
            json(bytes).ok_or("the answer is no JSON, which `api_response_format` says it is")
        }
        Some(ResponseFormat::Xml) => xml(bytes).ok_or("the answer is no XML, which `api_response_format` says it is"),
        Some(ResponseFormat::Csv) => csv(bytes),
        Some(ResponseFormat::Text) => Ok(text(bytes)),
        None => return by_type(response, bytes, format.strict),
    };
    match read {
        Ok(body) => Parsed { body, broken: None },
        Err(broken) => Parsed { body: text(bytes), broken: (format.strict != Some(false)).then_some(broken) },
    }
}

fn by_type(response: &Response, bytes: &[u8], strict: Option<bool>) -> Parsed {
    if let Some(body) = json(bytes) {
        return Parsed { body, broken: None };
    }
    let declared = declared(response);
    let broken = match declared {
        Declared::Xml => match xml(bytes) {
            Some(body) => return Parsed { body, broken: None },
            None => (strict == Some(true)).then_some("the answer calls itself XML and is none"),
        },
        // What is JSON may still be no value: a number may be out of range.
        Declared::Json if serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_err() => {
            (strict != Some(false)).then_some("the answer calls itself JSON and is none")
        }
        Declared::Json | Declared::Other => None,
    };
    Parsed { body: text(bytes), broken }
}

/// What the content type says.
enum Declared {
    Json,
    Xml,
    Other,
}

fn declared(response: &Response) -> Declared {
    let found = response.headers.iter().find(|(name, _)| name == "content-type");
    let kind = found.and_then(|(_, value)| value.split(';').next()).unwrap_or_default().trim().to_ascii_lowercase();
    match kind.as_str() {
        "application/json" | "text/json" => Declared::Json,
        "application/xml" | "text/xml" => Declared::Xml,
        other if other.ends_with("+json") => Declared::Json,
        other if other.ends_with("+xml") => Declared::Xml,
        _ => Declared::Other,
    }
}

fn json(bytes: &[u8]) -> Option<Value> {
    serde_json::from_slice(bytes).ok()
}

fn xml(bytes: &[u8]) -> Option<Value> {
    xml::parse(&String::from_utf8_lossy(bytes)).ok()
}

fn text(bytes: &[u8]) -> Value {
    Value::String(String::from_utf8_lossy(bytes).into_owned())
}

/// Each row as an object by the first row's names. What a row lacks is absent, what it has beyond the names is left out.
fn csv(bytes: &[u8]) -> Result<Value, &'static str> {
    let none = |_| "the answer is no table, which `api_response_format` says it is";
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bytes);
    let names: Vec<String> = reader
        .byte_headers()
        .map_err(none)?
        .iter()
        .map(|name| String::from_utf8_lossy(name).trim().to_owned())
        .collect();
    let mut rows = Vec::new();
    let mut cells = 0;
    for record in reader.byte_records() {
        let record = record.map_err(none)?;
        cells += record.len();
        if cells > MAX_CELLS {
            return Err("the answer is a table of more than 500,000 cells: ask for fewer rows at once");
        }
        let row: Map<String, Value> =
            names.iter().zip(&record).map(|(name, cell)| (name.clone(), text(cell))).collect();
        rows.push(Value::Object(row));
    }
    Ok(Value::Array(rows))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(kind: &str, body: &str, format: Option<ResponseFormat>, strict: Option<bool>) -> (Value, bool) {
        let headers = vec![("content-type".to_owned(), kind.to_owned())];
        let response = Response { status: 200, headers, body: body.as_bytes().to_vec() };
        let parsed = super::body(&response, AnswerFormat { format, strict });
        (parsed.body, parsed.broken.is_some())
    }

    #[test]
    fn an_answer_is_read_as_its_definition_or_its_type_says() {
        use ResponseFormat::{Csv, Json, Text, Xml};
        for (kind, body, format, expected) in [
            ("application/json", "{\"a\":1}", None, json!({ "a": 1 })),
            ("application/json", "\u{feff}{\"a\":1}", None, json!({ "a": 1 })),
            ("text/html", "\u{feff}{}", Some(Json), json!({})),
            ("text/plain", "\u{feff}plain", None, json!("plain")),
            ("text/plain", "[1]", None, json!([1])),
            ("text/plain", "plain", None, json!("plain")),
            ("text/html", "<p>no</p>", None, json!("<p>no</p>")),
            ("text/xml; charset=utf-8", "<a>1</a>", None, json!({ "a": { "_text": "1" } })),
            ("application/soap+xml", "<a/>", None, json!({ "a": {} })),
            ("text/plain", "<a/>", Some(Xml), json!({ "a": {} })),
            ("application/json", "{}", Some(Text), json!("{}")),
            ("text/html", "{}", Some(Json), json!({})),
            ("text/csv", "a,b\n1,\"x, y\"\n2\n3,4,5\n", None, json!("a,b\n1,\"x, y\"\n2\n3,4,5\n")),
            (
                "text/csv",
                "\u{feff}a, b\r\n1,\"x, y\"\r\n2\r\n3,4,5\r\n",
                Some(Csv),
                json!([{ "a": "1", "b": "x, y" }, { "a": "2" }, { "a": "3", "b": "4" }]),
            ),
            ("text/csv", "a,b\n", Some(Csv), json!([])),
        ] {
            assert_eq!(read(kind, body, format, None), (expected, false), "{kind} {body} {format:?}");
        }
    }

    #[test]
    fn nothing_is_null_and_long_integers_keep_their_digits() {
        let read = |status, body: &str| {
            let response = Response { status, headers: Vec::new(), body: body.into() };
            super::body(&response, AnswerFormat { format: None, strict: Some(true) }).body
        };
        assert_eq!(read(200, r#"{"id":9007199254740993}"#), json!({ "id": 9_007_199_254_740_993_u64 }));
        assert_eq!((read(200, ""), read(204, "{}")), (json!(null), json!(null)));
    }

    #[test]
    fn what_cannot_be_read_is_text_and_broken_as_the_definition_says() {
        use ResponseFormat::{Json, Xml};
        for (kind, body, format, strict, broken) in [
            ("application/json", "{", None, None, true),
            ("application/json; charset=utf-8", "{\"half\": ", None, None, true),
            ("application/problem+json", "<html>", None, Some(true), true),
            ("application/json", "{", None, Some(false), false),
            ("application/json", "1e999", None, Some(true), false),
            ("text/xml", "<a>", None, None, false),
            ("text/xml", "<a>", None, Some(true), true),
            ("text/html", "{", None, Some(true), false),
            ("text/html", "{", Some(Json), None, true),
            ("text/html", "{", Some(Json), Some(false), false),
            ("text/html", "<a>", Some(Xml), None, true),
        ] {
            assert_eq!(read(kind, body, format, strict), (json!(body), broken), "{kind} {body} {format:?} {strict:?}");
        }
        let huge = format!("a,b\n{}", ",\n".repeat(MAX_CELLS / 2 + 1));
        assert!(read("text/csv", &huge, Some(ResponseFormat::Csv), None).1);
        assert_eq!(read("application/xml", "", Some(Xml), Some(true)), (Value::Null, false));
    }
}
