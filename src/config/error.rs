//! What is wrong with the configuration: one message that names the key, the layer and what to do.

use std::fmt;

use super::layer::Origin;

/// Why the configuration cannot be used. Its text never holds a secret's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The key, as `section.key`; `None` when the layer as a whole cannot be read.
    pub key: Option<String>,
    /// The layer that holds the mistake.
    pub origin: Origin,
    /// What is wrong, beginning in lower case.
    pub problem: String,
    /// What to do about it, where that is known.
    pub hint: Option<String>,
}

impl ConfigError {
    pub(super) fn key(key: &str, origin: &Origin, problem: impl Into<String>) -> Self {
        Self { key: Some(key.to_owned()), origin: origin.clone(), problem: problem.into(), hint: None }
    }

    pub(super) fn layer(origin: &Origin, problem: impl Into<String>) -> Self {
        Self { key: None, origin: origin.clone(), problem: problem.into(), hint: None }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key {
            Some(key) => write!(f, "configuration key `{key}` ({}): {}", self.origin, self.problem),
            None => write!(f, "configuration ({}): {}", self.origin, self.problem),
        }
    }
}

impl std::error::Error for ConfigError {}
