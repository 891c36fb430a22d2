//! Answers that were recorded, as a worker gets them.

use std::collections::HashMap;
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::{Answer, Asked};

/// The exchanges of each case, and how often each is left.
#[derive(Debug)]
pub struct Recorded(HashMap<String, Mutex<Vec<(Value, u64)>>>);

impl Recorded {
    pub fn of(scripts: HashMap<String, Vec<Value>>) -> Self {
        let left = |exchange: Value| {
            let times = exchange["times"].as_u64().unwrap_or(1);
            (exchange, times)
        };
        let of = |exchanges: Vec<Value>| Mutex::new(exchanges.into_iter().map(left).collect());
        Self(scripts.into_iter().map(|(case, exchanges)| (case, of(exchanges))).collect())
    }

    /// The first answer that fits and is left; 418 where there is none, and nothing for a case that has no exchanges.
    pub fn answer(&self, asked: &Asked) -> Option<Answer> {
        let mut exchanges = self.0.get(&asked.case)?.lock().unwrap();
        let target =
            if asked.query.is_empty() { asked.path.clone() } else { format!("{}?{}", asked.path, asked.query) };
        let fits = |(exchange, left): &&mut (Value, u64)| {
            let url = exchange["request"]["url"].as_str().unwrap_or_default();
            let path = url.splitn(4, '/').last().unwrap_or_default();
            *left > 0 && exchange["request"]["method"] == *asked.method && path == target
        };
        let Some((exchange, left)) = exchanges.iter_mut().find(fits) else {
            return Some(Answer::of(418, "text/plain", format!("nothing was recorded for {target}")));
        };
        *left -= 1;
        Some(spoken(&exchange["response"]))
    }
}

fn spoken(response: &Value) -> Answer {
    let Some(status) = response["status"].as_u64() else { return Answer::raw("") };
    let body = &response["body"];
    let (kind, bytes) = match body {
        Value::Null => (None, Vec::new()),
        Value::String(text) => (None, text.clone().into_bytes()),
        _ if body["text"].is_string() => (None, body["text"].as_str().unwrap().into()),
        _ if body["base64"].is_string() => (None, STANDARD.decode(body["base64"].as_str().unwrap()).unwrap()),
        other => (Some("content-type: application/json\r\n"), other.to_string().into_bytes()),
    };
    let headers = response["headers"].as_object().into_iter().flatten();
    let headers: Vec<String> =
        headers.map(|(name, value)| format!("{name}: {}\r\n", value.as_str().unwrap())).collect();
    let kind = kind.unwrap_or_default();
    let head = format!(
        "HTTP/1.1 {status} Spoken\r\nconnection: close\r\n{kind}{}content-length: {}\r\n\r\n",
        headers.concat(),
        bytes.len()
    );
    Answer::raw([head.into_bytes(), bytes].concat())
}
