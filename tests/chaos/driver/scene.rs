//! The parts of a run that stay: prepares them, starts and stops the workers, gathers the history.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use tidewaiter::clock::{Clock as _, SystemClock};

use super::broker::{ACTIVE, Broker, EVERYTHING};
use super::clients::{Clients, Consumer};
use super::database::Database;
use super::feed::{self, Imported};
use super::network::Network;
use super::options::{Options, Server};
use super::place::{self, Place, Servers};
use super::process::{Worker, binary, ndjson, run};
use super::upstream::Upstream;
use crate::history::{Brokered, Confirmed, Demands, Faults, History, Text};
use crate::ledger::Ledger;
use crate::rng::Rng;
use crate::shared::services::Services;

/// The metric that says that there are dead letters that nobody can read.
const ALARM: &str = "tidewaiter_dead_letters_stuck";

/// What every step of a run needs.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    pub options: &'a Options,
    pub upstream: &'a Upstream,
    pub place: &'a Place,
    pub database: &'a Database,
    /// The servers of this run alone.
    pub services: Option<&'a Services>,
    pub brokerage: Option<&'a Brokerage>,
}

/// What a run with a broker has besides.
pub struct Brokerage {
    pub broker: Broker,
    pub clients: Clients,
}

/// What feeding came to.
pub enum Fed {
    Imported(Imported),
    Published { confirmed: Vec<Confirmed>, code: Option<i32> },
}

impl Scene<'_> {
    /// Makes the servers usable; the answer is the commands' configuration.
    pub fn prepare(&self) -> anyhow::Result<PathBuf> {
        let servers = Servers {
            database: self.database.url(),
            broker: self.brokerage.map(|brokerage| brokerage.broker.vhost.url()),
            probes: 0,
            upstream_port: self.upstream.port()?,
        };
        let config = self.place.config("command.toml", &servers)?;
        // On SQLite `run` does both by itself.
        if self.options.server != Server::Sqlite {
            run(with_config(binary(["migrate"]), &config))?;
            run(with_config(binary(["definitions", "apply"]), &config))?;
        }
        if self.brokerage.is_some() {
            run(with_config(binary(["broker", "apply"]), &config))?;
        }
        Ok(config)
    }

    /// Starts the consumers, the one of every event first.
    pub fn consumers(&self) -> anyhow::Result<Vec<Consumer>> {
        let Some(Brokerage { broker, clients, .. }) = self.brokerage else { return Ok(Vec::new()) };
        let bindings = [(EVERYTHING, "#"), (ACTIVE, "integrated_account.active.#")];
        bindings.iter().map(|(queue, binding)| clients.consume(self.place, broker, queue, binding)).collect()
    }

    /// Starts the workers and waits until they are ready.
    pub fn workers(&self, network: Option<&Network>) -> anyhow::Result<Vec<Worker>> {
        // Not the run's seed: two runs at once must not ask for the same ports.
        let mut rng = Rng::new(SystemClock::default().seed());
        let mut workers = Vec::new();
        for number in 1..=self.options.workers {
            let (name, port) = (format!("worker-{number}"), place::free_port(&mut rng)?);
            let direct = self.database.url();
            let (database, broker) = match (self.brokerage, network) {
                (Some(Brokerage { broker, .. }), Some(network)) => {
                    (network.database_url(&direct)?, Some(broker.vhost.url_by(network.broker_port())))
                }
                _ => (direct, None),
            };
            let servers = Servers { database, broker, probes: port, upstream_port: self.upstream.port()? };
            let config = self.place.config(&format!("{name}.toml"), &servers)?;
            workers.push(Worker::start(number, config, port, self.place.path(format!("{name}.log")))?);
        }
        for worker in &mut workers {
            worker.until_ready()?;
        }
        Ok(workers)
    }

    /// Imports or publishes the lines.
    pub fn feed(&self, config: &Path, lines: &[String]) -> anyhow::Result<Fed> {
        let over = self.options.over;
        Ok(match self.brokerage {
            None => Fed::Imported(feed::import(self.place, config, lines, over)?),
            Some(Brokerage { broker, clients, .. }) => {
                let (confirmed, code) = clients.produce(self.place, broker, lines, over)?;
                Fed::Published { confirmed, code }
            }
        })
    }

    /// Stops the workers in good order. Whatever does not end as it should is noted.
    pub fn stop(&self, workers: &mut [Worker], fed: &Fed, faults: &mut Faults) -> anyhow::Result<()> {
        // Lines were refused, so the import's code is 1.
        let (what, code, wanted) = match fed {
            Fed::Imported(imported) => ("import", imported.code, 1),
            Fed::Published { code, .. } => ("producer", *code, 0),
        };
        if code != Some(wanted) {
            faults.exits.push(format!("The {what} ended with {code:?} instead of code {wanted}."));
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

    /// Stops the consumers and gathers what the broker's side of the run left behind.
    pub fn brokered(
        &self,
        consumers: &mut [Consumer],
        fed: &Fed,
        alarm: bool,
        config: &Path,
        faults: &mut Faults,
    ) -> anyhow::Result<Option<Brokered>> {
        let (Some(Brokerage { broker, .. }), Fed::Published { confirmed, .. }) = (self.brokerage, fed) else {
            return Ok(None);
        };
        let mut received = Vec::new();
        for consumer in consumers {
            let (receipts, wrong) = consumer.stop()?;
            received.push(receipts);
            faults.exits.extend(wrong);
        }
        let active = received.pop().unwrap_or_default();
        let everything = received.pop().unwrap_or_default();
        let (queues, dead_letters) = broker.waiting(self.upstream)?;
        let listing = run(with_config(binary(["quarantine", "list", "--limit", "1000000", "--json"]), config))?;
        fs::write(self.quarantine(), &listing)?;
        let quarantine = ndjson("the quarantine", &listing)?;
        Ok(Some(Brokered { confirmed: confirmed.clone(), quarantine, everything, active, queues, dead_letters, alarm }))
    }

    fn quarantine(&self) -> PathBuf {
        self.place.path("quarantine.ndjson")
    }

    /// Gathers what the run left behind.
    pub fn history(
        &self,
        ledger: Ledger,
        workers: &[Worker],
        fed: &Fed,
        brokered: Option<Brokered>,
        faults: Faults,
        config: &Path,
    ) -> anyhow::Result<History> {
        let listing = run(with_config(binary(["accounts", "list", "--all", "--json"]), config))?;
        let mut history = History {
            ledger,
            accounts: ndjson("the list of accounts", &listing)?,
            texts: vec![text("the list of accounts", listing.as_bytes())],
            faults,
            demands: Demands {
                kill_hits: self.options.kill_hits,
                database_kills: self.options.database_kills,
                broker_kills: self.options.broker_kills,
                breaks: self.options.breaks,
                upstream_faults: true,
            },
            ..History::default()
        };
        if let Some(brokered) = &brokered {
            history.texts.push(text("the quarantine", &fs::read(self.quarantine())?));
            let lines = brokered.everything.iter().flat_map(|receipt| [receipt.body.as_str(), "\n"]);
            history.events = lines.collect::<String>().into_bytes();
        } else {
            history.events = fs::read(self.place.events())?;
        }
        if let Fed::Imported(imported) = fed {
            history.report = ndjson("the import's report", &imported.report)?;
            history.summary =
                serde_json::from_str(&imported.summary).context("the import's summary is not as expected")?;
            history.texts.extend([
                text("the import's report", imported.report.as_bytes()),
                text("the import's summary", imported.summary.as_bytes()),
                text("the import's log", &fs::read(&imported.said)?),
            ]);
        }
        history.brokered = brokered;
        for worker in workers {
            history.texts.push(text(&format!("the log of worker {}", worker.number), &fs::read(&worker.log)?));
        }
        for file in self.database.files() {
            history.texts.push(text(&file.display().to_string(), &fs::read(&file)?));
        }
        Ok(history)
    }
}

/// Whether a worker says that there are dead letters that nobody can read.
pub fn alarm(workers: &[Worker]) -> bool {
    workers.iter().any(|worker| worker.metric(ALARM).is_some_and(|count| count > 0))
}

fn with_config(mut command: Command, config: &Path) -> Command {
    command.arg("--config").arg(config);
    command
}

fn text(name: &str, bytes: &[u8]) -> Text {
    Text { name: name.to_owned(), bytes: bytes.to_vec() }
}
