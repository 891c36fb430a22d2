//! How a session stands, told once: to the log at the beginning and at the end of an outage, to others as a state.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::reconnect::Reconnect;

/// How a session stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionState {
    /// The first attempt is under way.
    Connecting,
    /// Usable.
    Attached,
    /// It was attached, was lost a moment ago, and has failed to come back at most twice since. Why that is.
    Rebuilding(String),
    /// Closed by ourselves: the gate is shut, or it was asked to stop.
    Closed,
    /// Not usable; a sentence says why. Tried again until it works.
    Failing(String),
}

impl SessionState {
    /// Whether it works, or is about to again.
    #[must_use]
    pub const fn is_usable(&self) -> bool {
        matches!(self, Self::Attached | Self::Rebuilding(_))
    }

    /// Why it does not work.
    #[must_use]
    pub fn problem(&self) -> Option<&str> {
        match self {
            Self::Rebuilding(why) | Self::Failing(why) => Some(why),
            Self::Connecting | Self::Attached | Self::Closed => None,
        }
    }
}

/// A session that was sound counts as failing when it was lost, or failed to come back, more often in a row.
const FAILING_AFTER: u32 = 3;

/// And when it has been away for this long: an attempt at a mute broker takes 15 s by itself.
const BRIEF: Duration = Duration::from_secs(10);

/// A session that lived as long is sound: the next loss is a new one, with short pauses.
pub(super) const SOUND: Duration = Duration::from_secs(2);

/// Keeps the account of a session that comes and goes.
pub(super) struct Outage {
    /// What is lost while it lasts, such as ``consuming `imports` ``.
    what: String,
    state: watch::Sender<SessionState>,
    pauses: Reconnect,
    attached: Option<Instant>,
    was_attached: bool,
    failures: u32,
    since: Option<Instant>,
    told: String,
}

impl Outage {
    pub(super) fn new(what: String, state: watch::Sender<SessionState>) -> Self {
        Self {
            what,
            state,
            pauses: Reconnect::default(),
            attached: None,
            was_attached: false,
            failures: 0,
            since: None,
            told: String::new(),
        }
    }

    /// A session is there.
    pub(super) fn attached(&mut self) {
        self.attached = Some(Instant::now());
        self.was_attached = true;
        self.recovered();
        self.state.send_replace(SessionState::Attached);
    }

    /// It is closed on purpose.
    pub(super) fn closed(&mut self) {
        self.state.send_replace(SessionState::Closed);
    }

    /// An attempt failed, or the session was lost. How long to pause before the next one.
    pub(super) fn failed(&mut self, why: String) -> Duration {
        if self.attached.take().is_some_and(|since| since.elapsed() >= SOUND) {
            self.pauses.succeeded();
            self.failures = 0;
        }
        self.failures += 1;
        self.tell(&why, "; trying again, at least every 3 s");
        let brief = self.since.is_none_or(|since| since.elapsed() < BRIEF);
        let rebuilding = self.was_attached && brief && self.failures <= FAILING_AFTER;
        self.state.send_replace(if rebuilding { SessionState::Rebuilding(why) } else { SessionState::Failing(why) });
        self.pauses.pause()
    }

    /// It is there and of no use for now, such as when the broker blocks it.
    pub(super) fn hindered(&mut self, why: String) {
        self.tell(&why, " until that ends");
        self.state.send_replace(SessionState::Failing(why));
    }

    fn tell(&mut self, why: &str, then: &str) {
        self.since.get_or_insert_with(Instant::now);
        if self.told != why {
            tracing::warn!(error = %why, "{} is interrupted{then}", self.what);
            why.clone_into(&mut self.told);
        }
    }

    fn recovered(&mut self) {
        self.told.clear();
        if let Some(since) = self.since.take() {
            tracing::info!(outage.ms = since.elapsed().as_millis() as u64, "{} goes on", self.what);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_session_that_comes_back_soon_was_never_failing() {
        let (sender, state) = watch::channel(SessionState::Connecting);
        let mut outage = Outage::new("consuming".to_owned(), sender);
        outage.attached();
        tokio::time::advance(SOUND).await;
        for _ in 0..FAILING_AFTER {
            outage.failed("gone".to_owned());
            assert!(state.borrow().is_usable());
        }
        outage.failed("gone".to_owned());
        assert_eq!(*state.borrow(), SessionState::Failing("gone".to_owned()));
        outage.attached();
        assert_eq!(*state.borrow(), SessionState::Attached);
    }

    #[tokio::test(start_paused = true)]
    async fn one_whose_broker_is_mute_is_failing_after_its_first_attempt() {
        let (sender, state) = watch::channel(SessionState::Connecting);
        let mut outage = Outage::new("consuming".to_owned(), sender);
        outage.attached();
        tokio::time::advance(SOUND).await;
        outage.failed("not heard of".to_owned());
        assert!(state.borrow().is_usable());
        tokio::time::advance(BRIEF).await;
        outage.failed("no answer".to_owned());
        assert!(!state.borrow().is_usable());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_was_never_there_fails_at_once() {
        let (sender, state) = watch::channel(SessionState::Connecting);
        Outage::new("consuming".to_owned(), sender).failed("refused".to_owned());
        assert_eq!(state.borrow().problem(), Some("refused"));
        assert!(!state.borrow().is_usable());
    }

    #[tokio::test(start_paused = true)]
    async fn sessions_that_die_young_are_rebuilt_ever_more_slowly_and_a_sound_one_quickly() {
        let (sender, state) = watch::channel(SessionState::Connecting);
        let mut outage = Outage::new("consuming".to_owned(), sender);
        let mut last = Duration::ZERO;
        for _ in 0..12 {
            outage.attached();
            last = outage.failed("gone".to_owned());
        }
        assert!(last >= Duration::from_secs(1), "{last:?}");
        assert!(matches!(*state.borrow(), SessionState::Failing(_)));
        outage.attached();
        tokio::time::advance(SOUND).await;
        assert!(outage.failed("gone".to_owned()) < Duration::from_millis(200));
        assert!(state.borrow().is_usable());
    }
}
