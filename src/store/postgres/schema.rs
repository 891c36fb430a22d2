//! The schema's version: bringing it up to date, and judging it.

use std::time::Duration;

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{Connection as _, PgConnection, Row as _};

use super::super::StoreError;
use super::super::migrate::{self, STEPS};
use super::line::Server;
use super::sql;

/// Brings the schema up to date; answers how many steps that took.
///
/// Processes that do it at the same time wait for each other (an advisory lock of the session).
pub(super) async fn migrate(server: &Server) -> Result<u64, StoreError> {
    let mut connection = server.connect().await?;
    let before = version(&mut connection, server).await?;
    if before > migrate::LATEST {
        return migrate::judge(before).map(|()| 0).map_err(StoreError::Schema);
    }
    let steps = STEPS.iter().map(|step| {
        Migration::new(step.version, step.name.into(), MigrationType::Simple, step.postgres.into_sql_str(), false)
    });
    Migrator::with_migrations(steps.collect()).run(&mut connection).await.map_err(explain)?;
    let reached = version(&mut connection, server).await?;
    migrate::judge(reached).map_err(StoreError::Schema)?;
    let _ = connection.close().await;
    Ok(reached.abs_diff(before))
}

fn explain(error: MigrateError) -> StoreError {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
        MigrateError::VersionMismatch(version) => StoreError::Schema(format!(
            "the database was brought to schema {version} by another text of that migration than this version's"
        )),
        other => StoreError::Schema(format!("the database cannot be migrated: {other}")),
    }
}

/// Whether the server answers within 3 s, takes writes, and has this version's schema; on a connection of its own, so
/// that it tells the truth while all others are broken.
pub(super) async fn check(server: &Server) -> Result<(), StoreError> {
    let looked = tokio::time::timeout(Duration::from_secs(3), async {
        let mut connection = server.connect().await?;
        let found = version(&mut connection, server).await?;
        let _ = connection.close().await;
        Ok::<i64, StoreError>(found)
    })
    .await;
    match looked {
        Ok(found) => migrate::judge(found?).map_err(StoreError::Schema),
        Err(_) => Err(StoreError::Unavailable(format!("{} did not answer within 3 s", server.name()))),
    }
}

async fn version(connection: &mut PgConnection, server: &Server) -> Result<i64, StoreError> {
    let row = sqlx::query(sql::CAN_WRITE).fetch_one(&mut *connection).await?;
    if !row.try_get::<bool, _>("can_write")? {
        let name = server.name();
        return Err(StoreError::Unavailable(format!(
            "{name} is read only: is it a standby? Give the primary's address"
        )));
    }
    if !row.try_get::<bool, _>("migrated")? {
        return Ok(0);
    }
    Ok(sqlx::query_scalar(sql::SCHEMA_VERSION).fetch_one(connection).await?)
}
