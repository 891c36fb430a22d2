//! What became of the lines: counted, told as they come (the report, the progress) and at the end.
//!
//! Memory is bounded however many lines are refused; the report and the counts are complete all the same.

use std::fs::File;
use std::io::{BufWriter, IsTerminal as _, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde_json::{Value, json};

use crate::cli::{CliError, Exit, Output};
use crate::config::{DatabaseKind, Settings};
use crate::intake::{Disposition, LineOutcome, Refusal, SentLine};
use crate::lifecycle::IntakeCode;

/// The most refused lines that are named one by one to a person.
const NAMED: usize = 20;

/// The most refused lines that the summary for programs names.
const NAMED_IN_JSON: usize = 10_000;

/// What became of the lines.
pub(super) struct Tally {
    pub(super) lines: u64,
    accepted: u64,
    duplicates: u64,
    published: u64,
    refused: u64,
    /// The first refused lines, at most `most_named`.
    named: Vec<Refused>,
    most_named: usize,
    report: Option<BufWriter<File>>,
    report_error: Option<std::io::Error>,
    pub(super) progress: ProgressBar,
}

/// A refused line in the summary.
#[derive(Debug, Clone, Serialize)]
struct Refused {
    line: u64,
    code: IntakeCode,
    pointer: Option<String>,
    message: String,
}

impl Tally {
    /// Nothing yet. `bytes` is the input's size, where it is known.
    pub(super) fn new(is_json: bool, report: Option<BufWriter<File>>, bytes: Option<u64>) -> Self {
        let progress = if std::io::stderr().is_terminal() && bytes.is_some() {
            let style = ProgressStyle::with_template("{pos} lines, {per_sec}, {msg}");
            let bar = ProgressBar::new_spinner();
            bar.enable_steady_tick(Duration::from_millis(100));
            style.map_or_else(|_| ProgressBar::hidden(), |style| bar.with_style(style))
        } else {
            ProgressBar::hidden()
        };
        Self {
            lines: 0,
            accepted: 0,
            duplicates: 0,
            published: 0,
            refused: 0,
            named: Vec::new(),
            most_named: if is_json { NAMED_IN_JSON } else { NAMED },
            report,
            report_error: None,
            progress,
        }
    }

    /// Counts a line that was received here. They come in their order.
    pub(super) fn count(&mut self, outcome: LineOutcome) {
        let LineOutcome { line, disposition } = outcome;
        let record = match disposition {
            Disposition::Accepted(account) => {
                self.accepted += 1;
                json!({ "line": line, "disposition": "accepted", "account": account.id })
            }
            Disposition::Duplicate(account) => {
                self.duplicates += 1;
                json!({ "line": line, "disposition": "duplicate", "account": account })
            }
            Disposition::Refused(refusal) => self.refuse(line, refusal),
        };
        self.record(&record);
    }

    /// Counts a line that was to go to the broker. They come in their order.
    pub(super) fn count_sent(&mut self, outcome: SentLine) {
        let SentLine { line, sent } = outcome;
        let record = match sent {
            Ok(()) => {
                self.published += 1;
                json!({ "line": line, "disposition": "published" })
            }
            Err(refusal) => self.refuse(line, refusal),
        };
        self.record(&record);
    }

    fn refuse(&mut self, line: u64, refusal: Refusal) -> Value {
        self.refused += 1;
        let pointer = refusal.pointer().map(str::to_owned);
        let refused = Refused { line, code: refusal.code, pointer, message: refusal.message };
        let mut record = json!(refused);
        record["disposition"] = json!("refused");
        if self.named.len() < self.most_named {
            self.named.push(refused);
        }
        record
    }

    fn record(&mut self, record: &Value) {
        self.progress.inc(1);
        if let Some(report) = &mut self.report
            && let Err(error) = writeln!(report, "{record}").and_then(|()| report.flush())
        {
            self.report = None;
            self.report_error = Some(error);
        }
    }

    /// The lines that were answered.
    pub(super) const fn told(&self) -> u64 {
        self.accepted + self.duplicates + self.published + self.refused
    }

    /// Tells the summary; the exit code follows from it.
    pub(super) fn finish(self, output: &mut Output, settings: &Settings) -> Result<Exit, CliError> {
        if output.is_json() {
            output.json(&json!({
                "lines": self.lines, "accepted": self.accepted, "duplicates": self.duplicates,
                "published": self.published,                "refused": self.named, "refused_omitted": self.omitted(),
            }))?;
        } else {
            self.tell(output, settings)?;
        }
        if let Some(error) = self.report_error {
            return Err(CliError::unavailable(format!("the report could not be written to its end: {error}")));
        }
        Ok(if self.refused == 0 { Exit::Done } else { Exit::Findings })
    }

    /// How many refused lines are not named.
    fn omitted(&self) -> u64 {
        self.refused - self.named.len() as u64
    }

    fn tell(&self, output: &mut Output, settings: &Settings) -> Result<(), CliError> {
        for Refused { line, code, message, .. } in &self.named {
            output.line(&format!("line {line}: {code}: {message}"))?;
        }
        if self.omitted() > 0 {
            output.line(&format!("… and {} more (--report FILE names them all)", self.omitted()))?;
        }
        if self.published > 0 {
            output.line(&format!("{} published, {} refused", self.published, self.refused))?;
            output
                .line("the workers that consume the queues accept them, and keep what they refuse in the quarantine")?;
            return Ok(());
        }
        output
            .line(&format!("{} accepted, {} duplicates, {} refused", self.accepted, self.duplicates, self.refused))?;
        if self.accepted > 0 && settings.database.kind() == DatabaseKind::Sqlite {
            output.line("a running `tidewaiter run` performs them; `tidewaiter accounts list` shows how they end")?;
        }
        Ok(())
    }
}
