//! A SQLite file that another process is just making.

use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;
use tidewaiter::store::sqlite::Sqlite;
use tidewaiter::tasks::Tasks;

#[tokio::test(flavor = "multi_thread")]
async fn opening_waits_for_whoever_has_the_file_before_it_is_in_wal_mode() {
    let file = std::env::temp_dir().join(format!("tidewaiter-start-{}.db", std::process::id()));
    let mut other = SqliteConnectOptions::new().filename(&file).create_if_missing(true).connect().await.unwrap();
    for sql in ["CREATE TABLE t (x)", "BEGIN IMMEDIATE", "INSERT INTO t VALUES (1)"] {
        sqlx::query(sql).execute(&mut other).await.unwrap();
    }
    let tasks = Tasks::new();
    let mut opening = std::pin::pin!(Sqlite::open(&file, &tasks));
    assert!(tokio::time::timeout(Duration::from_millis(300), &mut opening).await.is_err(), "it did not wait");
    sqlx::query("COMMIT").execute(&mut other).await.unwrap();
    opening.await.unwrap();
    tasks.stop().cancel();
    for ending in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{ending}", file.display()));
    }
}
