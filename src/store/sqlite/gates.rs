//! Gates.

use sqlx::SqlitePool;
use uuid::Uuid;

use super::super::gates::{self, gate_columns};
use super::super::rows::RowError;
use super::super::{ClosedGate, GateReason, StoreError};
use super::{Writer, now};

/// Those that opened an hour ago are not needed any more.
const FORGET: &str = concat!("DELETE FROM gates WHERE closed_until < ", now!(), " - 3600000");

const CLOSE: &str = concat!(
    "INSERT INTO gates AS g (environment_integration_id, host, closed_until, reason) VALUES (?1, ?2, ",
    now!(),
    " + ?3, ?4) ON CONFLICT (environment_integration_id, host) DO UPDATE SET \
     reason = CASE WHEN excluded.closed_until > g.closed_until THEN excluded.reason ELSE g.reason END, \
     closed_until = max(g.closed_until, excluded.closed_until) RETURNING ",
    gate_columns!(),
    ", closed_until - ",
    now!(),
    " AS left_ms"
);

const CLOSED: &str = concat!(
    "SELECT ",
    gate_columns!(),
    ", closed_until - ",
    now!(),
    " AS left_ms FROM gates WHERE closed_until > ",
    now!(),
    " ORDER BY 1, 2"
);

pub(super) async fn close(
    writer: &Writer,
    install: Uuid,
    host: &str,
    reason: GateReason,
    for_ms: i64,
) -> Result<ClosedGate, StoreError> {
    let mut taken = writer.begin().await?;
    sqlx::query(FORGET).execute(taken.get()).await?;
    let row =
        sqlx::query(CLOSE).bind(install).bind(host).bind(for_ms).bind(reason.as_str()).fetch_one(taken.get()).await?;
    let gate = gates::closed(&row)?;
    taken.commit().await?;
    Ok(gate)
}

pub(super) async fn closed(reads: &SqlitePool) -> Result<Vec<ClosedGate>, StoreError> {
    let rows = sqlx::query(CLOSED).fetch_all(reads).await?;
    Ok(rows.iter().map(gates::closed).collect::<Result<_, RowError>>()?)
}
