//! Claims, heartbeats and takeovers.

use std::time::Duration;

use sqlx::SqliteConnection;
use uuid::Uuid;

use super::super::handed::Handed;
use super::super::rows::{self, Columns as _, RowError, account_columns, credential_columns, run_columns};
use super::super::{Claimed, Claims, Standing, StoreError};
use super::{Writer, now};
use crate::lifecycle::Region;

const PROMOTE: &str =
    concat!("UPDATE runs SET state = 'queued', due_at = NULL WHERE state = 'waiting' AND due_at <= ", now!());

const CLAIM: &str = concat!(
    "UPDATE runs SET state = 'running', owner = ?1, fence = fence + 1, claimed_at = coalesce(claimed_at, ",
    now!(),
    ") WHERE id IN (SELECT id FROM runs WHERE state = 'queued' \
     AND region IN (SELECT value FROM json_each(?2)) ORDER BY fair_key LIMIT ?3) RETURNING id"
);

/// Whether there is anything to do, so that an idle poll takes no write lock.
const ANY_DUE: &str = concat!(
    "SELECT EXISTS (SELECT 1 FROM runs WHERE state = 'queued') OR \
     EXISTS (SELECT 1 FROM runs WHERE state = 'waiting' AND due_at <= ",
    now!(),
    ")"
);

const NEXT_DUE: &str = concat!("SELECT min(due_at) - ", now!(), " FROM runs WHERE state = 'waiting'");

pub(super) async fn claim(
    writer: &Writer,
    handed: &Handed,
    worker: Uuid,
    regions: &[Region],
    limit: u32,
) -> Result<Claims, StoreError> {
    let mut taken = writer.take().await?;
    let any: bool = sqlx::query_scalar(ANY_DUE).fetch_one(taken.get()).await?;
    let mut runs = Vec::new();
    let next_due_ms: Option<i64>;
    if any {
        sqlx::query("BEGIN IMMEDIATE").execute(taken.get()).await?;
        sqlx::query(PROMOTE).execute(taken.get()).await?;
        let claimed: Vec<Uuid> = sqlx::query_scalar(CLAIM)
            .bind(worker)
            .bind(regions_json(regions))
            .bind(i64::from(limit))
            .fetch_all(taken.get())
            .await?;
        for id in claimed {
            match read(taken.get(), id).await {
                Ok(run) => runs.push(run),
                Err(RowError::Sqlx(error)) => return Err(error.into()),
                Err(error) => rows::tell_unreadable(id, &error),
            }
        }
        // Before the commit: nothing may fail between it and the answer.
        next_due_ms = sqlx::query_scalar(NEXT_DUE).fetch_one(taken.get()).await?;
        handed.note(runs.iter().map(|(_, claimed)| claimed.run.id));
        taken.commit().await?;
    } else {
        next_due_ms = sqlx::query_scalar(NEXT_DUE).fetch_one(taken.get()).await?;
        taken.keep();
    }
    // RETURNING promises no order.
    runs.sort_by_key(|(fair_key, _)| *fair_key);
    Ok(Claims { runs: runs.into_iter().map(|(_, run)| run).collect(), next_due_ms: next_due_ms.map(|ms| ms.max(0)) })
}

fn regions_json(regions: &[Region]) -> String {
    serde_json::json!(regions).to_string()
}

const CLAIMED: &str = concat!(
    "SELECT ",
    run_columns!(),
    ", ",
    account_columns!(),
    ", ",
    credential_columns!(),
    ", ",
    now!(),
    " - c.intent_at AS intent_age, ",
    now!(),
    " - r.claimed_at AS elapsed, r.fair_key FROM runs r JOIN accounts a ON a.id = r.account_id \
     JOIN credentials c ON c.account_id = a.id WHERE r.id = ?"
);

/// A claimed run with its account and secrets, and its fair key.
async fn read(db: &mut SqliteConnection, run: Uuid) -> Result<(i64, Claimed), RowError> {
    let row = sqlx::query(CLAIMED).bind(run).fetch_one(db).await?;
    let claimed = Claimed {
        run: rows::run(&row)?,
        account: rows::account(&row)?,
        credential: rows::credential(&row)?,
        elapsed_ms: row.int("elapsed")?.unwrap_or(0),
    };
    Ok((row.int("fair_key")?.unwrap_or(0), claimed))
}

const BEAT: &str = concat!(
    "INSERT INTO workers (id, regions, heartbeat_at) VALUES (?1, ?2, ",
    now!(),
    ") ON CONFLICT (id) DO UPDATE SET heartbeat_at = excluded.heartbeat_at"
);

/// The lock file proves who lives, so a beat only registers: one write in a worker's life.
pub(super) async fn heartbeat(writer: &Writer, worker: Uuid, regions: &[Region]) -> Result<Standing, StoreError> {
    let mut taken = writer.take().await?;
    let known: Option<i64> =
        sqlx::query_scalar("SELECT 1 FROM workers WHERE id = ?").bind(worker).fetch_optional(taken.get()).await?;
    if known.is_none() {
        sqlx::query(BEAT).bind(worker).bind(regions_json(regions)).execute(taken.get()).await?;
    }
    let ids: Vec<Uuid> = sqlx::query_scalar("SELECT id FROM workers ORDER BY id").fetch_all(taken.get()).await?;
    taken.keep();
    let rank = ids.iter().position(|id| *id == worker).unwrap_or(0) as u32;
    Ok(Standing { rank, live: ids.len().max(1) as u32 })
}

const OWNED: &str = "SELECT id, owner FROM runs WHERE state = 'running' AND CASE WHEN owner = ?1 THEN claimed_at <= ?2 \
    ELSE owner NOT IN (SELECT id FROM workers WHERE heartbeat_at > ?2) END";

const REQUEUE: &str = "UPDATE runs SET state = 'queued', owner = NULL, fence = fence + 1 WHERE id = ?";

pub(super) async fn take_over(
    writer: &Writer,
    handed: &Handed,
    worker: Uuid,
    dead_after: Duration,
    held: &[Uuid],
) -> Result<u64, StoreError> {
    let mut taken = writer.begin().await?;
    let held = handed.with(held);
    let now: i64 = sqlx::query_scalar(concat!("SELECT ", now!())).fetch_one(taken.get()).await?;
    // No time at all means that everybody else is known to be dead, whatever a clock that was set back says.
    let oldest = if dead_after.is_zero() { i64::MAX } else { now - dead_after.as_millis() as i64 };
    let owned: Vec<(Uuid, Uuid)> = sqlx::query_as(OWNED).bind(worker).bind(oldest).fetch_all(taken.get()).await?;
    let mut requeued = 0;
    for (run, owner) in owned {
        if owner != worker || !held.contains(&run) {
            sqlx::query(REQUEUE).bind(run).execute(taken.get()).await?;
            requeued += 1;
        }
    }
    sqlx::query("DELETE FROM workers WHERE id <> ? AND heartbeat_at <= ?")
        .bind(worker)
        .bind(oldest)
        .execute(taken.get())
        .await?;
    taken.commit().await?;
    Ok(requeued)
}

pub(super) async fn retire(writer: &Writer, worker: Uuid) -> Result<(), StoreError> {
    let mut taken = writer.begin().await?;
    sqlx::query(
        "UPDATE runs SET state = 'queued', owner = NULL, fence = fence + 1 WHERE state = 'running' AND owner = ?",
    )
    .bind(worker)
    .execute(taken.get())
    .await?;
    sqlx::query("DELETE FROM workers WHERE id = ?").bind(worker).execute(taken.get()).await?;
    taken.commit().await?;
    Ok(())
}
