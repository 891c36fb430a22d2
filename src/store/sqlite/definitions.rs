//! Definitions and settings.

use sqlx::{SqliteConnection, SqlitePool};
use uuid::Uuid;

use super::super::rows::{self, RowError, installs};
use super::super::{
    DefinitionHash, InstallEntry, IntegrationEntry, StoreError, StoredDefinitions, StoredIntegration, VersionEntry,
};
use super::{Writer, now};
use crate::seal::Sealed;

const SAVE_INTEGRATION: &str = "INSERT INTO integrations (id, name, label, hash, sealed, version) \
    VALUES (?1, ?2, ?3, ?4, ?5, 1) ON CONFLICT (id) DO UPDATE SET name = excluded.name, label = excluded.label, \
    hash = excluded.hash, sealed = excluded.sealed, version = version + 1 WHERE hash <> excluded.hash RETURNING version";

const SAVE_VERSION: &str = concat!(
    "INSERT INTO integration_versions (integration_id, version, hash, sealed, inserted_at) VALUES (?, ?, ?, ?, ",
    now!(),
    ")"
);

const SAVE_INSTALL: &str = "INSERT INTO environment_integrations \
    (id, environment_id, integration_id, is_enabled, hash, sealed, effective) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
    ON CONFLICT (id) DO UPDATE SET environment_id = excluded.environment_id, integration_id = excluded.integration_id, \
    is_enabled = excluded.is_enabled, hash = excluded.hash, sealed = excluded.sealed, effective = excluded.effective \
    WHERE hash <> excluded.hash OR effective <> excluded.effective OR is_enabled <> excluded.is_enabled \
    OR environment_id <> excluded.environment_id OR integration_id <> excluded.integration_id";

pub(super) async fn save(writer: &Writer, new: &StoredDefinitions) -> Result<u64, StoreError> {
    let mut taken = writer.begin().await?;
    for (id, expected) in &new.over {
        let version: Option<i64> = sqlx::query_scalar("SELECT version FROM integrations WHERE id = ?")
            .bind(id)
            .fetch_optional(taken.get())
            .await?;
        if version != *expected {
            return Err(rows::moved(version, *expected));
        }
    }
    let mut changed = 0;
    for (id, name) in &new.environments {
        changed += sqlx::query(
            "INSERT INTO environments (id, name) VALUES (?1, ?2) \
             ON CONFLICT (id) DO UPDATE SET name = excluded.name WHERE name <> excluded.name",
        )
        .bind(id)
        .bind(name)
        .execute(taken.get())
        .await?
        .rows_affected();
    }
    for integration in &new.integrations {
        changed += save_integration(taken.get(), integration).await?;
    }
    for (hash, sealed) in &new.effective {
        sqlx::query("INSERT INTO effective_definitions (hash, sealed) VALUES (?, ?) ON CONFLICT DO NOTHING")
            .bind(hash.0.as_slice())
            .bind(sealed.as_bytes())
            .execute(taken.get())
            .await?;
    }
    for install in &new.installs {
        changed += sqlx::query(SAVE_INSTALL)
            .bind(install.id)
            .bind(install.environment_id)
            .bind(install.integration_id)
            .bind(install.is_enabled)
            .bind(install.hash.0.as_slice())
            .bind(install.sealed.as_bytes())
            .bind(install.effective.0.as_slice())
            .execute(taken.get())
            .await?
            .rows_affected();
    }
    taken.commit().await?;
    Ok(changed)
}

async fn save_integration(db: &mut SqliteConnection, integration: &StoredIntegration) -> Result<u64, sqlx::Error> {
    let version: Option<i64> = sqlx::query_scalar(SAVE_INTEGRATION)
        .bind(integration.face.id)
        .bind(&integration.face.name)
        .bind(&integration.face.label)
        .bind(integration.hash.0.as_slice())
        .bind(integration.sealed.as_bytes())
        .fetch_optional(&mut *db)
        .await?;
    let Some(version) = version else { return Ok(0) };
    sqlx::query(SAVE_VERSION)
        .bind(integration.face.id)
        .bind(version)
        .bind(integration.hash.0.as_slice())
        .bind(integration.sealed.as_bytes())
        .execute(db)
        .await?;
    Ok(1)
}

pub(super) async fn integrations(reads: &SqlitePool) -> Result<Vec<IntegrationEntry>, StoreError> {
    let rows =
        sqlx::query("SELECT id, name, label, version, hash FROM integrations ORDER BY name").fetch_all(reads).await?;
    Ok(rows.iter().map(rows::integration).collect::<Result<_, RowError>>()?)
}

pub(super) async fn versions(reads: &SqlitePool, id: Uuid) -> Result<Vec<VersionEntry>, StoreError> {
    let rows = sqlx::query(
        "SELECT version, hash, inserted_at FROM integration_versions WHERE integration_id = ? ORDER BY version DESC",
    )
    .bind(id)
    .fetch_all(reads)
    .await?;
    Ok(rows.iter().map(rows::version).collect::<Result<_, RowError>>()?)
}

pub(super) async fn version(reads: &SqlitePool, id: Uuid, version: i64) -> Result<Option<Sealed>, StoreError> {
    let row = sqlx::query("SELECT sealed FROM integration_versions WHERE integration_id = ? AND version = ?")
        .bind(id)
        .bind(version)
        .fetch_optional(reads)
        .await?;
    Ok(row.as_ref().map(|row| rows::sealed(row, "sealed")).transpose()?)
}

pub(super) async fn installs(reads: &SqlitePool) -> Result<Vec<InstallEntry>, StoreError> {
    let rows = sqlx::query(concat!(installs!(), " ORDER BY e.id")).fetch_all(reads).await?;
    Ok(rows.iter().map(rows::install).collect::<Result<_, RowError>>()?)
}

pub(super) async fn install(reads: &SqlitePool, id: Uuid) -> Result<Option<InstallEntry>, StoreError> {
    let row = sqlx::query(concat!(installs!(), " WHERE e.id = ?")).bind(id).fetch_optional(reads).await?;
    Ok(row.as_ref().map(rows::install).transpose()?)
}

pub(super) async fn effective(reads: &SqlitePool, hash: DefinitionHash) -> Result<Option<Sealed>, StoreError> {
    let row = sqlx::query("SELECT sealed FROM effective_definitions WHERE hash = ?")
        .bind(hash.0.as_slice())
        .fetch_optional(reads)
        .await?;
    Ok(row.as_ref().map(|row| rows::sealed(row, "sealed")).transpose()?)
}

pub(super) async fn setting(writer: &Writer, key: &str, value: &Sealed) -> Result<Sealed, StoreError> {
    let mut taken = writer.begin().await?;
    sqlx::query("INSERT INTO settings (key, sealed) VALUES (?, ?) ON CONFLICT DO NOTHING")
        .bind(key)
        .bind(value.as_bytes())
        .execute(taken.get())
        .await?;
    let row = sqlx::query("SELECT sealed FROM settings WHERE key = ?").bind(key).fetch_one(taken.get()).await?;
    let stored = rows::sealed(&row, "sealed")?;
    taken.commit().await?;
    Ok(stored)
}

pub(super) async fn stored_setting(reads: &SqlitePool, key: &str) -> Result<Option<Sealed>, StoreError> {
    let row = sqlx::query("SELECT sealed FROM settings WHERE key = ?").bind(key).fetch_optional(reads).await?;
    Ok(row.as_ref().map(|row| rows::sealed(row, "sealed")).transpose()?)
}
