//! Exchanges, queues and bindings: what there should be.

use serde::Serialize;

use super::{Broker, BrokerError};
use crate::config;
use crate::lifecycle::Region;

/// What should be there, in the order in which it is declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {}

/// What the settings ask for.
#[must_use]
pub fn plan(_settings: &config::Broker, _regions: &[Region]) -> Plan {
    Plan {}
}

/// Declares what the plan holds; what is there already stays as it is.
///
/// # Errors
/// [`BrokerError::Topology`] names what is there with other properties: then nothing was changed.
pub async fn apply(_broker: &Broker, _plan: &Plan) -> Result<(), BrokerError> {
    Ok(())
}

/// Asks whether the exchanges and queues are there. It cannot tell their type and arguments.
///
/// # Errors
/// [`BrokerError::Topology`] names what is missing.
pub async fn check(_broker: &Broker, _plan: &Plan) -> Result<(), BrokerError> {
    Ok(())
}
