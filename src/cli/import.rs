//! `tidewaiter import`: requests from a file or a pipe.

mod tally;

use std::fs::{File, Metadata};
use std::io::BufWriter;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use tokio::io::{AsyncBufRead, BufReader};

use self::tally::Tally;
use super::store::{Need, with_store};
use super::{CliError, Exit, Globals, block_on};
use crate::app;
use crate::broker::Broker;
use crate::config::{self, Settings};
use crate::intake::{Address, LinesError, publish_lines, receive_lines};
use crate::tasks::Tasks;
use crate::telemetry::{self, Metrics};

/// Accept import requests from a file, one JSON body or envelope a line.
///
/// An envelope has the fields `message_id`, `correlation_id`, `timestamp`, `traceparent` and `body`. Lines that cannot be
/// accepted are reported and quarantined, the others still go; the same file again imports nothing twice. Exit code 1 if
/// any line was refused.
///
/// Where a broker is configured each line is checked here, as far as that goes without the database, and then published
/// and confirmed; a worker accepts it. Lines that are refused here are reported, and neither sent nor quarantined.
///
/// The definitions are the database's. Only one that has no install yet gets those of `definitions.integrations_dir` and
/// `definitions.installs_dir` (where `definitions.load_at_start` is on); later changes come with `tidewaiter run` or
/// `definitions apply`.
///
/// With `--json` the summary names the first 10,000 refused lines and counts the rest (`refused_omitted`); the report
/// names all.
#[derive(Debug, Args)]
pub(super) struct Import {
    /// The file; `-` is standard input.
    file: PathBuf,
    /// Go straight into the database although a broker is configured.
    #[arg(long)]
    direct: bool,
    /// Write what became of each line to this file, one JSON object a line.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

impl Import {
    pub(super) fn run(&self, globals: &Globals) -> Result<Exit, CliError> {
        // Before anything else: a file that is not there is the most common mistake.
        let source = Source::open(&self.file)?;
        let report = self.report.as_deref().map(|path| create(path, &source)).transpose()?;
        let settings = globals.load()?.settings;
        let tally = Tally::new(globals.output().is_json(), report, source.bytes);
        let broker = settings.broker.as_ref().filter(|_| !self.direct);
        let (tally, ended) = match broker.and_then(|broker| Some((broker, Address::of(broker)?))) {
            Some((broker, address)) => publish(&settings, broker, &address, source, tally),
            None => receive(globals, source, tally),
        }?;
        // What was done before an error is told all the same.
        let exit = tally.finish(&mut globals.output(), &settings)?;
        ended.map(|_| exit).map_err(|error| CliError::unavailable(error.to_string()))
    }
}

/// The tally, and how reading ended.
type Told = (Tally, Result<u64, LinesError>);

/// Straight into the database.
fn receive(globals: &Globals, source: Source, tally: Tally) -> Result<Told, CliError> {
    with_store(globals, Need::Awaited, async |settings, store, metrics| {
        let parts = app::open_parts(&settings, store, None, metrics).await?;
        if parts.accounts.catalog.is_empty() {
            parts.load_definitions(&settings).await?;
        }
        let mut tally = tally;
        let lines = receive_lines(&parts.intake, source.reader(), |outcome| tally.count(outcome)).await;
        Ok(ended(tally, lines))
    })
}

/// To the broker. The database is not asked.
fn publish(
    settings: &Settings,
    broker: &config::Broker,
    address: &Address,
    source: Source,
    mut tally: Tally,
) -> Result<Told, CliError> {
    let _flush = telemetry::start(&settings.log, &Metrics::default())
        .map_err(|error| CliError::unavailable(format!("the log cannot be started: {error}")))?;
    let broker = Broker::new(broker)?;
    block_on(async {
        let tasks = Tasks::new();
        let publisher = address.publisher(broker, "import");
        tasks.spawn("publisher", publisher.clone().run(tasks.stop()));
        let lines = publish_lines(&publisher, address, source.reader(), |outcome| tally.count_sent(outcome)).await;
        tasks.shut_down(Duration::from_secs(5)).await;
        ended(tally, lines)
    })
}

fn ended(mut tally: Tally, lines: Result<u64, LinesError>) -> Told {
    tally.progress.finish_and_clear();
    tally.lines = lines.as_ref().copied().unwrap_or_else(|_| tally.told());
    (tally, lines)
}

/// Where lines come from.
struct Source {
    file: Option<File>,
    bytes: Option<u64>,
}

impl Source {
    fn open(path: &Path) -> Result<Self, CliError> {
        if path == Path::new("-") {
            return Ok(Self { file: None, bytes: None });
        }
        let unreadable = |error| CliError::bad_input(format!("{} cannot be read: {error}", path.display()));
        let file = File::open(path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        if metadata.is_dir() {
            return Err(CliError::bad_input(format!("{} is a directory", path.display())));
        }
        Ok(Self { file: Some(file), bytes: metadata.is_file().then_some(metadata.len()) })
    }

    fn reader(self) -> Box<dyn AsyncBufRead + Unpin> {
        match self.file {
            Some(file) => Box::new(BufReader::with_capacity(64 * 1024, tokio::fs::File::from_std(file))),
            None => Box::new(BufReader::with_capacity(64 * 1024, tokio::io::stdin())),
        }
    }
}

/// Makes the report's file anew, unless it is the one that is read.
fn create(path: &Path, source: &Source) -> Result<BufWriter<File>, CliError> {
    let identity = |metadata: Metadata| (metadata.dev(), metadata.ino());
    let read = source.file.as_ref().and_then(|file| file.metadata().ok()).map(identity);
    if read.is_some() && std::fs::metadata(path).ok().map(identity) == read {
        return Err(CliError::bad_input(format!(
            "{} is the file that is read: the report would empty it",
            path.display()
        )));
    }
    File::create(path)
        .map(BufWriter::new)
        .map_err(|error| CliError::bad_input(format!("{} cannot be written: {error}", path.display())))
}
