//! What kind of fault run is wanted.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};

/// Where the accounts are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Server {
    /// SQLite, one worker.
    Sqlite,
    /// A private PostgreSQL that the run starts, kills and wipes; several workers.
    Postgres,
    /// A PostgreSQL that belongs to somebody else, by its URL: a database of its own in it, no kills of the server.
    SharedPostgres(String),
}

/// One fault run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    pub server: Server,
    pub workers: usize,
    /// Lines of the import file.
    pub lines: usize,
    /// For how long the lines are fed through standard input; zero imports the file at once.
    pub over: Duration,
    /// How often a random worker is killed; `None` never.
    pub kill_every: Option<Duration>,
    /// Kills that have to hit a worker with runs in its hands.
    pub kill_hits: usize,
    pub database_kills: usize,
    pub seed: u64,
    /// How long after the last line and the last fault everything may take to be finished.
    pub patience: Duration,
    /// Keep the run's directory, and put it here.
    pub keep: Option<PathBuf>,
}

impl Options {
    /// A run that fits into the tests.
    pub fn short(server: Server) -> Self {
        let workers = if server == Server::Sqlite { 1 } else { 3 };
        Self {
            server,
            workers,
            lines: 600,
            over: Duration::from_secs(20),
            kill_every: Some(Duration::from_secs(4)),
            kill_hits: 3,
            database_kills: 0,
            seed: 1,
            patience: Duration::from_mins(3),
            keep: None,
        }
    }

    /// Reads `sqlite|postgres [lines=N] [over=SECONDS] [kill-every=SECONDS] [kill-hits=N] [database-kills=N]
    /// [workers=N] [seed=N] [patience=SECONDS] [keep=DIRECTORY]`. What is not said is as for an import at once.
    pub fn parse(words: &str) -> anyhow::Result<Self> {
        let mut words = words.split_whitespace();
        let server = match words.next() {
            Some("sqlite") => Server::Sqlite,
            Some("postgres") => Server::Postgres,
            other => bail!("the first word is `sqlite` or `postgres`, not {other:?}"),
        };
        let mut options = Self {
            lines: 5000,
            over: Duration::ZERO,
            kill_every: None,
            kill_hits: 0,
            patience: Duration::from_mins(10),
            ..Self::short(server)
        };
        for word in words {
            let (key, value) = word.split_once('=').with_context(|| format!("`{word}` is not KEY=VALUE"))?;
            options.set(key, value).with_context(|| format!("in `{word}`"))?;
        }
        if options.server == Server::Sqlite && (options.workers != 1 || options.database_kills != 0) {
            bail!("SQLite has one worker and no server to kill");
        }
        Ok(options)
    }

    fn set(&mut self, key: &str, value: &str) -> anyhow::Result<()> {
        let seconds = |value: &str| value.parse().map(Duration::from_secs);
        match key {
            "lines" => self.lines = value.parse()?,
            "over" => self.over = seconds(value)?,
            "kill-every" => self.kill_every = Some(seconds(value)?).filter(|every| !every.is_zero()),
            "kill-hits" => self.kill_hits = value.parse()?,
            "database-kills" => self.database_kills = value.parse()?,
            "workers" => self.workers = value.parse::<usize>()?.max(1),
            "seed" => self.seed = value.parse()?,
            "patience" => self.patience = seconds(value)?,
            "keep" => self.keep = Some(PathBuf::from(value)),
            _ => bail!("there is no `{key}`"),
        }
        Ok(())
    }
}
