//! Runs of existing accounts.

use tidewaiter::lifecycle::Status;
use tidewaiter::store::{Commit, Committed, Enqueued, RunChange};

use super::databases::Database;
use super::rows::{ALL_REGIONS, activation, commit, finish, held, replay, sealed, worker, write};

pub async fn a_replay_makes_a_run_with_its_transition(database: &Database) {
    let store = database.open().await;
    let worker = worker(&*store).await;
    let held = held(&*store, worker).await;
    write(&*store, &activation(&held)).await;
    let mut again = replay(held.account.id, 2);
    again.run.replay_of = Some(held.run.id);
    assert_eq!(store.enqueue(again.clone()).await.unwrap(), Enqueued::Done);
    let account = store.account(held.account.id).await.unwrap().unwrap();
    assert_eq!((account.status, account.sequence), (Some(Status::Connecting), 3));
    assert_eq!(account.latest_run, Some(again.run.id));
    assert_eq!(account.context, held.account.context);
    assert_eq!(store.account_events(held.account.id, 3, 10).await.unwrap().len(), 1);
    let claimed = store.claim(worker, ALL_REGIONS, 10).await.unwrap().runs.remove(0);
    assert_eq!((claimed.run.id, claimed.run.cause), (again.run.id, again.run.cause));
}

pub async fn what_a_finished_run_left_is_there_until_a_run_takes_it_over(database: &Database) {
    let store = database.open().await;
    let worker = worker(&*store).await;
    let held = held(&*store, worker).await;
    assert_eq!(store.left_by(held.run.id).await.unwrap(), None, "it is not finished");
    let mut end = activation(&held);
    end.run_change = Some(RunChange::Finish {
        outcome: "outcome_unknown".to_owned(),
        trace: "[]".to_owned(),
        progress: Some(sealed("left")),
    });
    write(&*store, &end).await;
    let left = store.left_by(held.run.id).await.unwrap().unwrap();
    assert_eq!((left.definition, left.progress), (held.run.definition, sealed("left")));
    let mut again = replay(held.account.id, 2);
    again.run.replay_of = Some(held.run.id);
    again.run.progress = Some(sealed("taken"));
    assert_eq!(store.enqueue(again.clone()).await.unwrap(), Enqueued::Done);
    assert_eq!(store.left_by(held.run.id).await.unwrap(), None, "no secret is kept twice");
    let claimed = store.claim(worker, ALL_REGIONS, 10).await.unwrap().runs.remove(0);
    assert_eq!(claimed.run.progress, Some(sealed("taken")));
    write(&*store, &Commit { run_change: finish(), ..commit(&claimed) }).await;
    assert_eq!(store.left_by(again.run.id).await.unwrap(), None, "it ended well");
}

pub async fn an_account_has_one_unfinished_run(database: &Database) {
    let store = database.open().await;
    let held = held(&*store, worker(&*store).await).await;
    assert_eq!(store.enqueue(replay(held.account.id, 1)).await.unwrap(), Enqueued::RunInProgress);
    assert_eq!(store.account(held.account.id).await.unwrap().unwrap(), held.account);
    assert_eq!(store.runs(held.account.id, 10).await.unwrap().len(), 1);
}

pub async fn a_moved_account_refuses_a_replay(database: &Database) {
    let store = database.open().await;
    let held = held(&*store, worker(&*store).await).await;
    assert_eq!(store.enqueue(replay(held.account.id, 9)).await.unwrap(), Enqueued::SequenceMoved);
    write(&*store, &activation(&held)).await;
    assert_eq!(store.enqueue(replay(held.account.id, 1)).await.unwrap(), Enqueued::SequenceMoved);
    assert_eq!(store.runs(held.account.id, 10).await.unwrap().len(), 1);
    assert_eq!(store.account(held.account.id).await.unwrap().unwrap().sequence, 2);
}

pub async fn repeating_an_enqueue_is_answered_as_done(database: &Database) {
    let store = database.open().await;
    let held = held(&*store, worker(&*store).await).await;
    write(&*store, &activation(&held)).await;
    let again = replay(held.account.id, 2);
    assert_eq!(store.enqueue(again.clone()).await.unwrap(), Enqueued::Done);
    assert_eq!(store.enqueue(again).await.unwrap(), Enqueued::Done);
    assert_eq!(store.account(held.account.id).await.unwrap().unwrap().sequence, 3);
    assert_eq!(store.account_events(held.account.id, 1, 10).await.unwrap().len(), 3);
}

pub async fn an_enqueue_amid_the_finish_of_the_run_before_gets_a_clear_answer(database: &Database) {
    let (one, other) = (database.open().await, database.open().await);
    let worker = worker(&*one).await;
    for _ in 0..20 {
        let held = held(&*one, worker).await;
        let (finish, again) = (activation(&held), replay(held.account.id, 2));
        let (committed, enqueued) = tokio::join!(write(&*one, &finish), other.enqueue(again));
        assert_eq!(committed, Committed::Done);
        let sequence = one.account(held.account.id).await.unwrap().unwrap().sequence;
        match enqueued.unwrap() {
            Enqueued::Done => assert_eq!(sequence, 3),
            Enqueued::RunInProgress | Enqueued::SequenceMoved => assert_eq!(sequence, 2),
        }
        one.claim(worker, ALL_REGIONS, 10).await.unwrap();
    }
}
