//! The outbox, the quarantine, and hearing of other processes.

use std::time::Duration;

use futures_util::future::join_all;
use tidewaiter::store::{Channel, Quarantined, SHARDS, shard_of};
use uuid::Uuid;

use super::databases::Database;
use super::rows::{accept, activation, create, held, id, sealed, worker, write};

fn all_shards() -> Vec<u8> {
    (0..SHARDS).collect()
}

pub async fn only_the_lowest_event_of_an_account_is_a_head(database: &Database) {
    let store = database.open().await;
    let held = held(&*store, worker(&*store).await).await;
    write(&*store, &activation(&held)).await;
    let account = held.account.id;
    for sequence in [1, 2] {
        let heads = store.unpublished(&all_shards(), 10).await.unwrap();
        let stored = store.account_events(account, sequence, 1).await.unwrap().remove(0);
        assert_eq!(heads.len(), 1);
        assert_eq!((heads[0].account, heads[0].sequence), (account, sequence));
        assert_eq!((&heads[0].envelope, &heads[0].event_type), (&stored.envelope, &stored.event_type));
        store.published(&[(account, sequence)]).await.unwrap();
    }
    assert!(store.unpublished(&all_shards(), 10).await.unwrap().is_empty());
    assert_eq!(store.account_events(account, 1, 10).await.unwrap().len(), 2, "events are kept");
}

pub async fn heads_are_divided_by_shard_and_bounded(database: &Database) {
    let store = database.open().await;
    let new: Vec<_> = (0..48).map(|_| accept()).collect();
    join_all(new.iter().map(|accept| create(&*store, accept))).await;
    let mut seen = 0;
    for rank in 0..3 {
        let shards: Vec<u8> = all_shards().into_iter().filter(|shard| shard % 3 == rank).collect();
        let heads = store.unpublished(&shards, 100).await.unwrap();
        assert!(heads.iter().all(|head| shards.contains(&shard_of(head.account))));
        seen += heads.len();
    }
    assert_eq!(seen, 48);
    let mut oldest: Vec<Uuid> = new.iter().map(|accept| accept.account.id).collect();
    oldest.sort_unstable();
    let heads = store.unpublished(&all_shards(), 10).await.unwrap();
    assert_eq!(heads.iter().map(|head| head.account).collect::<Vec<_>>(), oldest[..10]);
    assert!(store.unpublished(&[], 10).await.unwrap().is_empty());
}

pub async fn confirming_twice_is_harmless(database: &Database) {
    let store = database.open().await;
    let (one, other) = (accept(), accept());
    create(&*store, &one).await;
    create(&*store, &other).await;
    for _ in 0..2 {
        store.published(&[(one.account.id, 1), (id(), 1)]).await.unwrap();
    }
    store.published(&[]).await.unwrap();
    let heads = store.unpublished(&all_shards(), 10).await.unwrap();
    assert_eq!(heads.iter().map(|head| head.account).collect::<Vec<_>>(), [other.account.id]);
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
