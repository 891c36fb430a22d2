//! Answers in every format, and those that are none.

use serde_json::json;

use super::Answer;

/// What is more than the worker takes.
const HUGE: usize = 51 * 1024 * 1024 / 10;

/// Entities that multiply to 10^9 of themselves where they are filled in.
const LAUGHS: &str = "<!DOCTYPE a [<!ENTITY b 'ha'><!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;'>]><a>&c;</a>";

/// An answer with this status: one that may have a body says which it is.
pub fn status(word: &str) -> Answer {
    let status: u16 = word.parse().unwrap();
    let head = format!("HTTP/1.1 {word} Spoken\r\nconnection: close\r\n");
    match status {
        // What comes before the answer, and then the answer.
        100 | 102 | 103 => {
            Answer::raw(format!("HTTP/1.1 {word} Wait\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ntrue"))
        }
        204 | 304 => Answer::raw(head + "\r\n"),
        101 => Answer::raw("HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: other\r\n\r\n"),
        301 | 302 | 303 | 307 | 308 => Answer::json(status, &json!({})).with("location", "/elsewhere"),
        _ => Answer::json(status, &json!({ "message": format!("this is {word}") })),
    }
}

/// `None`: nothing ever.
pub fn answer(kind: &str) -> Option<Answer> {
    const JSON: &str = "application/json";
    let ok = json!({ "ok": true });
    Some(match kind {
        "json" => Answer::json(200, &ok),
        "json-as-html" => Answer::of(200, "text/html", ok.to_string()),
        "json-bom" => Answer::of(200, JSON, format!("\u{feff}{ok}")),
        "json-numbers" => Answer::of(200, JSON, r#"{"id":9007199254740993,"n":1.5}"#),
        "json-null" => Answer::of(200, JSON, "null"),
        "json-infinite" => Answer::of(200, JSON, "1e999"),
        "json-deep" => Answer::of(200, JSON, "[".repeat(200) + &"]".repeat(200)),
        "problem" => Answer::of(422, "application/problem+json", r#"{"title":"not so","status":422}"#),
        "xml" => Answer::of(200, "application/xml", "<?xml version=\"1.0\"?><a id=\"1\"><b>x &amp; y</b></a>"),
        "xml-bom" => Answer::of(200, "application/xml", "\u{feff}<a>1</a>"),
        "xml-untold" => Answer::of(200, "text/plain", "<a>1</a>"),
        "xml-entities" => Answer::of(200, "text/xml", "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>"),
        "xml-error" => Answer::of(400, "text/xml", "<Error><Message>not so</Message></Error>"),
        "text" => Answer::of(200, "text/plain", "plain"),
        "latin" => Answer::of(200, "text/plain; charset=iso-8859-1", *b"caf\xe9"),
        "csv" => Answer::of(200, "text/csv", "\u{feff}id,name\r\n1,\"Ann, B\"\r\n2,C\r\n"),
        "empty" => Answer::of(200, JSON, ""),
        "nothing" => Answer::raw("HTTP/1.1 200 OK\r\n\r\n"),
        "chunked" => Answer::json(200, &ok).chunked(3),
        "until-the-end" => Answer::raw(format!("HTTP/1.1 200 OK\r\n\r\n{ok}")),
        "slow" => Answer::json(200, &ok).slow(),
        "large" => Answer::of(200, "text/plain", "x".repeat(1024 * 1024)),
        "huge" => Answer::of(200, "text/plain", "x".repeat(HUGE)),
        "huge-chunked" => Answer::of(200, "text/plain", "x".repeat(HUGE)).chunked(64 * 1024),
        "json-broken" => Answer::of(200, JSON, "{\"half\": "),
        "json-is-html" => Answer::of(200, JSON, "<html>sign in</html>"),
        "json-broken-error" => Answer::of(404, JSON, "{\"half\": "),
        "xml-broken" => Answer::of(200, "text/xml", "<a><b></a>"),
        "half" => Answer::json(200, &ok).half(),
        "half-chunked" => Answer::json(200, &ok).half_chunked(),
        "gzip" => Answer::of(200, JSON, *b"\x1f\x8b\x08\x00").with("content-encoding", "gzip"),
        "no-http" => Answer::raw("what?\r\n\r\n"),
        "no-length" => Answer::raw("HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n{}"),
        "two-lengths" => Answer::raw("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 9\r\n\r\n{}"),
        "two-types" => {
            Answer::raw(format!("HTTP/1.1 200 OK\r\ncontent-type: {JSON}\r\ncontent-type: text/csv\r\n\r\n{ok}"))
        }
        "header-flood" => Answer::raw(format!("HTTP/1.1 200 OK\r\n{}\r\n{ok}", "x-flood: 1\r\n".repeat(10_000))),
        "header-huge" => Answer::raw(format!("HTTP/1.1 200 OK\r\nx-huge: {}\r\n\r\n{ok}", "x".repeat(1 << 20))),
        "chunks-nonsense" => {
            Answer::raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nmany\r\n{}\r\n0\r\n\r\n")
        }
        "json-deeper" => Answer::of(200, JSON, "[".repeat(2 << 20)),
        "xml-deep" => Answer::of(200, "text/xml", "<a>".repeat(1 << 20)),
        "xml-laughs" => Answer::of(200, "text/xml", LAUGHS),
        "closed" => Answer::raw(""),
        "error-in-200" => Answer::json(200, &json!({ "ok": false, "error": "not so" })),
        "success-in-404" => Answer::json(404, &json!({ "ok": true, "found": [1, 2] })),
        "never" => return None,
        _ => panic!("no answer is spoken as {kind}"),
    })
}
