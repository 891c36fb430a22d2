//! Replays: choose failed accounts, say what a replay of them would do, and do it once.
//!
//! The chosen accounts are kept, each with the version in which it was chosen and the id of the run that it will get,
//! before the first of them runs again. So a start that is repeated makes exactly the runs that are missing, whatever
//! came in between, and an account that changed after it was chosen is left alone.

mod choose;
mod report;
mod start;

use serde::Serialize;
use uuid::Uuid;

use crate::lifecycle::{ReasonCode, Status, Unknown};

pub use choose::{Chosen, choose, choose_planned};
pub use report::Report;
pub use start::{Outcome, find, plan, start, start_plan};

/// Failed accounts that are chosen where no status is named. `needs_reauth` is not among them: the provider refused the
/// credential for good, and would refuse it again unless it was mended there.
const DEFAULT_STATUSES: [Status; 2] = [Status::PostInstallError, Status::ValidationError];

/// The accounts of a replay: these, or those that match all that is named. As JSON it is what the replay keeps.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Selection {
    /// Exactly these; nothing else is looked at then.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<Uuid>,
    /// In one of these error statuses; none stands for both phases' errors.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub statuses: Vec<Status>,
    /// With exactly this reason code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<ReasonCode>,
    /// Of exactly this integration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub integration: Option<String>,
    /// Of exactly this tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Of exactly this install.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment_integration: Option<Uuid>,
    /// That failed at or after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Since>,
}

/// A time as it was asked for, and what it is. Kept as it was asked for: `2h` is the same choice an hour later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub struct Since {
    /// As it was written.
    pub text: String,
    /// Milliseconds since the epoch.
    pub from_ms: i64,
}

impl From<Since> for String {
    fn from(since: Since) -> Self {
        since.text
    }
}

/// How accounts are replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// More are refused.
    pub cap: usize,
    /// What is to become of accounts whose last outcome is unknown; without a word they are left alone.
    pub unknown: Option<Unknown>,
}
