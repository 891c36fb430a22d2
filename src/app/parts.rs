//! What the worker and the one-shot verbs have in common: store, keys, definitions, the front door.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::StartError;
use crate::accounts::{Accounts, Applied, Catalog, FairKeys, FastLane, Outlet, PlanError, Vault};
use crate::clock::{Clock, SystemClock};
use crate::config::{DatabaseKind, Settings};
use crate::definitions::{self, DefinitionSet};
use crate::intake::Intake;
use crate::objects::Objects;
use crate::reconnect::Reconnect;
use crate::seal::{Fingerprint, KeyProblem, Sealer, create_key_file};
use crate::store::postgres::Postgres;
use crate::store::sqlite::Sqlite;
use crate::store::{Patience, Store, StoreError};
use crate::tasks::Tasks;
use crate::telemetry::Metrics;

/// The setting that holds the fingerprints' key.
const FINGERPRINT_KEY: &str = "fingerprint_key";

/// How long a front door waits for the database before it says that it does not answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The parts of one process.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Changes accounts.
    pub accounts: Accounts,
    /// The front door.
    pub intake: Intake,
}

/// Opens the store. With SQLite the file is made and migrated; with PostgreSQL nothing is waited for.
///
/// # Errors
/// When the SQLite file cannot be used, or the URL names none.
pub async fn open_store(settings: &Settings, tasks: &Tasks) -> Result<Arc<dyn Store>, StartError> {
    match settings.database.kind() {
        DatabaseKind::Sqlite => {
            let file = sqlite_file(settings)?;
            Ok(Arc::new(Sqlite::open(&file, tasks).await.map_err(|error| cannot_open(&file, &error))?))
        }
        DatabaseKind::Postgres => connect(settings, tasks),
    }
}

/// Opens the store for reading what is there: makes no SQLite file and leaves its schema as it is.
///
/// # Errors
/// When there is no database, or it cannot be used.
pub async fn open_existing_store(settings: &Settings, tasks: &Tasks) -> Result<Arc<dyn Store>, StartError> {
    match settings.database.kind() {
        DatabaseKind::Sqlite => {
            let file = sqlite_file(settings)?;
            if !file.exists() {
                return Err(StartError::Unavailable(format!(
                    "there is no database at {}: check `database.url`; `tidewaiter run`, `import`, `migrate` or \
                     `definitions apply` makes it",
                    file.display()
                )));
            }
            Ok(Arc::new(Sqlite::open_existing(&file, tasks).await.map_err(|error| cannot_open(&file, &error))?))
        }
        DatabaseKind::Postgres => connect(settings, tasks),
    }
}

fn sqlite_file(settings: &Settings) -> Result<PathBuf, StartError> {
    settings.database.sqlite_path().ok_or_else(|| {
        StartError::BadInput("`database.url` names no SQLite file; a database in memory is not supported".into())
    })
}

fn cannot_open(file: &Path, error: &StoreError) -> StartError {
    StartError::Unavailable(format!("the database {} cannot be opened: {error}", file.display()))
}

fn connect(settings: &Settings, tasks: &Tasks) -> Result<Arc<dyn Store>, StartError> {
    let store = Postgres::connect(settings.database.expose(), tasks)
        .map_err(|error| StartError::BadInput(error.to_string()))?;
    Ok(Arc::new(store))
}

/// Waits until the store answers and has this version's schema; says what it is waiting for.
///
/// # Errors
/// When the schema is another one; `Ok(false)` when `stop` came first.
pub async fn wait_for_store(store: &Arc<dyn Store>, stop: &CancellationToken) -> Result<bool, StartError> {
    let mut pauses = Reconnect::default();
    let mut told = false;
    loop {
        match store.check().await {
            Ok(()) => {
                if told {
                    tracing::info!("the database answers");
                }
                return Ok(true);
            }
            Err(StoreError::Unavailable(why)) => {
                if !told {
                    tracing::warn!(error = %why, "the database does not answer; trying again until it does");
                    told = true;
                }
            }
            Err(error) => return Err(error.into()),
        }
        if tokio::time::timeout(pauses.pause(), stop.cancelled()).await.is_ok() {
            return Ok(false);
        }
    }
}

/// Makes the parts on a store that answers: reads the keys, applies the definitions' files if that is wanted.
///
/// # Errors
/// When the key file or a definition cannot be used, or the store does not answer any more.
pub async fn open_parts(
    settings: &Settings,
    store: Arc<dyn Store>,
    lane: Option<Arc<FastLane>>,
    metrics: Metrics,
) -> Result<Parts, StartError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let vault = open_vault(settings, &store, clock.as_ref()).await?;
    let catalog = Arc::new(Catalog::new(Arc::clone(&store), vault.clone()));
    let fingerprint = Arc::new(fingerprint(&store, &vault, clock.as_ref(), &settings.key_file()?).await?);
    catalog.refresh().await?;
    let accounts = Accounts {
        store,
        vault,
        objects: Objects::open(settings.objects.as_ref())
            .map_err(|why| StartError::BadInput(format!("`objects`: {why}")))?,
        clock,
        catalog,
        fair: Arc::new(FairKeys::default()),
        lane,
        outlet: Outlet::default(),
        settled: Arc::new(Notify::new()),
        metrics,
        max_context_bytes: settings.events.max_context_bytes,
    };
    let regions = settings.worker.regions.clone().into();
    let intake = Intake { accounts: accounts.clone(), fingerprint, regions, patience: Patience::For(PATIENCE) };
    Ok(Parts { accounts, intake })
}

impl Parts {
    /// What `run` and `import` do with the definitions' files when they start. Whoever begins in an empty directory has
    /// none yet: where the default directories are both missing there is nothing to load.
    ///
    /// # Errors
    /// As [`Parts::apply_definitions`].
    pub async fn load_definitions(&self, settings: &Settings) -> Result<(), StartError> {
        let directories = &settings.definitions;
        if !directories.load_at_start {
            return Ok(());
        }
        let (integrations, installs) = (&directories.integrations_dir, &directories.installs_dir);
        if !directories.configured && !integrations.exists() && !installs.exists() {
            tracing::warn!(
                "there are no definitions: neither {} nor {} is here, so only what the database has is used",
                integrations.display(),
                installs.display()
            );
            return Ok(());
        }
        let changed = self.apply_definitions(settings).await?.rows;
        tracing::info!(changed, "definitions are loaded");
        Ok(())
    }

    /// Reads the definitions' files and puts what differs into the store; answers what became of each.
    ///
    /// # Errors
    /// Files that cannot be used ([`StartError::Definitions`]), or a store that does not take them.
    pub async fn apply_definitions(&self, settings: &Settings) -> Result<Applied, StartError> {
        self.apply_set(&read_definitions(settings)?, &[]).await
    }

    /// The same with a set that was read, where the integrations that `over` names are still at the version that it names.
    ///
    /// # Errors
    /// As [`Parts::apply_definitions`]; nothing is written where a version is another.
    pub async fn apply_set(&self, set: &DefinitionSet, over: &[(String, i64)]) -> Result<Applied, StartError> {
        self.accounts.catalog.apply(set, over).await.map_err(|error| match error {
            PlanError::Store(StoreError::Moved(why)) => StartError::BadInput(why),
            PlanError::Store(StoreError::Refused(why)) => StartError::BadInput(format!(
            "the definitions do not go together with those in the database ({why}): a name stands there under another \
             id; keep the id of an integration that has a name, or choose another name"
        )),
        PlanError::Store(error) => error.into(),
            other => StartError::BadInput(other.to_string()),
        })
    }
}

/// Reads the definitions' files.
///
/// # Errors
/// [`StartError::Definitions`] with all that is wrong.
pub fn read_definitions(settings: &Settings) -> Result<DefinitionSet, StartError> {
    let directories = &settings.definitions;
    Ok(definitions::load(&directories.integrations_dir, &directories.installs_dir)?)
}

/// Looks at the key file before anything is waited for; one that is to be made is not missed here.
///
/// # Errors
/// When there is none, or it cannot be used.
pub fn check_keys(settings: &Settings) -> Result<(), StartError> {
    match Sealer::from_key_file(&settings.key_file()?) {
        Err(KeyProblem::Missing { .. }) if settings.seal_key_file.is_none() => Ok(()),
        other => other.map(drop).map_err(|problem| StartError::BadInput(problem.to_string())),
    }
}

async fn open_vault(settings: &Settings, store: &Arc<dyn Store>, clock: &dyn Clock) -> Result<Vault, StartError> {
    let file = settings.key_file()?;
    let made_here = settings.seal_key_file.is_none();
    let sealer = match Sealer::from_key_file(&file) {
        Err(KeyProblem::Missing { .. }) if made_here => {
            if store.stored_setting(FINGERPRINT_KEY).await?.is_some() {
                let file = file.display();
                return Err(StartError::BadInput(format!(
                    "{file} is missing, and the database beside it was sealed with its keys: restore it from a backup"
                )));
            }
            make_key_file(&file, clock)?
        }
        other => other.map_err(|problem| StartError::BadInput(problem.to_string()))?,
    };
    Ok(Vault::new(Arc::new(sealer)))
}

/// The embedded default: a key beside the database.
fn make_key_file(file: &Path, clock: &dyn Clock) -> Result<Sealer, StartError> {
    let refused = |problem: KeyProblem| StartError::BadInput(problem.to_string());
    match create_key_file(file, clock) {
        // Another process of this installation was faster.
        Ok(()) | Err(KeyProblem::Exists { .. }) => {}
        Err(problem) => return Err(refused(problem)),
    }
    tracing::warn!(
        file = %file.display(),
        "a key was made for sealing secrets; without this file the database's secrets cannot be opened: back it up"
    );
    Sealer::from_key_file(file).map_err(refused)
}

/// The fingerprints' key: random, sealed, the same for every process on this database.
async fn fingerprint(
    store: &Arc<dyn Store>,
    vault: &Vault,
    clock: &dyn Clock,
    keys: &Path,
) -> Result<Fingerprint, StartError> {
    let unusable = |error: &dyn std::fmt::Display| {
        StartError::BadInput(format!(
            "the database was sealed with other keys than those in {} (`seal.key_file`): {error}",
            keys.display()
        ))
    };
    let mut fresh = [0_u8; 32];
    clock.fill(&mut fresh);
    let sealed = vault.seal_setting(FINGERPRINT_KEY, &fresh).map_err(|error| unusable(&error))?;
    let stored = store.setting(FINGERPRINT_KEY, sealed).await?;
    let key = vault.open_setting(FINGERPRINT_KEY, &stored).map_err(|error| unusable(&error))?;
    let key: [u8; 32] = key.try_into().map_err(|_| unusable(&"its length is wrong"))?;
    Ok(Fingerprint::new(&key))
}
