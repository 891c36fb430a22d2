//! Expressions and templates. The first letter says which: `j` JSONata, `t` a template in JSON, `p` one of the model
//! system's, `u` a text that has to come out complete. The rest is the source.
//!
//! Promises: nothing panics, no error repeats the data, a result can be written as JSON and does not depend on chance.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};
use tidewaiter::expression::{Encoding, ExprError, Expression, Scope, Template, Text};

/// What an error must not repeat.
const SECRET: &str = "canary-0f3a";

static ROOT: LazyLock<Map<String, Value>> = LazyLock::new(|| {
    let root = json!({
        "a": { "b": [1, 2.5, -3, null, true, "text"], "c": { "d": "deep" } },
        "list": [{ "id": 1, "name": "Ann" }, { "id": "2", "name": "Bo" }, {}, [], [[1]]],
        "text": "Grüße, 🌊 \u{0}\u{202e}", "number": 7, "date": "2026-01-02T03:04:05Z", "empty": "", "none": null,
        "xml": "<a b='c'>d<e/></a>", "query": "a[b]=1&a[c][]=2", "secret": SECRET,
    });
    serde_json::from_value(root).expect("an object")
});

/// What came of an evaluation.
type Outcome = Result<Option<Value>, ExprError>;

pub fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut letters = text.chars();
    let kind = letters.next();
    let source = letters.as_str();
    let once = || evaluated(kind, source);
    let outcome = once();
    match &outcome {
        Ok(value) => drop(serde_json::to_string(value).expect("a value is JSON")),
        Err(error) => {
            assert!(error.code != "engine_panicked", "{source}");
            assert!(source.contains("canary") || !error.to_string().contains(SECRET), "{error}");
            assert!(error.position.is_none_or(|at| at <= source.len()), "{error:?}");
        }
    }
    let again = once();
    let late = |outcome: &Outcome| outcome.as_ref().is_err_and(|error| error.code == "D1012");
    if !late(&outcome) && !late(&again) {
        let told = |outcome: Outcome| outcome.map_err(|error| (error.code, error.message, error.position));
        assert_eq!(told(outcome), told(again), "the same twice");
    }
}

fn evaluated(kind: Option<char>, source: &str) -> Outcome {
    let scope = Scope::new(ROOT.clone(), 1_767_225_600_000, 7);
    let json = || serde_json::from_str::<Value>(source).unwrap_or_else(|_| Value::from(source));
    match kind {
        Some('t') => Template::compile(&json())?.render_complete(&scope),
        Some('p') => Template::compile_for_the_model(&json())?.render(&scope),
        Some('u') => Ok(Some(Text::compile_url(source, false)?.render(&scope)?.into())),
        Some('h') => Ok(Some(Text::compile(source, Encoding::Host)?.render(&scope)?.into())),
        _ => Expression::compile(source)?.evaluate(&scope),
    }
}
