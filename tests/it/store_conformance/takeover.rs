//! Heartbeats and takeovers.

use std::time::Duration;

use futures_util::future::join_all;
use tidewaiter::store::{Committed, Standing, Store};

use super::databases::Database;
use super::rows::{ALL_REGIONS, accept, activation, create, held, id, worker, write};

/// Longer than any test.
const LONG: Duration = Duration::from_hours(1);

async fn run_state(store: &dyn Store, account: uuid::Uuid) -> (String, i64) {
    let run = store.runs(account, 1).await.unwrap().remove(0);
    (run.state, run.fence)
}

pub async fn workers_are_ranked_by_id(database: &Database) {
    let store = database.open().await;
    let (young, old) = {
        let (old, young) = (id(), id());
        (young, old)
    };
    assert_eq!(store.heartbeat(young, ALL_REGIONS).await.unwrap(), Standing { rank: 0, live: 1 });
    assert_eq!(store.heartbeat(old, ALL_REGIONS).await.unwrap(), Standing { rank: 0, live: 2 });
    assert_eq!(store.heartbeat(young, ALL_REGIONS).await.unwrap(), Standing { rank: 1, live: 2 });
    store.retire(old).await.unwrap();
    assert_eq!(store.heartbeat(young, ALL_REGIONS).await.unwrap(), Standing { rank: 0, live: 1 });
}

pub async fn a_dead_workers_runs_are_requeued_and_its_commits_lost(database: &Database) {
    let store = database.open().await;
    let (dead, heir) = (worker(&*store).await, worker(&*store).await);
    let lost = held(&*store, dead).await;
    assert_eq!(store.take_over(heir, Duration::ZERO, &[]).await.unwrap(), 1);
    assert_eq!(run_state(&*store, lost.account.id).await, ("queued".to_owned(), 2));
    assert_eq!(write(&*store, &activation(&lost)).await, Committed::FenceLost);
    assert_eq!(store.account(lost.account.id).await.unwrap().unwrap(), lost.account);
    let taken = store.claim(heir, ALL_REGIONS, 1).await.unwrap().runs.pop().unwrap();
    assert_eq!((taken.run.id, taken.run.fence), (lost.run.id, 3));
    assert_eq!(write(&*store, &activation(&lost)).await, Committed::FenceLost);
    assert_eq!(write(&*store, &activation(&taken)).await, Committed::Done);
    assert_eq!(store.heartbeat(heir, ALL_REGIONS).await.unwrap().live, 1, "the dead worker is forgotten");
}

pub async fn a_live_workers_runs_are_left_alone(database: &Database) {
    let store = database.open().await;
    let (live, other) = (worker(&*store).await, worker(&*store).await);
    let theirs = held(&*store, live).await;
    assert_eq!(store.take_over(other, LONG, &[]).await.unwrap(), 0);
    assert_eq!(run_state(&*store, theirs.account.id).await, ("running".to_owned(), 1));
    assert_eq!(write(&*store, &activation(&theirs)).await, Committed::Done);
}

pub async fn runs_whose_owner_is_unknown_are_requeued(database: &Database) {
    let store = database.open().await;
    let mut new = accept();
    new.run.claimed_by = Some(id());
    create(&*store, &new).await;
    assert_eq!(store.take_over(worker(&*store).await, LONG, &[]).await.unwrap(), 1);
    assert_eq!(run_state(&*store, new.account.id).await, ("queued".to_owned(), 2));
}

pub async fn own_runs_that_the_worker_does_not_know_of_are_requeued(database: &Database) {
    let store = database.open().await;
    let worker = worker(&*store).await;
    let (mut known, mut lost) = (accept(), accept());
    known.run.claimed_by = Some(worker);
    lost.run.claimed_by = Some(worker);
    create(&*store, &known).await;
    create(&*store, &lost).await;
    assert_eq!(store.take_over(worker, LONG, &[known.run.id]).await.unwrap(), 0, "too young to be lost");
    assert_eq!(store.take_over(worker, Duration::ZERO, &[known.run.id]).await.unwrap(), 1);
    assert_eq!(run_state(&*store, known.account.id).await, ("running".to_owned(), 1));
    assert_eq!(run_state(&*store, lost.account.id).await, ("queued".to_owned(), 2));
}

pub async fn a_run_just_claimed_is_not_taken_for_a_lost_one(database: &Database) {
    let store = database.open().await;
    let worker = worker(&*store).await;
    let claimed = held(&*store, worker).await;
    // The worker made its list before the claim was answered.
    assert_eq!(store.take_over(worker, Duration::ZERO, &[]).await.unwrap(), 0);
    assert_eq!(write(&*store, &activation(&claimed)).await, Committed::Done);
}

pub async fn a_retired_worker_gives_its_runs_back(database: &Database) {
    let store = database.open().await;
    let (leaving, staying) = (worker(&*store).await, worker(&*store).await);
    let given = held(&*store, leaving).await;
    let kept = held(&*store, staying).await;
    store.retire(leaving).await.unwrap();
    assert_eq!(run_state(&*store, given.account.id).await, ("queued".to_owned(), 2));
    assert_eq!(run_state(&*store, kept.account.id).await, ("running".to_owned(), 1));
    assert_eq!(write(&*store, &activation(&given)).await, Committed::FenceLost);
    store.retire(leaving).await.unwrap();
}

pub async fn a_takeover_amid_commits_leaves_each_run_with_exactly_one_outcome(database: &Database) {
    let (one, other) = (database.open().await, database.open().await);
    let (owner, heir) = (worker(&*one).await, worker(&*other).await);
    let new: Vec<_> = (0..64).map(|_| accept()).collect();
    join_all(new.iter().map(|accept| create(&*one, accept))).await;
    let claimed = one.claim(owner, ALL_REGIONS, 64).await.unwrap().runs;
    assert_eq!(claimed.len(), 64);
    // Commits come one after the other, so that the takeover falls between them.
    let commits = async {
        let mut outcomes = Vec::new();
        for claimed in &claimed {
            outcomes.push(write(&*one, &activation(claimed)).await);
        }
        outcomes
    };
    let takeover = async {
        tokio::task::yield_now().await;
        other.take_over(heir, Duration::ZERO, &[]).await.unwrap()
    };
    let (outcomes, requeued) = tokio::join!(commits, takeover);
    let mut lost = 0;
    for (claimed, outcome) in claimed.iter().zip(outcomes) {
        let (state, fence) = run_state(&*one, claimed.account.id).await;
        let events = one.account_events(claimed.account.id, 1, 10).await.unwrap().len();
        match outcome {
            Committed::Done => assert_eq!((state.as_str(), fence, events), ("finished", 1, 2)),
            Committed::FenceLost => {
                lost += 1;
                assert_eq!((state.as_str(), fence, events), ("queued", 2, 1));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(requeued, lost);
}
