//! Runs of existing accounts.

use std::time::Duration;

use tidewaiter::lifecycle::{Cause, Status, Task};
use tidewaiter::store::{Commit, Committed, Enqueue, Enqueued, NewRun, RunChange};

use super::databases::Database;
use super::rows::{ALL_REGIONS, action, activation, commit, finish, held, replay, sealed, transition, worker, write};

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

pub async fn a_run_beside_the_status_leaves_the_account_as_it_is_and_names_its_action(database: &Database) {
    let store = database.open().await;
    let worker = worker(&*store).await;
    let held = held(&*store, worker).await;
    write(&*store, &activation(&held)).await;
    let before = store.account(held.account.id).await.unwrap().unwrap();
    let asked = action(held.account.id, 2);
    assert_eq!(store.enqueue(asked.clone()).await.unwrap(), Enqueued::Done);
    assert_eq!(store.enqueue(asked.clone()).await.unwrap(), Enqueued::Done, "repeated after a lost answer");
    assert_eq!(store.account(held.account.id).await.unwrap().unwrap(), before);
    assert_eq!(store.account_events(held.account.id, 1, 10).await.unwrap().len(), 2);
    let view = store.run(asked.run.id).await.unwrap().unwrap();
    assert_eq!((view.account, view.action.as_deref()), (held.account.id, Some("sync_users")));
    assert_eq!(store.runs(held.account.id, 10).await.unwrap().len(), 2);
    let task = Task::Action("sync_users".to_owned());
    let claimed = store.claim(worker, ALL_REGIONS, 10).await.unwrap().runs.remove(0);
    assert_eq!((claimed.run.id, claimed.run.cause, &claimed.run.task), (asked.run.id, Cause::Action, &task));
    // Whoever takes it over is told the same.
    let successor = super::rows::worker(&*store).await;
    store.retire(worker).await.unwrap();
    let taken = store.claim(successor, ALL_REGIONS, 10).await.unwrap().runs.remove(0);
    assert_eq!((&taken.run.task, taken.run.fence > claimed.run.fence), (&task, true));
    write(&*store, &Commit { run_change: finish(), ..commit(&taken) }).await;
    let refresh = NewRun { cause: Cause::Refresh, task: Task::Refresh, ..action(held.account.id, 2).run };
    store.enqueue(Enqueue { run: refresh, ..action(held.account.id, 2) }).await.unwrap();
    let claimed = store.claim(successor, ALL_REGIONS, 10).await.unwrap().runs.remove(0);
    assert_eq!(claimed.run.task, Task::Refresh);
    assert_eq!(store.run(uuid::Uuid::nil()).await.unwrap().map(|run| run.id), None);
}

pub async fn a_run_beside_the_status_waits_for_no_other_and_needs_the_account_as_it_was(database: &Database) {
    let store = database.open().await;
    let worker = worker(&*store).await;
    let held = held(&*store, worker).await;
    assert_eq!(store.enqueue(action(held.account.id, 1)).await.unwrap(), Enqueued::RunInProgress);
    write(&*store, &activation(&held)).await;
    assert_eq!(store.enqueue(action(held.account.id, 1)).await.unwrap(), Enqueued::SequenceMoved);
    assert_eq!(store.enqueue(action(held.account.id, 2)).await.unwrap(), Enqueued::Done);
    for other in [action(held.account.id, 2), replay(held.account.id, 2)] {
        assert_eq!(store.enqueue(other).await.unwrap(), Enqueued::RunInProgress);
    }
    let claimed = store.claim(worker, ALL_REGIONS, 10).await.unwrap().runs.remove(0);
    let deleted =
        Commit { run_change: finish(), transition: transition(&claimed, None, "deleted"), ..commit(&claimed) };
    assert_eq!(write(&*store, &deleted).await, Committed::Done);
    assert_eq!(store.enqueue(action(held.account.id, 2)).await.unwrap(), Enqueued::SequenceMoved);
    store.take_over(worker, Duration::ZERO, &[]).await.unwrap();
    assert!(store.claim(worker, ALL_REGIONS, 10).await.unwrap().runs.is_empty(), "what was refused made no run");
}

pub async fn a_run_beside_the_status_amid_the_finish_of_the_run_before_gets_a_clear_answer(database: &Database) {
    let (one, other) = (database.open().await, database.open().await);
    let worker = worker(&*one).await;
    for _ in 0..20 {
        let held = held(&*one, worker).await;
        let (finish, asked) = (activation(&held), action(held.account.id, 1));
        let run = asked.run.id;
        let (committed, enqueued) = tokio::join!(write(&*one, &finish), other.enqueue(asked));
        assert_eq!(committed, Committed::Done);
        // It was decided on the account as it was before, so it never stands.
        assert!(matches!(enqueued.unwrap(), Enqueued::RunInProgress | Enqueued::SequenceMoved));
        assert_eq!(one.run(run).await.unwrap().map(|run| run.id), None);
    }
}
