//! Claims, heartbeats and takeovers.

use std::collections::HashMap;
use std::time::Duration;

use sqlx::Row as _;
use uuid::Uuid;

use super::super::handed::Handed;
use super::super::rows::{self, Columns as _, RowError};
use super::super::{Claimed, Claims, Run, Standing, StoreError};
use super::line::{Line, Taken};
use super::sql;
use crate::lifecycle::Region;

/// A worker whose heartbeat is younger counts for the division of shards.
pub(super) const ALIVE: Duration = Duration::from_secs(15);

/// How often a claim looks again at heads that others were just taking.
const LOOKS: usize = 3;

pub(super) async fn claim(
    line: &Line,
    handed: &Handed,
    worker: Uuid,
    regions: &[Region],
    limit: u32,
) -> Result<Claims, StoreError> {
    let regions: Vec<&str> = regions.iter().map(|region| region.as_str()).collect();
    let mut taken = line.take().await?;
    let due = sqlx::query(sql::PROMOTE).bind(&regions).fetch_one(taken.get()).await?;
    let next_due_ms: Option<i64> = due.try_get("next_due")?;
    let mut claimed = Vec::new();
    if due.try_get("any_queued")? {
        for _ in 0..LOOKS {
            let wanted = i64::from(limit) - claimed.len() as i64;
            if wanted <= 0 {
                break;
            }
            let rows = sqlx::query(sql::CLAIM).bind(worker).bind(&regions).bind(wanted).fetch_all(taken.get()).await?;
            let enough = rows.len() as i64 == wanted || regions.len() == 1;
            for row in &rows {
                match read(row) {
                    Ok(run) => claimed.push(run),
                    Err(error) => rows::tell_unreadable(row.id("run_id")?.unwrap_or_default(), &error),
                }
            }
            if enough || rows.is_empty() {
                break;
            }
        }
    }
    let runs = with_accounts(&mut taken, claimed).await?;
    // Before the connection is free for a takeover.
    handed.note(runs.iter().map(|claimed| claimed.run.id));
    taken.keep();
    Ok(Claims { runs, next_due_ms: next_due_ms.map(|ms| ms.max(0)) })
}

/// A claimed run, its fair key, and for how long it has been claimed.
type Row = (i64, i64, Run);

fn read(row: &sqlx::postgres::PgRow) -> Result<Row, RowError> {
    Ok((row.int("fair_key")?.unwrap_or(0), row.int("elapsed")?.unwrap_or(0), rows::run(row)?))
}

async fn with_accounts(taken: &mut Taken<'_>, mut claimed: Vec<Row>) -> Result<Vec<Claimed>, StoreError> {
    if claimed.is_empty() {
        return Ok(Vec::new());
    }
    // RETURNING promises no order.
    claimed.sort_by_key(|(fair_key, ..)| *fair_key);
    let accounts: Vec<Uuid> = claimed.iter().map(|(.., run)| run.account).collect();
    let rows = sqlx::query(sql::CLAIMED_ACCOUNTS).bind(accounts).fetch_all(taken.get()).await?;
    let mut accounts = HashMap::new();
    for row in &rows {
        let Some(id) = row.id("account_id")? else { continue };
        accounts.insert(id, rows::account(row).and_then(|account| Ok((account, rows::credential(row)?))));
    }
    let mut runs = Vec::with_capacity(claimed.len());
    for (_, elapsed_ms, run) in claimed {
        match accounts.remove(&run.account) {
            Some(Ok((account, credential))) => runs.push(Claimed { run, account, credential, elapsed_ms }),
            Some(Err(error)) => rows::tell_unreadable(run.id, &error),
            None => rows::tell_unreadable(run.id, &RowError::Empty("account_id")),
        }
    }
    Ok(runs)
}

pub(super) async fn heartbeat(line: &Line, worker: Uuid, regions: &[Region]) -> Result<Standing, StoreError> {
    let mut taken = line.take().await?;
    let regions = serde_json::json!(regions).to_string();
    sqlx::query(sql::BEAT).bind(worker).bind(regions).execute(taken.get()).await?;
    let row = sqlx::query(sql::STANDING).bind(worker).bind(millis(ALIVE)).fetch_one(taken.get()).await?;
    let standing = standing_of(&row)?;
    taken.keep();
    Ok(standing)
}

/// Reads a row with `rank` and `others`.
pub(super) fn standing_of(row: &sqlx::postgres::PgRow) -> Result<Standing, StoreError> {
    let (rank, others): (i64, i64) = (row.try_get("rank")?, row.try_get("others")?);
    Ok(Standing { rank: rank as u32, live: 1 + others as u32 })
}

pub(super) async fn take_over(
    line: &Line,
    handed: &Handed,
    worker: Uuid,
    dead_after: Duration,
    held: &[Uuid],
) -> Result<u64, StoreError> {
    let mut taken = line.take().await?;
    let requeued: i64 = sqlx::query(sql::TAKE_OVER)
        .bind(worker)
        .bind(millis(dead_after))
        .bind(handed.with(held))
        .fetch_one(taken.get())
        .await?
        .try_get("runs")?;
    // Runs that a worker got between the two statements have no owner's row then; the next takeover finds them.
    sqlx::query(sql::FORGET_DEAD).bind(worker).bind(millis(dead_after)).execute(taken.get()).await?;
    taken.keep();
    Ok(requeued as u64)
}

pub(super) async fn retire(line: &Line, worker: Uuid) -> Result<(), StoreError> {
    let mut taken = line.take().await?;
    sqlx::query(sql::REQUEUE_OWN).bind(worker).execute(taken.get()).await?;
    sqlx::query(sql::FORGET).bind(worker).execute(taken.get()).await?;
    taken.keep();
    Ok(())
}

pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
