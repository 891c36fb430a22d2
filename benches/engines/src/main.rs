//! JSONata engines side by side: the one in use, the one that could replace it, and the one that the name suggests.
//!
//! `cargo run --release --manifest-path benches/engines/Cargo.toml` prints conformance on a small set, time, and memory
//! after a million evaluations; one of `conformance`, `speed`, `memory` prints that part.

mod cases;
mod engines;

use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use cases::{CASES, SPEED, answer};
use engines::{ENGINES, Engine, Outcome};
use serde_json::Value;

/// Evaluations of the memory measurement.
const EVALUATIONS: u32 = 1_000_000;

/// An engine that holds more than this is stopped early.
const LIMIT_KB: u64 = 2 * 1024 * 1024;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => {
            conformance();
            speed();
            memory();
        }
        ["conformance"] => conformance(),
        ["speed"] => speed(),
        ["memory"] => memory(),
        // What `memory` starts for each engine, so that none inherits another's heap.
        ["evaluate", engine] => match ENGINES.iter().find(|known| known.name == engine) {
            Some(engine) => evaluate(engine),
            None => return ExitCode::from(2),
        },
        _ => {
            eprintln!("usage: [conformance | speed | memory]");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn conformance() {
    println!("conformance: {} expressions, as the reference (jsonata 2.2.2)\n", CASES.len());
    let input = answer(3);
    // An engine that panics is counted, not shown.
    std::panic::set_hook(Box::new(|_| {}));
    for engine in ENGINES {
        let failed: Vec<String> = CASES
            .iter()
            .filter_map(|case| {
                let outcome = catch_unwind(AssertUnwindSafe(|| (engine.run)(case.source, &input, &mut times(1))));
                let got = outcome.map_or_else(|_| "a panic".to_owned(), |outcome| told(&outcome));
                (!same(&got, case.expected)).then(|| format!("  {}: {}\n    {got}", case.topic, case.source))
            })
            .collect();
        println!("{:<20} {} of {}", engine.name, CASES.len() - failed.len(), CASES.len());
        for line in failed {
            println!("{line}");
        }
    }
    let _ = std::panic::take_hook();
}

fn told(outcome: &Outcome) -> String {
    match outcome {
        Ok(Some(value)) => value.to_string(),
        Ok(None) => "undefined".to_owned(),
        Err(code) => code.clone(),
    }
}

/// Equal as text, or as JSON whose numbers are doubles and whose keys have no order.
fn same(got: &str, expected: &str) -> bool {
    let read = |text: &str| serde_json::from_str::<Value>(text).ok().map(doubles);
    got == expected || read(expected).is_some_and(|expected| read(got) == Some(expected))
}

fn doubles(value: Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().map_or(Value::Null, Value::from),
        Value::Array(items) => items.into_iter().map(doubles).collect(),
        Value::Object(members) => members.into_iter().map(|(key, member)| (key, doubles(member))).collect(),
        other => other,
    }
}

/// The median of interleaved rounds, so that another program's load does not fall on one engine alone.
fn speed() {
    const ROUNDS: usize = 7;
    println!(
        "\ntime of an evaluation over an answer of 100 items, and of compiling (in brackets), ns, median of {ROUNDS}\n"
    );
    print!("{:<24}", "");
    println!("{}", ENGINES.map(|engine| format!("{:>26}", engine.name)).concat());
    let input = answer(100);
    for (name, source) in SPEED {
        let mut rounds = vec![(Vec::new(), Vec::new()); ENGINES.len()];
        for _ in 0..ROUNDS {
            for (engine, (evaluating, compiling)) in ENGINES.iter().zip(&mut rounds) {
                evaluating.push(timed(|count| drop((engine.run)(source, &input, &mut times(count)))));
                compiling.push(timed(|count| (engine.compile)(source, count)));
            }
        }
        print!("{name:<24}");
        for (evaluating, compiling) in &mut rounds {
            print!("{:>26}", format!("{} ({})", median(evaluating), median(compiling)));
        }
        println!();
    }
}

/// Says so many times that it goes on.
fn times(mut left: u32) -> impl FnMut() -> bool {
    move || {
        let goes_on = left > 0;
        left = left.saturating_sub(1);
        goes_on
    }
}

/// Nanoseconds of one of so many as fill 20 ms.
fn timed(work: impl Fn(u32)) -> u64 {
    let mut times = 1;
    loop {
        let begun = Instant::now();
        work(times);
        let took = begun.elapsed();
        if took >= Duration::from_millis(20) || times > 1 << 22 {
            return u64::try_from(took.as_nanos()).unwrap_or(u64::MAX) / u64::from(times);
        }
        times *= 4;
    }
}

fn median(times: &mut [u64]) -> u64 {
    times.sort_unstable();
    times[times.len() / 2]
}

fn memory() {
    println!(
        "\nresident memory before and at its highest during {EVALUATIONS} evaluations of a path, or until {LIMIT_KB} kB\n"
    );
    let Ok(program) = std::env::current_exe() else { return };
    for engine in ENGINES {
        print!("{:<20} ", engine.name);
        let _ = std::io::stdout().flush();
        match Command::new(&program).args(["evaluate", engine.name]).status() {
            Ok(status) if status.success() => {}
            Ok(status) => println!("ended with {status}"),
            Err(error) => println!("cannot be started: {error}"),
        }
    }
}

/// A definition's expression is compiled once and lives as long as the definition does.
fn evaluate(engine: &Engine) {
    const SOURCE: &str = "data.items[0].id";
    let input = answer(1);
    let _ = (engine.run)(SOURCE, &input, &mut times(1_000));
    let before = status("VmRSS:");
    let mut made = 0;
    let _ = (engine.run)(SOURCE, &input, &mut || {
        made += 1;
        made <= EVALUATIONS && (made % 10_000 != 0 || status("VmRSS:") < LIMIT_KB)
    });
    println!("{before:>8} kB {:>10} kB after {}", status("VmRSS:").max(status("VmHWM:")), made - 1);
}

/// A line of Linux' /proc/self/status, in kB; 0 elsewhere.
fn status(name: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()).and_then(|number| number.parse().ok()).unwrap_or(0)
}
