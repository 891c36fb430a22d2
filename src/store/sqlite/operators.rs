//! Operators' tools: replays and the quarantine.

use sqlx::{QueryBuilder, Sqlite, SqlitePool};
use uuid::Uuid;

use super::super::operators::{
    self, candidate_columns, push_quarantine_filter, quarantine_columns, replay_columns, replay_item_columns,
};
use super::super::rows::RowError;
use super::super::{
    Candidate, FailedAt, NewReplay, NewReplayItem, QuarantineEntry, QuarantineFilter, QuarantineRow, Replay,
    ReplayItem, Settlement, StoreError,
};
use super::bulk::Bulk;
use super::{Writer, now};
use crate::lifecycle::{Status, Unknown};

/// The condition repeats the partial index's own, or SQLite does not take it.
const FAILED: &str = concat!(
    "SELECT ",
    candidate_columns!(),
    " FROM accounts a WHERE a.status IN ('post_install_error', 'validation_error', 'needs_reauth') \
     AND a.status = ?1 AND (a.updated_at, a.id) > (?2, ?3) ORDER BY a.updated_at, a.id LIMIT ?4"
);

pub(super) async fn failed(
    reads: &SqlitePool,
    status: Status,
    after: FailedAt,
    limit: u32,
) -> Result<Vec<Candidate>, StoreError> {
    let rows = sqlx::query(FAILED)
        .bind(status.as_str())
        .bind(after.0)
        .bind(after.1)
        .bind(i64::from(limit))
        .fetch_all(reads)
        .await?;
    Ok(rows.iter().map(operators::candidate).collect::<Result<_, RowError>>()?)
}

const CANDIDATE: &str = concat!("SELECT ", candidate_columns!(), " FROM accounts a WHERE a.id = ?");

pub(super) async fn candidates(reads: &SqlitePool, accounts: &[Uuid]) -> Result<Vec<Candidate>, StoreError> {
    let mut found = Vec::new();
    for account in accounts {
        let row = sqlx::query(CANDIDATE).bind(account).fetch_optional(reads).await?;
        found.extend(row.as_ref().map(operators::candidate).transpose()?);
    }
    Ok(found)
}

const SAVE: &str = concat!(
    "INSERT INTO replays (id, key, filter, cap, unknown_outcome, actor, created_at, started_at) \
     SELECT ?1, ?2, ?3, ?4, ?5, ?6, t, CASE WHEN ?7 THEN t END FROM (SELECT ",
    now!(),
    " AS t) WHERE true ON CONFLICT (key) DO NOTHING"
);

const SAVE_ITEMS: Bulk = Bulk::insert(
    "INSERT INTO replay_items (replay_id, place, account_id, run_id, expected_sequence, refusal) VALUES ",
    "(?, ?, ?, ?, ?, ?)",
);

pub(super) async fn save(writer: &Writer, new: &NewReplay) -> Result<bool, StoreError> {
    let mut taken = writer.begin().await?;
    let made = sqlx::query(SAVE)
        .bind(new.id)
        .bind(&new.key)
        .bind(&new.filter)
        .bind(new.cap)
        .bind(new.unknown.map(Unknown::as_str))
        .bind(&new.actor)
        .bind(new.started)
        .execute(taken.get())
        .await?
        .rows_affected()
        == 1;
    if made {
        let items: Vec<(i64, &NewReplayItem)> = (0..).zip(&new.items).collect();
        SAVE_ITEMS
            .run(taken.get(), &items, |statement, (place, item)| {
                let statement = statement.bind(new.id).bind(*place).bind(item.account).bind(item.run);
                statement.bind(item.expected_sequence).bind(item.refusal)
            })
            .await?;
    }
    taken.commit().await?;
    Ok(made)
}

const REPLAY: &str = concat!("SELECT ", replay_columns!(), " FROM replays WHERE id = ?");
const REPLAY_OF_KEY: &str = concat!("SELECT ", replay_columns!(), " FROM replays WHERE key = ?");

pub(super) async fn replay(reads: &SqlitePool, id: Uuid) -> Result<Option<Replay>, StoreError> {
    let row = sqlx::query(REPLAY).bind(id).fetch_optional(reads).await?;
    Ok(row.as_ref().map(operators::replay).transpose()?)
}

pub(super) async fn replay_of_key(reads: &SqlitePool, key: &str) -> Result<Option<Replay>, StoreError> {
    let row = sqlx::query(REPLAY_OF_KEY).bind(key).fetch_optional(reads).await?;
    Ok(row.as_ref().map(operators::replay).transpose()?)
}

const START: &str = concat!(
    "UPDATE OR IGNORE replays SET key = ?2, started_at = coalesce(started_at, ",
    now!(),
    ") WHERE id = ?1 AND (started_at IS NULL OR key = ?2)"
);

pub(super) async fn start(writer: &Writer, id: Uuid, key: &str) -> Result<bool, StoreError> {
    let mut taken = writer.begin().await?;
    let started = sqlx::query(START).bind(id).bind(key).execute(taken.get()).await?.rows_affected() == 1;
    taken.commit().await?;
    Ok(started)
}

const ITEMS: &str =
    concat!("SELECT ", replay_item_columns!(), " WHERE i.replay_id = ?1 AND i.place >= ?2 ORDER BY i.place LIMIT ?3");

pub(super) async fn items(
    reads: &SqlitePool,
    id: Uuid,
    from_place: i64,
    limit: u32,
) -> Result<Vec<ReplayItem>, StoreError> {
    let rows = sqlx::query(ITEMS).bind(id).bind(from_place).bind(i64::from(limit)).fetch_all(reads).await?;
    Ok(rows.iter().map(operators::replay_item).collect::<Result<_, RowError>>()?)
}

const REFUSE: &str = "UPDATE replay_items SET refusal = ?3 WHERE replay_id = ?1 AND place = ?2 AND refusal IS NULL \
    AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.id = replay_items.run_id)";

pub(super) async fn refuse(writer: &Writer, id: Uuid, place: i64, code: &str) -> Result<(), StoreError> {
    let mut taken = writer.begin().await?;
    sqlx::query(REFUSE).bind(id).bind(place).bind(code).execute(taken.get()).await?;
    taken.commit().await?;
    Ok(())
}

const FINISH: &str = concat!("UPDATE replays SET finished_at = coalesce(finished_at, ", now!(), ") WHERE id = ?");

pub(super) async fn finish(writer: &Writer, id: Uuid) -> Result<(), StoreError> {
    let mut taken = writer.begin().await?;
    sqlx::query(FINISH).bind(id).execute(taken.get()).await?;
    taken.commit().await?;
    Ok(())
}

pub(super) async fn quarantined(
    reads: &SqlitePool,
    filter: &QuarantineFilter,
    limit: u32,
) -> Result<Vec<QuarantineRow>, StoreError> {
    let mut query: QueryBuilder<Sqlite> =
        QueryBuilder::new(concat!("SELECT ", quarantine_columns!(), " FROM quarantine WHERE true"));
    push_quarantine_filter!(query, filter);
    query.push(" ORDER BY id LIMIT ").push_bind(i64::from(limit));
    let rows = query.build().fetch_all(reads).await?;
    Ok(rows.iter().map(operators::quarantine_row).collect::<Result<_, RowError>>()?)
}

const ENTRY: &str = concat!("SELECT ", quarantine_columns!(), ", sealed, properties FROM quarantine WHERE id = ?");

pub(super) async fn entry(reads: &SqlitePool, id: Uuid) -> Result<Option<QuarantineEntry>, StoreError> {
    let row = sqlx::query(ENTRY).bind(id).fetch_optional(reads).await?;
    Ok(row.as_ref().map(operators::quarantine_entry).transpose()?)
}

const SETTLE: &str = concat!(
    "UPDATE quarantine SET state = ?2, resubmitted_as = ?3, settled_by = ?4, settled_at = ",
    now!(),
    ", sealed = CASE ?2 WHEN 'dropped' THEN x'' ELSE sealed END, \
     properties = CASE ?2 WHEN 'dropped' THEN NULL ELSE properties END WHERE id = ?1 AND state = 'held'"
);

pub(super) async fn settle(writer: &Writer, id: Uuid, how: &Settlement, actor: &str) -> Result<bool, StoreError> {
    let (state, sent_as) = operators::settled(how);
    let mut taken = writer.begin().await?;
    let done = sqlx::query(SETTLE).bind(id).bind(state).bind(sent_as).bind(actor).execute(taken.get()).await?;
    taken.commit().await?;
    Ok(done.rows_affected() == 1)
}

#[cfg(test)]
mod tests {
    use sqlx::{AssertSqlSafe, Connection as _, Row as _};

    use super::*;
    use crate::store::migrate::STEPS;

    #[tokio::test]
    async fn large_tables_are_read_by_their_indices() {
        let mut db = sqlx::SqliteConnection::connect("sqlite::memory:").await.unwrap();
        for step in STEPS {
            sqlx::raw_sql(step.sqlite).execute(&mut db).await.unwrap();
        }
        for (statement, index) in [
            (FAILED, "a USING INDEX accounts_failed_at (status=? AND (updated_at,id)>(?,?))"),
            (FAILED, "r USING INDEX runs_unfinished (account_id=?)"),
            (ITEMS, "r USING INDEX sqlite_autoindex_runs_1 (id=?)"),
            (REPLAY_OF_KEY, "replays USING INDEX sqlite_autoindex_replays_2 (key=?)"),
        ] {
            let plan = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
            let rows = sqlx::query(plan).fetch_all(&mut db).await.unwrap();
            let told: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
            assert!(told.iter().any(|line| line.contains(index)), "{index}: {told:#?}");
            assert!(!told.iter().any(|line| line.contains("TEMP B-TREE") || line.starts_with("SCAN a")), "{told:#?}");
        }
    }
}
