//! `GET /integrated-account/{id}` and its events.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use serde::Serialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Api, Problem};
use crate::events::account_view;
use crate::store::{Account, Store, StoreError};

/// The most events of one answer.
const EVENTS: u32 = 1000;

/// The id in the path; what does not even decode to text is no id.
type Id = Result<Path<String>, PathRejection>;

pub(super) async fn read(State(api): State<Api>, id: Id) -> Result<Json<Value>, Problem> {
    let account = find(&api, parse(id)?).await?;
    Ok(Json(account_answer(&api.store, &account).await?))
}

pub(super) async fn events(State(api): State<Api>, id: Id) -> Result<Json<Value>, Problem> {
    let id = parse(id)?;
    // A deleted account has events, too.
    if api.store.account(id).await?.is_none() {
        return Err(Problem::not_found("account"));
    }
    let events = api.store.account_events(id, 1, EVENTS).await?;
    let envelopes: Vec<Value> = events.iter().filter_map(|event| serde_json::from_str(&event.envelope).ok()).collect();
    Ok(Json(json!({ "result": envelopes })))
}

async fn find(api: &Api, id: Uuid) -> Result<Account, Problem> {
    let account = api.store.account(id).await?;
    account.filter(|account| account.status.is_some()).ok_or_else(|| Problem::not_found("account"))
}

fn parse(id: Id) -> Result<Uuid, Problem> {
    let id = id.ok().and_then(|Path(id)| Uuid::try_parse(&id).ok());
    id.ok_or_else(|| Problem::bad_request("id", "has to be a UUID"))
}

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
pub(super) fn new_account_answer(account: &Account) -> impl Serialize {
    Answer { account: account_view(account), last_action_result: Value::Null }
}

#[derive(Serialize)]
struct Answer<V> {
    #[serde(flatten)]
    account: V,
    last_action_result: Value,
}

/// A run's trace by action, each with its steps and whether all of them succeeded in the end.
#[must_use]
pub fn last_action_result(trace: &Value) -> Value {
    let mut actions = Map::new();
    for entry in trace.as_array().into_iter().flatten() {
        let phase = entry["phase"].as_str().unwrap_or("action");
        let action = actions.entry(phase).or_insert_with(|| json!({ "status": "success", "steps": [] }));
        // The last attempt decides: a retry that succeeded mends what went before it.
        action["status"] = if entry["status"] == "error" { json!("error") } else { json!("success") };
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
        ]);
        let told = last_action_result(&trace);
        assert_eq!(told["post_install"]["status"], "success");
        assert_eq!(told["post_install"]["steps"].as_array().unwrap().len(), 2);
        assert_eq!(told["validation"]["status"], "error");
    }
}
