//! Commits of a run's worker.

use futures_util::future::join_all;
use serde_json::json;
use tidewaiter::lifecycle::{Phase, Reason, ReasonCode, Status, WhoActs};
use tidewaiter::store::{Claimed, Commit, Committed, CredentialChange, RefreshIntent, RunChange, Store};

use super::databases::Database;
use super::rows::{
    ALL_REGIONS, accept, activation, commit, create, finish, held, id, object, sealed, secrets, transition,
    transition_at, worker, write,
};

/// What a commit may change, to see that nothing did.
async fn all_of(store: &dyn Store, held: &Claimed) -> String {
    let account = held.account.id;
    format!(
        "{:?} {:?} {:?} {:?}",
        store.account(account).await.unwrap(),
        store
            .credential(account)
            .await
            .unwrap()
            .map(|credential| (credential.sealed.as_bytes().to_vec(), credential.version)),
        store
            .runs(account, 10)
            .await
            .unwrap()
            .iter()
            .map(|run| (run.state.clone(), run.fence, run.outcome.clone()))
            .collect::<Vec<_>>(),
        store.account_events(account, 1, 10).await.unwrap().len(),
    )
}

pub async fn finishing_moves_run_account_and_event_together(database: &Database) {
    let store = database.open().await;
    let held = held(&*store, worker(&*store).await).await;
    let reason = Reason {
        code: ReasonCode::Forbidden,
        message: "403 “no”".to_owned(),
        phase: Some(Phase::Validation),
        step: Some("check".to_owned()),
        http_status: Some(403),
        who_acts: WhoActs::EndUser,
        retryable: false,
    };
    let mut change = activation(&held);
    let transition = change.transition.as_mut().unwrap();
    transition.change.status = Some(Status::ValidationError);
    transition.change.reason = Some(reason.clone());
    transition.change.last_error = Some("it said no".to_owned());
    transition.change.context = Some(object(json!({ "b": 2, "a": 1 })));
    change.run_change = Some(RunChange::Finish {
        outcome: "forbidden".to_owned(),
        trace: r#"[{"b":1,"a":2}]"#.to_owned(),
        progress: None,
    });
    assert_eq!(write(&*store, &change).await, Committed::Done);

    let account = store.account(held.account.id).await.unwrap().unwrap();
    assert_eq!((account.status, account.sequence), (Some(Status::ValidationError), 2));
    assert_eq!(account.reason, Some(reason));
    assert_eq!(account.last_error.as_deref(), Some("it said no"));
    assert_eq!(serde_json::to_string(&account.context).unwrap(), r#"{"b":2,"a":1}"#);
    assert_eq!((account.proven_at_ms, account.created_at_ms, account.updated_at_ms), (Some(5_000), 1_000, 6_000));
    let run = store.runs(held.account.id, 1).await.unwrap().remove(0);
    assert_eq!((run.state.as_str(), run.outcome.as_deref()), ("finished", Some("forbidden")));
    assert_eq!(run.trace.as_deref(), Some(r#"[{"b":1,"a":2}]"#));
    assert!(run.finished_at_ms.is_some());
    let events = store.account_events(held.account.id, 2, 10).await.unwrap();
    assert_eq!(events[0].envelope, change.transition.unwrap().event.envelope);
    assert_eq!(store.backlog().await.unwrap().outbox, 2);
}

pub async fn saved_progress_survives_and_the_run_stays_held(database: &Database) {
    let store = database.open().await;
    let first = worker(&*store).await;
    let held = held(&*store, first).await;
    let save = Commit { run_change: Some(RunChange::Save { progress: sealed("step 2") }), ..commit(&held) };
    assert_eq!(write(&*store, &save).await, Committed::Done);
    assert_eq!(write(&*store, &save).await, Committed::Done, "the run is still held");
    let context_only = Commit { transition: transition(&held, Some(Status::Connecting), "updated"), ..commit(&held) };
    assert_eq!(write(&*store, &context_only).await, Committed::Done);
    let heir = worker(&*store).await;
    store.take_over(heir, std::time::Duration::ZERO, &[]).await.unwrap();
    let taken = store.claim(heir, ALL_REGIONS, 1).await.unwrap().runs.remove(0);
    assert_eq!(taken.run.progress, Some(sealed("step 2")));
    assert_eq!(taken.account.sequence, 2);
}

pub async fn a_released_run_is_claimable_at_once_and_keeps_its_progress(database: &Database) {
    let store = database.open().await;
    let worker = worker(&*store).await;
    let held = held(&*store, worker).await;
    let save = RunChange::Save { progress: sealed("step 2") };
    write(&*store, &Commit { run_change: Some(save), ..commit(&held) }).await;
    let release = RunChange::Release { progress: None };
    assert_eq!(write(&*store, &Commit { run_change: Some(release), ..commit(&held) }).await, Committed::Done);
    let again = store.claim(worker, ALL_REGIONS, 1).await.unwrap().runs.remove(0);
    assert_eq!(again.run.progress, Some(sealed("step 2")));
    let release = RunChange::Release { progress: Some(sealed("step 3")) };
    assert_eq!(write(&*store, &Commit { run_change: Some(release), ..commit(&again) }).await, Committed::Done);
    let again = store.claim(worker, ALL_REGIONS, 1).await.unwrap().runs.remove(0);
    assert_eq!(again.run.progress, Some(sealed("step 3")));
}

pub async fn a_moved_account_refuses_the_commit_whole(database: &Database) {
    let store = database.open().await;
    let held = held(&*store, worker(&*store).await).await;
    let moved = Commit { transition: transition(&held, Some(Status::Connecting), "updated"), ..commit(&held) };
    assert_eq!(write(&*store, &moved).await, Committed::Done);
    let before = all_of(&*store, &held).await;
    let stale = Commit { credential: secrets(1, "secrets 2"), ..activation(&held) };
    assert_eq!(write(&*store, &stale).await, Committed::SequenceMoved);
    assert_eq!(all_of(&*store, &held).await, before);
    let again =
        Commit { transition: transition_at(held.account.id, 2, Some(Status::Active), "active"), ..activation(&held) };
    assert_eq!(write(&*store, &again).await, Committed::Done);
}

pub async fn moved_secrets_refuse_the_commit_whole(database: &Database) {
    let store = database.open().await;
    let held = held(&*store, worker(&*store).await).await;
    let moved = Commit { credential: secrets(1, "secrets 2"), ..commit(&held) };
    assert_eq!(write(&*store, &moved).await, Committed::Done);
    let before = all_of(&*store, &held).await;
    let stale = Commit { credential: secrets(1, "secrets of somebody else"), ..activation(&held) };
    assert_eq!(write(&*store, &stale).await, Committed::CredentialMoved);
    assert_eq!(all_of(&*store, &held).await, before);
}

pub async fn a_commit_under_an_old_fence_changes_nothing(database: &Database) {
    let store = database.open().await;
    let held = held(&*store, worker(&*store).await).await;
    let before = all_of(&*store, &held).await;
    for fence in [held.run.fence - 1, held.run.fence + 1] {
        let stale = Commit { fence, credential: secrets(1, "secrets 2"), ..activation(&held) };
        assert_eq!(write(&*store, &stale).await, Committed::FenceLost);
    }
    assert_eq!(all_of(&*store, &held).await, before);
    assert_eq!(write(&*store, &activation(&held)).await, Committed::Done);
    let late = Commit { run_change: Some(RunChange::Save { progress: sealed("late") }), ..commit(&held) };
    assert_eq!(write(&*store, &late).await, Committed::FenceLost, "the run has ended");
}

pub async fn a_commit_of_an_unknown_run_is_a_lost_fence(database: &Database) {
    let store = database.open().await;
    let held = held(&*store, worker(&*store).await).await;
    assert_eq!(write(&*store, &Commit { run: id(), ..activation(&held) }).await, Committed::FenceLost);
}

pub async fn repeating_a_commit_is_answered_as_done(database: &Database) {
    let store = database.open().await;
    let worker = worker(&*store).await;
    let first = held(&*store, worker).await;
    let new_secrets = Commit { credential: secrets(1, "secrets 2"), ..commit(&first) };
    let saved = Commit { run_change: Some(RunChange::Save { progress: sealed("p") }), ..new_secrets.clone() };
    for change in [new_secrets, saved, activation(&first)] {
        assert_eq!(write(&*store, &change).await, Committed::Done);
        let before = all_of(&*store, &first).await;
        assert_eq!(write(&*store, &change).await, Committed::Done);
        assert_eq!(all_of(&*store, &first).await, before);
    }
    for change in [
        finish().unwrap(),
        RunChange::Wait { progress: sealed("p"), for_ms: 60_000 },
        RunChange::Release { progress: None },
    ] {
        let held = held(&*store, worker).await;
        let change = Commit { run_change: Some(change), ..commit(&held) };
        assert_eq!(write(&*store, &change).await, Committed::Done);
        assert_eq!(write(&*store, &change).await, Committed::Done);
        let before = all_of(&*store, &held).await;
        assert_eq!(write(&*store, &change).await, Committed::Done);
        assert_eq!(all_of(&*store, &held).await, before);
        // Nothing is left to be claimed by the next round.
        store.claim(worker, ALL_REGIONS, 10).await.unwrap();
    }
}

pub async fn a_later_commit_is_not_taken_for_a_repetition(database: &Database) {
    let store = database.open().await;
    let held = held(&*store, worker(&*store).await).await;
    assert_eq!(write(&*store, &activation(&held)).await, Committed::Done);
    let mut other = activation(&held);
    other.transition.as_mut().unwrap().event.envelope = "{}".to_owned();
    assert_eq!(write(&*store, &other).await, Committed::FenceLost);
}

pub async fn a_refresh_intent_comes_back_with_its_age(database: &Database) {
    let store = database.open().await;
    let held = held(&*store, worker(&*store).await).await;
    let intent = RefreshIntent { fence: held.run.fence, version: 1, age_ms: 77_777_777, repeated: true };
    let change =
        CredentialChange { expected_version: 1, sealed: None, expires_at_ms: Some(1), refresh_intent: Some(intent) };
    let intends = Commit { credential: Some(change.clone()), ..commit(&held) };
    assert_eq!(write(&*store, &intends).await, Committed::Done);
    let stored = store.credential(held.account.id).await.unwrap().unwrap();
    let found = stored.refresh_intent.expect("the intent stands");
    assert_eq!((found.fence, found.version, found.repeated), (held.run.fence, 1, true));
    assert!((0..60_000).contains(&found.age_ms), "the age is the database's, not the given: {}", found.age_ms);
    assert_eq!((stored.version, stored.expires_at_ms), (1, Some(99_000)), "an intent changes no secret");
    let cleared = Commit { credential: secrets(1, "secrets 2"), ..commit(&held) };
    assert_eq!(write(&*store, &cleared).await, Committed::Done);
    assert_eq!(store.credential(held.account.id).await.unwrap().unwrap().refresh_intent, None);
}

pub async fn new_secrets_raise_their_version(database: &Database) {
    let store = database.open().await;
    let held = held(&*store, worker(&*store).await).await;
    assert_eq!(
        write(&*store, &Commit { credential: secrets(1, "secrets 2"), ..activation(&held) }).await,
        Committed::Done
    );
    let stored = store.credential(held.account.id).await.unwrap().unwrap();
    assert_eq!((stored.version, stored.expires_at_ms), (2, Some(123_000)));
    assert_eq!(stored.sealed, sealed("secrets 2"));
    assert_eq!(store.account(held.account.id).await.unwrap().unwrap().status, Some(Status::Active));
}

pub async fn a_deleted_account_leaves_a_tombstone(database: &Database) {
    let store = database.open().await;
    let held = held(&*store, worker(&*store).await).await;
    let deletes = Commit { run_change: finish(), transition: transition(&held, None, "deleted"), ..commit(&held) };
    assert_eq!(write(&*store, &deletes).await, Committed::Done);
    let tombstone = store.account(held.account.id).await.unwrap().expect("the row stays");
    assert_eq!((tombstone.status, tombstone.sequence), (None, 2));
    assert!(store.accounts(&Default::default(), 10).await.unwrap().is_empty());
}

pub async fn commits_in_one_burst_each_have_their_own_outcome(database: &Database) {
    let store = database.open().await;
    let worker = worker(&*store).await;
    let new: Vec<_> = (0..30).map(|_| accept()).collect();
    join_all(new.iter().map(|accept| create(&*store, accept))).await;
    let claimed = store.claim(worker, ALL_REGIONS, 30).await.unwrap().runs;
    let change = |index: usize, held: &Claimed| match index % 4 {
        0 => (activation(held), Committed::Done),
        1 => (Commit { fence: 9, ..activation(held) }, Committed::FenceLost),
        2 => {
            let moved = transition_at(held.account.id, 5, Some(Status::Active), "active");
            (Commit { transition: moved, ..activation(held) }, Committed::SequenceMoved)
        }
        _ => (Commit { credential: secrets(5, "s"), ..activation(held) }, Committed::CredentialMoved),
    };
    let all: Vec<_> = claimed.iter().enumerate().map(|(index, held)| change(index, held)).collect();
    let outcomes = join_all(all.iter().map(|(commit, _)| write(&*store, commit))).await;
    assert_eq!(outcomes, all.iter().map(|(_, expected)| *expected).collect::<Vec<_>>());
    let active = tidewaiter::store::AccountFilter { status: Some(Status::Active), ..Default::default() };
    assert_eq!(store.accounts(&active, 100).await.unwrap().len(), 8);
}
