//! The gates of this process: which ways are closed, and who is told.
//!
//! Where all is well a request costs two looks at a number. What closes here is written to the store, and what others
//! close is read from there with every heartbeat (3 s) and, on PostgreSQL, as soon as it is notified. A process goes by
//! what it knows: a store that does not answer delays only what others learn.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::circuit::{Change, CircuitPolicy, Door, Pass, Verdict};
use crate::store::{ClosedGate, GateReason};
use crate::telemetry::Metrics;
use crate::upstream::{Response, SendError};

/// A row of the store with less left is as good as open: this process may have opened it already.
const OVER: Duration = Duration::from_millis(100);

/// More than so many hosts in trouble, and those that were not lately are forgotten.
const REMEMBERED: usize = 1024;

/// Whose way it is, and where it leads.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Way {
    pub(super) install: Uuid,
    /// Host and port as the URL has them.
    pub(super) host: Arc<str>,
}

/// Which ways are closed, and which hosts fail.
#[derive(Debug)]
pub struct Gates {
    policy: CircuitPolicy,
    /// Those in trouble; every other one is open.
    doors: Mutex<HashMap<Way, Door>>,
    troubled: AtomicUsize,
    metrics: Metrics,
}

/// A request that tries the way for all others. Dropped without an answer it lets another one try.
#[derive(Debug)]
pub(super) struct Probe {
    gates: Arc<Gates>,
    way: Way,
    answered: bool,
}

impl Drop for Probe {
    fn drop(&mut self) {
        if !self.answered
            && let Some(door) = self.gates.lock().get_mut(&self.way)
        {
            door.unprobed();
        }
    }
}

/// Whether a request may go out.
#[derive(Debug)]
pub(super) enum Entry {
    /// It may; with a probe, its answer decides for the others.
    Free(Option<Probe>),
    /// Not now, but after this.
    Closed(Duration),
}

/// A gate that this process closed and that the others have to be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Closing {
    pub(super) reason: GateReason,
    pub(super) lasts: Duration,
}

impl Gates {
    /// All of them open.
    #[must_use]
    pub fn new(policy: CircuitPolicy, metrics: Metrics) -> Arc<Self> {
        let gates = Self { policy, doors: Mutex::default(), troubled: AtomicUsize::new(0), metrics };
        // Present from the start.
        gates.count(&gates.lock());
        Arc::new(gates)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Way, Door>> {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a request of `tenant`, just before it goes out.
    pub(super) fn enter(self: &Arc<Self>, way: &Way, tenant: &str) -> Entry {
        if self.troubled.load(Ordering::Relaxed) == 0 {
            return Entry::Free(None);
        }
        let pass = self.lock().get_mut(way).map_or(Pass::Free, |door| door.pass(tenant, Instant::now()));
        match pass {
            Pass::Free => Entry::Free(None),
            Pass::Probe => Entry::Free(Some(Probe { gates: Arc::clone(self), way: way.clone(), answered: false })),
            Pass::Closed(after) => Entry::Closed(after),
        }
    }

    /// Takes note of what came of a request. What it answers the store is to be told.
    pub(super) fn answered(
        &self,
        way: &Way,
        account: Uuid,
        verdict: Verdict,
        probe: Option<Probe>,
        jitter: u32,
    ) -> Option<Closing> {
        let is_quiet = self.troubled.load(Ordering::Relaxed) == 0;
        if is_quiet && verdict != Verdict::Fails {
            return None;
        }
        let now = Instant::now();
        let mut doors = self.lock();
        if verdict == Verdict::Fails && !doors.contains_key(way) {
            forget_idle(&mut doors, now);
            doors.insert(way.clone(), Door::new(now));
        }
        let door = doors.get_mut(way)?;
        let change = door.answered(account, verdict, probe.is_some(), (now, jitter), &self.policy);
        if door.is_idle(now) {
            doors.remove(way);
        }
        self.troubled.store(doors.len(), Ordering::Relaxed);
        if change != Change::None {
            self.count(&doors);
        }
        drop(doors);
        if let Some(mut probe) = probe {
            probe.answered = true;
        }
        self.tell(way, change)
    }

    fn tell(&self, way: &Way, change: Change) -> Option<Closing> {
        match change {
            Change::None => None,
            Change::Closed(lasts) => {
                self.metrics.circuits_opened.inc();
                tracing::warn!(
                    install.id = %way.install, host = %way.host, pause.ms = lasts.as_millis() as u64,
                    "a gate closes: the host fails for every account of the install; its runs wait"
                );
                Some(Closing { reason: GateReason::Circuit, lasts })
            }
            Change::StaysClosed(lasts) => {
                self.metrics.circuits_opened.inc();
                tracing::debug!(install.id = %way.install, host = %way.host, "a host still fails; its gate stays closed");
                Some(Closing { reason: GateReason::Circuit, lasts })
            }
            Change::Opened(reason) => {
                if reason == GateReason::Circuit {
                    self.metrics.circuits_closed.inc();
                }
                tracing::info!(install.id = %way.install, host = %way.host, %reason, "a gate is open again");
                None
            }
        }
    }

    /// Closes a way because the provider limits the whole install.
    pub(super) fn limit(&self, way: &Way, lasts: Duration) -> Closing {
        let reason = GateReason::RateLimit;
        if self.shut(way.clone(), reason, lasts) {
            tracing::warn!(
                install.id = %way.install, host = %way.host, pause.ms = lasts.as_millis() as u64,
                "a gate closes: the provider limits the install; its runs wait"
            );
        }
        Closing { reason, lasts }
    }

    /// Takes over what the store says is closed.
    pub(super) fn learn(&self, closed: Vec<ClosedGate>) {
        for ClosedGate { install, host, reason, left_ms } in closed {
            let lasts = Duration::from_millis(left_ms.max(0) as u64);
            if lasts > OVER && self.shut(Way { install, host: host.as_str().into() }, reason, lasts) {
                tracing::info!(
                    install.id = %install, host, %reason, pause.ms = left_ms,
                    "a gate is closed by another worker; its runs wait here too"
                );
            }
        }
    }

    /// Whether it was open.
    fn shut(&self, way: Way, reason: GateReason, lasts: Duration) -> bool {
        let now = Instant::now();
        let mut doors = self.lock();
        forget_idle(&mut doors, now);
        let was_open = doors.entry(way).or_insert_with(|| Door::new(now)).shut(reason, lasts, now);
        self.troubled.store(doors.len(), Ordering::Relaxed);
        self.count(&doors);
        was_open
    }

    fn count(&self, doors: &HashMap<Way, Door>) {
        for reason in GateReason::ALL {
            let closed = doors.values().filter(|door| door.closed_by() == Some(*reason)).count();
            self.metrics.set_gates(reason.as_str(), closed);
        }
    }
}

/// Makes room, where there are many.
fn forget_idle(doors: &mut HashMap<Way, Door>, now: Instant) {
    if doors.len() >= REMEMBERED {
        doors.retain(|_, door| !door.is_idle(now));
    }
}

/// What an exchange says of its host.
pub(super) fn verdict(answer: &Result<Response, SendError>) -> Verdict {
    match answer {
        Ok(Response { status: 429, .. }) => Verdict::Limited,
        Ok(Response { status: 500.., .. })
        | Err(SendError::Connect(_) | SendError::Dns(_) | SendError::Timeout(_) | SendError::Broken(_)) => {
            Verdict::Fails
        }
        Ok(_) => Verdict::Works,
        Err(
            SendError::AddressRefused(_)
            | SendError::Redirect { .. }
            | SendError::Tls(_)
            | SendError::BadResponse(_)
            | SendError::Unsendable(_),
        ) => Verdict::Nothing,
    }
}

/// Host and port of a URL that was rendered here.
pub(super) fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

#[cfg(test)]
mod tests;
