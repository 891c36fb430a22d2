//! The parts of a run that stay: prepares them, starts and stops the workers, gathers the history.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use serde::de::DeserializeOwned;
use tidewaiter::clock::{Clock as _, SystemClock};

use super::database::Database;
use super::feed::Imported;
use super::options::{Options, Server};
use super::place::{self, Place};
use super::process::{Worker, binary, run};
use super::upstream::Upstream;
use crate::history::{Demands, Faults, History, Text};
use crate::ledger::Ledger;
use crate::rng::Rng;

/// What every step of a run needs.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    pub options: &'a Options,
    pub upstream: &'a Upstream,
    pub place: &'a Place,
    pub database: &'a Database,
}

impl Scene<'_> {
    /// Makes the database usable; the answer is the commands' configuration.
    pub fn prepare(&self) -> anyhow::Result<PathBuf> {
        let config = self.place.config("command.toml", &self.database.url(), 0, self.upstream.port()?)?;
        // On SQLite `run` does both by itself.
        if self.options.server != Server::Sqlite {
            run(with_config(binary(["migrate"]), &config))?;
            run(with_config(binary(["definitions", "apply"]), &config))?;
        }
        Ok(config)
    }

    /// Starts the workers and waits until they are ready.
    pub fn workers(&self) -> anyhow::Result<Vec<Worker>> {
        // Not the run's seed: two runs at once must not ask for the same ports.
        let mut rng = Rng::new(SystemClock::default().seed());
        let mut workers = Vec::new();
        for number in 1..=self.options.workers {
            let port = place::free_port(&mut rng)?;
            let name = format!("worker-{number}");
            let config =
                self.place.config(&format!("{name}.toml"), &self.database.url(), port, self.upstream.port()?)?;
            workers.push(Worker::start(number, config, port, self.place.path(format!("{name}.log")))?);
        }
        for worker in &mut workers {
            worker.until_ready()?;
        }
        Ok(workers)
    }

    /// Stops the workers in good order. Whatever does not end as it should is noted.
    pub fn stop(&self, workers: &mut [Worker], imported: &Imported, faults: &mut Faults) -> anyhow::Result<()> {
        // Lines were refused, so the import's code is 1.
        if imported.code != Some(1) {
            faults.exits.push(format!("The import ended with {:?} instead of code 1.", imported.code));
        }
        for worker in workers {
            let status = worker.stop()?;
            if !status.success() {
                faults.exits.push(format!("Worker {} ended with {status} after SIGTERM.", worker.number));
            }
        }
        faults.upstream = self.upstream.faults();
        Ok(())
    }

    /// Gathers what the run left behind.
    pub fn history(
        &self,
        ledger: Ledger,
        workers: &[Worker],
        imported: &Imported,
        faults: Faults,
        config: &Path,
    ) -> anyhow::Result<History> {
        let listing = run(with_config(binary(["accounts", "list", "--all", "--json"]), config))?;
        let mut texts = vec![
            text("the import's report", imported.report.as_bytes()),
            text("the import's summary", imported.summary.as_bytes()),
            text("the import's log", &fs::read(&imported.said)?),
            text("the list of accounts", listing.as_bytes()),
        ];
        for worker in workers {
            texts.push(text(&format!("the log of worker {}", worker.number), &fs::read(&worker.log)?));
        }
        for file in self.database.files() {
            texts.push(text(&file.display().to_string(), &fs::read(&file)?));
        }
        Ok(History {
            ledger,
            report: ndjson("the import's report", &imported.report)?,
            summary: serde_json::from_str(&imported.summary).context("the import's summary is not as expected")?,
            events: fs::read(self.place.events())?,
            accounts: ndjson("the list of accounts", &listing)?,
            texts,
            faults,
            demands: Demands {
                kill_hits: self.options.kill_hits,
                database_kills: self.options.database_kills,
                upstream_faults: true,
            },
        })
    }
}

fn with_config(mut command: Command, config: &Path) -> Command {
    command.arg("--config").arg(config);
    command
}

fn text(name: &str, bytes: &[u8]) -> Text {
    Text { name: name.to_owned(), bytes: bytes.to_vec() }
}

/// Reads NDJSON; `what` names it in errors.
fn ndjson<T: DeserializeOwned>(what: &str, text: &str) -> anyhow::Result<Vec<T>> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(index, line)| {
            serde_json::from_str(line).with_context(|| format!("{what}, line {}, is not as expected", index + 1))
        })
        .collect()
}
