//! The producer and the consumers: programs in Python and Node, as other teams write them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use super::broker::{Broker, EVENTS, IMPORTS};
use super::place::Place;
use super::process::{end, log, ndjson, run};
use crate::history::{Confirmed, Receipt};

/// How long a consumer may take until it consumes.
const START_PATIENCE: Duration = Duration::from_secs(30);

/// Where the clients and what they need are.
#[derive(Debug, Clone)]
pub struct Clients {
    tools: PathBuf,
}

impl Clients {
    /// Has `scripts/clients` fetch what is missing in `tools`, without it into the run's place.
    pub fn prepare(tools: Option<&Path>, place: &Place) -> anyhow::Result<Self> {
        let tools = tools.map_or_else(|| place.path("clients"), Path::to_owned);
        let mut fetch = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/clients"));
        fetch.arg(&tools).stdin(Stdio::null());
        run(fetch).context("there is no producer and no consumer")?;
        // Node looks for modules beside the program.
        fs::copy(source("consumer.mjs"), tools.join("consumer.mjs"))?;
        Ok(Self { tools })
    }

    /// Publishes `lines`, evenly over a while; what the broker confirmed, and the exit code.
    pub fn produce(
        &self,
        place: &Place,
        broker: &Broker,
        lines: &[String],
        over: Duration,
    ) -> anyhow::Result<(Vec<Confirmed>, Option<i32>)> {
        let (messages, ledger) = (place.path("messages.ndjson"), place.path("confirmed.ndjson"));
        fs::write(&messages, lines.join("\n") + "\n")?;
        let mut command = Command::new(self.tools.join("python/bin/python"));
        command.arg(source("producer.py")).args([&messages, &ledger]).arg(IMPORTS).arg(over.as_secs_f64().to_string());
        command.env("AMQP_URL", broker.vhost.url()).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(log(&place.path("producer.log"))?);
        let status = command.status().with_context(|| format!("{command:?} does not start"))?;
        Ok((ndjson("the producer's ledger", &fs::read_to_string(&ledger)?)?, status.code()))
    }

    /// Starts a consumer of `queue` and waits until it consumes what `binding` brings.
    pub fn consume(&self, place: &Place, broker: &Broker, queue: &str, binding: &str) -> anyhow::Result<Consumer> {
        let [received, said] = ["received", "log"].map(|ending| place.path(format!("consumer-{queue}.{ending}")));
        let mut command = Command::new("node");
        command.arg(self.tools.join("consumer.mjs")).arg(&received).args([queue, EVENTS, binding]);
        command.env("AMQP_URL", broker.vhost.url()).stdin(Stdio::null());
        command.stdout(log(&said)?).stderr(log(&said)?);
        let child = command.spawn().with_context(|| format!("{command:?} does not start"))?;
        let mut consumer = Consumer { child, received, said };
        let since = Instant::now();
        while !fs::read_to_string(&consumer.said)?.contains("consuming") {
            ensure!(since.elapsed() < START_PATIENCE, "the consumer of {queue} does not consume");
            if let Some(status) = consumer.child.try_wait()? {
                bail!("the consumer of {queue} ended with {status}; see {}", consumer.said.display());
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(consumer)
    }
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/chaos/clients").join(name)
}

/// A consumer; it is killed when dropped.
pub struct Consumer {
    child: Child,
    received: PathBuf,
    said: PathBuf,
}

impl Consumer {
    /// Ends it; what it received, and how it ended where that is not as it should.
    pub fn stop(&mut self) -> anyhow::Result<(Vec<Receipt>, Option<String>)> {
        let status = end(&mut self.child)?;
        let wrong =
            (!status.success()).then(|| format!("A consumer ended with {status}; see {}.", self.said.display()));
        let name = self.received.display().to_string();
        Ok((ndjson(&name, &fs::read_to_string(&self.received)?)?, wrong))
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        // A child that has been waited for is not signalled again.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
