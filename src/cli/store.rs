//! What one-shot verbs do before and after they use the database.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{CliError, Exit, Globals, block_on};
use crate::app::{self, StartError};
use crate::config::Settings;
use crate::store::Store;
use crate::tasks::Tasks;
use crate::telemetry::{self, Metrics};

impl From<StartError> for CliError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::BadInput(message) => Self::bad_input(message),
            StartError::Unavailable(message) => Self::unavailable(message),
            StartError::Database(error) => error.into(),
            StartError::Failed(message) => Self { code: Exit::Findings, message, hint: None },
        }
    }
}

impl From<crate::store::StoreError> for CliError {
    fn from(error: crate::store::StoreError) -> Self {
        Self::unavailable(error.to_string())
    }
}

/// Whether a verb waits for a database that does not answer, or says so and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waiting {
    /// Say so and end with exit code 3.
    No,
    /// Say so and wait.
    Yes,
}

/// Does `work` with the configured store, on a runtime of its own.
pub(super) fn with_store<T, F>(globals: &Globals, waiting: Waiting, work: F) -> Result<T, CliError>
where
    F: AsyncFnOnce(Settings, Arc<dyn Store>, Metrics) -> Result<T, CliError>,
{
    let settings = globals.load()?.settings;
    let metrics = Metrics::default();
    let _flush = telemetry::start(&settings.log, &metrics)
        .map_err(|error| CliError::unavailable(format!("the log cannot be started: {error}")))?;
    block_on(async {
        let tasks = Tasks::new();
        let store = app::open_store(&settings, &tasks).await?;
        let done = async {
            match waiting {
                Waiting::No => store.check().await?,
                Waiting::Yes => {
                    app::wait_for_store(&store, &CancellationToken::new()).await?;
                }
            }
            work(settings, Arc::clone(&store), metrics).await
        }
        .await;
        tasks.stop().cancel();
        store.close().await;
        tasks.shut_down(std::time::Duration::from_secs(10)).await;
        done
    })?
}
