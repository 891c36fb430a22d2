//! The runner: claims due runs, performs each in a slot, and keeps this worker alive in the others' eyes.
//!
//! A run is performed by `drive`: it asks the stepper what to do, does it with no transaction open, and tells the
//! stepper what came of it. How a run ends is told to `accounts`, which decides.

mod begin;
mod caps;
mod circuit;
mod claims;
mod drive;
mod end;
mod gate;
mod heartbeat;
mod large;
mod refresh;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};

use crate::accounts::{Accounts, FastLane, Started};
use crate::actions::Limits;
use crate::lifecycle::RetryPolicy;
use crate::tasks::Tasks;
use crate::upstream::Upstream;

pub use begin::{start_of, too_late};
pub use caps::HostCaps;
pub use circuit::CircuitPolicy;
pub use end::{ended, ending_of};
pub use gate::Gates;
pub use heartbeat::{BEAT, DEAD_AFTER};

/// How long and how often; durations, not instants.
#[derive(Debug, Clone, Copy)]
pub struct Budgets {
    /// How a failed step is tried again.
    pub retry: RetryPolicy,
    /// One request, from connecting to the last byte.
    pub request: Duration,
    /// The active time of one phase.
    pub phase: Duration,
    /// One wait.
    pub wait: Duration,
    /// A run from its first claim, waits included.
    pub run: Duration,
    /// How long runs go on after the process was asked to stop.
    pub drain: Duration,
}

impl Default for Budgets {
    /// What the shipped configuration says.
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            retry: RetryPolicy::default(),
            request: limits.request_timeout,
            phase: limits.phase,
            wait: limits.wait,
            run: Duration::from_mins(30),
            drain: Duration::from_secs(25),
        }
    }
}

/// What performing runs needs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Runner {
    /// Changes accounts.
    pub accounts: Accounts,
    /// The slots, and the lane of runs that start at once.
    pub lane: Arc<FastLane>,
    /// Performs requests.
    pub upstream: Arc<dyn Upstream>,
    /// Which ways are closed.
    pub gates: Arc<Gates>,
    /// How many requests a host gets at once.
    pub hosts: Arc<HostCaps>,
    /// How long and how often.
    pub budgets: Budgets,
    /// As wide as the machine has cores: long evaluations, which leave the runtime's threads to the rest.
    pub heavy: Arc<Semaphore>,
    /// What is stopped first.
    pub tasks: Tasks,
    /// What outlasts it.
    pub upkeep: Tasks,
}

impl Runner {
    /// Starts claiming, performing and beating.
    pub fn start(self, started: mpsc::UnboundedReceiver<Started>) {
        let (known, registered) = watch::channel(false);
        let tasks = self.tasks.clone();
        self.upkeep.spawn("runner.gates", heartbeat::watch_gates(self.clone()));
        self.upkeep.spawn("runner.heartbeat", heartbeat::run(self.clone(), known));
        tasks.spawn("runner.claim", claims::run(self.clone(), registered));
        tasks.spawn("runner.start", claims::start_accepted(self, started));
    }
}
