//! `POST /integrated-account`.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use tokio::time::Instant;
use uuid::Uuid;

use super::looks::Looks;
use super::{Api, Problem};
use crate::accounts::{account_answer, new_account_answer};
use crate::intake::{Delivery, Disposition, Refusal, message::check_id, traceparent};
use crate::lifecycle::{IntakeCode, Status};
use crate::store::{Account, Channel};

/// The longest `Prefer: wait`, in seconds.
const LONGEST_WAIT: u64 = 60;
/// How often an account is looked at while waiting, when no commit of this process rings.
pub(super) const LOOK: Duration = Duration::from_millis(250);

pub(super) async fn import(
    State(api): State<Api>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let body = body.map_err(|_| {
        let message = "the body could not be read, or has more than 1 MiB";
        Problem::from(Refusal::new(IntakeCode::TooLarge, message))
    })?;
    let delivery = Delivery {
        bytes: body.into(),
        message_id: id_header(&headers, "idempotency-key")?,
        correlation_id: id_header(&headers, "x-correlation-id")?,
        traceparent: headers.get("traceparent").and_then(|value| traceparent(value.to_str().ok()?)),
        ..Delivery::default()
    };
    match api.intake.receive(Channel::Http, &delivery).await? {
        Disposition::Accepted(account) => {
            let Some(wait) = wait_header(&headers) else {
                return Ok((StatusCode::CREATED, axum::Json(new_account_answer(&account))).into_response());
            };
            let answer = account_answer(&api.intake.accounts, &settled(&api, *account, wait).await?).await?;
            Ok((StatusCode::CREATED, axum::Json(answer)).into_response())
        }
        Disposition::Duplicate(id) => replayed(&api, id, wait_header(&headers)).await,
        Disposition::Refused(refusal) => Err(refusal.into()),
    }
}

async fn replayed(api: &Api, id: Uuid, wait: Option<Duration>) -> Result<Response, Problem> {
    let account = api.store.account(id).await?.ok_or_else(|| Problem::not_found("account"))?;
    let account = match wait {
        Some(wait) => settled(api, account, wait).await?,
        None => account,
    };
    let mut response = axum::Json(account_answer(&api.intake.accounts, &account).await?).into_response();
    response.headers_mut().insert(HeaderName::from_static("idempotency-replayed"), HeaderValue::from_static("true"));
    Ok(response)
}

/// Waits until the account is no longer connecting; answers it as it is when the time is up.
async fn settled(api: &Api, mut account: Account, wait: Duration) -> Result<Account, Problem> {
    let until = Instant::now() + wait;
    let mut looks = Looks::new(api, LOOK);
    while account.status == Some(Status::Connecting)
        && let Some(ring) = looks.begin().await
    {
        account = api.store.account(account.id).await?.ok_or_else(|| Problem::not_found("account"))?;
        if account.status == Some(Status::Connecting) && looks.rest(ring, Some(until)).await.is_none() {
            break;
        }
    }
    Ok(account)
}

/// A header that carries an id, checked like a message's.
pub(super) fn id_header(headers: &HeaderMap, name: &'static str) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let text = value.to_str().map_err(|_| Problem::bad_request(name, "has to be printable ASCII"))?;
    check_id(text).map_err(|message| Problem::bad_request(name, message))?;
    Ok(Some(text.to_owned()))
}

/// `Prefer: wait=SECONDS` (RFC 7240).
pub(super) fn wait_header(headers: &HeaderMap) -> Option<Duration> {
    headers
        .get_all("prefer")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .find_map(|preference| preference.trim().strip_prefix("wait=")?.parse().ok())
        .map(|seconds: u64| Duration::from_secs(seconds.min(LONGEST_WAIT)))
}
