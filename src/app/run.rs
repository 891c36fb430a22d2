//! The worker process: intake, runner, relay, API and probes on one store, from start to drain.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::health::{sample, watch_database};
use super::{Parts, StartError, open_parts, open_store, wait_for_store};
use crate::accounts::{FastLane, Started};
use crate::api::{self, Api, Door, Probes};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{DatabaseKind, Settings, Sink};
use crate::relay::{EventSink, NdjsonSink, NoSink, Relay};
use crate::runner::{Budgets, Runner};
use crate::store::Store;
use crate::store::sqlite::FileLock;
use crate::tasks::Tasks;
use crate::telemetry::Metrics;
use crate::upstream::{ClientOptions, HttpUpstream, PolicyOptions};

/// Of the drain time, this much is kept for writing down where runs stand.
const WRITING: Duration = Duration::from_secs(3);

/// How often the definitions are read again, beside every change that another process announces.
const CATALOG_REFRESH: Duration = Duration::from_secs(5);

/// A worker that is up.
#[derive(Debug)]
pub struct Worker {
    /// Its parts.
    pub parts: Parts,
    /// Where the API listens, if it does.
    pub api: Option<SocketAddr>,
    stages: Stages,
    store: Arc<dyn Store>,
    lane: Arc<FastLane>,
    drain: Duration,
    _lock: Option<FileLock>,
}

/// The tasks, in the order in which they are stopped.
#[derive(Debug, Clone, Default)]
struct Stages {
    /// What brings in and performs work.
    work: Tasks,
    /// What must outlast it: heartbeat, relay, probes.
    upkeep: Tasks,
    /// The store's own.
    store: Tasks,
}

/// Runs a worker until a signal asks it to stop or a task of it fails.
///
/// # Errors
/// When it cannot start.
pub async fn run(settings: &Settings, metrics: Metrics) -> Result<(), StartError> {
    // Lives as long as the process and holds nothing that would have to be drained.
    let stop = signals(&Tasks::new());
    let Some(worker) = Worker::start(settings, metrics, &stop).await? else { return Ok(()) };
    let (work_failed, upkeep_failed) = (worker.stages.work.failed(), worker.stages.upkeep.failed());
    tokio::select! {
        () = stop.cancelled() => tracing::info!("stopping: runs are brought to a safe point first"),
        () = work_failed.cancelled() => tracing::error!("stopping: a task of this worker failed"),
        () = upkeep_failed.cancelled() => tracing::error!("stopping: a task of this worker failed"),
    }
    worker.stop().await;
    Ok(())
}

/// Cancelled by SIGTERM or SIGINT; the second one ends the process at once.
fn signals(tasks: &Tasks) -> CancellationToken {
    use tokio::signal::unix::{SignalKind, signal};
    let stop = CancellationToken::new();
    let asked = stop.clone();
    tasks.spawn_job("signals", async move {
        let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
            return;
        };
        for asked_before in [false, true] {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
            if asked_before {
                std::process::exit(130);
            }
            asked.cancel();
        }
    });
    stop
}

impl Worker {
    /// Starts a worker: listeners first, then the database (waiting for it), then everything else. `None` when `stop`
    /// came while it waited.
    ///
    /// # Errors
    /// A port that is taken, a database file that another worker holds, settings, keys or definitions that cannot be
    /// used, a schema that is another version's.
    pub async fn start(
        settings: &Settings,
        metrics: Metrics,
        stop: &CancellationToken,
    ) -> Result<Option<Self>, StartError> {
        let lock = lock_file(settings)?;
        let api_listener = bind(settings.api_listen, "api.listen").await?;
        let probes_listener = bind(settings.probes_listen, "probes.listen").await?;
        let sink = open_sink(settings)?;
        let upstream = open_upstream(settings)?;
        settings.key_file()?;

        let stages = Stages::default();
        let store = open_store(settings, &stages.store).await?;
        let (problem, database) = watch::channel(Some("not asked yet".to_owned()));
        let (relay_health, relay) = watch::channel(true);
        let probes = Probes { database, relay, metrics: metrics.clone() };
        if let Some(listener) = probes_listener {
            let router = api::probes_router(probes);
            stages.upkeep.spawn("probes", api::serve(listener, router, stages.upkeep.stop()));
        }
        stages.upkeep.spawn("health", watch_database(Arc::clone(&store), problem, stages.upkeep.stop()));
        let door = Door::default();
        let api = api_listener.as_ref().and_then(|listener| listener.local_addr().ok());
        if let Some(listener) = api_listener {
            stages.work.spawn("api", api::serve(listener, door.router(), stages.work.stop()));
        }
        if !wait_for_store(&store, stop).await? {
            return Ok(None);
        }

        let worker_id = SystemClock::default().new_id();
        let (lane, started) = FastLane::new(worker_id, settings.worker.regions.clone(), settings.worker.slots);
        let parts = open_parts(settings, Arc::clone(&store), Some(Arc::clone(&lane)), metrics.clone()).await?;
        if settings.definitions.load_at_start {
            let changed = parts.apply_definitions(settings).await?;
            tracing::info!(changed, "definitions are loaded");
        }
        if lock.is_some() {
            // Holding the lock proves that whoever held runs before is gone.
            store.take_over(worker_id, Duration::ZERO, &[]).await?;
        }
        let worker = Self { parts, api, stages, store, lane, drain: settings.limits.drain, _lock: lock };
        let worker = worker.set_up(settings, metrics, sink, upstream, started, relay_health);
        door.open(worker.api_state());
        tracing::info!(worker.id = %worker_id, database = ?settings.database.kind(), "ready");
        Ok(Some(worker))
    }

    fn set_up(
        self,
        settings: &Settings,
        metrics: Metrics,
        sink: Arc<dyn EventSink>,
        upstream: HttpUpstream,
        started: tokio::sync::mpsc::UnboundedReceiver<Started>,
        relay_health: watch::Sender<bool>,
    ) -> Self {
        let runner = Runner {
            accounts: self.parts.accounts.clone(),
            lane: Arc::clone(&self.lane),
            upstream: Arc::new(upstream),
            budgets: budgets(settings),
            tasks: self.stages.work.clone(),
            upkeep: self.stages.upkeep.clone(),
        };
        let standing = runner.start(started);
        let relay = Relay {
            store: Arc::clone(&self.store),
            sink,
            standing,
            committed: Arc::clone(&self.parts.accounts.committed),
            metrics: metrics.clone(),
            healthy: relay_health,
        };
        let upkeep = &self.stages.upkeep;
        upkeep.spawn("relay", relay.run(upkeep.stop()));
        upkeep.spawn("sample", sample(Arc::clone(&self.store), metrics, upkeep.stop()));
        upkeep.spawn("catalog", refresh_catalog(self.parts.clone(), upkeep.stop()));
        self
    }

    fn api_state(&self) -> Api {
        let stop = self.stages.work.stop();
        Api { intake: self.parts.intake.clone(), store: Arc::clone(&self.store), stop }
    }

    /// Brings runs to a safe point, publishes what was committed, and gives back what is left.
    pub async fn stop(self) {
        self.lane.close();
        if !self.stages.work.shut_down(self.drain.saturating_sub(WRITING)).await {
            tracing::warn!("some runs did not come to a safe point in time; they are requeued");
        }
        self.stages.upkeep.shut_down(WRITING).await;
        if let Ok(Err(error)) = tokio::time::timeout(WRITING, self.store.retire(self.lane.worker)).await {
            tracing::warn!(%error, "this worker could not sign off; its runs are taken over when its heartbeat is old");
        }
        self.store.close().await;
        self.stages.store.shut_down(WRITING).await;
        tracing::info!("stopped");
    }
}

fn lock_file(settings: &Settings) -> Result<Option<FileLock>, StartError> {
    let Some(file) = settings.database.sqlite_path().filter(|_| settings.database.kind() == DatabaseKind::Sqlite)
    else {
        return Ok(None);
    };
    match FileLock::take(&file) {
        Ok(Some(lock)) => Ok(Some(lock)),
        Ok(None) => Err(StartError::Unavailable(format!(
            "another worker runs on {}: a SQLite database has one worker (use PostgreSQL for several)",
            file.display()
        ))),
        Err(error) => Err(StartError::BadInput(format!("{}.lock cannot be made: {error}", file.display()))),
    }
}

async fn bind(address: Option<SocketAddr>, key: &str) -> Result<Option<TcpListener>, StartError> {
    let Some(address) = address else { return Ok(None) };
    TcpListener::bind(address)
        .await
        .map(Some)
        .map_err(|error| StartError::Unavailable(format!("cannot listen on {address} (`{key}`): {error}")))
}

fn open_sink(settings: &Settings) -> Result<Arc<dyn EventSink>, StartError> {
    Ok(match &settings.events.sink {
        Sink::Stdout => Arc::new(NdjsonSink::stdout()),
        Sink::None => Arc::new(NoSink),
        Sink::File(path) => Arc::new(NdjsonSink::file(path).map_err(|error| {
            StartError::BadInput(format!("`events.file` {} cannot be appended to: {error}", path.display()))
        })?),
    })
}

fn open_upstream(settings: &Settings) -> Result<HttpUpstream, StartError> {
    let policy = PolicyOptions {
        allow_addresses: settings.upstream.allow_networks.clone(),
        deny_addresses: settings.upstream.deny_networks.clone(),
        allow_http: settings.upstream.allow_http_hosts.iter().map(ToString::to_string).collect(),
        ports: settings.upstream.extra_ports.clone(),
    };
    if !policy.allow_addresses.is_empty() {
        let networks: Vec<String> = policy.allow_addresses.iter().map(ToString::to_string).collect();
        tracing::warn!(
            networks = networks.join(", "),
            "requests to these networks are allowed by `upstream.allow_networks`"
        );
    }
    let options = ClientOptions {
        policy,
        connect_timeout: settings.limits.connect_timeout,
        response_limit: settings.limits.response_bytes,
        ..ClientOptions::default()
    };
    HttpUpstream::new(&options).map_err(|error| StartError::BadInput(error.to_string()))
}

fn budgets(settings: &Settings) -> Budgets {
    Budgets {
        retry: settings.retry,
        request: settings.limits.request_timeout,
        phase: settings.limits.phase_budget,
        wait: settings.limits.max_wait,
        run: settings.limits.run_deadline,
        drain: settings.limits.drain,
    }
}

/// Other processes apply definitions and enable installs; this one learns of it within seconds.
async fn refresh_catalog(parts: Parts, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let _ = tokio::time::timeout(CATALOG_REFRESH, stop.cancelled()).await;
        if let Err(error) = parts.accounts.catalog.refresh().await {
            tracing::debug!(%error, "the definitions could not be read again");
        }
    }
}
