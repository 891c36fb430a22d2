//! The worker's heartbeat, and the takeover of what dead workers held.
//!
//! A worker is dead when its heartbeat is 15 s old by the database's clock. Only a worker whose own heartbeats went
//! through without a gap for that long may say so: after an outage of the database everybody's heartbeat is old.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::Runner;
use crate::reconnect::Reconnect;
use crate::store::StoreError;

/// Between two heartbeats.
pub const BEAT: Duration = Duration::from_secs(3);

/// A worker whose last heartbeat is older than this is dead.
pub const DEAD_AFTER: Duration = Duration::from_secs(15);

pub(super) async fn run(runner: Runner, known: watch::Sender<bool>) {
    let stop = runner.upkeep.stop();
    let mut unbroken_since: Option<Instant> = None;
    let mut last_beat: Option<Instant> = None;
    let mut pauses = Reconnect::default();
    while !stop.is_cancelled() {
        let pause = match beat(&runner, &known).await {
            Ok(()) => {
                let now = Instant::now();
                // A pause of this process counts as a gap: the others may have taken over meanwhile.
                let gap = last_beat.is_none_or(|last| now - last > BEAT * 3);
                last_beat = Some(now);
                let since = if gap { now } else { unbroken_since.unwrap_or(now) };
                unbroken_since = Some(since);
                pauses.succeeded();
                if now - since >= DEAD_AFTER {
                    take_over(&runner).await;
                }
                BEAT
            }
            Err(error) => {
                unbroken_since = None;
                if last_beat.is_some_and(|last| last.elapsed() > BEAT) {
                    tracing::debug!(%error, "the heartbeat is not written");
                }
                pauses.pause()
            }
        };
        let _ = tokio::time::timeout(pause, stop.cancelled()).await;
    }
}

async fn beat(runner: &Runner, known: &watch::Sender<bool>) -> Result<(), StoreError> {
    runner.accounts.store.heartbeat(runner.lane.worker, &runner.lane.regions).await?;
    match learn_gates(runner).await {
        // Before anything is claimed for the first time, so that a new worker respects what is closed.
        Err(error) if !*known.borrow() => return Err(error),
        Err(error) => tracing::debug!(%error, "the closed gates cannot be read"),
        Ok(()) => {}
    }
    known.send_replace(true);
    Ok(())
}

async fn learn_gates(runner: &Runner) -> Result<(), StoreError> {
    runner.gates.learn(runner.accounts.store.closed_gates().await?);
    Ok(())
}

/// Learns of gates that other processes close as soon as the store says so.
pub(super) async fn watch_gates(runner: Runner) {
    let stop = runner.upkeep.stop();
    let mut changes = runner.accounts.store.gate_changes();
    while let Some(Ok(())) = stop.run_until_cancelled(changes.changed()).await {
        if let Err(error) = learn_gates(&runner).await {
            tracing::debug!(%error, "the closed gates cannot be read; the next heartbeat reads them");
        }
    }
    // Without a store that could tell there is nothing left to hear.
    stop.cancelled().await;
}

async fn take_over(runner: &Runner) {
    let held = runner.lane.held();
    match runner.accounts.store.take_over(runner.lane.worker, DEAD_AFTER, &held).await {
        Ok(0) => {}
        Ok(runs) => {
            tracing::warn!(runs, "runs of a worker that is gone are taken over");
            runner.accounts.metrics.takeovers.inc_by(runs);
        }
        Err(error) => tracing::debug!(%error, "no runs can be taken over"),
    }
}
