//! The way past the queue: a request that arrives while this process has a free slot starts at once.
//!
//! The run is inserted as already claimed by this worker, so it costs no claim and no poll. While there is a backlog
//! the lane is closed: free slots then belong to the queue, in fair order.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use uuid::Uuid;

use super::tenants::{Seat, Tenants};
use crate::credentials::Redactor;
use crate::lifecycle::Region;
use crate::store::Claimed;

/// A run that this process holds, with the slot it runs in.
pub struct Started {
    /// The run, its account and its secrets.
    pub claimed: Claimed,
    /// What is sealed of it, where it is at hand in clear.
    pub opened: Option<Opened>,
    /// The slot, and the mark that the run is held here.
    pub slot: Slot,
}

/// An account's context in clear.
pub struct Opened {
    /// The context with its secrets.
    pub context: Map<String, Value>,
    /// Knows those secrets.
    pub redactor: Redactor,
}

impl std::fmt::Debug for Started {
    // The context holds secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Started").field("run", &self.claimed.run.id).finish_non_exhaustive()
    }
}

/// Where accepted requests meet the runner of the same process.
#[derive(Debug)]
pub struct FastLane {
    /// The worker that holds what goes through the lane.
    pub worker: Uuid,
    /// The regions it serves.
    pub regions: Vec<Region>,
    slots: Arc<Semaphore>,
    tenants: Arc<Tenants>,
    backlog: AtomicBool,
    held: Arc<Mutex<HashSet<Uuid>>>,
    started: mpsc::UnboundedSender<Started>,
    /// Rung when this process queued a run instead of starting it.
    pub queued: Notify,
}

/// A slot in use. The run it was taken for counts as held until it is dropped.
#[derive(Debug)]
pub struct Slot {
    run: Option<Uuid>,
    held: Arc<Mutex<HashSet<Uuid>>>,
    seat: Option<Seat>,
    _permit: OwnedSemaphorePermit,
}

impl Slot {
    /// Marks `run` as held by this process.
    pub fn hold(&mut self, run: Uuid) {
        lock(&self.held).insert(run);
        self.run = Some(run);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(run) = self.run {
            lock(&self.held).remove(&run);
        }
    }
}

impl FastLane {
    /// A lane of `slots` slots, of which one tenant takes `share` while others have work here; and the runner's end of it.
    #[must_use]
    pub fn new(
        worker: Uuid,
        regions: Vec<Region>,
        slots: usize,
        share: usize,
    ) -> (Arc<Self>, mpsc::UnboundedReceiver<Started>) {
        // Unbounded, but never longer than there are slots: whatever is sent holds one.
        let (started, receiver) = mpsc::unbounded_channel();
        let slots = Arc::new(Semaphore::new(slots));
        let lane = Self {
            worker,
            regions,
            slots,
            tenants: Tenants::new(share),
            backlog: AtomicBool::new(true),
            held: Arc::default(),
            started,
            queued: Notify::new(),
        };
        (Arc::new(lane), receiver)
    }

    /// A free slot for a new run, when the lane is open for its region.
    #[must_use]
    pub fn enter(&self, region: Region, tenant: &str, run: Uuid) -> Option<Slot> {
        if self.backlog.load(Ordering::Relaxed) || !self.regions.contains(&region) {
            return None;
        }
        let mut slot = self.try_slot()?;
        slot.hold(run);
        self.admit(&mut slot, tenant).then_some(slot)
    }

    /// Counts a slot as the tenant's; false when that one has its share.
    #[must_use]
    pub fn admit(&self, slot: &mut Slot, tenant: &str) -> bool {
        slot.seat = self.tenants.enter(tenant);
        slot.seat.is_some()
    }

    /// How long a run rests that was not admitted.
    #[must_use]
    pub fn rest(&self, tenant: &str) -> Duration {
        self.tenants.rest(tenant)
    }

    /// Any free slot.
    #[must_use]
    pub fn try_slot(&self) -> Option<Slot> {
        let permit = Arc::clone(&self.slots).try_acquire_owned().ok()?;
        Some(Slot { run: None, held: Arc::clone(&self.held), seat: None, _permit: permit })
    }

    /// Waits for a free slot; `None` when the lane is closed for good.
    pub async fn slot(&self) -> Option<Slot> {
        let permit = Arc::clone(&self.slots).acquire_owned().await.ok()?;
        Some(Slot { run: None, held: Arc::clone(&self.held), seat: None, _permit: permit })
    }

    /// Hands a run to the runner.
    pub fn start(&self, started: Started) {
        // Without a runner (it is stopping) the slot is dropped here and the run is requeued with the worker's end.
        let _ = self.started.send(started);
    }

    /// Says whether runs are waiting in the store.
    pub fn set_backlog(&self, there_is: bool) {
        self.backlog.store(there_is, Ordering::Relaxed);
    }

    /// The runs that this process holds.
    #[must_use]
    pub fn held(&self) -> Vec<Uuid> {
        lock(&self.held).iter().copied().collect()
    }

    /// No new runs from here on.
    pub fn close(&self) {
        self.set_backlog(true);
        self.slots.close();
    }
}

fn lock(held: &Mutex<HashSet<Uuid>>) -> std::sync::MutexGuard<'_, HashSet<Uuid>> {
    held.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
