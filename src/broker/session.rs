//! How to reach the broker.

use crate::config;

use super::BrokerError;

/// How to reach the broker. Cheap to clone; holds no connection.
#[derive(Debug, Clone)]
pub struct Broker {}

impl Broker {
    /// Reads what is needed to connect.
    ///
    /// # Errors
    /// [`BrokerError::BadInput`] when `broker.ca_file` cannot be used.
    pub fn new(_settings: &config::Broker) -> Result<Self, BrokerError> {
        Ok(Self {})
    }
}

/// How a session stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionState {
    /// The first attempt is under way.
    Connecting,
    /// Usable.
    Attached,
    /// Closed by ourselves: the gate is shut, or it was asked to stop.
    Closed,
    /// Not usable; a sentence says why and what is done about it. Tried again until it works.
    Failing(String),
}
