//! The consumers' reducers of docs/events.md, each on every golden stream.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

#[path = "../../examples/consumers/reduce.rs"]
#[expect(unreachable_pub, reason = "it is shown as it would be written elsewhere")]
mod reduce;

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Every stream with what it reduces to.
fn streams() -> Vec<(String, String, Value)> {
    let directory = std::fs::read_dir(here("examples/consumers/streams")).unwrap();
    let mut streams: Vec<PathBuf> = directory.map(|entry| entry.unwrap().path()).collect();
    streams.retain(|path| path.extension().is_some_and(|extension| extension == "ndjson"));
    streams.sort();
    assert!(streams.len() >= 6);
    streams
        .into_iter()
        .map(|path| {
            let expected = std::fs::read_to_string(path.with_extension("json")).unwrap();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(&path).unwrap(), serde_json::from_str(&expected).unwrap())
        })
        .collect()
}

/// Runs a reducer with an interpreter; `None`, and said so, where there is none.
fn run(interpreter: &str, script: &str, stream: &str) -> Option<Value> {
    let started = Command::new(interpreter)
        .arg(here(script))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            // Past the capture of the test's output: this must be seen.
            let _ = writeln!(std::io::stderr(), "\nSKIPPED: {script} is not run, for there is no `{interpreter}`\n");
            return None;
        }
        Err(error) => panic!("{interpreter}: {error}"),
    };
    child.stdin.take().unwrap().write_all(stream.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{script}");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn the_reducer_in_rust_keeps_the_last_state_of_each_account() {
    for (name, stream, expected) in streams() {
        let mut accounts = BTreeMap::new();
        stream.lines().for_each(|line| reduce::take(&mut accounts, line));
        assert_eq!(serde_json::to_value(&accounts).unwrap(), expected, "{name}");
    }
}

#[test]
fn the_reducers_in_python_and_javascript_do_too() {
    for (interpreter, script) in [("python3", "examples/consumers/reduce.py"), ("node", "examples/consumers/reduce.js")]
    {
        for (name, stream, expected) in streams() {
            let Some(reduced) = run(interpreter, script, &stream) else { break };
            assert_eq!(reduced, expected, "{script}: {name}");
        }
    }
}

#[test]
fn the_page_shows_the_reducers_as_they_are() {
    let page = std::fs::read_to_string(here("docs/events.md")).unwrap();
    for file in ["reduce.rs", "reduce.py", "reduce.js"] {
        let shown = std::fs::read_to_string(here("examples/consumers").join(file)).unwrap();
        assert!(page.contains(&shown), "docs/events.md does not show {file} as it is");
    }
}
