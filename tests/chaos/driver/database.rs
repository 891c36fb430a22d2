//! The database of a run: a file, a private server that may be killed, or a database in somebody's server.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use sqlx::{Connection as _, PgConnection};

use super::options::Server;
use super::place::Place;
use super::process::run;
use super::upstream::Upstream;

/// A database, and what has to be taken away in the end.
pub enum Database {
    File { path: PathBuf },
    Private { services: Services, url: String },
    Shared { server: String, name: String },
}

impl Database {
    pub fn make(server: &Server, place: &Place, upstream: &Upstream, unique: u64) -> anyhow::Result<Self> {
        Ok(match server {
            Server::Sqlite => Self::File { path: place.path("tidewaiter.db") },
            Server::Postgres => {
                let services = Services { state: place.path("services") };
                services.act("start")?;
                let settings = services.ask("env")?;
                let url = settings.lines().find_map(|line| line.strip_prefix("export DATABASE_URL="));
                let url = url.context("scripts/services names no DATABASE_URL")?.trim_matches(['\'', '"']).to_owned();
                Self::Private { services, url }
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
            Self::Private { url, .. } => url.clone(),
            Self::Shared { server, name } => {
                server.rsplit_once('/').map_or_else(String::new, |(root, _)| format!("{root}/{name}"))
            }
        }
    }

    /// Kills the server as a crash would, and starts it again.
    pub fn crash(&self) -> anyhow::Result<()> {
        if let Self::Private { services, .. } = self {
            services.act("kill")?;
            services.act("start")?;
        }
        Ok(())
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

/// A private server by scripts/services; wiped when dropped.
pub struct Services {
    state: PathBuf,
}

impl Services {
    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/services"));
        command.arg(verb).arg(&self.state).arg("pg");
        command
    }

    fn ask(&self, verb: &str) -> anyhow::Result<String> {
        run(self.command(verb))
    }

    /// Acts without reading what is printed: a server would keep a pipe open, and the reader waiting.
    fn act(&self, verb: &str) -> anyhow::Result<()> {
        let log = super::process::log(&self.state.with_extension("log"))?;
        let mut command = self.command(verb);
        command.stdout(log.try_clone()?).stderr(log);
        let status = command.status().with_context(|| format!("{command:?} does not start"))?;
        anyhow::ensure!(status.success(), "{command:?} ended with {status}");
        Ok(())
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        if let Err(error) = self.act("wipe") {
            println!("a server is left behind: {error:#}");
        }
    }
}
