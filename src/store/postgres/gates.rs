//! Gates.

use uuid::Uuid;

use super::super::gates::{self, gate_columns};
use super::super::rows::RowError;
use super::super::{ClosedGate, GateReason, StoreError};
use super::line::{Line, Lines};
use super::listen::News;

/// Closes a gate, or leaves it closed if it is for longer, and forgets those that opened an hour ago. Two processes that
/// forget the same ones do not wait for each other.
pub(super) const CLOSE: &str = concat!(
    "WITH old AS (SELECT environment_integration_id AS install, host FROM gates \
     WHERE closed_until < (SELECT now_ms()) - 3600000 AND (environment_integration_id, host) <> ($1::uuid, $2::text) \
     FOR UPDATE SKIP LOCKED), \
     gone AS (DELETE FROM gates g USING old WHERE g.environment_integration_id = old.install AND g.host = old.host), \
     shut AS (INSERT INTO gates AS g (environment_integration_id, host, closed_until, reason) \
     VALUES ($1, $2, now_ms() + $3, $4) ON CONFLICT (environment_integration_id, host) DO UPDATE SET \
     reason = CASE WHEN excluded.closed_until > g.closed_until THEN excluded.reason ELSE g.reason END, \
     closed_until = greatest(g.closed_until, excluded.closed_until) RETURNING *) \
     SELECT ",
    gate_columns!(),
    ", closed_until - now_ms() AS left_ms, pg_notify('tidewaiter', $5)::text AS told FROM shut"
);

pub(super) const CLOSED: &str = concat!(
    "SELECT ",
    gate_columns!(),
    ", closed_until - now_ms() AS left_ms FROM gates WHERE closed_until > (SELECT now_ms()) ORDER BY 1, 2"
);

/// For the test that prepares them.
pub const ALL: &[&str] = &[CLOSE, CLOSED];

pub(super) async fn close(
    line: &Line,
    news: &News,
    install: Uuid,
    host: &str,
    reason: GateReason,
    for_ms: i64,
) -> Result<ClosedGate, StoreError> {
    let mut taken = line.take().await?;
    let row = sqlx::query(CLOSE)
        .bind(install)
        .bind(host)
        .bind(for_ms)
        .bind(reason.as_str())
        .bind(news.of_a_gate())
        .fetch_one(taken.get())
        .await?;
    taken.keep();
    Ok(gates::closed(&row)?)
}

pub(super) async fn closed(reads: &Lines) -> Result<Vec<ClosedGate>, StoreError> {
    let mut taken = reads.take().await?;
    let rows = sqlx::query(CLOSED).fetch_all(taken.get()).await?;
    taken.keep();
    Ok(rows.iter().map(gates::closed).collect::<Result<_, RowError>>()?)
}
