//! JSONata's official suite, through `eval --batch`, when its folder is named by `TIDEWAITER_JSONATA_SUITE`.
//!
//! The folder has `cases.json`, a list of cases (`expr`, `data` or the name of a `dataset`, `bindings`, and what is
//! expected), and `datasets.json`. The suite belongs to others and is not part of this repository.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::{Ran, bare, lines};

/// The only cases that the engine does not pass, and why.
const MISSES: [(&str, &str); 3] = [
    ("function-encodeUrl/case002.json", "half a surrogate pair is no text in Rust, and no JSON line can carry it"),
    (
        "function-encodeUrlComponent/case002.json",
        "half a surrogate pair is no text in Rust, and no JSON line can carry it",
    ),
    ("function-string/case019.json", "the division by zero is refused itself (D1001), before $string sees it (D3001)"),
];

/// What definitions get beyond that: the case, then its guard.
const PRODUCTION: &str = include_str!("../data/suite-production.txt");

struct Suite {
    cases: Vec<Value>,
    datasets: Value,
}

impl Suite {
    /// None when it is not there, which is said aloud.
    #[expect(clippy::disallowed_methods, reason = "where the suite is, is told by the environment")]
    fn load() -> Option<Self> {
        let Some(home) = std::env::var_os("TIDEWAITER_JSONATA_SUITE").map(PathBuf::from) else {
            println!("SKIPPED: the official suite of JSONata was NOT run: TIDEWAITER_JSONATA_SUITE names no folder");
            return None;
        };
        let read = |name: &str| {
            let path = home.join(name);
            let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            // Half a surrogate pair cannot be read at all: any other letter makes these cases miss as they must.
            serde_json::from_str(&text.replace("\\ud800", "?")).unwrap()
        };
        let cases: Value = read("cases.json");
        let cases = cases.as_array().unwrap().clone();
        assert_eq!(cases.len(), 1_686);
        Some(Self { cases, datasets: read("datasets.json") })
    }

    fn line(&self, case: &Value) -> String {
        let mut line = json!({ "jsonata": case["expr"], "bindings": case.get("bindings") });
        let named = case["dataset"].as_str().map(|name| &self.datasets[name]);
        if let Some(input) = case.get("data").or(named) {
            line["input"] = input.clone();
        }
        line.to_string()
    }

    /// The cases that are not answered as expected, each with its answer.
    fn missed(&self, profile: &str) -> Vec<(&str, Value)> {
        let input: Vec<String> = self.cases.iter().map(|case| self.line(case)).collect();
        let ran = Ran::of(bare(["eval", "--batch", "--profile", profile]), input.join("\n").as_bytes()).ended(0);
        let answers = lines(&ran.stdout);
        assert_eq!(answers.len(), self.cases.len());
        let missed = |(case, answer): &(&Value, Value)| !is_expected(case, answer);
        let name = |(case, answer): (&'_ Value, Value)| (case["case"].as_str().unwrap().to_owned(), answer);
        let found: Vec<(String, Value)> = self.cases.iter().zip(answers).filter(missed).map(name).collect();
        let own = |name: &str| self.cases.iter().find_map(|case| case["case"].as_str().filter(|own| *own == name));
        found.into_iter().map(|(name, answer)| (own(&name).unwrap(), answer)).collect()
    }
}

fn is_expected(case: &Value, answer: &Value) -> bool {
    let code = case.get("code").or_else(|| case.get("error")?.get("code"));
    if let Some(code) = code {
        let got = answer["error"]["code"].as_str().unwrap_or_default();
        // The suite's runner stopped its own way what the engine stops by depth and time.
        return code == got || code == "U1001" && matches!(got, "D1011" | "D1012");
    }
    if case.get("error").is_some() {
        return answer.get("error").is_some();
    }
    if case["undefinedResult"] == true {
        return answer["undefined"] == true;
    }
    answer.get("value").is_some_and(|value| {
        let unordered = case["unordered"] == true;
        let sorted = |value: &Value| {
            let mut items: Vec<String> = value.as_array().into_iter().flatten().map(Value::to_string).collect();
            items.sort();
            items
        };
        if unordered { sorted(value) == sorted(&case["result"]) } else { is_close(value, &case["result"]) }
    })
}

/// Equal, where numbers may differ by a billionth.
fn is_close(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            let (one, other) = (one.as_f64().unwrap(), other.as_f64().unwrap());
            (one - other).abs() <= 1e-9 * one.abs().max(other.abs())
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_close(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, one)| other.get(key).is_some_and(|other| is_close(one, other)))
        }
        (one, other) => one == other,
    }
}

#[test]
fn the_engine_passes_the_official_suite_but_for_three_cases() {
    let Some(suite) = Suite::load() else { return };
    let missed = suite.missed("conformance");
    let names: BTreeSet<&str> = missed.iter().map(|(name, _)| *name).collect();
    let listed: BTreeSet<&str> = MISSES.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, listed, "{missed:#?}");
}

#[test]
fn what_definitions_get_differs_from_the_official_suite_as_listed() {
    // Stopped by its steps here, and by time, as the case expects, where a machine is busy.
    const ENDS_BY_TIME: &str = "tail-recursion/case006.json";
    let Some(suite) = Suite::load() else { return };
    let missed = suite.missed("production");
    let listed: BTreeSet<&str> = PRODUCTION
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_once(": ").unwrap_or_else(|| panic!("{line} has no guard")).0)
        .chain(MISSES.iter().map(|(name, _)| *name))
        .collect();
    // A busy machine may take longer than definitions are given, with any expression.
    let timed_out =
        |name: &str| missed.iter().any(|(other, answer)| *other == name && answer["error"]["code"] == "D1012");
    let names: BTreeSet<&str> = missed.iter().map(|(name, _)| *name).collect();
    let odd: Vec<&&str> =
        names.symmetric_difference(&listed).filter(|name| **name != ENDS_BY_TIME && !timed_out(name)).collect();
    assert!(odd.is_empty(), "not listed, or listed and no difference: {odd:#?}\n{missed:#?}");
}
