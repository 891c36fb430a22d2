//! Accounts and definitions as people and programs are shown them: by the API, in replies and on the command line.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::events::account_view;
use crate::store::{Account, InstallEntry, IntegrationEntry, Store, StoreError};

/// The account object with the results of its latest run's steps.
///
/// # Errors
/// When the store does not answer.
pub async fn account_answer(store: &Arc<dyn Store>, account: &Account) -> Result<Value, StoreError> {
    let latest = store.runs(account.id, 1).await?.into_iter().next();
    let trace = latest.and_then(|run| run.trace).and_then(|trace| serde_json::from_str(&trace).ok());
    let last_action_result = trace.map_or(Value::Null, |trace| last_action_result(&trace));
    Ok(serde_json::to_value(Answer { account: account_view(account), last_action_result }).unwrap_or_default())
}

/// The account object of an account whose first run was only just made: no look at the store is needed.
#[must_use]
pub fn new_account_answer(account: &Account) -> impl Serialize {
    Answer { account: account_view(account), last_action_result: Value::Null }
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
    last_action_result: Value,
}

/// A run's trace by action, each with its steps and whether all of them succeeded in the end.
fn last_action_result(trace: &Value) -> Value {
    let mut actions = Map::new();
    for entry in trace.as_array().into_iter().flatten() {
        let phase = entry["phase"].as_str().unwrap_or("action");
        let action = actions.entry(phase).or_insert_with(|| json!({ "status": "success", "steps": [] }));
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
        let trace = json!([
            { "phase": "post_install", "index": 0, "attempt": 1, "status": "error" },
            { "phase": "post_install", "index": 0, "attempt": 2, "status": "success" },
            { "phase": "validation", "index": 0, "attempt": 1, "status": "error" },
            { "phase": "action", "index": 0, "attempt": 1, "status": "error", "continued": true },
        ]);
        let told = last_action_result(&trace);
        assert_eq!(told["post_install"]["status"], "success");
        assert_eq!(told["post_install"]["steps"].as_array().unwrap().len(), 2);
        assert_eq!(told["validation"]["status"], "error");
        assert_eq!(told["action"]["status"], "success");
    }
}
