//! Accounts and definitions as people and programs are shown them: by the API, in replies and on the command line.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Accounts, PlanError};
use crate::clock::rfc3339;
use crate::events::account_view;
use crate::store::{Account, InstallEntry, IntegrationEntry, RunView, Store, StoreError};

/// The account object with its own override, masked, and the results of its latest run's steps.
///
/// # Errors
/// When the store does not answer, or the override does not open.
pub async fn account_answer(accounts: &Accounts, account: &Account) -> Result<Value, StoreError> {
    let own = accounts.shown_override(account).await.map_err(|error| match error {
        PlanError::Store(error) => error,
        error => StoreError::Refused(error.to_string()),
    })?;
    account_answer_with(&accounts.store, account, own).await
}

/// The same where the override is shown as something else.
///
/// # Errors
/// When the store does not answer.
pub async fn account_answer_with(
    store: &Arc<dyn Store>,
    account: &Account,
    integration_override: Value,
) -> Result<Value, StoreError> {
    let latest = store.runs(account.id, 1).await?.into_iter().next();
    let last_action_result = latest.map_or(Value::Null, |run| last_action_result(&run));
    let answer = Answer { account: account_view(account), integration_override, last_action_result };
    Ok(serde_json::to_value(answer).unwrap_or_default())
}

/// The account object of an account whose first run was only just made: no look at the store is needed.
#[must_use]
pub fn new_account_answer(account: &Account) -> impl Serialize {
    Answer { account: account_view(account), integration_override: Value::Null, last_action_result: Value::Null }
}

/// A run as people and programs are shown it, with the attempts of its steps once it has ended.
#[must_use]
pub fn run_answer(run: &RunView) -> Value {
    json!({
        "id": run.id,
        "integrated_account_id": run.account,
        "cause": run.cause,
        "action": run.action,
        "state": run.state,
        "outcome": run.outcome,
        "replay_of": run.replay_of,
        "correlation_id": run.correlation_id,
        "created_at": rfc3339(run.created_at_ms),
        "finished_at": run.finished_at_ms.map(rfc3339),
        "steps": trace_of(run),
    })
}

fn trace_of(run: &RunView) -> Value {
    run.trace.as_deref().and_then(|trace| serde_json::from_str(trace).ok()).unwrap_or_default()
}

/// An integration as it is listed, with its installs among these.
#[must_use]
pub fn integration_record(entry: &IntegrationEntry, installs: &[InstallEntry]) -> Value {
    let own = installs.iter().filter(|install| install.integration.id == entry.face.id);
    let own: Vec<Value> = own
        .map(|it| json!({ "id": it.id, "environment_id": it.environment_id, "is_enabled": it.is_enabled }))
        .collect();
    json!({
        "id": entry.face.id, "name": entry.face.name, "label": entry.face.label, "version": entry.version,
        "hash": entry.hash.to_string(), "installs": own,
    })
}

/// An install as it is listed.
#[must_use]
pub fn install_record(entry: &InstallEntry) -> Value {
    json!({
        "id": entry.id, "environment_id": entry.environment_id, "is_enabled": entry.is_enabled,
        "integration": entry.integration,
    })
}

#[derive(Serialize)]
struct Answer<V> {
    #[serde(flatten)]
    account: V,
    integration_override: Value,
    last_action_result: Value,
}

/// A run's trace by action, each with its steps and whether all of them succeeded in the end.
fn last_action_result(run: &RunView) -> Value {
    let trace = trace_of(run);
    if trace.is_null() {
        return Value::Null;
    }
    let mut actions = Map::new();
    for entry in trace.as_array().into_iter().flatten() {
        let name = run.action.as_deref().or_else(|| entry["phase"].as_str()).unwrap_or("action");
        let action = actions.entry(name).or_insert_with(|| json!({ "status": "success", "steps": [] }));
        // The last attempt decides: a retry that succeeded mends what went before it, and some failures may be.
        let failed = entry["status"] == "error" && entry["continued"] != true;
        action["status"] = if failed { json!("error") } else { json!("success") };
        if let Some(steps) = action["steps"].as_array_mut() {
            steps.push(entry.clone());
        }
    }
    Value::Object(actions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_told_by_action_and_the_last_one_decides() {
        let told = |trace: Value, action: Option<&str>| {
            let (trace, action) = (Some(trace.to_string()), action.map(str::to_owned));
            last_action_result(&RunView { action, trace, ..run() })
        };
        let trace = json!([
            { "phase": "post_install", "index": 0, "attempt": 1, "status": "error" },
            { "phase": "post_install", "index": 0, "attempt": 2, "status": "success" },
            { "phase": "validation", "index": 0, "attempt": 1, "status": "error" },
        ]);
        let phases = told(trace, None);
        assert_eq!(phases["post_install"]["status"], "success");
        assert_eq!(phases["post_install"]["steps"].as_array().unwrap().len(), 2);
        assert_eq!(phases["validation"]["status"], "error");
        let trace = json!([{ "phase": "action", "index": 0, "attempt": 1, "status": "error", "continued": true }]);
        assert_eq!(told(trace, Some("sync_users"))["sync_users"]["status"], "success");
        assert_eq!(last_action_result(&run()), Value::Null, "it has not ended");
    }

    fn run() -> RunView {
        RunView {
            id: uuid::Uuid::nil(),
            account: uuid::Uuid::nil(),
            cause: crate::lifecycle::Cause::Action,
            action: None,
            state: "finished".to_owned(),
            fence: 1,
            outcome: None,
            trace: None,
            replay_of: None,
            correlation_id: None,
            created_at_ms: 0,
            finished_at_ms: None,
        }
    }
}
