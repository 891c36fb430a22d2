//! The whole story on a bare machine: a stub provider in the process, a worker on a fresh SQLite database, and imports
//! that end in every status.
//!
//! Everything the demo uses is written into one temporary directory (configuration, definitions, imports, database), so
//! that a visitor can look at it and go on with the ordinary verbs.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::stub::{Stub, StubOptions};
use super::{StartError, Worker};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Settings, Sources, scratch_directory};
use crate::intake::{LineOutcome, receive_lines};
use crate::lifecycle::Status;
use crate::relay::Tail;
use crate::store::{Account, AccountFilter, Store, StoredEvent};
use crate::tasks::Tasks;
use crate::telemetry::Metrics;

const INTEGRATION: &str = include_str!("../../config/integrations/harbour.json");
const INSTALLS: &str = include_str!("../../config/installs/development.json");
const IMPORTS: &str = include_str!("../../examples/imports.ndjson");

/// The provider of the shipped definition; the stub takes its place.
const PROVIDER: &str = "https://api.harbour.example";

/// The accounts end well within this, or something is wrong.
const PATIENCE: Duration = Duration::from_mins(1);

/// A demo that is set up.
#[derive(Debug)]
pub struct Demo {
    /// Its directory.
    pub directory: PathBuf,
    /// The configuration file in it.
    pub config: PathBuf,
    /// The database in it.
    pub database: PathBuf,
    settings: Settings,
    stub: Stub,
    tasks: Tasks,
}

/// What the demo tells while it runs.
pub enum Told<'a> {
    /// A line of the imports was answered.
    Line(&'a LineOutcome),
    /// An event was committed.
    Event(&'a StoredEvent),
}

impl std::fmt::Debug for Told<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Line(_) => "Line",
            Self::Event(_) => "Event",
        })
    }
}

impl Demo {
    /// Writes the directory and starts the stub. `events_on_stdout` makes the worker publish there.
    ///
    /// # Errors
    /// When the directory cannot be written or no port is free.
    pub async fn set_up(events_on_stdout: bool) -> Result<Self, StartError> {
        let tasks = Tasks::new();
        let stub = Stub::start(StubOptions::default(), &tasks).await.map_err(|error| {
            StartError::Unavailable(format!("the stub provider cannot listen on loopback: {error}"))
        })?;
        let unique = SystemClock::default().new_id();
        let directory = scratch_directory().join(format!("tidewaiter-demo-{unique}"));
        let config = directory.join("tidewaiter.toml");
        let database = directory.join("tidewaiter.db");
        write_directory(&directory, &stub.base_url, events_on_stdout)
            .map_err(|error| StartError::Unavailable(format!("{} cannot be written: {error}", directory.display())))?;
        let sources = Sources { file: Some(config.clone()), ..Sources::default() };
        let settings = Settings::load(&sources)?.settings;
        Ok(Self { directory, config, database, settings, stub, tasks })
    }

    /// Imports, runs everything to its end, and answers the accounts.
    ///
    /// # Errors
    /// When the worker does not start, or the accounts do not come to an end.
    pub async fn perform(&self, mut tell: impl FnMut(Told<'_>)) -> Result<Vec<Account>, StartError> {
        let never = CancellationToken::new();
        let Some(worker) = Worker::start(&self.settings, Metrics::default(), &never).await? else {
            return Err(StartError::Unavailable("the worker was stopped while it started".to_owned()));
        };
        receive_lines(&worker.parts.intake, IMPORTS.as_bytes(), |outcome| tell(Told::Line(&outcome)))
            .await
            .map_err(|error| StartError::Unavailable(error.to_string()))?;
        let store = Arc::clone(&worker.parts.accounts.store);
        let settled = follow(&store, &mut tell).await;
        worker.stop().await;
        let accounts = settled?;
        self.stub.stop();
        self.tasks.shut_down(Duration::from_secs(5)).await;
        Ok(accounts)
    }

    /// Whether every status was reached.
    #[must_use]
    pub fn is_complete(accounts: &[Account]) -> bool {
        let ends = [Status::Active, Status::PostInstallError, Status::ValidationError, Status::NeedsReauth];
        ends.iter().all(|end| accounts.iter().any(|account| account.status == Some(*end)))
    }
}

/// Tells events until no account is connecting.
async fn follow(store: &Arc<dyn Store>, tell: &mut impl FnMut(Told<'_>)) -> Result<Vec<Account>, StartError> {
    let mut tail = Tail::from(Arc::clone(store), 0);
    let until = Instant::now() + PATIENCE;
    loop {
        // Accounts first: what they show is then among the events that are read after.
        let accounts = store.accounts(&AccountFilter::default(), 1000).await?;
        let settled = accounts.iter().all(|account| account.status != Some(Status::Connecting));
        for event in tail.next().await? {
            tell(Told::Event(&event));
        }
        if settled {
            return Ok(accounts);
        }
        if Instant::now() > until {
            return Err(StartError::Unavailable("the demo's accounts did not come to an end in a minute".to_owned()));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn write_directory(directory: &Path, provider: &str, events_on_stdout: bool) -> std::io::Result<()> {
    let integrations = directory.join("integrations");
    let installs = directory.join("installs");
    std::fs::create_dir_all(&integrations)?;
    std::fs::create_dir_all(&installs)?;
    std::fs::write(integrations.join("harbour.json"), INTEGRATION.replace(PROVIDER, provider))?;
    std::fs::write(installs.join("development.json"), INSTALLS)?;
    std::fs::write(directory.join("imports.ndjson"), IMPORTS)?;
    std::fs::write(directory.join("tidewaiter.toml"), configuration(directory, events_on_stdout))
}

/// The demo's configuration: what differs from the defaults.
fn configuration(directory: &Path, events_on_stdout: bool) -> String {
    let text = |path: PathBuf| Value::from(path.to_string_lossy().into_owned()).to_string();
    let database = Value::from(format!("sqlite://{}", directory.join("tidewaiter.db").display()));
    format!(
        "[database]\nurl = {database}\n\n[api]\nlisten = \"\"\n\n[probes]\nlisten = \"\"\n\n\
         [events]\nsink = \"{sink}\"\n\n\
         [definitions]\nintegrations_dir = {integrations}\ninstalls_dir = {installs}\n\n\
         # The stub provider listens on loopback and fails twice for one account; nobody wants to wait long for it.\n\
         [upstream]\nallow_networks = [\"127.0.0.0/8\"]\n\n[retry]\nbase_ms = 50\n",
        sink = if events_on_stdout { "stdout" } else { "none" },
        integrations = text(directory.join("integrations")),
        installs = text(directory.join("installs")),
    )
}
