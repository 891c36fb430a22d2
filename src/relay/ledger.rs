//! What a relay knows of the accounts whose events it publishes. No I/O and no clock: times are told.
//!
//! One rule keeps first receipts in order whatever else happens: an event is sent if the outbox names it as its
//! account's oldest, if it is the account's first, or if this very relay had the one before confirmed. In each case
//! all before it are with the sink.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroUsize;

use lru::LruCache;
use tokio::time::{Duration, Instant};
use uuid::Uuid;

use crate::store::{Standing, Unpublished};

/// The most events on their way.
pub(super) const WINDOW: usize = 1024;

/// Of so many accounts the last confirmed event is remembered; the events of others are found in the outbox.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(8192).unwrap();

/// So many accounts rest, at most: more are no matter of single events.
const MOST_RESTING: usize = 4 * WINDOW;

/// So many confirmed events are kept, at most, for a database that does not answer.
const MOST_CONFIRMED: usize = 4 * WINDOW;

/// How long an account rests after its event was not taken.
pub(super) const REST: Duration = Duration::from_secs(2);

/// An account that rested and was not heard of for so long is no trouble of this relay any more.
const FORGOTTEN: Duration = Duration::from_secs(30);

/// The accounts of a relay.
#[derive(Debug)]
pub(super) struct Ledger {
    /// The worker's place as the last pass knew it.
    standing: Option<Standing>,
    in_flight: HashMap<Uuid, Flight>,
    confirmed: HashSet<(Uuid, i64)>,
    last: LruCache<Uuid, i64>,
    /// Accounts whose event was not taken, and when they are looked at again.
    resting: HashMap<Uuid, Instant>,
}

/// An event on its way, the only one of its account.
#[derive(Debug)]
struct Flight {
    sequence: i64,
    next: Option<Unpublished>,
    /// The outbox may hold later events of the account that nobody told of.
    more: bool,
}

/// What to do with an event that was told of.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Offer {
    /// Send it.
    Send(Unpublished),
    /// It waits for the one before it, or is another worker's.
    Kept,
    /// Its turn is not known: look into the outbox.
    Look,
}

/// What follows a confirmed event.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Send(Unpublished),
    Look,
    Nothing,
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            standing: None,
            in_flight: HashMap::new(),
            confirmed: HashSet::new(),
            last: LruCache::new(REMEMBERED),
            resting: HashMap::new(),
        }
    }
}

impl Ledger {
    /// How many more events may be sent.
    pub(super) fn room(&self) -> usize {
        WINDOW.saturating_sub(self.in_flight.len())
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// How many events are confirmed and still in the outbox.
    pub(super) fn confirmed(&self) -> usize {
        self.confirmed.len()
    }

    pub(super) fn stands(&mut self, standing: Standing) {
        self.standing = Some(standing);
    }

    /// An event that this process has just committed.
    pub(super) fn fresh(&mut self, event: Unpublished) -> Offer {
        match self.standing {
            None => return Offer::Look,
            Some(standing) if !standing.relays(event.account) => return Offer::Kept,
            Some(_) => {}
        }
        let last = self.last.peek(&event.account).copied();
        if last.is_some_and(|last| last >= event.sequence) {
            // The outbox was faster.
            return Offer::Kept;
        }
        if let Some(flight) = self.in_flight.get_mut(&event.account) {
            match &flight.next {
                None if flight.sequence + 1 == event.sequence => flight.next = Some(event),
                _ => flight.more |= flight.sequence < event.sequence,
            }
            return Offer::Kept;
        }
        let in_order = event.sequence == 1 || last.is_some_and(|last| last + 1 == event.sequence);
        let room = self.room() > 0 && self.confirmed.len() < MOST_CONFIRMED;
        if !in_order || !room || self.resting.contains_key(&event.account) {
            return Offer::Look;
        }
        self.depart(&event, false);
        Offer::Send(event)
    }

    /// An account's oldest event in the outbox: it is answered if it is to be sent.
    pub(super) fn head(&mut self, event: Unpublished) -> Option<Unpublished> {
        let known = self.in_flight.contains_key(&event.account)
            || self.confirmed.contains(&(event.account, event.sequence))
            || self.room() == 0;
        if known {
            return None;
        }
        self.depart(&event, true);
        Some(event)
    }

    fn depart(&mut self, event: &Unpublished, more: bool) {
        self.in_flight.insert(event.account, Flight { sequence: event.sequence, next: None, more });
    }

    /// The account's event on its way is with the sink.
    pub(super) fn landed(&mut self, account: Uuid) -> Next {
        let Some(flight) = self.in_flight.remove(&account) else { return Next::Nothing };
        self.confirmed.insert((account, flight.sequence));
        self.last.put(account, flight.sequence);
        self.resting.remove(&account);
        match flight.next {
            Some(next) => {
                self.depart(&next, flight.more);
                Next::Send(next)
            }
            None if flight.more => Next::Look,
            None => Next::Nothing,
        }
    }

    /// The account's event on its way did not arrive for certain, because nothing does.
    pub(super) fn lost(&mut self, account: Uuid) {
        self.in_flight.remove(&account);
    }

    /// The same, for a reason of its own: it is tried again after a rest.
    pub(super) fn refused(&mut self, account: Uuid, now: Instant) {
        self.in_flight.remove(&account);
        self.resting.insert(account, now + REST);
    }

    /// When the next account has rested.
    pub(super) fn rested_at(&self, now: Instant) -> Option<Instant> {
        self.resting.values().filter(|until| **until > now).min().copied()
    }

    /// Whether some accounts have an event that was refused and not taken since.
    pub(super) fn any_resting(&self) -> bool {
        !self.resting.is_empty()
    }

    /// Whether one more account may rest.
    pub(super) fn may_rest(&self) -> bool {
        self.resting.len() < MOST_RESTING
    }

    /// The accounts that a look into the outbox leaves out. What it may hold of them is looked for when they land.
    pub(super) fn except(&mut self, now: Instant) -> Vec<Uuid> {
        self.resting.retain(|account, until| now < *until + FORGOTTEN || self.in_flight.contains_key(account));
        for flight in self.in_flight.values_mut() {
            flight.more = true;
        }
        let resting = self.resting.iter().filter(|(_, until)| **until > now).map(|(account, _)| account);
        self.in_flight.keys().chain(resting).copied().collect()
    }

    /// Takes out what is confirmed, to be taken out of the outbox.
    pub(super) fn take_confirmed(&mut self) -> Vec<(Uuid, i64)> {
        self.confirmed.drain().collect()
    }

    /// It is still in the outbox, or may be.
    pub(super) fn put_back(&mut self, confirmed: Vec<(Uuid, i64)>) {
        self.confirmed.extend(confirmed);
    }
}
