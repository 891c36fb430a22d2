//! The three engines behind one function each: compile once, evaluate many times, give the last outcome as JSON.

use serde_json::Value;

/// What came of an evaluation: a value, `None` for JSONata's *undefined*, or an error's code.
pub type Outcome = Result<Option<Value>, String>;

/// An engine, by the name of its crate.
#[derive(Clone, Copy)]
pub struct Engine {
    /// The crate and its version.
    pub name: &'static str,
    /// Compiles `expression` once and evaluates it on `input` as long as it is told to go on; the last outcome.
    pub run: fn(expression: &str, input: &Value, go_on: &mut dyn FnMut() -> bool) -> Outcome,
    /// Compiles `expression` `times` times.
    pub compile: fn(expression: &str, times: u32),
}

/// The engine in use first.
pub const ENGINES: [Engine; 3] = [
    Engine { name: "jlens-core 0.26.0", run: jlens_run, compile: jlens_compile },
    Engine { name: "jsonata-core 2.2.13", run: core_run, compile: core_compile },
    Engine { name: "jsonata-rs 0.3.4", run: rs_run, compile: rs_compile },
];

fn jlens_run(expression: &str, input: &Value, go_on: &mut dyn FnMut() -> bool) -> Outcome {
    let code = |error: jlens_core::Error| error.code().to_owned();
    let compiled = jlens_core::Expression::compile(expression).map_err(code)?;
    let (bindings, options) = (jlens_core::Bindings::new(), jlens_core::Options::new());
    let mut last = Ok(None);
    while go_on() {
        last = compiled.evaluate_with(Some(input), &bindings, &options).map_err(code);
    }
    last
}

fn jlens_compile(expression: &str, times: u32) {
    for _ in 0..times {
        let _ = std::hint::black_box(jlens_core::Expression::compile(expression));
    }
}

fn core_run(expression: &str, input: &Value, go_on: &mut dyn FnMut() -> bool) -> Outcome {
    use jsonata_core::evaluator::Evaluator;
    let code = |error: &dyn std::fmt::Display| error.to_string().split(':').next().unwrap_or_default().to_owned();
    let ast = jsonata_core::parser::parse(expression).map_err(|error| code(&error))?;
    let mut last = Ok(None);
    while go_on() {
        // The conversion is part of the price: a worker holds its documents as serde_json values.
        let data = jsonata_core::value::JValue::from(input.clone());
        last = match Evaluator::new().evaluate(&ast, &data) {
            Ok(value) if value.is_undefined() => Ok(None),
            Ok(value) => value.to_json_string().map_err(|error| code(&error)).and_then(|text| read(&text)),
            Err(error) => Err(error.code().map_or_else(|| code(&error), str::to_owned)),
        };
    }
    last
}

fn core_compile(expression: &str, times: u32) {
    for _ in 0..times {
        let _ = std::hint::black_box(jsonata_core::parser::parse(expression));
    }
}

fn rs_run(expression: &str, input: &Value, go_on: &mut dyn FnMut() -> bool) -> Outcome {
    use jsonata_rs::{ArrayFlags, JsonAta, Value as Theirs};
    let code = |error: jsonata_rs::Error| error.to_string().split(' ').next().unwrap_or_default().to_owned();
    // Its compiled form and its values live in one arena, which only grows.
    let arena = bumpalo::Bump::new();
    let compiled = JsonAta::new(expression, &arena).map_err(code)?;
    let mut last = Ok(None);
    while go_on() {
        // It takes JSON as text and parses it as an expression.
        last = match compiled.evaluate(Some(&input.to_string()), None) {
            Ok(Theirs::Undefined) => Ok(None),
            Ok(Theirs::Array(items, flags)) if items.is_empty() && flags.contains(ArrayFlags::SEQUENCE) => Ok(None),
            Ok(value) => read(&value.serialize(false)),
            Err(error) => Err(code(error)),
        };
    }
    last
}

fn rs_compile(expression: &str, times: u32) {
    for _ in 0..times {
        let arena = bumpalo::Bump::new();
        let _ = std::hint::black_box(jsonata_rs::JsonAta::new(expression, &arena));
    }
}

fn read(text: &str) -> Outcome {
    serde_json::from_str(text).map(Some).map_err(|error| format!("not JSON: {error}"))
}
