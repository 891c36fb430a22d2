//! `tidewaiter import`: requests from a file or a pipe.

use std::fs::File;
use std::io::{BufWriter, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use tokio::io::{AsyncBufRead, BufReader};

use super::store::{Need, with_store};
use super::{CliError, Exit, Globals, Output};
use crate::app;
use crate::config::{DatabaseKind, Settings};
use crate::intake::{Disposition, LineOutcome, Refusal, receive_lines};

/// Accept import requests from a file, one JSON body or envelope a line.
///
/// An envelope has the fields `message_id`, `correlation_id`, `timestamp` and `body`. Lines that cannot be accepted are reported and
/// quarantined, the others still go; the same file again imports nothing twice. Exit code 1 if any line was refused.
#[derive(Debug, Args)]
pub(super) struct Import {
    /// The file; `-` is standard input.
    file: PathBuf,
    /// Write what became of each line to this file, one JSON object a line.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// The most refused lines that are named one by one to a person.
const NAMED: usize = 20;

impl Import {
    pub(super) fn run(&self, globals: &Globals) -> Result<Exit, CliError> {
        // Before anything else: a file that is not there is the most common mistake.
        let source = Source::open(&self.file)?;
        let report = self.report.as_deref().map(create).transpose()?;
        let settings = globals.load()?.settings;
        with_store(globals, Need::Awaited, async |settings, store, metrics| {
            let parts = app::open_parts(&settings, store, None, metrics).await?;
            parts.load_definitions(&settings).await?;
            let mut tally = Tally::new(report, source.bytes);
            let lines = receive_lines(&parts.intake, source.reader(), |outcome| tally.count(outcome)).await;
            tally.progress.finish_and_clear();
            tally.lines = lines.map_err(|error| CliError::unavailable(error.to_string()))?;
            Ok(tally)
        })
        .and_then(|tally| tally.finish(globals, &settings))
    }
}

/// Where lines come from.
struct Source {
    file: Option<File>,
    bytes: Option<u64>,
}

impl Source {
    fn open(path: &Path) -> Result<Self, CliError> {
        if path == Path::new("-") {
            return Ok(Self { file: None, bytes: None });
        }
        let unreadable = |error| CliError::bad_input(format!("{} cannot be read: {error}", path.display()));
        let file = File::open(path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        if metadata.is_dir() {
            return Err(CliError::bad_input(format!("{} is a directory", path.display())));
        }
        Ok(Self { file: Some(file), bytes: metadata.is_file().then_some(metadata.len()) })
    }

    fn reader(self) -> Box<dyn AsyncBufRead + Unpin> {
        match self.file {
            Some(file) => Box::new(BufReader::with_capacity(64 * 1024, tokio::fs::File::from_std(file))),
            None => Box::new(BufReader::with_capacity(64 * 1024, tokio::io::stdin())),
        }
    }
}

fn create(path: &Path) -> Result<BufWriter<File>, CliError> {
    File::create(path)
        .map(BufWriter::new)
        .map_err(|error| CliError::bad_input(format!("{} cannot be written: {error}", path.display())))
}

/// What became of the lines.
struct Tally {
    lines: u64,
    accepted: u64,
    duplicates: u64,
    refused: Vec<(u64, Refusal)>,
    report: Option<BufWriter<File>>,
    report_error: Option<std::io::Error>,
    progress: ProgressBar,
}

impl Tally {
    fn new(report: Option<BufWriter<File>>, bytes: Option<u64>) -> Self {
        let progress = if std::io::stderr().is_terminal() && bytes.is_some() {
            let style = ProgressStyle::with_template("{pos} lines, {per_sec}, {msg}");
            let bar = ProgressBar::new_spinner();
            bar.enable_steady_tick(Duration::from_millis(100));
            style.map_or_else(|_| ProgressBar::hidden(), |style| bar.with_style(style))
        } else {
            ProgressBar::hidden()
        };
        Self { lines: 0, accepted: 0, duplicates: 0, refused: Vec::new(), report, report_error: None, progress }
    }

    fn count(&mut self, outcome: LineOutcome) {
        let LineOutcome { line, disposition } = outcome;
        self.progress.inc(1);
        let record = match disposition {
            Disposition::Accepted(account) => {
                self.accepted += 1;
                json!({ "line": line, "disposition": "accepted", "account": account.id })
            }
            Disposition::Duplicate(account) => {
                self.duplicates += 1;
                json!({ "line": line, "disposition": "duplicate", "account": account })
            }
            Disposition::Refused(refusal) => {
                let record = refused(line, &refusal, true);
                self.refused.push((line, refusal));
                record
            }
        };
        if let Some(report) = &mut self.report
            && let Err(error) = writeln!(report, "{record}").and_then(|()| report.flush())
        {
            self.report = None;
            self.report_error = Some(error);
        }
    }

    fn finish(mut self, globals: &Globals, settings: &Settings) -> Result<Exit, CliError> {
        self.refused.sort_by_key(|(line, _)| *line);
        let mut output = globals.output();
        if output.is_json() {
            let refused: Vec<Value> =
                self.refused.iter().map(|(line, refusal)| refused(*line, refusal, false)).collect();
            output.json(&json!({
                "lines": self.lines, "accepted": self.accepted, "duplicates": self.duplicates, "refused": refused,
            }))?;
        } else {
            self.tell(&mut output, settings)?;
        }
        if let Some(error) = self.report_error {
            return Err(CliError::unavailable(format!("the report could not be written to its end: {error}")));
        }
        Ok(if self.refused.is_empty() { Exit::Done } else { Exit::Findings })
    }

    fn tell(&self, output: &mut Output, settings: &Settings) -> Result<(), CliError> {
        for (line, refusal) in self.refused.iter().take(NAMED) {
            output.line(&format!("line {line}: {refusal}"))?;
        }
        if self.refused.len() > NAMED {
            output.line(&format!("… and {} more (--report FILE names them all)", self.refused.len() - NAMED))?;
        }
        output.line(&format!(
            "{} accepted, {} duplicates, {} refused",
            self.accepted,
            self.duplicates,
            self.refused.len()
        ))?;
        if self.accepted > 0 && settings.database.kind() == DatabaseKind::Sqlite {
            output.line("a running `tidewaiter run` performs them; `tidewaiter accounts list` shows how they end")?;
        }
        Ok(())
    }
}

fn refused(line: u64, refusal: &Refusal, with_disposition: bool) -> Value {
    let mut record =
        json!({ "line": line, "code": refusal.code, "pointer": refusal.pointer(), "message": refusal.message });
    if with_disposition {
        record["disposition"] = json!("refused");
    }
    record
}
