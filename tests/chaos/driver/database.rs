//! The database of a run: a file, a private server that may be killed, or a database in somebody's server.

use std::path::PathBuf;

use anyhow::Context as _;
use sqlx::{Connection as _, PgConnection};

use super::options::Server;
use super::place::Place;
use super::upstream::Upstream;
use crate::shared::services::Services;

/// A database, and what has to be taken away in the end.
pub enum Database {
    File { path: PathBuf },
    Private { url: String },
    Shared { server: String, name: String },
}

impl Database {
    /// `services` are the run's private servers.
    pub fn make(
        server: &Server,
        place: &Place,
        services: Option<&Services>,
        upstream: &Upstream,
        unique: u64,
    ) -> anyhow::Result<Self> {
        Ok(match server {
            Server::Sqlite => Self::File { path: place.path("tidewaiter.db") },
            Server::Postgres => {
                Self::Private { url: services.context("no PostgreSQL was started")?.variable("DATABASE_URL") }
            }
            Server::SharedPostgres(server) => {
                let name = format!("chaos_{unique:x}");
                upstream.block_on(statement(server, format!("CREATE DATABASE {name}")))?;
                Self::Shared { server: server.clone(), name }
            }
        })
    }

    pub fn url(&self) -> String {
        match self {
            Self::File { path } => format!("sqlite://{}", path.display()),
            Self::Private { url } => url.clone(),
            Self::Shared { server, name } => {
                server.rsplit_once('/').map_or_else(String::new, |(root, _)| format!("{root}/{name}"))
            }
        }
    }

    /// The files that hold data, in which no secret may be found.
    pub fn files(&self) -> Vec<PathBuf> {
        match self {
            Self::File { path } => {
                let wal = path.with_file_name("tidewaiter.db-wal");
                vec![path.clone(), wal].into_iter().filter(|path| path.exists()).collect()
            }
            // Compressed pages would hide what is in them; the conformance suite looks at the rows instead.
            Self::Private { .. } | Self::Shared { .. } => Vec::new(),
        }
    }

    /// Takes away what the run made outside its directory.
    pub fn remove(&self, upstream: &Upstream) {
        if let Self::Shared { server, name } = self {
            let dropped = upstream.block_on(statement(server, format!("DROP DATABASE {name} WITH (FORCE)")));
            if let Err(error) = dropped {
                println!("the database {name} is left behind: {error:#}");
            }
        }
    }
}

async fn statement(server: &str, sql: String) -> anyhow::Result<()> {
    let mut connection = PgConnection::connect(server).await.context("the PostgreSQL server does not answer")?;
    // Names of databases cannot be parameters; this one is made here of a fixed word and hexadecimal digits.
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await?;
    connection.close().await?;
    Ok(())
}
