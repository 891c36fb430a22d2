//! Publishing with confirms.

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Broker, Outgoing, PublishError, Published, SessionState};

/// A supervised connection for publishing. Cheap to clone; many publishes can be under way at once.
#[derive(Debug, Clone)]
pub struct Publisher {
    state: watch::Receiver<SessionState>,
}

impl Publisher {
    /// A publisher whose connection is called `name` at the broker. It connects in [`Publisher::run`].
    #[must_use]
    pub fn new(_broker: Broker, _name: &str) -> Self {
        Self { state: watch::channel(SessionState::Connecting).1 }
    }

    /// An exchange without which this publisher is of no use: while it is missing the session is failing and says so.
    #[must_use]
    pub fn expecting(self, _exchange: &str) -> Self {
        self
    }

    /// Keeps the connection until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        stop.cancelled().await;
    }

    /// Publishes a message and waits for the broker's confirm, at most 10 s.
    ///
    /// # Errors
    /// At once with [`PublishError::Away`] when there is no session: wait for [`Publisher::state`] to change, or pause.
    pub async fn publish(&self, _message: Outgoing<'_>) -> Result<Published, PublishError> {
        Err(PublishError::Away("not connected".to_owned()))
    }

    /// How the session stands.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<SessionState> {
        self.state.clone()
    }
}
