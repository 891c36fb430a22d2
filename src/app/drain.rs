//! The drain of dead letters: a session of its own, one message at a time, that backs off where it gets nowhere.
//!
//! A dead letter with a property that is not UTF-8 breaks the connection whenever it is delivered; there is nothing
//! that this process could do with it. Then an operator is told, and the drain tries seldom.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::broker::{Broker, SessionState, Subscription};
use crate::intake::{DeadLetters, Intake};
use crate::lifecycle::Region;

/// A session that lives this long has got past whatever stood in the way.
const STEADY: Duration = Duration::from_secs(10);

/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// Tries that get nowhere before an operator is told.
const TRIES: u32 = 3;

/// The drain of one queue.
pub(super) struct Drain {
    pub(super) broker: Broker,
    pub(super) queue: String,
    /// Of a dead letter that names none.
    pub(super) region: Region,
    pub(super) intake: Intake,
    /// Whether the database is usable.
    pub(super) open: watch::Receiver<bool>,
    /// How its session stands.
    pub(super) state: watch::Sender<SessionState>,
    /// How the sessions stand that tell whether the broker is there at all.
    pub(super) others: Vec<watch::Receiver<SessionState>>,
}

impl Drain {
    /// Drains until `stop`.
    pub(super) async fn run(self, stop: CancellationToken) {
        let mut setbacks = 0_u32;
        while !stop.is_cancelled() {
            let Some(why) = self.session(&mut setbacks, &stop).await else { return };
            setbacks = setbacks.saturating_add(1);
            let others = self.others.iter();
            let is_broker_there = others.clone().any(|state| *state.borrow() == SessionState::Attached);
            if setbacks >= TRIES && (is_broker_there || self.others.is_empty()) {
                self.raise(&why);
            }
            let _ = tokio::time::timeout(pause(setbacks), stop.cancelled()).await;
        }
    }

    /// One session, to its first failure, which is answered; `None` after `stop`.
    async fn session(&self, setbacks: &mut u32, stop: &CancellationToken) -> Option<String> {
        let (state, seen) = watch::channel(SessionState::Connecting);
        let (broker, queue, open) = (self.broker.clone(), self.queue.clone(), self.open.clone());
        let subscription = Subscription { broker, queue, prefetch: 1, open, state };
        let end = stop.child_token();
        let taken = DeadLetters::run(self.intake.clone(), self.region, subscription, end.clone());
        let followed = async {
            let why = self.follow(seen, setbacks, stop).await;
            end.cancel();
            why
        };
        tokio::join!(taken, followed).1
    }

    /// Tells the state on, until the session fails.
    async fn follow(
        &self,
        mut seen: watch::Receiver<SessionState>,
        setbacks: &mut u32,
        stop: &CancellationToken,
    ) -> Option<String> {
        let mut since = None;
        loop {
            let state = seen.borrow_and_update().clone();
            self.state.send_replace(state.clone());
            match state {
                SessionState::Failing(why) => return Some(why),
                SessionState::Attached => {
                    since.get_or_insert_with(Instant::now);
                }
                SessionState::Connecting | SessionState::Closed => since = None,
            }
            let steady = async {
                match since {
                    Some(since) if *setbacks > 0 => tokio::time::sleep_until(since + STEADY).await,
                    _ => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = seen.changed() => if changed.is_err() { return None },
                () = steady => {
                    *setbacks = 0;
                    self.intake.accounts.metrics.dead_letters_stuck.set(0);
                }
                () = stop.cancelled() => return None,
            }
        }
    }

    fn raise(&self, why: &str) {
        if self.intake.accounts.metrics.dead_letters_stuck.set(1) == 0 {
            tracing::error!(
                queue = self.queue,
                error = why,
                "dead letters cannot be drained: where a message cannot be read (a property that is not UTF-8), an operator has to take it out of the queue, in the management interface or with `rabbitmqadmin get queue=NAME ackmode=ack_requeue_false`; trying again every minute"
            );
        }
    }
}

/// The pause after this many tries in a row that got nowhere.
fn pause(setbacks: u32) -> Duration {
    Duration::from_millis(500).saturating_mul(1_u32 << setbacks.min(10)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_minute() {
        let pauses: Vec<u64> = (1..=9).map(|setbacks| pause(setbacks).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(pause(u32::MAX), LONGEST_PAUSE);
    }
}
