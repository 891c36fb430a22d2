//! Hears of other processes' writes: one NOTIFY a group.
//!
//! Nothing depends on it but speed. A notification may be missed while the connection is down, so everybody is woken
//! once after each connect.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::line::Server;
use crate::reconnect::Reconnect;

/// A worker that is alone tells no more often: only who reads along may hear it.
const ALONE: Duration = Duration::from_millis(250);

/// What this process tells the others, and when.
#[derive(Debug)]
pub(super) struct News {
    /// What its notifications carry, so that it knows its own.
    pub(super) own: String,
    /// Whether no other worker lives.
    alone: AtomicBool,
    told_at: Mutex<Option<Instant>>,
}

impl News {
    pub(super) fn new(own: String) -> Self {
        Self { own, alone: AtomicBool::new(false), told_at: Mutex::new(None) }
    }

    /// What tells the others of a closed gate.
    pub(super) fn of_a_gate(&self) -> String {
        format!("{GATE}{}", self.own)
    }

    /// As the relay learns with each pass. A worker that joins looks for itself until then.
    pub(super) fn set_alone(&self, alone: bool) {
        self.alone.store(alone, Ordering::Relaxed);
    }

    /// What a group's transaction is to carry: nothing, where nobody waits for it. A notification costs about as much as
    /// a row, at the server and here.
    pub(super) fn due(&self) -> Option<&str> {
        if self.alone.load(Ordering::Relaxed) {
            let mut told_at = self.told_at.lock().unwrap_or_else(PoisonError::into_inner);
            if told_at.is_some_and(|at| at.elapsed() < ALONE) {
                return None;
            }
            *told_at = Some(Instant::now());
        }
        Some(&self.own)
    }
}

/// Whom a notification wakes.
#[derive(Debug)]
pub(super) struct Heard {
    /// Who waits for runs and events.
    pub(super) changes: watch::Sender<u64>,
    /// Who remembers which gates are closed.
    pub(super) gates: watch::Sender<u64>,
}

impl Heard {
    fn of(&self, payload: &str, own: &str) {
        match payload.strip_prefix(GATE) {
            Some(sender) if sender != own => wake(&self.gates),
            None if payload != own => wake(&self.changes),
            _ => {}
        }
    }
}

/// What a notification of a closed gate begins with; few of them come, and they concern nobody who waits for a run.
const GATE: &str = "gate ";

/// How long silence lasts before the connection is tried: a silent death looks like silence.
const SILENCE: Duration = Duration::from_secs(20);

/// Listens until `closing`.
pub(super) async fn run(server: Arc<Server>, news: Arc<News>, heard: Heard, closing: CancellationToken) {
    let mut pauses = Reconnect::default();
    loop {
        let ended = closing.run_until_cancelled(listen(&server, &news.own, &heard, &mut pauses)).await;
        let Some(ended) = ended else { return };
        // The tasks that write say so when the database is down; this one only adds to the record.
        if let Err(error) = ended {
            tracing::debug!(task = "store.listen", %error, "not listening to other processes");
        }
        let pause = pauses.pause();
        if closing.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return;
        }
    }
}

async fn listen(server: &Server, own: &str, wakes: &Heard, pauses: &mut Reconnect) -> Result<(), sqlx::Error> {
    // A listener comes only out of a pool; this one lives and dies with it.
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(Duration::from_secs(5))
        // An outage is told by the tasks that write.
        .acquire_slow_threshold(Duration::from_mins(1))
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(server.options());
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.eager_reconnect(false);
    listener.listen("tidewaiter").await?;
    pauses.succeeded();
    wake(&wakes.changes);
    wake(&wakes.gates);
    loop {
        let Ok(heard) = tokio::time::timeout(SILENCE, listener.try_recv()).await else {
            let tried = sqlx::query("SELECT 1").execute(&mut listener);
            match tokio::time::timeout(Duration::from_secs(5), tried).await {
                Ok(answered) => answered?,
                Err(_) => return Ok(()),
            };
            continue;
        };
        match heard? {
            Some(notification) => wakes.of(notification.payload(), own),
            None => return Ok(()),
        }
    }
}

fn wake(changes: &watch::Sender<u64>) {
    changes.send_modify(|count| *count += 1);
}
