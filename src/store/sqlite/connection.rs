//! The connection that writes, the schema behind it, and the look at what other processes write.

use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use tokio::sync::{Mutex, MutexGuard, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::reconnect::Reconnect;
use crate::store::StoreError;
use crate::store::migrate::{self, STEPS};

/// How long to wait for another process's write.
pub(super) const BUSY: Duration = Duration::from_secs(5);

/// The first version without the WAL-reset race (sqlite.org/wal.html#walresetbug).
const OLDEST: i64 = 3_051_003;

/// How often other processes' writes are looked for.
const POLL: Duration = Duration::from_millis(100);

/// The one connection that writes.
#[derive(Debug)]
pub(super) struct Writer {
    options: SqliteConnectOptions,
    idle: Mutex<Option<SqliteConnection>>,
}

/// Connects. While another process makes the file, SQLite refuses at once to go over to WAL, whatever the busy timeout
/// says, so that is tried again for as long.
async fn connect(options: &SqliteConnectOptions) -> Result<SqliteConnection, sqlx::Error> {
    let since = Instant::now();
    let mut pauses = Reconnect::default();
    loop {
        match options.connect().await {
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("5") && since.elapsed() < BUSY => {
                tokio::time::sleep(pauses.pause()).await;
            }
            connected => return connected,
        }
    }
}

impl Writer {
    pub(super) fn new(options: SqliteConnectOptions) -> Self {
        Self { options, idle: Mutex::new(None) }
    }

    pub(super) async fn close(&self) {
        if let Some(connection) = self.idle.lock().await.take() {
            let _ = connection.close().await;
        }
    }

    /// Waits for its turn and takes the connection out, which closes it unless it is [kept](Taken::keep).
    pub(super) async fn take(&self) -> Result<Taken<'_>, sqlx::Error> {
        let mut idle = self.idle.lock().await;
        let connection = match idle.take() {
            Some(connection) => connection,
            None => connect(&self.options).await?,
        };
        Ok(Taken { connection, idle })
    }

    /// Takes the connection and begins a transaction that has the write lock.
    pub(super) async fn begin(&self) -> Result<Taken<'_>, sqlx::Error> {
        let mut taken = self.take().await?;
        sqlx::query("BEGIN IMMEDIATE").execute(taken.get()).await?;
        Ok(taken)
    }
}

/// The writing connection in use.
#[derive(Debug)]
pub(super) struct Taken<'a> {
    connection: SqliteConnection,
    idle: MutexGuard<'a, Option<SqliteConnection>>,
}

impl Taken<'_> {
    pub(super) fn get(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }

    pub(super) async fn commit(mut self) -> Result<(), sqlx::Error> {
        sqlx::query("COMMIT").execute(&mut self.connection).await?;
        self.keep();
        Ok(())
    }

    pub(super) fn keep(self) {
        let Self { connection, mut idle } = self;
        *idle = Some(connection);
    }
}

pub(super) async fn check_version(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let version: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(connection).await?;
    let number =
        version.split('.').take(3).filter_map(|part| part.parse::<i64>().ok()).fold(0, |sum, part| sum * 1000 + part);
    if number < OLDEST {
        return Err(StoreError::Schema(format!(
            "SQLite {version} can lose commits (WAL reset); 3.51.3 or newer is needed"
        )));
    }
    Ok(())
}

/// Brings the schema up to date in one transaction, which also keeps a second process from doing the same.
pub(super) async fn migrate(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await?;
    let found: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *connection).await?;
    for step in STEPS.iter().filter(|step| step.version > found) {
        sqlx::raw_sql(step.sqlite).execute(&mut *connection).await?;
        // PRAGMA takes no parameters; the number is ours.
        let mark = sqlx::AssertSqlSafe(format!("PRAGMA user_version = {}", step.version));
        sqlx::raw_sql(mark).execute(&mut *connection).await?;
        tracing::info!(migration = step.name, "the database was brought to schema {}", step.version);
    }
    sqlx::query("COMMIT").execute(&mut *connection).await?;
    let reached: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(connection).await?;
    migrate::judge(reached).map_err(StoreError::Schema)
}

/// Looks for writes of other connections: `data_version` changes with each of them.
pub(super) async fn poll(options: SqliteConnectOptions, changes: watch::Sender<u64>, closing: CancellationToken) {
    let mut connection = None;
    let mut seen = 0_i64;
    while !closing.is_cancelled() {
        if connection.is_none() {
            connection = options.connect().await.ok();
        }
        if let Some(open) = connection.as_mut() {
            match sqlx::query_scalar::<_, i64>("PRAGMA data_version").fetch_one(open).await {
                Ok(now) if now != seen => {
                    seen = now;
                    changes.send_modify(|count| *count += 1);
                }
                Ok(_) => {}
                Err(_) => connection = None,
            }
        }
        let _ = tokio::time::timeout(POLL, closing.cancelled()).await;
    }
    if let Some(open) = connection {
        let _ = open.close().await;
    }
}
