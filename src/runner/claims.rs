//! Getting runs: those just accepted by this process, and those that the store says are due.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::{Runner, drive};
use crate::accounts::{Slot, Started};
use crate::reconnect::Reconnect;
use crate::store::{Claimed, Commit, Patience, RunChange, StoreError};

/// The most runs of one claim.
const BATCH: usize = 64;

/// How long the claimer rests when nobody wakes it: only a lost wake-up waits this long.
const FALLBACK: Duration = Duration::from_secs(1);

/// Starts what came through the fast lane.
pub(super) async fn start_accepted(runner: Runner, mut started: mpsc::UnboundedReceiver<Started>) {
    let stop = runner.tasks.stop();
    loop {
        tokio::select! {
            biased;
            received = started.recv() => match received {
                Some(started) => perform(&runner, started),
                None => return,
            },
            () = stop.cancelled() => break,
        }
    }
    // What was accepted before the stop is given back in order, each by its own driver.
    started.close();
    while let Some(started) = started.recv().await {
        perform(&runner, started);
    }
}

fn perform(runner: &Runner, started: Started) {
    // A run is 20 KiB of future, which every wrapper of a task would move.
    let performed = Box::pin(drive::run(runner.clone(), started));
    let slots = runner.accounts.metrics.slots_used.clone();
    runner.tasks.spawn_job("run", async move {
        slots.inc();
        performed.await;
        slots.dec();
    });
}

/// Lets a run rest whose tenant has its share of the slots. It costs no attempt, and nothing waits for it here.
fn put_back(runner: &Runner, claimed: &Claimed, slot: Slot) {
    let rest = runner.lane.rest(&claimed.account.tenant_id);
    let commit = Commit {
        run: claimed.run.id,
        fence: claimed.run.fence,
        account: claimed.account.id,
        run_change: Some(RunChange::PutBack {
            anew: claimed.elapsed_ms < JUST_NOW_MS,
            for_ms: rest.as_millis() as i64,
        }),
        transition: None,
        credential: None,
    };
    runner.accounts.metrics.put_back.inc();
    let store = Arc::clone(&runner.accounts.store);
    runner.tasks.spawn_job("run.put_back", async move {
        // Held until it is written, or a takeover would requeue it.
        let _slot = slot;
        let run = commit.run;
        if let Err(error) = store.commit(commit, Patience::For(PATIENCE)).await {
            tracing::warn!(run.id = %run, %error, "a run could not be put back; it is requeued with this worker's end");
        }
    });
}

/// A run that was first claimed so lately was claimed first by this very claim: whatever rests in the store does so longer.
const JUST_NOW_MS: i64 = 400;

/// How long a put-back run's write may take: much less than a takeover waits.
const PATIENCE: Duration = Duration::from_secs(10);

/// Claims due runs while there are free slots.
pub(super) async fn run(runner: Runner, mut registered: watch::Receiver<bool>) {
    let stop = runner.tasks.stop();
    // Nothing is claimed before the first heartbeat is written: a worker that is not known cannot hold a run.
    tokio::select! {
        _ = registered.wait_for(|known| *known) => {}
        () = stop.cancelled() => return,
    }
    let mut pauses = Reconnect::default();
    let mut changes = runner.accounts.store.changes();
    loop {
        let slot = tokio::select! {
            slot = runner.lane.slot() => slot,
            () = stop.cancelled() => None,
        };
        let Some(slot) = slot else { return };
        let mut slots = vec![slot];
        while slots.len() < BATCH
            && let Some(slot) = runner.lane.try_slot()
        {
            slots.push(slot);
        }
        let asked = slots.len();
        // What changes from here on is looked at again, however short the rest.
        changes.borrow_and_update();
        match runner.accounts.store.claim(runner.lane.worker, &runner.lane.regions, asked as u32).await {
            Ok(claims) => {
                pauses.succeeded();
                let got = claims.runs.len();
                runner.lane.set_backlog(got == asked);
                for (claimed, mut slot) in claims.runs.into_iter().zip(slots.drain(..)) {
                    slot.hold(claimed.run.id);
                    if runner.lane.admit(&mut slot, &claimed.account.tenant_id) {
                        perform(&runner, Started { claimed, opened: None, slot });
                    } else {
                        put_back(&runner, &claimed, slot);
                    }
                }
                drop(slots);
                if got < asked {
                    rest(&runner, &mut changes, claims.next_due_ms).await;
                }
            }
            Err(error) => {
                drop(slots);
                if let StoreError::Unavailable(_) = error {
                    tracing::debug!(%error, "no runs can be claimed");
                } else {
                    tracing::error!(%error, "no runs can be claimed; trying again");
                }
                runner.lane.set_backlog(true);
                let _ = tokio::time::timeout(pauses.pause(), stop.cancelled()).await;
            }
        }
        if stop.is_cancelled() {
            return;
        }
    }
}

/// Waits for the next due run, a change in the store, or the end.
async fn rest(runner: &Runner, changes: &mut watch::Receiver<u64>, next_due_ms: Option<i64>) {
    let due = next_due_ms.map_or(FALLBACK, |ms| Duration::from_millis(ms.max(1) as u64).min(FALLBACK));
    let stop = runner.tasks.stop();
    tokio::select! {
        () = tokio::time::sleep(due) => {}
        _ = changes.changed() => {}
        () = runner.lane.queued.notified() => {}
        () = stop.cancelled() => {}
    }
}
