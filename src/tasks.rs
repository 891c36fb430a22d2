//! The one door to background tasks.
//!
//! A task that is started here is waited for at shutdown, and cannot vanish unseen: a panic, or the end of a task
//! that should run as long as the process, is logged with the task's name. A lasting task that ends raises [`Tasks::failed`].

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The tasks of a process. Clones share everything.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    failed: CancellationToken,
}

impl Tasks {
    /// No tasks yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancelled when the process is to stop. Tasks end soon after.
    #[must_use]
    pub fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Cancelled when a lasting task panicked or ended by itself; the process should then stop.
    #[must_use]
    pub fn failed(&self) -> CancellationToken {
        self.failed.clone()
    }

    /// Starts a task that lasts until [`Tasks::stop`].
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        self.start(name, true, task)
    }

    /// Starts a task that may end when its work is done. Its panic is logged and takes nothing else down.
    pub fn spawn_job(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        self.start(name, false, task)
    }

    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    fn start(&self, name: &'static str, lasting: bool, task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        let (stop, failed) = (self.stop.clone(), self.failed.clone());
        let watched = async move {
            // The panic's payload may quote data, so it is not looked at; the panic hook prints the place.
            let ended = AssertUnwindSafe(task).catch_unwind().await;
            if ended.is_err() {
                tracing::error!(task = name, "a task panicked");
            }
            if lasting && ended.is_err() {
                failed.cancel();
            } else if lasting && !stop.is_cancelled() {
                tracing::error!(task = name, "a task ended although it should last");
                failed.cancel();
            }
        };
        tokio::spawn(self.tracker.track_future(watched)).abort_handle()
    }

    /// Asks every task to stop and waits for them at most `grace`. False when some were still running then.
    pub async fn shut_down(&self, grace: Duration) -> bool {
        self.stop.cancel();
        self.tracker.close();
        tokio::time::timeout(grace, self.tracker.wait()).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_of_a_lasting_task_is_seen_and_does_not_hold_up_the_shutdown() {
        let tasks = Tasks::new();
        tasks.spawn("panics", async { panic!("on purpose") });
        tasks.failed().cancelled().await;
        assert!(tasks.shut_down(Duration::from_secs(5)).await);
    }

    #[tokio::test]
    async fn a_lasting_task_that_ends_by_itself_is_a_failure() {
        let tasks = Tasks::new();
        tasks.spawn("ends", async {});
        tasks.failed().cancelled().await;
    }

    #[tokio::test]
    async fn a_job_that_ends_or_panics_and_a_task_that_stops_when_asked_are_no_failure() {
        let tasks = Tasks::new();
        tasks.spawn_job("job", async {});
        tasks.spawn_job("panics", async { panic!("on purpose") });
        let stop = tasks.stop();
        tasks.spawn("lasting", async move { stop.cancelled().await });
        assert!(tasks.shut_down(Duration::from_secs(5)).await);
        assert!(!tasks.failed().is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_does_not_stop_is_reported_after_the_grace() {
        let tasks = Tasks::new();
        tasks.spawn_job("stubborn", std::future::pending());
        assert!(!tasks.shut_down(Duration::from_secs(20)).await);
    }
}
