//! Putting the parts together: the worker process, what one-shot verbs need, the demo and its stub provider.

pub mod demo;
mod health;
mod intake;
mod outfit;
mod parts;
mod run;
mod sessions;
pub mod stub;

pub use outfit::{address_policy, budgets, open_upstream};
pub use parts::{Parts, check_keys, open_existing_store, open_parts, open_store, read_definitions, wait_for_store};
pub use run::{Worker, run};

/// Why a process does not start. Its exit code follows from the kind.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// What was given cannot be used: settings, keys, definitions, a file. Exit code 2.
    #[error("{0}")]
    BadInput(String),
    /// The definitions' files cannot be used. Exit code 2.
    #[error(transparent)]
    Definitions(#[from] crate::definitions::LoadErrors),
    /// Something that is needed is not there: a port, a file's lock. Exit code 3.
    #[error("{0}")]
    Unavailable(String),
    /// The database does not answer, or has another schema. Exit code 3.
    #[error(transparent)]
    Database(#[from] crate::store::StoreError),
    /// A task of the worker failed while it ran: a fault in Tidewaiter. Exit code 1.
    #[error("{0}")]
    Failed(String),
}

impl From<crate::config::ConfigError> for StartError {
    fn from(error: crate::config::ConfigError) -> Self {
        let hint = error.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        Self::BadInput(format!("{error}{hint}"))
    }
}
