//! Reads for the API and the command line.

use sqlx::{QueryBuilder, Sqlite, SqlitePool};
use uuid::Uuid;

use super::super::rows::{self, RowError, account_columns, credential_columns, left_columns, run_view_columns};
use super::super::{Account, AccountFilter, Backlog, Credential, Left, RunView, StoreError, StoredEvent};
use super::now;

pub(super) async fn account(reads: &SqlitePool, id: Uuid) -> Result<Option<Account>, StoreError> {
    let row = sqlx::query(concat!("SELECT ", account_columns!(), " FROM accounts a WHERE a.id = ?"))
        .bind(id)
        .fetch_optional(reads)
        .await?;
    Ok(row.as_ref().map(rows::account).transpose()?)
}

pub(super) async fn accounts(
    reads: &SqlitePool,
    filter: &AccountFilter,
    limit: u32,
) -> Result<Vec<Account>, StoreError> {
    let mut query: QueryBuilder<Sqlite> =
        QueryBuilder::new(concat!("SELECT ", account_columns!(), " FROM accounts a WHERE a.status IS NOT NULL"));
    rows::push_filter!(query, filter, "json_extract(a.reason, '$.code')");
    query.push(" ORDER BY a.id LIMIT ").push_bind(i64::from(limit));
    let rows = query.build().fetch_all(reads).await?;
    Ok(rows.iter().map(rows::account).collect::<Result<_, RowError>>()?)
}

const CREDENTIAL: &str = concat!(
    "SELECT ",
    credential_columns!(),
    ", ",
    now!(),
    " - c.intent_at AS intent_age FROM credentials c WHERE c.account_id = ?"
);

pub(super) async fn credential(reads: &SqlitePool, account: Uuid) -> Result<Option<Credential>, StoreError> {
    let row = sqlx::query(CREDENTIAL).bind(account).fetch_optional(reads).await?;
    Ok(row.as_ref().map(rows::credential).transpose()?)
}

const RUN: &str = concat!("SELECT ", run_view_columns!(), " FROM runs WHERE id = ?");

pub(super) async fn run(reads: &SqlitePool, id: Uuid) -> Result<Option<RunView>, StoreError> {
    let row = sqlx::query(RUN).bind(id).fetch_optional(reads).await?;
    Ok(row.as_ref().map(rows::run_view).transpose()?)
}

const RUNS: &str = concat!("SELECT ", run_view_columns!(), " FROM runs WHERE account_id = ? ORDER BY id DESC LIMIT ?");

pub(super) async fn runs(reads: &SqlitePool, account: Uuid, limit: u32) -> Result<Vec<RunView>, StoreError> {
    let rows = sqlx::query(RUNS).bind(account).bind(i64::from(limit)).fetch_all(reads).await?;
    Ok(rows.iter().map(rows::run_view).collect::<Result<_, RowError>>()?)
}

const LEFT: &str = concat!("SELECT ", left_columns!(), " AND id = ?");

pub(super) async fn left_by(reads: &SqlitePool, run: Uuid) -> Result<Option<Left>, StoreError> {
    let row = sqlx::query(LEFT).bind(run).fetch_optional(reads).await?;
    Ok(row.as_ref().map(rows::left).transpose()?)
}

pub(super) async fn account_events(
    reads: &SqlitePool,
    account: Uuid,
    from_sequence: i64,
    limit: u32,
) -> Result<Vec<StoredEvent>, StoreError> {
    let rows = sqlx::query(
        "SELECT account_id, sequence, event_type, envelope, inserted_at FROM events \
         WHERE account_id = ? AND sequence >= ? ORDER BY sequence LIMIT ?",
    )
    .bind(account)
    .bind(from_sequence)
    .bind(i64::from(limit))
    .fetch_all(reads)
    .await?;
    Ok(rows.iter().map(rows::event).collect::<Result<_, RowError>>()?)
}

pub(super) async fn events_since(reads: &SqlitePool, from_ms: i64, limit: u32) -> Result<Vec<StoredEvent>, StoreError> {
    let rows = sqlx::query(
        "SELECT account_id, sequence, event_type, envelope, inserted_at FROM events \
         WHERE inserted_at >= ? ORDER BY inserted_at, account_id, sequence LIMIT ?",
    )
    .bind(from_ms)
    .bind(i64::from(limit))
    .fetch_all(reads)
    .await?;
    Ok(rows.iter().map(rows::event).collect::<Result<_, RowError>>()?)
}

pub(super) async fn now_ms(reads: &SqlitePool) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar(concat!("SELECT ", now!())).fetch_one(reads).await?)
}

/// Ages are looked for among the first thousand by account id, which begins with the account's age.
const BACKLOG: &str = concat!(
    "SELECT (SELECT count(*) FROM runs WHERE state = 'queued') AS queued, \
     (SELECT count(*) FROM runs WHERE state = 'running') AS running, \
     (SELECT count(*) FROM runs WHERE state = 'waiting') AS waiting, \
     t - (SELECT min(inserted_at) FROM runs WHERE state = 'queued') AS oldest_queued, \
     t - (SELECT min(r.inserted_at) FROM (SELECT account_id, inserted_at FROM runs WHERE state <> 'finished' \
          ORDER BY account_id LIMIT 1000) r JOIN accounts a ON a.id = r.account_id AND a.status = 'connecting') \
     AS oldest_connecting, \
     (SELECT count(*) FROM outbox) AS outbox, \
     t - (SELECT min(e.inserted_at) FROM (SELECT account_id, sequence FROM outbox \
          ORDER BY shard, account_id LIMIT 1000) o JOIN events e ON e.account_id = o.account_id \
          AND e.sequence = o.sequence) AS oldest_outbox, \
     (SELECT count(*) FROM quarantine WHERE state = 'held') AS quarantined \
     FROM (SELECT ",
    now!(),
    " AS t)"
);

pub(super) async fn backlog(reads: &SqlitePool) -> Result<Backlog, StoreError> {
    let row = sqlx::query(BACKLOG).fetch_one(reads).await?;
    Ok(rows::backlog(&row)?)
}

pub(super) async fn message(
    reads: &SqlitePool,
    environment: Uuid,
    id: &str,
) -> Result<Option<(Uuid, [u8; 32])>, StoreError> {
    let row = sqlx::query("SELECT account_id, fingerprint FROM runs WHERE environment_id = ? AND message_id = ?")
        .bind(environment)
        .bind(id)
        .fetch_optional(reads)
        .await?;
    Ok(row.as_ref().map(rows::message).transpose()?)
}
