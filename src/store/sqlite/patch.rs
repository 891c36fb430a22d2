//! Clients' changes of accounts, and their own overrides.

use sqlx::{SqliteConnection, SqlitePool};
use uuid::Uuid;

use super::super::patch::{OverridePatch, Patch, PatchStands, Patched};
use super::super::rows::{self, RowError};
use super::super::{StoreError, UsedOverride};
use super::{Writer, writes};
use crate::seal::Sealed;

pub(super) async fn patch(writer: &Writer, patch: &Patch) -> Result<Patched, StoreError> {
    let mut taken = writer.begin().await?;
    let stands = stands(taken.get(), patch).await?;
    let answer = match stands.answer(patch) {
        Some(answer) => answer,
        None => write(taken.get(), patch).await?,
    };
    taken.commit().await?;
    Ok(answer)
}

async fn stands(db: &mut SqliteConnection, patch: &Patch) -> Result<PatchStands, RowError> {
    let mut stands = PatchStands {
        sequence: sqlx::query_scalar("SELECT sequence FROM accounts WHERE id = ?")
            .bind(patch.account)
            .fetch_optional(&mut *db)
            .await?,
        ..PatchStands::default()
    };
    let secrets = sqlx::query(
        "SELECT version, sealed, intent_fence, intent_version, intent_repeated FROM credentials WHERE account_id = ?",
    );
    if let Some(row) = secrets.bind(patch.account).fetch_optional(&mut *db).await? {
        stands.read_secrets(&row)?;
    }
    stands.envelope = sqlx::query_scalar("SELECT envelope FROM events WHERE account_id = ? AND sequence = ?")
        .bind(patch.account)
        .bind(patch.expected_sequence + 1)
        .fetch_optional(db)
        .await?;
    Ok(stands)
}

async fn write(db: &mut SqliteConnection, patch: &Patch) -> Result<Patched, RowError> {
    sqlx::query(
        "UPDATE accounts SET tenant_id = coalesce(?2, tenant_id), context = coalesce(?3, context), \
         sequence = coalesce(?4, sequence), updated_at = coalesce(?5, updated_at) WHERE id = ?1",
    )
    .bind(patch.account)
    .bind(&patch.tenant_id)
    .bind(patch.context.as_ref().map(rows::text_of).transpose()?)
    .bind(patch.event.as_ref().map(|event| event.sequence))
    .bind(patch.event.as_ref().map(|event| event.time_ms))
    .execute(&mut *db)
    .await?;
    if let Some(secrets) = &patch.secrets {
        sqlx::query(
            "UPDATE credentials SET sealed = ?2, version = version + 1, expires_at = ?3, \
             intent_fence = CASE WHEN NOT ?4 THEN intent_fence END, \
             intent_version = CASE WHEN NOT ?4 THEN intent_version END, \
             intent_repeated = CASE WHEN NOT ?4 THEN intent_repeated END, \
             intent_at = CASE WHEN NOT ?4 THEN intent_at END WHERE account_id = ?1",
        )
        .bind(patch.account)
        .bind(secrets.sealed.as_bytes())
        .bind(secrets.expires_at_ms)
        .bind(secrets.ends_intent)
        .execute(&mut *db)
        .await?;
    }
    match &patch.overrides {
        Some(OverridePatch::Set { install, sealed }) => {
            sqlx::query(
                "INSERT INTO account_overrides (account_id, environment_integration_id, sealed) VALUES (?, ?, ?) \
                 ON CONFLICT (account_id) DO UPDATE SET sealed = excluded.sealed",
            )
            .bind(patch.account)
            .bind(install)
            .bind(sealed.as_bytes())
            .execute(&mut *db)
            .await?;
        }
        Some(OverridePatch::Remove) => {
            let query = sqlx::query("DELETE FROM account_overrides WHERE account_id = ?");
            query.bind(patch.account).execute(&mut *db).await?;
        }
        None => {}
    }
    if let Some((hash, sealed)) = &patch.effective {
        sqlx::query("INSERT INTO effective_definitions (hash, sealed) VALUES (?, ?) ON CONFLICT DO NOTHING")
            .bind(hash.0.as_slice())
            .bind(sealed.as_bytes())
            .execute(&mut *db)
            .await?;
    }
    if let Some(event) = &patch.event {
        writes::insert_events(db, &[(patch.account, event)]).await?;
    }
    Ok(Patched::Done)
}

pub(super) async fn account_override(reads: &SqlitePool, account: Uuid) -> Result<Option<Sealed>, StoreError> {
    let row = sqlx::query("SELECT sealed FROM account_overrides WHERE account_id = ?")
        .bind(account)
        .fetch_optional(reads)
        .await?;
    Ok(row.as_ref().map(|row| rows::sealed(row, "sealed")).transpose()?)
}

pub(super) async fn used_overrides(
    reads: &SqlitePool,
    install: Uuid,
    after: Uuid,
    limit: u32,
) -> Result<Vec<UsedOverride>, StoreError> {
    let rows = sqlx::query(
        "SELECT account_id, sealed FROM account_overrides WHERE environment_integration_id = ? AND account_id > ? \
         ORDER BY account_id LIMIT ?",
    )
    .bind(install)
    .bind(after)
    .bind(i64::from(limit))
    .fetch_all(reads)
    .await?;
    Ok(rows.iter().map(rows::used_override).collect::<Result<_, RowError>>()?)
}
