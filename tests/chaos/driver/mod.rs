//! Drives a fault run: the built binary, real processes, a stub upstream that fails, and what is left goes to the judge.

mod broker;
mod clients;
mod database;
mod feed;
mod network;
pub mod options;
mod place;
mod process;
mod scene;
mod trouble;
mod upstream;

use std::path::PathBuf;
use std::time::{Duration, Instant};
use std::{fs, thread};

use anyhow::Context as _;
use tidewaiter::clock::{Clock as _, SystemClock};

use crate::corpus::{self, Channel};
use crate::history::Faults;
use crate::judge::{Verdict, judge};
use crate::rng::Rng;
use crate::shared::services::Services;
use broker::Broker;
use clients::Clients;
use database::Database;
use network::Network;
use options::{BrokerAt, Options, Server};
use place::Place;
use scene::{Brokerage, Scene};
use trouble::Trouble;
use upstream::Upstream;

/// Declared queues are young for a while, and a broker killed then forgets what it confirmed (seen on RabbitMQ 3.10).
const QUEUES_SETTLE: Duration = Duration::from_secs(5);

/// What a run came to.
pub struct Outcome {
    pub verdict: Verdict,
    pub faults: Faults,
    /// From the first line to the last one imported.
    pub fed: Duration,
    /// From there until all was finished.
    pub settled: Duration,
    pub place: PathBuf,
}

/// Performs one run and judges it. The run's directory is kept when promises were broken.
pub fn perform(options: &Options) -> anyhow::Result<Outcome> {
    let unique = SystemClock::default().seed();
    let upstream = Upstream::start(options.seed)?;
    let root = || std::env::temp_dir().join(format!("tidewaiter-chaos-{unique:x}"));
    // Keys and the database's name are new in each run; the corpus and the order of victims are the seed's.
    let place = Place::make(options.keep.clone().unwrap_or_else(root), &upstream, &mut Rng::new(unique))?;
    let services = services(options, &place);
    let database = Database::make(&options.server, &place, services.as_ref(), &upstream, unique)?;
    let outcome = brokerage(options, &place, services.as_ref()).and_then(|brokerage| {
        let (services, brokerage) = (services.as_ref(), brokerage.as_ref());
        troubled(&Scene { options, upstream: &upstream, place: &place, database: &database, services, brokerage })
    });
    database.remove(&upstream);
    let outcome = outcome.with_context(|| format!("the run in {} came to no end", place.root.display()))?;
    if outcome.verdict.violations.is_empty() && options.keep.is_none() {
        // Private servers live in the directory and are wiped first.
        drop(services);
        fs::remove_dir_all(&place.root)?;
    }
    Ok(outcome)
}

/// The private servers that the run asks for.
fn services(options: &Options, place: &Place) -> Option<Services> {
    let server = match (&options.server, &options.broker) {
        (Server::Postgres, Some(BrokerAt::Private)) => "all",
        (Server::Postgres, _) => "pg",
        (_, Some(BrokerAt::Private)) => "mq",
        _ => return None,
    };
    Some(Services::start(place.path("services"), server))
}

fn brokerage(options: &Options, place: &Place, services: Option<&Services>) -> anyhow::Result<Option<Brokerage>> {
    let Some(at) = &options.broker else { return Ok(None) };
    let clients = Clients::prepare(options.clients.as_deref(), place)?;
    Ok(Some(Brokerage { broker: Broker::make(at, services)?, clients }))
}

fn troubled(scene: &Scene<'_>) -> anyhow::Result<Outcome> {
    let Scene { options, place, brokerage, .. } = *scene;
    let channel = if brokerage.is_some() { Channel::Broker } else { Channel::File };
    let corpus = corpus::make(channel, options.seed, options.lines, SystemClock::default().now_ms());
    let config = scene.prepare()?;
    let mut consumers = scene.consumers()?;
    let mut network = brokerage
        .map(|brokerage| Network::make(brokerage.broker.vhost.address(), &scene.database.url()))
        .transpose()?;
    let mut workers = scene.workers(network.as_ref())?;
    if brokerage.is_some() {
        thread::sleep(QUEUES_SETTLE);
    }
    let mut faults = Faults::default();
    let mut rng = Rng::new(options.seed);
    let begin = Instant::now();
    let mut trouble =
        Trouble { scene, network: network.as_mut(), workers: &mut workers, rng: &mut rng, faults: &mut faults };
    let fed = thread::scope(|scope| {
        let feeding = scope.spawn(|| scene.feed(&config, &corpus.lines));
        let troubled = trouble.until_fed(&feeding);
        let fed = feeding.join().map_err(|_| anyhow::anyhow!("the feeding thread panicked"))?;
        troubled.and(fed)
    })?;
    let took = begin.elapsed();
    let finished = trouble.until_settled(&corpus.ledger)?;
    let settled = begin.elapsed().saturating_sub(took);
    if !finished {
        println!("not everything was finished after {settled:?}; what is left is for the judge");
    }
    let alarm = scene::alarm(&workers);
    scene.stop(&mut workers, &fed, &mut faults)?;
    let brokered = scene.brokered(&mut consumers, &fed, alarm, &config, &mut faults)?;
    let history = scene.history(corpus.ledger, &workers, &fed, brokered, faults, &config)?;
    Ok(Outcome { verdict: judge(&history), faults: history.faults, fed: took, settled, place: place.root.clone() })
}
