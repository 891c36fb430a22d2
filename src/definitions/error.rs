//! What is wrong with a definition, where, and what to do about it.

use std::fmt;
use std::path::PathBuf;

use crate::expression::ExprError;

/// A document that cannot be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", if pointer.is_empty() { "/" } else { pointer.as_str() })]
pub struct CompileError {
    /// A JSON pointer (RFC 6901) to the value that is wrong; empty is the whole document.
    pub pointer: String,
    /// What is wrong with it and what to do, in a sentence without secrets.
    pub message: String,
}

impl CompileError {
    /// An error about the value at `pointer`.
    #[must_use]
    pub fn new(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), message: message.into() }
    }

    /// The same error seen from a document that holds this one at `prefix`.
    #[must_use]
    pub fn under(mut self, prefix: &str) -> Self {
        self.pointer.insert_str(0, prefix);
        self
    }

    /// An expression or placeholder at `pointer` that does not compile.
    #[must_use]
    pub fn expression(pointer: impl Into<String>, error: &ExprError) -> Self {
        let position = error.position.map(|at| format!(" at position {at}")).unwrap_or_default();
        Self::new(pointer, format!("the expression does not compile{position}: {} ({})", error.message, error.code))
    }
}

/// Definitions that cannot be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadError {
    /// The file or directory.
    pub file: PathBuf,
    /// Where in the file; empty when the file as a whole is the matter.
    pub pointer: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl LoadError {
    pub(crate) fn new(file: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Self { file: file.into(), pointer: String::new(), message: message.into() }
    }

    pub(crate) fn at(file: impl Into<PathBuf>, error: CompileError) -> Self {
        Self { file: file.into(), pointer: error.pointer, message: error.message }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if !self.pointer.is_empty() {
            write!(f, " at {}", self.pointer)?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for LoadError {}

/// Everything that keeps a set of definitions from being loaded, file by file; at least one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadErrors(pub Vec<LoadError>);

impl From<LoadError> for LoadErrors {
    fn from(error: LoadError) -> Self {
        Self(vec![error])
    }
}

impl fmt::Display for LoadErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            write!(f, "{}{error}", if index > 0 { "; " } else { "" })?;
        }
        Ok(())
    }
}

impl std::error::Error for LoadErrors {}
