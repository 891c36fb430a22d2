//! What people and metrics look at: lists, runs, events, how much there is to do.

use uuid::Uuid;

use super::{DefinitionHash, IntegrationRef};
use crate::lifecycle::{Cause, Region, Status};

/// Which accounts to list. Empty fields do not filter.
#[derive(Debug, Clone, Default)]
pub struct AccountFilter {
    /// Exactly this tenant.
    pub tenant_id: Option<String>,
    /// Exactly this status.
    pub status: Option<Status>,
    /// Sandbox accounts, or the others.
    pub is_sandbox: Option<bool>,
    /// Exactly this integration.
    pub integration_name: Option<String>,
    /// Exactly this install.
    pub environment_integration_id: Option<Uuid>,
    /// Exactly this region.
    pub region: Option<Region>,
    /// Exactly this reason code.
    pub reason: Option<String>,
    /// Made at or after, milliseconds since the epoch.
    pub created_from_ms: Option<i64>,
    /// Made before, milliseconds since the epoch.
    pub created_before_ms: Option<i64>,
    /// Only ids after this one (ids ascend).
    pub after: Option<Uuid>,
}

/// A run's row as people look at it.
#[derive(Debug, Clone)]
pub struct RunView {
    /// Its id.
    pub id: Uuid,
    /// Its account.
    pub account: Uuid,
    /// Why it was made.
    pub cause: Cause,
    /// The custom action that it performs.
    pub action: Option<String>,
    /// `queued`, `running`, `waiting` or `finished`.
    pub state: String,
    /// How often it was claimed.
    pub fence: i64,
    /// `succeeded` or a reason code, when finished.
    pub outcome: Option<String>,
    /// The trace as JSON text.
    pub trace: Option<String>,
    /// The run it repeats.
    pub replay_of: Option<Uuid>,
    /// What the producer wants to see again.
    pub correlation_id: Option<String>,
    /// When it was made.
    pub created_at_ms: i64,
    /// When it ended.
    pub finished_at_ms: Option<i64>,
}

/// A stored event with the database time of its insertion.
#[derive(Debug, Clone)]
pub struct StoredEvent {
    /// The account.
    pub account: Uuid,
    /// The event's sequence number.
    pub sequence: i64,
    /// The CloudEvents type.
    pub event_type: String,
    /// The envelope.
    pub envelope: String,
    /// When it was inserted: database time, milliseconds since the epoch.
    pub inserted_at_ms: i64,
}

/// An install as imports need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallEntry {
    /// Its id.
    pub id: Uuid,
    /// The environment that owns it.
    pub environment_id: Uuid,
    /// Its integration's public face.
    pub integration: IntegrationRef,
    /// Whether imports are accepted.
    pub is_enabled: bool,
    /// What new runs pin.
    pub effective: DefinitionHash,
}

/// How much there is to do: what the metrics and `readyz` show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Runs by state.
    pub queued: i64,
    /// Runs that a worker holds.
    pub running: i64,
    /// Runs that rest.
    pub waiting: i64,
    /// Age of the oldest queued run, milliseconds of database time.
    pub oldest_queued_ms: Option<i64>,
    /// Age of the oldest account that is still connecting.
    pub oldest_connecting_ms: Option<i64>,
    /// Events not published yet.
    pub outbox: i64,
    /// Age of the oldest event that is not published yet.
    pub oldest_outbox_ms: Option<i64>,
    /// Requests in quarantine that nobody has looked after.
    pub quarantined: i64,
}
