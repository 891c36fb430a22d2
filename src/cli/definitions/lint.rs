//! `tidewaiter definitions lint`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::cli::{CliError, Exit, Globals, Output};
use crate::config;
use crate::definitions::lint::{Document, KEPT, Located, Severity, lint};
use crate::definitions::{LoadError, files};

pub(super) const HELP: &str = "\
Each finding has a severity: an error is refused or cannot work, a warning works and probably not as meant, an info is
worth knowing. With --json, one object a line: severity, check, file, line, column, pointer, message, fix.

Exit codes: 0 nothing but infos, 1 errors or warnings, 2 a file that cannot be read.

Examples:
  tidewaiter definitions lint                   # everything that is configured
  tidewaiter definitions lint harbour           # one integration and its installs
  tidewaiter definitions lint draft.json ./more";

/// What to look at.
#[derive(Debug, Args)]
pub(in crate::cli) struct Lint {
    /// Files, directories (with their `integrations` and `installs`), or names of configured integrations. Without any,
    /// the configured directories.
    #[arg(value_name = "FILE|DIR|NAME")]
    what: Vec<String>,
    /// Also name members that are kept without being executed here.
    #[arg(long, short)]
    verbose: bool,
}

impl Lint {
    pub(super) fn run(&self, globals: &Globals) -> Result<Exit, CliError> {
        let mut output = globals.output();
        crate::cli::process::on_a_large_stack(|| self.lint(globals, &mut output))?
    }

    fn lint(&self, globals: &Globals, output: &mut Output) -> Result<Exit, CliError> {
        let settings = globals.load()?.settings.definitions;
        let (documents, others) = self.documents(&settings)?;
        let mut found = lint(&documents, &others);
        found.retain(|it| self.verbose || it.finding.check != KEPT);
        if output.is_json() {
            found.iter().try_for_each(|it| output.json(&record(it)))?;
        } else {
            found.iter().try_for_each(|it| tell(it, output))?;
            output.line(&summary(&found, documents.len()))?;
        }
        let is_clean = found.iter().all(|it| it.finding.severity == Severity::Info);
        Ok(if is_clean { Exit::Done } else { Exit::Findings })
    }

    /// What is looked at, and what that may refer to.
    fn documents(&self, settings: &config::Definitions) -> Result<(Vec<Document>, Vec<Document>), CliError> {
        let mut configured = BTreeMap::new();
        for directory in [&settings.integrations_dir, &settings.installs_dir] {
            if directory.is_dir() {
                configured.extend(read_all(directory)?);
            }
        }
        if self.what.is_empty() {
            if configured.is_empty() {
                let (one, other) = (settings.integrations_dir.display(), settings.installs_dir.display());
                return Err(CliError::bad_input(format!("there are no definitions in {one} and {other}"))
                    .hint("name a file or a directory"));
            }
            return Ok((configured.into_values().collect(), Vec::new()));
        }
        let mut chosen = BTreeMap::new();
        for what in &self.what {
            let path = Path::new(what);
            if path.is_dir() {
                let mut read = Vec::new();
                for directory in directories(path) {
                    read.extend(read_all(&directory)?);
                }
                if read.is_empty() {
                    return Err(CliError::bad_input(format!("there are no definitions in {what}")));
                }
                chosen.extend(read);
            } else if path.exists() {
                chosen.insert(key(path), Document::read(path).map_err(unreadable)?);
            } else {
                let named = named(what, &mut configured);
                if named.is_empty() {
                    return Err(CliError::bad_input(format!(
                        "there is no file or directory {what}, and no configured integration of that name"
                    )));
                }
                chosen.extend(named);
            }
        }
        configured.retain(|key, _| !chosen.contains_key(key));
        Ok((chosen.into_values().collect(), configured.into_values().collect()))
    }
}

/// A file under one name, however it was come by.
fn key(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

fn unreadable(error: LoadError) -> CliError {
    CliError::bad_input(error.to_string())
}

/// A directory of definitions, and the two in it that hold them by convention.
fn directories(path: &Path) -> Vec<PathBuf> {
    let below = ["integrations", "installs"].map(|name| path.join(name)).into_iter().filter(|it| it.is_dir());
    std::iter::once(path.to_owned()).chain(below).collect()
}

fn read_all(directory: &Path) -> Result<Vec<(PathBuf, Document)>, CliError> {
    let files = files(directory).map_err(unreadable)?;
    files.iter().map(|file| Ok((key(file), Document::read(file).map_err(unreadable)?))).collect()
}

/// The integration of that name and its installs, taken out of what is configured.
fn named(name: &str, configured: &mut BTreeMap<PathBuf, Document>) -> Vec<(PathBuf, Document)> {
    if !configured.values().any(|document| document.integration_name() == Some(name)) {
        return Vec::new();
    }
    let belongs = |document: &Document| document.integration_name() == Some(name) || document.installs(name);
    let keys: Vec<PathBuf> = configured.iter().filter(|(_, it)| belongs(it)).map(|(key, _)| key.clone()).collect();
    keys.into_iter().filter_map(|key| configured.remove_entry(&key)).collect()
}

fn record(located: &Located) -> serde_json::Value {
    let finding = &located.finding;
    json!({
        "severity": finding.severity.as_str(), "check": finding.check, "file": located.file.display().to_string(),
        "line": located.line.map(|it| it.0), "column": located.line.map(|it| it.1),
        "pointer": finding.pointer, "message": finding.message, "fix": finding.fix,
    })
}

/// The form that editors and terminals make a link of: `file:line:column: severity: …`.
fn tell(located: &Located, output: &mut Output) -> Result<(), CliError> {
    let finding = &located.finding;
    let line = located.line.map(|(line, column)| format!(":{line}:{column}")).unwrap_or_default();
    let pointer = if finding.pointer.is_empty() { String::new() } else { format!("{}: ", finding.pointer) };
    let file = located.file.display();
    output.line(&format!("{file}{line}: {}: {pointer}{} [{}]", finding.severity, finding.message, finding.check))?;
    finding.fix.as_ref().map_or(Ok(()), |fix| output.line(&format!("    {fix}")))
}

fn summary(found: &[Located], files: usize) -> String {
    let count = |severity| found.iter().filter(|it| it.finding.severity == severity).count();
    let plural = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    let files = plural(files, "file");
    if found.is_empty() {
        return format!("{files}: nothing to complain about");
    }
    let counts = [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Info, "info")];
    let counts = counts.map(|(severity, word)| (count(severity), word));
    let counts: Vec<String> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| plural(*count, word)).collect();
    format!("{files}: {}", counts.join(", "))
}
