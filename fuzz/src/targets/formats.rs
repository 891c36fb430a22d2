//! Parsers of the pack of functions. The first letter says which, the rest is the text.
//!
//! Promises: nothing panics, not even where a panic is caught; what comes out is JSON.

use std::sync::LazyLock;

use serde_json::json;
use tidewaiter::expression::Expression;

/// Expressions over `{"x": text}`.
const SOURCES: [&str; 16] = [
    "$xmlToJs(x)",
    "$xmlToJs(x, {'compact': false})",
    "$xmlToJs($jsToXml($xmlToJs(x, {'compact': true}), {'compact': true}), {'compact': true})",
    "$convertHtmlToMarkdown(x)",
    "$convertMarkdownToHtml(x)",
    "$convertHtmlToMarkdown($convertMarkdownToHtml(x))",
    "$parseQuery(x)",
    "$parseQuery(x, {'allowDots': true, 'comma': true, 'depth': 20, 'charsetSentinel': true, 'interpretNumericEntities': true})",
    "$stringifyQuery($parseQuery(x))",
    "$jsonParse(x)",
    "$parseUrl(x)",
    "$string($dtFromIso(x)) & $string($dtFromFormat(x, 'yyyy LLL dd HH:mm:ss.SSS ZZZ'))",
    "$dtFromFormat('2026-01-02', x).toFormat(x)",
    "$jsonToCsv([{'a': x, 'b': [x]}], {'fields': [x, 'a', 'b']})",
    "$groupBy([{'a': x}], x)",
    "$recursiveCharacterTextSplitter(x, {'chunkSize': 10, 'chunkOverlap': 2})",
];

static EXPRESSIONS: LazyLock<Vec<Expression>> = LazyLock::new(|| {
    SOURCES
        .iter()
        .map(|source| Expression::compile(source).unwrap_or_else(|error| panic!("{source}: {error}")))
        .collect()
});

pub fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut letters = text.chars();
    let choice = letters.next().map_or(0, |letter| (letter as usize).wrapping_sub('a' as usize)) % SOURCES.len();
    match EXPRESSIONS[choice].evaluate_over(&json!({ "x": letters.as_str() })) {
        Err(error) => assert!(error.code != "engine_panicked", "{}: {error}", SOURCES[choice]),
        Ok(value) => drop(serde_json::to_string(&value).expect("a value is JSON")),
    }
}
