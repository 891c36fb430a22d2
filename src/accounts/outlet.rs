//! Committed events on their way to this process's relay.
//!
//! Only speed depends on it: every event is in the outbox, where the relay finds what did not come this way.

use std::sync::{Arc, OnceLock};

use tokio::sync::{Notify, mpsc};

use crate::store::Unpublished;

/// How many events wait for a relay that is busy; one more is left to the outbox.
const CAPACITY: usize = 1024;

/// Where accounts tell of their events. Cheap to clone; in a process without a relay it keeps nothing.
#[derive(Debug, Clone, Default)]
pub struct Outlet(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    relay: OnceLock<mpsc::Sender<Unpublished>>,
    missed: Notify,
}

/// The relay's end of an [`Outlet`].
#[derive(Debug)]
pub struct Fresh {
    events: mpsc::Receiver<Unpublished>,
    outlet: Arc<Shared>,
}

/// What came out of an outlet.
#[derive(Debug)]
pub enum Told {
    /// An event that was just committed. An account's events come in order.
    Event(Unpublished),
    /// There were events that did not come this way.
    Missed,
}

impl Outlet {
    /// What is committed from now on goes to the caller, the relay of this process; to the first one, if there are more.
    #[must_use]
    pub fn connect(&self) -> Fresh {
        let (sender, events) = mpsc::channel(CAPACITY);
        let _ = self.0.relay.set(sender);
        Fresh { events, outlet: Arc::clone(&self.0) }
    }

    /// Tells of an event that is committed.
    pub fn tell(&self, event: Unpublished) {
        if let Some(relay) = self.0.relay.get()
            && relay.try_send(event).is_err()
        {
            self.0.missed.notify_one();
        }
    }
}

impl Fresh {
    /// Waits for the next. Nothing is lost when the caller stops waiting.
    pub async fn next(&mut self) -> Told {
        tokio::select! {
            event = self.events.recv() => match event {
                Some(event) => Told::Event(event),
                // Another relay is connected: whatever comes is found in the outbox.
                None => std::future::pending().await,
            },
            () = self.outlet.missed.notified() => Told::Missed,
        }
    }

    /// The next event that is here already.
    pub fn ready(&mut self) -> Option<Unpublished> {
        self.events.try_recv().ok()
    }
}
