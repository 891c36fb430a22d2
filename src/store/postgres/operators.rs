//! Operators' tools: replays and the quarantine.

use sqlx::{Postgres, QueryBuilder, Row as _};
use uuid::Uuid;

use super::super::operators::{
    self, candidate_columns, push_quarantine_filter, quarantine_columns, replay_columns, replay_item_columns,
};
use super::super::rows::RowError;
use super::super::{
    Candidate, FailedAt, NewReplay, QuarantineEntry, QuarantineFilter, QuarantineRow, Replay, ReplayItem, Settlement,
    StoreError,
};
use super::line::{Line, Lines};
use crate::lifecycle::{Status, Unknown};

/// The condition repeats the partial index's own: a plan that serves every status could not take it otherwise.
const FAILED: &str = concat!(
    "SELECT ",
    candidate_columns!(),
    " FROM accounts a WHERE a.status IN ('post_install_error', 'validation_error', 'needs_reauth') \
     AND a.status = $1 AND (a.updated_at, a.id) > ($2, $3) ORDER BY a.updated_at, a.id LIMIT $4"
);

const CANDIDATES: &str = concat!("SELECT ", candidate_columns!(), " FROM accounts a WHERE a.id = ANY ($1)");

const SAVE: &str = "WITH new AS (INSERT INTO replays (id, key, filter, cap, unknown_outcome, actor, created_at, started_at) \
    SELECT $1, $2, $3, $4, $5, $6, t.now, CASE WHEN $7 THEN t.now END FROM (SELECT now_ms() AS now) t \
    ON CONFLICT (key) DO NOTHING RETURNING id), \
    items AS (INSERT INTO replay_items (replay_id, place, account_id, run_id, expected_sequence, refusal) \
    SELECT new.id, i.place - 1, i.account, i.run, i.sequence, i.refusal FROM new CROSS JOIN \
    unnest($8::uuid[], $9::uuid[], $10::bigint[], $11::text[]) WITH ORDINALITY \
    AS i(account, run, sequence, refusal, place)) \
    SELECT EXISTS (SELECT 1 FROM new) AS made";

const REPLAY: &str = concat!("SELECT ", replay_columns!(), " FROM replays WHERE id = $1");
const REPLAY_OF_KEY: &str = concat!("SELECT ", replay_columns!(), " FROM replays WHERE key = $1");

/// A key that another replay has leaves this one as it is.
const START: &str = "UPDATE replays p SET key = $2, started_at = coalesce(started_at, now_ms()) \
    WHERE id = $1 AND (started_at IS NULL OR key = $2) \
    AND NOT EXISTS (SELECT 1 FROM replays o WHERE o.key = $2 AND o.id <> p.id)";

const ITEMS: &str =
    concat!("SELECT ", replay_item_columns!(), " WHERE i.replay_id = $1 AND i.place >= $2 ORDER BY i.place LIMIT $3");

const REFUSE: &str = "UPDATE replay_items i SET refusal = $3 WHERE replay_id = $1 AND place = $2 \
    AND refusal IS NULL AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.id = i.run_id)";

const FINISH: &str = "UPDATE replays SET finished_at = coalesce(finished_at, now_ms()) WHERE id = $1";

const ENTRY: &str = concat!("SELECT ", quarantine_columns!(), ", sealed, properties FROM quarantine WHERE id = $1");

const SETTLE: &str = "UPDATE quarantine SET state = $2, resubmitted_as = $3, settled_by = $4, settled_at = now_ms(), \
    sealed = CASE $2 WHEN 'dropped' THEN ''::bytea ELSE sealed END, \
    properties = CASE $2 WHEN 'dropped' THEN NULL ELSE properties END WHERE id = $1 AND state = 'held'";

/// For the test that prepares them.
pub const ALL: &[&str] =
    &[FAILED, CANDIDATES, SAVE, REPLAY, REPLAY_OF_KEY, START, ITEMS, REFUSE, FINISH, ENTRY, SETTLE];

pub(super) async fn failed(
    reads: &Lines,
    status: Status,
    after: FailedAt,
    limit: u32,
) -> Result<Vec<Candidate>, StoreError> {
    let mut taken = reads.take().await?;
    let rows = sqlx::query(FAILED)
        .bind(status.as_str())
        .bind(after.0)
        .bind(after.1)
        .bind(i64::from(limit))
        .fetch_all(taken.get())
        .await?;
    taken.keep();
    Ok(rows.iter().map(operators::candidate).collect::<Result<_, RowError>>()?)
}

pub(super) async fn candidates(reads: &Lines, accounts: &[Uuid]) -> Result<Vec<Candidate>, StoreError> {
    let mut taken = reads.take().await?;
    let rows = sqlx::query(CANDIDATES).bind(accounts).fetch_all(taken.get()).await?;
    taken.keep();
    Ok(rows.iter().map(operators::candidate).collect::<Result<_, RowError>>()?)
}

pub(super) async fn save(line: &Line, new: &NewReplay) -> Result<bool, StoreError> {
    let mut taken = line.take().await?;
    let row = sqlx::query(SAVE)
        .bind(new.id)
        .bind(&new.key)
        .bind(&new.filter)
        .bind(new.cap)
        .bind(new.unknown.map(Unknown::as_str))
        .bind(&new.actor)
        .bind(new.started)
        .bind(new.items.iter().map(|item| item.account).collect::<Vec<_>>())
        .bind(new.items.iter().map(|item| item.run).collect::<Vec<_>>())
        .bind(new.items.iter().map(|item| item.expected_sequence).collect::<Vec<_>>())
        .bind(new.items.iter().map(|item| item.refusal).collect::<Vec<_>>())
        .fetch_one(taken.get())
        .await?;
    taken.keep();
    Ok(row.try_get("made")?)
}

pub(super) async fn replay(reads: &Lines, id: Uuid) -> Result<Option<Replay>, StoreError> {
    let mut taken = reads.take().await?;
    let row = sqlx::query(REPLAY).bind(id).fetch_optional(taken.get()).await?;
    taken.keep();
    Ok(row.as_ref().map(operators::replay).transpose()?)
}

pub(super) async fn replay_of_key(reads: &Lines, key: &str) -> Result<Option<Replay>, StoreError> {
    let mut taken = reads.take().await?;
    let row = sqlx::query(REPLAY_OF_KEY).bind(key).fetch_optional(taken.get()).await?;
    taken.keep();
    Ok(row.as_ref().map(operators::replay).transpose()?)
}

pub(super) async fn start(line: &Line, id: Uuid, key: &str) -> Result<bool, StoreError> {
    let mut taken = line.take().await?;
    let done = sqlx::query(START).bind(id).bind(key).execute(taken.get()).await?;
    taken.keep();
    Ok(done.rows_affected() == 1)
}

pub(super) async fn items(reads: &Lines, id: Uuid, from_place: i64, limit: u32) -> Result<Vec<ReplayItem>, StoreError> {
    let mut taken = reads.take().await?;
    let rows = sqlx::query(ITEMS).bind(id).bind(from_place).bind(i64::from(limit)).fetch_all(taken.get()).await?;
    taken.keep();
    Ok(rows.iter().map(operators::replay_item).collect::<Result<_, RowError>>()?)
}

pub(super) async fn refuse(line: &Line, id: Uuid, place: i64, code: &str) -> Result<(), StoreError> {
    let mut taken = line.take().await?;
    sqlx::query(REFUSE).bind(id).bind(place).bind(code).execute(taken.get()).await?;
    taken.keep();
    Ok(())
}

pub(super) async fn finish(line: &Line, id: Uuid) -> Result<(), StoreError> {
    let mut taken = line.take().await?;
    sqlx::query(FINISH).bind(id).execute(taken.get()).await?;
    taken.keep();
    Ok(())
}

pub(super) async fn quarantined(
    reads: &Lines,
    filter: &QuarantineFilter,
    limit: u32,
) -> Result<Vec<QuarantineRow>, StoreError> {
    let mut query: QueryBuilder<Postgres> =
        QueryBuilder::new(concat!("SELECT ", quarantine_columns!(), " FROM quarantine WHERE true"));
    push_quarantine_filter!(query, filter);
    query.push(" ORDER BY id LIMIT ").push_bind(i64::from(limit));
    let mut taken = reads.take().await?;
    let rows = query.build().fetch_all(taken.get()).await?;
    taken.keep();
    Ok(rows.iter().map(operators::quarantine_row).collect::<Result<_, RowError>>()?)
}

pub(super) async fn entry(reads: &Lines, id: Uuid) -> Result<Option<QuarantineEntry>, StoreError> {
    let mut taken = reads.take().await?;
    let row = sqlx::query(ENTRY).bind(id).fetch_optional(taken.get()).await?;
    taken.keep();
    Ok(row.as_ref().map(operators::quarantine_entry).transpose()?)
}

pub(super) async fn settle(line: &Line, id: Uuid, how: &Settlement, actor: &str) -> Result<bool, StoreError> {
    let (state, sent_as) = operators::settled(how);
    let mut taken = line.take().await?;
    let done = sqlx::query(SETTLE).bind(id).bind(state).bind(sent_as).bind(actor).execute(taken.get()).await?;
    taken.keep();
    Ok(done.rows_affected() == 1)
}
