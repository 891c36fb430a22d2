//! What takes imports from the broker: a subscription for each queue, the drain of dead letters, the replies.
//!
//! All of it starts with the broker down and goes on by itself when it comes.

use std::collections::HashSet;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::StartError;
use super::drain::Drain;
use super::sessions::{Session, watch_sessions};
use crate::broker::topology::{self, Plan};
use crate::broker::{Broker, BrokerError, Publisher, SessionState, Subscription};
use crate::config;
use crate::intake::{Imports, Intake, Replies, publish_replies};
use crate::lifecycle::Region;
use crate::reconnect::Reconnect;
use crate::tasks::Tasks;

/// How often a topology that is declared at the start is declared again while a session does not come about.
const DECLARE_AGAIN: Duration = Duration::from_secs(5);

/// What reaches the broker of these settings.
///
/// # Errors
/// [`StartError::BadInput`] when `broker.ca_file` cannot be used.
pub fn open_broker(settings: &config::Broker) -> Result<Broker, StartError> {
    Broker::new(settings).map_err(|error| StartError::BadInput(error.to_string()))
}

/// The broker's part of a worker.
pub(super) struct BrokerIntake<'a> {
    pub(super) broker: Broker,
    pub(super) settings: &'a config::Broker,
    /// The regions that the worker serves.
    pub(super) regions: &'a [Region],
    pub(super) intake: Intake,
    /// `None` while the database is usable.
    pub(super) database: watch::Receiver<Option<String>>,
    /// `None` while every queue of imports is consumed, else what is wrong.
    pub(super) problem: watch::Sender<Option<String>>,
    pub(super) work: Tasks,
    pub(super) upkeep: Tasks,
}

impl BrokerIntake<'_> {
    /// Starts its tasks.
    pub(super) fn start(self) {
        let open = self.gate();
        let mut sessions = Vec::new();
        if self.settings.imports_queue.is_some() {
            let replies = self.start_replies(&mut sessions);
            self.start_imports(&replies, &open, &mut sessions);
        }
        if let Some(queue) = &self.settings.dead_queue {
            self.start_drain(queue, open, &mut sessions);
        }
        let plan = topology::plan(self.settings, self.regions);
        let states = sessions.iter().map(|session| session.state.clone()).collect();
        if self.settings.declare {
            let declare = declare(self.broker.clone(), plan, states, self.upkeep.stop());
            self.upkeep.spawn("topology", declare);
        } else {
            self.upkeep.spawn_job("topology", check(self.broker.clone(), plan, self.upkeep.stop()));
        }
        let metrics = self.intake.accounts.metrics.clone();
        self.upkeep.spawn("sessions", watch_sessions(sessions, self.problem, metrics, self.upkeep.stop()));
    }

    /// Open while the database is usable: nothing is taken that could not be stored.
    fn gate(&self) -> watch::Receiver<bool> {
        let mut database = self.database.clone();
        let (gate, open) = watch::channel(database.borrow_and_update().is_none());
        self.upkeep.spawn("gate", {
            let stop = self.upkeep.stop();
            async move {
                while tokio::select! { changed = database.changed() => changed.is_ok(), () = stop.cancelled() => false }
                {
                    let usable = database.borrow_and_update().is_none();
                    gate.send_if_modified(|open| std::mem::replace(open, usable) != usable);
                }
                stop.cancelled().await;
            }
        });
        open
    }

    fn start_imports(&self, replies: &Replies, open: &watch::Receiver<bool>, sessions: &mut Vec<Session>) {
        let queues = queues(self.settings, self.regions);
        let names: Vec<&str> = queues.iter().map(|(_, _, queue)| queue.as_str()).collect();
        tracing::info!(queues = names.join(", "), broker = self.settings.url.place(), "imports are consumed");
        for (name, region, queue) in queues {
            let (state, seen) = watch::channel(SessionState::Connecting);
            sessions.push(Session::needed(name, queue.clone(), seen));
            let (broker, prefetch, open) = (self.broker.clone(), self.settings.prefetch, open.clone());
            let subscription = Subscription { broker, queue, prefetch, open, state };
            let stop = self.work.stop();
            self.work.spawn(name, Imports::run(self.intake.clone(), region, replies.clone(), subscription, stop));
        }
    }

    fn start_drain(&self, queue: &str, open: watch::Receiver<bool>, sessions: &mut Vec<Session>) {
        let (state, seen) = watch::channel(SessionState::Connecting);
        let drain = Drain {
            broker: self.broker.clone(),
            queue: queue.to_owned(),
            region: self.settings.default_region,
            intake: self.intake.clone(),
            open,
            state,
            others: sessions.iter().map(|session| session.state.clone()).collect(),
        };
        sessions.push(Session::wanted("dead_letters", seen));
        self.work.spawn("dead letters", drain.run(self.work.stop()));
    }

    /// Replies outlast the work: what was taken last is answered, too.
    fn start_replies(&self, sessions: &mut Vec<Session>) -> Replies {
        let accounts = self.intake.accounts.clone();
        let (replies, waiting) = Replies::new(own_queues(self.settings), accounts.metrics.clone());
        let publisher = Publisher::new(self.broker.clone(), "replies");
        sessions.push(Session::wanted("replies", publisher.state()));
        let (stop, hang_up) = (self.upkeep.stop(), CancellationToken::new());
        self.upkeep.spawn("replies", async move {
            let connection = publisher.clone().run(hang_up.clone());
            let published = async {
                publish_replies(accounts, publisher, waiting, stop).await;
                hang_up.cancel();
            };
            tokio::join!(connection, published);
        });
        replies
    }
}

type State = watch::Receiver<SessionState>;

/// The queues of imports, each with its session's name and the region of a body that names none.
fn queues(settings: &config::Broker, regions: &[Region]) -> Vec<(&'static str, Region, String)> {
    let Some(template) = &settings.imports_queue else { return Vec::new() };
    if template.is_shared() {
        return vec![("imports", settings.default_region, template.for_region(settings.default_region))];
    }
    let name = |region: Region| match region {
        Region::Wnam => "imports_wnam",
        Region::Enam => "imports_enam",
        Region::Apac => "imports_apac",
        Region::Eu => "imports_eu",
    };
    regions.iter().map(|region| (name(*region), *region, template.for_region(*region))).collect()
}

/// Every queue that is Tidewaiter's, whichever regions this process serves.
fn own_queues(settings: &config::Broker) -> HashSet<String> {
    let imports = settings.imports_queue.iter();
    let imports = imports.flat_map(|template| Region::ALL.iter().map(|region| template.for_region(*region)));
    imports.chain(settings.dead_queue.clone()).collect()
}

/// Declares the topology, and again whenever a session does not come about: a queue may have been deleted.
async fn declare(broker: Broker, plan: Plan, sessions: Vec<State>, stop: CancellationToken) {
    let mut told = None;
    let mut pauses = Reconnect::default();
    while !stop.is_cancelled() {
        let pause = match topology::apply(&broker, &plan).await {
            Ok(()) => {
                tracing::debug!("exchanges and queues are declared");
                told = None;
                pauses.succeeded();
                DECLARE_AGAIN
            }
            Err(error) => {
                tell(&mut told, &error);
                pauses.pause()
            }
        };
        let _ = tokio::time::timeout(pause, stop.cancelled()).await;
        let failing = || sessions.iter().any(|state| matches!(*state.borrow(), SessionState::Failing(_)));
        while told.is_none() && !failing() && !stop.is_cancelled() {
            let _ = tokio::time::timeout(DECLARE_AGAIN, stop.cancelled()).await;
        }
    }
}

/// Says once what is missing. The sessions say what becomes of them.
async fn check(broker: Broker, plan: Plan, stop: CancellationToken) {
    let mut pauses = Reconnect::default();
    while !stop.is_cancelled() {
        match topology::check(&broker, &plan).await {
            Ok(()) => return,
            Err(BrokerError::Away(_)) => {
                let _ = tokio::time::timeout(pauses.pause(), stop.cancelled()).await;
            }
            Err(error) => {
                tracing::warn!(%error, "the broker has not all that is configured: `tidewaiter broker apply` declares it");
                return;
            }
        }
    }
}

/// Tells an error unless it was the last one that was told. That the broker is away is told by the sessions.
fn tell(told: &mut Option<String>, error: &BrokerError) {
    if let BrokerError::Away(_) = error {
        return;
    }
    let text = error.to_string();
    if told.as_ref() != Some(&text) {
        tracing::error!(error = %text, "exchanges and queues cannot be declared (`broker.declare`)");
        *told = Some(text);
    }
}
