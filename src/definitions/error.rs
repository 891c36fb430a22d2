//! What is wrong with a definition, where, and what to do about it.

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
}
