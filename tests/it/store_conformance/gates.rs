//! Gates, and runs that a worker has no room for.

use tidewaiter::lifecycle::{Phase, Task};
use tidewaiter::store::{ClosedGate, Commit, Committed, GateReason, RunChange, Store};
use uuid::Uuid;

use super::databases::Database;
use super::rows::{ALL_REGIONS, INSTALL, commit, held, sealed, worker, write};

const HOST: &str = "api.example.test";
const OTHER: Uuid = Uuid::from_u128(0x9);

async fn close(store: &dyn Store, install: Uuid, reason: GateReason, for_ms: i64) -> ClosedGate {
    store.close_gate(install, HOST, reason, for_ms).await.expect("closed")
}

pub async fn a_closed_gate_is_seen_by_every_process_until_its_time_is_over(database: &Database) {
    let (one, other) = (database.open().await, database.open().await);
    assert_eq!(other.closed_gates().await.unwrap(), []);
    let closed = close(&*one, INSTALL, GateReason::RateLimit, 60_000).await;
    assert_eq!((closed.install, closed.host.as_str(), closed.reason), (INSTALL, HOST, GateReason::RateLimit));
    assert!((50_000..=60_000).contains(&closed.left_ms), "{closed:?}");
    close(&*one, OTHER, GateReason::Circuit, 0).await;
    let seen = other.closed_gates().await.unwrap();
    assert_eq!(seen.len(), 1, "the other one is open again: {seen:?}");
    assert!(seen[0].left_ms <= closed.left_ms && (seen[0].install, &seen[0].host) == (INSTALL, &closed.host));
}

pub async fn a_gate_is_closed_for_longer_and_never_for_shorter(database: &Database) {
    let store = database.open().await;
    close(&*store, INSTALL, GateReason::Circuit, 60_000).await;
    let shorter = close(&*store, INSTALL, GateReason::RateLimit, 5_000).await;
    assert!(shorter.left_ms > 50_000 && shorter.reason == GateReason::Circuit, "{shorter:?}");
    let longer = close(&*store, INSTALL, GateReason::RateLimit, 600_000).await;
    assert!(longer.left_ms > 500_000 && longer.reason == GateReason::RateLimit, "{longer:?}");
    assert_eq!(store.closed_gates().await.unwrap().len(), 1);
}

pub async fn another_process_hears_of_a_gate(database: &Database) {
    if !database.is_postgres() {
        return; // One process.
    }
    let (one, other) = (database.open().await, database.open().await);
    let mut heard = other.gate_changes();
    // Once for the connection that listens.
    heard.changed().await.unwrap();
    let runs = other.changes();
    let before = *runs.borrow();
    close(&*one, INSTALL, GateReason::Circuit, 60_000).await;
    heard.changed().await.unwrap();
    assert_eq!(*runs.borrow(), before, "who waits for runs is not woken by a gate");
}

pub async fn a_run_put_back_rests_and_its_time_begins_with_its_next_claim(database: &Database) {
    let store = database.open().await;
    let worker = worker(&*store).await;
    let first = held(&*store, worker).await;
    let back = Commit { run_change: Some(RunChange::PutBack { anew: true, for_ms: 0 }), ..commit(&first) };
    let later = store.now_ms().await.unwrap() + 40;
    while store.now_ms().await.unwrap() < later {}
    assert_eq!(write(&*store, &back).await, Committed::Done);
    assert_eq!(write(&*store, &back).await, Committed::Done, "a repetition is recognised");
    let again = store.claim(worker, ALL_REGIONS, 1).await.unwrap().runs.pop().expect("due");
    assert_eq!((again.run.id, again.run.fence, &again.run.task), (first.run.id, 2, &Task::Phases(Phase::PostInstall)));
    assert!(again.elapsed_ms < 40, "{}", again.elapsed_ms);
    let late = Commit { run_change: Some(RunChange::PutBack { anew: true, for_ms: 60_000 }), ..commit(&first) };
    assert_eq!(write(&*store, &late).await, Committed::FenceLost);
    let rests = Commit { run_change: Some(RunChange::PutBack { anew: true, for_ms: 60_000 }), ..commit(&again) };
    assert_eq!(write(&*store, &rests).await, Committed::Done);
    let claims = store.claim(worker, ALL_REGIONS, 1).await.unwrap();
    assert!(claims.runs.is_empty() && claims.next_due_ms.is_some_and(|due| due > 50_000), "{claims:?}");
}

pub async fn a_run_put_back_amid_its_work_keeps_its_progress_and_its_time(database: &Database) {
    let store = database.open().await;
    let worker = worker(&*store).await;
    let first = held(&*store, worker).await;
    let waits = RunChange::Wait { progress: sealed("here"), for_ms: 0 };
    write(&*store, &Commit { run_change: Some(waits), ..commit(&first) }).await;
    let second = store.claim(worker, ALL_REGIONS, 1).await.unwrap().runs.pop().expect("due");
    let later = store.now_ms().await.unwrap() + 40;
    while store.now_ms().await.unwrap() < later {}
    let back = Commit { run_change: Some(RunChange::PutBack { anew: false, for_ms: 0 }), ..commit(&second) };
    assert_eq!(write(&*store, &back).await, Committed::Done);
    let third = store.claim(worker, ALL_REGIONS, 1).await.unwrap().runs.pop().expect("due");
    assert_eq!(third.run.progress, Some(sealed("here")));
    assert!(third.elapsed_ms >= second.elapsed_ms + 40, "{} {}", second.elapsed_ms, third.elapsed_ms);
}
