//! What operators' tools ask of a store: failed accounts, replays, the quarantine.

use tidewaiter::lifecycle::{Reason, ReasonCode, Status, Unknown, WhoActs};
use tidewaiter::seal::Sealed;
use tidewaiter::store::{
    Account, Channel, Claimed, Commit, Enqueued, NewReplay, NewReplayItem, QuarantineFilter, QuarantineState,
    Quarantined, Settlement, Store,
};
use uuid::Uuid;

use super::databases::Database;
use super::rows::{activation, commit, finish, held, id, replay, sealed, transition, worker, write};

/// A new account that failed at this time.
async fn failed(store: &dyn Store, worker: Uuid, status: Status, at_ms: i64) -> Account {
    let held = held(store, worker).await;
    write(store, &failure(&held, status, at_ms)).await;
    store.account(held.account.id).await.unwrap().unwrap()
}

fn failure(held: &Claimed, status: Status, at_ms: i64) -> Commit {
    let mut write = transition(held, Some(status), status.as_str()).unwrap();
    write.change.updated_at_ms = at_ms;
    write.change.reason = Some(Reason {
        code: ReasonCode::Forbidden,
        message: "no".to_owned(),
        phase: None,
        step: None,
        http_status: Some(403),
        who_acts: WhoActs::EndUser,
        retryable: false,
    });
    Commit { run_change: finish(), transition: Some(write), ..commit(held) }
}

pub async fn failed_accounts_come_by_status_in_the_order_of_failing(database: &Database) {
    let store = database.open().await;
    let worker = worker(&*store).await;
    let late = failed(&*store, worker, Status::ValidationError, 9_000).await;
    let early = failed(&*store, worker, Status::ValidationError, 3_000).await;
    let twin = failed(&*store, worker, Status::ValidationError, 9_000).await;
    failed(&*store, worker, Status::NeedsReauth, 1_000).await;
    write(&*store, &activation(&held(&*store, worker).await)).await;
    let ids = async |after, limit| -> Vec<Uuid> {
        let found = store.failed_accounts(Status::ValidationError, after, limit).await.unwrap();
        found.iter().map(|candidate| candidate.id).collect()
    };
    let begin = (0, Uuid::nil());
    assert_eq!(ids(begin, 10).await, [early.id, late.id, twin.id]);
    assert_eq!(ids(begin, 2).await, [early.id, late.id]);
    assert_eq!(ids((9_000, late.id), 10).await, [twin.id]);
    assert_eq!(ids((9_000, Uuid::nil()), 10).await, [late.id, twin.id], "a time itself belongs to what is since it");
}

pub async fn candidates_are_told_as_they_are_and_strangers_left_out(database: &Database) {
    let store = database.open().await;
    let worker = worker(&*store).await;
    let resting = failed(&*store, worker, Status::PostInstallError, 4_000).await;
    let busy = held(&*store, worker).await.account;
    let gone = held(&*store, worker).await;
    write(&*store, &Commit { run_change: finish(), transition: transition(&gone, None, "deleted"), ..commit(&gone) })
        .await;
    let mut found = store.candidates(&[resting.id, busy.id, gone.account.id, id()]).await.unwrap();
    found.sort_by_key(|candidate| candidate.id);
    let told: Vec<_> = found.iter().map(|candidate| (candidate.status, candidate.has_run)).collect();
    assert_eq!(told, [(Some(Status::PostInstallError), false), (Some(Status::Connecting), true), (None, false)]);
    assert_eq!((found[0].reason, found[0].sequence, found[0].updated_at_ms), (Some(ReasonCode::Forbidden), 2, 4_000));
    assert_eq!((found[0].integration_name.as_str(), found[0].install), ("crm", resting.environment_integration_id));
}

fn new_replay(key: &str, accounts: &[(Uuid, i64)]) -> NewReplay {
    let item = |(account, sequence): &(Uuid, i64)| NewReplayItem {
        account: *account,
        run: id(),
        expected_sequence: *sequence,
        refusal: (*sequence == 7).then_some("not_failed"),
    };
    NewReplay {
        id: id(),
        key: key.to_owned(),
        filter: "{}".to_owned(),
        cap: 500,
        unknown: Some(Unknown::Skip),
        actor: "somebody".to_owned(),
        started: false,
        items: accounts.iter().map(item).collect(),
    }
}

pub async fn a_replay_is_kept_with_its_accounts_once_a_key(database: &Database) {
    let store = database.open().await;
    let accounts: Vec<(Uuid, i64)> = (0..100).map(|sequence| (id(), sequence)).collect();
    let new = new_replay("k", &accounts);
    assert!(store.save_replay(new.clone()).await.unwrap());
    assert!(!store.save_replay(new_replay("k", &accounts[..1])).await.unwrap(), "the key is taken");
    let kept = store.replay_of_key("k").await.unwrap().unwrap();
    assert_eq!(store.replay(new.id).await.unwrap().unwrap(), kept);
    assert_eq!(
        (kept.id, kept.filter.as_str(), kept.unknown, kept.actor.as_str()),
        (new.id, "{}", new.unknown, "somebody")
    );
    assert_eq!((kept.started_at_ms, kept.finished_at_ms), (None, None));
    let items = store.replay_items(new.id, 0, 1000).await.unwrap();
    let told: Vec<_> = items.iter().map(|item| (item.account, item.run, item.expected_sequence)).collect();
    let expected: Vec<_> = new.items.iter().map(|item| (item.account, item.run, item.expected_sequence)).collect();
    assert_eq!(told, expected);
    let refused: Vec<_> = items.iter().filter_map(|item| Some((item.place, item.refusal.as_deref()?))).collect();
    assert_eq!(refused, [(7, "not_failed")]);
    let page = store.replay_items(new.id, 98, 1).await.unwrap();
    assert_eq!((page.len(), page[0].account), (1, accounts[98].0));
    assert!(store.replay(id()).await.unwrap().is_none() && store.replay_of_key("other").await.unwrap().is_none());
}

pub async fn a_plan_is_started_under_one_key(database: &Database) {
    let store = database.open().await;
    let (plan, other) = (new_replay("plan", &[]), new_replay("other", &[]));
    store.save_replay(plan.clone()).await.unwrap();
    store.save_replay(NewReplay { started: true, ..other.clone() }).await.unwrap();
    assert!(store.replay(other.id).await.unwrap().unwrap().started_at_ms.is_some());
    assert!(!store.start_replay(plan.id, "other").await.unwrap(), "another replay has that key");
    assert!(store.start_replay(plan.id, "mine").await.unwrap());
    let started = store.replay_of_key("mine").await.unwrap().unwrap();
    assert!(started.id == plan.id && started.started_at_ms.is_some());
    assert!(store.start_replay(plan.id, "mine").await.unwrap(), "the same again");
    assert!(!store.start_replay(plan.id, "another").await.unwrap());
    store.finish_replay(plan.id).await.unwrap();
    let finished = store.replay(plan.id).await.unwrap().unwrap();
    assert_eq!(finished.started_at_ms, started.started_at_ms);
    assert!(finished.finished_at_ms.is_some());
}

pub async fn an_account_of_a_replay_is_refused_only_while_its_run_is_not_there(database: &Database) {
    let store = database.open().await;
    let worker = worker(&*store).await;
    let (one, other) = (
        failed(&*store, worker, Status::PostInstallError, 1_000).await,
        failed(&*store, worker, Status::PostInstallError, 2_000).await,
    );
    let new = new_replay("k", &[(one.id, 2), (other.id, 2)]);
    store.save_replay(new.clone()).await.unwrap();
    let mut enqueue = replay(one.id, 2);
    enqueue.run.id = new.items[0].run;
    enqueue.run.replay_of = one.latest_run;
    assert_eq!(store.enqueue(enqueue).await.unwrap(), Enqueued::Done);
    for place in [0, 1] {
        store.refuse_replay_item(new.id, place, "changed").await.unwrap();
        store.refuse_replay_item(new.id, place, "not_failed").await.unwrap();
    }
    let items = store.replay_items(new.id, 0, 10).await.unwrap();
    let told: Vec<_> = items.iter().map(|item| (item.refusal.as_deref(), item.state.as_deref())).collect();
    assert_eq!(told, [(None, Some("queued")), (Some("changed"), None)]);
    let runs = store.runs(one.id, 10).await.unwrap();
    assert_eq!((runs.len(), runs[0].replay_of), (2, one.latest_run));
    assert_eq!(runs[0].correlation_id.as_deref(), Some("correlation"));
}

fn refused(channel: Channel, reason: &str, at_ms: i64) -> Quarantined {
    let id = id();
    Quarantined {
        id,
        channel,
        message_id: format!("m-{id}"),
        fingerprint: [3; 32],
        reason: reason.to_owned(),
        detail: "/a: wrong".to_owned(),
        pointer: Some("/a".to_owned()),
        correlation_id: Some("c-1".to_owned()),
        queue: Some("imports.eu".to_owned()),
        body: sealed("body"),
        body_bytes: 4,
        properties: Some(sealed("properties")),
        at_ms,
    }
}

pub async fn quarantined_requests_are_filtered_and_paged(database: &Database) {
    let store = database.open().await;
    let rows = [
        refused(Channel::Amqp, "invalid", 1_000),
        refused(Channel::File, "invalid", 2_000),
        refused(Channel::Amqp, "malformed", 3_000),
        refused(Channel::Amqp, "invalid", 4_000),
    ];
    for row in &rows {
        store.quarantine(row.clone()).await.unwrap();
    }
    store.settle_quarantined(rows[3].id, &Settlement::Dropped, "me").await.unwrap();
    let places = async |filter: QuarantineFilter, limit| -> Vec<usize> {
        let found = store.quarantined(&filter, limit).await.unwrap();
        found.iter().map(|row| rows.iter().position(|other| other.id == row.id).unwrap()).collect()
    };
    let all = QuarantineFilter::default();
    let reason = Some("invalid".to_owned());
    let held = Some(QuarantineState::Held);
    assert_eq!(places(all.clone(), 10).await, [0, 1, 2, 3]);
    assert_eq!(places(all.clone(), 2).await, [0, 1]);
    assert_eq!(places(QuarantineFilter { after: Some(rows[1].id), ..all.clone() }, 10).await, [2, 3]);
    assert_eq!(places(QuarantineFilter { state: held, ..all.clone() }, 10).await, [0, 1, 2]);
    assert_eq!(places(QuarantineFilter { state: held, reason: reason.clone(), ..all.clone() }, 10).await, [0, 1]);
    assert_eq!(places(QuarantineFilter { reason, channel: Some(Channel::Amqp), ..all.clone() }, 10).await, [0, 3]);
    assert_eq!(places(QuarantineFilter { since_ms: Some(3_000), ..all }, 10).await, [2, 3]);
    let entry = store.quarantine_entry(rows[0].id).await.unwrap().unwrap();
    let (row, new) = (&entry.row, &rows[0]);
    assert_eq!((row.message_id.as_ref(), row.channel), (Some(&new.message_id), new.channel));
    assert_eq!(row.state, QuarantineState::Held);
    assert_eq!((&row.pointer, &row.correlation_id, &row.queue), (&new.pointer, &new.correlation_id, &new.queue));
    assert_eq!((&entry.body, &entry.properties), (&new.body, &new.properties));
    assert!(store.quarantine_entry(id()).await.unwrap().is_none());
}

pub async fn a_held_request_is_settled_once(database: &Database) {
    let store = database.open().await;
    let row = refused(Channel::File, "invalid", 1_000);
    store.quarantine(row.clone()).await.unwrap();
    let sent = Settlement::Resubmitted("resubmitted:1".to_owned());
    assert!(!store.settle_quarantined(id(), &sent, "me").await.unwrap());
    assert!(store.settle_quarantined(row.id, &sent, "me").await.unwrap());
    assert!(!store.settle_quarantined(row.id, &Settlement::Dropped, "you").await.unwrap());
    let entry = store.quarantine_entry(row.id).await.unwrap().unwrap();
    assert_eq!(entry.row.state, QuarantineState::Resubmitted);
    assert_eq!(entry.row.resubmitted_as.as_deref(), Some("resubmitted:1"));
    assert!(entry.row.settled_by.as_deref() == Some("me") && entry.row.settled_at_ms.is_some());
    assert_eq!(entry.body, row.body, "what was sent can still be looked at");
    assert_eq!(store.backlog().await.unwrap().quarantined, 0);
}

pub async fn a_dropped_request_loses_its_body_and_is_kept_anew_when_it_comes_again(database: &Database) {
    let store = database.open().await;
    let row = refused(Channel::File, "invalid", 1_000);
    store.quarantine(row.clone()).await.unwrap();
    store.settle_quarantined(row.id, &Settlement::Dropped, "me").await.unwrap();
    let dropped = store.quarantine_entry(row.id).await.unwrap().unwrap();
    assert_eq!((dropped.body, dropped.properties), (Sealed::from_bytes(Vec::new()), None));
    let again = Quarantined { id: id(), at_ms: 2_000, ..row.clone() };
    store.quarantine(again.clone()).await.unwrap();
    let kept = store.quarantine_entry(again.id).await.unwrap().unwrap();
    assert_eq!((kept.row.state, kept.row.arrivals, kept.body), (QuarantineState::Held, 1, row.body));
    assert!(store.settle_quarantined(again.id, &Settlement::Dropped, "me").await.unwrap(), "as often as it comes");
}

pub async fn a_resubmitted_request_that_comes_again_is_only_counted(database: &Database) {
    let store = database.open().await;
    let row = refused(Channel::Amqp, "invalid", 1_000);
    store.quarantine(row.clone()).await.unwrap();
    store.settle_quarantined(row.id, &Settlement::Resubmitted("r".to_owned()), "me").await.unwrap();
    store.quarantine(Quarantined { id: id(), at_ms: 5_000, ..row.clone() }).await.unwrap();
    let rows = store.quarantined(&QuarantineFilter::default(), 10).await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].state, rows[0].arrivals, rows[0].last_at_ms), (QuarantineState::Resubmitted, 2, 5_000));
}
