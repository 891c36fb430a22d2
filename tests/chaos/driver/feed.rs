//! Feeds the corpus to `tidewaiter import`: the file at once, or line by line over a while.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::place::Place;
use super::process::{binary, log};

/// What the import left behind.
pub struct Imported {
    pub summary: String,
    pub report: String,
    /// The exit code, if the process was not killed.
    pub code: Option<i32>,
    pub said: PathBuf,
}

/// Imports `lines`; with a time, through standard input and evenly over it.
pub fn import(place: &Place, config: &Path, lines: &[String], over: Duration) -> anyhow::Result<Imported> {
    let paths = ["imports.ndjson", "summary.json", "report.ndjson", "import.log"].map(|name| place.path(name));
    let [file, summary, report, said] = paths;
    let mut command = binary(["import"]);
    if over.is_zero() {
        command.arg(&file);
    } else {
        command.arg("-").stdin(Stdio::piped());
    }
    command.arg("--config").arg(config).arg("--json").arg("--report").arg(&report);
    command.stdout(fs::File::create(&summary)?).stderr(log(&said)?);
    fs::write(&file, lines.join("\n") + "\n")?;
    let mut child = command.spawn().with_context(|| format!("{command:?} does not start"))?;
    if let Some(stdin) = child.stdin.take() {
        pour(stdin, lines, over);
    }
    let code = child.wait()?.code();
    let report = fs::read_to_string(&report).unwrap_or_default();
    Ok(Imported { summary: fs::read_to_string(&summary)?, report, code, said })
}

/// Ends early when nobody reads any more; the missing lines will be missed in the report.
fn pour(mut stdin: ChildStdin, lines: &[String], over: Duration) {
    let begin = Instant::now();
    for (index, line) in lines.iter().enumerate() {
        let due = over.mul_f64(index as f64 / lines.len() as f64);
        thread::sleep(due.saturating_sub(begin.elapsed()));
        if writeln!(stdin, "{line}").is_err() {
            return;
        }
    }
}
