//! `GET /gates`: which ways of installs to hosts are closed now, by whatever worker.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::{Api, Problem};

pub(super) async fn closed(State(api): State<Api>) -> Result<Json<Value>, Problem> {
    Ok(Json(json!({ "result": api.store.closed_gates().await? })))
}
