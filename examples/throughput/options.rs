//! What is asked for, as `key=value` words.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

/// What to measure.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// The worker's binary.
    pub(crate) binary: PathBuf,
    /// An empty directory for everything.
    pub(crate) directory: PathBuf,
    /// The database; none is SQLite in the directory.
    pub(crate) database: Option<String>,
    /// The process id of PostgreSQL's postmaster, whose CPU is counted with its children's.
    pub(crate) postmaster: Option<u32>,
    /// The definition to import for; none is the fixture `ledgerly`.
    pub(crate) integration: Option<PathBuf>,
    /// Accounts of a burst.
    pub(crate) imports: usize,
    /// Worker processes.
    pub(crate) workers: usize,
    /// Connections that send.
    pub(crate) clients: usize,
    /// `worker.slots`.
    pub(crate) slots: usize,
    /// Bursts of each kind.
    pub(crate) repeat: usize,
    /// Imports a second of the even part; 0 leaves it out.
    pub(crate) rate: u32,
    /// How long the even part takes, in seconds.
    pub(crate) seconds: u32,
    /// Whether to measure the HTTP path.
    pub(crate) http: bool,
    /// Whether to measure `tidewaiter import`.
    pub(crate) file: bool,
}

impl Options {
    /// Reads the words of the command line.
    pub(crate) fn read(words: &[String]) -> Result<Self> {
        let mut options = Self {
            binary: PathBuf::new(),
            directory: PathBuf::new(),
            database: None,
            postmaster: None,
            integration: None,
            imports: 5000,
            workers: 1,
            clients: 64,
            slots: 256,
            repeat: 3,
            rate: 300,
            seconds: 10,
            http: true,
            file: true,
        };
        for word in words {
            let (key, value) = word.split_once('=').with_context(|| format!("`{word}` is not KEY=VALUE"))?;
            let number = || value.parse::<usize>().with_context(|| format!("`{key}` has to be a number"));
            match key {
                "binary" => options.binary = value.into(),
                "directory" => options.directory = value.into(),
                "database" => options.database = Some(value.to_owned()),
                "postmaster" => options.postmaster = Some(value.parse()?),
                "integration" => options.integration = Some(value.into()),
                "imports" => options.imports = number()?,
                "workers" => options.workers = number()?,
                "clients" => options.clients = number()?,
                "slots" => options.slots = number()?,
                "repeat" => options.repeat = number()?,
                "rate" => options.rate = u32::try_from(number()?)?,
                "seconds" => options.seconds = u32::try_from(number()?)?,
                "path" => (options.http, options.file) = (value != "file", value != "http"),
                _ => bail!("`{key}` is not known"),
            }
        }
        if options.database.is_none() && options.workers != 1 {
            bail!("a SQLite database has one worker");
        }
        Ok(options)
    }
}
