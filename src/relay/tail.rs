//! Reading events as they come, for server-sent events and `events tail`.
//!
//! There is no global position: insertion times are given before a commit, so an event can appear behind a later one.
//! A tail therefore looks back a little at every read and leaves out what it has told; a tail that resumes looks back
//! 30 s and may tell an event again. Within one read, events are told as they were inserted, an account's by sequence.

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
    /// From here on pages were read that transactions may have added to since; `i64::MAX` when there are none.
    unsure_from_ms: i64,
}

impl Tail {
    /// A reader of everything inserted after about `from_ms` (database time; 0 is from the beginning).
    #[must_use]
    pub fn from(store: Arc<dyn Store>, from_ms: i64) -> Self {
        let latest_ms = (from_ms - RESUME_MS + LOOK_BACK_MS).max(0);
        Self { store, latest_ms, told: HashMap::new(), page_from_ms: None, unsure_from_ms: i64::MAX }
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
            let from = self.page_from_ms.unwrap_or_else(|| self.unsure_from_ms.min(self.latest_ms - LOOK_BACK_MS));
            let mut page = PAGE;
            let mut events = self.store.events_since(from, page).await?;
            // A page in which all have one insertion time would be read for ever.
            while events.len() == page as usize && events.last().is_some_and(|last| last.inserted_at_ms == from) {
                page = page.saturating_mul(2);
                events = self.store.events_since(from, page).await?;
            }
            let next_page = events.last().filter(|_| events.len() == page as usize).map(|last| last.inserted_at_ms);
            // Near the present a transaction may still add to a page, so its end is looked at again afterwards.
            let settled_ms = match next_page {
                Some(_) => self.store.now_ms().await? - 2 * LOOK_BACK_MS,
                None => i64::MAX,
            };
            if self.page_from_ms.is_none() {
                self.unsure_from_ms = i64::MAX;
            }
            if next_page.is_some_and(|last_ms| last_ms > settled_ms) {
                self.unsure_from_ms = self.unsure_from_ms.min(settled_ms);
            }
            self.page_from_ms = next_page;
            let new: Vec<StoredEvent> =
                events.into_iter().filter(|event| !self.told.contains_key(&(event.account, event.sequence))).collect();
            if new.is_empty() && next_page.is_some() {
                continue;
            }
            return Ok(self.tell(new));
        }
    }

    fn tell(&mut self, new: Vec<StoredEvent>) -> Vec<StoredEvent> {
        for event in &new {
            self.told.insert((event.account, event.sequence), event.inserted_at_ms);
            self.latest_ms = self.latest_ms.max(event.inserted_at_ms);
        }
        let horizon = self.unsure_from_ms.min(self.latest_ms - 2 * LOOK_BACK_MS);
        self.told.retain(|_, inserted_at_ms| *inserted_at_ms >= horizon);
        in_order(new)
    }
}

/// By insertion, but each account's events by their sequence: an event waits for those of its account before it.
fn in_order(mut events: Vec<StoredEvent>) -> Vec<StoredEvent> {
    events.sort_by_key(|event| (event.account, event.sequence));
    let mut before: Option<(Uuid, i64)> = None;
    let mut placed: Vec<(i64, StoredEvent)> = Vec::with_capacity(events.len());
    for event in events {
        let earlier = before.filter(|(account, _)| *account == event.account).map(|(_, place)| place);
        let place = earlier.map_or(event.inserted_at_ms, |earlier| earlier.max(event.inserted_at_ms));
        before = Some((event.account, place));
        placed.push((place, event));
    }
    placed.sort_by_key(|(place, event)| (*place, event.account, event.sequence));
    placed.into_iter().map(|(_, event)| event).collect()
}

/// For each event of one [`Tail::next`] the time from which a reader goes on that has told it and those before it:
/// everything that was inserted earlier (and could be seen) is told by then. Milliseconds of database time.
#[must_use]
pub fn resume_times(events: &[StoredEvent]) -> Vec<i64> {
    let mut untold_ms = events.iter().map(|event| event.inserted_at_ms).max().unwrap_or_default();
    let mut times = vec![untold_ms; events.len()];
    for (event, time) in events.iter().zip(&mut times).rev() {
        *time = untold_ms;
        untold_ms = untold_ms.min(event.inserted_at_ms);
    }
    times
}

#[cfg(test)]
mod tests;
