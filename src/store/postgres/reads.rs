//! Reads for the API and the command line.

use sqlx::{Postgres, QueryBuilder};
use uuid::Uuid;

use super::super::rows::{self, RowError};
use super::super::{Account, AccountFilter, Backlog, Credential, Left, RunView, StoreError, StoredEvent};
use super::line::Lines;
use super::sql;

pub(super) async fn account(reads: &Lines, id: Uuid) -> Result<Option<Account>, StoreError> {
    let mut taken = reads.take().await?;
    let row = sqlx::query(sql::ACCOUNT).bind(id).fetch_optional(taken.get()).await?;
    taken.keep();
    Ok(row.as_ref().map(rows::account).transpose()?)
}

pub(super) async fn accounts(reads: &Lines, filter: &AccountFilter, limit: u32) -> Result<Vec<Account>, StoreError> {
    let mut query: QueryBuilder<Postgres> = QueryBuilder::new(sql::ACCOUNTS);
    rows::push_filter!(query, filter, "(a.reason::json ->> 'code')");
    query.push(" ORDER BY a.id LIMIT ").push_bind(i64::from(limit));
    let mut taken = reads.take().await?;
    let rows = query.build().fetch_all(taken.get()).await?;
    taken.keep();
    Ok(rows.iter().map(rows::account).collect::<Result<_, RowError>>()?)
}

pub(super) async fn credential(reads: &Lines, account: Uuid) -> Result<Option<Credential>, StoreError> {
    let mut taken = reads.take().await?;
    let row = sqlx::query(sql::CREDENTIAL).bind(account).fetch_optional(taken.get()).await?;
    taken.keep();
    Ok(row.as_ref().map(rows::credential).transpose()?)
}

pub(super) async fn run(reads: &Lines, id: Uuid) -> Result<Option<RunView>, StoreError> {
    let mut taken = reads.take().await?;
    let row = sqlx::query(sql::RUN).bind(id).fetch_optional(taken.get()).await?;
    taken.keep();
    Ok(row.as_ref().map(rows::run_view).transpose()?)
}

pub(super) async fn runs(reads: &Lines, account: Uuid, limit: u32) -> Result<Vec<RunView>, StoreError> {
    let mut taken = reads.take().await?;
    let rows = sqlx::query(sql::RUNS).bind(account).bind(i64::from(limit)).fetch_all(taken.get()).await?;
    taken.keep();
    Ok(rows.iter().map(rows::run_view).collect::<Result<_, RowError>>()?)
}

pub(super) async fn left_by(reads: &Lines, run: Uuid) -> Result<Option<Left>, StoreError> {
    let mut taken = reads.take().await?;
    let row = sqlx::query(sql::LEFT).bind(run).fetch_optional(taken.get()).await?;
    taken.keep();
    Ok(row.as_ref().map(rows::left).transpose()?)
}

pub(super) async fn account_events(
    reads: &Lines,
    account: Uuid,
    from_sequence: i64,
    limit: u32,
) -> Result<Vec<StoredEvent>, StoreError> {
    let mut taken = reads.take().await?;
    let rows = sqlx::query(sql::ACCOUNT_EVENTS)
        .bind(account)
        .bind(from_sequence)
        .bind(i64::from(limit))
        .fetch_all(taken.get())
        .await?;
    taken.keep();
    Ok(rows.iter().map(rows::event).collect::<Result<_, RowError>>()?)
}

pub(super) async fn events_since(reads: &Lines, from_ms: i64, limit: u32) -> Result<Vec<StoredEvent>, StoreError> {
    let mut taken = reads.take().await?;
    let rows = sqlx::query(sql::EVENTS_SINCE).bind(from_ms).bind(i64::from(limit)).fetch_all(taken.get()).await?;
    taken.keep();
    Ok(rows.iter().map(rows::event).collect::<Result<_, RowError>>()?)
}

pub(super) async fn now_ms(reads: &Lines) -> Result<i64, StoreError> {
    let mut taken = reads.take().await?;
    let now_ms = sqlx::query_scalar(sql::NOW).fetch_one(taken.get()).await?;
    taken.keep();
    Ok(now_ms)
}

pub(super) async fn backlog(reads: &Lines) -> Result<Backlog, StoreError> {
    let mut taken = reads.take().await?;
    let row = sqlx::query(sql::BACKLOG).fetch_one(taken.get()).await?;
    taken.keep();
    Ok(rows::backlog(&row)?)
}

pub(super) async fn message(
    lines: &Lines,
    environment: Uuid,
    id: &str,
) -> Result<Option<(Uuid, [u8; 32])>, StoreError> {
    let mut taken = lines.take().await?;
    let row = sqlx::query(sql::MESSAGE).bind(environment).bind(id).fetch_optional(taken.get()).await?;
    taken.keep();
    Ok(row.as_ref().map(rows::message).transpose()?)
}
