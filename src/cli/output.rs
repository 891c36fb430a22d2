//! Answers on standard output: tables and text for people, JSON for programs.
//!
//! No printed value can move a terminal's cursor or look like another line.

use std::fmt;
use std::io::{self, IsTerminal as _, Write};

use comfy_table::presets;
use serde::Serialize;

use super::error::CliError;
use crate::telemetry::escape_controls;

/// Where an answer goes, and in which form.
pub struct Output {
    json: bool,
    terminal: bool,
    sink: Box<dyn Write + Send>,
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("json", &self.json).field("terminal", &self.terminal).finish_non_exhaustive()
    }
}

impl Output {
    /// Standard output.
    #[must_use]
    pub fn stdout(json: bool) -> Self {
        let stdout = io::stdout();
        Self { json, terminal: stdout.is_terminal(), sink: Box::new(stdout) }
    }

    /// Another sink, for tests.
    #[must_use]
    pub fn to(json: bool, sink: Box<dyn Write + Send>) -> Self {
        Self { json, terminal: false, sink }
    }

    /// Whether JSON was asked for.
    #[must_use]
    pub const fn is_json(&self) -> bool {
        self.json
    }

    /// Whether a person is likely to read it, so that progress may be shown.
    #[must_use]
    pub const fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Writes a text of our own as it is, lines and all.
    ///
    /// # Errors
    /// [`CliError::of_output`], here and below.
    pub fn text(&mut self, text: &str) -> Result<(), CliError> {
        let written = self.sink.write_all(text.as_bytes()).and_then(|()| self.sink.flush());
        written.map_err(|error| CliError::of_output(&error))
    }

    /// Writes bytes that are not ours as they are, but for a terminal, which must not obey them.
    ///
    /// # Errors
    /// As [`Output::text`].
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), CliError> {
        if self.terminal {
            return self.line(&String::from_utf8_lossy(bytes));
        }
        let written = self.sink.write_all(bytes).and_then(|()| self.sink.flush());
        written.map_err(|error| CliError::of_output(&error))
    }

    /// Where whole lines of JSON may be written in bulk: JSON has no control characters, and who writes flushes.
    pub(super) fn sink(&mut self) -> &mut (dyn Write + Send) {
        &mut *self.sink
    }

    /// Writes one line, control characters escaped.
    ///
    /// # Errors
    /// As [`Output::text`].
    pub fn line(&mut self, line: &str) -> Result<(), CliError> {
        self.text(&format!("{}\n", escape_controls(line)))
    }

    /// Writes one JSON value on one line.
    ///
    /// # Errors
    /// As [`Output::text`].
    pub fn json(&mut self, value: &impl Serialize) -> Result<(), CliError> {
        let text = serde_json::to_string(value)
            .map_err(|error| CliError::unavailable(format!("the answer cannot be written as JSON: {error}")))?;
        self.line(&text)
    }

    /// Writes `records` one JSON object a line with `--json`, else the table made of them.
    ///
    /// # Errors
    /// As [`Output::text`].
    pub fn records<T: Serialize>(&mut self, records: &[T], table: impl FnOnce(&[T]) -> Table) -> Result<(), CliError> {
        if self.json {
            return records.iter().try_for_each(|record| self.json(record));
        }
        let text = table(records).to_string();
        self.text(&text)
    }
}

/// A table for people.
#[derive(Debug)]
pub struct Table(comfy_table::Table);

impl Table {
    /// A table with these column heads.
    #[must_use]
    pub fn new<const N: usize>(heads: [&str; N]) -> Self {
        let mut table = comfy_table::Table::new();
        table.load_style(presets::NOTHING).set_header(heads);
        Self(table)
    }

    /// Adds a row; control characters in it are escaped.
    pub fn row<const N: usize>(&mut self, cells: [&str; N]) {
        self.0.add_row(cells.map(|cell| escape_controls(cell).into_owned()));
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.0.lines() {
            writeln!(f, "{}", line.strip_prefix(' ').unwrap_or(&line).trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::{Arc, Mutex};

    use insta::assert_snapshot;

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What `write` writes.
    pub(in crate::cli) fn written(json: bool, write: impl FnOnce(&mut Output)) -> String {
        let sink = Sink::default();
        write(&mut Output::to(json, Box::new(sink.clone())));
        let bytes = sink.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn table(records: &[(&str, u8)]) -> Table {
        let mut table = Table::new(["tenant", "runs"]);
        for (tenant, runs) in records {
            table.row([tenant, &runs.to_string()]);
        }
        table
    }

    #[test]
    fn records_are_a_table_or_a_line_of_json_each() {
        let records = [("acme", 1), ("a\nb\u{1b}[2J", 12)];
        assert_snapshot!(written(false, |out| out.records(&records, table).unwrap()), @r"
        tenant         runs
        acme           1
        a\nb\u001b[2J  12
        ");
        assert_snapshot!(written(true, |out| out.records(&records, table).unwrap()), @r#"
        ["acme",1]
        ["a\nb\u001b[2J",12]
        "#);
    }
}
