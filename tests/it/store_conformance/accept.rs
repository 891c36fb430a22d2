//! Accepting.

use futures_util::future::join_all;
use serde_json::json;
use tidewaiter::lifecycle::Region;
use tidewaiter::store::{Accept, Accepted, Patience, Store, StoreError};
use uuid::Uuid;

use super::databases::Database;
use super::rows::{self, ALL_REGIONS, accept, create, object};

async fn try_accept(store: &dyn Store, accept: &Accept) -> Accepted {
    store.accept(accept.clone(), Patience::Endless).await.expect("answered")
}

/// Another write of the same message, as a redelivery makes it: all ids are new.
fn redelivered(first: &Accept) -> Accept {
    let mut again = accept();
    again.run.message_id.clone_from(&first.run.message_id);
    again.run.fingerprint = first.run.fingerprint;
    again
}

pub async fn a_new_message_makes_an_account_with_all_that_belongs_to_it(database: &Database) {
    let store = database.open().await;
    let new = accept();
    create(&*store, &new).await;
    assert_eq!(store.account(new.account.id).await.unwrap().unwrap(), new.account);
    assert_eq!(store.credential(new.account.id).await.unwrap().unwrap(), new.credential);
    let runs = store.runs(new.account.id, 10).await.unwrap();
    assert_eq!((runs.len(), runs[0].id, runs[0].state.as_str(), runs[0].fence), (1, new.run.id, "queued", 0));
    let events = store.account_events(new.account.id, 1, 10).await.unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].envelope, new.event.envelope);
    assert_eq!(events[0].event_type, new.event.event_type);
}

pub async fn the_same_message_again_is_a_duplicate_and_changes_nothing(database: &Database) {
    let store = database.open().await;
    let new = accept();
    create(&*store, &new).await;
    let again = redelivered(&new);
    assert_eq!(try_accept(&*store, &again).await, Accepted::Duplicate { account: new.account.id });
    assert_eq!(store.account(again.account.id).await.unwrap(), None);
    assert_eq!(store.backlog().await.unwrap().outbox, 1);
}

pub async fn the_same_message_id_with_another_body_is_a_conflict(database: &Database) {
    let store = database.open().await;
    let new = accept();
    create(&*store, &new).await;
    let mut other = redelivered(&new);
    other.run.fingerprint = Some([9; 32]);
    assert_eq!(try_accept(&*store, &other).await, Accepted::Conflict { account: new.account.id });
    assert_eq!(store.account(other.account.id).await.unwrap(), None);
}

pub async fn the_same_message_id_in_another_environment_is_another_message(database: &Database) {
    let store = database.open().await;
    let new = accept();
    create(&*store, &new).await;
    let mut elsewhere = redelivered(&new);
    elsewhere.account.environment_id = Uuid::from_u128(0xF);
    assert_eq!(try_accept(&*store, &elsewhere).await, Accepted::Created);
}

pub async fn repeating_the_very_same_write_is_answered_as_created(database: &Database) {
    let store = database.open().await;
    let new = accept();
    create(&*store, &new).await;
    assert_eq!(try_accept(&*store, &new).await, Accepted::Created);
    assert_eq!(store.account_events(new.account.id, 1, 10).await.unwrap().len(), 1);
}

pub async fn of_two_processes_with_the_same_messages_exactly_one_creates_each(database: &Database) {
    let (one, other) = (database.open().await, database.open().await);
    let first: Vec<Accept> = (0..100).map(|_| accept()).collect();
    // The other process gets them in the opposite order, so that their locks cross.
    let second: Vec<Accept> = first.iter().rev().map(redelivered).collect();
    let (ours, theirs) = tokio::join!(
        join_all(first.iter().map(|new| try_accept(&*one, new))),
        join_all(second.iter().map(|new| try_accept(&*other, new))),
    );
    for (index, (mine, yours)) in ours.iter().zip(theirs.iter().rev()).enumerate() {
        let theirs = second[second.len() - 1 - index].account.id;
        let fine = match (mine, yours) {
            (Accepted::Created, Accepted::Duplicate { account }) => *account == first[index].account.id,
            (Accepted::Duplicate { account }, Accepted::Created) => *account == theirs,
            _ => false,
        };
        assert!(fine, "message {index}: {mine:?} and {yours:?}");
    }
    assert_eq!(one.backlog().await.unwrap().queued, 100);
}

pub async fn duplicates_in_one_burst_make_one_account(database: &Database) {
    let store = database.open().await;
    let new = accept();
    let burst: Vec<Accept> = std::iter::once(new.clone()).chain((0..30).map(|_| redelivered(&new))).collect();
    let outcomes = join_all(burst.iter().map(|accept| try_accept(&*store, accept))).await;
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Accepted::Created).count(), 1);
    assert_eq!(store.backlog().await.unwrap().queued, 1);
}

pub async fn a_refused_datum_fails_alone(database: &Database) {
    let store = database.open().await;
    let mut burst: Vec<Accept> = (0..20).map(|_| accept()).collect();
    if database.is_postgres() {
        // A text of PostgreSQL cannot hold it. SQLite can; intake refuses it for both.
        burst[7].account.tenant_id = "nul \0 inside".to_owned();
    } else {
        burst[7].account.sequence = 0;
    }
    let outcomes = join_all(burst.iter().map(|accept| store.accept(accept.clone(), Patience::Endless))).await;
    for (index, outcome) in outcomes.iter().enumerate() {
        if index == 7 {
            assert!(matches!(outcome, Err(StoreError::Refused(_))), "{outcome:?}");
        } else {
            assert!(matches!(outcome, Ok(Accepted::Created)), "{index}: {outcome:?}");
        }
    }
    assert_eq!(store.backlog().await.unwrap().queued, 19);
}

pub async fn texts_and_numbers_come_back_unchanged(database: &Database) {
    let store = database.open().await;
    let mut new = accept();
    new.account.context = object(json!({
        "zebra": 1, "apple": { "n": 9_007_199_254_740_993_i64, "f": 1.5e300, "empty": "" },
        "mountain": "⛰️ – \u{1F600} \u{7f} \"quoted\" \\ \n", "": [null, true, -0.5]
    }));
    new.account.tenant_id = "tenant ’ ; DROP TABLE accounts; --".to_owned();
    new.event.envelope = "{\"b\":1, \"a\":  9007199254740993,\"e\":\"\u{1F600}\"}".to_owned();
    create(&*store, &new).await;
    let stored = store.account(new.account.id).await.unwrap().unwrap();
    assert_eq!(stored, new.account);
    let text = |context| serde_json::to_string(context).unwrap();
    assert_eq!(text(&stored.context), text(&new.account.context), "the order of keys is kept");
    assert_eq!(store.account_events(new.account.id, 1, 1).await.unwrap()[0].envelope, new.event.envelope);
}

pub async fn messages_without_an_id_never_collide(database: &Database) {
    let store = database.open().await;
    for _ in 0..2 {
        let mut new = accept();
        new.run.message_id = None;
        new.account.region = Region::Eu;
        create(&*store, &new).await;
    }
    let claims = store.claim(rows::worker(&*store).await, ALL_REGIONS, 10).await.unwrap();
    assert_eq!(claims.runs.len(), 2);
}
