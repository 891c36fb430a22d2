//! Lines of expressions and what they give.

use serde_json::{Map, Value};
use tidewaiter::expression::{Expression, Scope};

/// `$now()` of every example: the first of January 2026.
const NOW_MS: i64 = 1_767_225_600_000;

/// What is wrong with the lines of a block, each with its place in it, from 1.
pub fn faults(text: &str) -> Vec<(usize, String)> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with("//"));
    lines.filter_map(|(at, line)| fault(line).map(|fault| (at + 1, fault))).collect()
}

fn fault(line: &str) -> Option<String> {
    let Some((asked, expected)) = line.rsplit_once(" => ") else {
        return Some(format!("a line has the form `expression => JSON`, and this one has not: {line}"));
    };
    let (input, source) = asked.split_once(" |> ").unwrap_or(("{}", asked));
    let root: Map<String, Value> = match serde_json::from_str(input) {
        Ok(root) => root,
        Err(error) => return Some(format!("what stands before `|>` is no JSON object: {error}")),
    };
    let (source, expected) = (source.trim(), expected.trim());
    let given = match evaluate(source, root) {
        Ok(Some(value)) => value.to_string(),
        Ok(None) => "undefined".to_owned(),
        Err(error) => format!("error: {error}"),
    };
    let same = match serde_json::from_str::<Value>(expected) {
        Ok(expected) => serde_json::from_str::<Value>(&given).is_ok_and(|given| given == expected),
        // `undefined`, or so much of an error as the example tells.
        Err(_) => {
            given == expected
                || expected.starts_with("error") && given.contains(expected.trim_start_matches("error").trim())
        }
    };
    (!same).then(|| format!("`{source}` gives\n    {given}\nand not\n    {expected}"))
}

fn evaluate(source: &str, root: Map<String, Value>) -> Result<Option<Value>, String> {
    let expression = Expression::compile(source).map_err(|error| error.to_string())?;
    expression.evaluate(&Scope::new(root, NOW_MS, 1)).map_err(|error| error.to_string())
}
