//! The outbox and the quarantine.

use uuid::Uuid;

use super::super::rows::{self, Columns as _, RowError};
use super::super::{Quarantined, RelayPass, Relayed, StoreError, shard_of};
use super::claims::{self, ALIVE, millis};
use super::line::Line;
use super::sql;
use crate::seal::Sealed;

pub(super) async fn relay_pass(line: &Line, pass: RelayPass<'_>) -> Result<Relayed, StoreError> {
    // In one order, so that two relays of the same events do not lock each other out.
    let mut published = pass.published.to_vec();
    published.sort_unstable();
    let shards: Vec<i16> = published.iter().map(|(account, _)| i16::from(shard_of(*account))).collect();
    let (accounts, sequences): (Vec<Uuid>, Vec<i64>) = published.into_iter().unzip();
    let mut taken = line.take().await?;
    let rows = sqlx::query(sql::RELAY_PASS)
        .bind(pass.worker)
        .bind(millis(ALIVE))
        .bind(shards)
        .bind(accounts)
        .bind(sequences)
        .bind(pass.except)
        .bind(i64::from(pass.heads))
        .fetch_all(taken.get())
        .await?;
    taken.keep();
    let first = rows.first().ok_or(sqlx::Error::RowNotFound)?;
    let standing = claims::standing_of(first)?;
    // Without heads the one row has a place and no event.
    let heads = rows.iter().filter(|row| !matches!(row.id("account_id"), Ok(None)));
    Ok(Relayed { standing, heads: heads.map(rows::unpublished).collect::<Result<_, RowError>>()? })
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
