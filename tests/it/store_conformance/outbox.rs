//! The outbox, the quarantine, and hearing of other processes.

use std::time::Duration;

use futures_util::future::join_all;
use tidewaiter::store::{Channel, Quarantined, RelayPass, Relayed, Store, Unpublished, shard_of};
use uuid::Uuid;

use super::databases::Database;
use super::rows::{accept, activation, create, held, id, sealed, worker, write};

/// A pass of a worker that is alone.
pub async fn pass(store: &dyn Store, published: &[(Uuid, i64)], heads: u32, except: &[Uuid]) -> Relayed {
    pass_of(store, id(), published, heads, except).await
}

async fn pass_of(store: &dyn Store, worker: Uuid, published: &[(Uuid, i64)], heads: u32, except: &[Uuid]) -> Relayed {
    store.relay_pass(RelayPass { worker, published, heads, except }).await.unwrap()
}

fn keys(heads: &[Unpublished]) -> Vec<(Uuid, i64)> {
    heads.iter().map(|head| (head.account, head.sequence)).collect()
}

pub async fn only_the_lowest_event_of_an_account_is_a_head(database: &Database) {
    let store = database.open().await;
    let worker = worker(&*store).await;
    let held = held(&*store, worker).await;
    write(&*store, &activation(&held)).await;
    let account = held.account.id;
    let heads = pass_of(&*store, worker, &[], 10, &[]).await.heads;
    assert_eq!(keys(&heads), [(account, 1)]);
    let stored = store.account_events(account, 1, 1).await.unwrap().remove(0);
    assert_eq!((&heads[0].envelope, &heads[0].event_type), (&stored.envelope, &stored.event_type));
    assert_eq!(store.account_events(account, 1, 10).await.unwrap().len(), 2, "events are kept");
}

pub async fn the_pass_that_takes_an_event_out_answers_with_the_next_one_of_its_account(database: &Database) {
    let store = database.open().await;
    let worker = worker(&*store).await;
    let held = held(&*store, worker).await;
    write(&*store, &activation(&held)).await;
    let account = held.account.id;
    assert_eq!(keys(&pass_of(&*store, worker, &[(account, 1)], 10, &[]).await.heads), [(account, 2)]);
    assert!(pass_of(&*store, worker, &[(account, 2)], 10, &[]).await.heads.is_empty());
    assert_eq!(store.backlog().await.unwrap().outbox, 0);
    assert_eq!(store.account_events(account, 1, 10).await.unwrap().len(), 2, "events are kept");
}

pub async fn a_pass_that_looks_for_nothing_still_takes_out(database: &Database) {
    let store = database.open().await;
    let (one, other) = (accept(), accept());
    create(&*store, &one).await;
    create(&*store, &other).await;
    assert!(pass(&*store, &[(one.account.id, 1)], 0, &[]).await.heads.is_empty());
    assert_eq!(keys(&pass(&*store, &[], 10, &[]).await.heads), [(other.account.id, 1)]);
}

async fn create_many(store: &dyn Store) -> Vec<Uuid> {
    let new: Vec<_> = (0..48).map(|_| accept()).collect();
    join_all(new.iter().map(|accept| create(store, accept))).await;
    let mut ids: Vec<Uuid> = new.iter().map(|accept| accept.account.id).collect();
    ids.sort_unstable();
    ids
}

pub async fn heads_are_bounded_and_each_shards_oldest(database: &Database) {
    let store = database.open().await;
    let mut left = create_many(&*store).await;
    let mut published = Vec::new();
    while !left.is_empty() {
        let heads = pass(&*store, &published, 16, &[]).await.heads;
        assert!((1..32).contains(&heads.len()), "about sixteen: {}", heads.len());
        assert!(heads.is_sorted_by_key(|head| head.account));
        for head in &heads {
            let older = left.iter().filter(|id| **id < head.account && shard_of(**id) == shard_of(head.account));
            assert!(older.into_iter().all(|id| heads.iter().any(|head| head.account == *id)), "one was passed over");
        }
        left.retain(|id| heads.iter().all(|head| head.account != *id));
        published = keys(&heads);
    }
    assert!(pass(&*store, &published, 16, &[]).await.heads.is_empty());
}

pub async fn accounts_that_are_left_out_hide_nobody_behind_them(database: &Database) {
    let store = database.open().await;
    let ids = create_many(&*store).await;
    let heads = pass(&*store, &[(ids[32], 1)], 48, &ids[..32]).await.heads;
    assert_eq!(heads.iter().map(|head| head.account).collect::<Vec<_>>(), ids[33..]);
    assert!(pass(&*store, &[], 48, &ids).await.heads.is_empty());
    let found = pass(&*store, &[], 1, &ids[..40]).await.heads;
    assert!(!found.is_empty() && found.iter().all(|head| ids[40..].contains(&head.account)));
}

pub async fn taking_out_twice_is_harmless(database: &Database) {
    let store = database.open().await;
    let (one, other) = (accept(), accept());
    create(&*store, &one).await;
    create(&*store, &other).await;
    for _ in 0..2 {
        let heads = pass(&*store, &[(one.account.id, 1), (id(), 1)], 10, &[]).await.heads;
        assert_eq!(keys(&heads), [(other.account.id, 1)]);
    }
}

pub async fn the_same_refused_request_is_kept_once_and_counted(database: &Database) {
    let store = database.open().await;
    let refused = Quarantined {
        id: id(),
        channel: Channel::Amqp,
        message_id: "m-1".to_owned(),
        fingerprint: [3; 32],
        reason: "malformed".to_owned(),
        detail: "line 1".to_owned(),
        pointer: None,
        correlation_id: None,
        queue: None,
        body: sealed("body"),
        body_bytes: 4,
        properties: Some(sealed("properties")),
        at_ms: 1_000,
    };
    for at_ms in [1_000, 2_000, 3_000] {
        store.quarantine(Quarantined { id: id(), at_ms, ..refused.clone() }).await.unwrap();
    }
    assert_eq!(store.backlog().await.unwrap().quarantined, 1);
    store.quarantine(Quarantined { id: id(), reason: "invalid".to_owned(), ..refused.clone() }).await.unwrap();
    store.quarantine(Quarantined { id: id(), fingerprint: [4; 32], ..refused }).await.unwrap();
    assert_eq!(store.backlog().await.unwrap().quarantined, 3);
}

pub async fn another_process_hears_of_a_write(database: &Database) {
    let (one, other) = (database.open().await, database.open().await);
    let mut changes = other.changes();
    if database.is_postgres() {
        // Everybody is woken when the listener is there.
        changes.changed().await.unwrap();
    }
    create(&*one, &accept()).await;
    tokio::time::timeout(Duration::from_secs(10), changes.changed()).await.expect("told in time").unwrap();
}
