//! `GET /integrated-account/{id}` and its events.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Api, Problem};
use crate::accounts::account_answer;
use crate::store::Account;

/// The most events of one answer.
const EVENTS: u32 = 1000;

/// The id in the path; what does not even decode to text is no id.
pub(super) type Id = Result<Path<String>, PathRejection>;

pub(super) async fn read(State(api): State<Api>, id: Id) -> Result<Json<Value>, Problem> {
    let account = find(&api, parse(id)?).await?;
    Ok(Json(account_answer(&api.intake.accounts, &account).await?))
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

pub(super) fn parse(id: Id) -> Result<Uuid, Problem> {
    let id = id.ok().and_then(|Path(id)| Uuid::try_parse(&id).ok());
    id.ok_or_else(|| Problem::bad_request("id", "has to be a UUID"))
}
