//! When a relay goes to the database: as seldom as it can without anybody noticing.
//!
//! An event that was told of is sent without a pass. Taking it out of the outbox is in no hurry, so many go together; a
//! crash meanwhile sends them once more. Only what nobody told of has to be looked for.

use tokio::time::{Duration, Instant};

/// The most events of one pass.
pub(super) const BATCH: usize = 512;

/// How long a wake-up waits for others.
const GATHER: Duration = Duration::from_millis(2);

/// The least between two looks that find little.
const SPACING: Duration = Duration::from_millis(5);

/// How long a confirmed event waits for others to be taken out of the outbox with.
const TAKE_OUT: Duration = Duration::from_millis(20);

/// How long the relay rests when nobody wakes it: only a lost wake-up waits this long.
const FALLBACK: Duration = Duration::from_secs(1);

/// What the next pass waits for.
#[derive(Debug)]
pub(super) struct Pace {
    /// Since when there may be something in the outbox that nobody told of.
    look_since: Option<Instant>,
    /// The next pass looks too, whenever it comes.
    look_along: bool,
    /// The last look found so much that there is more.
    deep: bool,
    looked_at: Instant,
    confirmed_since: Option<Instant>,
    /// The database did not answer: no pass before this.
    database_at: Option<Instant>,
    /// The sink did not answer: no look before this. Until something is confirmed.
    sink_at: Option<Instant>,
    /// An account whose event was not taken has rested by then.
    rested_at: Option<Instant>,
    stopping: bool,
}

impl Pace {
    /// Begins with a look.
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            look_since: Some(now),
            look_along: false,
            deep: true,
            looked_at: now,
            confirmed_since: None,
            database_at: None,
            sink_at: None,
            rested_at: None,
            stopping: false,
        }
    }

    /// Something may be in the outbox.
    pub(super) fn woken(&mut self, now: Instant) {
        self.look_since.get_or_insert(now);
    }

    /// There may be more of an account whose event was just confirmed; the pass that takes it out may tell.
    pub(super) const fn look_along(&mut self) {
        self.look_along = true;
    }

    /// An event was confirmed, and is to be taken out of the outbox.
    pub(super) fn confirmed(&mut self, now: Instant) {
        self.confirmed_since.get_or_insert(now);
        self.sink_at = None;
    }

    /// An account may be looked at again then.
    pub(super) fn rests(&mut self, until: Instant) {
        self.rested_at.get_or_insert(until);
    }

    /// Nothing rests from here on, and one more look finds whether anything is left.
    pub(super) fn stop(&mut self, now: Instant) {
        self.stopping = true;
        self.woken(now);
    }

    /// A pass failed: it is repeated then.
    pub(super) fn database_failed(&mut self, now: Instant, until: Instant) {
        self.confirmed_since.get_or_insert(now);
        self.woken(now);
        self.database_at = Some(until);
    }

    /// Whether this is news: of many events that fail together the first one is.
    pub(super) fn sink_fails_anew(&self, now: Instant) -> bool {
        self.sink_at.is_none_or(|at| at <= now)
    }

    pub(super) const fn sink_failed(&mut self, until: Instant) {
        self.sink_at = Some(until);
    }

    pub(super) const fn sink_is_away(&self) -> bool {
        self.sink_at.is_some()
    }

    pub(super) const fn database_is_away(&self) -> bool {
        self.database_at.is_some()
    }

    /// Whether every look that was asked for is done.
    pub(super) const fn nothing_to_look_for(&self) -> bool {
        self.look_since.is_none() && !self.look_along
    }

    /// When the next pass is due.
    pub(super) fn due(&self, now: Instant, confirmed: usize, room: usize) -> Option<Instant> {
        let taking = match self.confirmed_since {
            Some(_) if self.stopping || confirmed >= BATCH => Some(now),
            Some(since) => Some(since + TAKE_OUT),
            None => None,
        };
        let due = [taking, self.look_due(now, room)].into_iter().flatten().min()?;
        Some(self.database_at.map_or(due, |at| at.max(due)))
    }

    fn look_due(&self, now: Instant, room: usize) -> Option<Instant> {
        let wanted = match self.look_since {
            _ if room == 0 => return None,
            _ if self.stopping && !self.nothing_to_look_for() => now,
            Some(_) if self.deep && room >= BATCH => now,
            Some(_) if self.deep => self.looked_at + TAKE_OUT,
            Some(since) => (since + GATHER).max(self.looked_at + SPACING),
            None => self.looked_at + FALLBACK,
        };
        let wanted = self.rested_at.map_or(wanted, |at| at.min(wanted));
        Some(self.sink_at.map_or(wanted, |at| at.max(wanted)))
    }

    /// Begins a pass; answers for how many events to look in it. The next account has rested at `rested_at`.
    pub(super) fn begin(&mut self, now: Instant, room: usize, rested_at: Option<Instant>) -> usize {
        self.confirmed_since = None;
        let along = self.look_along && room > 0 && self.sink_fails_anew(now);
        if !along && self.look_due(now, room).is_none_or(|due| due > now) {
            return 0;
        }
        (self.look_since, self.look_along, self.looked_at, self.rested_at) = (None, false, now, rested_at);
        room.min(BATCH)
    }

    /// Ends a pass that looked for `asked` events and found some.
    pub(super) fn found(&mut self, now: Instant, asked: usize, found: usize) {
        self.database_at = None;
        if asked > 0 {
            self.deep = found > 0 && found * 2 >= asked;
        }
        if asked > 0 && self.deep {
            self.woken(now);
        }
    }

    /// There is nothing to publish, so nothing is known against the sink.
    pub(super) const fn idle(&mut self) {
        self.sink_at = None;
    }
}
