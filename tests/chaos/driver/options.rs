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

/// Which broker the imports and events go over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BrokerAt {
    /// A private RabbitMQ that the run starts, kills and wipes.
    Private,
    /// A RabbitMQ that belongs to somebody else, by its URLs: a virtual host of its own in it, no kills of the server.
    Shared { amqp: String, management: String },
}

/// One fault run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    pub server: Server,
    /// Without a broker the imports are lines of a file, and events go into one.
    pub broker: Option<BrokerAt>,
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
    pub broker_kills: usize,
    /// How often connections between the workers and a server are cut, silenced or held up in turn; `None` never.
    pub break_every: Option<Duration>,
    /// Such breaks that have to meet connections.
    pub breaks: usize,
    pub seed: u64,
    /// How long after the last line and the last fault everything may take to be finished.
    pub patience: Duration,
    /// Keep the run's directory, and put it here.
    pub keep: Option<PathBuf>,
    /// Where `scripts/clients` has put the clients; `None` has it put them into the run's directory.
    pub clients: Option<PathBuf>,
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
            broker: None,
            database_kills: 0,
            broker_kills: 0,
            break_every: None,
            breaks: 0,
            seed: 1,
            patience: Duration::from_mins(3),
            keep: None,
            clients: None,
        }
    }

    /// A run over a broker that fits into the tests.
    pub fn short_brokered(server: String, broker: BrokerAt) -> Self {
        Self {
            broker: Some(broker),
            lines: 400,
            over: Duration::from_secs(15),
            kill_hits: 2,
            break_every: Some(Duration::from_secs(3)),
            breaks: 3,
            ..Self::short(Server::SharedPostgres(server))
        }
    }

    /// Reads `sqlite|postgres [KEY=VALUE...]`, the keys of scripts/chaos. What is not said is as for an import at once.
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
        let network = options.broker_kills + options.breaks > 0 || options.break_every.is_some();
        if options.broker.is_none() && network {
            bail!("without `broker=yes` there is no broker to kill and no connection to break");
        }
        if options.broker.is_some() && (options.server == Server::Sqlite || options.over.is_zero()) {
            bail!("a run over a broker needs `postgres` and a time (`over`)");
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
            "broker" if value == "yes" => self.broker = Some(BrokerAt::Private),
            "broker-kills" => self.broker_kills = value.parse()?,
            "break-every" => self.break_every = Some(seconds(value)?).filter(|every| !every.is_zero()),
            "breaks" => self.breaks = value.parse()?,
            "clients" => self.clients = Some(PathBuf::from(value)),
            "workers" => self.workers = value.parse::<usize>()?.max(1),
            "seed" => self.seed = value.parse()?,
            "patience" => self.patience = seconds(value)?,
            "keep" => self.keep = Some(PathBuf::from(value)),
            _ => bail!("there is no `{key}`"),
        }
        Ok(())
    }
}
