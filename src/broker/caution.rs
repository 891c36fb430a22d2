//! Getting past messages that cannot be read, without harm to their neighbours.
//!
//! When a message breaks the connection, everything that was delivered beside it and not settled goes back to the queue,
//! each charged one delivery more. So from the first such break on one delivery is taken at a time: then only the
//! unreadable one is charged, until its delivery limit removes it. What went back is delivered before anything else,
//! the unreadable one last; so the danger is over when as many as could have been in hand were readable.

use std::time::Duration;

use super::consume::Unreadable;

/// Between two breaks while the delivery limit is being used up: together with connecting, fewer than 30 a second.
const QUICK: Duration = Duration::from_millis(15);

/// Breaks in a row, in delivery limits, after which somebody has to be told: either many such messages stand together,
/// or the queue has no delivery limit. Which of the two cannot be seen from here.
const PATIENCE: u32 = 20;

/// Between two breaks after that: slow enough to cost next to nothing where it is for ever, and quick enough to remove a
/// message within seconds where it is not.
const DOGGED: Duration = Duration::from_millis(100);

/// The first pause of those that grow.
const FIRST_REST: Duration = Duration::from_secs(1);

/// How carefully a queue is consumed.
#[derive(Debug)]
pub(super) struct Caution {
    prefetch: u16,
    delivery_limit: u32,
    unreadable: Unreadable,
    /// Readable deliveries since the last break, while they are taken one at a time.
    single: Option<u16>,
    /// Breaks since the last readable delivery.
    breaks: u32,
    /// Whether the message at the front does not go away.
    stuck: bool,
    /// Whether messages stood ready when nothing had come for a while.
    overlooked: bool,
}

/// What follows from a break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AfterBreak {
    /// Go on after this pause; true: it is the first of its kind, and worth telling.
    Quickly(Duration, bool),
    /// It does not go away, and those behind it wait: somebody has to be told. An attempt is made after this pause.
    Stuck(Duration),
}

impl Caution {
    pub(super) const fn new(prefetch: u16, delivery_limit: u32, unreadable: Unreadable) -> Self {
        Self { prefetch, delivery_limit, unreadable, single: None, breaks: 0, stuck: false, overlooked: false }
    }

    /// Deliveries to take at once.
    pub(super) const fn prefetch(&self) -> u16 {
        if self.single.is_some() { 1 } else { self.prefetch }
    }

    /// A message could not be read, and the connection is gone.
    pub(super) fn broke(&mut self) -> AfterBreak {
        let first = self.single.replace(0).is_none();
        self.overlooked = false;
        self.breaks += 1;
        let after = self.after_break(first);
        self.stuck = matches!(after, AfterBreak::Stuck(_));
        after
    }

    fn after_break(&self, first: bool) -> AfterBreak {
        match self.unreadable {
            Unreadable::UntilGivenUp if self.breaks <= self.delivery_limit.saturating_mul(PATIENCE) => {
                AfterBreak::Quickly(QUICK, first)
            }
            Unreadable::UntilGivenUp => AfterBreak::Stuck(DOGGED),
            Unreadable::Rest(longest) => {
                let grown = FIRST_REST.saturating_mul(1 << self.breaks.saturating_sub(1).min(16));
                AfterBreak::Stuck(grown.min(longest))
            }
        }
    }

    /// Whether a message stands at the front that does not go away.
    pub(super) const fn stuck(&self) -> bool {
        self.stuck
    }

    /// The message at the front is gone, or there was none.
    pub(super) const fn freed(&mut self) {
        self.stuck = false;
        self.breaks = 0;
    }

    /// Whether deliveries are taken one at a time because of a break.
    pub(super) const fn is_single(&self) -> bool {
        self.single.is_some()
    }

    /// Nothing is in hand, nothing came for a while, and so many messages are ready. True: it was so before too, and what
    /// should have brought them is of no use.
    pub(super) const fn overlooks(&mut self, ready: u32) -> bool {
        let before = self.overlooked;
        self.overlooked = ready > 0 && !before;
        before && ready > 0
    }

    /// A message could be read. True: the danger is over, and deliveries may be taken at once again.
    pub(super) fn read_one(&mut self) -> bool {
        self.freed();
        self.overlooked = false;
        let Some(read) = &mut self.single else { return false };
        *read += 1;
        if *read < self.prefetch {
            return false;
        }
        self.single = None;
        self.prefetch > 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_break_deliveries_come_singly_until_as_many_were_readable_as_could_have_been_in_hand() {
        let mut caution = Caution::new(3, 50, Unreadable::UntilGivenUp);
        assert_eq!((caution.prefetch(), caution.read_one()), (3, false));
        assert_eq!(caution.broke(), AfterBreak::Quickly(QUICK, true));
        assert_eq!(caution.prefetch(), 1);
        assert!(!caution.read_one() && !caution.read_one());
        assert_eq!(caution.broke(), AfterBreak::Quickly(QUICK, false), "the count starts again");
        assert!(!caution.read_one() && !caution.read_one() && caution.read_one());
        assert_eq!(caution.prefetch(), 3);
    }

    #[test]
    fn unreadable_messages_that_do_not_end_are_told_and_tried_on_without_haste() {
        let mut caution = Caution::new(64, 2, Unreadable::UntilGivenUp);
        for _ in 0..2 * PATIENCE {
            assert!(matches!(caution.broke(), AfterBreak::Quickly(..)));
        }
        // A hundred in a row have to go by all the same, at a pace that a queue of good ones behind them can bear.
        for _ in 0..2 * 100 {
            assert_eq!(caution.broke(), AfterBreak::Stuck(DOGGED));
        }
        caution.read_one();
        assert!(matches!(caution.broke(), AfterBreak::Quickly(..)), "one that could be read is progress");
    }

    #[test]
    fn where_nothing_removes_it_the_pauses_grow_to_the_longest() {
        let mut caution = Caution::new(1, 50, Unreadable::Rest(Duration::from_mins(1)));
        let pauses: Vec<_> = (0..8).map(|_| caution.broke()).collect();
        let rest = |seconds| AfterBreak::Stuck(Duration::from_secs(seconds));
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60].map(rest));
    }

    #[test]
    fn messages_that_do_not_come_although_they_are_ready_are_told_at_the_second_look() {
        let mut caution = Caution::new(3, 50, Unreadable::UntilGivenUp);
        assert!(!caution.is_single());
        caution.broke();
        assert!(caution.is_single());
        assert_eq!([5, 5, 5, 0, 5, 5].map(|ready| caution.overlooks(ready)), [false, true, false, false, false, true]);
        assert!(!caution.overlooks(5));
        caution.read_one();
        assert!(!caution.overlooks(5), "one came in between");
    }

    #[test]
    fn a_queue_that_is_taken_singly_anyway_never_needs_another_consumer() {
        let mut caution = Caution::new(1, 50, Unreadable::UntilGivenUp);
        caution.broke();
        assert!(!caution.read_one());
        assert_eq!(caution.prefetch(), 1);
    }
}
