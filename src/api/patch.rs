//! `PATCH /integrated-account/{id}`.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use serde_json::Value;

use super::read::{Id, parse};
use super::{Api, Problem};
use crate::accounts::account_answer;
use crate::intake::{Refusal, read_patch};
use crate::lifecycle::IntakeCode;

pub(super) async fn patch(
    State(api): State<Api>,
    id: Id,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, Problem> {
    let id = parse(id)?;
    let body = body.map_err(|_| {
        let message = "the body could not be read, or has more than 1 MiB";
        Problem::from(Refusal::new(IntakeCode::TooLarge, message))
    })?;
    let accounts = &api.intake.accounts;
    let account = accounts.patch(id, &read_patch(&body)?).await?;
    Ok(Json(account_answer(accounts, &account).await?))
}
