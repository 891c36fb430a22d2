//! The worker process: intake, runner, relay, API and probes on one store, from start to drain.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::health::{sample, watch_database};
use super::intake::BrokerIntake;
use super::outfit::{Outfit, budgets, circuit};
use super::{Parts, StartError, open_parts, open_store, wait_for_store};
use crate::accounts::{FastLane, Started};
use crate::api::{self, Api, Door, Probes};
use crate::broker::{Broker, Publisher, SessionState};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{self, Settings};
use crate::relay::{EventSink, Relay};
use crate::runner::{Gates, HostCaps, Runner};
use crate::store::sqlite::FileLock;
use crate::store::{Store, StoreError};
use crate::tasks::Tasks;
use crate::telemetry::Metrics;
use crate::upstream::HttpUpstream;

/// Of the drain time, this much is kept for writing down where runs stand and for publishing.
const WRITING: Duration = Duration::from_secs(4);

/// How often the definitions are read again.
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
/// When it cannot start, or a task of it failed.
pub async fn run(settings: &Settings, metrics: Metrics) -> Result<(), StartError> {
    // Lives as long as the process and holds nothing that would have to be drained.
    let stop = signals(&Tasks::new());
    let Some(worker) = Worker::start(settings, metrics, &stop).await? else { return Ok(()) };
    let failed = tokio::select! {
        () = stop.cancelled() => false,
        () = worker.stages.failed() => true,
    };
    if failed {
        tracing::error!("stopping: a task of this worker failed");
    } else {
        tracing::info!("stopping: runs are brought to a safe point first");
    }
    worker.stop().await;
    if failed {
        return Err(StartError::Failed("a task of this worker failed; the log says which".to_owned()));
    }
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

impl Stages {
    /// Tells everything to stop, in no order: nothing was begun.
    fn halt(&self) {
        for tasks in [&self.work, &self.upkeep, &self.store] {
            tasks.stop().cancel();
        }
    }

    async fn failed(&self) {
        let (work, upkeep, store) = (self.work.failed(), self.upkeep.failed(), self.store.failed());
        tokio::select! {
            () = work.cancelled() => {}
            () = upkeep.cancelled() => {}
            () = store.cancelled() => {}
        }
    }
}

/// What there is once the database answered.
struct Prepared {
    parts: Parts,
    lane: Arc<FastLane>,
    started: mpsc::UnboundedReceiver<Started>,
}

impl Worker {
    /// Starts a worker: ports and files first, then the database (waiting for it), then everything else. `None` when
    /// `stop` came while it waited.
    ///
    /// # Errors
    /// A port that is taken, a database file that another worker holds, settings, keys or definitions that cannot be
    /// used, a schema that is another version's.
    pub async fn start(
        settings: &Settings,
        metrics: Metrics,
        stop: &CancellationToken,
    ) -> Result<Option<Self>, StartError> {
        let outfit = Outfit::gather(settings).await?;
        let stages = Stages::default();
        // Held here, so that its tasks are asked to end before they find themselves without a store.
        let store = open_store(settings, &stages.store).await?;
        let started = Self::start_in(stages.clone(), Arc::clone(&store), outfit, settings, metrics, stop).await;
        if !matches!(started, Ok(Some(_))) {
            stages.halt();
        }
        started
    }

    async fn start_in(
        stages: Stages,
        store: Arc<dyn Store>,
        outfit: Outfit,
        settings: &Settings,
        metrics: Metrics,
        stop: &CancellationToken,
    ) -> Result<Option<Self>, StartError> {
        let Outfit { lock, api, probes, sink, publisher, upstream, broker } = outfit;
        let (problem, database) = watch::channel(Some("not asked yet".to_owned()));
        let (relay_health, relay) = watch::channel(true);
        let intake_problem = watch::channel(Some("the worker is starting".to_owned())).0;
        let consumes = settings.broker.as_ref().is_some_and(|broker| broker.imports_queue.is_some());
        let door = Door::default();
        let events = publisher.as_ref().map(Publisher::state);
        if let Some(publisher) = publisher {
            // Outlasts the relay, which publishes to the last.
            stages.store.spawn("publisher", publisher.run(stages.store.stop()));
        }
        if let Some(listener) = probes {
            let intake = consumes.then(|| intake_problem.subscribe());
            let (database, door, metrics) = (database.clone(), door.clone(), metrics.clone());
            let probes = Probes { database, intake, relay, door, metrics };
            stages.upkeep.spawn("probes", api::serve(listener, api::probes_router(probes), stages.upkeep.stop()));
        }
        let health = watch_database(Arc::clone(&store), problem, metrics.clone(), stages.upkeep.stop());
        stages.upkeep.spawn("health", health);
        let address = api.as_ref().and_then(|listener| listener.local_addr().ok());
        if let Some(listener) = api {
            stages.work.spawn("api", api::serve(listener, door.router(), stages.work.stop()));
        }
        let Some(prepared) = prepare_patiently(settings, &store, &metrics, lock.is_some(), stop).await? else {
            return Ok(None);
        };
        let Prepared { parts, lane, started } = prepared;
        let drain = settings.limits.drain;
        let worker = Self { parts, api: address, stages, store, lane, drain, _lock: lock };
        worker.set_up(settings, metrics, sink, upstream, started, relay_health);
        if let (Some(broker), Some(settings)) = (broker, &settings.broker) {
            worker.consume(broker, settings, database, events, intake_problem);
        }
        door.open(worker.api_state());
        tracing::info!(worker.id = %worker.lane.worker, database = ?settings.database.kind(), "ready");
        Ok(Some(worker))
    }

    fn set_up(
        &self,
        settings: &Settings,
        metrics: Metrics,
        sink: Arc<dyn EventSink>,
        upstream: HttpUpstream,
        started: mpsc::UnboundedReceiver<Started>,
        relay_health: watch::Sender<bool>,
    ) {
        let runner = Runner {
            accounts: self.parts.accounts.clone(),
            lane: Arc::clone(&self.lane),
            upstream: Arc::new(upstream),
            gates: Gates::new(circuit(settings), metrics.clone()),
            hosts: HostCaps::new(settings.upstream.host_requests, metrics.clone()),
            budgets: budgets(settings),
            heavy: Arc::new(Semaphore::new(std::thread::available_parallelism().map_or(1, usize::from))),
            tasks: self.stages.work.clone(),
            upkeep: self.stages.upkeep.clone(),
        };
        runner.start(started);
        let relay = Relay {
            store: Arc::clone(&self.store),
            sink,
            worker: self.lane.worker,
            outlet: self.parts.accounts.outlet.clone(),
            metrics: metrics.clone(),
            healthy: relay_health,
        };
        let upkeep = &self.stages.upkeep;
        upkeep.spawn("relay", relay.run(upkeep.stop()));
        upkeep.spawn("sample", sample(Arc::clone(&self.store), metrics, upkeep.stop()));
        upkeep.spawn("catalog", refresh_catalog(self.parts.clone(), upkeep.stop()));
    }

    fn consume(
        &self,
        broker: Broker,
        settings: &config::Broker,
        database: watch::Receiver<Option<String>>,
        events: Option<watch::Receiver<SessionState>>,
        problem: watch::Sender<Option<String>>,
    ) {
        let (intake, regions) = (self.parts.intake.clone(), &self.parts.intake.regions);
        let (work, upkeep) = (self.stages.work.clone(), self.stages.upkeep.clone());
        BrokerIntake { broker, settings, regions, intake, database, events, problem, work, upkeep }.start();
    }

    fn api_state(&self) -> Api {
        let stop = self.stages.work.stop();
        Api { intake: self.parts.intake.clone(), store: Arc::clone(&self.store), stop }
    }

    /// Brings runs to a safe point, publishes what was committed, and gives back what is left: all within the drain
    /// time, whatever hangs.
    pub async fn stop(self) {
        let until = Instant::now() + self.drain;
        let left = || until.saturating_duration_since(Instant::now());
        // First the token: the claimer must not take the closed lane for a fault.
        self.stages.work.stop().cancel();
        self.lane.close();
        if !self.stages.work.shut_down(left().saturating_sub(WRITING)).await {
            tracing::warn!("not everything came to a safe point in time; runs that are left are requeued");
        }
        self.stages.upkeep.shut_down(left() / 2).await;
        match tokio::time::timeout(left() / 2, self.store.retire(self.lane.worker)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "this worker could not sign off; its runs are taken over when its heartbeat is old");
            }
            Err(_) => {
                tracing::warn!(
                    "this worker had no time to sign off; its runs are taken over when its heartbeat is old"
                );
            }
        }
        self.stages.store.stop().cancel();
        self.store.close().await;
        self.stages.store.shut_down(left()).await;
        tracing::info!("stopped");
    }
}

/// Prepares what needs the database, as often as it goes away meanwhile. `None` when `stop` came first.
async fn prepare_patiently(
    settings: &Settings,
    store: &Arc<dyn Store>,
    metrics: &Metrics,
    alone: bool,
    stop: &CancellationToken,
) -> Result<Option<Prepared>, StartError> {
    loop {
        if !wait_for_store(store, stop).await? {
            return Ok(None);
        }
        match prepare(settings, store, metrics, alone).await {
            Err(StartError::Database(StoreError::Unavailable(why))) => {
                tracing::warn!(error = %why, "the database went away while the worker started; starting again");
            }
            prepared => return prepared.map(Some),
        }
    }
}

async fn prepare(
    settings: &Settings,
    store: &Arc<dyn Store>,
    metrics: &Metrics,
    alone: bool,
) -> Result<Prepared, StartError> {
    let worker = SystemClock::default().new_id();
    let config::Worker { slots, share, regions } = &settings.worker;
    let (lane, started) = FastLane::new(worker, regions.clone(), *slots, *share);
    let parts = open_parts(settings, Arc::clone(store), Some(Arc::clone(&lane)), metrics.clone()).await?;
    parts.load_definitions(settings).await?;
    if alone {
        // Holding the file's lock proves that whoever held runs before is gone.
        store.take_over(worker, Duration::ZERO, &[]).await?;
    }
    Ok(Prepared { parts, lane, started })
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
