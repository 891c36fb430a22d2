//! One gate as this process sees it: a pure machine over instants.
//!
//! A gate is open, closed until an instant, or half open: its time is over, and one request tries whether the way is
//! free while all others are held. It closes because a rate limit concerns the whole install, or because the host
//! fails for everybody: a row of failures without a success between them, of more than one account, since one account
//! may name an address that nobody else uses. It promises to close for a bounded time only, and to open with the first
//! success after it.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use crate::store::GateReason;

/// When a failing host is left alone, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CircuitPolicy {
    /// Failures in a row that open the circuit; 0 never does.
    pub failures: u32,
    /// Of at least so many accounts.
    pub accounts: usize,
    /// The first pause. Each further one is twice as long.
    pub base: Duration,
    /// The longest pause.
    pub cap: Duration,
}

impl CircuitPolicy {
    /// The pause after the `opened`th opening in a row, at least three quarters of what it has grown to.
    fn pause(&self, opened: u32, jitter: u32) -> Duration {
        let grown = self.base.saturating_mul(2_u32.saturating_pow(opened.saturating_sub(1))).min(self.cap);
        grown.mul_f64(0.75 + 0.25 * f64::from(jitter) / f64::from(u32::MAX))
    }
}

/// What an exchange says of its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It answers.
    Works,
    /// It answers that it was asked too often.
    Limited,
    /// It does not answer, or that it cannot.
    Fails,
    /// Nothing: the request went nowhere, or what came was no answer.
    Nothing,
}

/// Whether a request may go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    Free,
    /// It may, and what comes of it decides about the others.
    Probe,
    /// It comes again after this.
    Closed(Duration),
}

/// What an exchange changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    None,
    /// The circuit opened: the gate is closed for so long.
    Closed(Duration),
    /// The host still fails: the gate stays closed for so long.
    StaysClosed(Duration),
    /// The gate is open again.
    Opened(GateReason),
}

/// Between two of those that come back when a gate opens.
const SPACING: Duration = Duration::from_millis(20);

/// Those that come back are spread over this at most.
const SPREAD: Duration = Duration::from_mins(1);

/// How long those wait that find a gate half open.
const HELD: Duration = Duration::from_secs(1);

/// A row of failures that is older says nothing any more.
const STALE: Duration = Duration::from_mins(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Closed { until: Instant, reason: GateReason },
    HalfOpen { probed: bool, reason: GateReason },
}

/// A gate and the failures that may close it.
#[derive(Debug)]
pub(super) struct Door {
    state: State,
    failures: u32,
    failing: HashSet<Uuid>,
    failed_at: Instant,
    opened: u32,
    order: Order,
}

impl Door {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            state: State::Open,
            failures: 0,
            failing: HashSet::new(),
            failed_at: now,
            opened: 0,
            order: Order::default(),
        }
    }

    /// Why it is not open.
    pub(super) const fn closed_by(&self) -> Option<GateReason> {
        match self.state {
            State::Open => None,
            State::Closed { reason, .. } | State::HalfOpen { reason, .. } => Some(reason),
        }
    }

    /// Whether nothing is lost by forgetting it.
    pub(super) fn is_idle(&self, now: Instant) -> bool {
        match self.state {
            State::Open => self.failures == 0 || now.duration_since(self.failed_at) >= STALE,
            // Nobody came since.
            State::Closed { until, .. } => now.saturating_duration_since(until) >= STALE,
            State::HalfOpen { .. } => false,
        }
    }

    /// Asks for a request of `tenant`. A [`Pass::Probe`] must be followed by [`Door::answered`] or [`Door::unprobed`].
    pub(super) fn pass(&mut self, tenant: &str, now: Instant) -> Pass {
        match self.state {
            State::Open => Pass::Free,
            State::Closed { until, .. } if now < until => Pass::Closed(until - now + self.order.place(tenant)),
            State::Closed { reason, .. } => {
                self.state = State::HalfOpen { probed: true, reason };
                self.order = Order::default();
                Pass::Probe
            }
            State::HalfOpen { probed: false, reason } => {
                self.state = State::HalfOpen { probed: true, reason };
                Pass::Probe
            }
            State::HalfOpen { probed: true, .. } => Pass::Closed(HELD + self.order.place(tenant)),
        }
    }

    /// The request that tried the way came to nothing; another one tries.
    pub(super) const fn unprobed(&mut self) {
        if let State::HalfOpen { reason, .. } = self.state {
            self.state = State::HalfOpen { probed: false, reason };
        }
    }

    /// Closes it, or leaves it closed for longer. False when it was closed before.
    pub(super) fn shut(&mut self, reason: GateReason, lasts: Duration, now: Instant) -> bool {
        let was_open = self.state == State::Open;
        match self.state {
            State::Closed { until, .. } if until >= now + lasts => {}
            _ => self.state = State::Closed { until: now + lasts, reason },
        }
        if was_open {
            self.order = Order::default();
        }
        was_open
    }

    /// What came of a request of `account`.
    pub(super) fn answered(
        &mut self,
        account: Uuid,
        verdict: Verdict,
        probe: bool,
        (now, jitter): (Instant, u32),
        policy: &CircuitPolicy,
    ) -> Change {
        match (self.state, verdict) {
            (State::Open, Verdict::Works | Verdict::Limited) => {
                self.forget_failures();
                Change::None
            }
            (State::Open, Verdict::Fails) => self.failed(account, now, jitter, policy),
            // A host that says it was asked too often answers: its limit is another matter than its failures.
            (State::HalfOpen { reason: reason @ GateReason::Circuit, .. }, Verdict::Works | Verdict::Limited)
            | (State::HalfOpen { reason, .. }, Verdict::Works) => {
                self.state = State::Open;
                self.opened = 0;
                self.forget_failures();
                Change::Opened(reason)
            }
            (State::HalfOpen { reason: GateReason::Circuit, .. }, Verdict::Fails) if probe => {
                self.open_circuit(now, jitter, policy)
            }
            (State::HalfOpen { reason, .. }, Verdict::Fails) if probe => {
                // Not limited any more; that it fails is another matter.
                self.state = State::Open;
                match self.failed(account, now, jitter, policy) {
                    Change::None => Change::Opened(reason),
                    closed => closed,
                }
            }
            (State::HalfOpen { .. }, _) if probe => {
                self.unprobed();
                Change::None
            }
            // What went out before the closing says nothing of the time after it.
            (State::Closed { .. } | State::HalfOpen { .. } | State::Open, _) => Change::None,
        }
    }

    fn failed(&mut self, account: Uuid, now: Instant, jitter: u32, policy: &CircuitPolicy) -> Change {
        if now.duration_since(self.failed_at) >= STALE {
            self.forget_failures();
        }
        self.failed_at = now;
        self.failures = self.failures.saturating_add(1);
        if self.failing.len() < policy.accounts {
            self.failing.insert(account);
        }
        if policy.failures > 0 && self.failures >= policy.failures && self.failing.len() >= policy.accounts {
            return self.open_circuit(now, jitter, policy);
        }
        Change::None
    }

    fn open_circuit(&mut self, now: Instant, jitter: u32, policy: &CircuitPolicy) -> Change {
        self.opened = self.opened.saturating_add(1);
        self.forget_failures();
        self.order = Order::default();
        let pause = policy.pause(self.opened, jitter);
        self.state = State::Closed { until: now + pause, reason: GateReason::Circuit };
        if self.opened == 1 { Change::Closed(pause) } else { Change::StaysClosed(pause) }
    }

    fn forget_failures(&mut self) {
        self.failures = 0;
        self.failing.clear();
    }
}

/// In which order they come back that a gate turned away: in rounds, one of each tenant a round, so that a tenant with
/// many does not stand in front of one with one.
#[derive(Debug, Default)]
struct Order {
    /// Each tenant's number, and how many of it were turned away.
    tenants: HashMap<String, (u32, u32)>,
}

impl Order {
    /// How much later than the first the next one of `tenant` comes back.
    fn place(&mut self, tenant: &str) -> Duration {
        let number = self.tenants.len() as u32;
        let (number, round) = if let Some((number, turned_away)) = self.tenants.get_mut(tenant) {
            *turned_away += 1;
            (*number, *turned_away)
        } else {
            self.tenants.insert(tenant.to_owned(), (number, 0));
            (number, 0)
        };
        let place = u64::from(round) * self.tenants.len() as u64 + u64::from(number);
        let spaces = (SPREAD.as_millis() / SPACING.as_millis()) as u64;
        SPACING * (place % spaces) as u32
    }
}

#[cfg(test)]
mod tests;
