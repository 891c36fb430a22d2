//! The outbox and the quarantine.

use uuid::Uuid;

use super::super::rows::{self, RowError};
use super::super::{Quarantined, StoreError, Unpublished, shard_of};
use super::line::Line;
use super::sql;
use crate::seal::Sealed;

pub(super) async fn unpublished(line: &Line, shards: &[u8], limit: u32) -> Result<Vec<Unpublished>, StoreError> {
    let shards: Vec<i16> = shards.iter().map(|shard| i16::from(*shard)).collect();
    let mut taken = line.take().await?;
    let rows = sqlx::query(sql::HEADS).bind(shards).bind(i64::from(limit)).fetch_all(taken.get()).await?;
    taken.keep();
    Ok(rows.iter().map(rows::unpublished).collect::<Result<_, RowError>>()?)
}

pub(super) async fn published(line: &Line, events: &[(Uuid, i64)]) -> Result<(), StoreError> {
    // In one order, so that two relays of the same events do not lock each other out.
    let mut events = events.to_vec();
    events.sort_unstable();
    let shards: Vec<i16> = events.iter().map(|(account, _)| i16::from(shard_of(*account))).collect();
    let (accounts, sequences): (Vec<Uuid>, Vec<i64>) = events.into_iter().unzip();
    let mut taken = line.take().await?;
    sqlx::query(sql::PUBLISHED).bind(shards).bind(accounts).bind(sequences).execute(taken.get()).await?;
    taken.keep();
    Ok(())
}

pub(super) async fn quarantine(line: &Line, refused: &Quarantined) -> Result<(), StoreError> {
    let mut taken = line.take().await?;
    sqlx::query(sql::QUARANTINE)
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
