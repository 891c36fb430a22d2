//! Which runs were just handed to the worker.
//!
//! A takeover also requeues what the database says the worker owns and the worker does not know of. It may run while
//! a claim's answer is on its way; the runs in that answer are not lost.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

/// For how long a claimed run counts as on its way. It is known to the worker within milliseconds.
const ON_ITS_WAY: Duration = Duration::from_secs(10);

/// The runs of the last claims.
#[derive(Debug, Default)]
pub(super) struct Handed(Mutex<Vec<(Instant, Uuid)>>);

impl Handed {
    /// Notes what a claim is about to answer.
    pub(super) fn note(&self, runs: impl Iterator<Item = Uuid>) {
        let now = Instant::now();
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        noted.retain(|(at, _)| now.duration_since(*at) < ON_ITS_WAY);
        noted.extend(runs.map(|run| (now, run)));
    }

    /// `held`, and what is on its way.
    pub(super) fn with(&self, held: &[Uuid]) -> Vec<Uuid> {
        let now = Instant::now();
        let noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = noted.iter().filter(|(at, _)| now.duration_since(*at) < ON_ITS_WAY).map(|(_, run)| *run);
        held.iter().copied().chain(recent).collect()
    }
}
