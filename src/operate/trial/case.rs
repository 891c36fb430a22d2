//! What is tried: a definition, the install it runs for, and a request to import an account.

use std::fmt;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::scrub::is_stand_in;
use super::{Recording, TrialError};
use crate::definitions::{Effective, Install, Integration};
use crate::runner::Budgets;
use crate::store::InstallEntry;
use crate::upstream::AddressPolicy;

/// When a run begins whose recording does not say so: the first of January 2026, in milliseconds since the epoch.
pub const BEGINS_MS: i64 = 1_767_225_600_000;

/// The ids where the recording says nothing: of the version that this program makes, and nobody's.
const ACCOUNT: Uuid = Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0001);
const RUN: Uuid = Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0002);
const INSTALL: Uuid = Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0003);
const ENVIRONMENT: Uuid = Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0004);

/// One trial.
#[derive(Clone)]
pub struct Case {
    /// The definition, merged.
    pub effective: Effective,
    /// The install.
    pub install: InstallEntry,
    /// The import request: a body, or an envelope with one.
    pub import: Option<Value>,
    /// A custom action, instead of the import's two phases: it runs on an account that is active.
    pub action: Option<String>,
    /// How long and how often, as a worker has it.
    pub budgets: Budgets,
    /// Where requests may go, as a worker has it.
    pub policy: AddressPolicy,
    /// A larger context is left out of events, in bytes.
    pub max_context_bytes: usize,
    /// The account's id.
    pub account: Uuid,
    /// The run's id.
    pub run: Uuid,
    /// When it begins, milliseconds since the epoch.
    pub at_ms: i64,
}

/// It holds credentials.
impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case").field("install", &self.install).finish_non_exhaustive()
    }
}

impl Case {
    /// A trial of `integration`, under the override of `install` if there is one, with fixed ids at a fixed time.
    #[must_use]
    pub fn new(integration: &Integration, install: Option<&Install>, import: Option<Value>) -> Self {
        let effective =
            install.map_or_else(|| Effective::of(integration), |install| Effective::merge(integration, install));
        let install = InstallEntry {
            id: install.map_or(INSTALL, |install| install.id),
            environment_id: install.map_or(ENVIRONMENT, |install| install.environment_id),
            integration: integration.face(),
            is_enabled: true,
            effective: effective.hash(),
        };
        Self {
            effective,
            install,
            import,
            action: None,
            budgets: Budgets::default(),
            policy: AddressPolicy::default(),
            max_context_bytes: 128 * 1024,
            account: ACCOUNT,
            run: RUN,
            at_ms: BEGINS_MS,
        }
    }

    /// The same as `recording` says: its time, ids, variables, and its import where none was given.
    pub(super) fn with(mut self, recording: &Recording) -> Result<Self, TrialError> {
        self.at_ms = recording.at_ms().map_err(TrialError::Recording)?.unwrap_or(self.at_ms);
        self.account = recording.account_id.unwrap_or(self.account);
        self.run = recording.run_id.unwrap_or(self.run);
        for (name, value) in &recording.environment_variables {
            let secret = &mut self.effective.secret_environment_variables;
            let of = if secret.contains_key(name) { secret } else { &mut self.effective.environment_variables };
            of.insert(name.clone(), value.clone());
        }
        self.import = self.import.or_else(|| recording.import.clone());
        self.relax();
        Ok(self)
    }

    /// A stand-in has neither the form of the secret in whose place it is nor needs to be brought into another.
    fn relax(&mut self) {
        let body = self.import.as_ref().map(|import| import.get("body").unwrap_or(import));
        let Some(context) = body.and_then(|body| body.get("context")).and_then(Value::as_object) else { return };
        let Some(credentials) = self.effective.config.get_mut("credentials").and_then(Value::as_object_mut) else {
            return;
        };
        for (_, entry) in credentials {
            let Some(Value::Array(fields)) = entry.pointer_mut("/config/fields") else { continue };
            for field in fields.iter_mut().filter_map(Value::as_object_mut) {
                if stands_in(field, context) {
                    field.retain(|key, _| !matches!(&**key, "format" | "pattern" | "options" | "transform"));
                }
            }
        }
    }
}

fn stands_in(field: &Map<String, Value>, context: &Map<String, Value>) -> bool {
    let name = field.get("name").and_then(Value::as_str);
    name.and_then(|name| context.get(name)).is_some_and(is_stand_in)
}
