//! Requests read as a provider reads them, and told back.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use quick_xml::events::Event;
use serde_json::{Map, Value, json};

use super::{Answer, Asked};

/// The headers that a client adds by itself.
const OWN: [&str; 6] = ["host", "content-length", "content-type", "accept", "user-agent", "authorization"];

/// What was understood: the query as it was written, its pairs, the definition's headers, the body's type and its content.
pub fn answer(asked: &Asked) -> Answer {
    let mut headers: Vec<_> = asked.headers.iter().filter(|(name, _)| !OWN.contains(&name.as_str())).collect();
    headers.sort();
    let headers: Map<String, Value> = headers.into_iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let kind = asked.header("content-type");
    let body = if asked.body.is_empty() { json!("") } else { read(kind, &asked.body) };
    Answer::json(
        200,
        &json!({
            "query": asked.query, "headers": headers, "authorization": asked.header("authorization"),
            "type": kind.split(';').next(), "body": body,
        }),
    )
}

fn read(kind: &str, body: &[u8]) -> Value {
    let text = String::from_utf8_lossy(body);
    match kind.split(';').next().unwrap_or_default() {
        "application/json" => serde_json::from_slice(body).unwrap(),
        "application/x-www-form-urlencoded" => pairs(&text),
        "multipart/form-data" => parts(kind, &text),
        kind if kind.ends_with("xml") => elements(&text),
        "application/octet-stream" => json!(body),
        _ => json!(text),
    }
}

fn pairs(text: &str) -> Value {
    let decoded = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8().unwrap().into_owned();
    let pair = |pair: &str| pair.split_once('=').map(|(name, value)| json!([decoded(name), decoded(value)])).unwrap();
    text.split('&').map(pair).collect()
}

/// Each part as its headers, one after the other, and its content.
fn parts(kind: &str, text: &str) -> Value {
    let boundary = kind.split_once("boundary=").unwrap().1.trim_matches('"');
    let (body, end) = text.rsplit_once(&format!("--{boundary}--")).unwrap();
    assert_eq!(end.trim(), "");
    let part = |part: &str| {
        let (head, content) = part.strip_prefix("\r\n").unwrap().split_once("\r\n\r\n").unwrap();
        json!([head.to_ascii_lowercase().replace("\r\n", "; "), content.strip_suffix("\r\n").unwrap()])
    };
    body.split(&format!("--{boundary}")).skip(1).map(part).collect()
}

/// `<name attribute>`, text and `</name>` in their order.
fn elements(text: &str) -> Value {
    let mut reader = quick_xml::Reader::from_str(text);
    let mut told = Vec::new();
    loop {
        let event = reader.read_event().unwrap();
        let text = match &event {
            Event::Eof => return json!(told),
            Event::Decl(_) => "<?>".to_owned(),
            Event::Start(tag) => format!("<{}>", &**tag),
            Event::Empty(tag) => format!("<{}/>", &**tag),
            Event::End(tag) => format!("</{}>", &**tag),
            Event::Text(text) => (**text).to_owned(),
            Event::GeneralRef(name) => format!("&{};", &**name),
            other => panic!("{other:?}"),
        };
        told.push(text);
    }
}

/// Answers those who authorize themselves as they should.
pub fn authorized(how: &str, asked: &Asked) -> Answer {
    let expected = match how {
        "bearer" => "Bearer k-1".to_owned(),
        "basic" => format!("Basic {}", STANDARD.encode("user:k-1")),
        "none" => String::new(),
        "header" => return verdict(asked.header("x-key") == "k-1" && asked.header("authorization").is_empty()),
        "signed" => {
            let key = hmac::Key::new(hmac::HMAC_SHA256, b"k-1");
            let text = [asked.method.as_bytes(), b" /", asked.path.as_bytes(), b"?", asked.query.as_bytes(), b" "];
            let signed = STANDARD.decode(asked.header("x-signature")).unwrap_or_default();
            let text = [text.concat(), asked.body.clone()].concat();
            return verdict(hmac::verify(&key, &text, &signed).is_ok());
        }
        "scopes" => return Answer::json(403, &json!({ "message": "not for you" })),
        _ => panic!("no credential is spoken as {how}"),
    };
    verdict(asked.header("authorization") == expected)
}

fn verdict(good: bool) -> Answer {
    if good { Answer::json(200, &json!("welcome")) } else { Answer::json(401, &json!({ "message": "who is it?" })) }
}
