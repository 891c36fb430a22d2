//! Settling a delivery, within bounds.
//!
//! `lapin` answers a settlement when it has written it, and not at all if the session ends at the wrong moment: one that
//! is asked for between the end of its loop and the loop's last look into its own queue waits for itself. Whoever waited
//! for that would hold the delivery's place for ever, of which a queue that is taken singly has one. So a settlement ends
//! with its session, and a session that does not take one in time is given up.

use std::time::Duration;

use lapin::Acker;
use lapin::options::{BasicAckOptions, BasicRejectOptions};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// What a session and the settlements of its deliveries know of each other. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Bond {
    over: CancellationToken,
    stalled: CancellationToken,
    limit: Duration,
}

impl Bond {
    /// For a session whose settlements may take as long as `limit`.
    pub(super) fn new(limit: Duration) -> Self {
        Self { over: CancellationToken::new(), stalled: CancellationToken::new(), limit }
    }

    /// The session is given up: nothing is settled on it any more.
    pub(super) fn end(&self) {
        self.over.cancel();
    }

    /// Waits until a settlement was not taken in time: the session is of no use.
    pub(super) async fn stalled(&self) {
        self.stalled.cancelled().await;
    }

    /// Waits for a settlement as long as that makes sense. False: it is not known to be with the broker.
    async fn settled(&self, settlement: impl Future<Output = lapin::Result<bool>>) -> bool {
        tokio::select! {
            biased;
            settled = settlement => matches!(settled, Ok(true)),
            () = self.over.cancelled() => false,
            () = sleep(self.limit) => {
                self.stalled.cancel();
                false
            }
        }
    }
}

/// What settles a delivery, once.
#[derive(Clone)]
pub(super) struct Receipt {
    acker: Acker,
    bond: Bond,
}

impl Receipt {
    pub(super) const fn new(acker: Acker, bond: Bond) -> Self {
        Self { acker, bond }
    }

    /// Whether it is worth anything still: not used, and its session is there.
    pub(super) fn usable(&self) -> bool {
        self.acker.usable() && !self.bond.over.is_cancelled()
    }

    /// False: the channel is gone, and the delivery comes again.
    pub(super) async fn acknowledge(&self) -> bool {
        self.bond.settled(self.acker.ack(BasicAckOptions::default())).await
    }

    pub(super) async fn give_back(&self) {
        // When the channel is gone it goes back by itself.
        self.bond.settled(self.acker.reject(BasicRejectOptions { requeue: true })).await;
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use futures_util::FutureExt as _;
    use tokio::time::Instant;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_settlement_that_nobody_takes_gives_the_session_up() {
        let (bond, begun) = (Bond::new(LIMIT), Instant::now());
        assert!(bond.settled(ready(Ok(true))).await);
        assert!(!bond.settled(ready(Ok(false))).await);
        assert!(bond.stalled().now_or_never().is_none());
        assert!(!bond.settled(pending()).await);
        assert_eq!(begun.elapsed(), LIMIT);
        assert!(bond.stalled().now_or_never().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_settlement_ends_with_its_session() {
        let (bond, begun) = (Bond::new(LIMIT), Instant::now());
        let (settled, ()) = tokio::join!(bond.settled(pending()), async { bond.end() });
        assert!(!settled);
        assert_eq!(begun.elapsed(), Duration::ZERO);
        assert!(bond.stalled().now_or_never().is_none(), "that session is over already");
    }
}
