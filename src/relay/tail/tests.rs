use std::collections::HashSet;

use sqlx::Connection as _;

use super::*;
use crate::clock::{Clock as _, SystemClock};
use crate::store::sqlite::Sqlite;
use crate::tasks::Tasks;

/// A database of the test's own.
struct Place {
    directory: std::path::PathBuf,
    store: Arc<dyn Store>,
}

impl Place {
    /// With these events: account, sequence, insertion time in milliseconds.
    async fn with(events: &[(u128, i64, i64)]) -> Self {
        let directory = std::env::temp_dir().join(format!("tidewaiter-tail-{}", SystemClock::default().new_id()));
        std::fs::create_dir_all(&directory).unwrap();
        let store = Sqlite::open(&directory.join("store.db"), &Tasks::new()).await.unwrap();
        let place = Self { directory, store: Arc::new(store) };
        place.insert(events).await;
        place
    }

    async fn insert(&self, events: &[(u128, i64, i64)]) {
        let url = format!("sqlite://{}", self.directory.join("store.db").display());
        let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
        sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await.unwrap();
        for (account, sequence, inserted_at_ms) in events {
            let insert = "INSERT INTO events (account_id, sequence, event_type, envelope, inserted_at) \
                VALUES (?, ?, 't', '{}', ?)";
            let query = sqlx::query(insert).bind(Uuid::from_u128(*account)).bind(sequence).bind(inserted_at_ms);
            query.execute(&mut connection).await.unwrap();
        }
        sqlx::query("COMMIT").execute(&mut connection).await.unwrap();
    }

    fn tail(&self, from_ms: i64) -> Tail {
        Tail::from(Arc::clone(&self.store), from_ms)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

async fn read_all(mut tail: Tail) -> Vec<(Uuid, i64)> {
    let mut told = Vec::new();
    loop {
        let events = tail.next().await.unwrap();
        if events.is_empty() {
            return told;
        }
        told.extend(events.iter().map(|event| (event.account, event.sequence)));
    }
}

/// Accounts whose ids descend while time goes on, over an hour: an order by account tells the latest first.
fn an_hour_against_the_order_of_ids() -> Vec<(u128, i64, i64)> {
    (0..60).flat_map(|at| [(100 - at, 1, at as i64 * 60_000), (100 - at, 2, at as i64 * 60_000 + 30_000)]).collect()
}

#[tokio::test]
async fn a_reader_that_breaks_off_anywhere_and_resumes_misses_no_event() {
    let events = an_hour_against_the_order_of_ids();
    let place = Place::with(&events).await;
    let page = place.tail(0).next().await.unwrap();
    assert_eq!(page.len(), events.len());
    for (at, resume_ms) in resume_times(&page).into_iter().enumerate() {
        let mut heard: HashSet<_> = page[..=at].iter().map(|event| (event.account, event.sequence)).collect();
        let rest = read_all(place.tail(resume_ms)).await;
        assert!(rest.len() <= page.len() - at + 2, "only the last half minute is told again: {}", rest.len());
        heard.extend(rest);
        assert_eq!(heard.len(), page.len(), "broke off behind event {at}");
    }
}

#[tokio::test]
async fn events_come_as_inserted_but_never_before_an_earlier_one_of_their_account() {
    // The clock was set back between the two events of account 2.
    let place = Place::with(&[(3, 1, 10), (1, 1, 20), (2, 1, 30), (2, 2, 15), (4, 1, 25)]).await;
    let page = place.tail(0).next().await.unwrap();
    let order: Vec<_> = page.iter().map(|event| (event.account.as_u128(), event.sequence)).collect();
    assert_eq!(order, [(3, 1), (1, 1), (4, 1), (2, 1), (2, 2)]);
    // What is still untold decides, not what was just told.
    assert_eq!(resume_times(&page), [15, 15, 15, 15, 30]);
}

#[tokio::test]
async fn what_is_committed_late_behind_a_full_page_is_told() {
    let place = Place::with(&[]).await;
    let now_ms = place.store.now_ms().await.unwrap();
    let mut events: Vec<_> = (0..i64::from(PAGE) + 10).map(|at| (1, at + 1, now_ms - 5_000 + at)).collect();
    let late = events.remove(5);
    place.insert(&events).await;
    let mut tail = place.tail(now_ms);
    assert_eq!(tail.next().await.unwrap().len(), PAGE as usize);
    // The reader was slow: much came after the page before it goes on.
    let more: Vec<_> = (0..10).map(|at| (2, at + 1, now_ms + 60_000 + at)).chain([late]).collect();
    place.insert(&more).await;
    let rest = read_all(tail).await;
    assert!(rest.contains(&(Uuid::from_u128(1), late.1)), "the late one is missing");
    assert_eq!(rest.len(), 9 + 11);
}
