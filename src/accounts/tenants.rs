//! How many slots one tenant takes: not all of them while others have work here.
//!
//! The fair order lets a tenant with one run pass one with many, but only to the next free slot; when a tenant's provider is
//! slow there is none for long. So a tenant's share is bounded, in this process, from the moment that another tenant
//! had a run here until a minute after its last one; a tenant that is alone takes every slot. A run beyond the share
//! rests in the store, spread over the time that those before it need.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A tenant without a run for so long has no work here.
const RECENT: Duration = Duration::from_mins(1);

/// The first run beyond the share rests this long, each further one a little longer.
const FIRST: Duration = Duration::from_millis(500);

/// Until a run has ended nobody knows how long one takes.
const GUESS: Duration = Duration::from_millis(500);

/// Runs that take longer do not come back more slowly: a provider may be fast again before they do. So at most as many
/// are put back in a second as the tenant has slots.
const SLOWEST: Duration = Duration::from_secs(1);

/// No run is put back for longer; then the queue is looked at again.
const LONGEST: Duration = Duration::from_mins(5);

/// The slots of each tenant.
#[derive(Debug)]
pub(super) struct Tenants {
    /// The most slots of one; all of them: no bound.
    share: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Those with runs.
    tenants: HashMap<Arc<str>, Tenant>,
    /// Of those whose last run ended, the last two, and when: one of them is another than whoever asks.
    recent: [Option<(Arc<str>, Instant)>; 2],
    /// How long a run takes, about.
    pace: Duration,
}

#[derive(Debug)]
struct Tenant {
    runs: usize,
    /// When the run that was put back last is due.
    rests_until: Instant,
}

/// A tenant's slot; given back when dropped.
#[derive(Debug)]
pub(super) struct Seat {
    tenants: Arc<Tenants>,
    tenant: Arc<str>,
    since: Instant,
}

impl Tenants {
    pub(super) fn new(share: usize) -> Arc<Self> {
        let state = State { tenants: HashMap::new(), recent: [None, None], pace: GUESS };
        Arc::new(Self { share: share.max(1), state: Mutex::new(state) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A slot for a run of `tenant`; none when it has its share and others have work here.
    pub(super) fn enter(self: &Arc<Self>, tenant: &str) -> Option<Seat> {
        let now = Instant::now();
        let mut state = self.lock();
        let known = state.tenants.get_key_value(tenant).map(|(name, known)| (Arc::clone(name), known.runs));
        let (name, runs) = known.unwrap_or_else(|| (tenant.into(), 0));
        if runs >= self.share && state.has_others(tenant, now) {
            return None;
        }
        let entry = state.tenants.entry(Arc::clone(&name)).or_insert(Tenant { runs: 0, rests_until: now });
        entry.runs += 1;
        drop(state);
        Some(Seat { tenants: Arc::clone(self), tenant: name, since: now })
    }

    /// How long a run of `tenant` rests that had no slot.
    pub(super) fn rest(&self, tenant: &str) -> Duration {
        let now = Instant::now();
        let mut state = self.lock();
        let spacing = (state.pace.min(SLOWEST) / self.share as u32).max(Duration::from_millis(1));
        let Some(entry) = state.tenants.get_mut(tenant) else { return FIRST };
        entry.rests_until = entry.rests_until.max(now + FIRST) + spacing;
        (entry.rests_until - now).min(LONGEST)
    }
}

impl State {
    /// Whether another tenant has work here.
    fn has_others(&self, tenant: &str, now: Instant) -> bool {
        let recent = |(name, at): &(Arc<str>, Instant)| **name != *tenant && now.duration_since(*at) < RECENT;
        self.tenants.keys().any(|name| **name != *tenant) || self.recent.iter().flatten().any(recent)
    }

    /// A tenant's last run ended.
    fn went(&mut self, tenant: &Arc<str>, now: Instant) {
        self.tenants.remove(tenant);
        let last = self.recent[0].take();
        if last.as_ref().is_some_and(|(name, _)| name != tenant) {
            self.recent[1] = last;
        }
        self.recent[0] = Some((Arc::clone(tenant), now));
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let now = Instant::now();
        let mut state = self.tenants.lock();
        state.pace = state.pace.mul_f64(0.875) + now.duration_since(self.since).mul_f64(0.125);
        let Some(tenant) = state.tenants.get_mut(&self.tenant) else { return };
        tenant.runs -= 1;
        if tenant.runs == 0 {
            state.went(&self.tenant, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seats(tenants: &Arc<Tenants>, tenant: &str, wanted: usize) -> Vec<Seat> {
        (0..wanted).map_while(|_| tenants.enter(tenant)).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_tenant_that_is_alone_takes_every_slot_and_its_share_beside_others() {
        let tenants = Tenants::new(4);
        let many = seats(&tenants, "many", 8);
        assert_eq!(many.len(), 8);
        let one = tenants.enter("one").expect("a slot");
        assert!(tenants.enter("many").is_none());
        drop(many);
        let many = seats(&tenants, "many", 8);
        assert_eq!(many.len(), 4, "the share");
        drop(one);
        assert!(tenants.enter("many").is_none(), "the other one had a run just now");
        tokio::time::advance(RECENT).await;
        assert!(tenants.enter("many").is_some(), "alone again");
    }

    #[tokio::test(start_paused = true)]
    async fn runs_beyond_the_share_rest_ever_longer_at_the_pace_of_those_before_them() {
        let tenants = Tenants::new(10);
        let (held, _other) = (seats(&tenants, "many", 10), tenants.enter("one"));
        // 10 at once, 500 ms each as far as is known: one every 50 ms.
        let rests: Vec<u128> = (0..3).map(|_| tenants.rest("many").as_millis()).collect();
        assert_eq!(rests, [550, 600, 650]);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(tenants.rest("many").as_millis(), 550, "those before are due by now");
        for _ in 0..100_000 {
            assert!(tenants.rest("many") <= LONGEST);
        }
        drop(held);
    }

    #[tokio::test(start_paused = true)]
    async fn of_tenants_without_runs_only_the_last_two_are_remembered() {
        let tenants = Tenants::new(1);
        let held = tenants.enter("many");
        for number in 0..1000 {
            drop(tenants.enter(&format!("t{number}")));
        }
        assert_eq!(tenants.lock().tenants.len(), 1);
        assert!(tenants.enter("many").is_none());
        drop(held);
        let again = tenants.enter("many");
        assert!(again.is_some() && tenants.enter("many").is_none(), "its own run before is no other tenant's");
        tokio::time::advance(RECENT).await;
        assert!(tenants.enter("many").is_some());
    }
}
