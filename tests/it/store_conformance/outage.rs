//! A database that is killed under a stream of accepts, and comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tidewaiter::store::postgres::Postgres;
use tidewaiter::store::{Accept, Accepted, Patience, Store, StoreError};
use tidewaiter::tasks::Tasks;
use tokio::sync::Notify;

use super::databases::{server, unique};
use super::rows::{accept, create};
use crate::shared::services::Services;

/// A server of this test's own; wiping it takes its directory away too.
fn own_server() -> Services {
    Services::start(std::env::temp_dir().join(format!("tidewaiter-{}", unique())), "pg")
}

/// Accepts one after the other until told to stop; answers what it accepted.
async fn stream(
    store: Arc<dyn Store>,
    count: Arc<AtomicUsize>,
    counted: Arc<Notify>,
    stop: Arc<AtomicBool>,
) -> Vec<Accept> {
    let mut made = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let new = accept();
        create(&*store, &new).await;
        made.push(new);
        count.fetch_add(1, Ordering::Relaxed);
        counted.notify_one();
    }
    made
}

#[tokio::test(flavor = "multi_thread")]
async fn every_accept_survives_a_database_that_is_killed_and_is_made_once() {
    if server().is_none() {
        return;
    }
    let own = own_server();
    let url = own.variable("DATABASE_URL");
    Postgres::migrate(&url).await.unwrap();
    let store: Arc<dyn Store> = Arc::new(Postgres::connect(&url, &Tasks::new()).unwrap());
    let (count, counted, stop) =
        (Arc::<AtomicUsize>::default(), Arc::<Notify>::default(), Arc::<AtomicBool>::default());
    let mut streams = tokio::task::JoinSet::new();
    for _ in 0..16 {
        streams.spawn(stream(Arc::clone(&store), Arc::clone(&count), Arc::clone(&counted), Arc::clone(&stop)));
    }
    let at_least = async |wanted: usize| {
        while count.load(Ordering::Relaxed) < wanted {
            counted.notified().await;
        }
    };
    for _ in 0..3 {
        at_least(count.load(Ordering::Relaxed) + 100).await;
        own.ask(&["kill", "pg"]);
        own.ask(&["start", "pg"]);
    }
    // The same store, without a restart, goes on.
    at_least(count.load(Ordering::Relaxed) + 100).await;
    stop.store(true, Ordering::Relaxed);
    let made: Vec<Accept> = streams.join_all().await.into_iter().flatten().collect();

    assert_eq!(store.backlog().await.unwrap().queued, made.len() as i64);
    for new in &made {
        assert_eq!(store.account(new.account.id).await.unwrap().as_ref(), Some(&new.account));
        // The producer, who was not answered, sends it again.
        let mut again = accept();
        again.run.message_id.clone_from(&new.run.message_id);
        let repeated = store.accept(again, Patience::Endless).await.unwrap();
        assert_eq!(repeated, Accepted::Duplicate { account: new.account.id });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_hangs_holds_no_impatient_caller_up() {
    if server().is_none() {
        return;
    }
    let own = own_server();
    let url = own.variable("DATABASE_URL");
    Postgres::migrate(&url).await.unwrap();
    let store = Postgres::connect(&url, &Tasks::new()).unwrap();
    create(&store, &accept()).await;
    own.ask(&["pause", "pg"]);
    let hung = accept();
    let outcome = store.accept(hung.clone(), Patience::For(Duration::from_millis(200))).await;
    assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
    let checked = store.check().await;
    assert!(matches!(&checked, Err(StoreError::Unavailable(why)) if why.contains("127.0.0.1")), "{checked:?}");
    own.ask(&["resume", "pg"]);
    // Whether the first try went through or not: repeated, it is made once.
    create(&store, &hung).await;
    assert_eq!(store.backlog().await.unwrap().queued, 2);
}
