//! Why a template or an expression gave no value, in words that never repeat the data it was given.

use std::fmt;

/// What kind of failure it was, which decides who has to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExprKind {
    /// The source is not a template or an expression; found when it is compiled.
    Syntax,
    /// The evaluation met data that it cannot work with, or asked for something that is switched off.
    Failed,
    /// A number of [`limits`](super::limits) was reached.
    Limit,
    /// A text that must be complete lacks a value.
    Unresolved,
}

/// A failure of a template or an expression.
///
/// `message` is safe to store and to show: it quotes the source, never a value from the scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExprError {
    /// Who has to act.
    pub kind: ExprKind,
    /// A stable word: the engine's code (`T2001`) or one of ours (`unresolved_placeholder`).
    pub code: String,
    /// What happened, to what, and what to do.
    pub message: String,
    /// Where in the source, in bytes from its start.
    pub position: Option<usize>,
}

impl ExprError {
    pub(super) fn new(kind: ExprKind, code: &str, message: impl Into<String>) -> Self {
        Self { kind, code: code.to_owned(), message: message.into(), position: None }
    }

    pub(super) fn at(mut self, position: usize) -> Self {
        self.position = Some(position);
        self
    }

    /// The same failure of a part that starts `offset` bytes into a longer source.
    pub(super) fn shifted(mut self, offset: usize) -> Self {
        self.position = Some(self.position.unwrap_or(0) + offset);
        self
    }
}

impl fmt::Display for ExprError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}", self.message, self.code)?;
        match self.position {
            Some(position) => write!(f, " at byte {position})"),
            None => f.write_str(")"),
        }
    }
}

impl std::error::Error for ExprError {}
