//! How a command ends.

use std::fmt;
use std::io::{self, Write as _};
use std::process::ExitCode;

use crate::config::ConfigError;
use crate::definitions::LoadErrors;
use crate::telemetry::escape_controls;

/// The exit codes; scripts rely on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// 0: done.
    Done = 0,
    /// 1: done, with findings or refused items, or a bug.
    Findings = 1,
    /// 2: what was given cannot be used: an argument, the configuration, a file.
    BadInput = 2,
    /// 3: something that is needed is not there: a database, a port, a running worker.
    Unavailable = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command did not do what it was asked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CliError {
    /// How the process ends.
    pub code: Exit,
    /// What happened, to what; empty when there is nobody to tell.
    pub message: String,
    /// What else is wrong, where that is known.
    pub also: Vec<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl CliError {
    /// The command ends so.
    pub(super) fn new(code: Exit, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), also: Vec::new(), hint: None }
    }

    /// What was given cannot be used.
    pub fn bad_input(message: impl Into<String>) -> Self {
        Self::new(Exit::BadInput, message)
    }

    /// Something that is needed is not there.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(Exit::Unavailable, message)
    }

    /// The same with what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// From writing the answer: a reader that went away has what it wanted, so that is no error.
    #[must_use]
    pub fn of_output(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::new(Exit::Done, ""),
            _ => Self::unavailable(format!("the answer cannot be written: {error}")),
        }
    }

    /// Tells it on standard error.
    pub(super) fn report(&self) -> Exit {
        if !self.message.is_empty() {
            // Nobody is left to be told that standard error does not work.
            let _ = write!(io::stderr(), "{self}");
        }
        self.code
    }
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        Self { hint: error.hint.clone(), ..Self::bad_input(error.to_string()) }
    }
}

impl From<LoadErrors> for CliError {
    fn from(errors: LoadErrors) -> Self {
        let mut messages = errors.0.iter().map(ToString::to_string);
        let first = messages.next().unwrap_or_default();
        Self { also: messages.collect(), ..Self::bad_input(first) }
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for message in std::iter::once(&self.message).chain(&self.also) {
            writeln!(f, "error: {}", escape_controls(message))?;
        }
        self.hint.as_ref().map_or(Ok(()), |hint| writeln!(f, "hint: {}", escape_controls(hint)))
    }
}

impl std::error::Error for CliError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_line_and_a_hint_whatever_it_quotes() {
        let error = CliError::bad_input("no file `a\nb\u{1b}[2J`").hint("look\thard");
        assert_eq!(error.to_string(), "error: no file `a\\nb\\u001b[2J`\nhint: look\\thard\n");
    }

    #[test]
    fn a_reader_that_went_away_is_no_error() {
        let gone = CliError::of_output(&io::ErrorKind::BrokenPipe.into());
        assert_eq!((gone.code, gone.message.as_str()), (Exit::Done, ""));
        assert_eq!(CliError::of_output(&io::ErrorKind::StorageFull.into()).code, Exit::Unavailable);
    }
}
