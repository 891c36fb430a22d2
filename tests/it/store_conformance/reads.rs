//! Reads for the API and the command line.

use tidewaiter::lifecycle::{Reason, ReasonCode, Region, Status, WhoActs};
use tidewaiter::store::{AccountFilter, Enqueued, RunChange};
use uuid::Uuid;

use super::databases::Database;
use super::outbox::pass;
use super::rows::{accept, activation, commit, create, held, id, replay, sealed, worker, write};

pub async fn accounts_are_filtered_by_each_field(database: &Database) {
    let store = database.open().await;
    let odd = held(&*store, worker(&*store).await).await;
    let mut fails = activation(&odd);
    let change = &mut fails.transition.as_mut().unwrap().change;
    change.status = Some(Status::ValidationError);
    change.reason = Some(Reason {
        code: ReasonCode::Timeout,
        message: String::new(),
        phase: None,
        step: None,
        http_status: None,
        who_acts: WhoActs::Provider,
        retryable: true,
    });
    write(&*store, &fails).await;
    let mut other = accept();
    other.account.tenant_id = "tenant-2".to_owned();
    other.account.is_sandbox = true;
    other.account.integration.name = "erp".to_owned();
    other.account.environment_integration_id = Uuid::from_u128(0x99);
    other.account.region = Region::Eu;
    other.account.created_at_ms = 2_000;
    create(&*store, &other).await;
    let (odd, other) = (odd.account.id, other.account.id);

    let all = AccountFilter::default;
    let cases = [
        (all(), vec![odd, other]),
        (AccountFilter { tenant_id: Some("tenant-2".to_owned()), ..all() }, vec![other]),
        (AccountFilter { status: Some(Status::ValidationError), ..all() }, vec![odd]),
        (AccountFilter { status: Some(Status::Active), ..all() }, vec![]),
        (AccountFilter { is_sandbox: Some(true), ..all() }, vec![other]),
        (AccountFilter { is_sandbox: Some(false), ..all() }, vec![odd]),
        (AccountFilter { integration_name: Some("erp".to_owned()), ..all() }, vec![other]),
        (AccountFilter { environment_integration_id: Some(Uuid::from_u128(0x99)), ..all() }, vec![other]),
        (AccountFilter { region: Some(Region::Eu), ..all() }, vec![other]),
        (AccountFilter { reason: Some("timeout".to_owned()), ..all() }, vec![odd]),
        (AccountFilter { created_from_ms: Some(2_000), ..all() }, vec![other]),
        (AccountFilter { created_before_ms: Some(2_000), ..all() }, vec![odd]),
        (AccountFilter { after: Some(odd), ..all() }, vec![other]),
        (AccountFilter { region: Some(Region::Eu), is_sandbox: Some(false), ..all() }, vec![]),
    ];
    for (filter, expected) in cases {
        let found = store.accounts(&filter, 10).await.unwrap();
        assert_eq!(found.iter().map(|account| account.id).collect::<Vec<_>>(), expected, "{filter:?}");
    }
}

pub async fn accounts_are_paged_by_id(database: &Database) {
    let store = database.open().await;
    let new: Vec<_> = (0..7).map(|_| accept()).collect();
    for accept in new.iter().rev() {
        create(&*store, accept).await;
    }
    let mut filter = AccountFilter::default();
    let mut seen = Vec::new();
    loop {
        let page = store.accounts(&filter, 3).await.unwrap();
        let Some(last) = page.last() else { break };
        filter.after = Some(last.id);
        seen.extend(page.iter().map(|account| account.id));
    }
    assert_eq!(seen, new.iter().map(|accept| accept.account.id).collect::<Vec<_>>());
}

pub async fn runs_come_latest_first(database: &Database) {
    let store = database.open().await;
    let held = held(&*store, worker(&*store).await).await;
    write(&*store, &activation(&held)).await;
    let again = replay(held.account.id, 2);
    assert_eq!(store.enqueue(again.clone()).await.unwrap(), Enqueued::Done);
    let runs = store.runs(held.account.id, 10).await.unwrap();
    assert_eq!(runs.iter().map(|run| run.id).collect::<Vec<_>>(), [again.run.id, held.run.id]);
    assert_eq!(store.runs(held.account.id, 1).await.unwrap()[0].id, again.run.id);
}

pub async fn events_of_an_account_come_in_order_and_from_a_sequence_on(database: &Database) {
    let store = database.open().await;
    let held = held(&*store, worker(&*store).await).await;
    write(&*store, &activation(&held)).await;
    store.enqueue(replay(held.account.id, 2)).await.unwrap();
    let sequences = async |from, limit| {
        let events = store.account_events(held.account.id, from, limit).await.unwrap();
        events.iter().map(|event| event.sequence).collect::<Vec<_>>()
    };
    assert_eq!(sequences(1, 10).await, [1, 2, 3]);
    assert_eq!(sequences(2, 10).await, [2, 3]);
    assert_eq!(sequences(1, 2).await, [1, 2]);
    assert_eq!(sequences(4, 2).await, Vec::<i64>::new());
}

pub async fn events_come_since_a_time(database: &Database) {
    let store = database.open().await;
    for _ in 0..3 {
        create(&*store, &accept()).await;
    }
    let all = store.events_since(0, 10).await.unwrap();
    assert_eq!(all.len(), 3);
    assert!(all.is_sorted_by_key(|event| (event.inserted_at_ms, event.account, event.sequence)));
    assert_eq!(store.events_since(0, 2).await.unwrap().len(), 2);
    let last = all[2].inserted_at_ms;
    assert!(store.events_since(last, 10).await.unwrap().iter().any(|event| event.account == all[2].account));
    assert!(store.events_since(last + 1, 10).await.unwrap().is_empty());
}

pub async fn the_databases_time_is_that_of_insertions(database: &Database) {
    let store = database.open().await;
    let before = store.now_ms().await.unwrap();
    create(&*store, &accept()).await;
    let after = store.now_ms().await.unwrap();
    let events = store.events_since(0, 10).await.unwrap();
    assert!((before..=after).contains(&events[0].inserted_at_ms), "{before} {events:?} {after}");
}

pub async fn the_backlog_is_counted_with_ages(database: &Database) {
    let store = database.open().await;
    assert_eq!(store.backlog().await.unwrap(), Default::default());
    let worker = worker(&*store).await;
    let waits = held(&*store, worker).await;
    let wait = RunChange::Wait { progress: sealed("p"), for_ms: 60_000 };
    write(&*store, &tidewaiter::store::Commit { run_change: Some(wait), ..commit(&waits) }).await;
    held(&*store, worker).await;
    create(&*store, &accept()).await;
    let backlog = store.backlog().await.unwrap();
    assert_eq!((backlog.queued, backlog.running, backlog.waiting, backlog.outbox), (1, 1, 1, 3));
    for age in [backlog.oldest_queued_ms, backlog.oldest_connecting_ms, backlog.oldest_outbox_ms] {
        assert!((0..60_000).contains(&age.expect("there is one")), "{age:?}");
    }
}

pub async fn what_is_not_there_is_none(database: &Database) {
    let store = database.open().await;
    assert_eq!(store.account(id()).await.unwrap(), None);
    assert_eq!(store.credential(id()).await.unwrap(), None);
    assert!(store.runs(id(), 10).await.unwrap().is_empty());
    assert!(store.account_events(id(), 1, 10).await.unwrap().is_empty());
    assert!(pass(&*store, &[], 10, &[]).await.heads.is_empty());
}

pub async fn a_current_schema_passes_the_check(database: &Database) {
    database.open().await.check().await.unwrap();
}
