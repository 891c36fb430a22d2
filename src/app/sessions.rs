//! Looking at the sessions with the broker, for `readyz`, the gauges and the alarm.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::broker::SessionState;
use crate::telemetry::Metrics;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(250);

/// What has been so for this long is not a passing thing.
const STEADY: Duration = Duration::from_secs(5);

/// A session that is looked at.
#[derive(Debug)]
pub(super) struct Session {
    name: &'static str,
    /// The queue without whose consumer the worker is not ready.
    needed: Option<String>,
    state: watch::Receiver<SessionState>,
}

impl Session {
    /// The worker is not ready without it.
    pub(super) const fn needed(name: &'static str, queue: String, state: watch::Receiver<SessionState>) -> Self {
        Self { name, needed: Some(queue), state }
    }

    /// The worker can do without it.
    pub(super) const fn wanted(name: &'static str, state: watch::Receiver<SessionState>) -> Self {
        Self { name, needed: None, state }
    }

    fn is_attached(&self) -> bool {
        *self.state.borrow() == SessionState::Attached
    }

    /// Why the worker is not ready for its sake.
    fn objection(&self) -> Option<String> {
        let queue = self.needed.as_ref()?;
        let state = self.state.borrow();
        let why = match &*state {
            SessionState::Failing(why) => why,
            SessionState::Closed => "the database is not usable",
            SessionState::Connecting => "connecting to the broker",
            SessionState::Attached | SessionState::Rebuilding(_) => return None,
        };
        Some(format!("queue `{queue}` is not consumed: {why}"))
    }
}

/// The drain of dead letters, which nobody waits for and which can be stuck.
#[derive(Debug)]
pub(super) struct Drain {
    queue: String,
    state: watch::Receiver<SessionState>,
    /// Since when it has been working.
    working: Option<Instant>,
    /// Since when it has not been working steadily.
    unsteady: Option<Instant>,
    is_stuck: bool,
}

impl Drain {
    pub(super) const fn new(queue: String, state: watch::Receiver<SessionState>) -> Self {
        Self { queue, state, working: None, unsteady: None, is_stuck: false }
    }

    /// Looks at it. While the broker itself is away it is not stuck.
    fn look(&mut self, is_broker_there: bool, metrics: &Metrics, now: Instant) {
        let state = self.state.borrow().clone();
        metrics.set_broker_session("dead_letters", state == SessionState::Attached);
        let long = |since: Instant| now.duration_since(since) >= STEADY;
        let Some(why) = state.problem() else {
            // One that breaks at each delivery is attached for a moment, too.
            if long(*self.working.get_or_insert(now)) {
                self.unsteady = None;
                self.is_stuck = false;
            }
            metrics.dead_letters_stuck.set(self.is_stuck.into());
            return;
        };
        self.working = None;
        if !is_broker_there {
            self.unsteady = None;
        } else if long(*self.unsteady.get_or_insert(now)) && !self.is_stuck {
            self.is_stuck = true;
            tracing::error!(
                queue = self.queue,
                error = why,
                "dead letters cannot be drained. Where a message cannot be read, take it out of the queue by hand: in the management interface, or with `rabbitmqadmin get queue=NAME ackmode=ack_requeue_false`. It is tried again every minute"
            );
        }
        metrics.dead_letters_stuck.set(self.is_stuck.into());
    }
}

/// Says until `stop` what is wrong with the sessions that are needed, and whether the drain is stuck.
pub(super) async fn watch_sessions(
    sessions: Vec<Session>,
    mut drain: Option<Drain>,
    problem: watch::Sender<Option<String>>,
    metrics: Metrics,
    stop: CancellationToken,
) {
    while !stop.is_cancelled() {
        for session in &sessions {
            metrics.set_broker_session(session.name, session.is_attached());
        }
        if let Some(drain) = &mut drain {
            let is_broker_there = sessions.is_empty() || sessions.iter().any(Session::is_attached);
            drain.look(is_broker_there, &metrics, Instant::now());
        }
        let found = sessions.iter().filter_map(Session::objection).reduce(|all, one| format!("{all}; {one}"));
        problem.send_replace(found);
        let _ = tokio::time::timeout(LOOK, stop.cancelled()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failing() -> SessionState {
        SessionState::Failing("gone".to_owned())
    }

    #[test]
    fn a_needed_session_is_missed_until_it_is_there_and_not_while_it_is_rebuilt() {
        let (sender, state) = watch::channel(SessionState::Connecting);
        let session = Session::needed("imports", "q".to_owned(), state);
        assert!(session.objection().unwrap().contains("`q`"));
        for usable in [SessionState::Attached, SessionState::Rebuilding("gone".to_owned())] {
            sender.send_replace(usable);
            assert_eq!(session.objection(), None);
        }
        sender.send_replace(failing());
        assert!(session.objection().unwrap().ends_with("gone"));
    }

    #[test]
    fn what_the_worker_can_do_without_is_not_missed() {
        let (_sender, state) = watch::channel(failing());
        assert_eq!(Session::wanted("replies", state).objection(), None);
    }

    /// A drain whose state is told, and the alarm after each look.
    struct Looked {
        sender: watch::Sender<SessionState>,
        drain: Drain,
        metrics: Metrics,
        now: Instant,
    }

    impl Looked {
        fn new() -> Self {
            let (sender, state) = watch::channel(SessionState::Connecting);
            let (drain, metrics) = (Drain::new("dead".to_owned(), state), Metrics::default());
            Self { sender, drain, metrics, now: Instant::now() }
        }

        fn after(&mut self, seconds: u64, state: SessionState, is_broker_there: bool) -> i64 {
            self.now += Duration::from_secs(seconds);
            self.sender.send_replace(state);
            self.drain.look(is_broker_there, &self.metrics, self.now);
            self.metrics.dead_letters_stuck.get()
        }
    }

    #[test]
    fn a_drain_that_breaks_again_and_again_is_stuck_until_it_works_steadily() {
        let mut looked = Looked::new();
        assert_eq!(looked.after(0, failing(), true), 0);
        assert_eq!(looked.after(3, SessionState::Attached, true), 0);
        assert_eq!(looked.after(2, failing(), true), 1);
        assert_eq!(looked.after(1, SessionState::Attached, true), 1);
        assert_eq!(looked.after(5, SessionState::Attached, true), 0);
    }

    #[test]
    fn a_drain_without_a_broker_is_not_stuck() {
        let mut looked = Looked::new();
        assert_eq!(looked.after(0, failing(), false), 0);
        assert_eq!(looked.after(60, failing(), false), 0);
        assert_eq!(looked.after(0, failing(), true), 0);
        assert_eq!(looked.after(60, failing(), true), 1);
    }
}
