//! Expressions against what the reference answered when `scripts/record` asked it.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};
use tidewaiter::expression::{ExprError, Expression, Profile, Scope};

/// When the recorder's clock stood still.
const NOW_MS: i64 = 1_700_000_000_000;

/// The recorded cases of a directory, each with its file.
fn cases(directory: &str) -> Vec<(String, Value)> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(directory);
    let mut cases = Vec::new();
    for entry in fs::read_dir(home).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            let text = fs::read_to_string(&path).unwrap();
            let mut standing = json!({});
            for line in text.lines() {
                let mut case: Value = serde_json::from_str(line).unwrap();
                if let Some(document) = case.get("document") {
                    standing = document.clone();
                    continue;
                }
                if case.get("input").is_none() {
                    case["input"] = standing.clone();
                }
                cases.push((name.clone(), case));
            }
        }
    }
    assert!(!cases.is_empty(), "nothing is recorded in {directory}");
    cases
}

fn scope(case: &Value) -> Scope {
    Scope::new(case["input"].as_object().cloned().unwrap(), NOW_MS, 7)
}

/// As the recorder writes it.
fn outcome(result: &Result<Option<Value>, ExprError>) -> Value {
    match result {
        Ok(Some(value)) => json!({ "value": value }),
        Ok(None) => json!({ "undefined": true }),
        Err(error) => json!({ "error": error.code }),
    }
}

/// Whether two outcomes are the same: numbers as doubles, and of errors that there is one.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            // The order of keys counts: texts are made of them.
            one.len() == other.len() && one.iter().zip(other).all(|((a, one), (b, other))| a == b && same(one, other))
        }
        (one, other) => one == other,
    }
}

fn same_outcome(one: &Value, other: &Value) -> bool {
    if one.get("error").is_some() { other.get("error").is_some() } else { same(one, other) }
}

/// What the reference gave.
fn recorded(case: &Value) -> Value {
    let word = ["value", "undefined", "error"].into_iter().find(|word| case.get(word).is_some()).unwrap();
    json!({ word: case[word] })
}

/// Fails with every case whose outcome is not the expected one, and every difference that is none.
fn replay(directory: &str, evaluate: impl Fn(&str, &Value) -> Result<Option<Value>, ExprError>) {
    let mut wrong = Vec::new();
    for (file, case) in cases(directory) {
        let source = case["expression"].as_str().unwrap();
        let result = evaluate(source, &case);
        let (got, reference) = (outcome(&result), recorded(&case));
        let expected = case.get("ours").unwrap_or(&reference);
        if !same_outcome(&got, expected) {
            wrong.push(format!("{file}: {source}\n    gave {got}\n    not  {expected}"));
        } else if case.get("ours").is_some() && same_outcome(&got, &reference) {
            wrong.push(format!("{file}: {source}\n    is as the reference's, so it is no difference"));
        }
    }
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_packs_functions_answer_as_the_reference_did() {
    replay("functions", |source, case| Expression::compile(source)?.evaluate(&scope(case)));
}

#[test]
fn the_engine_answers_as_the_reference_did() {
    let variables = Map::new();
    replay("jsonata", |source, case| {
        let expression = Expression::compile_for(Profile::Conformance, source, &variables)?;
        expression.evaluate_with(case.get("input"), &variables, NOW_MS, 7)
    });
}
