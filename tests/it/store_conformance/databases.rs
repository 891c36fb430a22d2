//! Databases for one test each.

use std::io::Write as _;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::{Arc, Once};

use futures_util::FutureExt as _;
use sqlx::{Connection as _, Executor as _, PgConnection};
use tidewaiter::clock::{Clock as _, SystemClock};
use tidewaiter::store::Store;
use tidewaiter::store::postgres::Postgres;
use tidewaiter::store::sqlite::Sqlite;
use tidewaiter::tasks::Tasks;

/// A database; each store opened on it is a process of its own.
pub struct Database {
    place: Place,
    tasks: Tasks,
}

enum Place {
    File(PathBuf),
    Url(String),
}

impl Database {
    /// One more process.
    pub async fn open(&self) -> Arc<dyn Store> {
        match &self.place {
            Place::File(file) => Arc::new(Sqlite::open(file, &self.tasks).await.expect("the file opens")),
            Place::Url(url) => Arc::new(Postgres::connect(url, &self.tasks).expect("the URL is good")),
        }
    }

    /// The URL, on PostgreSQL.
    pub fn url(&self) -> &str {
        match &self.place {
            Place::Url(url) => url,
            Place::File(_) => panic!("a file has no URL"),
        }
    }

    pub fn is_postgres(&self) -> bool {
        matches!(self.place, Place::Url(_))
    }
}

pub fn unique() -> String {
    SystemClock::default().new_id().simple().to_string()
}

pub async fn on_sqlite(check: impl AsyncFnOnce(Database)) {
    let directory = std::env::temp_dir().join(format!("tidewaiter-{}", unique()));
    std::fs::create_dir_all(&directory).expect("a temporary directory");
    let database = Database { place: Place::File(directory.join("store.db")), tasks: Tasks::new() };
    let outcome = AssertUnwindSafe(check(database)).catch_unwind().await;
    let _ = std::fs::remove_dir_all(&directory);
    outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

#[expect(clippy::disallowed_methods, reason = "which server to test on is told by the environment")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The server to test on. Without one this fails where PostgreSQL is required, and else says that it is skipped.
pub fn server() -> Option<String> {
    static SAID: Once = Once::new();
    let server = environment("TIDEWAITER_TEST_POSTGRES");
    if server.is_none() {
        let required =
            environment("CI").is_some() || environment("TIDEWAITER_REQUIRE_POSTGRES").as_deref() == Some("1");
        assert!(!required, "TIDEWAITER_TEST_POSTGRES is not set, and PostgreSQL must be tested here");
        SAID.call_once(|| {
            // Past the capture of the test's output: this must be seen.
            let _ = writeln!(
                std::io::stderr(),
                "\nSKIPPED: nothing is tested on PostgreSQL; set TIDEWAITER_TEST_POSTGRES to the URL of a user who may \
                 create databases\n"
            );
        });
    }
    server
}

/// The same server, another database.
pub fn at(server: &str, database: &str) -> String {
    let mut url = url::Url::parse(server).expect("TIDEWAITER_TEST_POSTGRES is a URL");
    url.set_path(database);
    url.to_string()
}

pub async fn on_postgres(check: impl AsyncFnOnce(Database)) {
    on_empty_postgres(async |database| {
        Postgres::migrate(database.url()).await.expect("a fresh database can be migrated");
        check(database).await;
    })
    .await;
}

/// As [`on_postgres`], without a schema.
pub async fn on_empty_postgres(check: impl AsyncFnOnce(Database)) {
    let Some(server) = server() else { return };
    let name = format!("tidewaiter_{}", unique());
    let mut admin = PgConnection::connect(&server).await.expect("TIDEWAITER_TEST_POSTGRES answers");
    let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
    admin.execute(sqlx::raw_sql(create)).await.expect("a database can be created");
    let database = Database { place: Place::Url(at(&server, &name)), tasks: Tasks::new() };
    let outcome = AssertUnwindSafe(check(database)).catch_unwind().await;
    let drop = sqlx::AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"));
    let _ = admin.execute(sqlx::raw_sql(drop)).await;
    outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}
