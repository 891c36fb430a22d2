//! The outbox and the quarantine.

use sqlx::SqlitePool;
use uuid::Uuid;

use super::super::rows;
use super::super::{Quarantined, StoreError, Unpublished, shard_of};
use super::Writer;
use super::bulk::Bulk;
use crate::seal::Sealed;

/// Per shard the accounts in order of their ids, each with its lowest sequence. No shard waits behind another, and each
/// is read up to twice the rows that are asked for in all, so that a long outbox is not read whole at every pass.
const HEADS: &str = "SELECT e.account_id, e.sequence, e.event_type, e.envelope FROM \
    (SELECT o.account_id, min(o.sequence) AS sequence FROM json_each(?1) s CROSS JOIN outbox o ON o.shard = s.value \
     AND o.account_id <= coalesce((SELECT last.account_id FROM outbox last WHERE last.shard = s.value \
      ORDER BY last.account_id LIMIT 1 OFFSET 2 * ?2), x'ffffffffffffffffffffffffffffffff') \
     GROUP BY o.account_id ORDER BY o.account_id LIMIT ?2) o \
    CROSS JOIN events e ON e.account_id = o.account_id AND e.sequence = o.sequence ORDER BY e.account_id";

pub(super) async fn unpublished(reads: &SqlitePool, shards: &[u8], limit: u32) -> Result<Vec<Unpublished>, StoreError> {
    let rows =
        sqlx::query(HEADS).bind(serde_json::json!(shards).to_string()).bind(i64::from(limit)).fetch_all(reads).await?;
    rows.iter().map(|row| rows::unpublished(row).map_err(Into::into)).collect()
}

/// As alternatives, because SQLite scans the table for a list of row values.
const PUBLISHED: Bulk = Bulk {
    before: "DELETE FROM outbox WHERE ",
    row: "(shard = ? AND account_id = ? AND sequence = ?)",
    between: " OR ",
    after: "",
};

pub(super) async fn published(writer: &Writer, events: &[(Uuid, i64)]) -> Result<(), StoreError> {
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
