//! Gates: what closed the way of an install to a host, and for how long.

use uuid::Uuid;

use super::rows::{self, Columns, RowError};
use crate::lifecycle::words;

words! {
    /// Why a gate was closed.
    GateReason {
        /// The provider limits the whole install.
        RateLimit = "rate_limit",
        /// The host fails for every account.
        Circuit = "circuit",
    }
}

/// A gate that is closed. One that is not has no row, or an old one.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ClosedGate {
    /// The install.
    #[serde(rename = "environment_integration_id")]
    pub install: Uuid,
    /// The host, with its port where the definition writes one.
    pub host: String,
    /// Why.
    pub reason: GateReason,
    /// For how much longer, in milliseconds of database time.
    pub left_ms: i64,
}

/// The columns of [`closed`] but `left_ms`, which needs the database's clock.
macro_rules! gate_columns {
    () => {
        "environment_integration_id, host, reason"
    };
}
pub(super) use gate_columns;

/// Reads [`gate_columns`] and `left_ms`.
pub(super) fn closed(row: &impl Columns) -> Result<ClosedGate, RowError> {
    Ok(ClosedGate {
        install: rows::must(row.id("environment_integration_id")?, "environment_integration_id")?,
        host: rows::must(row.text("host")?, "host")?,
        reason: rows::word(row, "reason")?,
        left_ms: row.int("left_ms")?.unwrap_or(0).max(0),
    })
}
