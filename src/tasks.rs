//! The one door to background tasks: each has a name, is counted, and its panic is logged.
//!
//! [`Tasks::drain`] waits for all of them after the token was cancelled; nothing outlives the process's shutdown
//! unseen.

use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The tasks of one process, and the token that tells them to stop.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Tasks {
    /// No tasks yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancelled when the process is to stop.
    #[must_use]
    pub fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Starts a task. A panic in it is logged with its name; it takes nothing else down.
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    pub fn spawn<F>(&self, name: &'static str, future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tracker.spawn(async move {
            let task = tokio::spawn(future);
            let _abort_with_us = AbortOnDrop(task.abort_handle());
            if let Err(error) = task.await
                && error.is_panic()
            {
                tracing::error!(task = name, "a task panicked; what it held is taken over by the others");
            }
        });
    }

    /// Waits until every task has ended, at most this long. Answers whether all did.
    pub async fn drain(&self, at_most: Duration) -> bool {
        self.tracker.close();
        tokio::time::timeout(at_most, self.tracker.wait()).await.is_ok()
    }
}

/// A runtime that shuts down takes the inner task with the outer one.
struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
