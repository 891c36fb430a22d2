//! Looking at the store again whenever something was committed, but not at every commit.
//!
//! Each client that waits looks for itself, and commits come by the thousand: looks have a least distance, and all
//! commits within it are one look. None is missed: a look begins after the last ring that it answers.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::futures::OwnedNotified;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Api;

/// Between two looks of one client, however many commits there are.
const DISTANCE: Duration = Duration::from_millis(75);

/// What a client waits for after a look.
pub(super) type Ring = Pin<Box<OwnedNotified>>;

/// The looks of one client.
#[derive(Debug)]
pub(super) struct Looks {
    /// Rung by commits of this process.
    settled: Arc<Notify>,
    /// Counts those of other processes.
    changes: watch::Receiver<u64>,
    stop: CancellationToken,
    /// How long to rest when nobody rings.
    fallback: Duration,
    /// Not before this.
    next: Instant,
    first: bool,
}

impl Looks {
    pub(super) fn new(api: &Api, fallback: Duration) -> Self {
        Self::of(Arc::clone(&api.intake.accounts.settled), api.store.changes(), api.stop.clone(), fallback)
    }

    fn of(settled: Arc<Notify>, changes: watch::Receiver<u64>, stop: CancellationToken, fallback: Duration) -> Self {
        Self { settled, changes, stop, fallback, next: Instant::now(), first: true }
    }

    /// Waits until a look may be made; `None` when the process stops. What is committed from here on rings, so nothing
    /// comes between the look and the wait for it. The first look is at once, and so is the one after its ring.
    pub(super) async fn begin(&mut self) -> Option<Ring> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => return None,
            () = tokio::time::sleep_until(self.next) => {}
        }
        let mut ring = Box::pin(Arc::clone(&self.settled).notified_owned());
        ring.as_mut().enable();
        self.changes.borrow_and_update();
        if !std::mem::take(&mut self.first) {
            self.next = Instant::now() + DISTANCE;
        }
        Some(ring)
    }

    /// Waits for a ring, or for the fallback or `until`; `None` when the process stops or `until` is over.
    pub(super) async fn rest(&mut self, ring: Ring, until: Option<Instant>) -> Option<()> {
        let now = Instant::now();
        if until.is_some_and(|until| now >= until) {
            return None;
        }
        let rest = until.map_or(now + self.fallback, |until| until.min(now + self.fallback));
        tokio::select! {
            () = ring => Some(()),
            _ = self.changes.changed() => Some(()),
            () = tokio::time::sleep_until(rest) => Some(()),
            () = self.stop.cancelled() => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(settled: &Arc<Notify>, changes: &watch::Sender<u64>) -> Looks {
        Looks::of(Arc::clone(settled), changes.subscribe(), CancellationToken::new(), Duration::from_mins(10))
    }

    async fn find(looks: &mut Looks, until: Option<Instant>, mut look: impl AsyncFnMut() -> bool) -> bool {
        while let Some(ring) = looks.begin().await {
            if look().await {
                return true;
            }
            if looks.rest(ring, until).await.is_none() {
                return false;
            }
        }
        false
    }

    #[tokio::test(start_paused = true)]
    async fn a_thousand_commits_are_few_looks_and_the_last_one_is_seen() {
        let (settled, changes) = (Arc::new(Notify::new()), watch::Sender::new(0));
        let mut looks = looks(&settled, &changes);
        let committed = std::cell::Cell::new(0);
        let mut count = 0;
        let began = Instant::now();
        let commits = async {
            for commit in 1..=1_000 {
                tokio::time::advance(Duration::from_millis(1)).await;
                committed.set(commit);
                if commit % 2 == 0 {
                    settled.notify_waiters();
                } else {
                    changes.send_replace(commit);
                }
            }
        };
        let seen = find(&mut looks, None, async || {
            count += 1;
            committed.get() == 1_000
        });
        let (seen, ()) = tokio::join!(seen, commits);
        assert!(seen && began.elapsed() < Duration::from_millis(1_200), "{:?}", began.elapsed());
        assert!((10..=1_000 / 75 + 3).contains(&count), "{count} looks");
    }

    #[tokio::test(start_paused = true)]
    async fn a_commit_during_a_look_is_looked_at_again() {
        let (settled, changes) = (Arc::new(Notify::new()), watch::Sender::new(0));
        for by_this_process in [true, false] {
            let mut count = 0;
            let began = Instant::now();
            let mut looks = looks(&settled, &changes);
            let found = find(&mut looks, None, async || {
                count += 1;
                if count == 1 && by_this_process {
                    settled.notify_waiters();
                } else if count == 1 {
                    changes.send_modify(|count| *count += 1);
                }
                count == 2
            });
            assert!(found.await && began.elapsed() < Duration::from_secs(1));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_that_was_given_is_the_end() {
        let (settled, changes) = (Arc::new(Notify::new()), watch::Sender::new(0));
        let began = Instant::now();
        let until = Some(began + Duration::from_secs(5));
        assert!(!find(&mut looks(&settled, &changes), until, async || false).await);
        assert_eq!(began.elapsed(), Duration::from_secs(5));
    }
}
