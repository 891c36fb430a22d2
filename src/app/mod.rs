//! Putting the parts together: the worker process, what one-shot verbs need, the demo and its stub provider.

pub mod demo;
mod health;
mod parts;
mod run;
pub mod stub;

pub use parts::{Parts, open_parts, open_store, wait_for_store};
pub use run::{Worker, run};

/// Why a process does not start. Its exit code follows from the kind.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// What was given cannot be used: settings, keys, definitions, a file. Exit code 2.
    #[error("{0}")]
    BadInput(String),
    /// Something that is needed is not there: a port, the database, its schema. Exit code 3.
    #[error("{0}")]
    Unavailable(String),
}

impl From<crate::store::StoreError> for StartError {
    fn from(error: crate::store::StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<crate::config::ConfigError> for StartError {
    fn from(error: crate::config::ConfigError) -> Self {
        let hint = error.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        Self::BadInput(format!("{error}{hint}"))
    }
}
