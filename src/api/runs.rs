//! Runs on demand, and the runs of an account.

use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use super::import::{LOOK, id_header, wait_header};
use super::looks::Looks;
use super::read::{Id, parse};
use super::{Api, Problem};
use crate::accounts::{Demand, RunOrder, run_answer};
use crate::store::RunView;

/// The most runs of one answer.
const RUNS: u32 = 100;

type Body = Result<Bytes, BytesRejection>;

pub(super) async fn refresh(State(api): State<Api>, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    start(&api, &headers, account_of(body)?, Demand::Refresh).await
}

pub(super) async fn rerun(State(api): State<Api>, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    start(&api, &headers, account_of(body)?, Demand::Rerun).await
}

pub(super) async fn revalidate(State(api): State<Api>, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    start(&api, &headers, account_of(body)?, Demand::Revalidate).await
}

pub(super) async fn action(
    State(api): State<Api>,
    path: Result<Path<(String, String)>, PathRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let Ok(Path((id, name))) = path else { return Err(Problem::bad_request("id", "has to be a UUID")) };
    let account = parse(Ok(Path(id)))?;
    let body = read(body)?;
    // An action takes nothing yet; what is brought all the same would be lost without a word.
    if !body.is_empty() && serde_json::from_slice::<Nothing>(&body).is_err() {
        return Err(Problem::bad_request("body", "has to be empty, or {}: an action takes no input"));
    }
    start(&api, &headers, account, Demand::Action(&name)).await
}

pub(super) async fn list(State(api): State<Api>, id: Id) -> Result<Json<Value>, Problem> {
    let id = parse(id)?;
    // A deleted account had runs, too.
    if api.store.account(id).await?.is_none() {
        return Err(Problem::not_found("account"));
    }
    let runs = api.store.runs(id, RUNS).await?;
    Ok(Json(json!({ "result": runs.iter().map(run_answer).collect::<Vec<_>>() })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    id: Uuid,
}

fn read(body: Body) -> Result<Bytes, Problem> {
    body.map_err(|_| Problem::bad_request("body", "could not be read, or is too large"))
}

fn account_of(body: Body) -> Result<Uuid, Problem> {
    let named = serde_json::from_slice::<Named>(&read(body)?);
    named
        .map(|named| named.id)
        .map_err(|_| Problem::bad_request("body", "has to be {\"id\": ACCOUNT}, and nothing else"))
}

async fn start(api: &Api, headers: &HeaderMap, account: Uuid, demand: Demand<'_>) -> Result<Response, Problem> {
    let correlation_id = id_header(headers, "x-correlation-id")?;
    let mut run = api.intake.accounts.request_run(&RunOrder { account, demand, correlation_id }).await??;
    if let Some(wait) = wait_header(headers) {
        run = finished(api, run, wait).await?;
    }
    Ok((StatusCode::ACCEPTED, Json(json!({ "success": true, "run": run_answer(&run) }))).into_response())
}

/// Waits until the run has ended; answers it as it is when the time is up.
async fn finished(api: &Api, mut run: RunView, wait: Duration) -> Result<RunView, Problem> {
    let until = Instant::now() + wait;
    let mut looks = Looks::new(api, LOOK);
    while run.finished_at_ms.is_none()
        && let Some(ring) = looks.begin().await
    {
        run = api.store.run(run.id).await?.ok_or_else(|| Problem::not_found("run"))?;
        if run.finished_at_ms.is_none() && looks.rest(ring, Some(until)).await.is_none() {
            break;
        }
    }
    Ok(run)
}
