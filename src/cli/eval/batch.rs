//! `tidewaiter eval --batch`: one JSON object a line in, one a line out, in the same order.
//!
//! A line is read, compiled, evaluated and forgotten, so memory is bounded by the longest line. Whatever is wrong with a
//! line is its answer; the next one is read all the same.

use std::io::{BufRead, BufWriter, Read as _, Write};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::super::{CliError, Exit, Output};
use crate::clock::Clock;
use crate::expression::{ExprError, Expression, Profile, Scope, Template};

/// Longest line, in bytes: the largest input of an expression (5 MiB of an upstream's answer) and what it is written with.
const LINE_BYTES: u64 = 8 << 20;

/// A line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    jsonata: Option<String>,
    #[serde(default, deserialize_with = "given")]
    template: Option<Value>,
    #[serde(default, deserialize_with = "given")]
    placeholder: Option<Value>,
    #[serde(default, deserialize_with = "given")]
    input: Option<Value>,
    bindings: Option<Map<String, Value>>,
}

/// Tells a member that is null from one that is not there.
fn given<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// The answer to a line.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Value(Value),
    Undefined(bool),
    Error { code: String, message: String, position: Option<usize> },
}

impl Answer {
    fn bad_line(message: String) -> Self {
        Self::Error { code: "bad_line".to_owned(), message, position: None }
    }
}

impl From<Result<Option<Value>, ExprError>> for Answer {
    fn from(result: Result<Option<Value>, ExprError>) -> Self {
        match result {
            Ok(Some(value)) => Self::Value(value),
            Ok(None) => Self::Undefined(true),
            Err(error) => Self::Error { code: error.code, message: error.message, position: error.position },
        }
    }
}

/// Answers all lines.
///
/// # Errors
/// When a line cannot be read from `input`, or an answer not be written.
pub(super) fn run(
    profile: Profile,
    clock: &dyn Clock,
    mut input: impl BufRead,
    output: &mut Output,
) -> Result<Exit, CliError> {
    let unreadable = |error| CliError::bad_input(format!("standard input cannot be read: {error}"));
    let mut out = BufWriter::with_capacity(64 << 10, output.sink());
    let mut line = Vec::new();
    while let Some(whole) = next(&mut input, &mut line).map_err(unreadable)? {
        let answer = if whole { answer(profile, clock, &line) } else { too_long() };
        serde_json::to_writer(&mut out, &answer)
            .map_err(std::io::Error::from)
            .and_then(|()| out.write_all(b"\n"))
            .map_err(|error| CliError::of_output(&error))?;
        // What is waiting to be read may wait for this answer.
        if line.len() < 2 || input.fill_buf().map_err(unreadable)?.is_empty() {
            out.flush().map_err(|error| CliError::of_output(&error))?;
        }
    }
    out.flush().map_err(|error| CliError::of_output(&error))?;
    Ok(Exit::Done)
}

/// Reads the next line into `line`; whether it is whole, or too long and skipped. None at the end.
fn next(input: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<Option<bool>> {
    line.clear();
    line.shrink_to(1 << 20);
    if input.by_ref().take(LINE_BYTES + 1).read_until(b'\n', line)? == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') || line.len() as u64 <= LINE_BYTES {
        return Ok(Some(true));
    }
    input.skip_until(b'\n')?;
    Ok(Some(false))
}

fn too_long() -> Answer {
    Answer::bad_line(format!("the line has more than {} MiB", LINE_BYTES >> 20))
}

fn answer(profile: Profile, clock: &dyn Clock, line: &[u8]) -> Answer {
    match serde_json::from_slice::<Line>(line) {
        Err(error) => Answer::bad_line(format!("the line is not an object as expected: {error}")),
        Ok(line) => line.answer(profile, clock),
    }
}

impl Line {
    fn answer(self, profile: Profile, clock: &dyn Clock) -> Answer {
        match (&self.jsonata, &self.template, &self.placeholder) {
            (Some(source), None, None) => {
                let variables = self.bindings.unwrap_or_default();
                Expression::compile_for(profile, source, &variables)
                    .and_then(|expression| {
                        expression.evaluate_with(self.input.as_ref(), &variables, clock.now_ms(), clock.seed())
                    })
                    .into()
            }
            (None, Some(template), None) => {
                let template = Template::compile(template);
                let rendered = |scope: &Scope| template?.render_complete(scope);
                render(self.input, self.bindings, clock, rendered)
            }
            (None, None, Some(template)) => {
                let template = Template::compile_for_the_model(template);
                render(self.input, self.bindings, clock, |scope| template?.render(scope))
            }
            _ => Answer::bad_line("a line has one of jsonata, template and placeholder".to_owned()),
        }
    }
}

/// Renders over the input, and over it the bindings: a template knows no variables, only names.
fn render(
    input: Option<Value>,
    bindings: Option<Map<String, Value>>,
    clock: &dyn Clock,
    template: impl FnOnce(&Scope) -> Result<Option<Value>, ExprError>,
) -> Answer {
    let mut root = match input {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(root)) => root,
        Some(_) => return Answer::bad_line("the input of a template is an object".to_owned()),
    };
    root.extend(bindings.into_iter().flatten());
    template(&Scope::new(root, clock.now_ms(), clock.seed())).into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::output::tests::written;
    use super::*;
    use crate::clock::SystemClock;

    /// The answers to these lines.
    fn answers(profile: Profile, lines: &str) -> Vec<Value> {
        let text = written(true, |output| {
            assert_eq!(run(profile, &SystemClock::default(), lines.as_bytes(), output), Ok(Exit::Done));
        });
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn each_line_is_answered_by_one_in_the_same_order() {
        let got = answers(
            Profile::Production,
            r#"{"jsonata": "$sum(a) + $b", "input": {"a": [1, 2]}, "bindings": {"b": 3}}
{"jsonata": "$", "input": null}
{"jsonata": "$"}
{"jsonata": "$[0] + $previous", "input": [7], "bindings": {"previous": 1}}
{"template": {"a": "{{x:int}}", "b": "{{= x & '!' }}", "c": "{{gone:undefined}}"}, "input": {"x": "7"}}
{"template": ["{{gone}}"]}
{"template": "{{gone:undefined}}"}
{"placeholder": ["{{gone}}", "{{= 1 }}", null], "input": {}}
{"placeholder": "{{a}}-{{b}}", "input": {"a": 1, "b": 2}, "bindings": {"b": 3}}
{"template": null}"#,
        );
        let rest = |error: &Value| error["error"]["code"].clone();
        assert_eq!(got[0], json!({ "value": 6 }));
        assert_eq!(got[1], json!({ "value": null }));
        assert_eq!(got[2], json!({ "undefined": true }));
        assert_eq!(got[3], json!({ "value": 8 }));
        assert_eq!(got[4], json!({ "value": { "a": 7, "b": "7!" } }));
        assert_eq!(rest(&got[5]), "unresolved_placeholder");
        assert_eq!(got[6], json!({ "undefined": true }));
        assert_eq!(got[7], json!({ "value": ["{{gone}}", "{{= 1 }}", null] }));
        assert_eq!(got[8], json!({ "value": "1-3" }));
        assert_eq!(got[9], json!({ "value": null }));
        assert_eq!(got.len(), 10);
    }

    #[test]
    fn a_bad_line_is_answered_by_an_error_and_the_next_one_is_evaluated() {
        let long = format!("{{\"jsonata\": \"1\", \"input\": \"{}\"}}", "x".repeat(LINE_BYTES as usize));
        let lines = [
            "",
            "{",
            "[]",
            r#"{"jsonata": 1}"#,
            r#"{"jsonata": "1", "template": 1}"#,
            r#"{"input": {}}"#,
            r#"{"template": "x", "input": []}"#,
            r#"{"jsonata": "1", "typo": 1}"#,
            &long,
        ];
        for line in lines {
            let got = answers(Profile::Production, &format!("{line}\n{{\"jsonata\": \"1\"}}\n"));
            assert_eq!(got.len(), 2);
            assert_eq!(got[0]["error"]["code"], "bad_line");
            assert_eq!(got[1], json!({ "value": 1 }));
        }
        let got = answers(Profile::Production, "{\"jsonata\": \"1 +\"}\n{\"template\": [\"{{a:odd}}\"]}");
        assert_eq!((&got[0]["error"]["code"], got[0]["error"]["position"].is_number()), (&json!("S0207"), true));
        assert_eq!(got[1]["error"]["code"], "unknown_type");
    }

    #[test]
    fn the_profiles_differ_in_the_pack_and_in_what_is_switched_off() {
        let lines = "{\"jsonata\": \"$eval('1')\"}\n{\"jsonata\": \"$firstNonEmpty(1)\"}";
        let ours = answers(Profile::Production, lines);
        assert_eq!((&ours[0]["error"]["code"], &ours[1]["value"]), (&json!("eval_disabled"), &json!(1)));
        let bare = answers(Profile::Conformance, lines);
        assert_eq!((&bare[0]["value"], &bare[1]["error"]["code"]), (&json!(1), &json!("T1006")));
    }
}
