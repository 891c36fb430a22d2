//! Clients' changes of accounts, and their own overrides.

use sqlx::PgConnection;
use uuid::Uuid;

use super::super::patch::{OverridePatch, Patch, PatchStands, Patched};
use super::super::rows::{self, RowError};
use super::super::{StoreError, UsedOverride, shard_of};
use super::line::{Line, Lines};
use super::sql::SAVE_EFFECTIVE;
use crate::seal::Sealed;

/// Locks are taken account first, then credential, as everywhere; the conditions are looked at under them.
const LOCK_ACCOUNT: &str = "SELECT sequence FROM accounts WHERE id = $1 FOR NO KEY UPDATE";
const LOCK_SECRETS: &str = "SELECT version, sealed, intent_fence, intent_version, intent_repeated FROM credentials \
    WHERE account_id = $1 FOR NO KEY UPDATE";
const ENVELOPE: &str = "SELECT envelope FROM events WHERE account_id = $1 AND sequence = $2";

const CHANGE_ACCOUNT: &str = "UPDATE accounts SET tenant_id = coalesce($2, tenant_id), context = coalesce($3, context), \
    sequence = coalesce($4, sequence), updated_at = coalesce($5, updated_at) WHERE id = $1";

const CHANGE_SECRETS: &str = "UPDATE credentials SET sealed = $2, version = version + 1, expires_at = $3, \
    intent_fence = CASE WHEN NOT $4 THEN intent_fence END, intent_version = CASE WHEN NOT $4 THEN intent_version END, \
    intent_repeated = CASE WHEN NOT $4 THEN intent_repeated END, intent_at = CASE WHEN NOT $4 THEN intent_at END \
    WHERE account_id = $1";

const SET_OVERRIDE: &str = "INSERT INTO account_overrides (account_id, environment_integration_id, sealed) \
    VALUES ($1, $2, $3) ON CONFLICT (account_id) DO UPDATE SET sealed = excluded.sealed";
const REMOVE_OVERRIDE: &str = "DELETE FROM account_overrides WHERE account_id = $1";

const TELL: &str = "WITH new AS (INSERT INTO events (account_id, sequence, event_type, envelope, inserted_at) \
    VALUES ($1, $2, $3, $4, now_ms())), \
    waits AS (INSERT INTO outbox (shard, account_id, sequence) VALUES ($5, $1, $2)) \
    SELECT pg_notify('tidewaiter', '')::text";

const OVERRIDE: &str = "SELECT sealed FROM account_overrides WHERE account_id = $1";
const USED_OVERRIDES: &str = "SELECT account_id, sealed FROM account_overrides \
    WHERE environment_integration_id = $1 AND account_id > $2 ORDER BY account_id LIMIT $3";

/// For the test that prepares them.
pub const ALL: &[&str] = &[
    LOCK_ACCOUNT,
    LOCK_SECRETS,
    ENVELOPE,
    CHANGE_ACCOUNT,
    CHANGE_SECRETS,
    SET_OVERRIDE,
    REMOVE_OVERRIDE,
    TELL,
    OVERRIDE,
    USED_OVERRIDES,
];

pub(super) async fn patch(line: &Line, patch: &Patch) -> Result<Patched, StoreError> {
    let mut taken = line.take().await?;
    sqlx::query("BEGIN").execute(taken.get()).await?;
    let stands = stands(taken.get(), patch).await?;
    let answer = match stands.answer(patch) {
        Some(answer) => answer,
        None => write(taken.get(), patch).await?,
    };
    sqlx::query("COMMIT").execute(taken.get()).await?;
    taken.keep();
    Ok(answer)
}

async fn stands(db: &mut PgConnection, patch: &Patch) -> Result<PatchStands, RowError> {
    let mut stands = PatchStands {
        sequence: sqlx::query_scalar(LOCK_ACCOUNT).bind(patch.account).fetch_optional(&mut *db).await?,
        ..PatchStands::default()
    };
    if let Some(row) = sqlx::query(LOCK_SECRETS).bind(patch.account).fetch_optional(&mut *db).await? {
        stands.read_secrets(&row)?;
    }
    stands.envelope =
        sqlx::query_scalar(ENVELOPE).bind(patch.account).bind(patch.expected_sequence + 1).fetch_optional(db).await?;
    Ok(stands)
}

async fn write(db: &mut PgConnection, patch: &Patch) -> Result<Patched, RowError> {
    sqlx::query(CHANGE_ACCOUNT)
        .bind(patch.account)
        .bind(&patch.tenant_id)
        .bind(patch.context.as_ref().map(rows::text_of).transpose()?)
        .bind(patch.event.as_ref().map(|event| event.sequence))
        .bind(patch.event.as_ref().map(|event| event.time_ms))
        .execute(&mut *db)
        .await?;
    if let Some(secrets) = &patch.secrets {
        sqlx::query(CHANGE_SECRETS)
            .bind(patch.account)
            .bind(secrets.sealed.as_bytes())
            .bind(secrets.expires_at_ms)
            .bind(secrets.ends_intent)
            .execute(&mut *db)
            .await?;
    }
    match &patch.overrides {
        Some(OverridePatch::Set { install, sealed }) => {
            let query = sqlx::query(SET_OVERRIDE).bind(patch.account).bind(install).bind(sealed.as_bytes());
            query.execute(&mut *db).await?;
        }
        Some(OverridePatch::Remove) => {
            sqlx::query(REMOVE_OVERRIDE).bind(patch.account).execute(&mut *db).await?;
        }
        None => {}
    }
    if let Some((hash, sealed)) = &patch.effective {
        sqlx::query(SAVE_EFFECTIVE).bind(hash.0.as_slice()).bind(sealed.as_bytes()).execute(&mut *db).await?;
    }
    if let Some(event) = &patch.event {
        sqlx::query(TELL)
            .bind(patch.account)
            .bind(event.sequence)
            .bind(&event.event_type)
            .bind(&event.envelope)
            .bind(i16::from(shard_of(patch.account)))
            .execute(db)
            .await?;
    }
    Ok(Patched::Done)
}

pub(super) async fn account_override(reads: &Lines, account: Uuid) -> Result<Option<Sealed>, StoreError> {
    let mut taken = reads.take().await?;
    let row = sqlx::query(OVERRIDE).bind(account).fetch_optional(taken.get()).await?;
    taken.keep();
    Ok(row.as_ref().map(|row| rows::sealed(row, "sealed")).transpose()?)
}

pub(super) async fn used_overrides(
    reads: &Lines,
    install: Uuid,
    after: Uuid,
    limit: u32,
) -> Result<Vec<UsedOverride>, StoreError> {
    let mut taken = reads.take().await?;
    let rows =
        sqlx::query(USED_OVERRIDES).bind(install).bind(after).bind(i64::from(limit)).fetch_all(taken.get()).await?;
    taken.keep();
    Ok(rows.iter().map(rows::used_override).collect::<Result<_, RowError>>()?)
}
