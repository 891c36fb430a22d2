//! Reading events as they come, for server-sent events and `events tail`.
//!
//! There is no global position: insertion times are given before a commit, so an event can appear behind a later one.
//! A tail therefore looks back a little at every read and leaves out what it has told; a tail that resumes looks back
//! 30 s and may tell an event again. Within one read, events are told by account and sequence.

use std::collections::HashMap;
use std::sync::Arc;

use uuid::Uuid;

use crate::store::{Store, StoreError, StoredEvent};

/// How far a resumed tail looks back, in milliseconds.
const RESUME_MS: i64 = 30_000;
/// How far each read looks back: longer than any transaction may take (5 s), in milliseconds.
const LOOK_BACK_MS: i64 = 6_000;
/// The most events of one read.
const PAGE: u32 = 2_000;

/// A reader of all events.
#[derive(Debug)]
pub struct Tail {
    store: Arc<dyn Store>,
    /// The latest insertion time that was told.
    latest_ms: i64,
    told: HashMap<(Uuid, i64), i64>,
    /// Where the next read begins, when the last one was full.
    page_from_ms: Option<i64>,
}

impl Tail {
    /// A reader of everything inserted after about `from_ms` (database time; 0 is from the beginning).
    #[must_use]
    pub fn from(store: Arc<dyn Store>, from_ms: i64) -> Self {
        let latest_ms = (from_ms - RESUME_MS + LOOK_BACK_MS).max(0);
        Self { store, latest_ms, told: HashMap::new(), page_from_ms: None }
    }

    /// A reader of everything that is inserted from now on, by the database's clock: this machine's may differ from it.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn from_now(store: Arc<dyn Store>) -> Result<Self, StoreError> {
        let now_ms = store.now_ms().await?;
        Ok(Self::from(store, now_ms))
    }

    /// The events that came since the last call; empty when there are none.
    ///
    /// # Errors
    /// When the store does not answer; the next call goes on from the same place.
    pub async fn next(&mut self) -> Result<Vec<StoredEvent>, StoreError> {
        loop {
            let from = self.page_from_ms.unwrap_or(self.latest_ms - LOOK_BACK_MS);
            let mut page = PAGE;
            let mut events = self.store.events_since(from, page).await?;
            // A page in which all have one insertion time would be read for ever.
            while events.len() == page as usize && events.last().is_some_and(|last| last.inserted_at_ms == from) {
                page = page.saturating_mul(2);
                events = self.store.events_since(from, page).await?;
            }
            let full = events.len() == page as usize;
            self.page_from_ms = full.then(|| events.last().map(|last| last.inserted_at_ms)).flatten();
            let new: Vec<StoredEvent> =
                events.into_iter().filter(|event| !self.told.contains_key(&(event.account, event.sequence))).collect();
            if new.is_empty() && full {
                continue;
            }
            return Ok(self.tell(new));
        }
    }

    fn tell(&mut self, mut new: Vec<StoredEvent>) -> Vec<StoredEvent> {
        for event in &new {
            self.told.insert((event.account, event.sequence), event.inserted_at_ms);
            self.latest_ms = self.latest_ms.max(event.inserted_at_ms);
        }
        let horizon = self.latest_ms - 2 * LOOK_BACK_MS;
        self.told.retain(|_, inserted_at_ms| *inserted_at_ms >= horizon);
        new.sort_by_key(|event| (event.account, event.sequence));
        new
    }
}
