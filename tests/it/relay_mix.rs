//! Relays at work while everything happens at once: commits that are told of or not, publishes that fail in every way,
//! workers that crash, join and sign off. First receipts come in order and without a gap, and everything comes.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tidewaiter::accounts::Outlet;
use tidewaiter::lifecycle::Status;
use tidewaiter::relay::{EventSink, Relay, Sent, SinkError};
use tidewaiter::store::{Claimed, Commit, Committed, Event, Store, Unpublished};
use tidewaiter::tasks::Tasks;
use tidewaiter::telemetry::Metrics;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use uuid::Uuid;

use super::store_conformance::databases::{Database, on_postgres, on_sqlite};
use super::store_conformance::rows::{accept, commit, create, transition_at, worker, write};

/// Numbers that are the same in every run of a seed (`SplitMix64`).
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % sides
    }
}

/// What all workers publish to.
#[derive(Debug)]
struct Moody {
    dice: Mutex<Dice>,
    /// Whether anything fails.
    fails: Mutex<bool>,
    received: Mutex<Vec<(Uuid, i64)>>,
}

#[async_trait]
impl EventSink for Moody {
    async fn publish(&self, event: &Unpublished) -> Result<Sent, SinkError> {
        let roll = |sides| self.dice.lock().unwrap().below(sides);
        for _ in 0..roll(20) {
            tokio::task::yield_now().await;
        }
        let mood = if *self.fails.lock().unwrap() { roll(200) } else { 200 };
        if mood >= 6 {
            self.received.lock().unwrap().push((event.account, event.sequence));
        }
        for _ in 0..roll(20) {
            tokio::task::yield_now().await;
        }
        match mood {
            0 | 6..12 => Err(SinkError::Refused("refused".to_owned())),
            1 | 12..20 => Err(SinkError::TimedOut("late".to_owned())),
            2..6 | 20..40 => Err(SinkError::Away("away".to_owned())),
            40..50 => Ok(Sent::Unroutable),
            _ => Ok(Sent::Confirmed),
        }
    }
}

/// A worker process.
struct Process {
    store: Arc<dyn Store>,
    worker: Uuid,
    outlet: Outlet,
    relay: AbortHandle,
}

struct World<'a> {
    database: &'a Database,
    sink: Arc<Moody>,
    tasks: Tasks,
    dice: Dice,
    processes: VecDeque<Process>,
    /// Runs that are held.
    held: Vec<Claimed>,
    /// How many events each account has.
    events: HashMap<Uuid, i64>,
}

impl<'a> World<'a> {
    fn new(database: &'a Database, seed: u64) -> Self {
        let sink = Moody { dice: Mutex::new(Dice(seed ^ 0xABCD)), fails: Mutex::new(true), received: Mutex::default() };
        Self {
            database,
            sink: Arc::new(sink),
            tasks: Tasks::new(),
            dice: Dice(seed),
            processes: VecDeque::new(),
            held: Vec::new(),
            events: HashMap::new(),
        }
    }

    async fn joins(&mut self) {
        let store = self.database.open().await;
        let worker = worker(&*store).await;
        let outlet = Outlet::default();
        let relay = Relay {
            store: Arc::clone(&store),
            sink: Arc::clone(&self.sink) as Arc<dyn EventSink>,
            worker,
            outlet: outlet.clone(),
            metrics: Metrics::default(),
            healthy: watch::channel(true).0,
        };
        let relay = self.tasks.spawn("relay", relay.run(self.tasks.stop()));
        self.processes.push_back(Process { store, worker, outlet, relay });
    }

    /// The oldest process dies wherever it is; the others hear that it is gone.
    async fn crashes(&mut self) {
        if let Some(dead) = self.processes.pop_front() {
            dead.relay.abort();
            dead.store.retire(dead.worker).await.unwrap();
        }
    }

    fn any(&mut self) -> usize {
        self.dice.below(self.processes.len() as u64) as usize
    }

    /// Told of by the process that committed it, or by nobody: then it was another one's, or there was no room.
    fn told(&mut self, process: usize, account: Uuid, event: &Event) {
        if self.dice.below(10) < 7 {
            self.processes[process].outlet.tell(Unpublished::of(account, event));
        }
    }

    async fn begins(&mut self) {
        let at = self.any();
        let new = accept();
        let process = &self.processes[at];
        create(&*process.store, &new).await;
        // Perhaps another one, whose worker crashed.
        let claimed = process.store.claim(process.worker, &[new.account.region], 1).await.unwrap().runs;
        self.told(at, new.account.id, &new.event);
        self.events.insert(new.account.id, 1);
        self.held.extend(claimed);
    }

    async fn goes_on(&mut self) {
        if self.held.is_empty() {
            return;
        }
        let (at, which) = (self.any(), self.dice.below(self.held.len() as u64) as usize);
        let held = self.held[which].clone();
        let account = held.account.id;
        let sequence = self.events[&account];
        let status = Some(if sequence % 2 == 1 { Status::Active } else { Status::Connecting });
        let transition = transition_at(account, sequence, status, "updated");
        let event = transition.as_ref().unwrap().event.clone();
        let written = write(&*self.processes[at].store, &Commit { transition, ..commit(&held) }).await;
        if written == Committed::FenceLost {
            // Its worker is gone.
            self.held.swap_remove(which);
            return;
        }
        assert_eq!(written, Committed::Done);
        self.events.insert(account, sequence + 1);
        self.told(at, account, &event);
    }

    async fn happens(&mut self, most: usize) {
        match self.dice.below(100) {
            0..30 => self.begins().await,
            30..97 => self.goes_on().await,
            97 if self.processes.len() < most => self.joins().await,
            98 if self.processes.len() > 1 => self.crashes().await,
            98 => {
                self.crashes().await;
                self.joins().await;
            }
            _ => {
                for _ in 0..200 {
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    /// Nothing fails any more.
    async fn settles(&mut self) {
        *self.sink.fails.lock().unwrap() = false;
        let store = Arc::clone(&self.processes[0].store);
        let empty = async {
            while store.backlog().await.unwrap().outbox > 0 {
                tokio::task::yield_now().await;
            }
        };
        let settled = tokio::time::timeout(Duration::from_secs(20), empty).await;
        assert!(settled.is_ok(), "events stay: {:?}", store.backlog().await);
        assert!(self.tasks.shut_down(Duration::from_secs(20)).await, "the relays stop");
    }

    fn judge(&self, seed: u64) {
        let mut last: HashMap<Uuid, i64> = HashMap::new();
        for (account, sequence) in self.sink.received.lock().unwrap().iter() {
            let last = last.entry(*account).or_default();
            assert!(*sequence <= *last + 1, "seed {seed}: {account}/{sequence} came after {last}");
            *last = (*last).max(*sequence);
        }
        assert_eq!(last, self.events, "seed {seed}");
    }
}

async fn check(database: &Database, seed: u64, most: usize) {
    let mut world = World::new(database, seed);
    world.joins().await;
    for _ in 0..300 {
        world.happens(most).await;
    }
    world.settles().await;
    world.judge(seed);
}

#[tokio::test]
async fn first_receipts_are_in_order_and_nothing_is_lost_whatever_fails() {
    for seed in 1..=2 {
        // A file has one worker.
        on_sqlite(async |database| check(&database, seed, 1).await).await;
        on_postgres(async |database| check(&database, seed, 3).await).await;
    }
}
