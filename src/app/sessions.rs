//! Looking at the sessions with the broker, for `readyz` and the gauges.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::broker::SessionState;
use crate::telemetry::Metrics;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(250);

/// A session that was usable and is being rebuilt counts as usable for this long: about three tries.
const REBUILDING: Duration = Duration::from_secs(2);

/// A session that is looked at.
#[derive(Debug)]
pub(super) struct Session {
    name: &'static str,
    /// The queue without whose consumer the worker is not ready.
    needed: Option<String>,
    pub(super) state: watch::Receiver<SessionState>,
    /// Since when it is not usable; `None` while it is.
    lost: Option<Lost>,
}

/// A session that is not usable.
#[derive(Debug, Clone, Copy)]
enum Lost {
    /// It never was.
    AtFirst,
    Since(Instant),
}

impl Session {
    /// The worker is not ready without it.
    pub(super) const fn needed(name: &'static str, queue: String, state: watch::Receiver<SessionState>) -> Self {
        Self { name, needed: Some(queue), state, lost: Some(Lost::AtFirst) }
    }

    /// The worker can do without it.
    pub(super) const fn wanted(name: &'static str, state: watch::Receiver<SessionState>) -> Self {
        Self { name, needed: None, state, lost: Some(Lost::AtFirst) }
    }

    /// Looks at it; answers why the worker is not ready for its sake.
    fn look(&mut self, metrics: &Metrics, now: Instant) -> Option<String> {
        let state = self.state.borrow().clone();
        metrics.set_broker_session(self.name, state == SessionState::Attached);
        if state == SessionState::Attached {
            self.lost = None;
            return None;
        }
        let lost = *self.lost.get_or_insert(Lost::Since(now));
        let rebuilding = matches!(lost, Lost::Since(since) if now.duration_since(since) < REBUILDING);
        let queue = self.needed.as_ref().filter(|_| !rebuilding)?;
        let why = match state {
            SessionState::Failing(why) => why,
            SessionState::Closed => "the database is not usable".to_owned(),
            SessionState::Connecting | SessionState::Attached => "connecting to the broker".to_owned(),
        };
        Some(format!("queue `{queue}` is not consumed: {why}"))
    }
}

/// Tells whether the sessions that are needed are there, until `stop`.
pub(super) async fn watch_sessions(
    mut sessions: Vec<Session>,
    problem: watch::Sender<Option<String>>,
    metrics: Metrics,
    stop: CancellationToken,
) {
    while !stop.is_cancelled() {
        let now = Instant::now();
        let found = sessions.iter_mut().filter_map(|session| session.look(&metrics, now));
        let found: Option<String> = found.reduce(|all, one| format!("{all}; {one}"));
        problem.send_if_modified(|told| {
            let changed = *told != found;
            *told = found;
            changed
        });
        let _ = tokio::time::timeout(LOOK, stop.cancelled()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> (watch::Sender<SessionState>, Session) {
        let (sender, state) = watch::channel(SessionState::Connecting);
        (sender, Session::needed("imports", "q".to_owned(), state))
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_is_missed_from_the_start_and_after_a_loss_only_when_it_does_not_come_back() {
        let (sender, mut session) = session();
        let metrics = Metrics::default();
        let start = Instant::now();
        assert!(session.look(&metrics, start).unwrap().contains("`q`"));
        sender.send_replace(SessionState::Attached);
        assert_eq!(session.look(&metrics, start), None);
        sender.send_replace(SessionState::Failing("gone".to_owned()));
        assert_eq!(session.look(&metrics, start), None);
        let later = start + REBUILDING;
        assert!(session.look(&metrics, later).unwrap().ends_with("gone"));
        sender.send_replace(SessionState::Attached);
        assert_eq!(session.look(&metrics, later), None);
        assert!(metrics.render().contains("tidewaiter_broker_sessions{session=\"imports\"} 1"));
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_worker_can_do_without_does_not_make_it_unready() {
        let (_sender, state) = watch::channel(SessionState::Failing("gone".to_owned()));
        let metrics = Metrics::default();
        assert_eq!(Session::wanted("replies", state).look(&metrics, Instant::now()), None);
        assert!(metrics.render().contains("tidewaiter_broker_sessions{session=\"replies\"} 0"));
    }
}
