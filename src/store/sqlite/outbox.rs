//! The outbox and the quarantine.

use sqlx::SqlitePool;
use uuid::Uuid;

use super::super::rows;
use super::super::{Quarantined, RelayPass, Relayed, SHARDS, Standing, StoreError, Unpublished, shard_of};
use super::Writer;
use super::bulk::Bulk;
use crate::seal::Sealed;

/// From account to account by one look into the index each, whatever lies between them: the oldest of all shards first.
/// A shard that is at its end takes one more step, which finds nothing.
const HEADS: &str = "WITH RECURSIVE except_these(id) AS MATERIALIZED (SELECT unhex(value) FROM json_each(?2)), \
    step(account_id, shard) AS (SELECT (SELECT account_id FROM outbox WHERE shard = s.value ORDER BY account_id LIMIT 1), \
     s.value FROM json_each(?1) s \
     UNION ALL SELECT (SELECT o.account_id FROM outbox o WHERE o.shard = step.shard AND o.account_id > step.account_id \
      ORDER BY o.account_id LIMIT 1), step.shard FROM step WHERE step.account_id IS NOT NULL ORDER BY 1 LIMIT ?4), \
    head(account_id, sequence) AS (SELECT step.account_id, (SELECT min(o.sequence) FROM outbox o \
     WHERE o.shard = step.shard AND o.account_id = step.account_id) FROM step \
     WHERE step.account_id IS NOT NULL AND step.account_id NOT IN except_these LIMIT ?3) \
    SELECT e.account_id, e.sequence, e.event_type, e.envelope FROM head CROSS JOIN events e \
    ON e.account_id = head.account_id AND e.sequence = head.sequence ORDER BY e.account_id";

pub(super) async fn relay_pass(
    writer: &Writer,
    reads: &SqlitePool,
    pass: RelayPass<'_>,
) -> Result<Relayed, StoreError> {
    if !pass.published.is_empty() {
        take_out(writer, pass.published).await?;
    }
    let heads = if pass.heads == 0 { Vec::new() } else { heads(reads, pass).await? };
    // A file has one worker.
    Ok(Relayed { standing: Standing { rank: 0, live: 1 }, heads })
}

/// Reads after the deletion is committed, so nothing that was published is seen.
async fn heads(reads: &SqlitePool, pass: RelayPass<'_>) -> Result<Vec<Unpublished>, StoreError> {
    let shards: Vec<u8> = (0..SHARDS).collect();
    let except: Vec<String> = pass.except.iter().map(|account| account.simple().to_string()).collect();
    let steps = i64::from(pass.heads) + except.len() as i64 + i64::from(SHARDS);
    let rows = sqlx::query(HEADS)
        .bind(serde_json::json!(shards).to_string())
        .bind(serde_json::json!(except).to_string())
        .bind(i64::from(pass.heads))
        .bind(steps)
        .fetch_all(reads)
        .await?;
    rows.iter().map(|row| rows::unpublished(row).map_err(Into::into)).collect()
}

/// As alternatives, because SQLite scans the table for a list of row values.
const PUBLISHED: Bulk = Bulk {
    before: "DELETE FROM outbox WHERE ",
    row: "(shard = ? AND account_id = ? AND sequence = ?)",
    between: " OR ",
    after: "",
};

async fn take_out(writer: &Writer, events: &[(Uuid, i64)]) -> Result<(), StoreError> {
    let mut taken = writer.begin().await?;
    PUBLISHED
        .run(taken.get(), events, |statement, (account, sequence)| {
            statement.bind(i64::from(shard_of(*account))).bind(account).bind(sequence)
        })
        .await?;
    taken.commit().await?;
    Ok(())
}

const QUARANTINE: &str = "INSERT INTO quarantine (id, channel, message_id, fingerprint, reason, detail, sealed, \
    body_bytes, state, arrivals, first_at, last_at, pointer, correlation_id, queue, properties) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'held', 1, ?9, ?9, ?10, ?11, ?12, ?13) \
    ON CONFLICT (channel, message_id, fingerprint, reason) WHERE state <> 'dropped' \
    DO UPDATE SET arrivals = arrivals + 1, last_at = excluded.last_at";

pub(super) async fn quarantine(writer: &Writer, refused: &Quarantined) -> Result<(), StoreError> {
    let mut taken = writer.take().await?;
    sqlx::query(QUARANTINE)
        .bind(refused.id)
        .bind(refused.channel.as_str())
        .bind(&refused.message_id)
        .bind(refused.fingerprint.as_slice())
        .bind(&refused.reason)
        .bind(&refused.detail)
        .bind(refused.body.as_bytes())
        .bind(refused.body_bytes)
        .bind(refused.at_ms)
        .bind(&refused.pointer)
        .bind(&refused.correlation_id)
        .bind(&refused.queue)
        .bind(refused.properties.as_ref().map(Sealed::as_bytes))
        .execute(taken.get())
        .await?;
    taken.keep();
    Ok(())
}
