//! What takes imports from the broker: a subscription for each queue, the drain of dead letters, the replies.
//!
//! All of it starts with the broker down and goes on by itself when it comes.

use std::collections::HashSet;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::StartError;
use super::sessions::{Drain, Session, watch_sessions};
use crate::broker::topology::{self, Found, Plan};
use crate::broker::{Broker, Publisher, SessionState, Subscription, Unreadable};
use crate::config;
use crate::intake::{DeadLetters, Imports, Intake, Replies, publish_replies};
use crate::lifecycle::Region;
use crate::reconnect::Reconnect;
use crate::tasks::Tasks;

/// The longest pause between two tries of a dead letter that cannot be read.
const LONGEST_REST: Duration = Duration::from_mins(1);

/// How a worker reaches the broker. Where `broker.declare` says so, each session declares what is needed.
pub(super) fn open_broker(settings: &config::Broker, regions: &[Region]) -> Result<Broker, StartError> {
    let broker = Broker::new(settings).map_err(|error| StartError::BadInput(error.to_string()))?;
    Ok(if settings.declare { broker.declaring(topology::plan(settings, regions)) } else { broker })
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
    /// The session that publishes events, where the broker is their sink.
    pub(super) events: Option<watch::Receiver<SessionState>>,
    /// `None` while every queue of imports is consumed, else what is wrong.
    pub(super) problem: watch::Sender<Option<String>>,
    pub(super) work: Tasks,
    pub(super) upkeep: Tasks,
}

impl BrokerIntake<'_> {
    /// Starts its tasks.
    pub(super) fn start(mut self) {
        let open = self.gate();
        if !self.settings.declare {
            let plan = topology::plan(self.settings, self.regions);
            self.upkeep.spawn_job("topology", check(self.broker.clone(), plan, self.upkeep.stop()));
        }
        let events = self.events.take();
        let mut sessions: Vec<Session> = events.map(|state| Session::wanted("events", state)).into_iter().collect();
        if self.settings.imports_queue.is_some() {
            let replies = self.start_replies(&mut sessions);
            self.start_imports(&replies, &open, &mut sessions);
        }
        let drain = self.settings.dead_queue.as_ref().map(|queue| self.start_drain(queue, open));
        let metrics = self.intake.accounts.metrics.clone();
        let watched = watch_sessions(sessions, drain, self.problem, metrics, self.upkeep.stop());
        self.upkeep.spawn("sessions", watched);
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
            let unreadable = Unreadable::UntilGivenUp;
            let subscription = Subscription { broker, queue, prefetch, open, state, unreadable };
            let stop = self.work.stop();
            self.work.spawn(name, Imports::run(self.intake.clone(), region, replies.clone(), subscription, stop));
        }
    }

    fn start_drain(&self, queue: &str, open: watch::Receiver<bool>) -> Drain {
        let (state, seen) = watch::channel(SessionState::Connecting);
        let (broker, unreadable) = (self.broker.clone(), Unreadable::Rest(LONGEST_REST));
        let subscription = Subscription { broker, queue: queue.to_owned(), prefetch: 1, open, state, unreadable };
        let (intake, region, stop) = (self.intake.clone(), self.settings.default_region, self.work.stop());
        self.work.spawn("dead letters", DeadLetters::run(intake, region, subscription, stop));
        Drain::new(queue.to_owned(), seen)
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

/// Says once what is missing at the broker. The sessions say what becomes of them.
async fn check(broker: Broker, plan: Plan, stop: CancellationToken) {
    let mut pauses = Reconnect::default();
    while !stop.is_cancelled() {
        match topology::check(&broker, &plan).await {
            Ok(found) => {
                let missing = found.iter().filter(|(_, found)| *found == Found::Missing);
                let missing: Vec<String> = missing.map(|(object, _)| object.to_string()).collect();
                if !missing.is_empty() {
                    let missing = missing.join(", ");
                    tracing::warn!(
                        missing,
                        "the broker has not all that is configured: `tidewaiter broker apply` declares it"
                    );
                }
                return;
            }
            // The sessions tell it.
            Err(_) => {
                let _ = tokio::time::timeout(pauses.pause(), stop.cancelled()).await;
            }
        }
    }
}
