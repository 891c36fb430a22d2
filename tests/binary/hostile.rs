//! Expressions and templates that were made to do harm, all of them in one process.
//!
//! `tests/data/hostile.jsonl` is what `eval --batch` reads, with two members more: `case`, and `gives`, which is the code
//! of the error, several where it depends on the machine, or `ok` for any value; `bare` is the same in the profile of the
//! official suite. What would be too long to read is written as what makes it: see [`whole`].

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{ChildStdin, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::support::{bare, worked};

/// The longest that one may take of the processor: a second as shipped, more in a build for tests.
pub const EACH: Duration = if cfg!(debug_assertions) { Duration::from_secs(15) } else { Duration::from_secs(1) };

/// What the process may hold longer than it has use for.
pub const KEPT_BYTES: u64 = 160 << 20;

/// That an expression took longer than it may: in a build for tests, beside others, also one that is quick as shipped.
const OUT_OF_TIME: &str = "D1012";

#[test]
fn whatever_is_evaluated_each_line_is_answered_and_the_memory_comes_back() {
    let cases = cases();
    assert!(cases.len() >= 120, "{}", cases.len());
    answered(cases.iter(), "production", "gives");
    answered(cases.iter().filter(|case| case.get("bare").is_some()), "conformance", "bare");
}

fn answered<'a>(cases: impl Iterator<Item = &'a Map<String, Value>>, profile: &str, expected: &str) {
    let mut command = bare(["eval", "--batch", "--profile", profile]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap());
    let mut ask = |stdin: &mut ChildStdin, line: &Value| -> Value {
        // The empty line makes it answer now, and has an answer of its own.
        let _ = writeln!(stdin, "{line}\n");
        let mut answer = String::new();
        answers.read_line(&mut answer).unwrap();
        answers.read_line(&mut String::new()).unwrap();
        serde_json::from_str(&answer).unwrap_or_default()
    };
    ask(&mut stdin, &json!({ "jsonata": "1" }));
    let before = resident(child.id());
    let mut spent = Spent::of(child.id());
    let mut wrong = Vec::new();
    for case in cases {
        let mut line = case.clone();
        let name = line.shift_remove("case").unwrap();
        let gives = line[expected].clone();
        line.retain(|key, _| !matches!(key.as_str(), "gives" | "bare"));
        let line = whole(&Value::Object(line));
        spent.since_last();
        let answer = ask(&mut stdin, &line);
        let took = spent.since_last();
        if took > EACH {
            wrong.push(format!("{name}: took {took:?}"));
        }
        let given = match (&answer["error"]["code"], &answer) {
            (Value::String(code), _) => code.as_str(),
            (_, Value::Null) => panic!("the process ended at {name}"),
            _ => "ok",
        };
        let is_late = given == OUT_OF_TIME && cfg!(debug_assertions);
        if gives != given && !is_late && !gives.as_array().is_some_and(|any| any.contains(&json!(given))) {
            wrong.push(format!("{name}: {given} instead of {gives}"));
        }
    }
    assert!(wrong.is_empty(), "{profile}: {wrong:#?}");
    if let (Some(before), Some(after)) = (before, resident(child.id())) {
        assert!(after < before + KEPT_BYTES, "{before} bytes before and {after} after");
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

fn cases() -> Vec<Map<String, Value>> {
    include_str!("../data/hostile.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What a process takes of the processor, or where the system does not tell, of the time.
struct Spent {
    process: u32,
    begun: Instant,
    last: Duration,
}

impl Spent {
    fn of(process: u32) -> Self {
        Self { process, begun: Instant::now(), last: Duration::ZERO }
    }

    fn since_last(&mut self) -> Duration {
        let now = worked(self.process).unwrap_or_else(|| self.begun.elapsed());
        now.saturating_sub(std::mem::replace(&mut self.last, now))
    }
}

/// The memory that a process takes; none where the system does not tell.
pub fn resident(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? << 10)
}

/// What a value of the file stands for: `{"$repeat": [text, n]}` for a text, `{"$concat": [text…]}` for one put together,
/// `{"$times": [value, n]}` for a list of n, `{"$count": n}` for the numbers below n, and `{"$lists": n}`, `{"$objects": n}`
/// and `{"$merged": n}` for that many in one another.
fn whole(value: &Value) -> Value {
    let members = match value {
        Value::Object(members) => members,
        Value::Array(items) => return items.iter().map(whole).collect(),
        other => return other.clone(),
    };
    let count = |value: &Value| value.as_u64().unwrap() as usize;
    match members.iter().next() {
        Some((key, what)) if members.len() == 1 => match key.as_str() {
            "$repeat" => what[0].as_str().unwrap().repeat(count(&what[1])).into(),
            "$concat" => {
                let parts = what.as_array().unwrap().iter().map(whole);
                parts.map(|part| part.as_str().unwrap().to_owned()).collect::<String>().into()
            }
            "$times" => vec![whole(&what[0]); count(&what[1])].into(),
            "$count" => (0..count(what)).collect(),
            "$lists" => nested(count(what), |inner| json!([inner])),
            "$objects" => nested(count(what), |inner| json!({ "a": inner })),
            "$merged" => nested(count(what), |inner| match inner {
                Value::Object(_) => json!({ "$truto_merge": [{ "a": 1 }, inner] }),
                _ => json!({ "$truto_merge": [{ "a": 1 }, "{{a}}"] }),
            }),
            _ => json!({ key: whole(what) }),
        },
        _ => members.iter().map(|(key, member)| (key.clone(), whole(member))).collect(),
    }
}

fn nested(levels: usize, wrap: impl Fn(Value) -> Value) -> Value {
    (0..levels).fold(json!(1), |inner, _| wrap(inner))
}
