//! The pauses between attempts to reach a server again: the only home of the `backoff` crate.

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff as _;

/// Pauses that grow from 50 ms to 2 s with half their length as jitter, without end.
///
/// The cap is well below the 10 s within which the product promises to be back after a server's return.
#[derive(Debug)]
pub struct Reconnect(ExponentialBackoff);

impl Default for Reconnect {
    fn default() -> Self {
        Self(ExponentialBackoff {
            initial_interval: Duration::from_millis(50),
            current_interval: Duration::from_millis(50),
            max_interval: Duration::from_secs(2),
            multiplier: 2.0,
            randomization_factor: 0.5,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        })
    }
}

impl Reconnect {
    /// How long to pause before the next attempt.
    pub fn pause(&mut self) -> Duration {
        self.0.next_backoff().unwrap_or(Duration::from_secs(2))
    }

    /// Starts again with short pauses: the server answered.
    pub fn succeeded(&mut self) {
        self.0.reset();
    }
}
