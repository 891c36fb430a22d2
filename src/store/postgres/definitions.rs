//! Definitions and settings.

use sqlx::PgConnection;
use uuid::Uuid;

use super::super::rows::{self, RowError};
use super::super::{
    DefinitionHash, InstallEntry, IntegrationEntry, StoreError, StoredDefinitions, StoredInstall, StoredIntegration,
    VersionEntry,
};
use super::line::{Line, Lines};
use super::sql;
use crate::seal::Sealed;

pub(super) async fn save(line: &Line, new: &StoredDefinitions) -> Result<u64, StoreError> {
    let mut taken = line.take().await?;
    sqlx::query("BEGIN").execute(taken.get()).await?;
    sqlx::query(sql::LOCK_DEFINITIONS).execute(taken.get()).await?;
    for (id, expected) in &new.over {
        let version: Option<i64> = sqlx::query_scalar(sql::INTEGRATION_AT).bind(id).fetch_optional(taken.get()).await?;
        if version != *expected {
            sqlx::query("ROLLBACK").execute(taken.get()).await?;
            taken.keep();
            return Err(rows::moved(version, *expected));
        }
    }
    let mut changed = 0;
    for (id, name) in &new.environments {
        changed += sqlx::query(sql::SAVE_ENVIRONMENT).bind(id).bind(name).execute(taken.get()).await?.rows_affected();
    }
    for integration in &new.integrations {
        changed += save_integration(taken.get(), integration).await?;
    }
    for (hash, sealed) in &new.effective {
        sqlx::query(sql::SAVE_EFFECTIVE).bind(hash.0.as_slice()).bind(sealed.as_bytes()).execute(taken.get()).await?;
    }
    for install in &new.installs {
        changed += save_install(taken.get(), install).await?;
    }
    sqlx::query("COMMIT").execute(taken.get()).await?;
    taken.keep();
    Ok(changed)
}

async fn save_integration(db: &mut PgConnection, integration: &StoredIntegration) -> Result<u64, sqlx::Error> {
    let version: Option<i64> = sqlx::query_scalar(sql::SAVE_INTEGRATION)
        .bind(integration.face.id)
        .bind(&integration.face.name)
        .bind(&integration.face.label)
        .bind(integration.hash.0.as_slice())
        .bind(integration.sealed.as_bytes())
        .fetch_optional(&mut *db)
        .await?;
    let Some(version) = version else { return Ok(0) };
    sqlx::query(sql::SAVE_VERSION)
        .bind(integration.face.id)
        .bind(version)
        .bind(integration.hash.0.as_slice())
        .bind(integration.sealed.as_bytes())
        .execute(db)
        .await?;
    Ok(1)
}

async fn save_install(db: &mut PgConnection, install: &StoredInstall) -> Result<u64, sqlx::Error> {
    let saved = sqlx::query(sql::SAVE_INSTALL)
        .bind(install.id)
        .bind(install.environment_id)
        .bind(install.integration_id)
        .bind(install.is_enabled)
        .bind(install.hash.0.as_slice())
        .bind(install.sealed.as_bytes())
        .bind(install.effective.0.as_slice())
        .execute(db)
        .await?;
    Ok(saved.rows_affected())
}

pub(super) async fn integrations(reads: &Lines) -> Result<Vec<IntegrationEntry>, StoreError> {
    let mut taken = reads.take().await?;
    let rows = sqlx::query(sql::INTEGRATIONS).fetch_all(taken.get()).await?;
    taken.keep();
    Ok(rows.iter().map(rows::integration).collect::<Result<_, RowError>>()?)
}

pub(super) async fn versions(reads: &Lines, id: Uuid) -> Result<Vec<VersionEntry>, StoreError> {
    let mut taken = reads.take().await?;
    let rows = sqlx::query(sql::VERSIONS).bind(id).fetch_all(taken.get()).await?;
    taken.keep();
    Ok(rows.iter().map(rows::version).collect::<Result<_, RowError>>()?)
}

pub(super) async fn version(reads: &Lines, id: Uuid, version: i64) -> Result<Option<Sealed>, StoreError> {
    let mut taken = reads.take().await?;
    let row = sqlx::query(sql::VERSION).bind(id).bind(version).fetch_optional(taken.get()).await?;
    taken.keep();
    Ok(row.as_ref().map(|row| rows::sealed(row, "sealed")).transpose()?)
}

pub(super) async fn installs(reads: &Lines) -> Result<Vec<InstallEntry>, StoreError> {
    let mut taken = reads.take().await?;
    let rows = sqlx::query(sql::INSTALLS).fetch_all(taken.get()).await?;
    taken.keep();
    Ok(rows.iter().map(rows::install).collect::<Result<_, RowError>>()?)
}

pub(super) async fn install(reads: &Lines, id: Uuid) -> Result<Option<InstallEntry>, StoreError> {
    let mut taken = reads.take().await?;
    let row = sqlx::query(sql::INSTALL).bind(id).fetch_optional(taken.get()).await?;
    taken.keep();
    Ok(row.as_ref().map(rows::install).transpose()?)
}

pub(super) async fn effective(reads: &Lines, hash: DefinitionHash) -> Result<Option<Sealed>, StoreError> {
    let mut taken = reads.take().await?;
    let row = sqlx::query(sql::EFFECTIVE).bind(hash.0.as_slice()).fetch_optional(taken.get()).await?;
    taken.keep();
    Ok(row.as_ref().map(|row| rows::sealed(row, "sealed")).transpose()?)
}

pub(super) async fn setting(line: &Line, key: &str, value: &Sealed) -> Result<Sealed, StoreError> {
    let mut taken = line.take().await?;
    // Whoever loses the race reads the winner's: a statement sees what was committed before it.
    sqlx::query(sql::SAVE_SETTING).bind(key).bind(value.as_bytes()).execute(taken.get()).await?;
    let row = sqlx::query(sql::SETTING).bind(key).fetch_one(taken.get()).await?;
    taken.keep();
    Ok(rows::sealed(&row, "sealed")?)
}

pub(super) async fn stored_setting(lines: &Lines, key: &str) -> Result<Option<Sealed>, StoreError> {
    let mut taken = lines.take().await?;
    let row = sqlx::query(sql::SETTING).bind(key).fetch_optional(taken.get()).await?;
    taken.keep();
    Ok(row.as_ref().map(|row| rows::sealed(row, "sealed")).transpose()?)
}
