//! What one-shot verbs do before and after they use the database.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{CliError, Exit, Globals, block_on};
use crate::accounts::Accounts;
use crate::app::{self, StartError};
use crate::config::Settings;
use crate::store::Store;
use crate::tasks::Tasks;
use crate::telemetry::{self, Metrics};

impl From<StartError> for CliError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Definitions(errors) => errors.into(),
            StartError::BadInput(message) => Self::bad_input(message),
            StartError::Unavailable(message) => Self::unavailable(message),
            StartError::Database(error) => error.into(),
            StartError::Failed(message) => Self::new(Exit::Findings, message),
        }
    }
}

impl From<crate::store::StoreError> for CliError {
    fn from(error: crate::store::StoreError) -> Self {
        Self::unavailable(error.to_string())
    }
}

/// What a verb needs of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// It reads what is there: no SQLite file is made or migrated. A database that does not answer is exit code 3.
    Existing,
    /// It writes: a SQLite file is made and migrated. A database that does not answer is exit code 3.
    Made,
    /// The same, and a database that does not answer is waited for.
    Awaited,
}

/// Does `work` with the accounts of the configured store, which has to be there, beside whatever worker runs.
pub(super) fn with_accounts<F>(globals: &Globals, work: F) -> Result<Exit, CliError>
where
    F: AsyncFnOnce(Accounts) -> Result<Exit, CliError>,
{
    with_store(globals, Need::Existing, async |settings, store, metrics| {
        let parts = app::open_parts(&settings, store, None, metrics).await?;
        work(parts.accounts).await
    })
}

/// Does `work` with the configured store, on a runtime of its own.
pub(super) fn with_store<T, F>(globals: &Globals, need: Need, work: F) -> Result<T, CliError>
where
    F: AsyncFnOnce(Settings, Arc<dyn Store>, Metrics) -> Result<T, CliError>,
{
    let settings = globals.load()?.settings;
    let metrics = Metrics::default();
    let _flush = telemetry::start(&settings.log, &metrics)
        .map_err(|error| CliError::unavailable(format!("the log cannot be started: {error}")))?;
    block_on(async {
        let tasks = Tasks::new();
        let store = match need {
            Need::Existing => app::open_existing_store(&settings, &tasks).await?,
            Need::Made | Need::Awaited => app::open_store(&settings, &tasks).await?,
        };
        let done = async {
            match need {
                Need::Existing | Need::Made => store.check().await?,
                Need::Awaited => {
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
