//! Claiming.

use std::collections::HashSet;

use futures_util::future::join_all;
use tidewaiter::lifecycle::Region;
use tidewaiter::store::{Committed, RunChange};
use uuid::Uuid;

use super::databases::Database;
use super::rows::{ALL_REGIONS, accept, accept_at, commit, create, held, sealed, worker, write};

pub async fn runs_come_in_fair_order_and_only_of_the_asked_regions(database: &Database) {
    let store = database.open().await;
    let mut expected = Vec::new();
    for (fair_key, region) in
        [(30, Region::Wnam), (10, Region::Eu), (20, Region::Apac), (5, Region::Enam), (15, Region::Eu)]
    {
        let mut new = accept_at(fair_key);
        new.account.region = region;
        create(&*store, &new).await;
        expected.push((fair_key, region, new.run.id));
    }
    expected.sort_unstable_by_key(|(fair_key, ..)| *fair_key);
    let worker = worker(&*store).await;
    let claims = store.claim(worker, &[Region::Wnam, Region::Eu, Region::Apac], 10).await.unwrap();
    let claimed: Vec<Uuid> = claims.runs.iter().map(|claimed| claimed.run.id).collect();
    let ours: Vec<Uuid> =
        expected.iter().filter(|(_, region, _)| *region != Region::Enam).map(|(.., id)| *id).collect();
    assert_eq!(claimed, ours);
    let rest = store.claim(worker, &[Region::Enam], 10).await.unwrap();
    assert_eq!(rest.runs.iter().map(|claimed| claimed.run.id).collect::<Vec<_>>(), [expected[0].2]);
}

pub async fn a_claim_takes_no_more_than_its_limit(database: &Database) {
    let store = database.open().await;
    for (fair_key, region) in [(3, Region::Wnam), (1, Region::Eu), (2, Region::Apac)] {
        let mut new = accept_at(fair_key);
        new.account.region = region;
        create(&*store, &new).await;
    }
    let worker = worker(&*store).await;
    for (limit, expected) in [(0, 0), (2, 2), (2, 1), (2, 0)] {
        assert_eq!(store.claim(worker, ALL_REGIONS, limit).await.unwrap().runs.len(), expected);
    }
}

pub async fn each_claim_raises_the_fence(database: &Database) {
    let store = database.open().await;
    let worker = worker(&*store).await;
    let first = held(&*store, worker).await;
    assert_eq!(first.run.fence, 1);
    let release =
        tidewaiter::store::Commit { run_change: Some(RunChange::Release { progress: None }), ..commit(&first) };
    assert_eq!(write(&*store, &release).await, Committed::Done);
    let again = store.claim(worker, ALL_REGIONS, 1).await.unwrap().runs;
    assert_eq!((again[0].run.id, again[0].run.fence), (first.run.id, 2));
}

pub async fn two_claimers_never_share_a_run(database: &Database) {
    let (one, other) = (database.open().await, database.open().await);
    let new: Vec<_> = (0..60).map(|_| accept()).collect();
    join_all(new.iter().map(|accept| create(&*one, accept))).await;
    let (ours, theirs) = (worker(&*one).await, worker(&*other).await);
    let mut seen = HashSet::new();
    loop {
        let (left, right) = tokio::join!(one.claim(ours, ALL_REGIONS, 7), other.claim(theirs, ALL_REGIONS, 7));
        let claimed: Vec<_> = left.unwrap().runs.into_iter().chain(right.unwrap().runs).collect();
        if claimed.is_empty() {
            break;
        }
        for claimed in claimed {
            assert_eq!(claimed.run.fence, 1);
            assert!(seen.insert(claimed.run.id), "claimed twice");
        }
    }
    assert_eq!(seen.len(), 60);
}

pub async fn a_run_that_was_accepted_as_claimed_is_not_claimable(database: &Database) {
    let store = database.open().await;
    let (owner, other) = (worker(&*store).await, worker(&*store).await);
    let mut new = accept();
    new.run.claimed_by = Some(owner);
    create(&*store, &new).await;
    assert!(store.claim(other, ALL_REGIONS, 10).await.unwrap().runs.is_empty());
    let run = &store.runs(new.account.id, 1).await.unwrap()[0];
    assert_eq!((run.state.as_str(), run.fence), ("running", 1));
}

pub async fn a_waiting_run_becomes_due(database: &Database) {
    let store = database.open().await;
    let worker = worker(&*store).await;
    let first = held(&*store, worker).await;
    let wait = RunChange::Wait { progress: sealed("here"), for_ms: 0 };
    let rests = tidewaiter::store::Commit { run_change: Some(wait), ..commit(&first) };
    assert_eq!(write(&*store, &rests).await, Committed::Done);
    assert_eq!(store.backlog().await.unwrap().waiting, 1);
    let again = store.claim(worker, ALL_REGIONS, 1).await.unwrap().runs;
    assert_eq!((again[0].run.id, again[0].run.fence), (first.run.id, 2));
    assert_eq!(again[0].run.progress, Some(sealed("here")));
}

pub async fn a_claim_tells_when_the_next_run_is_due(database: &Database) {
    let store = database.open().await;
    let worker = worker(&*store).await;
    assert_eq!(store.claim(worker, ALL_REGIONS, 1).await.unwrap().next_due_ms, None);
    let first = held(&*store, worker).await;
    let wait = RunChange::Wait { progress: sealed("here"), for_ms: 60_000 };
    write(&*store, &tidewaiter::store::Commit { run_change: Some(wait), ..commit(&first) }).await;
    let claims = store.claim(worker, ALL_REGIONS, 1).await.unwrap();
    assert!(claims.runs.is_empty());
    let next = claims.next_due_ms.expect("a run waits");
    assert!((1..=60_000).contains(&next), "{next}");
}

pub async fn a_claim_brings_account_secrets_and_progress(database: &Database) {
    let store = database.open().await;
    let worker = worker(&*store).await;
    let new = accept();
    create(&*store, &new).await;
    let claimed = store.claim(worker, ALL_REGIONS, 1).await.unwrap().runs.pop().unwrap();
    assert_eq!(claimed.account, new.account);
    assert_eq!(claimed.credential, new.credential);
    assert_eq!(claimed.run.account, new.account.id);
    assert_eq!(claimed.run.cause, new.run.cause);
    assert_eq!(claimed.run.task, new.run.task);
    assert_eq!(claimed.run.definition, new.run.definition);
    assert_eq!(claimed.run.correlation_id, new.run.correlation_id);
    assert_eq!(claimed.run.traceparent, new.run.traceparent);
    assert_eq!(claimed.run.progress, None);
    assert!(claimed.elapsed_ms >= 0);
}
